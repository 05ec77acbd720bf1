//! Rotation of a log's key: how whoever pinned one key of a log comes to believe in the next.
//!
//! ```text
//! affiant.dev/log-key-rotation/v1⏎               ┐
//! log log.example/eu-1⏎                          │ text of a C2SP signed note
//! old log.example/eu-1+1c2f0f55+AQ…⏎             │ verifier keys, both named after the log
//! new log.example/eu-1+9a0b3c4d+AQ…⏎             │
//! time 2026-11-22T06:54:01.123456Z⏎              ┘
//! ⏎
//! — log.example/eu-1 HC8PVQ…=⏎                     signature of the old key
//! — log.example/eu-1 mgs8TQ…=⏎                     signature of the new key
//! ```
//!
//! Both keys sign: the old one says who its successor is, the new one that it wants to be it. No text of
//! this form is that of a checkpoint, whose second line is a number.
//!
//! Several notes are kept as one text, one behind the other, oldest first; each begins with the first
//! line above.
//!
//! Not promised: that the old key was not stolen. The log's `key` entry says from which index on the new
//! one is the log's, and witnesses that there is one log. Specification: `docs/spec/leaf-kinds.md`.

use affiant_tlog::checkpoint::Origin;
use affiant_tlog::note::{Note, VerifierKey};

use crate::moment::{parse_rfc3339, rfc3339};
use crate::note_text::{Lines, NoteTextError, read};
use crate::rotation::{RotationError, signed_by_both};

/// First line of every note.
pub const LOG_ROTATION_TEXT_V1: &str = "affiant.dev/log-key-rotation/v1";

/// Most notes of one text that are followed.
pub const LOG_ROTATIONS_MAX: usize = 256;

/// One change of a log's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRotation {
    /// The log.
    pub log: Origin,
    /// The key before.
    pub old: VerifierKey,
    /// The key after.
    pub new: VerifierKey,
    /// When: wall clock, microseconds since the Unix epoch.
    pub utc_us: i64,
}

impl LogRotation {
    /// The text that both keys sign.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self {
            log,
            old,
            new,
            utc_us,
        } = self;
        format!(
            "{LOG_ROTATION_TEXT_V1}\nlog {}\nold {old}\nnew {new}\ntime {}\n",
            log.as_str(),
            rfc3339(*utc_us)
        )
    }

    /// Reads one note and verifies both signatures with the keys it names. Does not say that either key
    /// is trusted: see [`follow`].
    ///
    /// # Errors
    /// [`RotationError`].
    pub fn parse(note: &str) -> Result<Self, RotationError> {
        let note = Note::parse(note.as_bytes()).map_err(RotationError::Note)?;
        let rotation = Self::parse_text(note.text()).map_err(RotationError::Text)?;
        signed_by_both(&note, [&rotation.old, &rotation.new], rotation.log.as_str())?;
        Ok(rotation)
    }

    fn parse_text(text: &str) -> Result<Self, NoteTextError> {
        let mut lines = Lines::new(text);
        lines.exact(LOG_ROTATION_TEXT_V1)?;
        let rotation = Self {
            log: read("log", lines.value("log")?, |t| Origin::new(t).ok())?,
            old: read("old", lines.value("old")?, |t| t.parse().ok())?,
            new: read("new", lines.value("new")?, |t| t.parse().ok())?,
            utc_us: read("time", lines.value("time")?, parse_rfc3339)?,
        };
        lines.end()?;
        if rotation.to_text() == text {
            Ok(rotation)
        } else {
            Err(NoteTextError::NotCanonical)
        }
    }
}

/// The keys that follow from a pinned one along these notes, itself first, the newest last. Only forward:
/// from an old key to the one it names. A note that does not verify ends nothing and links nothing.
#[must_use]
pub fn follow(pinned: &VerifierKey, notes: &str) -> Vec<VerifierKey> {
    let mut keys = vec![pinned.clone()];
    let read = log_rotations(notes);
    loop {
        let next = read
            .iter()
            .find(|link| keys.last() == Some(&link.old) && !keys.contains(&link.new));
        match next {
            Some(link) => keys.push(link.new.clone()),
            None => return keys,
        }
    }
}

