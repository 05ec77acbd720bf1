//! The roster: which sources an operator expects, signed by a key that no source holds.
//!
//! ```text
//! affiant.dev/roster/v1⏎                            ┐
//! serial 3⏎                                         │ text of a C2SP signed note
//! time 2026-11-22T06:54:01.123456Z⏎                 │
//! source gw-7 gw-7+1c2f0f55+AQ…= 60⏎                │ id, seal key, heartbeat in seconds;
//! source gw-8 gw-8+9a0b3c4d+AQ…= 60⏎                ┘ sorted by id, each once
//! ⏎
//! — admin bWFkZSB1cA…=⏎                               one signature, by the admin key
//! ```
//!
//! A source that stays silent is found only by whoever knows that it should speak: the roster says
//! so. A later roster takes the place of an earlier one; its serial is higher.
//!
//! Not promised: that a source named here was ever enrolled, or that its key is still good.
//! Specification: `docs/spec/leaf-kinds.md`.

use std::fmt::Write as _;

use affiant_tlog::note::{
    Note, ParseNoteError, SignError, SignerKey, VerifierKey, VerifyError, verify,
};

use crate::ids::SourceId;
use crate::limits::INTEGER_MAX;
use crate::moment::{parse_rfc3339, rfc3339};
use crate::note_text::{Lines, NoteTextError, read};

/// First line of every roster.
pub const ROSTER_TEXT_V1: &str = "affiant.dev/roster/v1";

/// Most sources in a roster: they fit the megabyte that a signed note may have.
pub const ROSTER_SOURCES_MAX: usize = 4096;

/// Longest heartbeat in seconds: a week.
pub const HEARTBEAT_S_MAX: u64 = 7 * 24 * 60 * 60;

/// The sources that are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Its number; a later roster has a higher one.
    pub serial: u64,
    /// When it was signed: wall clock, microseconds since the Unix epoch.
    pub utc_us: i64,
    sources: Vec<RosterSource>,
}

/// One expected source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterSource {
    /// Its id.
    pub source: SourceId,
    /// The key it seals with, or did before it rotated.
    pub key: VerifierKey,
    /// How often it should be heard, in seconds; 1 to [`HEARTBEAT_S_MAX`].
    pub heartbeat_s: u64,
}

/// A roster cannot be made or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// More than [`ROSTER_SOURCES_MAX`].
    #[error("roster has more than {ROSTER_SOURCES_MAX} sources")]
    TooMany,
    /// A source stands twice.
    #[error("roster names the source `{source_id}` twice")]
    Twice {
        /// Which.
        source_id: SourceId,
    },
    /// A key is not named after its source.
    #[error("key `{found}` is not named after the source `{expected}`")]
    KeyName {
        /// The source.
        expected: String,
        /// The key's name.
        found: String,
    },
    /// A heartbeat of no time, or of more than [`HEARTBEAT_S_MAX`].
    #[error("heartbeat of {heartbeat_s} s is not 1 to {HEARTBEAT_S_MAX}")]
    Heartbeat {
        /// What was given.
        heartbeat_s: u64,
    },
    /// The bytes are no signed note.
    #[error("roster is not a signed note")]
    Note(#[source] ParseNoteError),
    /// The text is not that of a roster.
    #[error("text is not that of a roster")]
    Text(#[source] NoteTextError),
    /// The admin key did not sign it.
    #[error("roster is not signed by an admin key")]
    Signature(#[source] VerifyError),
    /// It has other signatures beside that of one admin key.
    #[error("roster does not have exactly one signature")]
    Signers,
    /// It cannot be signed: a bug.
    #[error("roster cannot be signed")]
    Sign(#[source] SignError),
}

impl Roster {
    /// A roster of these sources, in any order.
    ///
    /// # Errors
    /// [`RosterError::TooMany`], [`RosterError::Twice`], [`RosterError::KeyName`],
    /// [`RosterError::Heartbeat`].
    pub fn new(
        serial: u64,
        utc_us: i64,
        mut sources: Vec<RosterSource>,
    ) -> Result<Self, RosterError> {
        if sources.len() > ROSTER_SOURCES_MAX {
            return Err(RosterError::TooMany);
        }
        sources.sort_by(|a, b| a.source.cmp(&b.source));
        let twice = sources.windows(2).find_map(|pair| match pair {
            [a, b] if a.source == b.source => Some(a.source.clone()),
            _ => None,
        });
        if let Some(source_id) = twice {
            return Err(RosterError::Twice { source_id });
        }
        for each in &sources {
            let (expected, found) = (each.source.as_str(), each.key.name().as_str());
            if expected != found {
                return Err(RosterError::KeyName {
                    expected: expected.to_owned(),
                    found: found.to_owned(),
                });
            }
            if each.heartbeat_s == 0 || each.heartbeat_s > HEARTBEAT_S_MAX {
                let heartbeat_s = each.heartbeat_s;
                return Err(RosterError::Heartbeat { heartbeat_s });
            }
        }
        Ok(Self {
            serial,
            utc_us,
            sources,
        })
    }

    /// The sources, sorted by id.
    #[must_use]
    pub fn sources(&self) -> &[RosterSource] {
        &self.sources
    }

    /// One source.
    #[must_use]
    pub fn source(&self, id: &SourceId) -> Option<&RosterSource> {
        let found = self.sources.binary_search_by(|each| each.source.cmp(id));
        found.ok().and_then(|at| self.sources.get(at))
    }

    /// The text, each line ended by a newline: what is signed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{ROSTER_TEXT_V1}\nserial {}\ntime {}\n",
            self.serial,
            rfc3339(self.utc_us)
        );
        for RosterSource {
            source,
            key,
            heartbeat_s,
        } in &self.sources
        {
            let _infallible = writeln!(text, "source {source} {key} {heartbeat_s}");
        }
        text
    }

    /// Reads a text in its one spelling: `Roster::parse_text(t)?.to_text() == t`. Does not check a
    /// signature.
    ///
    /// # Errors
    /// [`NoteTextError`] for anything that [`Roster::to_text`] does not write.
    pub fn parse_text(text: &str) -> Result<Self, NoteTextError> {
        let mut lines = Lines::new(text);
        lines.exact(ROSTER_TEXT_V1)?;
        let serial = read("serial", lines.value("serial")?, number)?;
        let utc_us = read("time", lines.value("time")?, parse_rfc3339)?;
        let mut sources = Vec::new();
        while lines.end().is_err() {
            if sources.len() >= ROSTER_SOURCES_MAX {
                return Err(NoteTextError::Trailing);
            }
            sources.push(read("source", lines.value("source")?, RosterSource::parse)?);
        }
        let malformed = |_| NoteTextError::Value { member: "source" };
        let roster = Self::new(serial, utc_us, sources).map_err(malformed)?;
        if roster.to_text() == text {
            Ok(roster)
        } else {
            Err(NoteTextError::NotCanonical)
        }
    }

    /// Signs the roster and gives the note.
    ///
    /// # Errors
    /// [`RosterError::Sign`] if it is longer than a note may be.
    pub fn sign(&self, admin: &SignerKey) -> Result<String, RosterError> {
        Note::sign(&self.to_text(), admin)
            .map(|note| note.to_string())
            .map_err(RosterError::Sign)
    }

    /// Reads a note and verifies that one of these admin keys, and nobody else, signed it. Whether a
    /// newer roster is known is for the caller to ask: compare [`Roster::serial`].
    ///
    /// # Errors
    /// [`RosterError::Note`], [`RosterError::Text`], [`RosterError::Signature`],
    /// [`RosterError::Signers`].
    pub fn verify(note: &str, admins: &[VerifierKey]) -> Result<Self, RosterError> {
        let note = Note::parse(note.as_bytes()).map_err(RosterError::Note)?;
        verify(&note, admins).map_err(RosterError::Signature)?;
        if note.signatures().len() != 1 {
            return Err(RosterError::Signers);
        }
        Self::parse_text(note.text()).map_err(RosterError::Text)
    }
}

impl RosterSource {
    /// Reads `<id> <vkey> <heartbeat seconds>`.
    fn parse(line: &str) -> Option<Self> {
        let (source, rest) = line.split_once(' ')?;
        let (key, heartbeat) = rest.split_once(' ')?;
        Some(Self {
            source: SourceId::new(source).ok()?,
            key: key.parse().ok()?,
            heartbeat_s: number(heartbeat)?,
        })
    }
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n| *n <= INTEGER_MAX)
}

