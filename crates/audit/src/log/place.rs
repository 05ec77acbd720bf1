//! Where in a log something was found.

use std::fmt;

use affiant_entry::{BootId, SealNumber, Seq, SourceId, SpoolName};
use affiant_tlog::LeafIndex;
use serde::{Serialize, Serializer};

/// A place in a log, as exactly as it is known: a leaf, a chain, a boot, a seal or an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Place {
    /// The leaf, if it is one leaf.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "index")]
    pub leaf: Option<LeafIndex>,
    /// The source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
    /// The spool: with the source, the chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool: Option<SpoolName>,
    /// The boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootId>,
    /// The seal within the boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealNumber>,
    /// The entry within the boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
}

fn index<S: Serializer>(leaf: &Option<LeafIndex>, s: S) -> Result<S::Ok, S::Error> {
    leaf.map(|leaf| leaf.0).serialize(s)
}

impl Place {
    /// The log as a whole.
    pub const LOG: Self = Self {
        leaf: None,
        source: None,
        spool: None,
        boot: None,
        seal: None,
        seq: None,
    };

    /// One leaf.
    #[must_use]
    pub fn leaf(leaf: LeafIndex) -> Self {
        Self {
            leaf: Some(leaf),
            ..Self::LOG
        }
    }

    /// One source.
    #[must_use]
    pub fn source(source: &SourceId) -> Self {
        Self {
            source: Some(source.clone()),
            ..Self::LOG
        }
    }

    /// One chain.
    #[must_use]
    pub fn chain(source: &SourceId, spool: &SpoolName) -> Self {
        Self {
            source: Some(source.clone()),
            spool: Some(spool.clone()),
            ..Self::LOG
        }
    }

    /// The same, at a leaf.
    #[must_use]
    pub const fn at(mut self, leaf: LeafIndex) -> Self {
        self.leaf = Some(leaf);
        self
    }

    /// The same, in a boot.
    #[must_use]
    pub const fn boot(mut self, boot: BootId) -> Self {
        self.boot = Some(boot);
        self
    }

    /// The same, at a seal.
    #[must_use]
    pub const fn seal(mut self, seal: SealNumber) -> Self {
        self.seal = Some(seal);
        self
    }

    /// The same, narrowed by what the judge of a chain says.
    #[must_use]
    pub fn within(mut self, place: &affiant_entry::chain::Place) -> Self {
        use affiant_entry::chain::Place as In;
        match *place {
            In::Chain => {}
            In::Boot { boot } => self.boot = Some(boot),
            In::Entry { boot, seq } => (self.boot, self.seq) = (Some(boot), Some(seq)),
            In::Seal { boot, seal } => (self.boot, self.seal) = (Some(boot), Some(seal)),
        }
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(leaf) = self.leaf {
            parts.push(format!("leaf {leaf}"));
        }
        if let Some(source) = &self.source {
            parts.push(format!("source {source}"));
        }
        if let Some(spool) = &self.spool {
            parts.push(format!("spool {}", spool.as_str()));
        }
        if let Some(boot) = self.boot {
            parts.push(format!("boot {boot}"));
        }
        if let Some(seal) = self.seal {
            parts.push(format!("seal {}", seal.0));
        }
        if let Some(seq) = self.seq {
            parts.push(format!("entry {}", seq.0));
        }
        if parts.is_empty() {
            parts.push("log".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}
