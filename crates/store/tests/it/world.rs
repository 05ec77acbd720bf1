//! A log in memory, made from a seed, and a store of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use affiant_entry::{BootId, CallId, rfc3339};
use affiant_store::query::{Answer, Bounds, Engine, Format, Limits, QueryError, SqlRequest};
use affiant_store::{RawLeaves, Store};
use affiant_tlog::LeafIndex;
use serde_json::Value;

pub(crate) const OWN: &str = "aggregator";
pub(crate) const LOG: &str = "log.example";
/// 2026-11-20T00:00:00Z.
pub(crate) const START_US: i64 = 1_795_132_800_000_000;
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// Leaves that a store may ask for.
#[derive(Debug, Default, Clone)]
pub(crate) struct Leaves(pub(crate) Arc<Mutex<Vec<Vec<u8>>>>);

impl RawLeaves for Leaves {
    fn leaf(&self, index: LeafIndex) -> Option<Vec<u8>> {
        let leaves = self.0.lock().unwrap();
        leaves.get(usize::try_from(index.0).ok()?).cloned()
    }
}

/// Numbers from a seed (a linear congruential generator; statistics do not matter here).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let at = self.roll(all.len() as u64);
        all[usize::try_from(at).unwrap()]
    }
}

/// Makes leaves.
pub(crate) struct Maker {
    dice: Dice,
    pub(crate) leaves: Vec<Vec<u8>>,
    at_us: i64,
    seq: u64,
    own_seq: u64,
    calls: u128,
    /// First leaf without context.
    spoken: u64,
    /// Facts of the last context leaf that has any, and its index.
    said: Option<(u64, String)>,
    subjects: BTreeMap<u64, Vec<(String, String)>>,
}