#[cfg(test)]
mod tests {
    use affiant_tlog::note::KeyName;

    use super::*;

    fn signer(name: &str, seed: u8) -> SignerKey {
        SignerKey::from_seed(KeyName::new(name).unwrap(), &[seed; 32])
    }

    fn expected(id: &str, seed: u8) -> RosterSource {
        RosterSource {
            source: SourceId::new(id).unwrap(),
            key: signer(id, seed).verifier_key().clone(),
            heartbeat_s: 60,
        }
    }

    fn roster() -> Roster {
        let sources = vec![expected("gw-8", 2), expected("gw-7", 1)];
        Roster::new(3, 1_795_330_441_123_456, sources).unwrap()
    }

    #[test]
    fn a_roster_reads_back_sorted() {
        let admin = signer("admin", 9);
        let note = roster().sign(&admin).unwrap();
        let read = Roster::verify(&note, &[admin.verifier_key().clone()]).unwrap();
        assert_eq!(read, roster());
        let ids: Vec<_> = read.sources().iter().map(|s| s.source.as_str()).collect();
        assert_eq!(ids, ["gw-7", "gw-8"]);
        assert!(read.source(&SourceId::new("gw-8").unwrap()).is_some());
        assert!(read.source(&SourceId::new("gw-9").unwrap()).is_none());
    }

    #[test]
    fn only_an_admin_signs_a_roster() {
        let (admin, other) = (signer("admin", 9), signer("admin", 8));
        let admins = [admin.verifier_key().clone()];
        let stranger = roster().sign(&other).unwrap();
        assert!(matches!(
            Roster::verify(&stranger, &admins),
            Err(RosterError::Signature(_))
        ));
        let mut both = Note::sign(&roster().to_text(), &admin).unwrap();
        both.add_signature(&other).unwrap();
        assert!(matches!(
            Roster::verify(&both.to_string(), &admins),
            Err(RosterError::Signers)
        ));
        let forged = roster().sign(&admin).unwrap().replace(" 60\n", " 61\n");
        assert!(Roster::verify(&forged, &admins).is_err());
    }

    #[test]
    fn a_roster_has_one_spelling() {
        let text = roster().to_text();
        let lines: Vec<&str> = text.lines().collect();
        let swapped = [lines[0], lines[1], lines[2], lines[4], lines[3], ""].join("\n");
        let twice = [lines[0], lines[1], lines[2], lines[3], lines[3], ""].join("\n");
        for other in [
            swapped,
            twice,
            text.replace("serial 3", "serial 03"),
            text.replace(" 60\n", " 0\n"),
            text.replace("source gw-8 ", "source gw-9 "),
            format!("{text}\n"),
            text.trim_end().to_owned(),
        ] {
            assert!(Roster::parse_text(&other).is_err(), "{other}");
        }
        let empty = Roster::new(0, 0, Vec::new()).unwrap();
        assert_eq!(Roster::parse_text(&empty.to_text()), Ok(empty));
    }
}
