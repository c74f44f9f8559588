//! The two streams of a command.

/// One of the two streams of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error: extended data of type 1.
    Stderr,
}

impl Stream {
    /// Both streams, in the order in which results show them.
    pub const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// The name in parameters and in `_meta`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}
