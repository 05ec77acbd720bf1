//! Unescaping of JSON strings that are already known to be well-formed.

use std::borrow::Cow;

/// The value of a raw JSON string (with its quotes) as text.
///
/// Lone surrogates and bytes that are not UTF-8 become U+FFFD. Returns `None` when `raw` is not a
/// complete JSON string.
#[must_use]
pub fn unescape(raw: &[u8]) -> Option<Cow<'_, str>> {
    Some(
        match decode(
            raw,
            Surrogates {
                high: None,
                lossy: true,
            },
        )? {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        },
    )
}

/// The value of a raw JSON string as bytes: UTF-8, with lone surrogates in the three-byte form of
/// WTF-8 and other bytes as they stand, so that different values stay different.
#[must_use]
pub fn unescape_bytes(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    decode(raw, Surrogates::default())
}

fn decode(raw: &[u8], mut surrogates: Surrogates) -> Option<Cow<'_, [u8]>> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let Some(first) = memchr::memchr(b'\\', inner) else {
        return Some(Cow::Borrowed(inner));
    };
    let (plain, mut rest) = inner.split_at_checked(first)?;
    let mut value = Vec::with_capacity(inner.len());
    value.extend_from_slice(plain);
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'\\' {
            surrogates.flush(Some(&mut value));
            value.push(byte);
            rest = tail;
            continue;
        }
        let (&letter, tail) = tail.split_first()?;
        rest = tail;
        if letter == b'u' {
            let (digits, tail) = tail.split_at_checked(4)?;
            rest = tail;
            let unit = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            surrogates.unit(unit, Some(&mut value));
        } else {
            surrogates.flush(Some(&mut value));
            value.push(simple_escape(letter)?);
        }
    }
    surrogates.flush(Some(&mut value));
    Some(Cow::Owned(value))
}

/// The character a two-character escape stands for (RFC 8259 section 7).
pub(crate) fn simple_escape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

/// Joins the UTF-16 code units of `\u` escapes into characters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Surrogates {
    high: Option<u16>,
    /// Whether a lone half becomes U+FFFD.
    lossy: bool,
}

impl Surrogates {
    /// Takes the next code unit and appends to `out`, if there is one, what is complete. Returns
    /// whether a half was alone.
    pub(crate) fn unit(&mut self, unit: u16, mut out: Option<&mut Vec<u8>>) -> bool {
        let low = (0xdc00..0xe000).contains(&unit);
        if low && let Some(high) = self.high.take() {
            let joined = 0x1_0000 + ((u32::from(high) & 0x3ff) << 10) + (u32::from(unit) & 0x3ff);
            push_char(joined, out);
            return false;
        }
        let alone = self.flush(out.as_deref_mut());
        if (0xd800..0xdc00).contains(&unit) {
            self.high = Some(unit);
            return alone;
        }
        self.push_unit(unit, out);
        alone || low
    }

    /// Something other than a code unit came. Returns whether a half was alone.
    pub(crate) fn flush(&mut self, out: Option<&mut Vec<u8>>) -> bool {
        let Some(high) = self.high.take() else {
            return false;
        };
        self.push_unit(high, out);
        true
    }

    fn push_unit(self, unit: u16, out: Option<&mut Vec<u8>>) {
        let lone = (0xd800..0xe000).contains(&unit);
        push_char(
            u32::from(if lone && self.lossy { 0xfffd } else { unit }),
            out,
        );
    }

    /// Whether the first half of a pair waits for the second.
    pub(crate) fn waits(&self) -> bool {
        self.high.is_some()
    }
}

/// Appends a code point; a surrogate takes the three-byte form of WTF-8.
fn push_char(point: u32, out: Option<&mut Vec<u8>>) {
    let Some(out) = out else { return };
    if let Some(c) = char::from_u32(point) {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else if let Ok(unit) = u16::try_from(point) {
        let [high, low] = unit.to_be_bytes();
        let six = |bits: u8| 0x80 | (bits & 0x3f);
        out.extend_from_slice(&[0xe0 | (high >> 4), six(high << 2 | low >> 6), six(low)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &[u8]) {
        assert_eq!(unescape_bytes(raw.as_bytes()).as_deref(), Some(expected));
    }

    #[test]
    fn escapes_become_characters() {
        check(r#""""#, b"");
        check(r#""plain""#, b"plain");
        check(r#""n\u0061me""#, b"name");
        check(r#""\"\\\/\b\f\n\r\t""#, b"\"\\/\x08\x0c\n\r\t");
        check(r#""\uD83D\ude00é""#, "😀é".as_bytes());
    }

    #[test]
    fn lone_surrogates_stay_apart() {
        check(r#""\ud800""#, b"\xed\xa0\x80");
        check(r#""\udc00x""#, b"\xed\xb0\x80x");
        check(r#""\ud800\ud800\udc00""#, b"\xed\xa0\x80\xf0\x90\x80\x80");
        assert_eq!(unescape(br#""\ud800""#).as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn what_is_no_string_is_refused() {
        for raw in ["", "\"", "1", "\"a", "\"\\q\"", "\"\\u12\"", "\"\\"] {
            assert_eq!(unescape(raw.as_bytes()), None, "{raw}");
        }
    }
}
