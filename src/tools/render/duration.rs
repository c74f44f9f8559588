//! Durations as they stand in status lines.

use std::time::Duration;

/// `duration` in seconds with two places, rounded: `0.42 s`, `25.00 s`.
pub fn seconds(duration: Duration) -> String {
    let hundredths = (duration.as_millis() + 5) / 10;
    format!("{}.{:02} s", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_two_places() {
        let cases = [
            (0, "0.00 s"),
            (4, "0.00 s"),
            (5, "0.01 s"),
            (420, "0.42 s"),
            (999, "1.00 s"),
            (25_000, "25.00 s"),
            (3_600_050, "3600.05 s"),
        ];
        for (millis, text) in cases {
            assert_eq!(seconds(Duration::from_millis(millis)), text);
        }
        assert_eq!(seconds(Duration::MAX), "18446744073709551616.00 s");
    }
}
