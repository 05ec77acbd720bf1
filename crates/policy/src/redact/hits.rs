//! What a walk cut: listed with commitments up to the limits, counted beyond.

use std::ops::Range;

use affiant_entry::{CommitKey, Commitment};

use super::engine::Engine;
use super::limit::REDACTION_LIST_BYTES_MAX;
use super::pointer::Path;

/// One cut.
#[derive(Debug)]
pub(crate) struct Hit {
    /// Pointer into the input.
    pub(crate) at: String,
    /// Place of the rule.
    pub(crate) place: usize,
    /// Length of what was cut.
    pub(crate) bytes: usize,
    /// Commitment to what was cut, in a list that has them.
    pub(crate) commit: Option<Commitment>,
}

/// The cuts of one input.
#[derive(Debug)]
pub(crate) struct Hits<'k> {
    key: Option<&'k CommitKey>,
    listed: Vec<Hit>,
    listed_max: usize,
    /// Bytes the listed ones take in an entry, and how many they may.
    bytes: usize,
    bytes_max: usize,
    more: u64,
    first_rule: Option<usize>,
}

impl<'k> Hits<'k> {
    /// Lists at most `listed_max`, each with a commitment, within the room an entry has for them.
    pub(crate) const fn committed(key: &'k CommitKey, listed_max: usize) -> Self {
        Self {
            key: Some(key),
            listed: Vec::new(),
            listed_max,
            bytes: 0,
            bytes_max: REDACTION_LIST_BYTES_MAX,
            more: 0,
            first_rule: None,
        }
    }

    /// Lists at most `listed_max`, for people to read.
    pub(crate) const fn uncommitted(listed_max: usize) -> Self {
        Self {
            key: None,
            listed: Vec::new(),
            listed_max,
            bytes: 0,
            bytes_max: usize::MAX,
            more: 0,
            first_rule: None,
        }
    }

    pub(crate) fn add(&mut self, path: &Path, place: usize, raw: &[u8], engine: &Engine) {
        self.first_rule = self.first_rule.or(Some(place));
        if self.listed.len() >= self.listed_max || self.bytes >= self.bytes_max {
            self.more = self.more.saturating_add(1);
            return;
        }
        let at = path.pointer();
        let size = spelled_len(&at)
            .saturating_add(engine.id(place).len())
            .saturating_add(FRAME_BYTES);
        if self.bytes.saturating_add(size) > self.bytes_max {
            self.bytes = self.bytes_max;
            self.more = self.more.saturating_add(1);
            return;
        }
        self.bytes = self.bytes.saturating_add(size);
        let commit = self.key.map(|key| key.commit("redaction", raw));
        self.listed.push(Hit {
            at,
            place,
            bytes: raw.len(),
            commit,
        });
    }

    /// Number of cuts so far.
    pub(crate) fn len(&self) -> usize {
        self.listed.len()
    }

    /// Forgets cuts that were undone: a range of what [`Hits::len`] counted.
    pub(crate) fn forget(&mut self, range: Range<usize>) {
        let end = range.end.min(self.listed.len());
        if range.start < end {
            self.listed.drain(range.start..end);
        }
    }

    pub(crate) const fn first_rule(&self) -> Option<usize> {
        self.first_rule
    }

    /// An empty list for a later pass, with the room that is left.
    pub(crate) const fn rest(&self) -> Self {
        let listed_max = self.listed_max.saturating_sub(self.listed.len());
        Self {
            key: self.key,
            listed: Vec::new(),
            listed_max,
            bytes: self.bytes,
            bytes_max: self.bytes_max,
            more: 0,
            first_rule: None,
        }
    }

    /// Adds the cuts of a later pass.
    pub(crate) fn append(&mut self, later: Self) {
        self.more = self.more.saturating_add(later.more);
        self.listed.extend(later.listed);
    }

    /// The listed cuts, and how many more there were.
    pub(crate) fn into_parts(self) -> (Vec<Hit>, u64) {
        (self.listed, self.more)
    }
}

/// `{"at":"","rule":"","commit":"hmac-sha256:<id>:<64>"},` with room for the key's id.
const FRAME_BYTES: usize = 132;

/// Bytes of a text as JSON.
fn spelled_len(text: &str) -> usize {
    text.chars()
        .map(|char| {
            if char.is_control() || matches!(char, '"' | '\\') {
                6
            } else {
                char.len_utf8()
            }
        })
        .sum()
}
