//! A tracker with both its ends, a clock and a log one can read.

use std::collections::BTreeMap;

use affiant_entry::call::{CallDraft, Chain, DraftInput, Transport};
use affiant_entry::record::{AnomalyFact, Body, Direction};
use affiant_entry::{CallId, CommitKey, Commitment, Fact, Moment};

use super::super::{
    Config, Disposition, End, ExchangeEnd, ExchangeId, Finish, MESSAGE_LABEL, Mint, Output,
    Refusal, ResponseHead, StreamKind, Tracker, Via,
};
use crate::scan::{Limits as ScanLimits, Scan, Scanner};

/// Counts instead of rolling dice.
#[derive(Debug, Default)]
pub(super) struct Counter(u128);

impl Mint for Counter {
    fn ulid_entropy(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }

    fn trace_id(&mut self) -> [u8; 16] {
        self.0 += 1;
        self.0.to_be_bytes()
    }
}

pub(super) fn key() -> CommitKey {
    CommitKey::new("k1", &[7; 32])
}

pub(super) fn token(text: &str) -> Commitment {
    key().commit("token", text.as_bytes())
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) tracker: Tracker<Counter>,
    pub(super) now: Moment,
    pub(super) drafts: Vec<CallDraft>,
    pub(super) ends: Vec<End>,
    pub(super) bodies: Vec<Body>,
    begun: Vec<CallId>,
    ended: Vec<CallId>,
    minted: Vec<String>,
    vias: BTreeMap<u64, Via>,
    log: Vec<String>,
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        Self {
            tracker: Tracker::new(config, key(), Counter::default()),
            now: Moment {
                utc_us: 1_795_330_441_000_000,
                mono_us: 1_000,
            },
            drafts: Vec::new(),
            ends: Vec::new(),
            bodies: Vec::new(),
            begun: Vec::new(),
            ended: Vec::new(),
            minted: Vec::new(),
            vias: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    pub(super) fn stdio() -> Self {
        Self::new(Config::new("srv", Transport::Stdio))
    }

    pub(super) fn http() -> Self {
        Self::new(Config::new("srv", Transport::Http))
    }

    /// Declares an exchange.
    pub(super) fn exchange(
        &mut self,
        number: u64,
        stream: StreamKind,
        with: impl FnOnce(&mut Via),
    ) {
        let mut via = Via {
            exchange: Some(ExchangeId(number)),
            stream,
            ..Via::stdio()
        };
        with(&mut via);
        self.vias.insert(number, via);
    }

    /// A POST of the session `session`.
    pub(super) fn post(&mut self, number: u64, session: Option<&str>) {
        self.exchange(number, StreamKind::Post, |via| {
            via.headers.session_id = session.map(str::to_owned)
        });
    }

    /// The way of an exchange; 0 is stdio.
    pub(super) fn via(&self, on: u64) -> Via {
        if on == 0 {
            Via::stdio()
        } else {
            self.vias[&on].clone()
        }
    }

    /// Whether the exchange was declared.
    pub(super) fn has(&self, on: u64) -> bool {
        self.vias.contains_key(&on)
    }

    pub(super) fn client(&mut self, on: u64, text: &str) -> Disposition {
        let (via, scan) = (self.via(on), scan(text.as_bytes()));
        self.tick();
        let disposition = self.tracker.handle_client_scan(self.now, &via, &scan);
        self.drain();
        disposition
    }

    pub(super) fn server(&mut self, on: u64, text: &str) {
        let (via, scan) = (self.via(on), scan(text.as_bytes()));
        self.tick();
        self.tracker.handle_server_scan(self.now, &via, &scan);
        self.drain();
    }

    pub(super) fn head(&mut self, on: u64, status: u16, session: Option<&str>, event_stream: bool) {
        let head = ResponseHead {
            status,
            session_id: session.map(str::to_owned),
            event_stream,
        };
        self.tracker
            .handle_http_response_head(self.now, &self.via(on), &head);
        self.drain();
    }

    pub(super) fn closed(&mut self, on: u64, end: ExchangeEnd) {
        self.tracker
            .handle_exchange_closed(self.now, &self.via(on), end);
        self.drain();
    }

    pub(super) fn delete(&mut self, on: u64, status: u16) {
        self.tracker
            .handle_http_delete(self.now, &self.via(on), status);
        self.drain();
    }

    pub(super) fn refused(&mut self, name: &str, why: Refusal) {
        let number: usize = name[1..].parse().unwrap();
        self.tracker
            .handle_refused(self.now, self.begun[number - 1], why);
        self.drain();
    }

    /// Time passes; every timeout fires at its own moment.
    pub(super) fn wait_us(&mut self, us: u64) {
        let until = self.now.mono_us + us;
        while let Some(next) = self.tracker.poll_timeout().filter(|next| *next <= until) {
            self.advance(next);
            self.tracker.handle_timeout(self.now);
            assert!(
                self.tracker.poll_timeout().is_none_or(|later| later > next),
                "a timeout does not fire twice"
            );
            self.drain();
        }
        self.advance(until);
    }

    pub(super) fn finish(&mut self, why: Finish) {
        self.tracker.finish(self.now, why);
        self.drain();
        assert!(
            self.tracker.is_empty(),
            "tables are empty after finish: {:?}",
            self.tracker
        );
        assert_eq!(self.tracker.calls_open(), 0);
        assert_eq!(self.tracker.poll_timeout(), None);
        let mut begun = self.begun.clone();
        let mut ended = self.ended.clone();
        begun.sort();
        ended.sort();
        assert_eq!(begun, ended, "every call has exactly one end");
    }

    /// What was told since the last time.
    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    #[track_caller]
    pub(super) fn expect(&mut self, expected: &[&str]) {
        assert_eq!(self.told(), expected);
    }

    /// Like [`expect`](Self::expect), but only of begins and ends.
    #[track_caller]
    pub(super) fn expect_calls(&mut self, expected: &[&str]) {
        let calls: Vec<String> = self
            .told()
            .into_iter()
            .filter(|line| line.starts_with("begin") || line.starts_with("end"))
            .collect();
        assert_eq!(calls, expected);
    }

    fn tick(&mut self) {
        self.advance(self.now.mono_us + 1);
    }

    fn advance(&mut self, mono_us: u64) {
        let by = mono_us.saturating_sub(self.now.mono_us);
        self.now.mono_us += by;
        self.now.utc_us += i64::try_from(by).unwrap();
    }

    fn drain(&mut self) {
        while let Some(output) = self.tracker.poll_output() {
            let line = self.told_of(output);
            self.log.push(line);
        }
    }

    fn told_of(&mut self, output: Output) -> String {
        match output {
            Output::Begin { call, draft, .. } => {
                assert!(!self.begun.contains(&call), "a call begins once");
                self.begun.push(call);
                let session = self.session_text(&draft.head.session.id, draft.head.session.origin);
                let name = match &draft.head.tool.name {
                    Fact::Known(name) => name.clone(),
                    Fact::Absent(why) => format!("({why})"),
                };
                let chain = self.chain_text(draft.head.chain);
                self.drafts.push(*draft);
                format!("begin {} {name} @{session}{chain}", self.call_text(call))
            }
            Output::End(end) => {
                assert!(self.begun.contains(&end.call), "a call ends after it began");
                assert!(!self.ended.contains(&end.call), "a call ends once");
                self.ended.push(end.call);
                let line = self.end_text(&end);
                self.ends.push(*end);
                line
            }
            Output::Record(record) => {
                let line = self.body_text(record.call, &record.body);
                self.bodies.push(record.body);
                line
            }
        }
    }

    fn call_text(&self, call: CallId) -> String {
        self.begun
            .iter()
            .position(|begun| *begun == call)
            .map_or_else(|| "c?".to_owned(), |at| format!("c{}", at + 1))
    }

    fn chain_text(&self, chain: Option<Chain>) -> String {
        chain.map_or_else(String::new, |chain| {
            format!(" round {} of {}", chain.round, self.call_text(chain.first))
        })
    }

    fn session_text(&mut self, id: &str, origin: affiant_entry::call::SessionOrigin) -> String {
        use affiant_entry::call::SessionOrigin as O;
        let origin_text = serde_json::to_value(origin)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned();
        if !matches!(origin, O::StdioProcess | O::Inferred) {
            return format!("{origin_text}:{id}");
        }
        if !self.minted.iter().any(|minted| minted == id) {
            self.minted.push(id.to_owned());
        }
        let at = self.minted.iter().position(|minted| minted == id).unwrap();
        format!("{origin_text}#{}", at + 1)
    }

    fn end_text(&self, end: &End) -> String {
        let status = &end.ending.status;
        let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        let mut line = format!(
            "end {} {} {}",
            self.call_text(end.call),
            word(serde_json::to_value(status.code).unwrap()),
            word(serde_json::to_value(status.reason).unwrap())
        );
        if let Some(code) = status.rpc_code {
            line += &format!(" {code}");
        }
        if let Some(http) = status.http_status {
            line += &format!(" http-{http}");
        }
        if let Some(task) = &end.ending.task {
            line += &format!(" task {task}");
        }
        if let Some(text) = &end.cancel_text {
            line += &format!(" because {}", String::from_utf8_lossy(text.expose()));
        }
        line + &self.chain_text(end.chain)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a tracker makes these kinds only"
    )]
    fn body_text(&mut self, call: Option<CallId>, body: &Body) -> String {
        let about = call.map_or_else(String::new, |call| format!(" {}", self.call_text(call)));
        match body {
            Body::Session(info) => {
                let session = self.session_text(&info.id, info.origin);
                let client = info.client.known().map_or("?", String::as_str);
                let protocol = info.protocol.known().map_or("?", String::as_str);
                format!(
                    "session {} @{session} client {client} protocol {protocol}",
                    info.phase
                )
            }
            Body::Manifest(manifest) => {
                let list = |word: &str, names: &[String]| {
                    if names.is_empty() {
                        String::new()
                    } else {
                        format!(" {word} {}", names.join(","))
                    }
                };
                let mut line = format!("manifest {}", manifest.tools);
                line += &list("added", &manifest.added);
                line += &list("removed", &manifest.removed);
                line + &list("changed", &manifest.changed)
            }
            Body::CallTask(task) => {
                let ttl = task
                    .ttl_ms
                    .known()
                    .map_or_else(String::new, |ttl| format!(" ttl {ttl}"));
                format!("task{about} {} {}{ttl}", task.id, task.status)
            }
            Body::AuthFailure(failure) => format!("auth-failure {}", failure.http_status),
            Body::Anomaly(anomaly) => {
                let by = match anomaly.direction.known() {
                    Some(Direction::ClientToServer) => " by client",
                    Some(Direction::ServerToClient) => " by server",
                    None => "",
                };
                let words = anomaly.facts.iter().filter_map(|(name, fact)| match fact {
                    AnomalyFact::Word(word) if !matches!(&**name, "superseded") => {
                        Some(format!(" {name}={word}"))
                    }
                    AnomalyFact::Word(_) | AnomalyFact::Number(_) => None,
                });
                format!(
                    "anomaly {}{about}{by}{}",
                    anomaly.code,
                    words.collect::<String>()
                )
            }
            other => panic!("a tracker does not make {}", other.kind()),
        }
    }
}

/// Scans a text as the shell does.
pub(super) fn scan(text: &[u8]) -> Scan<Commitment> {
    let mut scanner = Scanner::new(ScanLimits::default(), key().begin(MESSAGE_LABEL));
    scanner.feed(text);
    scanner.finish()
}

/// The raw arguments of a draft.
pub(super) fn input_text(draft: &CallDraft) -> Option<String> {
    match &draft.input {
        DraftInput::Json(json) => Some(String::from_utf8(json.expose().to_vec()).unwrap()),
        DraftInput::None | DraftInput::TooLong { .. } => None,
    }
}
