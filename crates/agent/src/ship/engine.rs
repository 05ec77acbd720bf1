//! The one task that ships: it owns chains, connection and head; what takes time runs in tasks that
//! report back to it.

mod answers;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use affiant_entry::{Moment, SpoolName};
use affiant_tlog::note::VerifierKey;
use affiant_tlog::{Checkpoint, TreeSize};
use bytes::Bytes;
use rustls::ClientConfig;
use tokio::task::JoinSet;

use super::backoff::Backoff;
use super::batch::Filling;
use super::chain::{Chain, WINDOW_BATCHES, WINDOW_OFFLINE};
use super::head::Head;
use super::keeper::Keeper;
use super::orphans::{self, Looks, Orphan};
use super::room::Room;
use super::stats::{ShipState, ShipStats};
use super::{Ended, Shared, ShipError, ShipOptions};
use crate::clock;
use crate::enrol::{Answer, Content, EnrolError, Enrolment, Link, LinkError, tls_config};
use crate::state::DataDir;
use crate::trail::Trail;

/// Longest wait for the answer to a batch: several checkpoints, and a slow disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a spool that grows is looked at while a batch fills.
const LOOK_US: u64 = 10_000;
/// Longest sleep: the cursor, the certificate and orphans are looked after by then.
const SLEEP_MAX_US: u64 = 5_000_000;
/// Pause before the log is asked again whether it proves what it should.
const REFUSED_PAUSE_US: u64 = 60_000_000;

/// What a task reports.
enum Report {
    Connected(Result<Link, LinkError>),
    Answered(Answered),
    Scanned(std::io::Result<Vec<Orphan>>),
    Renewed(Result<Option<Enrolment>, EnrolError>),
}

/// The answer to one batch.
struct Answered {
    /// Which connection it went over.
    connection: u64,
    chain: String,
    /// `None` for a hello.
    batch: Option<u64>,
    /// What the receipt's checkpoint must continue.
    base: Option<Checkpoint>,
    bytes: usize,
    result: Result<Answer, LinkError>,
}

/// A batch under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnderWay {
    bytes: usize,
    base: TreeSize,
}

pub(super) struct Engine {
    dir: DataDir,
    options: ShipOptions,
    shared: Arc<Shared>,
    stats: Arc<ShipStats>,
    enrolment: Enrolment,
    key: VerifierKey,
    head: Head,
    room: Room,
    tls: Arc<ClientConfig>,
    link: Option<Link>,
    connection: u64,
    connecting: bool,
    tasks: JoinSet<Report>,
    under_way: Vec<UnderWay>,
    /// The chain of this process first, then orphans.
    live: Option<String>,
    chains: BTreeMap<String, Chain>,
    shipped: BTreeMap<String, Looks>,
    backoff: Backoff,
    blocked_until_us: u64,
    failing_since_us: Option<u64>,
    last_error: String,
    credit_batches: usize,
    credit_bytes: u64,
    /// Why nothing is released: the log or the aggregator refuses, or is refused.
    refused: Option<String>,
    /// No refusal lies on disk that does not hold any more.
    settled: bool,
    probing: bool,
    renewing: bool,
    renew_at_us: u64,
    enrolment_looked_us: u64,
    scanning: bool,
    scanned: bool,
    scan_at_us: u64,
    kept_at_us: u64,
    taken_looked_us: u64,
}

