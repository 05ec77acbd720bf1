//! The members every entry begins with.

use super::scan::Scan;
use super::{DecodeError, Kind, Known};
use crate::codec::ENTRY_VERSION;
use crate::ids::{BootId, CallId, SealNumber, Seq, SourceId};
use crate::limits::{INTEGER_MAX, clip};
use crate::moment::Moment;

/// Who, where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What the entry is about.
    pub kind: Kind,
    /// Who made it.
    pub source: SourceId,
    /// In which boot.
    pub boot: BootId,
    /// Its number within the boot; `None` for a seal.
    pub seq: Option<Seq>,
    /// Number of the seal; `None` for all other kinds.
    pub seal: Option<SealNumber>,
    /// The invocation it belongs to.
    pub call: Option<CallId>,
    /// When; `None` for a seal, whose time stands in its note. For a call that recovery closed, the
    /// monotonic reading is that of the boot it began in.
    pub at: Option<Moment>,
}

/// Length of `2026-11-22T06:54:01.123456Z`.
const TIME_CHARS: usize = 27;

impl Header {
    /// Reads the header of an entry and checks the rest as strictly as
    /// [`Decoded::parse`](super::Decoded::parse) does, without keeping it.
    ///
    /// # Errors
    /// As [`Decoded::parse`](super::Decoded::parse).
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = Self::parse_any_kind(bytes)?;
        header.known_kind()?;
        Ok(header)
    }

    /// As [`Header::parse`], for an entry of an unknown kind too.
    ///
    /// # Errors
    /// As [`Decoded::parse_any_kind`](super::Decoded::parse_any_kind).
    pub fn parse_any_kind(bytes: &[u8]) -> Result<Self, DecodeError> {
        let text = super::text_of(bytes)?;
        let mut scan = Scan::default();
        super::read(text, &mut scan, &mut Vec::new())?;
        Self::of(text, &scan)
    }

    pub(super) fn known_kind(&self) -> Result<(), DecodeError> {
        if let Kind::Unknown(kind) = &self.kind {
            return Err(DecodeError::UnknownKind {
                kind: clip(kind, 80),
            });
        }
        Ok(())
    }

    /// From raw members; the version is judged before anything else.
    pub(super) fn of(entry: &str, scan: &Scan) -> Result<Self, DecodeError> {
        let find = |known| scan.known(entry, known);
        let need = |known: Known| {
            let member = known.as_str();
            find(known).ok_or(DecodeError::Missing { member })
        };
        let found = integer("v", need(Known::V)?)?;
        if found != ENTRY_VERSION {
            return Err(DecodeError::Version { found });
        }
        let kind = Kind::of(word("kind", need(Known::Kind)?)?);
        let source = text("source", need(Known::Source)?, |t| SourceId::new(t).ok())?;
        let boot = text("boot", need(Known::Boot)?, |t| {
            canonical(t, BootId::parse(t).ok())
        })?;
        let seal = find(Known::Seal)
            .map(|raw| integer("seal", raw))
            .transpose()?
            .map(SealNumber);
        if !kind.needs_place() {
            need(Known::Seal)?;
            need(Known::Note)?;
            for known in [Known::Seq, Known::Call, Known::Time, Known::MonoUs] {
                if find(known).is_some() {
                    let member = known.as_str();
                    return Err(DecodeError::Unexpected { member });
                }
            }
            return Ok(Self {
                kind,
                source,
                boot,
                seq: None,
                seal,
                call: None,
                at: None,
            });
        }
        let call = find(Known::Call)
            .map(|raw| text("call", raw, |t| canonical(t, CallId::parse(t).ok())))
            .transpose()?;
        if seal.is_some() && !matches!(kind, Kind::Unknown(_)) {
            return Err(DecodeError::Unexpected { member: "seal" });
        }
        if kind.needs_call() && call.is_none() {
            return Err(DecodeError::Missing { member: "call" });
        }
        let seq = Seq(integer("seq", need(Known::Seq)?)?);
        let utc_us = text("time", need(Known::Time)?, time)?;
        let mono_us = integer("mono_us", need(Known::MonoUs)?)?;
        let at = Some(Moment { utc_us, mono_us });
        Ok(Self {
            kind,
            source,
            boot,
            seq: Some(seq),
            seal,
            call,
            at,
        })
    }
}

/// A string without escapes: all that header members hold.
fn word<'a>(member: &'static str, raw: &'a str) -> Result<&'a str, DecodeError> {
    raw.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|text| !text.contains('\\'))
        .ok_or(DecodeError::Malformed { member })
}

