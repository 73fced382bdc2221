//! How a duration is read: the units of time, and what they are worth.

use std::time::Duration;

use crate::{Error, scan};

/// The units of time, in nanoseconds.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// Reads a duration such as `1h 30min`.
///
/// # Errors
/// When the text is no duration, or one of more than 584 years.
pub fn parse_duration(text: &str) -> Result<Duration, Error> {
    scan::total(text, UNITS).map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h 30min"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("250 ms"), Ok(Duration::from_millis(250)));
    }
}
