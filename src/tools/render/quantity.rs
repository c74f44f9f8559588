//! Counts, sizes and durations in words.

use std::time::Duration;

/// `number` and the thing that is counted: `1 byte`, `3 bytes`.
pub fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A number of bytes with one decimal place: `999 bytes`, `1.5 kB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return count(bytes, "byte");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `duration` in seconds with two decimal places, rounded: `0.42 s`, `25.00 s`.
pub fn seconds(duration: Duration) -> String {
    let hundredths = (duration.as_millis() + 5) / 10;
    format!("{}.{:02} s", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_words() {
        let rows = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1500, "1.5 kB"),
            (999_999, "1.0 MB"),
            (5_368_709_120, "5.4 GB"),
        ];
        for (bytes, expected) in rows {
            assert_eq!(size(bytes), expected);
        }
    }

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
