//! The operator turns the log back, and who notices.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use super::hub::read;
use super::script;
use super::shipping::{Away, ship_args, verify_args, write};
use super::{Client, Demo, Told, broken, count, open_stdio, plural};
use crate::printer::clean;

/// The source that another history is made of.
const STRANGER: &str = "stranger";
/// Exit code where a key or log is not trusted.
const UNTRUSTED: i32 = 4;

impl Demo<'_> {
    pub(super) async fn turned_back(&mut self, mut away: Away) -> Told<()> {
        self.title("And if the operator turns the log back?")?;
        away.stop_hub().await?;
        // One more call, so that the edge has something to ship.
        away.relay.cut();
        self.restarted().await?;
        self.note_calls()?;
        let old = self.stage.props().join("hub-old");
        self.story.say(
            "The hub is started on a copy from before the outage, with the same key at the same address.",
        )?;
        let leaves = self.witness_refuses(&old).await?;
        self.edge_refuses(&mut away, &old, leaves).await?;
        self.verifier_refuses(&away, &old).await?;
        self.put_right(&mut away).await
    }

    /// The copy asks the witness, as its configuration says. Gives back how many leaves it has.
    async fn witness_refuses(&mut self, old: &Path) -> Told<u64> {
        let process = self.stage.hub_process(old)?;
        let ahead = process.objected().await?;
        process.kill().await?;
        if ahead.cosigned <= ahead.shown {
            return Err(broken(
                "a witness that knows a larger tree",
                format!("{ahead:?}"),
            ));
        }
        self.summary.witness_refused = true;
        let mark = self.story.paint().red("✗");
        self.story.say(&format!(
            "{mark} The witness cosigned {}, is shown {}, and refuses (409). The hub does not go on.",
            plural(ahead.cosigned, "leaf", "leaves"),
            count(ahead.shown)
        ))?;
        Ok(ahead.shown)
    }

    /// The copy goes on without the witness, and grows past what the edge remembers.
    async fn edge_refuses(&mut self, away: &mut Away, old: &Path, leaves: u64) -> Told<()> {
        let config = old.join("dev.toml");
        let text = read(&config)?;
        let without = text.split("\n[witness]").next().unwrap_or_default();
        write(&config, without)?;
        self.start_hub(away, old).await?;
        away.relay.heal();
        let edge = self.stage.data.root().to_owned();
        let missing = self.remembered()?.saturating_sub(leaves);
        self.another_history(away, old, missing).await?;
        let ran = self.stage.run(&ship_args(&edge)).await?.expect(UNTRUSTED)?;
        let why = ran.told("error: ")?.split(": ");
        let why = why.take(2).collect::<Vec<_>>().join(": ");
        self.summary.receipt_refused = true;
        let mark = self.story.paint().red("✗");
        self.story.say(&format!(
            "{mark} Without the witness, and grown past {} with another source's entries, it answers the edge. \
             The edge: {}. Nothing is released.",
            plural(self.remembered()?, "leaf", "leaves"),
            clean(&why)
        ))
    }

    /// Another source ships to the copy until it is longer than what the edge remembers.
    async fn another_history(&mut self, away: &Away, old: &Path, missing: u64) -> Told<()> {
        let data = self.stage.props().join(STRANGER);
        let args: [&OsStr; 6] = [
            "key".as_ref(),
            "new".as_ref(),
            "--source".as_ref(),
            STRANGER.as_ref(),
            "--data-dir".as_ref(),
            data.as_ref(),
        ];
        self.stage.run(&args).await?.expect(0)?;
        let url = format!("https://{}", away.relay.address);
        self.enrol_at(old, &url, &data).await?;
        let mut wrapped = self.stage.wrapped_in(&data)?;
        let mut client: Client = open_stdio(&mut wrapped).await?;
        // A call is at least two leaves.
        for _ in 0..=missing / 2 {
            client.call(&script::quick_call()).await?;
        }
        client.close().await?;
        wrapped.ended().await?;
        self.stage.run(&ship_args(&data)).await?.expect(0)?;
        Ok(())
    }

    /// Whoever verified the log before remembers it.
    async fn verifier_refuses(&mut self, away: &Away, old: &Path) -> Told<()> {
        let log = read(&away.dir.join("keys/log.vkey"))?;
        let trust = self.stage.props().join("log.vkey");
        write(&trust, &log)?;
        let ran = self.stage.run(&verify_args(&trust, old)).await?.expect(1)?;
        let outcome = ran.json()?;
        self.summary.verify_turned_back = outcome
            .get("answer")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let faults = ["/faults/0/text", "/log/findings/0/fault/text"];
        let mut faults = faults.iter().filter_map(|at| outcome.pointer(at)?.as_str());
        let fault = faults.next().ok_or_else(|| broken("a fault", "none"))?;
        let mark = self.story.paint().red("✗");
        self.story.say(&format!(
            "{mark} `affiant verify`, which remembers the log from above: no ({})",
            clean(fault)
        ))
    }

    /// The right log again: it has everything, and takes what waited.
    async fn put_right(&mut self, away: &mut Away) -> Told<()> {
        away.stop_hub().await?;
        let dir = away.dir.clone();
        self.start_hub(away, &dir).await?;
        self.ship_once().await?;
        let (entries, _) = self.each_call_once(away).await?.of(&away.source);
        self.summary.entries_in_log = entries;
        self.story.say(&format!(
            "On the right log again, the edge ships on: all {} stand in it, each once.",
            plural(self.summary.calls_in_log, "call", "calls")
        ))?;
        away.stop_hub().await
    }
}
