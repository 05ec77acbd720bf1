//! Protocol revisions, and the two eras they fall into.

use affiant_entry::limits::{NAME_BYTES_MAX, clip};

/// A protocol revision as a peer named it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(String);

/// How a conversation carries what both sides must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    /// An `initialize` handshake, up to 2025-11-25. Closing a response stream cancels nothing.
    Legacy,
    /// Per-request `_meta`, from 2026-07-28. Closing the response stream cancels the request.
    Modern,
}

/// The first revision of the modern era.
const MODERN_FIRST: &str = "2026-07-28";

impl Revision {
    /// Takes a revision as it stands in a message or header; longer than an entry keeps, it is clipped.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(clip(text, NAME_BYTES_MAX))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The era. Revisions are dates, so later ones are modern; what is no date is legacy.
    #[must_use]
    pub fn era(&self) -> Era {
        let modern = is_date(&self.0) && self.0.as_str() >= MODERN_FIRST;
        if modern { Era::Modern } else { Era::Legacy }
    }
}

/// `YYYY-MM-DD`, with anything after it (`-draft`).
fn is_date(text: &str) -> bool {
    let Some(date) = text.as_bytes().get(..10) else {
        return false;
    };
    date.iter().enumerate().all(|(at, byte)| {
        if at == 4 || at == 7 {
            *byte == b'-'
        } else {
            byte.is_ascii_digit()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dates_from_2026_07_28_are_modern() {
        for (text, era) in [
            ("2024-10-07", Era::Legacy),
            ("2024-11-05", Era::Legacy),
            ("2025-03-26", Era::Legacy),
            ("2025-06-18", Era::Legacy),
            ("2025-11-25", Era::Legacy),
            ("2026-07-28", Era::Modern),
            ("2027-01-01-draft", Era::Modern),
            ("latest", Era::Legacy),
            ("", Era::Legacy),
            ("9999", Era::Legacy),
        ] {
            assert_eq!(Revision::new(text).era(), era, "{text}");
        }
    }
}
