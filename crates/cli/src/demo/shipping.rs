//! The trail leaves the machine: a hub, its witness, and receipts.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use affiant_agent::ship::checkpoint_path;
use fs_err as fs;
use serde_json::Value;
use tokio::time::sleep;

use super::client::in_time;
use super::hub::{Hub, Witness, read};
use super::ledger::Ledger;
use super::process::LOOK_AGAIN;
use super::relay::Relay;
use super::{Demo, Told, broken, count, evidence, len, plural};
use crate::error::ExpectedError;

/// Everything that is not on the edge.
pub(super) struct Away {
    /// The aggregator, while it runs.
    hub: Option<Hub>,
    /// Its data directory.
    pub(super) dir: PathBuf,
    /// The name of its log.
    pub(super) log: String,
    pub(super) relay: Relay,
    /// What a verifier trusts: the log, the witness, the source.
    pub(super) trust: PathBuf,
    /// The name of the edge.
    pub(super) source: String,
    /// It cosigns for as long as it lives.
    _witness: Witness,
}

impl Away {
    /// Stops the aggregator, if one runs.
    pub(super) async fn stop_hub(&mut self) -> Told<()> {
        match self.hub.take() {
            Some(hub) => hub.stop().await,
            None => Ok(()),
        }
    }
}

impl Demo<'_> {
    pub(super) async fn ship(&mut self) -> Told<Away> {
        self.title("Off this machine: mutual TLS into a transparency log")?;
        let away = self.open_hub().await?;
        self.enrol(&away).await?;
        self.shipped(&away).await?;
        self.hub_verified(&away, None).await?;
        Ok(away)
    }

    /// The hub makes the log's key, the witness is told of it, the hub is told of the witness.
    async fn open_hub(&mut self) -> Told<Away> {
        let dir = self.stage.props().join("hub");
        self.stage.hub(&dir).await?.stop().await?;
        let vkey = read(&dir.join("keys/log.vkey"))?.trim().to_owned();
        let witness = self.stage.witness(&vkey).await?;
        let trust = self.stage.props().join("trust.policy");
        let source_vkey = read(&self.stage.data.keys().join("source.vkey"))?;
        let source_vkey = source_vkey.trim();
        let policy = witness.policy(&vkey, false);
        write(&trust, &format!("{policy}source {source_vkey}\n"))?;
        write(
            &self.stage.props().join("witness.policy"),
            &witness.policy(&vkey, true),
        )?;
        let config = dir.join("dev.toml");
        let chosen = read(&config)?;
        let asks = "\n[witness]\npolicy_file = \"../witness.policy\"\n";
        write(&config, &format!("{chosen}{asks}"))?;
        let hub = self.stage.hub(&dir).await?;
        self.story.say(&format!(
            "hub      `affiant serve` at {}, log {}",
            hub.ingest, hub.name
        ))?;
        self.story.say(&format!(
            "witness  `affiant witness serve` at {}, asked to cosign what that log signs",
            witness.address
        ))?;
        Ok(Away {
            relay: Relay::start(hub.ingest.clone()).await?,
            source: source_vkey.split('+').next().unwrap_or_default().to_owned(),
            log: hub.name.clone(),
            hub: Some(hub),
            dir,
            trust,
            _witness: witness,
        })
    }

    async fn enrol(&mut self, away: &Away) -> Told<()> {
        let root = self.stage.data.root().to_owned();
        let url = format!("https://{}", away.relay.address);
        self.enrol_at(&away.dir, &url, &root).await?;
        self.story.say(&format!(
            "edge     `affiant enroll` with a one-time token: source {}, a certificate for a day",
            away.source
        ))
    }

    /// `affiant token new`, then `affiant enroll`.
    pub(super) async fn enrol_at(&mut self, hub: &Path, url: &str, edge: &Path) -> Told<()> {
        let args: [&OsStr; 4] = [
            "token".as_ref(),
            "new".as_ref(),
            "--data-dir".as_ref(),
            hub.as_ref(),
        ];
        let token = self.stage.run(&args).await?.expect(0)?.stdout;
        let args: [&OsStr; 6] = [
            "enroll".as_ref(),
            url.as_ref(),
            "--token".as_ref(),
            "-".as_ref(),
            "--data-dir".as_ref(),
            edge.as_ref(),
        ];
        self.stage.run_with(&token, &args).await?.expect(0)?;
        Ok(())
    }

    async fn shipped(&mut self, away: &Away) -> Told<()> {
        let told = self.ship_once().await?;
        let ledger = self.each_call_once(away).await?;
        let (entries, seals) = ledger.of(&away.source);
        self.summary.entries_in_log = entries;
        if told != entries || self.frames_waiting().await? > 0 {
            let expected = format!("{told} entries of {} in the log", away.source);
            return Err(broken(&expected, count(entries)));
        }
        let remembered = self.remembered()?;
        self.story.say(&format!(
            "`affiant spool ship`: {} under {} arrived. Each seal came back with a receipt, which the edge \
             verified under the log's checkpoint of {}.",
            plural(entries, "entry", "entries"),
            plural(seals, "seal", "seals"),
            plural(remembered, "leaf", "leaves")
        ))
    }

    /// `affiant spool ship --once`; how many entries were acknowledged.
    pub(super) async fn ship_once(&mut self) -> Told<u64> {
        let root = self.stage.data.root().to_owned();
        let ran = self.stage.run(&ship_args(&root)).await?.expect(0)?;
        let mut lines = ran.stderr.lines();
        let told = lines.find(|line| line.ends_with("shipped and acknowledged"));
        let number = told.and_then(|line| line.split(' ').next());
        let digits = number.map(|number| number.replace(',', ""));
        let shipped = digits.and_then(|digits| digits.parse().ok());
        shipped.ok_or_else(|| broken("a number of entries shipped", ran.stderr.trim()))
    }

    /// Frames without a receipt, in all spools.
    pub(super) async fn frames_waiting(&mut self) -> Told<u64> {
        let root = self.stage.data.root().to_owned();
        let args: [&OsStr; 6] = [
            "spool".as_ref(),
            "ls".as_ref(),
            "--format".as_ref(),
            "json".as_ref(),
            "--data-dir".as_ref(),
            root.as_ref(),
        ];
        let ran = self.stage.run(&args).await?.expect(0)?;
        let spools = ran.stdout.lines().map(serde_json::from_str::<Value>);
        let pending = spools.map(|spool| {
            let spool = spool.map_err(|error| broken("spools as JSON", error.to_string()))?;
            Ok::<u64, ExpectedError>(spool.get("pending").and_then(Value::as_u64).unwrap_or(0))
        });
        pending.sum()
    }

    /// Leaves of the checkpoint that the edge remembers.
    pub(super) fn remembered(&self) -> Told<u64> {
        let note = read(&checkpoint_path(&self.stage.data))?;
        let size = note.lines().nth(1).and_then(|line| line.parse().ok());
        size.ok_or_else(|| broken("a remembered checkpoint", note))
    }

    /// Starts an aggregator on a data directory, where the edge finds it.
    pub(super) async fn start_hub(&self, away: &mut Away, dir: &Path) -> Told<()> {
        away.hub = Some(self.stage.hub(dir).await?);
        Ok(())
    }

    /// Notes the calls that ended, before shipping gives their room back.
    pub(super) fn note_calls(&mut self) -> Told<()> {
        let rows = evidence::read(&self.stage.data)?;
        let ids = evidence::ends(&rows).filter_map(|row| row.entry.header().call);
        self.calls.extend(ids.map(|id| id.to_string()));
        self.summary.calls_recorded = len(self.calls.len());
        if self.summary.calls_recorded != self.summary.calls_made {
            let expected = format!("{} calls", self.summary.calls_made);
            return Err(broken(&expected, count(self.summary.calls_recorded)));
        }
        Ok(())
    }

    /// Every call that was made stands in the log, and stands there once.
    pub(super) async fn each_call_once(&mut self, away: &Away) -> Told<Ledger> {
        let ledger = Ledger::read(&self.stage, &away.dir).await?;
        let calls: &BTreeSet<String> = &self.calls;
        if let Some(call) = calls.iter().find(|call| ledger.times(call) != 1) {
            let found = format!("{} times", ledger.times(call));
            return Err(broken(&format!("call {call} in the log once"), found));
        }
        self.summary.calls_in_log = len(calls.len());
        Ok(ledger)
    }

    /// `affiant verify` of the hub's log, by the trust file. Says what it came to.
    pub(super) async fn hub_verified(&mut self, away: &Away, after: Option<&str>) -> Told<()> {
        cosigned(&away.dir).await?;
        let ran = self.stage.run(&verify_args(&away.trust, &away.dir)).await?;
        let outcome = ran.expect(0)?.json()?;
        let number = |pointer| {
            outcome
                .pointer(pointer)
                .and_then(Value::as_u64)
                .unwrap_or(0)
        };
        self.summary.verify_log = outcome
            .get("answer")
            .and_then(Value::as_str)
            .map(str::to_owned);
        self.summary.log_leaves = number("/checkpoint/size");
        if outcome.pointer("/checkpoint/cosigned/0").is_none() {
            return Err(broken("a cosigned checkpoint", "none"));
        }
        let mark = self.story.paint().green("✓");
        self.story.say(&format!(
            "{mark} `affiant verify` of the log{}, trusting the keys of log, witness and source: ok. {}: {} \
             under {}; cosigned by the witness.",
            after.unwrap_or_default(),
            plural(number("/checkpoint/size"), "leaf", "leaves"),
            plural(number("/log/counts/entries"), "entry", "entries"),
            plural(number("/log/counts/seals"), "seal", "seals"),
        ))
    }
}

/// Waits until the newest checkpoint is cosigned: the witness is asked once a second.
async fn cosigned(hub: &Path) -> Told<()> {
    let path = hub.join("log/checkpoint");
    let look = async {
        while read(&path)?
            .lines()
            .filter(|line| line.starts_with('—'))
            .count()
            < 2
        {
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    };
    in_time("a cosigned checkpoint", look).await?
}

pub(super) fn ship_args(edge: &Path) -> [&OsStr; 5] {
    [
        "spool".as_ref(),
        "ship".as_ref(),
        "--once".as_ref(),
        "--data-dir".as_ref(),
        edge.as_ref(),
    ]
}

pub(super) fn verify_args<'a>(trust: &'a Path, target: &'a Path) -> [&'a OsStr; 6] {
    [
        "verify".as_ref(),
        "--format".as_ref(),
        "json".as_ref(),
        "--trust".as_ref(),
        trust.as_ref(),
        target.as_ref(),
    ]
}

pub(super) fn write(path: &Path, text: &str) -> Told<()> {
    fs::write(path, text).map_err(|e| ExpectedError::storage(&e))
}
