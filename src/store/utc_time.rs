//! Times of the store file: RFC 3339, UTC, whole seconds.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::session_name::quoted;

/// A point in time, in whole seconds, written as `2026-11-22T15:04:05Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct UtcTime(Timestamp);

impl UtcTime {
    /// The time of the system's clock.
    pub fn now() -> Self {
        Self::whole(Timestamp::now())
    }

    /// Drops the fraction of a second.
    fn whole(time: Timestamp) -> Self {
        // The seconds of a valid time are a valid time, so the fallback is never taken.
        Self(Timestamp::from_second(time.as_second()).unwrap_or(time))
    }
}

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{quoted} is not a time: write it as 2026-11-22T15:04:05Z")]
pub struct UtcTimeError {
    /// The refused text, escaped and cut.
    quoted: String,
}

impl FromStr for UtcTime {
    type Err = UtcTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time: Result<Timestamp, _> = text.parse();
        time.map(Self::whole).map_err(|_| UtcTimeError {
            quoted: quoted(text),
        })
    }
}

impl TryFrom<String> for UtcTime {
    type Error = UtcTimeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_rfc_3339_in_utc_and_seconds() {
        let cases = [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("2026-11-22T15:04:05.999Z", "2026-11-22T15:04:05Z"),
            ("2024-02-29T23:30:00-01:00", "2024-03-01T00:30:00Z"),
            ("9999-12-30T00:00:00Z", "9999-12-30T00:00:00Z"),
        ];
        for (given, written) in cases {
            assert_eq!(given.parse::<UtcTime>().unwrap().to_string(), written);
        }
        for bad in [
            "",
            "yesterday",
            "2026-02-30T00:00:00Z",
            "2026-11-22T15:04:05",
            "1764000000",
        ] {
            assert!(bad.parse::<UtcTime>().is_err(), "{bad}");
        }
    }

    #[test]
    fn now_survives_its_text() {
        let now = UtcTime::now();
        assert_eq!(now.to_string().len(), "2026-11-22T15:04:05Z".len());
        assert_eq!(now.to_string().parse::<UtcTime>().unwrap(), now);
    }
}
