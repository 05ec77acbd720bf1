//! What shipping does, in numbers: for `/metrics`, and for tests of the conservation identity.
//!
//! Per spool, at every moment: `appended = acknowledged + pending + gap`. Entries count, not seals.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::receipt_age::ReceiptAge;

/// How shipping stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShipState {
    /// No enrolment, or not started.
    #[default]
    Off,
    /// Connected, or nothing to ship.
    Shipping,
    /// The aggregator is not reached, or asks to wait.
    Waiting,
    /// The log does not prove what it should, or does not take this source: nothing is released.
    Refused,
}

impl ShipState {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shipping => "shipping",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Off => 0,
            Self::Shipping => 1,
            Self::Waiting => 2,
            Self::Refused => 3,
        }
    }
}

/// Counters of one process's shipping.
#[derive(Debug, Default)]
pub struct ShipStats {
    /// Batches answered by a receipt that verified.
    pub batches: AtomicU64,
    /// Bytes of batches sent, before compression; again for each time they are sent.
    pub bytes_raw: AtomicU64,
    /// Bytes of batches sent, as compressed.
    pub bytes_sent: AtomicU64,
    /// Batches sent again.
    pub retries: AtomicU64,
    /// Groups that the log had already.
    pub duplicates: AtomicU64,
    /// Receipts that did not verify.
    pub receipts_refused: AtomicU64,
    /// Answers that the log is smaller than it was.
    pub rollbacks: AtomicU64,
    /// How long entries waited for their receipt.
    pub receipt_age: ReceiptAge,
    /// When the certificate ends: microseconds since the Unix epoch; 0 if there is none.
    pub not_after_us: AtomicI64,
    state: AtomicU64,
    spools: Mutex<BTreeMap<String, SpoolCounts>>,
}

/// Entries of one spool, since this process ships it, as far as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpoolCounts {
    /// Entries read that are durable, and frames found missing.
    pub appended: u64,
    /// Entries that a verified receipt covers.
    pub acknowledged: u64,
    /// Entries that wait for their receipt.
    pub pending: u64,
    /// Frames missing in the spool.
    pub gap: u64,
    /// Durable frames, entries and seals, that were not read for shipping yet; of the spool of this
    /// process alone. In an outage this is what waits behind the few batches in memory.
    pub unread_frames: u64,
    /// When the oldest pending entry was sealed: microseconds since the Unix epoch.
    pub oldest_utc_us: Option<i64>,
}

impl SpoolCounts {
    /// Age of the oldest entry without a receipt, seconds; 0 if there is none.
    #[must_use]
    pub fn oldest_age_s(&self, utc_us: i64) -> u64 {
        let age_us = self.oldest_utc_us.map_or(0, |at| utc_us.saturating_sub(at));
        u64::try_from(age_us / 1_000_000).unwrap_or(0)
    }
}

impl ShipStats {
    /// How shipping stands.
    #[must_use]
    pub fn state(&self) -> ShipState {
        let number = self.state.load(Ordering::Relaxed);
        [ShipState::Shipping, ShipState::Waiting, ShipState::Refused]
            .into_iter()
            .find(|state| state.number() == number)
            .unwrap_or_default()
    }

    pub(super) fn set_state(&self, state: ShipState) {
        self.state.store(state.number(), Ordering::Relaxed);
    }

    /// The spools shipped by this process, by name.
    #[must_use]
    pub fn spools(&self) -> BTreeMap<String, SpoolCounts> {
        self.spools
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_spool(&self, name: &str, counts: SpoolCounts) {
        let mut spools = self.spools.lock().unwrap_or_else(PoisonError::into_inner);
        match spools.get_mut(name) {
            Some(old) => *old = counts,
            None => {
                spools.insert(name.to_owned(), counts);
            }
        }
    }
}
