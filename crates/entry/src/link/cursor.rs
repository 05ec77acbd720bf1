//! Where one chain stands, and whether a group continues it.

use affiant_tlog::Hash;
use affiant_tlog::note::VerifierKey;
use serde::{Deserialize, Serialize};

use super::group::{BadSeal, CheckedGroup};
use crate::ids::{SealNumber, SealPlace, Seq, SourceId, SpoolName};

/// The end of one chain as far as it was taken: all that is needed to judge what comes next. A few
/// hundred bytes; serialisable, so that it can be kept in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainCursor {
    source: SourceId,
    spool: SpoolName,
    position: Option<ChainPosition>,
}

/// The last seal that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainPosition {
    /// Which seal.
    pub place: SealPlace,
    /// RFC 6962 leaf hash of its entry; 64 hexadecimal digits.
    #[serde(with = "as_text")]
    pub hash: Hash,
    /// Number of the next entry of the boot.
    pub next_seq: Seq,
    /// The key that its boot is sealed with; a C2SP verifier key.
    #[serde(with = "as_text")]
    pub key: VerifierKey,
}

/// What a group is to a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// It continues the chain.
    Next,
    /// It is the last group, once more.
    Duplicate,
    /// Its seal number was taken before, within the last boot. The cursor does not remember more than
    /// the last seal: whoever does compares leaf hashes, equal is a duplicate, different a fork.
    Earlier,
    /// The source signed two chains. Evidence.
    Fork(ForkKind),
    /// Something is missing before it.
    Gap {
        /// The seal that would continue the chain; `None` for the first of a chain.
        expected: Option<SealPlace>,
        /// What kind of hole.
        kind: GapKind,
    },
    /// It contradicts its own chain in a way that is neither: its place cannot be told.
    Bad(BadSeal),
    /// It belongs to another source or spool: the caller's mistake, or the sender's.
    OtherChain,
}

/// How a chain was forked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForkKind {
    /// Another seal with the number of the last one.
    SameSeal,
    /// The next seal links to another one than the last.
    OtherPrevious,
    /// A new boot links to another seal with the number of the last one.
    BootOfOther,
    /// A new boot links to a seal before the last: the source went back in time, as after a restored
    /// backup.
    BootOfEarlier,
}

/// What kind of hole stands before a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapKind {
    /// Seals of the last boot are missing.
    MissingSeals,
    /// The boot links to a seal that was not taken.
    BootNotLinked,
    /// The boot says that it begins a chain, but there was one.
    ChainRestarted,
    /// Nothing of the chain was taken yet, and this is not its beginning.
    StartMissing,
}

impl ChainCursor {
    /// The cursor of a chain of which nothing was taken yet.
    #[must_use]
    pub const fn new(source: SourceId, spool: SpoolName) -> Self {
        Self {
            source,
            spool,
            position: None,
        }
    }

    /// The source.
    #[must_use]
    pub const fn source(&self) -> &SourceId {
        &self.source
    }

    /// The spool.
    #[must_use]
    pub const fn spool(&self) -> &SpoolName {
        &self.spool
    }

    /// The last seal taken; `None` if none was.
    #[must_use]
    pub const fn position(&self) -> Option<&ChainPosition> {
        self.position.as_ref()
    }

    /// The seal that would continue the boot; `None` if none was taken yet.
    #[must_use]
    pub fn expected(&self) -> Option<SealPlace> {
        self.position.as_ref().map(ChainPosition::next_place)
    }

    /// What the group is to this chain. Changes nothing.
    ///
    /// A group of a boot before the last looks like [`Placement::Gap`]: whoever may be sent such ones
    /// again looks its place up among the seals it has before it asks.
    #[must_use]
    pub fn place(&self, group: &CheckedGroup) -> Placement {
        if group.text.source != self.source || group.text.spool != self.spool {
            return Placement::OtherChain;
        }
        match &self.position {
            None => place_first(group),
            Some(last) if last.place.boot == group.text.boot => last.place_in_boot(group),
            Some(last) => last.place_boot(group),
        }
    }

    /// Moves behind a group that was appended: one that is [`Placement::Next`], or one behind a gap
    /// that was recorded. Does not ask where it belongs.
    pub fn advance(&mut self, group: &CheckedGroup) {
        self.position = Some(ChainPosition::behind(group));
    }
}

impl ChainPosition {
    fn behind(group: &CheckedGroup) -> Self {
        Self {
            place: group.place(),
            hash: group.seal_hash,
            next_seq: group.text.next_seq(),
            key: group.key.clone(),
        }
    }

    const fn next_place(&self) -> SealPlace {
        SealPlace {
            boot: self.place.boot,
            seal: SealNumber(self.place.seal.0.saturating_add(1)),
        }
    }

    fn gap(&self, kind: GapKind) -> Placement {
        Placement::Gap {
            expected: Some(self.next_place()),
            kind,
        }
    }

    fn place_in_boot(&self, group: &CheckedGroup) -> Placement {
        let text = &group.text;
        let next = self.next_place().seal;
        if text.seal < self.place.seal {
            return Placement::Earlier;
        }
        if text.seal == self.place.seal {
            return if group.seal_hash == self.hash {
                Placement::Duplicate
            } else {
                Placement::Fork(ForkKind::SameSeal)
            };
        }
        if text.seal > next {
            return self.gap(GapKind::MissingSeals);
        }
        if text.previous != Some(self.hash) {
            return Placement::Fork(ForkKind::OtherPrevious);
        }
        if text.first != self.next_seq {
            return Placement::Bad(BadSeal::First {
                seal: text.seal.0,
                first: text.first.0,
            });
        }
        if group.key != self.key {
            return Placement::Bad(BadSeal::OtherKey {
                key: group.key.key_ref().to_string(),
            });
        }
        Placement::Next
    }

    /// The group is of another boot than the last.
    fn place_boot(&self, group: &CheckedGroup) -> Placement {
        let Some(boot) = &group.boot else {
            return self.gap(GapKind::MissingSeals);
        };
        let Some((named, hash)) = boot.previous else {
            return self.gap(GapKind::ChainRestarted);
        };
        if named.boot != self.place.boot || named.seal > self.place.seal {
            self.gap(GapKind::BootNotLinked)
        } else if named.seal < self.place.seal {
            Placement::Fork(ForkKind::BootOfEarlier)
        } else if hash != self.hash {
            Placement::Fork(ForkKind::BootOfOther)
        } else {
            Placement::Next
        }
    }
}

/// The group is the first of its chain here.
fn place_first(group: &CheckedGroup) -> Placement {
    let begins = group
        .boot
        .as_ref()
        .is_some_and(|boot| boot.previous.is_none());
    if begins {
        Placement::Next
    } else {
        Placement::Gap {
            expected: None,
            kind: GapKind::StartMissing,
        }
    }
}

/// Serde for what has one text.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(d: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
