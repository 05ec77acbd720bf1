//! The story of `affiant demo`: real processes, real clients, real attacks on copies, each checked.
//!
//! One file a noun: [`script`] has the calls, [`client`] and [`http`] make them, [`process`] starts
//! what they pass through, [`evidence`] reads what is left of them, [`tamper`] alters copies of it,
//! [`story`] tells it. This file has the order, and the first act, on one machine.
//!
//! The second act leaves the machine: [`hub`] and [`relay`] are what it needs, [`command`] runs what
//! one would type, [`ledger`] reads the log; [`shipping`], [`outage`], [`proven`] and [`rollback`] are
//! its steps. Nothing here is used by any other command.

mod client;
mod command;
mod evidence;
mod farewell;
mod http;
mod hub;
mod ledger;
mod outage;
mod process;
mod proven;
mod relay;
mod rollback;
mod script;
mod shipping;
mod story;
mod summary;
mod tamper;

use std::collections::BTreeSet;
use std::path::Path;

use affiant_agent::state::DataDir;
use affiant_entry::Moment;

use self::client::Client;
use self::process::{Gateway, HttpServer, Stage, Wrapped};
use self::script::{BESIDE, CLOUD_KEY, Call, PASSWORD, SECRET_TOOL, SLOW_TOOL};
use crate::entries::facts;
use crate::entries::merge::Row;
use crate::entries::units::{bytes, count, latency, plural};
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::verify::{Answer, Outcome, Progress, text, verify};

pub(crate) use self::story::Story;
pub(crate) use self::summary::Summary;

/// The id of the server behind `affiant run`, and of its spool.
const SERVER_STDIO: &str = "crm";
/// The id of the server behind the gateway.
const SERVER_HTTP: &str = "webcrm";
/// On whose behalf the client acts.
const USER: &str = "ann";
/// What lies in the data directory beside the trail.
const PROPS: &str = "demo";

/// What a step of the story comes to.
type Told<T> = Result<T, ExpectedError>;

/// Something came out otherwise than told.
fn broken(expected: &str, found: impl AsRef<str>) -> ExpectedError {
    let found = found.as_ref();
    ExpectedError::new(Exit::No, format!("expected {expected}, found {found}"))
}

/// The story under way.
struct Demo<'a> {
    stage: Stage,
    story: &'a mut Story,
    summary: Summary,
    began: Moment,
    /// Calls that ended, by id.
    calls: BTreeSet<String>,
}

/// Who plays.
struct Cast {
    wrapped: Wrapped,
    server: HttpServer,
    gateway: Gateway,
}

/// Tells the story in a fresh data directory.
pub(crate) async fn tell(data: DataDir, story: &mut Story) -> (Summary, Told<()>) {
    let mut summary = Summary {
        v: 1,
        data_dir: data.root().display().to_string(),
        ..Summary::default()
    };
    let stage = match Stage::new(data) {
        Ok(stage) => stage,
        Err(error) => {
            summary.error = Some(error.message.clone());
            return (summary, Err(error));
        }
    };
    let began = affiant_agent::clock::now();
    let mut demo = Demo {
        stage,
        story,
        summary,
        began,
        calls: BTreeSet::new(),
    };
    let told = demo.all().await.map_err(|mut error| {
        error.message = format!("{}: {}", demo.story.place(), error.message);
        error
    });
    demo.summary.elapsed_ms = demo.took_us() / 1_000;
    let mut summary = demo.summary;
    summary.ok = told.is_ok();
    summary.error = told.as_ref().err().map(|error| error.message.clone());
    (summary, told)
}

