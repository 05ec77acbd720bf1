//! The grains of JSON text: plain characters, escapes, numbers, names. Lengths are in bytes.

use std::borrow::Cow;

use super::DecodeError;

/// Numbers with fewer characters, and without an exponent, are finite.
const FINITE_DIGITS: usize = 300;

/// The error for bytes that are not JSON.
#[cold]
pub(super) fn flaw(what: &'static str, at: usize) -> DecodeError {
    let text = format_args!("{what} at byte {at}");
    DecodeError::Json(<serde_json::Error as serde::de::Error>::custom(text))
}

/// How many characters of a string stand before the next quote, backslash or control character.
#[inline]
pub(super) fn skip_plain(rest: &[u8]) -> usize {
    let (words, tail) = rest.as_chunks::<8>();
    let mut skipped = 0_usize;
    for word in words {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            let bits = usize::try_from(special.trailing_zeros()).unwrap_or(0);
            return skipped.wrapping_add(bits >> 3);
        }
        skipped = skipped.wrapping_add(8);
    }
    let plain = tail
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f));
    skipped.wrapping_add(plain.unwrap_or(tail.len()))
}

/// The high bit of the first byte that is a quote, a backslash or a control character is set, and none
/// before it; those behind it may be.
const fn specials(word: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);
    const BLANKS: u64 = u64::from_le_bytes([b' '; 8]);
    let (quotes, backslashes) = (word ^ QUOTES, word ^ BACKSLASHES);
    let quote = quotes.wrapping_sub(LOW) & !quotes;
    let backslash = backslashes.wrapping_sub(LOW) & !backslashes;
    let control = word.wrapping_sub(BLANKS) & !word;
    (quote | backslash | control) & HIGH
}

/// Length of the escape at the start of `rest`, which begins with a backslash. Strictly, a surrogate
/// must be half of a pair.
pub(super) fn escape<const STRICT: bool>(rest: &[u8]) -> Option<usize> {
    match rest.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => {
            let unit = hex(rest.get(2..6)?)?;
            if !STRICT {
                return Some(6);
            }
            match unit {
                0xD800..=0xDBFF => {
                    let second = rest.get(6..12)?.strip_prefix(b"\\u")?;
                    matches!(hex(second)?, 0xDC00..=0xDFFF).then_some(12)
                }
                0xDC00..=0xDFFF => None,
                _ => Some(6),
            }
        }
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some((value << 4) | digit)
    })
}

/// Length of the number at the start of `rest` (RFC 8259 section 6); if asked for, of a finite one.
pub(super) fn number(rest: &[u8], finite: bool) -> Option<usize> {
    let mut at = usize::from(rest.first() == Some(&b'-'));
    let whole = digits(rest, at);
    if whole == 0 || (whole > 1 && rest.get(at) == Some(&b'0')) {
        return None;
    }
    at = at.wrapping_add(whole);
    if rest.get(at) == Some(&b'.') {
        let fraction = digits(rest, at.wrapping_add(1));
        if fraction == 0 {
            return None;
        }
        at = at.wrapping_add(1).wrapping_add(fraction);
    }
    let mut exponent = false;
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        exponent = true;
        at = at.wrapping_add(1);
        if matches!(rest.get(at), Some(b'+' | b'-')) {
            at = at.wrapping_add(1);
        }
        let power = digits(rest, at);
        if power == 0 {
            return None;
        }
        at = at.wrapping_add(power);
    }
    if finite && (exponent || at > FINITE_DIGITS) {
        let text = str::from_utf8(rest.get(..at)?).ok()?;
        let value: f64 = text.parse().ok()?;
        return value.is_finite().then_some(at);
    }
    Some(at)
}

fn digits(rest: &[u8], from: usize) -> usize {
    let rest = rest.get(from..).unwrap_or_default();
    rest.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// A number for a name: equal names have equal ones, and most others differ. The first eight bytes, with
/// length and last byte over them.
pub(super) const fn key(name: &[u8]) -> u64 {
    let mut first = [0; 8];
    let (mut from, mut to) = (name, first.as_mut_slice());
    while let ([byte, rest @ ..], [place, places @ ..]) = (from, to) {
        *place = *byte;
        (from, to) = (rest, places);
    }
    mix(u64::from_le_bytes(first), name.len(), name.last())
}

/// The key of the name that is `bytes[start..end]`.
#[inline]
pub(super) fn key_at(bytes: &[u8], start: usize, end: usize) -> u64 {
    let length = end.wrapping_sub(start);
    match bytes.get(start..).and_then(<[u8]>::first_chunk) {
        // What stands behind a short name is cut off.
        Some(first) if (1..8).contains(&length) => {
            let behind = 64_usize.wrapping_sub(length << 3);
            let kept = u64::MAX >> behind;
            let last = bytes.get(end.wrapping_sub(1));
            mix(u64::from_le_bytes(*first) & kept, length, last)
        }
        Some(first) if length >= 8 => {
            let last = bytes.get(end.wrapping_sub(1));
            mix(u64::from_le_bytes(*first), length, last)
        }
        _ => key(bytes.get(start..end).unwrap_or_default()),
    }
}

#[inline]
#[expect(
    clippy::as_conversions,
    reason = "`From` is not const; the length of a name in memory fits"
)]
const fn mix(first: u64, length: usize, last: Option<&u8>) -> u64 {
    let last = match last {
        Some(last) => *last as u64,
        None => 0,
    };
    first ^ ((length as u64) << 56) ^ (last << 48)
}

/// A name with its escapes resolved. Its spelling has been checked.
#[cold]
pub(super) fn resolve(spelled: &str) -> Cow<'_, str> {
    let quoted = format!("\"{spelled}\"");
    serde_json::from_str::<String>(&quoted).map_or(Cow::Borrowed(spelled), Cow::Owned)
}

/// Whether a piece of the inside of a string ends before the string does, without an escape: whoever read the
/// string knows that it has no control character.
pub(crate) fn is_plain(piece: &str) -> bool {
    skip_plain(piece.as_bytes()) == piece.len()
}
