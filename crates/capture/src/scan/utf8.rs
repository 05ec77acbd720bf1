//! An incremental check of UTF-8 (RFC 3629 section 4).

/// Where in a multi-byte character the text stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8 {
    missing: u8,
    low: u8,
    high: u8,
}

impl Utf8 {
    /// Whether a character waits for continuation bytes.
    pub(crate) fn is_inside(self) -> bool {
        self.missing > 0
    }

    /// Takes a first byte of 0x80 or more. Returns whether it may start a character.
    pub(crate) fn start(&mut self, byte: u8) -> bool {
        let (missing, low, high) = match byte {
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return false,
        };
        *self = Self { missing, low, high };
        true
    }

    /// Takes the byte after, inside a character. On `false` the character is broken and the byte
    /// not taken.
    pub(crate) fn proceed(&mut self, byte: u8) -> bool {
        if !(self.low..=self.high).contains(&byte) {
            *self = Self::default();
            return false;
        }
        *self = Self {
            missing: self.missing.saturating_sub(1),
            low: 0x80,
            high: 0xbf,
        };
        true
    }
}
