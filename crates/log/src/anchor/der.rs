//! As much of DER as time stamps need: one element after another, definite lengths only.
//!
//! Order within sets is not checked: OpenSSL writes certificates as they come.

/// One element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// With tag and length.
    pub(super) whole: &'a [u8],
}

/// Elements one behind the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element, of whatever tag.
    pub(super) fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        // Tags of more than one byte do not occur.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits.iter().fold(0_usize, |n, d| n << 8 | usize::from(*d));
                let minimal = length > 0x7f && digits.first() != Some(&0);
                (minimal.then_some(length)?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - rest.len())?;
        self.0 = rest;
        Some(Element {
            tag,
            content,
            whole,
        })
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let element = ahead.any().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element.content)
    }

    /// As [`Elements::take`], as elements of their own.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Elements)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// The element of this tag and content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = length.iter().position(|byte| *byte != 0);
    let digits = significant.and_then(|at| length.get(at..)).unwrap_or(&[0]);
    match (digits, u8::try_from(digits.len())) {
        ([short @ 0..=0x7f], _) => bytes.push(*short),
        (digits, count) => {
            bytes.push(0x80 | count.unwrap_or(8));
            bytes.extend_from_slice(digits);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;

pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[n]`, constructed.
pub(super) const fn context(n: u8) -> u8 {
    0xa0 | n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_read_as_they_were_written() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let bytes = element(OCTET_STRING, &vec![7; length]);
            let mut elements = Elements(&bytes);
            assert_eq!(elements.take(OCTET_STRING).unwrap().len(), length);
            assert!(elements.is_empty());
        }
    }

    #[test]
    fn lengths_have_one_spelling() {
        for bad in [
            &[0x04, 0x81, 0x05, 1, 2, 3, 4, 5][..],
            &[0x04, 0x82, 0x00, 0x81],
            &[0x04, 0x80, 0, 0],
            &[0x04, 0x05, 1],
            &[0x1f, 0x01, 0x00],
            &[0x04],
            &[],
        ] {
            assert!(Elements(bad).any().is_none(), "{bad:?}");
        }
    }
}
