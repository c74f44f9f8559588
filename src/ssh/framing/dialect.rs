//! The texts that are sent: for bash, and for the `sh` of hosts without bash.

use std::sync::LazyLock;

use super::saved::Saved;
use crate::ssh::command::quote;
use crate::ssh::script;

static START_LINE: LazyLock<String> = LazyLock::new(|| {
    let start = script::one_line(include_str!("start.sh"));
    format!("exec sh -c {}", quote(&start))
});
static HELLO: LazyLock<String> =
    LazyLock::new(|| script::one_line(include_str!("hello.sh")) + "\n");
static BASH_INIT: LazyLock<String> = LazyLock::new(|| script::lines(include_str!("bash.sh")));
static POSIX_INIT: LazyLock<String> = LazyLock::new(|| script::lines(include_str!("posix.sh")));

/// Makes bash count the lines of the next command from 1, for `$LINENO` and for error messages.
///
/// bash numbers a command when reading the command, so the number must be set on an earlier line. After most kinds of
/// commands bash restores the old number; a redirection of an arithmetic command is expanded before bash saves that
/// number. The redirection itself has no effect.
const LINES_FROM_ONE: &str = "((1))>&$((LINENO=0))\n";

/// Variables that belong to a connection or to the shell's own running, and are not restored.
const NOT_RESTORED: [&str; 12] = [
    "PWD",
    "SHLVL",
    "_",
    "SSH_CONNECTION",
    "SSH_CLIENT",
    "SSH_TTY",
    "SSH_AUTH_SOCK",
    "LC_MCP_SSH",
    "XMODIFIERS",
    "BASH_ENV",
    "ENV",
    "SHELLOPTS",
];

/// Which shell it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) enum Dialect {
    /// bash.
    Bash,
    /// Another POSIX shell, called `sh`.
    Sh,
}

impl Dialect {
    /// The commands that make a shell ready for frames.
    pub(in crate::ssh) fn init(self) -> &'static str {
        match self {
            Self::Bash => &BASH_INIT,
            Self::Sh => &POSIX_INIT,
        }
    }

    /// One command. With `state` its end tells umask, exported variables and background processes too.
    pub(in crate::ssh) fn frame(self, command: &[u8], token: &str, state: bool) -> Vec<u8> {
        let skip = if state { "" } else { " x" };
        let (before, after) = match self {
            Self::Bash => (
                format!("{LINES_FROM_ONE}__mcp_r=1;\\builtin eval "),
                format!(" </dev/null >&98 2>&99 98>&- 99>&-;\\__mcp_sh \"$?\" {token}{skip}\n)\n"),
            ),
            Self::Sh => (
                "command eval ".to_owned(),
                format!(" </dev/null >&8 2>&9 8>&- 9>&-;__mcp_sh \"$?\" {token}{skip}\n"),
            ),
        };
        let mut frame = Vec::with_capacity(before.len() + command.len() + after.len() + 64);
        frame.extend_from_slice(before.as_bytes());
        // A word that begins with a blank is no option of eval, and its last line ends like any other.
        quote_into(&mut frame, &[b" ", command, b"\n"]);
        frame.extend_from_slice(after.as_bytes());
        frame
    }

    /// The command that changes the directory. Prints `failure` on stdout if the directory cannot be entered: the exit
    /// status cannot tell that, because under `set -e` a failed command would end the shell. A leading `~` is the remote
    /// home; CDPATH and a directory named "-" have no special meaning.
    pub(in crate::ssh) fn changing_directory(self, directory: &str, failure: &str) -> Vec<u8> {
        let builtin = match self {
            Self::Bash => "\\builtin",
            Self::Sh => "command",
        };
        let mut text = format!("CDPATH= {builtin} cd -- ").into_bytes();
        let word = match directory.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                text.extend_from_slice(b"\"$HOME\"");
                rest.to_owned()
            }
            _ if directory.starts_with('-') => format!("./{directory}"),
            _ => directory.to_owned(),
        };
        quote_into(&mut text, &[word.as_bytes()]);
        text.extend_from_slice(format!(" >/dev/null || {builtin} printf {failure}").as_bytes());
        text
    }

    /// The command that restores the old shell's state in a new shell. The exit status is 0 if the directory could be
    /// entered.
    pub(in crate::ssh) fn restoring(self, saved: &Saved) -> Vec<u8> {
        let mut text = Vec::new();
        if self == Self::Bash && !saved.exports.is_empty() {
            // Variables that the old shell had unset, and the login of the new shell has set again.
            let kept = NOT_RESTORED.join("|");
            text.extend_from_slice(
                format!("for __mcp_c in $(compgen -e); do case $__mcp_c in {kept}) ;; *) unset \"$__mcp_c\";; esac; done\n")
                    .as_bytes(),
            );
        }
        for (name, value) in &saved.exports {
            // `set -a` exports ours too.
            if NOT_RESTORED.contains(&name.as_str()) || name.starts_with("__mcp_") {
                continue;
            }
            text.extend_from_slice(format!("export {name}").as_bytes());
            if let Some(value) = value {
                text.push(b'=');
                quote_into(&mut text, &[value]);
            }
            text.push(b'\n');
        }
        if let Some(umask) = &saved.umask {
            text.extend_from_slice(format!("umask {umask}\n").as_bytes());
        }
        if let Some(cwd) = &saved.cwd {
            text.extend_from_slice(b"CDPATH= cd -- ");
            quote_into(&mut text, &[cwd]);
            text.extend_from_slice(b" >/dev/null\n");
        }
        text
    }
}

