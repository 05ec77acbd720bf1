//! A reading of both clocks, and its one spelling.

use serde::Serializer;

/// One reading of the wall clock and of the monotonic clock, taken together by the caller.
///
/// Units: microseconds. The wall clock counts from 1970-01-01T00:00:00Z; the monotonic clock counts
/// from an arbitrary start that is fixed for one boot of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment {
    /// Wall clock, microseconds since the Unix epoch.
    pub utc_us: i64,
    /// Monotonic clock, microseconds.
    pub mono_us: u64,
}

impl Moment {
    /// Microseconds of the monotonic clock between `earlier` and `self`; 0 if `earlier` is later.
    #[must_use]
    pub const fn since_us(&self, earlier: &Self) -> u64 {
        self.mono_us.saturating_sub(earlier.mono_us)
    }

    /// RFC 3339, UTC, always six digits of fraction: `2026-11-22T06:54:01.123456Z`.
    #[must_use]
    pub fn rfc3339(&self) -> String {
        rfc3339(self.utc_us)
    }
}

/// Spells microseconds since the epoch as RFC 3339 UTC with six digits of fraction.
/// Times outside the years -9999 to 9999 are clamped to the epoch.
#[must_use]
pub fn rfc3339(utc_us: i64) -> String {
    let ts = jiff::Timestamp::from_microsecond(utc_us).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    ts.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Reads an RFC 3339 time; `None` if it is not one.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_microsecond)
}

/// Serde helper: a wall-clock reading as RFC 3339.
pub(crate) fn serialize_utc<S: Serializer>(utc_us: &i64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&rfc3339(*utc_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_with_six_digits() {
        assert_eq!(
            rfc3339(1_795_330_441_000_000),
            "2026-11-22T06:54:01.000000Z"
        );
        assert_eq!(
            rfc3339(1_795_330_441_123_456),
            "2026-11-22T06:54:01.123456Z"
        );
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(rfc3339(i64::MAX), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            parse_rfc3339("2026-11-22T06:54:01.123456Z"),
            Some(1_795_330_441_123_456)
        );
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
