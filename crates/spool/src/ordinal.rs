//! The three numbers of a spool: which frame, which file, where.

use std::fmt;

/// The number of a frame over the whole life of one spool, contiguous from 0.
///
/// Entries and seals both count. It is a local number: it means nothing outside the spool, and
/// it is not the source's `seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ordinal(u64);

impl Ordinal {
    /// The ordinal of a spool's first frame.
    pub const FIRST: Self = Self(0);

    /// Wraps a number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The ordinal behind this one (stays at the maximum, which no spool reaches).
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The ordinal before this one, or `None` for the first.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run of ordinals, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrdinalRange {
    /// The first ordinal of the run.
    pub first: Ordinal,
    /// The last ordinal of the run; never below `first`.
    pub last: Ordinal,
}

impl OrdinalRange {
    /// The run from `first` up to, not including, `end`; `None` where that is empty.
    #[must_use]
    pub fn until(first: Ordinal, end: Ordinal) -> Option<Self> {
        let last = end.previous()?;
        (first <= last).then_some(Self { first, last })
    }

    /// How many ordinals the run holds (at least 1).
    #[must_use]
    pub const fn count(self) -> u64 {
        self.last.0.saturating_sub(self.first.0).saturating_add(1)
    }
}

impl fmt::Display for OrdinalRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.first, self.last)
    }
}

/// The number of a segment file, contiguous from 0 over the life of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SegmentNumber(u64);

impl SegmentNumber {
    /// The number of a spool's first segment.
    pub const FIRST: Self = Self(0);

    /// Wraps a number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The segment behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The name of the segment's file: `seg-<16 lowercase hex digits>.aff`.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("seg-{:016x}.aff", self.0)
    }

    /// Reads the number back from a file name; `None` unless the name is exactly what
    /// [`SegmentNumber::file_name`] writes.
    #[must_use]
    pub fn from_file_name(name: &str) -> Option<Self> {
        let digits = name.strip_prefix("seg-")?.strip_suffix(".aff")?;
        let number = Self(u64::from_str_radix(digits, 16).ok()?);
        (number.file_name() == name).then_some(number)
    }
}

impl fmt::Display for SegmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A place in a spool: a byte of a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The segment.
    pub segment: SegmentNumber,
    /// Bytes from the start of the segment file.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment.file_name(), self.offset)
    }
}

/// The identity of a spool: 16 bytes drawn once, in every segment header and in the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpoolId([u8; 16]);

impl SpoolId {
    /// Wraps sixteen bytes, which should be random.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_round_trip_and_near_misses_are_refused() {
        let number = SegmentNumber::new(0xab);
        assert_eq!(number.file_name(), "seg-00000000000000ab.aff");
        assert_eq!(
            SegmentNumber::from_file_name(&number.file_name()),
            Some(number)
        );
        for name in [
            "seg-00000000000000AB.aff",
            "seg-ab.aff",
            "seg-+0000000000000ab.aff",
            "seg-00000000000000ab.aff.tmp",
            "seg-00000000000000ab (2).aff",
        ] {
            assert_eq!(SegmentNumber::from_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_range_is_never_empty() {
        assert_eq!(OrdinalRange::until(Ordinal::new(3), Ordinal::new(3)), None);
        assert_eq!(OrdinalRange::until(Ordinal::new(0), Ordinal::new(0)), None);
        let range = OrdinalRange::until(Ordinal::new(3), Ordinal::new(5)).unwrap();
        assert_eq!((range.count(), range.last.get()), (2, 4));
    }
}
