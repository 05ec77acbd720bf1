//! What a store remembers beside its rows: facts, erasures, and calls that were imported.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use affiant_entry::decode::{Decoded, Kind};
use affiant_entry::record::Context;
use affiant_entry::{CallId, LogKind};
use affiant_tlog::LeafIndex;
use serde::{Deserialize, Serialize};

use crate::context::Context as Known;

/// Imported calls that are remembered, so that the same record is one row of `calls`. A record that
/// comes again after this many others counts twice.
const IMPORTS_MAX: usize = 262_144;

/// State that is no row. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    /// Facts by subject and leaf.
    pub(crate) context: Arc<Known>,
    /// Ids of blobs that were erased.
    pub(crate) erased: Arc<BTreeSet<String>>,
    /// Leaves of imported calls.
    imports: Arc<Imports>,
    /// Leaves before this index are to go.
    pub(crate) prune: u64,
    /// Context leaves that could not be taken in.
    pub(crate) context_faults: u64,
}

#[derive(Debug, Clone, Default)]
struct Imports {
    first: HashMap<CallId, u64>,
    order: VecDeque<CallId>,
}

/// [`Memory`] in a file.
#[derive(Serialize)]
struct Written<'a> {
    context: &'a Known,
    erased: &'a BTreeSet<String>,
    imports: Vec<(String, u64)>,
    prune: u64,
    context_faults: u64,
}

/// [`Written`], read back.
#[derive(Deserialize)]
struct Read {
    context: Known,
    erased: BTreeSet<String>,
    imports: Vec<(String, u64)>,
    prune: u64,
    context_faults: u64,
}

#[derive(Deserialize)]
struct PruneWire {
    min_index: u64,
}

#[derive(Deserialize)]
struct EraseWire {
    blob: String,
}

impl Memory {
    /// Learns from an entry that is believed. `raw` gives another leaf. Returns the leaf of the first
    /// import of the same call, if this is a later one.
    pub(crate) fn learn(
        &mut self,
        leaf: LeafIndex,
        entry: &Decoded,
        raw: impl Fn(LeafIndex) -> Option<Vec<u8>>,
    ) -> Option<u64> {
        match entry.header().kind {
            Kind::Log(LogKind::CallImport) => return self.import(leaf, entry.header().call?),
            Kind::Log(LogKind::Prune) => {
                let min = entry
                    .member("prune")
                    .and_then(parse::<PruneWire>)?
                    .min_index;
                // Nobody can prune what is not there yet.
                self.prune = self.prune.max(min.min(leaf.0));
            }
            Kind::Log(LogKind::Erase) => {
                let blob = entry.member("erase").and_then(parse::<EraseWire>)?.blob;
                Arc::make_mut(&mut self.erased).insert(blob);
            }
            _ => {}
        }
        if entry.header().kind == Kind::Log(LogKind::Context) {
            let own = &entry.header().source;
            let other = |index| {
                let bytes = raw(index)?;
                let entry = Decoded::parse_any_kind(&bytes).ok()?;
                (entry.header().source == *own).then(|| Context::of_entry(&entry))?
            };
            let taken = Arc::make_mut(&mut self.context).apply(leaf, entry, other);
            if let Err(error) = taken {
                self.context_faults = self.context_faults.saturating_add(1);
                tracing::warn!(leaf = leaf.0, %error, "context leaf was passed over");
            }
        }
        None
    }

    fn import(&mut self, leaf: LeafIndex, call: CallId) -> Option<u64> {
        if let Some(first) = self.imports.first.get(&call) {
            return Some(*first);
        }
        let imports = Arc::make_mut(&mut self.imports);
        imports.first.insert(call, leaf.0);
        imports.order.push_back(call);
        if imports.order.len() > IMPORTS_MAX
            && let Some(oldest) = imports.order.pop_front()
        {
            imports.first.remove(&oldest);
        }
        None
    }

    /// Whether there is anything to keep.
    pub(crate) fn is_empty(&self) -> bool {
        self.context.is_empty()
            && self.erased.is_empty()
            && self.imports.order.is_empty()
            && self.prune == 0
            && self.context_faults == 0
    }

    /// Whether nothing changed since a clone was taken. May say no although nothing did.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.context, &other.context)
            && Arc::ptr_eq(&self.erased, &other.erased)
            && Arc::ptr_eq(&self.imports, &other.imports)
            && self.prune == other.prune
            && self.context_faults == other.context_faults
    }

    /// For a file.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let imports = self.imports.order.iter();
        let imports = imports.filter_map(|call| {
            let leaf = self.imports.first.get(call)?;
            Some((call.to_string(), *leaf))
        });
        serde_json::to_vec(&Written {
            context: &self.context,
            erased: &self.erased,
            imports: imports.collect(),
            prune: self.prune,
            context_faults: self.context_faults,
        })
    }

    /// From a file.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let wire: Read = serde_json::from_slice(bytes)?;
        let mut imports = Imports::default();
        for (call, leaf) in wire.imports {
            let call = CallId::parse(&call).map_err(serde::de::Error::custom)?;
            imports.first.insert(call, leaf);
            imports.order.push_back(call);
        }
        Ok(Self {
            context: Arc::new(wire.context),
            erased: Arc::new(wire.erased),
            imports: Arc::new(imports),
            prune: wire.prune,
            context_faults: wire.context_faults,
        })
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a str) -> Option<T> {
    serde_json::from_str(raw).ok()
}
