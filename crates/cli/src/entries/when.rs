//! Times as people give them: RFC 3339, a date, or how long ago.

use affiant_entry::parse_rfc3339;

/// Reads `2026-11-22T06:54:01Z`, `2026-11-22` (midnight UTC), or `15m` (before `now_us`; `s`, `m`, `h`,
/// `d`, `w`). Microseconds since the Unix epoch; `None` if it is none of them.
pub(crate) fn parse(text: &str, now_us: i64) -> Option<i64> {
    let text = text.trim();
    ago_us(text)
        .and_then(|ago| now_us.checked_sub(ago))
        .or_else(|| parse_rfc3339(text))
        .or_else(|| parse_rfc3339(&format!("{text}T00:00:00Z")))
}

fn ago_us(text: &str) -> Option<i64> {
    span_us(text.strip_suffix("ago").unwrap_or(text).trim_end())
}

/// Reads `15m` (`s`, `m`, `h`, `d`, `w`). Microseconds; `None` if it is none.
pub(crate) fn span_us(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let digits = text.strip_suffix(unit)?;
    let number: i64 = digits
        .parse()
        .ok()
        .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
    number.checked_mul(seconds)?.checked_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_give_them() {
        let now = 1_795_330_441_000_000;
        let minute = 60_000_000;
        assert_eq!(parse("15m", now), Some(now - 15 * minute));
        assert_eq!(parse("2h ago", now), Some(now - 120 * minute));
        assert_eq!(parse("7d", now), Some(now - 7 * 24 * 60 * minute));
        assert_eq!(parse("2026-11-22T06:54:01Z", 0), Some(now));
        assert_eq!(parse("2026-11-22T07:54:01+01:00", 0), Some(now));
        assert_eq!(
            parse("2026-11-22", 0),
            Some(now - (6 * 3600 + 54 * 60 + 1) * 1_000_000)
        );
        for wrong in [
            "",
            "m",
            "-5m",
            "+5m",
            "yesterday",
            "5 parsecs",
            "9223372036854775807w",
        ] {
            assert_eq!(parse(wrong, now), None, "{wrong}");
        }
    }
}