impl Maker {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            leaves: Vec::new(),
            at_us: START_US,
            seq: 0,
            own_seq: 0,
            calls: 0,
            spoken: 0,
            said: None,
            subjects: BTreeMap::new(),
        }
    }

    pub(crate) fn next(&self) -> u64 {
        self.leaves.len() as u64
    }

    fn header(&mut self, kind: &str, source: &str, call: Option<CallId>) -> String {
        let own = source == OWN;
        let seq = if own {
            &mut self.own_seq
        } else {
            &mut self.seq
        };
        let boot = BootId::from_parts(START_US, u128::from(own));
        let call = call.map_or_else(String::new, |call| format!("\"call\":\"{call}\","));
        let header = format!(
            "{{\"v\":1,\"kind\":\"{kind}\",\"source\":\"{source}\",\"boot\":\"{boot}\",\"seq\":{seq},{call}\"time\":\"{}\",\"mono_us\":{}",
            rfc3339(self.at_us),
            self.at_us - START_US
        );
        *seq += 1;
        header
    }

    pub(crate) fn push(&mut self, text: String) -> u64 {
        self.leaves.push(text.into_bytes());
        self.next() - 1
    }

    /// An entry of the aggregator with one member.
    pub(crate) fn own(&mut self, kind: &str, member: &str, content: &str) -> u64 {
        let header = self.header(kind, OWN, None);
        self.push(format!("{header},\"{member}\":{content}}}"))
    }

    /// The same, from a source, who must not.
    pub(crate) fn foreign(&mut self, kind: &str, member: &str, content: &str) -> u64 {
        let header = self.header(kind, "edge-1", None);
        self.push(format!("{header},\"{member}\":{content}}}"))
    }

    /// A call: its begin and its end; the leaf of the end.
    pub(crate) fn call(&mut self) -> u64 {
        self.at_us += i64::try_from(self.dice.roll(420_000_000)).unwrap();
        self.calls += 1;
        let call = CallId::from_parts(self.at_us, self.calls);
        let members = self.members();
        let begin = self.header("call.begin", "edge-1", Some(call));
        let first = self.next();
        self.push(format!("{begin},{}}}", members.begin));
        let end = self.header("call.end", "edge-1", Some(call));
        let leaf = self.push(format!("{end},{},{}}}", members.begin, members.end));
        for at in first..=leaf {
            self.subjects.insert(at, members.subjects.clone());
        }
        leaf
    }

    /// An imported call; `again` gives the same record once more.
    pub(crate) fn import(&mut self, again: bool) -> u64 {
        if !again {
            self.calls += 1;
        }
        let call = CallId::from_parts(START_US, self.calls);
        let members = self.members();
        let header = self.header("call.import", OWN, Some(call));
        let leaf = self.push(format!(
            "{header},{},{},\"import\":{{\"door\":\"jsonl\",\"format\":\"toolhive\",\"unsealed\":true,\"original\":\"sha256:00\"}}}}",
            members.begin, members.end
        ));
        self.subjects.insert(leaf, members.subjects);
        leaf
    }

    fn members(&mut self) -> Members {
        let dice = &mut self.dice;
        let server = dice.one_of(&["crm", "files", "mail", "git"]);
        let tool = dice.one_of(&["search", "read", "write", "delete", "Ünïcode \\\"tool\\\""]);
        let session = dice.roll(25);
        let user = dice.one_of(&["ann", "bob", "cleo", "dan", ""]);
        let mut subjects = vec![
            ("server".to_owned(), format!("\"{server}\"")),
            ("tool".to_owned(), format!("[\"{server}\",\"{tool}\"]")),
        ];
        let user = if user.is_empty() {
            "{\"absent\":\"not in the token\"}".to_owned()
        } else {
            subjects.push(("user".to_owned(), format!("\"{user}\"")));
            format!("\"{user}\"")
        };
        let input = match dice.roll(6) {
            0 => "\"input_form\":\"absent\",\"input\":{\"absent\":\"no arguments\"}".to_owned(),
            1 => format!("\"input_form\":\"blob\",\"input\":{{\"blob\":\"sha256:{:064x}\",\"bytes\":{},\"commit\":\"hmac-sha256:k:00\"}}", self.calls, 40_000 + dice.roll(9)),
            2 => "\"input_form\":\"withheld\",\"input\":{\"withheld\":\"redactor failed\",\"bytes\":12,\"commit\":\"hmac-sha256:k:01\"}".to_owned(),
            n => format!("\"input_form\":\"value\",\"input\":{{\"q\":\"x{}\",\"n\":{}.50,\"deep\":{{\"list\":[1,{n}]}}}}", dice.roll(40), dice.roll(100)),
        };
        let redactions = if dice.roll(4) == 0 {
            "[{\"at\":\"/q\",\"rule\":\"email\",\"commit\":\"hmac-sha256:k:02\"}]"
        } else {
            "[]"
        };
        let level = dice.one_of(&["public", "internal", "restricted", ""]);
        let level = if level.is_empty() {
            "{\"absent\":\"no rule\"}".to_owned()
        } else {
            format!("{{\"level\":\"{level}\",\"rule\":\"r-{level}\"}}")
        };
        let decision = dice.one_of(&["allow", "allow", "allow", "deny", "none"]);
        let begin = format!(
            "\"session\":{{\"id\":\"sess-{session}\",\"origin\":\"mcp-session-id\"}},\"agent\":{{\"role\":\"agent-{}\",\"user\":{user},\"token\":{{\"absent\":\"no token\"}},\"client\":\"test/1\",\"verified\":[\"user\"]}},\
             \"server\":{{\"id\":\"{server}\",\"name\":\"{server} server\",\"version\":\"1.{}\",\"protocol\":\"2025-06-18\",\"transport\":\"http\"}},\"tool\":{{\"name\":\"{tool}\",\"in_manifest\":true,\"manifest\":\"sha256:m\"}},\
             {input},\"redactions\":{redactions},\"classification\":{level},\"policy\":{{\"decision\":\"{decision}\",\"mode\":\"enforce\",\"set\":\"p1\",\"evaluated\":[]}},\
             \"correlation\":{{\"id\":\"t-{session}\",\"request_id\":\"{}\",\"origin\":\"minted\"}}",
            session % 3,
            dice.roll(3),
            dice.roll(1000),
        );
        let end = match dice.roll(8) {
            0 => "\"status\":{\"code\":\"error\",\"reason\":\"timeout\"},\"response\":{\"absent\":\"no answer\"},\"latency_us\":{\"absent\":\"no answer\"}".to_owned(),
            1 => format!("\"status\":{{\"code\":\"error\",\"reason\":\"rpc-error\",\"rpc_code\":-32602}},\"response\":{{\"bytes\":{},\"commit\":\"c\"}},\"latency_us\":{}", 90 + dice.roll(10), dice.roll(4_000)),
            2 => format!("\"status\":{{\"code\":\"failure\",\"reason\":\"tool-error\"}},\"response\":{{\"bytes\":{},\"commit\":\"c\"}},\"latency_us\":{}", dice.roll(900), dice.roll(90_000)),
            _ => format!("\"status\":{{\"code\":\"success\",\"reason\":\"ok\"}},\"response\":{{\"bytes\":{},\"commit\":\"c\"}},\"latency_us\":{}", dice.roll(90_000), dice.roll(900_000)),
        };
        Members {
            begin,
            end,
            subjects,
        }
    }

    /// Says what is known of the leaves since the last time.
    pub(crate) fn context(&mut self, epoch: u64) -> u64 {
        let range = (self.spoken, self.next());
        self.spoken = range.1;
        self.say(range, epoch, false)
    }

    /// Says it for a range of leaves.
    pub(crate) fn say(&mut self, (first, end): (u64, u64), epoch: u64, late: bool) -> u64 {
        let mut subjects: Vec<(String, String)> = self
            .subjects
            .range(first..end)
            .flat_map(|(_, all)| all.clone())
            .collect();
        subjects.sort();
        subjects.dedup();
        let (mut facts, mut unknown) = (Vec::new(), Vec::new());
        for (kind, id) in &subjects {
            let subject = format!("{{\"{kind}\":{id}}}");
            let plain: String = id.chars().filter(char::is_ascii_alphabetic).collect();
            if plain == "dan" || plain == "mail" {
                unknown.push(subject);
                continue;
            }
            let (source, fact) = match kind.as_str() {
                "server" => (
                    "assets",
                    format!(
                        "{{\"owner\":\"team-{plain}-{epoch}\",\"tier\":\"{}\"}}",
                        plain.len() % 3
                    ),
                ),
                "user" => (
                    "people",
                    format!(
                        "{{\"department\":\"d-{}\",\"weird key\":\"kept\"}}",
                        (plain.len() as u64 + epoch) % 3
                    ),
                ),
                _ => (
                    "labels",
                    format!(
                        "{{\"level\":\"l{}\",\"rule\":\"r{epoch}\"}}",
                        plain.len() % 4
                    ),
                ),
            };
            facts.push(format!(
                "{{\"subject\":{subject},\"source\":\"{source}\",\"fact\":{fact}}}"
            ));
        }
        let sources = format!(
            "[{{\"id\":\"assets\",\"kind\":\"asset\",\"version\":\"sha256:a{epoch}\",\"read\":\"2026-11-20T00:00:00Z\",\"age_s\":1,\"stale\":{}}},\
             {{\"id\":\"people\",\"kind\":\"user\",\"version\":{{\"absent\":\"none\"}},\"read\":{{\"absent\":\"never\"}},\"age_s\":{{\"absent\":\"never\"}},\"stale\":false}},\
             {{\"id\":\"labels\",\"kind\":\"classification\",\"version\":\"etag:l{epoch}\",\"read\":\"2026-11-20T00:00:00Z\",\"age_s\":1,\"stale\":false}}]",
            epoch % 2 == 1
        );
        let body = format!(
            "\"facts\":[{}],\"unknown\":[{}]",
            facts.join(","),
            unknown.join(",")
        );
        let known = format!("{sources}{body}");
        let late = if late { "\"late\":true," } else { "" };
        let head = format!("{{\"first\":{first},\"end\":{end},{late}\"sources\":{sources}");
        if let Some((leaf, said)) = &self.said
            && *said == known
        {
            let content = format!("{head},\"same_as\":{leaf}}}");
            return self.own("context", "context", &content);
        }
        let leaf = self.own("context", "context", &format!("{head},{body}}}"));
        self.said = Some((leaf, known));
        leaf
    }
}

