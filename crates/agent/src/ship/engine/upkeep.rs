//! What is due from time to time: the cursor, the certificate, orphans.

use std::time::Duration;

use affiant_entry::receipt::Receipt;
use affiant_entry::{Moment, rfc3339};
use serde::Serialize;

use super::super::chain::Chain;
use super::super::head::HeadError;
use super::super::keeper::{KeepError, Keeper, is_taken};
use super::super::lock::FileLock;
use super::super::{orphans, refused_path};
use super::{Engine, Orphan, Report, busy};
use crate::enrol::{EnrolError, Enrolment, renew_on, tls_config};
use crate::keys::write_whole;
use crate::state::DataDir;

/// The cursor is moved this often while batches go; each time the trail stands still for two syncs.
const KEEP_BUSY_US: u64 = 5_000_000;
/// And this soon once everything is acknowledged.
pub(super) const KEEP_IDLE_US: u64 = 1_000_000;
/// At once when so much could be released.
const KEEP_BYTES: usize = 64 * 1024 * 1024;
/// How often it is asked whether another process writes to an orphan.
pub(super) const TAKEN_LOOK_US: u64 = 250_000;
/// How often `enrolment.json` is looked at.
const ENROLMENT_LOOK_US: u64 = 30_000_000;
/// Longest pause after a renewal that failed; never more than a quarter of what is left, at least the
/// shortest.
const RENEW_PAUSE: Duration = Duration::from_secs(20);
const RENEW_PAUSE_MIN: Duration = Duration::from_millis(500);

/// `ship/refused.json`: why shipping stopped, for `affiant doctor`.
#[derive(Serialize)]
struct Refusal<'a> {
    time: String,
    log: &'a str,
    why: &'a str,
}

impl Engine {
    // === the cursor ===

    /// Moves cursors over what is acknowledged, behind a durable checkpoint, and gives back room.
    pub(super) fn keep(&mut self, now: Moment) {
        let since = now.mono_us.saturating_sub(self.kept_at_us);
        let finishing = self.shared.deadline_us().is_some() || self.options.patience.is_some();
        let due = |chain: &Chain| {
            chain.cursor_is_behind()
                && (since >= KEEP_BUSY_US
                    || chain.unreleased_bytes >= KEEP_BYTES
                    || (chain.is_caught_up() && (finishing || since >= KEEP_IDLE_US)))
        };
        if self.refused.is_some() || !self.chains.values().any(due) {
            return;
        }
        self.kept_at_us = now.mono_us;
        let keys = self.enrolment.log_keys();
        let (head, dir) = (&mut self.head, &self.dir);
        match self.room.with(|| head.save(dir, &keys)) {
            Ok(()) => {}
            Err(error @ HeadError::Fork { .. }) => {
                self.refuse(&error.to_string(), now);
                return;
            }
            Err(error) => {
                tracing::error!(%error, "checkpoint cannot be remembered; nothing is released");
                return;
            }
        }
        let mut taken = Vec::new();
        for (name, chain) in &mut self.chains {
            let Some(release) = chain.release().filter(|_| chain.cursor_is_behind()) else {
                continue;
            };
            if let Some(proof) = chain.proof()
                && let Err(error) = self.room.with(|| proof.keep(&self.dir, name))
            {
                tracing::error!(%error, spool = name, "proof cannot be kept; nothing is released");
                continue;
            }
            let keeper = &mut chain.keeper;
            let released = self.room.with(|| keeper.release(&self.dir, name, &release));
            match released {
                Ok(()) => chain.released(&release),
                Err(KeepError::Taken) => taken.push(name.clone()),
                Err(error) => tracing::error!(%error, spool = name, "cursor cannot be moved"),
            }
        }
        for name in taken {
            self.chains.remove(&name);
        }
        self.room.restore();
    }

    /// Writes down why shipping stopped.
    pub(super) fn note_refusal(&self, why: &str, now: Moment) {
        let refusal = Refusal {
            time: now.rfc3339(),
            log: &self.enrolment.log.name,
            why,
        };
        let written = serde_json::to_string(&refusal)
            .map_err(std::io::Error::other)
            .and_then(|text| write_whole(&refused_path(&self.dir), &format!("{text}\n"), 0o644));
        if let Err(error) = written {
            tracing::warn!(%error, "refusal cannot be written down");
        }
    }