fn text<T>(
    member: &'static str,
    raw: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, DecodeError> {
    parse(word(member, raw)?).ok_or(DecodeError::Malformed { member })
}

/// Digits alone, as JSON has no leading zeros: `1.0` and `1e0` are other spellings of a number.
fn integer(member: &'static str, raw: &str) -> Result<u64, DecodeError> {
    let digits = raw.bytes().all(|b| b.is_ascii_digit());
    let number = raw.parse().ok().filter(|n| digits && *n <= INTEGER_MAX);
    number.ok_or(DecodeError::Malformed { member })
}

/// Lowercase, I, L, O for 1, 1, 0, and a first character above 7 are other spellings of a ULID.
fn canonical<T>(text: &str, id: Option<T>) -> Option<T> {
    let fits = text.starts_with(|first| matches!(first, '0'..='7'));
    let spelled =
        |b| matches!(b, b'0'..=b'9' | b'A'..=b'Z') && !matches!(b, b'I' | b'L' | b'O' | b'U');
    id.filter(|_| fits && text.bytes().all(spelled))
}

fn time(text: &str) -> Option<i64> {
    let shaped = text.len() == TIME_CHARS
        && text.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            10 => b == b'T',
            13 | 16 => b == b':',
            19 => b == b'.',
            26 => b == b'Z',
            _ => b.is_ascii_digit(),
        });
    if !shaped {
        return None;
    }
    let part = |from: usize, to: usize| -> Option<i64> { text.get(from..to)?.parse().ok() };
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    // No leap second: it would be read as the second before it, which the codec spells otherwise.
    let exists = (1..=days_in(year, month)).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second);
    if !exists {
        return None;
    }
    let minutes = days_from_epoch(year, month, day)
        .wrapping_mul(24)
        .wrapping_add(hour)
        .wrapping_mul(60)
        .wrapping_add(minute);
    let seconds = minutes.wrapping_mul(60).wrapping_add(second);
    let utc_us = seconds.wrapping_mul(1_000_000).wrapping_add(part(20, 26)?);
    // The last day of the year 9999 has no time in some time zones.
    (utc_us <= jiff::Timestamp::MAX.as_microsecond()).then_some(utc_us)
}

/// Days of a month of the Gregorian calendar; 0 if there is no such month.
const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Days from 1970-01-01 to a day of the years 0 to 9999. Years are counted from March, so that the day
/// that only some have is their last.
const fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month.wrapping_sub(3))
    } else {
        (year.wrapping_sub(1), month.wrapping_add(9))
    };
    let leap_days = year
        .div_euclid(4)
        .wrapping_sub(year.div_euclid(100))
        .wrapping_add(year.div_euclid(400));
    // Months from March have 31, 30, 31, 30, 31, 31, … days: 153 in five.
    let days_before = month.wrapping_mul(153).wrapping_add(2).div_euclid(5);
    year.wrapping_mul(365)
        .wrapping_add(leap_days)
        .wrapping_add(days_before)
        .wrapping_add(day)
        // 1970-01-01 on this count.
        .wrapping_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::{parse_rfc3339, rfc3339};

    #[test]
    fn times_are_read_as_the_calendar_says() {
        let mut day = parse_rfc3339("0000-01-01T00:00:00.000000Z").unwrap();
        let end = parse_rfc3339("9999-12-30T00:00:00.000000Z").unwrap();
        let mut step = 1_186_399_999_999_i64;
        while day < end {
            assert_eq!(time(&rfc3339(day)), Some(day), "{}", rfc3339(day));
            day += step;
            step = 1_186_400_000_000 - step % 7;
        }
    }

    #[test]
    fn times_that_are_none_are_refused_as_the_calendar_does() {
        for year in ["1900", "2000", "2023", "2024"] {
            for month in 0..14 {
                for (day, clock) in (0..33).flat_map(|day| {
                    ["00:00:00", "23:59:59", "24:00:00", "12:60:00", "12:00:61"]
                        .map(|clock| (day, clock))
                }) {
                    let text = format!("{year}-{month:02}-{day:02}T{clock}.000001Z");
                    assert_eq!(time(&text), parse_rfc3339(&text), "{text}");
                }
            }
        }
        assert_eq!(time("2016-12-31T23:59:60.000000Z"), None);
        for edge in [
            "9999-12-30T22:00:00.999999Z",
            "9999-12-30T22:00:01.000000Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(time(edge), parse_rfc3339(edge), "{edge}");
        }
    }
}
