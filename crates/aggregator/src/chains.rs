//! The tentative heads of chains: where each stands if everything under way gets into the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use affiant_entry::batch::BatchHeader;
use affiant_entry::link::ChainCursor;
use affiant_entry::{SealPlace, SourceId, SpoolName};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard, Notify};

use crate::index::IndexError;
use crate::ledger::{Ledger, LedgerError};

/// The chains that were spoken of since the start.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    all: Mutex<BTreeMap<ChainName, Arc<Chain>>>,
}

/// Source and spool.
pub(crate) type ChainName = (SourceId, SpoolName);

/// One chain.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    head: AsyncMutex<Option<TentativeHead>>,
    /// Told each time the head moves.
    pub(crate) moved: Notify,
    said: Mutex<Option<Said>>,
}

/// What the sender said of its spool last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// When, by our wall clock, microseconds since the Unix epoch.
    pub(crate) heard_utc_us: i64,
    /// Its newest seal.
    pub(crate) newest: Option<SealPlace>,
    /// Sealed entries that no receipt covered.
    pub(crate) pending_entries: u64,
}

/// Where a chain stands, if everything under way gets in.
#[derive(Debug)]
pub(crate) struct TentativeHead {
    pub(crate) cursor: ChainCursor,
    epoch: u64,
}

/// The head of a chain is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HeadError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Chains {
    /// One chain; made if it was not spoken of before.
    pub(crate) fn chain(&self, source: &SourceId, spool: &SpoolName) -> Arc<Chain> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (source.clone(), spool.clone());
        Arc::clone(all.entry(name).or_default())
    }

    /// Those that were spoken of, with what was said last.
    pub(crate) fn said(&self) -> Vec<(ChainName, Said)> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter_map(|(name, chain)| Some((name.clone(), chain.said()?)))
            .collect()
    }

    /// Forgets chains that nobody uses and that were quiet since `before_utc_us`: the index knows them.
    pub(crate) fn forget_quiet(&self, before_utc_us: i64) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, chain| {
            let recent = chain
                .said()
                .is_none_or(|said| said.heard_utc_us >= before_utc_us);
            recent || Arc::strong_count(chain) > 1
        });
    }
}

impl Chain {
    /// The head, for whoever gets it alone; from the index if it is not known, or void.
    pub(crate) async fn head<'a>(
        &'a self,
        name: &ChainName,
        ledger: &Ledger,
    ) -> Result<HeadGuard<'a>, HeadError> {
        let mut guard = self.head.lock().await;
        let epoch = ledger.epoch();
        if guard.as_ref().is_none_or(|head| head.epoch != epoch) {
            ledger.settled().await?;
            let row = ledger.index().chain(&name.0, &name.1)?;
            let cursor = row.map_or_else(
                || ChainCursor::new(name.0.clone(), name.1.clone()),
                |row| row.cursor,
            );
            *guard = Some(TentativeHead { cursor, epoch });
        }
        Ok(HeadGuard { guard })
    }

    /// Keeps what the sender says of its spool.
    pub(crate) fn note(&self, header: &BatchHeader, now_utc_us: i64) {
        let said = Said {
            heard_utc_us: now_utc_us,
            newest: header.newest,
            pending_entries: header.pending_entries,
        };
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
    }

    fn said(&self) -> Option<Said> {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chain's head, held alone.
#[derive(Debug)]
pub(crate) struct HeadGuard<'a> {
    guard: MutexGuard<'a, Option<TentativeHead>>,
}

impl HeadGuard<'_> {
    /// A copy to try things on.
    pub(crate) fn cursor(&self) -> Option<ChainCursor> {
        self.guard.as_ref().map(|head| head.cursor.clone())
    }

    /// The epoch of the log in which it is the head: what builds on it is submitted in that one.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.guard.as_ref().map(|head| head.epoch)
    }

    /// Moves the head: what led there was submitted.
    pub(crate) fn move_to(&mut self, cursor: ChainCursor) {
        if let Some(head) = self.guard.as_mut() {
            head.cursor = cursor;
        }
    }
}
