//! How a size is read: the units of size, and what they are worth.

use crate::{Error, scan};

/// The units of size, in bytes.
const UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a size such as `64 KiB`, in bytes.
///
/// # Errors
/// When the text is no size, or one of more than 16 EiB.
pub fn parse_size(text: &str) -> Result<u64, Error> {
    scan::total(text, UNITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        assert_eq!(parse_size("512B"), Ok(512));
        assert_eq!(parse_size("64 KiB"), Ok(65_536));
        assert_eq!(parse_size("1MB 500kB"), Ok(1_500_000));
    }
}
