//! A command that can be sent.

use crate::actors::request::ExecRequest;
use crate::ssh::command::{self, CommandError, CommandLine};

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunIn {
    /// On a channel of its own.
    Channel,
    /// In the session's shell.
    Shell,
}

/// A command that can be sent.
#[derive(Debug)]
pub(crate) struct CommandWork {
    pub(crate) request: ExecRequest,
    pub(crate) run_in: RunIn,
    /// The text for the host, made once.
    pub(crate) line: CommandLine,
}

impl CommandWork {
    /// Makes the text for the host: in a shell the command itself, else the line of the exec request.
    pub(crate) fn prepare(request: ExecRequest, run_in: RunIn) -> Result<Self, CommandError> {
        let line = match run_in {
            RunIn::Shell => command::shell_line(&request.command, request.cwd.as_deref())?,
            RunIn::Channel => command::command_line(
                &request.command,
                request.cwd.as_deref(),
                &request.env,
                &command::token(),
            )?,
        };
        Ok(Self {
            request,
            run_in,
            line,
        })
    }
}