impl Engine {
    pub(super) fn new(options: ShipOptions, shared: Arc<Shared>) -> Result<Self, ShipError> {
        let dir = options.dir.clone();
        let enrolment = Enrolment::load(&dir)?.ok_or(ShipError::NotEnrolled)?;
        let key = enrolment.log_key().ok_or(ShipError::NotEnrolled)?;
        let stats = Arc::clone(&options.stats);
        let now = clock::now();
        let mut engine = Self {
            head: Head::load(&dir, &enrolment.log_keys())?,
            room: Room::new(&dir),
            tls: tls_config(&dir)?,
            enrolment,
            key,
            shared,
            stats,
            link: None,
            connection: 0,
            connecting: false,
            tasks: JoinSet::new(),
            under_way: Vec::new(),
            live: None,
            chains: BTreeMap::new(),
            shipped: BTreeMap::new(),
            backoff: Backoff::default(),
            blocked_until_us: 0,
            failing_since_us: None,
            last_error: String::new(),
            credit_batches: WINDOW_BATCHES,
            credit_bytes: u64::MAX,
            refused: None,
            settled: false,
            probing: false,
            renewing: false,
            renew_at_us: 0,
            enrolment_looked_us: now.mono_us,
            scanning: false,
            scanned: false,
            scan_at_us: now.mono_us.saturating_add(options.scan_delay_us()),
            kept_at_us: 0,
            taken_looked_us: 0,
            dir,
            options,
        };
        if let Some(trail) = engine.options.trail.clone() {
            engine.take_live(trail)?;
        }
        engine.stats.set_state(ShipState::Shipping);
        Ok(engine)
    }

    fn take_live(&mut self, trail: Trail) -> Result<(), ShipError> {
        let name = trail.name().to_owned();
        let spool = SpoolName::new(&name)?;
        let cursor = super::keeper::acknowledged_end(&self.dir, &name);
        let mut chain = Chain::new(
            &self.dir.spool(&name),
            spool,
            self.enrolment.source.clone(),
            Keeper::Live(trail),
            cursor,
        );
        chain.lock = orphans::take(&self.dir, &name)?;
        self.chains.insert(name.clone(), chain);
        self.live = Some(name);
        Ok(())
    }