struct Members {
    begin: String,
    end: String,
    subjects: Vec<(String, String)>,
}

/// About 3,000 leaves over three days, with all that can befall a log.
pub(crate) fn eventful() -> Vec<Vec<u8>> {
    let mut maker = Maker::new(7);
    for round in 0..60_u64 {
        for _ in 0..20 {
            maker.call();
        }
        maker.context(round / 20);
        if round % 10 == 3 {
            maker.own("chain.gap", "gap", "{\"reason\":\"missing-seals\",\"said\":{\"absent\":\"nothing\"},\"subject\":{\"source\":\"edge-1\"},\"entries_lost\":4}");
            maker.foreign("gap", "gap", "{\"reason\":\"damaged\",\"entries_lost\":3}");
        }
        if round % 10 == 5 {
            maker.import(false);
            maker.import(true);
        }
        if round % 15 == 7 {
            let end = maker.next();
            maker.say((end.saturating_sub(400), end.saturating_sub(300)), 9, true);
        }
        if round == 30 {
            maker.push("no entry at all".to_owned());
            maker.foreign("context", "context", "{\"first\":0,\"end\":900,\"sources\":[],\"facts\":[],\"unknown\":[{\"server\":\"crm\"},{\"user\":\"ann\"}]}");
            maker.foreign(
                "prune",
                "prune",
                "{\"min_index\":1000,\"policy\":\"x\",\"reason\":\"forged\"}",
            );
            maker.own("new.kind", "news", "{\"a\":1}");
        }
        if round == 40 {
            let blob = format!(
                "{{\"leaf\":\"sha256:00\",\"blob\":\"sha256:{:064x}\",\"reason\":\"asked\"}}",
                8
            );
            maker.own("erase", "erase", &blob);
        }
    }
    maker.context(3);
    maker.leaves
}

