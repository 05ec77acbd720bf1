//! Making a proof from a log's files: find the entry, its seal and its key, prove each.

mod scan;

use affiant_audit::files::Files;
use affiant_audit::proof::{Leaf, ProofFile, build};
use affiant_entry::decode::{Decoded, Kind};
use affiant_entry::{CallId, SealText};
use affiant_tlog::note::KeyRef;
use affiant_tlog::tile::{TileId, TileReader};
use affiant_tlog::{
    Checkpoint, InclusionProof, LeafIndex, Note, TreeSize, inclusion_proof, leaf_hash,
};
use memchr::memmem;

use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;
use crate::verify::log::{ReadError, Source};
pub(crate) use scan::Leaves;

/// Which entry is to be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// By its place in the log.
    Leaf(LeafIndex),
    /// The end of a call, or its beginning where it has not ended.
    Call(CallId),
    /// By its place in its chain.
    Place {
        source: String,
        boot: String,
        seq: u64,
    },
}

impl Wanted {
    /// Reads what names an entry.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(index) = text.parse() {
            return Some(Self::Leaf(LeafIndex(index)));
        }
        if let Ok(call) = CallId::parse(text) {
            return Some(Self::Call(call));
        }
        let mut parts = text.split('/');
        let place = Self::Place {
            source: parts.next()?.to_owned(),
            boot: parts.next()?.to_owned(),
            seq: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(place)
    }

    /// What stands in the bytes of the entry in any case.
    fn needle(&self) -> String {
        match self {
            Self::Leaf(_) => String::new(),
            Self::Call(call) => call.to_string(),
            Self::Place { boot, .. } => boot.clone(),
        }
    }

    fn is(&self, entry: &Decoded) -> bool {
        let header = entry.header();
        match self {
            Self::Leaf(_) => false,
            Self::Call(call) => {
                header.call == Some(*call)
                    && matches!(
                        header.kind.as_str(),
                        "call.end" | "call.begin" | "call.import"
                    )
            }
            Self::Place { source, boot, seq } => {
                header.source.as_str() == source
                    && header.boot.to_string() == *boot
                    && header.seq.is_some_and(|found| found.0 == *seq)
            }
        }
    }
}

/// Makes the proof.
pub(crate) fn prove(source: &Source, wanted: &Wanted) -> Result<ProofFile, ExpectedError> {
    let bytes = source.get("checkpoint").map_err(unreadable)?;
    let bytes = bytes.ok_or_else(|| broken("there is no checkpoint"))?;
    let note = Note::parse(&bytes).map_err(|error| broken(chain(&error)))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| broken(chain(&error)))?;
    let maker = Maker {
        source,
        size: checkpoint.size,
    };
    let index = maker.find(wanted)?;
    let entry = maker.leaf(index)?;
    let decoded = Decoded::parse_any_kind(&entry.bytes)
        .map_err(|error| broken(format!("leaf {index} is no entry: {}", chain(&error))))?;
    let sealed = maker.sealed(&decoded, index)?;
    let (seal, signer, before) = match &sealed {
        Some((seal, group, signer)) => (Some((seal, group)), signer.as_ref(), seal.index),
        None => (None, None, index),
    };
    let own = signer_of(&decoded);
    let key = match signer.or(own.as_ref()) {
        Some(signer) => maker.key(signer, before)?,
        None => None,
    };
    build(note, &entry, seal, key.as_ref()).map_err(|error| broken(chain(&error)))
}

/// Whose signature a seal entry carries; nothing for other entries.
fn signer_of(entry: &Decoded) -> Option<KeyRef> {
    if entry.header().kind != Kind::Seal {
        return None;
    }
    let note = Note::parse(entry.note()?.as_bytes()).ok()?;
    let first = note.signatures().first()?;
    Some(first.key_ref().clone())
}

struct Maker<'a> {
    source: &'a Source,
    size: TreeSize,
}

/// A seal, the entry's proof under it, and whose signature it carries.
type Sealed = (Leaf, InclusionProof, Option<KeyRef>);

