//! What is looked at from time to time: revocations, the roster, who is silent, what was refused, the
//! server's own certificate.

use std::sync::Arc;
use std::time::Duration;

use affiant_entry::Fact;
use affiant_entry::record::{Body, KeyAction, KeyChange, RosterLeaf};
use affiant_entry::roster::Roster;
use affiant_tlog::VerifierKey;
use tokio::sync::watch;

use crate::blobs::Blobs;
use crate::clock;
use crate::config::Settings;
use crate::core::Core;
use crate::files;
use crate::tls::ServerCertificate;

/// The task that looks.
#[derive(Debug)]
pub(crate) struct Rounds {
    core: Arc<Core>,
    certificate: Arc<ServerCertificate>,
    names: Vec<String>,
    not_after_utc_us: i64,
    admin_keys: Vec<VerifierKey>,
    roster: Option<Roster>,
    /// The file that was read last, good or bad, so that it is judged once.
    roster_text: Option<String>,
    ticks: u64,
}

impl Rounds {
    pub(crate) fn new(
        core: &Arc<Core>,
        settings: &Settings,
        certificate: Arc<ServerCertificate>,
        names: Vec<String>,
        not_after_utc_us: i64,
    ) -> Self {
        Self {
            core: Arc::clone(core),
            certificate,
            names,
            not_after_utc_us,
            admin_keys: settings.admin_keys.clone(),
            roster: None,
            roster_text: None,
            ticks: 0,
        }
    }

    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        self.begin();
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                _ = stop.changed() => break,
            }
            self.ticks = self.ticks.wrapping_add(1);
            // The files are few and small.
            tokio::task::block_in_place(|| self.look());
        }
        self.say_what_was_counted();
    }

    /// Refusals, and reads of the log's files.
    fn say_what_was_counted(&self) {
        let mut bodies = self.core.refusals.take();
        bodies.extend(self.core.log_reads.take());
        if !bodies.is_empty() {
            self.core.ledger.record(bodies);
        }
    }

    /// The boot entry, and in an empty log the key that signs it.
    fn begin(&self) {
        let ledger = &self.core.ledger;
        let mut bodies = Vec::new();
        if ledger.head().checkpoint.size.0 == 0 {
            bodies.push(Body::Key(Box::new(KeyChange {
                action: KeyAction::Log,
                subject: self.core.log_name.clone(),
                vkey: ledger.log().verifier_key().to_string(),
                rotation: None,
                certificate: None,
                reason: None,
            })));
        }
        ledger.record(bodies);
    }

    fn look(&mut self) {
        self.revocations();
        self.roster();
        self.silence();
        self.renew();
        if self.ticks.is_multiple_of(REFUSALS_EVERY) {
            self.say_what_was_counted();
        }
        if self.core.ledger.is_failing() && self.ticks.is_multiple_of(PROBE_EVERY) {
            // A boot entry of ours: whether it gets in tells whether others would.
            self.core.ledger.record(Vec::new());
        }
        if self.ticks.is_multiple_of(FORGET_EVERY) {
            let before = clock::now().utc_us.saturating_sub(QUIET_US);
            self.core.chains.forget_quiet(before);
        }
    }

    fn revocations(&self) {
        let Ok(all) = self.core.sources.revocations() else {
            tracing::error!("revocations cannot be read");
            return;
        };
        for mut revocation in all.into_iter().filter(|one| !one.logged) {
            let source = revocation.source.clone();
            let known = self.core.sources.find(&source).ok().flatten();
            let vkey = known.map(|source| source.vkey).unwrap_or_default();
            tracing::warn!(%source, "source revoked");
            self.core.ledger.record(vec![Body::Key(Box::new(KeyChange {
                action: KeyAction::Revoke,
                subject: source.to_string(),
                vkey,
                rotation: None,
                certificate: None,
                reason: revocation.reason.clone(),
            }))]);
            revocation.logged = true;
            if let Err(error) = self.core.sources.keep_revocation(&revocation) {
                tracing::error!(%error, "revocation cannot be kept");
            }
        }
    }

    fn roster(&mut self) {
        let text = files::read_optional(&self.core.dir.roster()).ok().flatten();
        if text.is_none() || text == self.roster_text {
            return;
        }
        self.roster_text.clone_from(&text);
        let note = text.unwrap_or_default();
        match Roster::verify(&note, &self.admin_keys()) {
            Ok(roster) => self.take_roster(roster, &note),
            Err(error) => tracing::error!(%error, "roster is not taken"),
        }
    }

    fn take_roster(&mut self, roster: Roster, note: &str) {
        let logged = self.core.ledger.index().roster_serial().ok().flatten();
        if logged.is_some_and(|serial| serial > roster.serial) {
            tracing::error!(
                serial = roster.serial,
                ?logged,
                "roster is older than the log's"
            );
            return;
        }
        if logged != Some(roster.serial) {
            let bytes = note.as_bytes();
            let fits = bytes.len() <= ROSTER_INLINE_BYTES;
            if !fits && let Err(error) = self.core.blobs.keep(&[bytes]) {
                tracing::error!(%error, "roster cannot be kept");
                return;
            }
            self.core
                .ledger
                .record(vec![Body::Roster(Box::new(RosterLeaf {
                    serial: roster.serial,
                    digest: Blobs::id(bytes),
                    note: if fits {
                        Fact::Known(note.to_owned())
                    } else {
                        Fact::absent("too long, kept as a blob")
                    },
                }))]);
        }
        tracing::info!(
            serial = roster.serial,
            sources = roster.sources().len(),
            "roster taken"
        );
        self.roster = Some(roster);
    }

    fn admin_keys(&self) -> Vec<VerifierKey> {
        if !self.admin_keys.is_empty() {
            return self.admin_keys.clone();
        }
        let text = files::read_optional(&self.core.dir.admin_vkey());
        let text = text.ok().flatten().unwrap_or_default();
        let lines = text.lines().map(str::trim);
        lines.filter_map(|line| line.parse().ok()).collect()
    }

    fn silence(&self) {
        let Some(roster) = &self.roster else { return };
        let bodies = self.core.watch.look(roster, &*self.core, clock::now());
        if bodies.is_empty() {
            return;
        }
        // Waited for, so that the next look finds it said.
        let ledger = self.core.ledger.clone();
        let said = tokio::runtime::Handle::current().block_on(async move {
            ledger.record_durably(bodies).await?;
            ledger.caught_up().await
        });
        if let Err(error) = said {
            tracing::warn!(%error, "silence of a source cannot be recorded");
        }
    }

    fn renew(&mut self) {
        let now = clock::now().utc_us;
        if self.not_after_utc_us.saturating_sub(now) > RENEW_BEFORE_US {
            return;
        }
        let made = self.core.authority.server(&self.names, now);
        match made.map(|identity| {
            (
                identity.not_after_utc_us,
                self.certificate.replace(identity),
            )
        }) {
            Ok((not_after, Ok(()))) => self.not_after_utc_us = not_after,
            Ok((_, Err(error))) => tracing::error!(%error, "server certificate is not renewed"),
            Err(error) => tracing::error!(%error, "server certificate is not renewed"),
        }
    }
}

const TICK: Duration = Duration::from_secs(1);
/// Ticks.
const REFUSALS_EVERY: u64 = 60;
const PROBE_EVERY: u64 = 5;
const FORGET_EVERY: u64 = 600;
/// A chain that was quiet for an hour is forgotten; the index knows it.
const QUIET_US: i64 = 3_600_000_000;
/// A third of the server certificate's life.
const RENEW_BEFORE_US: i64 = 30 * 86_400_000_000;
/// A roster that is longer becomes a blob: half an entry.
const ROSTER_INLINE_BYTES: usize = 30_000;