/// A store in a directory of its own.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) leaves: Leaves,
}

impl World {
    pub(crate) fn new(leaves: Vec<Vec<u8>>) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            leaves: Leaves(Arc::new(Mutex::new(leaves))),
        }
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(self.dir.path(), OWN, LOG, Arc::new(self.leaves.clone())).unwrap()
    }

    /// Gives a store what it does not have, in batches, flushing now and then.
    pub(crate) fn follow(&self, store: &Store, batch: usize, flush_every: usize) {
        let leaves = self.leaves.0.lock().unwrap().clone();
        let mut at = usize::try_from(store.cursor().0).unwrap();
        let mut steps = 0;
        while at < leaves.len() {
            let end = (at + batch).min(leaves.len());
            store
                .append(LeafIndex(at as u64), &leaves[at..end])
                .unwrap();
            at = end;
            steps += 1;
            if steps % flush_every == 0 {
                store.flush().unwrap();
            }
        }
    }
}

pub(crate) fn engine(store: &Store) -> Engine {
    Engine::new(store.clone(), 2).unwrap()
}

pub(crate) fn ask_with(
    engine: &Engine,
    sql: &str,
    format: Format,
    bounds: Bounds,
    limits: Limits,
) -> Result<Answer, QueryError> {
    engine.sql_blocking(SqlRequest {
        sql: sql.to_owned(),
        format,
        bounds,
        limits,
    })
}

pub(crate) fn ask(engine: &Engine, sql: &str) -> Vec<Value> {
    let answer = ask_with(
        engine,
        sql,
        Format::JsonLines,
        Bounds::default(),
        Limits::default(),
    );
    let answer = answer.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = String::from_utf8(answer.body).unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len() as u64, answer.rows);
    rows
}

pub(crate) fn refusal(engine: &Engine, sql: &str) -> QueryError {
    match ask_with(
        engine,
        sql,
        Format::Json,
        Bounds::default(),
        Limits::default(),
    ) {
        Err(error) => error,
        Ok(answer) => panic!("`{sql}` was answered with {} rows", answer.rows),
    }
}

/// The one number of an answer.
pub(crate) fn number(engine: &Engine, sql: &str) -> i64 {
    let rows = ask(engine, sql);
    let row = rows.first().and_then(Value::as_object).unwrap();
    row.values()
        .next()
        .and_then(Value::as_i64)
        .unwrap_or_else(|| {
            let mut text = String::new();
            let _ = write!(text, "{row:?}");
            panic!("no number: {text}")
        })
}
