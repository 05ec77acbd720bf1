//! The aggregator's own chain: under no seal, but numbered like any other.

use affiant_entry::decode::{Header, Kind};
use affiant_entry::{BootId, SourceId};

use super::fault::Fault;

/// What the aggregator has said of itself so far.
#[derive(Debug)]
pub(super) struct Own {
    id: SourceId,
    boot: Option<(BootId, u64)>,
    /// Whether its beginning may be elsewhere.
    anywhere: bool,
    /// Latest time of an entry, microseconds since the Unix epoch.
    pub(super) last_utc_us: Option<i64>,
}

impl Own {
    pub(super) const fn new(id: SourceId) -> Self {
        Self {
            id,
            boot: None,
            anywhere: false,
            last_utc_us: None,
        }
    }

    /// What it said first is not here.
    pub(super) const fn begin_anywhere(&mut self) {
        self.anywhere = true;
    }

    pub(super) const fn id(&self) -> &SourceId {
        &self.id
    }

    /// Takes its next entry; gives what is wrong with its place.
    pub(super) fn take(&mut self, header: &Header) -> Option<Fault> {
        let found = header.seq.map_or(u64::MAX, |seq| seq.0);
        if let Some(at) = header.at {
            self.last_utc_us = Some(
                self.last_utc_us
                    .map_or(at.utc_us, |last| last.max(at.utc_us)),
            );
        }
        if self.boot.is_none() && self.anywhere {
            self.boot = Some((header.boot, found.saturating_add(1)));
            return None;
        }
        let begins = self.boot.is_none_or(|(boot, _)| boot != header.boot);
        let expected = match self.boot {
            Some((_, next)) if !begins => next,
            _ => 0,
        };
        self.boot = Some((header.boot, found.saturating_add(1)));
        if found != expected {
            return Some(Fault::OwnSeq { expected, found });
        }
        ((header.kind == Kind::Boot) != begins).then_some(Fault::OwnBoot)
    }
}
