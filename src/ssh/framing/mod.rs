//! Puts commands into a persistent shell and finds their ends in its output. Pure.
//!
//! ```text
//!   to the shell                               from the shell
//!   ((1))>&$((LINENO=0))                       stdout: output, TOKEN e status cwd NUL, state, TOKEN z
//!   eval ' command                             stderr: output, TOKEN e
//!   ' </dev/null >&98 2>&99 …; __mcp_sh …
//!   )
//! ```
//!
//! The first line makes bash count lines from the command's own first line; other shells have no such line.
//!
//! The shell itself has `/dev/null` as stdout and stderr and its commands on stdin; the real streams are kept on
//! two descriptors, which a command does not have. So output of the shell itself (traces and traps of the frame) goes
//! nowhere, and a redirection by `exec >file` ends with its command.
//!
//! The text of a command is one quoted word: an open quote or heredoc is an error of that word. The shell reads
//! the whole line before any part runs, so no command can eat the rest of its frame. The token is
//! 128 random bits, new for each command, on both streams; no variable holds it. In bash a line follows that is
//! a syntax error, which the end of the frame swallows: a shell in which that end does not run as it should
//! (`set -n`, a function called `builtin`) reads that line and exits at once, instead of waiting for ever.

pub(super) mod dialect;
mod errexit;
mod reader;
mod saved;
mod stateless;
mod word;

pub(super) use self::errexit::may_have_ended_shell;
pub(super) use self::reader::{Event, FrameReader};
pub(super) use self::saved::{Saved, read as read_state};
pub(super) use self::stateless::is_plain;
