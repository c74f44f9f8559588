//! The values of the labels: closed sets.

use crate::error::ErrorCode;

/// Declares a closed set of label values.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The label.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

labels! {
    /// Kind of a dial.
    Dial {
        /// Of a session that was not up before in this process.
        First = "connect",
        /// Of a session that has lost its link or was told to reconnect.
        Again = "reconnect",
    }
}

labels! {
    /// The tool that runs a command.
    CommandTool {
        /// `ssh_exec`.
        Exec = "ssh_exec",
        /// `ssh_shell`.
        Shell = "ssh_shell",
    }
}

labels! {
    /// How a command ended, in the words of the results.
    CommandOutcome {
        /// With an exit status.
        Exited = "exited",
        /// By a signal.
        Signaled = "signaled",
        /// The command's time was over.
        TimedOut = "timedOut",
        /// The caller or the session gave up.
        Cancelled = "cancelled",
        /// The link was lost: whether the command finished is unknown.
        ConnectionLost = "connectionLost",
        /// The command never ran.
        NotRun = "notRun",
        /// A defect of this program; whether the command finished is unknown.
        Failed = "failed",
    }
}

labels! {
    /// How a call of a tool ended.
    CallOutcome {
        /// With a result.
        Ok = "ok",
        /// With an error.
        Error = "error",
        /// The caller gave up first.
        Cancelled = "cancelled",
    }
}

labels! {
    /// Direction of a transfer.
    Direction {
        /// To the host.
        Upload = "upload",
        /// From the host.
        Download = "download",
    }
}

labels! {
    /// How a transfer ended.
    TransferOutcome {
        /// Whole.
        Done = "done",
        /// With an error.
        Failed = "failed",
        /// Stopped by a call.
        Cancelled = "cancelled",
    }
}

labels! {
    /// An actor that is started anew after a crash. The others are temporary: they are never restarted.
    Actor {
        /// A session.
        Session = "session",
    }
}

labels! {
    /// Reason for refusing an HTTP request or connection.
    HttpRejection {
        /// The `Host` of another server.
        Host = "host",
        /// A page of another origin.
        Origin = "origin",
        /// No token, or a wrong token.
        Token = "token",
        /// Another user of this machine.
        Peer = "peer",
        /// A body that is too large.
        BodySize = "bodySize",
        /// A body that arrived too slowly.
        BodyTime = "bodyTime",
        /// A body that is not MCP.
        Malformed = "malformed",
        /// Too many connections.
        Connections = "connections",
        /// Too many MCP sessions.
        Sessions = "sessions",
    }
}

/// The codes that a dial can fail with; any other code counts as `internal`.
pub(super) const DIAL_CODES: [ErrorCode; 12] = [
    ErrorCode::ConnectFailed,
    ErrorCode::AuthFailed,
    ErrorCode::HostKeyUnknown,
    ErrorCode::HostKeyChanged,
    ErrorCode::HostKeyRevoked,
    ErrorCode::HostKeyMismatch,
    ErrorCode::ConfigError,
    ErrorCode::InvalidParameter,
    ErrorCode::TimedOut,
    ErrorCode::ConnectionLost,
    ErrorCode::Unsupported,
    ErrorCode::Internal,
];
pub(super) const OK: &str = "ok";
/// The codes of refused host keys, and their reasons.
pub(super) const REFUSALS: [(ErrorCode, &str); 4] = [
    (ErrorCode::HostKeyUnknown, "unknown"),
    (ErrorCode::HostKeyChanged, "changed"),
    (ErrorCode::HostKeyRevoked, "revoked"),
    (ErrorCode::HostKeyMismatch, "mismatch"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_words() {
        let rejections = HttpRejection::ALL.iter().map(|reason| reason.as_str());
        let outcomes = CommandOutcome::ALL.iter().map(|outcome| outcome.as_str());
        for label in rejections.chain(outcomes) {
            assert!(label.chars().all(char::is_alphanumeric), "{label}");
        }
    }

    #[test]
    fn every_refusal_of_a_key_is_an_outcome_of_a_dial() {
        for (code, _) in REFUSALS {
            assert!(DIAL_CODES.contains(&code), "{code}");
        }
    }
}
