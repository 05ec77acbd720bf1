//! What the log says of itself: the published head, and the record that decides it.

use std::fmt;

use affiant_tlog::checkpoint::Origin;
use affiant_tlog::note::KeyRef;
use affiant_tlog::{Checkpoint, Hash, TreeSize, empty_root};

/// A published checkpoint: whoever reads the log from outside sees this tree or a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Origin, size and root.
    pub checkpoint: Checkpoint,
    /// The signed note, with the cosignatures it has so far.
    pub note: Vec<u8>,
}

/// The record in the head store: which tree is the log's. Compared and swapped, never merged.
///
/// Its text is specified in docs/spec/log-storage.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeadRecord {
    pub(crate) origin: Origin,
    /// `name+id` of the key that signs this head.
    pub(crate) key: String,
    /// How often the head was swapped; goes up by one.
    pub(crate) epoch: u64,
    /// When, in milliseconds since 1970; goes up.
    pub(crate) time_ms: u64,
    pub(crate) tree: Tree,
    /// The tree of the epoch before: what the staged objects are added to.
    pub(crate) from: Tree,
}

/// A tree by its size and root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) size: TreeSize,
    pub(crate) root: Hash,
}

impl Tree {
    pub(crate) fn empty() -> Self {
        Self {
            size: TreeSize(0),
            root: empty_root(),
        }
    }
}

impl HeadRecord {
    /// The record of a log without leaves.
    pub(crate) fn first(origin: Origin, key: &KeyRef, time_ms: u64) -> Self {
        Self {
            origin,
            key: key.to_string(),
            epoch: 0,
            time_ms,
            tree: Tree::empty(),
            from: Tree::empty(),
        }
    }

    /// The record after this one.
    pub(crate) fn next(&self, key: &KeyRef, now_ms: u64, tree: Tree) -> Self {
        Self {
            origin: self.origin.clone(),
            key: key.to_string(),
            epoch: self.epoch.saturating_add(1),
            // A clock that was set back does not stop the log, and does not turn time around.
            time_ms: now_ms.max(self.time_ms.saturating_add(1)),
            tree,
            from: self.tree,
        }
    }

    /// The name of the stage that holds what this head adds.
    pub(crate) fn stage_name(&self) -> String {
        let root: String = self.tree.root.to_string().chars().take(16).collect();
        format!("{:020}-{root}", self.epoch)
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(self.origin.clone(), self.tree.size, self.tree.root)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// Reads exactly what [`HeadRecord::to_bytes`] writes.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        (lines.next()? == FORMAT).then_some(())?;
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let record = Self {
            origin: Origin::new(field("log")?).ok()?,
            key: field("key")?.to_owned(),
            epoch: field("epoch")?.parse().ok()?,
            time_ms: field("time_ms")?.parse().ok()?,
            tree: Tree {
                size: TreeSize(field("size")?.parse().ok()?),
                root: Hash::from_base64(field("root")?).ok()?,
            },
            from: Tree {
                size: TreeSize(field("from_size")?.parse().ok()?),
                root: Hash::from_base64(field("from_root")?).ok()?,
            },
        };
        let well_formed = record.from.size <= record.tree.size && record.to_bytes() == bytes;
        well_formed.then_some(record)
    }
}

impl fmt::Display for HeadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORMAT}")?;
        writeln!(f, "log {}", self.origin)?;
        writeln!(f, "key {}", self.key)?;
        writeln!(f, "epoch {}", self.epoch)?;
        writeln!(f, "time_ms {}", self.time_ms)?;
        writeln!(f, "size {}", self.tree.size)?;
        writeln!(f, "root {}", self.tree.root.to_base64())?;
        writeln!(f, "from_size {}", self.from.size)?;
        writeln!(f, "from_root {}", self.from.root.to_base64())
    }
}

const FORMAT: &str = "affiant.dev/log-head/v1";

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> HeadRecord {
        let key: affiant_tlog::VerifierKey =
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
                .parse()
                .unwrap();
        let origin = Origin::of(key.name()).unwrap();
        let first = HeadRecord::first(origin, key.key_ref(), 17);
        let tree = Tree {
            size: TreeSize(3),
            root: affiant_tlog::leaf_hash(b"x"),
        };
        first.next(key.key_ref(), 5, tree)
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let record = record();
        assert_eq!(HeadRecord::parse(&record.to_bytes()), Some(record));
    }

    #[test]
    fn a_record_has_one_spelling() {
        let text = record().to_string();
        for bad in [
            text.replace("epoch 1", "epoch 01"),
            text.replace("size 3", "size +3"),
            text.replace("from_size 0", "from_size 4"),
            text.replace('\n', "\r\n"),
            format!("{text}\n"),
            text.trim_end().to_owned(),
        ] {
            assert_eq!(HeadRecord::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn time_goes_up_though_the_clock_went_back() {
        assert_eq!(record().time_ms, 18);
    }
}