impl Demo<'_> {
    async fn all(&mut self) -> Told<()> {
        let Cast {
            wrapped,
            server,
            gateway,
        } = self.start().await?;
        self.over_stdio(wrapped).await?;
        self.over_http(server, gateway).await?;
        self.entries()?;
        self.verified()?;
        self.tampered()?;
        self.crash().await?;
        self.note_calls()?;
        let refused = self.refused_call()?;
        let away = self.ship().await?;
        let away = self.outage(away).await?;
        let away = self.proven(away, &refused).await?;
        self.turned_back(away).await?;
        self.next()
    }

    fn took_us(&self) -> u64 {
        let now = affiant_agent::clock::now();
        now.mono_us.saturating_sub(self.began.mono_us)
    }

    fn title(&mut self, title: &'static str) -> Told<()> {
        self.summary.steps_done = self.story.step();
        self.story.title(title)
    }

    async fn start(&mut self) -> Told<Cast> {
        self.title("A small customer database as a real MCP server, twice")?;
        let server = self.stage.http_server().await?;
        // One after the other: the first makes the keys of the data directory.
        let gateway = self.stage.gateway(&server.origin).await?;
        let wrapped = self.stage.wrapped()?;
        let data = self.stage.data.root().display().to_string();
        self.story
            .say("stdio  client -> affiant run --server crm -- SERVER")?;
        self.story.say(&format!(
            "HTTP   client -> affiant agent at {} -> SERVER at {}",
            authority(&gateway.url),
            authority(&server.origin)
        ))?;
        self.story.say(
            "The client is the official Rust SDK. Neither it nor the server knows of Affiant.",
        )?;
        self.story.say(&format!("Evidence goes to {data}"))?;
        Ok(Cast {
            wrapped,
            server,
            gateway,
        })
    }

    async fn over_stdio(&mut self, mut wrapped: Wrapped) -> Told<()> {
        self.title("Calls on stdio, through `affiant run`")?;
        let client = open_stdio(&mut wrapped).await?;
        self.play(client).await?;
        wrapped.ended().await
    }

    async fn over_http(&mut self, server: HttpServer, gateway: Gateway) -> Told<()> {
        self.title("The same over HTTP, through `affiant agent`")?;
        let client = Client::http(&gateway.url).await?;
        self.play(client).await?;
        gateway.stop().await?;
        server.stop().await
    }

    /// Makes every call of the script, each coming out as it has to.
    async fn play(&mut self, mut client: Client) -> Told<()> {
        let revision = client.revision();
        self.story.say(&format!("MCP revision {revision}"))?;
        for call in script::calls() {
            let answer = client.call(&call).await?;
            self.made(&call, &answer)?;
        }
        client.close().await
    }

    fn made(&mut self, call: &Call, answer: &client::Answer) -> Told<()> {
        self.summary.calls_made += 1;
        self.story.call(call, answer)?;
        if answer.ending == call.ending {
            return Ok(());
        }
        let expected = format!("`{}` to end in {}", call.tool, call.ending.word());
        Err(broken(&expected, answer.ending.word()))
    }

    fn entries(&mut self) -> Told<()> {
        self.title("What is on disk: one entry for each call, whatever became of it")?;
        let rows = evidence::read(&self.stage.data)?;
        self.story.table(evidence::ends(&rows))?;
        for (server, over_http) in [(SERVER_STDIO, false), (SERVER_HTTP, true)] {
            let mut expected: Vec<_> = script::calls()
                .iter()
                .map(|call| {
                    let reason = call.ending.reason(over_http);
                    (call.tool.to_owned(), reason.to_owned())
                })
                .collect();
            expected.sort();
            let found = evidence::outcomes(&rows, server);
            if found != expected {
                let expected = format!("calls of `{server}` {expected:?}");
                return Err(broken(&expected, format!("{found:?}")));
            }
        }
        self.summary.calls_recorded = len(evidence::ends(&rows).count());
        self.story.say(
            "Each request was on disk, redacted and under a signed seal, before the server saw it.",
        )?;
        self.redacted(&rows)?;
        self.searched()
    }

    /// The input of the call that took the secrets.
    fn redacted(&mut self, rows: &[Row]) -> Told<()> {
        for row in evidence::ends(rows).filter(|row| evidence::tool(&row.entry) == SECRET_TOOL) {
            let list = row.entry.pointer("/redactions");
            let list = list.as_ref().and_then(serde_json::Value::as_array);
            let rules = list.into_iter().flatten().filter_map(|redaction| {
                let rule = redaction.get("rule")?.as_str()?;
                Some(rule.to_owned())
            });
            let mut rules: Vec<_> = rules.collect();
            rules.sort();
            if rules.len() != 2 {
                return Err(broken(
                    "2 secrets cut out of the input",
                    format!("{rules:?}"),
                ));
            }
            self.summary.redactions = rules;
        }
        let row = evidence::ends(rows).find(|row| evidence::tool(&row.entry) == SECRET_TOOL);
        let input = row.and_then(|row| row.entry.member("input").map(str::to_owned));
        let input = input.ok_or_else(|| broken("the input of a call with secrets", "none"))?;
        let tool = format!("{SECRET_TOOL} was handed a password and a cloud key. Its entry says");
        self.story.say(&tool)?;
        let input = self.story.paint().cyan(&input);
        self.story.say(&format!("  {input}"))
    }

    /// The secrets must be nowhere; what stood beside them must be there, or the search is blind.
    fn searched(&mut self) -> Told<()> {
        let root = self.stage.data.root().to_owned();
        let secrets = evidence::search(&root, &[PASSWORD, CLOUD_KEY])?;
        let beside = evidence::search(&root, &[BESIDE])?;
        self.summary.secret_found = secrets.hits;
        self.summary.files_searched = secrets.files;
        self.story.say(&format!(
            "Searched {} ({}) for both secrets: found {}; for the word beside the key: {}.",
            plural(secrets.files, "file", "files"),
            bytes(secrets.bytes),
            plural(secrets.hits, "time", "times"),
            count(beside.hits),
        ))?;
        if secrets.hits > 0 || beside.hits == 0 {
            return Err(broken("no secret, and the words beside it", "otherwise"));
        }
        Ok(())
    }

    fn verified(&mut self) -> Told<()> {
        self.title("Is it whole? `affiant verify`")?;
        let outcome = self.verify(self.stage.data.root().to_owned().as_path())?;
        self.summary.verify = Some(outcome.answer);
        let complete = outcome.spools.iter().map(|s| s.chain.coverage.complete);
        self.summary.calls_complete = complete.sum();
        expect(&outcome, Answer::Ok)?;
        if self.summary.calls_complete != self.summary.calls_made {
            let expected = format!("{} complete calls", self.summary.calls_made);
            return Err(broken(&expected, count(self.summary.calls_complete)));
        }
        Ok(())
    }

    /// Verifies, and tells of it in short.
    fn verify(&mut self, target: &Path) -> Told<Outcome> {
        let outcome = verify(target, None, &Progress::on_stderr())?;
        for line in text::short(&outcome, self.story.paint()) {
            self.story.say(&line)?;
        }
        Ok(outcome)
    }

    fn tampered(&mut self) -> Told<()> {
        self.title("Would it notice? Two attacks, each on a copy")?;
        self.flipped()?;
        self.story.line("")?;
        self.cut()
    }

    fn flipped(&mut self) -> Told<()> {
        let target = self.stage.props().join("flipped");
        let copy = tamper::copy(self.stage.data.root(), &target)?;
        let flip = tamper::flip(&copy, SERVER_STDIO)?;
        self.story.say(&format!(
            "One bit: the call to delete customer {} now reads {}",
            script::SPARED,
            script::SPARED_FLIPPED
        ))?;
        self.story.say(&format!(
            "  {}, byte {}: 0x{:02x} `{}` became 0x{:02x} `{}`",
            flip.file,
            flip.offset,
            flip.before,
            char::from(flip.before),
            flip.after,
            char::from(flip.after)
        ))?;
        let outcome = self.verify(&target)?;
        self.summary.verify_flipped = Some(outcome.answer);
        expect(&outcome, Answer::No)?;
        names_place(&outcome, &flip.file)
    }

    fn cut(&mut self) -> Told<()> {
        let target = self.stage.props().join("cut");
        let copy = tamper::copy(self.stage.data.root(), &target)?;
        let cut = tamper::cut(&copy, SERVER_STDIO)?;
        self.story
            .say("The end: the last seal and what it seals cut off, made to look like a crash")?;
        self.story.say(&format!(
            "  {}, from byte {}: {} gone",
            cut.file,
            cut.offset,
            plural(len(cut.frames), "entry", "entries")
        ))?;
        let outcome = self.verify(&target)?;
        self.summary.verify_cut = Some(outcome.answer);
        expect(&outcome, Answer::No)
    }

    async fn crash(&mut self) -> Told<()> {
        self.title("And a crash? kill -9 in the middle of a call")?;
        let mut wrapped = self.stage.wrapped()?;
        let mut client = open_stdio(&mut wrapped).await?;
        let running = client.begin(&script::slow_call()).await?;
        self.summary.calls_made += 1;
        let pid = wrapped.crash().await?;
        drop((running, client));
        self.story.say(&format!(
            "`affiant run` (pid {pid}) was killed while the server worked on {SLOW_TOOL}"
        ))?;
        self.restarted().await?;
        let rows = evidence::read(&self.stage.data)?;
        self.story
            .say("The next start found the call open, closed it, and went on:")?;
        let life = rows.iter().rposition(is_recovery);
        let life = life.ok_or_else(|| broken("a start that recovers", "none"))?;
        self.story
            .table(evidence::ends(rows.get(life..).unwrap_or_default()))?;
        let unknown = evidence::ends(&rows)
            .filter(|row| evidence::reason(&row.entry) == "outcome-unknown")
            .count();
        self.summary.calls_outcome_unknown = len(unknown);
        if unknown != 1 {
            let expected = "1 call with unknown outcome";
            return Err(broken(expected, unknown.to_string()));
        }
        let outcome = self.verify(self.stage.data.root().to_owned().as_path())?;
        self.summary.verify_after_crash = Some(outcome.answer);
        expect(&outcome, Answer::Ok)
    }

    /// The same server, started anew on the same trail.
    async fn restarted(&mut self) -> Told<()> {
        let mut wrapped = self.stage.wrapped()?;
        let mut client = open_stdio(&mut wrapped).await?;
        let call = script::quick_call();
        let answer = client.call(&call).await?;
        self.summary.calls_made += 1;
        if answer.ending != call.ending {
            return Err(broken(call.ending.word(), answer.ending.word()));
        }
        client.close().await?;
        wrapped.ended().await
    }
}

async fn open_stdio(wrapped: &mut Wrapped) -> Told<Client> {
    let streams = wrapped.stdout.take().zip(wrapped.stdin.take());
    let (stdout, stdin) = streams.ok_or_else(|| broken("a process with streams", "none"))?;
    Client::stdio(stdout, stdin).await
}

/// Host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn expect(outcome: &Outcome, answer: Answer) -> Told<()> {
    if outcome.answer == answer {
        return Ok(());
    }
    let expected = format!("`affiant verify` to say {}", answer.word());
    Err(broken(&expected, outcome.answer.word()))
}

/// Whether what is wrong is said with the file it is in.
fn names_place(outcome: &Outcome, file: &str) -> Told<()> {
    let findings = outcome
        .spools
        .iter()
        .flat_map(|spool| &spool.chain.findings);
    let named = findings
        .map(ToString::to_string)
        .any(|text| text.contains(file));
    if named {
        return Ok(());
    }
    Err(broken("the place that was altered", "none named"))
}

fn is_recovery(row: &Row) -> bool {
    facts::text(&row.entry, &["/boot_info/reason"]).as_deref() == Some("recovery")
}

fn len(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
