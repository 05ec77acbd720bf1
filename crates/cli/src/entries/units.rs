//! Numbers as people read them.

/// `812 µs`, `12.3 ms`, `1.23 s`, `2m05s`.
pub(crate) fn latency(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        1_000_000..60_000_000 => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
        _ => format!("{}m{:02}s", us / 60_000_000, us % 60_000_000 / 1_000_000),
    }
}

/// `812 B`, `12.4 kB`, `3.1 MB`, `2.0 GB`.
pub(crate) fn bytes(n: u64) -> String {
    let (unit, name) = match n {
        0..1_000 => return format!("{n} B"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    };
    format!("{}.{} {name}", n / unit, n % unit * 10 / unit)
}

/// `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 entry`, `2 entries`: a number with its noun.
pub(crate) fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `2026-11-22 06:54:01.123` out of `2026-11-22T06:54:01.123456Z`.
pub(crate) fn time(utc_us: i64) -> String {
    let text = affiant_entry::rfc3339(utc_us);
    text.get(..23).unwrap_or(&text).replace('T', " ")
}

/// `gw-7+1c2f0f55` out of the verifier key `gw-7+1c2f0f55+AQ…`.
pub(crate) fn short_key(key: &str) -> &str {
    // Neither name nor id holds a `+`; the base64 behind them may.
    let ends = key.match_indices('+').nth(1).map(|(at, _)| at);
    ends.and_then(|end| key.get(..end)).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [812, 12_345, 1_234_567, 125_000_000].map(latency),
            ["812 µs", "12.3 ms", "1.23 s", "2m05s"]
        );
        assert_eq!(
            [0, 999, 1_000, 12_449, 3_100_000, 2_000_000_000].map(bytes),
            ["0 B", "999 B", "1.0 kB", "12.4 kB", "3.1 MB", "2.0 GB"]
        );
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(short_key("vm+c7dddb7d+AazL+7Ug"), "vm+c7dddb7d");
        assert_eq!(time(1_795_330_441_123_456), "2026-11-22 06:54:01.123");
    }
}