/// The notes of a text that verify, in their order; at most [`LOG_ROTATIONS_MAX`].
#[must_use]
pub fn log_rotations(notes: &str) -> Vec<LogRotation> {
    let first_line = format!("{LOG_ROTATION_TEXT_V1}\n");
    let notes = notes.split(&first_line).skip(1).take(LOG_ROTATIONS_MAX);
    notes
        .filter_map(|rest| LogRotation::parse(&format!("{first_line}{rest}")).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use affiant_tlog::SignerKey;
    use affiant_tlog::note::KeyName;

    use super::*;

    const LOG: &str = "log.example/eu-1";

    fn key(seed: u8) -> SignerKey {
        SignerKey::from_seed(KeyName::new(LOG).unwrap(), &[seed; 32])
    }

    fn rotation(old: u8, new: u8) -> LogRotation {
        LogRotation {
            log: Origin::new(LOG).unwrap(),
            old: key(old).verifier_key().clone(),
            new: key(new).verifier_key().clone(),
            utc_us: 1_795_330_441_000_000,
        }
    }

    fn note(old: u8, new: u8) -> String {
        signed(&rotation(old, new).to_text(), &[old, new])
    }

    fn signed(text: &str, signers: &[u8]) -> String {
        let mut note = Note::sign(text, &key(signers[0])).unwrap();
        for signer in &signers[1..] {
            note.add_signature(&key(*signer)).unwrap();
        }
        note.to_string()
    }

    #[test]
    fn a_note_reads_as_it_was_signed() {
        assert_eq!(LogRotation::parse(&note(1, 2)).unwrap(), rotation(1, 2));
    }

    #[test]
    fn only_a_note_that_both_keys_signed_counts() {
        let text = rotation(1, 2).to_text();
        for signers in [&[1][..], &[2], &[1, 3], &[1, 2, 3]] {
            assert!(LogRotation::parse(&signed(&text, signers)).is_err());
        }
        let same = signed(&rotation(1, 1).to_text(), &[1]);
        assert!(matches!(
            LogRotation::parse(&same),
            Err(RotationError::SameKey)
        ));
        for (from, to) in [("time 2", "time  2"), ("log log.", "log og."), ("v1", "v2")] {
            let other = signed(&text.replacen(from, to, 1), &[1, 2]);
            assert!(LogRotation::parse(&other).is_err(), "{from}");
        }
    }

    #[test]
    fn trust_reaches_forward_along_a_chain_and_nowhere_else() {
        let keys = |pinned: u8, notes: &str| -> Vec<VerifierKey> {
            follow(key(pinned).verifier_key(), notes)
        };
        let of = |seeds: &[u8]| -> Vec<VerifierKey> {
            seeds
                .iter()
                .map(|s| key(*s).verifier_key().clone())
                .collect()
        };
        let notes = format!("{}{}", note(1, 2), note(2, 3));
        assert_eq!(keys(1, &notes), of(&[1, 2, 3]));
        assert_eq!(keys(2, &notes), of(&[2, 3]));
        assert_eq!(keys(3, &notes), of(&[3]));
        assert_eq!(keys(9, &notes), of(&[9]));
        // A thief's note in between, or a way back, leads nowhere.
        let forged = signed(&rotation(1, 8).to_text(), &[8]);
        assert_eq!(keys(1, &format!("{forged}{notes}")), of(&[1, 2, 3]));
        let back = format!("{}{}", note(1, 2), note(2, 1));
        assert_eq!(keys(1, &back), of(&[1, 2]));
        assert_eq!(keys(1, ""), of(&[1]));
    }

    #[test]
    fn no_rotation_is_a_checkpoint() {
        assert!(affiant_tlog::Checkpoint::parse_extended(&rotation(1, 2).to_text()).is_err());
    }
}