impl Maker<'_> {
    fn find(&self, wanted: &Wanted) -> Result<LeafIndex, ExpectedError> {
        if let Wanted::Leaf(index) = wanted {
            return if self.size.contains(*index) {
                Ok(*index)
            } else {
                let message = format!("there is no leaf {index}: the log has {}", self.size);
                Err(ExpectedError::usage(message))
            };
        }
        let mut found = None;
        let needle = wanted.needle();
        for leaf in self.leaves(LeafIndex(0)).or_later().near(needle.as_bytes()) {
            let (index, bytes) = leaf?;
            let Ok(entry) = Decoded::parse_any_kind(&bytes) else {
                continue;
            };
            if wanted.is(&entry) {
                found = Some(index);
                if entry.header().kind.as_str() != "call.begin" {
                    break;
                }
            }
        }
        found.ok_or_else(|| {
            ExpectedError::usage("the log has no such entry")
                .hint("`affiant entries` lists what it has")
        })
    }

    fn leaves(&self, from: LeafIndex) -> Leaves<'_> {
        Leaves::new(self.source, from, self.size)
    }

    /// A leaf with its proof.
    fn leaf(&self, index: LeafIndex) -> Result<Leaf, ExpectedError> {
        let (_, bytes) = self
            .leaves(index)
            .next()
            .ok_or_else(|| broken(format!("leaf {index} is missing")))??;
        self.prove(index, bytes)
    }

    fn prove(&self, index: LeafIndex, bytes: Vec<u8>) -> Result<Leaf, ExpectedError> {
        let tiles = |tile: TileId| self.source.get(&tile.path()).map_err(std::io::Error::from);
        let proof = TileReader::new(&tiles, self.size)
            .inclusion_proof(index)
            .map_err(|error| broken(chain(&error)))?;
        Ok(Leaf {
            bytes,
            index,
            proof,
        })
    }

    /// The seal over an entry. `None` for a seal, and for entries of the aggregator.
    fn sealed(&self, entry: &Decoded, at: LeafIndex) -> Result<Option<Sealed>, ExpectedError> {
        let header = entry.header();
        let Some(seq) = header.seq.filter(|_| header.kind != Kind::Seal) else {
            return Ok(None);
        };
        let Some((seal_at, seal)) = self.seal_behind(entry, at)? else {
            return Ok(None);
        };
        let note = seal
            .note()
            .and_then(|note| Note::parse(note.as_bytes()).ok());
        let note = note.ok_or_else(|| broken(format!("leaf {seal_at} is no seal")))?;
        let text = SealText::parse(note.text()).map_err(|error| broken(chain(&error)))?;
        let place = seq.0.checked_sub(text.first.0);
        let first = place.and_then(|place| at.0.checked_sub(place));
        let (Some(place), Some(first)) = (place, first) else {
            return Err(broken(format!(
                "the seal at leaf {seal_at} does not cover leaf {at}"
            )));
        };
        let mut hashes = Vec::new();
        for leaf in self.leaves(LeafIndex(first)) {
            let (index, bytes) = leaf?;
            if index >= seal_at {
                break;
            }
            hashes.push(leaf_hash(&bytes));
        }
        let group =
            inclusion_proof(&hashes, LeafIndex(place)).map_err(|error| broken(chain(&error)))?;
        let signer = signer_of(&seal);
        let seal = self.prove(seal_at, seal.bytes().to_vec())?;
        Ok(Some((seal, group, signer)))
    }

    /// The seal that closes the group an entry stands in; `None` if an entry of somebody else comes
    /// first: then it stands in none.
    fn seal_behind(
        &self,
        entry: &Decoded,
        at: LeafIndex,
    ) -> Result<Option<(LeafIndex, Decoded)>, ExpectedError> {
        let header = entry.header();
        for leaf in self.leaves(at) {
            let (index, bytes) = leaf?;
            let Ok(next) = Decoded::parse_any_kind(&bytes) else {
                continue;
            };
            if next.header().source != header.source || next.header().boot != header.boot {
                return Ok(None);
            }
            if next.header().kind == Kind::Seal {
                return Ok(Some((index, next)));
            }
        }
        Ok(None)
    }

    /// The newest `key` entry before a seal that gives the key of its signature.
    fn key(&self, signer: &KeyRef, before: LeafIndex) -> Result<Option<Leaf>, ExpectedError> {
        let spelled = format!("\"vkey\":\"{signer}+");
        let mut found = None;
        let leaves = self.leaves(LeafIndex(0)).or_later();
        for leaf in leaves.near(spelled.as_bytes()) {
            let (index, bytes) = leaf?;
            if index >= before {
                break;
            }
            let has = |text: &str| memmem::find(&bytes, text.as_bytes()).is_some();
            let gives = has(&spelled) && has("\"kind\":\"key\"") && !has("\"action\":\"revoke\"");
            if gives {
                found = Some((index, bytes));
            }
        }
        found
            .map(|(index, bytes)| self.prove(index, bytes))
            .transpose()
    }
}

fn broken(text: impl Into<String>) -> ExpectedError {
    ExpectedError::new(Exit::No, text)
}

fn unreadable(error: ReadError) -> ExpectedError {
    match error {
        ReadError::Storage(error) => ExpectedError::storage(&error),
        ReadError::Unreachable(text) => ExpectedError::new(Exit::Unreachable, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_named_in_three_ways() {
        assert_eq!(Wanted::parse("12"), Some(Wanted::Leaf(LeafIndex(12))));
        let call = "01KAWZ5G9N0000000000000001";
        assert!(matches!(Wanted::parse(call), Some(Wanted::Call(_))));
        assert!(matches!(
            Wanted::parse("gw-7/01KAWZ5G9N0000000000000001/3"),
            Some(Wanted::Place { seq: 3, .. })
        ));
        for text in ["", "x", "a/b", "a/b/c", "a/b/1/2"] {
            assert_eq!(Wanted::parse(text), None, "{text}");
        }
    }
}