    /// Ships until there is an end to it.
    pub(super) async fn run(mut self) -> Ended {
        loop {
            let now = clock::now();
            self.step(now);
            if let Some(ended) = self.ended(clock::now()) {
                self.stats.set_state(ShipState::Off);
                return ended;
            }
            if self.reads_on() {
                // What was sent goes out, and what came back comes in, before more is read.
                tokio::task::yield_now().await;
                while let Some(Ok(report)) = self.tasks.try_join_next() {
                    self.take_report(report);
                }
                continue;
            }
            let sleep = Duration::from_micros(self.sleep_us(clock::now()));
            let grown = self
                .options
                .trail
                .clone()
                .filter(|_| self.waits_for_growth());
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                Some(done) = self.tasks.join_next() => {
                    if let Ok(report) = done {
                        self.take_report(report);
                    }
                    while let Some(Ok(report)) = self.tasks.try_join_next() {
                        self.take_report(report);
                    }
                }
                () = async { match &grown { Some(trail) => trail.grown().notified().await, None => std::future::pending().await } } => {}
                () = shared.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    fn step(&mut self, now: Moment) {
        self.look_after_enrolment(now);
        self.look_for_orphans(now);
        self.mind_taken(now);
        let online = self.link.is_some() && self.refused.is_none();
        let window = if online {
            WINDOW_BATCHES
        } else {
            WINDOW_OFFLINE
        };
        for chain in self.chains.values_mut() {
            chain.window = window;
            if chain.lock.is_none() {
                chain.lock = orphans::take(&self.dir, chain.name.as_str()).ok().flatten();
                if chain.lock.is_none() {
                    continue;
                }
            }
            if let Err(error) = chain.fill(now) {
                tracing::warn!(%error, spool = %chain.name, "spool cannot be read");
            }
        }
        self.settle_held(now);
        self.keep(now);
        self.connect(now);
        self.send(now);
        for (name, chain) in &self.chains {
            self.stats.set_spool(name, chain.counts());
        }
        self.drop_shipped();
    }

    /// Whether a chain has more to read at once.
    fn reads_on(&self) -> bool {
        let mut held = self.chains.values().filter(|chain| chain.lock.is_some());
        held.any(Chain::has_more)
    }

    // === sending ===

    fn connect(&mut self, now: Moment) {
        if self.link.as_ref().is_some_and(Link::is_closed) {
            self.link = None;
        }
        let expired = self.enrolment.has_expired(now);
        if self.link.is_some()
            || self.connecting
            || expired
            || now.mono_us < self.blocked_until_us
            || !self.has_something(now)
        {
            return;
        }
        self.connecting = true;
        self.connection += 1;
        let (to, tls) = (self.enrolment.ingest.clone(), Arc::clone(&self.tls));
        self.tasks
            .spawn(async move { Report::Connected(Link::connect(&to, tls).await) });
    }

    fn has_something(&mut self, now: Moment) -> bool {
        self.refused.is_some()
            || self
                .chains
                .values_mut()
                .any(|chain| chain.next_to_send(now).is_some())
    }

    /// Live traffic first: orphans get what room it leaves, and one place always.
    fn send(&mut self, now: Moment) {
        if now.mono_us < self.blocked_until_us {
            return;
        }
        let Some(link) = self.link.clone() else {
            return;
        };
        if self.refused.is_some() {
            self.probe(&link, now);
            return;
        }
        let live = self.live.clone();
        if let Some(name) = &live {
            while self.has_room() && self.send_one(name, &link, now) {}
        }
        let names: Vec<String> = self.chains.keys().cloned().collect();
        for name in names.iter().filter(|name| Some(*name) != live.as_ref()) {
            loop {
                let alone = self.chains.get(name).is_some_and(|c| c.flying() == 0);
                let room = self.has_room() || (alone && self.under_way.len() <= WINDOW_BATCHES);
                if !room || !self.send_one(name, &link, now) {
                    break;
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        // Until something of the log is remembered, each receipt would be a line of its own.
        let window = if self.head.newest().is_none() {
            1
        } else {
            self.credit_batches.clamp(1, WINDOW_BATCHES)
        };
        let bytes: usize = self.under_way.iter().map(|b| b.bytes).sum();
        self.under_way.is_empty()
            || (self.under_way.len() < window
                && u64::try_from(bytes).unwrap_or(u64::MAX) < self.credit_bytes)
    }

    fn send_one(&mut self, name: &str, link: &Link, now: Moment) -> bool {
        let base = self.head.newest().cloned();
        let Some(chain) = self.chains.get_mut(name) else {
            return false;
        };
        let heading = chain.heading(now);
        let Some(batch) = chain.next_to_send(now) else {
            return false;
        };
        let (raw, body) = match batch.encode(&heading, base.as_ref()) {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::error!(%error, spool = name, "batch cannot be compressed");
                return false;
            }
        };
        if batch.attempts > 0 {
            count(&self.stats.retries, 1);
        }
        batch.attempts += 1;
        batch.stage = super::batch::Stage::Flying;
        let number = Some(batch.number);
        self.post(link, name, number, base, raw, body);
        true
    }

    /// Asks, without sending anything, whether the log proves what it should by now.
    fn probe(&mut self, link: &Link, now: Moment) {
        if self.probing || !self.under_way.is_empty() {
            return;
        }
        let Some((name, chain)) = self.chains.iter().next() else {
            return;
        };
        let (name, heading) = (name.clone(), chain.heading(now));
        let base = self.head.newest().cloned();
        let hello = Filling::new(&heading).finish(0);
        if let Ok((raw, body)) = hello.encode(&heading, base.as_ref()) {
            self.probing = true;
            self.post(link, &name, None, base, raw, body);
        }
    }

    fn post(
        &mut self,
        link: &Link,
        chain: &str,
        batch: Option<u64>,
        base: Option<Checkpoint>,
        bytes: usize,
        body: Vec<u8>,
    ) {
        count(&self.stats.bytes_raw, bytes);
        count(&self.stats.bytes_sent, body.len());
        self.under_way.push(UnderWay {
            bytes,
            base: base.as_ref().map_or(TreeSize(0), |base| base.size),
        });
        let (link, chain, connection) = (link.clone(), chain.to_owned(), self.connection);
        self.tasks.spawn(async move {
            let body = Bytes::from(body);
            let result = link
                .post("/v1/batches", Content::Batch, body, ANSWER_TIMEOUT)
                .await;
            Report::Answered(Answered {
                connection,
                chain,
                batch,
                base,
                bytes,
                result,
            })
        });
    }

    // === waiting ===

    /// Whether the next group that becomes durable is worth waking for.
    fn waits_for_growth(&self) -> bool {
        let live = self.live.as_ref().and_then(|name| self.chains.get(name));
        live.is_some_and(|chain| chain.lock.is_some() && chain.waits_for_growth())
    }

    fn sleep_us(&self, now: Moment) -> u64 {
        let ready = self.link.is_some() && self.refused.is_none();
        let chains = self.chains.values().filter_map(|chain| {
            let growing = chain.is_filling().then_some(now.mono_us + LOOK_US);
            let due = chain.due_us();
            let due = if ready || chain.is_filling() {
                due
            } else {
                None
            };
            due.into_iter().chain(growing).min()
        });
        let blocked = (self.blocked_until_us > now.mono_us).then_some(self.blocked_until_us);
        let keep = self
            .chains
            .values()
            .any(Chain::cursor_is_behind)
            .then(|| self.kept_at_us + upkeep::KEEP_IDLE_US);
        let unlocked = self
            .chains
            .values()
            .any(|chain| chain.lock.is_none())
            .then_some(now.mono_us + upkeep::TAKEN_LOOK_US);
        let renew_us = self.enrolment.renew_at_us.saturating_sub(now.utc_us).max(0);
        let renew = now
            .mono_us
            .saturating_add(u64::try_from(renew_us).unwrap_or(0))
            .max(self.renew_at_us);
        let soonest = chains
            .chain((!self.renewing).then_some(renew))
            .chain(blocked)
            .chain(keep)
            .chain(unlocked)
            .chain(self.options.scans().then_some(self.scan_at_us))
            .chain(self.shared.deadline_us())
            .min()
            .unwrap_or(u64::MAX);
        // What is due and cannot be done now waits for something else to happen.
        soonest
            .saturating_sub(now.mono_us)
            .clamp(1_000, SLEEP_MAX_US)
    }

    fn ended(&self, now: Moment) -> Option<Ended> {
        let idle = self.chains.values().all(|chain| {
            chain.stopped.is_some() || (chain.is_caught_up() && !chain.cursor_is_behind())
        });
        if let Some(deadline) = self.shared.deadline_us() {
            let live_is_done = self.live.as_ref().is_none_or(|name| {
                let chain = self.chains.get(name);
                chain.is_none_or(|c| c.is_caught_up() && !c.cursor_is_behind())
            });
            let hopeless = self.failing_since_us.is_some() || self.refused.is_some();
            return (live_is_done || hopeless || now.mono_us >= deadline).then_some(Ended::Stopped);
        }
        let patience = self.options.patience?;
        if let Some(reason) = &self.refused {
            // A renewal may end the refusal.
            return (!self.renewing).then(|| Ended::Refused(reason.clone()));
        }
        if let Some(stopped) = self.chains.values().find_map(|c| c.stopped.clone()) {
            return idle.then_some(Ended::Refused(stopped));
        }
        let patience_us = u64::try_from(patience.as_micros()).unwrap_or(u64::MAX);
        let since = self
            .failing_since_us
            .map(|at| now.mono_us.saturating_sub(at));
        if since.is_some_and(|us| us >= patience_us) {
            return Some(Ended::Unreachable(self.last_error.clone()));
        }
        (idle && self.scanned && !self.scanning).then_some(Ended::Done)
    }

    fn take_report(&mut self, report: Report) {
        let now = clock::now();
        match report {
            Report::Connected(result) => self.take_connection(result, now),
            Report::Answered(answered) => self.take_answer(&answered, now),
            Report::Scanned(result) => self.take_orphans(result),
            Report::Renewed(result) => self.take_renewal(result, now),
        }
    }
}

fn count(counter: &std::sync::atomic::AtomicU64, n: usize) {
    let n = u64::try_from(n).unwrap_or(u64::MAX);
    counter.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
}

/// Names of the chains that are shipped now.
fn busy(chains: &BTreeMap<String, Chain>) -> BTreeSet<String> {
    chains.keys().cloned().collect()
}