    /// What was refused before is settled: a receipt was believed, and no chain is stopped.
    pub(super) fn settle(&mut self) {
        if self.settled || self.chains.values().any(|chain| chain.stopped.is_some()) {
            return;
        }
        self.settled = true;
        let path = refused_path(&self.dir);
        if path.exists()
            && let Err(error) = fs_err::remove_file(&path)
        {
            tracing::warn!(%error, "settled refusal cannot be removed");
        }
    }

    /// Keeps two notes of the log that contradict each other.
    pub(super) fn keep_evidence(&self, receipt: &Receipt, now: Moment) {
        let json = serde_json::json!({
            "remembered": self.head.note(),
            "receipt": String::from_utf8_lossy(&receipt.to_json()),
        });
        self.keep_evidence_of(&json, now);
    }

    /// Keeps what the log signed beside what it says now.
    pub(super) fn keep_evidence_of(&self, json: &serde_json::Value, now: Moment) {
        let stamp = rfc3339(now.utc_us).replace(':', "");
        let path = self.dir.ship().join(format!("evidence-{stamp}.json"));
        if let Err(error) = write_whole(&path, &format!("{json}\n"), 0o644) {
            tracing::error!(%error, "evidence cannot be written down");
        }
    }

    // === the certificate ===

    pub(super) fn look_after_enrolment(&mut self, now: Moment) {
        use std::sync::atomic::Ordering::Relaxed;
        if now.mono_us.saturating_sub(self.enrolment_looked_us) >= ENROLMENT_LOOK_US {
            self.enrolment_looked_us = now.mono_us;
            match Enrolment::load(&self.dir) {
                Ok(Some(found)) if found != self.enrolment => self.use_enrolment(found, now),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "enrolment cannot be read"),
            }
        }
        self.stats
            .not_after_us
            .store(self.enrolment.not_after_us, Relaxed);
        let due = self.enrolment.renewal_is_due(now);
        if due && !self.renewing && now.mono_us >= self.renew_at_us {
            self.begin_renewal(false);
        }
    }

    /// Renews though it is not due: the answer also says which key the log has.
    pub(super) fn renew_early(&mut self, now: Moment) {
        if !self.renewing && now.mono_us >= self.renew_at_us {
            self.begin_renewal(true);
        }
    }

    /// `early`: though it is not due.
    fn begin_renewal(&mut self, early: bool) {
        self.renewing = true;
        let dir = self.dir.clone();
        self.tasks
            .spawn(async move { Report::Renewed(renew(&dir, early).await) });
    }

    pub(super) fn take_renewal(
        &mut self,
        result: Result<Option<Enrolment>, EnrolError>,
        now: Moment,
    ) {
        self.renewing = false;
        let left_s = u64::try_from(self.enrolment.seconds_left(now)).unwrap_or(0);
        let pause = Duration::from_secs(left_s) / 4;
        let pause = pause.clamp(RENEW_PAUSE_MIN, RENEW_PAUSE).as_micros();
        let pause = u64::try_from(pause).unwrap_or(u64::MAX);
        self.renew_at_us = now.mono_us.saturating_add(pause);
        match result {
            Ok(Some(renewed)) => {
                self.renew_at_us = now.mono_us;
                tracing::info!(
                    not_after = rfc3339(renewed.not_after_us),
                    "certificate renewed"
                );
                self.use_enrolment(renewed, now);
            }
            Ok(None) => {}
            Err(error) => {
                let left_s = self.enrolment.seconds_left(now);
                let expired = self.enrolment.has_expired(now);
                if !expired && !error.is_untrusted() {
                    tracing::debug!(%error, left_s, "certificate is not renewed yet");
                } else {
                    tracing::error!(%error, left_s, "certificate cannot be renewed");
                }
                self.last_error = error.to_string();
                if expired {
                    self.failing_since_us.get_or_insert(now.mono_us);
                    if error.is_untrusted() {
                        self.refuse(&format!("certificate has ended: {error}"), now);
                    }
                }
            }
        }
    }

    /// New certificate, or new aggregator: the next connection uses it, and what is under way ends
    /// on the old one.
    fn use_enrolment(&mut self, found: Enrolment, now: Moment) {
        let pinned = &self.enrolment.log;
        let known = found.log.earlier.contains(&pinned.vkey);
        if found.log.name != pinned.name || !(found.log.vkey == pinned.vkey || known) {
            tracing::warn!("enrolled at another log; it is used from the next start on");
            return;
        }
        if let Some(key) = found.log_key().filter(|key| *key != self.key) {
            tracing::warn!(log = pinned.name, %key, "log has another key, which the pinned one names");
            self.key = key;
            // Receipts that did not verify may do so now.
            self.refused = None;
            self.settled = false;
            self.blocked_until_us = now.mono_us;
        }
        match tls_config(&self.dir) {
            Ok(tls) => self.tls = tls,
            Err(error) => {
                tracing::error!(%error, "new certificate cannot be used");
                return;
            }
        }
        self.enrolment = found;
        self.link = None;
        if self.refused.is_some() {
            self.blocked_until_us = now.mono_us;
        }
    }

    // === orphans ===

    pub(super) fn look_for_orphans(&mut self, now: Moment) {
        if !self.options.scans() || self.scanning || now.mono_us < self.scan_at_us {
            return;
        }
        if self.shared.deadline_us().is_some() {
            return;
        }
        self.scanning = true;
        self.scan_at_us = now.mono_us.saturating_add(self.options.scan_interval_us());
        let (dir, busy, shipped) = (self.dir.clone(), busy(&self.chains), self.shipped.clone());
        self.tasks.spawn(async move {
            let scan = tokio::task::spawn_blocking(move || orphans::scan(&dir, &busy, &shipped));
            Report::Scanned(scan.await.unwrap_or_else(|e| Err(std::io::Error::other(e))))
        });
    }

    pub(super) fn take_orphans(&mut self, found: std::io::Result<Vec<Orphan>>) {
        self.scanning = false;
        self.scanned = true;
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "orphan spools cannot be looked at");
                return;
            }
        };
        for Orphan { name, lock, cursor } in found {
            let key = name.as_str().to_owned();
            let dir = self.dir.spool(&key);
            let source = self.enrolment.source.clone();
            let mut chain = Chain::new(&dir, name, source, Keeper::Orphan, cursor);
            chain.lock = Some(lock);
            self.chains.entry(key).or_insert(chain);
        }
    }

    /// Lets go of orphans that a process writes to again: it ships them itself.
    pub(super) fn mind_taken(&mut self, now: Moment) {
        if now.mono_us.saturating_sub(self.taken_looked_us) < TAKEN_LOOK_US {
            return;
        }
        self.taken_looked_us = now.mono_us;
        let (live, dir) = (self.live.clone(), self.dir.clone());
        self.chains
            .retain(|name, _| Some(name) == live.as_ref() || !is_taken(&dir, name));
    }

    /// Orphans with nothing left are remembered by their looks, and looked at again when those change.
    pub(super) fn drop_shipped(&mut self) {
        let live = self.live.clone();
        let (dir, shipped) = (self.dir.clone(), &mut self.shipped);
        self.chains.retain(|name, chain| {
            let done =
                Some(name) != live.as_ref() && chain.is_caught_up() && !chain.cursor_is_behind();
            if done {
                shipped.insert(name.clone(), orphans::looks(&dir, name));
            }
            !done
        });
    }
}

/// Renews, unless another process of this source does or did.
async fn renew(dir: &DataDir, early: bool) -> Result<Option<Enrolment>, EnrolError> {
    let Some(_one_at_a_time) = FileLock::attempt(&dir.ship().join("renew.lock"))? else {
        return Ok(None);
    };
    match Enrolment::load(dir)? {
        None => Ok(None),
        Some(found) if !early && !found.renewal_is_due(crate::clock::now()) => Ok(Some(found)),
        Some(found) => renew_on(dir, &found).await.map(Some),
    }
}
