//! `Retry-After`, in seconds or as an HTTP date.

use std::time::{Duration, UNIX_EPOCH};

use units::UnixMillis;

/// Longer requests to wait are taken for this.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long to wait from `now` on; a date in the past is no wait, and what cannot be read is no request.
pub(crate) fn parse(header: &str, now: UnixMillis) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse::<f64>() {
        // Fractions occur in the wild, though the standard knows whole seconds only.
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => {
            let at = httpdate::parse_http_date(header).ok()?.duration_since(UNIX_EPOCH).ok()?;
            at.saturating_sub(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)))
        }
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_dates() {
        let now = UnixMillis(784_111_777_000);
        let cases = [
            ("3", Some(3_000)),
            (" 0.5 ", Some(500)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("99999999999", Some(86_400_000)),
            ("-1", None),
            ("inf", None),
            ("soon", None),
        ];
        for (header, millis) in cases {
            assert_eq!(parse(header, now), millis.map(Duration::from_millis), "{header}");
        }
    }
}
