//! The protobuf wire format: fields of one message, borrowed.
//!
//! Specification: <https://protobuf.dev/programming-guides/encoding/>. Groups are refused (proto3 has
//! none).

use super::Malformed;

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// A nested message or bytes.
    pub(super) const fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32(_) => Err(Malformed),
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(super) const fn fixed64(self) -> Result<u64, Malformed> {
        match self {
            Self::Fixed64(number) => Ok(number),
            Self::Varint(_) | Self::Bytes(_) | Self::Fixed32(_) => Err(Malformed),
        }
    }

    /// A varint that holds a signed number.
    pub(super) const fn int(self) -> Result<i64, Malformed> {
        match self {
            Self::Varint(number) => Ok(number.cast_signed()),
            Self::Fixed64(_) | Self::Bytes(_) | Self::Fixed32(_) => Err(Malformed),
        }
    }
}

/// Walks the fields of a message: number and value. Ends at the first error.
#[derive(Debug, Clone)]
pub(super) struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Malformed);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed),
        };
        Ok((number, value))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut out = 0_u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            let bits = u64::from(first & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            out |= bits << shift;
            if first & 0x80 == 0 {
                return Ok(out);
            }
        }
        Err(Malformed)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Writes a message of varints and bytes.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn varint(mut self, number: u64, value: u64) -> Self {
        if value != 0 {
            self.raw(number << 3);
            self.raw(value);
        }
        self
    }

    pub(super) fn bytes(mut self, number: u64, value: &[u8]) -> Self {
        self.raw(number << 3 | 2);
        self.raw(u64::try_from(value.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn raw(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = Writer::default()
            .varint(1, 300)
            .bytes(2, b"hello")
            .varint(3, u64::MAX)
            .finish();
        assert_eq!(bytes[..3], [0x08, 0xac, 0x02]);
        let read: Vec<_> = Message::new(&bytes).map(Result::unwrap).collect();
        assert_eq!(
            read,
            [
                (1, Value::Varint(300)),
                (2, Value::Bytes(b"hello")),
                (3, Value::Varint(u64::MAX))
            ]
        );
    }

    #[test]
    fn broken_messages_end_with_one_error() {
        for broken in [
            &b"\x08"[..],
            b"\x0a\x05ab",
            b"\x0b",
            b"\x00\x01",
            b"\x09\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        ] {
            let read: Vec<_> = Message::new(broken).collect();
            assert_eq!(read, [Err(Malformed)], "{broken:x?}");
        }
    }
}
