//! Which blobs may still be named by entries that a shipper has not read.

use std::collections::{BTreeSet, HashMap};

use affiant_entry::Decoded;
use affiant_spool::{BlobId, Ordinal};

/// Most blobs whose places are remembered one by one: about 250 KiB of memory.
const BLOBS_MAX: usize = 4096;

/// The blobs that entries of this process name, each with the end of the newest group that does.
///
/// Bounded also where nothing is ever released: beyond [`BLOBS_MAX`] only the newest of all places is
/// kept, and none of those blobs goes before it is released.
#[derive(Debug, Default)]
pub(super) struct BlobsNamed {
    before: HashMap<BlobId, Ordinal>,
    /// No place that was forgotten is behind this one.
    forgotten: Option<Ordinal>,
    /// What a shipper let go of and could not go yet: it asks once only.
    kept: BTreeSet<BlobId>,
}

impl BlobsNamed {
    /// A group that ends before `end` and names the blob is in the spool.
    pub(super) fn named(&mut self, id: BlobId, end: Ordinal) {
        if self.before.len() >= BLOBS_MAX && !self.before.contains_key(&id) {
            let newest = self.before.drain().map(|(_, end)| end).max();
            self.forgotten = self.forgotten.max(newest);
        }
        self.before.insert(id, end);
    }

    /// A shipper lets go of all entries before `end`, and of these blobs: the ones to remove, with those
    /// that could not go before. None while entries `wait` for room, which may name any of them.
    pub(super) fn release(&mut self, blobs: &[BlobId], end: Ordinal, wait: bool) -> Vec<BlobId> {
        let mut asked = std::mem::take(&mut self.kept);
        asked.extend(blobs);
        let (gone, kept): (BTreeSet<_>, BTreeSet<_>) = asked
            .into_iter()
            .partition(|id| !wait && self.may_go(id, end));
        self.kept = kept.into_iter().take(BLOBS_MAX).collect();
        self.before.retain(|_, before| *before > end);
        self.forgotten = self.forgotten.filter(|before| *before > end);
        gone.into_iter().collect()
    }

    /// Whether no entry from `end` on names the blob.
    fn may_go(&self, id: &BlobId, end: Ordinal) -> bool {
        let before = self.before.get(id).or(self.forgotten.as_ref());
        before.is_none_or(|before| *before <= end)
    }
}

/// The blob an entry names.
pub(crate) fn blob_named(entry: &[u8]) -> Option<BlobId> {
    memchr::memmem::find(entry, b"\"input_form\":\"blob\"")?;
    let decoded = Decoded::parse_any_kind(entry).ok()?;
    if decoded.member("input_form") != Some("\"blob\"") {
        return None;
    }
    let id = decoded.pointer("/input/blob")?;
    BlobId::from_hex(id.as_str()?.strip_prefix("sha256:")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> BlobId {
        let mut sha256 = [0; 32];
        sha256[..8].copy_from_slice(&n.to_be_bytes());
        BlobId::new(sha256)
    }

    fn at(n: usize) -> Ordinal {
        Ordinal::new(u64::try_from(n).unwrap())
    }

    #[test]
    fn a_blob_goes_with_the_last_group_that_names_it() {
        let mut blobs = BlobsNamed::default();
        blobs.named(id(1), at(10));
        blobs.named(id(1), at(20));
        assert_eq!(blobs.release(&[id(1)], at(10), false), [], "named again");
        assert_eq!(blobs.release(&[], at(19), false), []);
        assert_eq!(blobs.release(&[], at(20), false), [id(1)], "asked once");
        assert_eq!(blobs.release(&[], at(30), false), [], "gone once");
        assert_eq!(
            blobs.release(&[id(2)], at(0), false),
            [id(2)],
            "of an earlier process"
        );
    }

    #[test]
    fn nothing_goes_while_entries_wait_for_room() {
        let mut blobs = BlobsNamed::default();
        blobs.named(id(1), at(10));
        assert_eq!(blobs.release(&[id(1), id(2)], at(10), true), []);
        blobs.named(id(2), at(12));
        assert_eq!(blobs.release(&[], at(11), false), [id(1)]);
        assert_eq!(blobs.release(&[], at(12), false), [id(2)]);
    }

    #[test]
    fn memory_is_bounded_though_nothing_is_released() {
        let mut blobs = BlobsNamed::default();
        for n in 0..BLOBS_MAX * 3 {
            blobs.named(id(n), at(n + 1));
            assert!(blobs.before.len() <= BLOBS_MAX);
            assert!(!blobs.may_go(&id(0), at(0)), "forgotten is not free to go");
        }
        let end = at(BLOBS_MAX * 3);
        assert_eq!(blobs.release(&[id(0)], end, false), [id(0)]);
        assert!(blobs.before.is_empty() && blobs.forgotten.is_none() && blobs.kept.is_empty());
    }

    #[test]
    fn what_was_released_is_not_remembered() {
        let mut blobs = BlobsNamed::default();
        blobs.named(id(1), at(10));
        blobs.named(id(2), at(20));
        assert_eq!(blobs.release(&[], at(10), false), []);
        assert_eq!(blobs.before.len(), 1);
        assert!(!blobs.may_go(&id(2), at(19)));
    }
}