/// The command that starts a shell.
pub(in crate::ssh) fn start_line() -> &'static str {
    &START_LINE
}

/// The line that asks a shell which it is.
pub(in crate::ssh) fn hello(token: &str) -> Vec<u8> {
    HELLO.replace("TOKEN", token).into_bytes()
}

/// The introduction of a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) struct Introduction {
    /// Its process.
    pub(in crate::ssh) process: u32,
    /// Its dialect.
    pub(in crate::ssh) dialect: Dialect,
    /// Whether the environment has given the shell functions.
    pub(in crate::ssh) has_functions: bool,
}

/// Reads the introduction, which the end of the hello carries in place of a directory.
pub(in crate::ssh) fn introduced(words: &[u8]) -> Option<Introduction> {
    let text = std::str::from_utf8(words).ok()?;
    let (process, rest) = text.split_once(' ')?;
    let (version, functions) = rest.split_once(' ')?;
    let dialect = if version.is_empty() {
        Dialect::Sh
    } else {
        Dialect::Bash
    };
    Some(Introduction {
        process: process.parse().ok()?,
        dialect,
        has_functions: !functions.is_empty(),
    })
}

/// One word in single quotes, which every shell that gets here reads alike.
fn quote_into(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.push(b'\'');
    for byte in parts.iter().flat_map(|part| part.iter()) {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            byte => out.push(*byte),
        }
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_line_number_a_line_of_the_shell_and_a_line_to_die_of() {
        let frame = Dialect::Bash.frame(b"echo 'x", "T0", false);
        let text = String::from_utf8(frame).unwrap();
        assert_eq!(
            text,
            "((1))>&$((LINENO=0))\n__mcp_r=1;\\builtin eval ' echo '\\''x\n' </dev/null >&98 2>&99 98>&- 99>&-;\\__mcp_sh \"$?\" T0 x\n)\n"
        );
    }

    #[test]
    fn a_directory_is_one_word_of_cd() {
        for (directory, word) in [
            ("/it's", "'/it'\\''s'"),
            ("~", "\"$HOME\"''"),
            ("~/a b", "\"$HOME\"'/a b'"),
            ("~user", "'~user'"),
            ("-", "'./-'"),
        ] {
            let text = Dialect::Sh.changing_directory(directory, "T0");
            assert_eq!(
                String::from_utf8(text).unwrap(),
                format!("CDPATH= command cd -- {word} >/dev/null || command printf T0")
            );
        }
    }

    #[test]
    fn a_shell_introduces_itself() {
        let shell = |dialect, has_functions| {
            Some(Introduction {
                process: 12,
                dialect,
                has_functions,
            })
        };
        assert_eq!(introduced(b"12 5.2.15 "), shell(Dialect::Bash, false));
        assert_eq!(introduced(b"12 5.2.15 f"), shell(Dialect::Bash, true));
        assert_eq!(introduced(b"12  "), shell(Dialect::Sh, false));
        assert_eq!(introduced(b"x"), None);
    }

    #[test]
    fn what_belongs_to_a_connection_is_not_restored() {
        let saved = Saved {
            cwd: Some(b"/it's\n".to_vec()),
            umask: Some("0027".into()),
            exports: vec![
                ("SSH_CLIENT".into(), Some(b"old".to_vec())),
                ("A".into(), Some(b"a'b".to_vec())),
                ("B".into(), None),
            ],
        };
        let text = String::from_utf8(Dialect::Sh.restoring(&saved)).unwrap();
        assert_eq!(
            text,
            "export A='a'\\''b'\nexport B\numask 0027\nCDPATH= cd -- '/it'\\''s\n' >/dev/null\n"
        );
    }
}
