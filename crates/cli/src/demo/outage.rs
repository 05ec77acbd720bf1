//! The network is cut, calls go on, and it is healed.

use super::shipping::Away;
use super::{Client, Demo, Told, broken, open_stdio, plural, script, tamper};

impl Demo<'_> {
    /// Keeps a copy of the hub from before, for later.
    pub(super) async fn outage(&mut self, mut away: Away) -> Told<Away> {
        self.title("The network is cut, and healed")?;
        away.relay.cut();
        away.stop_hub().await?;
        let copy = self.stage.props().join("hub-old");
        tamper::copy_all(&away.dir, &copy)?;
        let dir = away.dir.clone();
        self.start_hub(&mut away, &dir).await?;
        let mut wrapped = self.stage.wrapped()?;
        let mut client: Client = open_stdio(&mut wrapped).await?;
        for call in script::outage_calls() {
            let answer = client.call(&call).await?;
            self.made(&call, &answer)?;
        }
        client.close().await?;
        wrapped.ended().await?;
        self.note_calls()?;
        let waiting = self.frames_waiting().await?;
        self.summary.frames_waited = waiting;
        if waiting == 0 {
            return Err(broken("entries that wait", "none"));
        }
        self.story.say(&format!(
            "No call waited for the network. {} in the spool: entries, and the seals over them.",
            plural(waiting, "frame waits", "frames wait")
        ))?;
        away.relay.heal();
        let shipped = self.ship_once().await?;
        let left = self.frames_waiting().await?;
        if left > 0 {
            return Err(broken(
                "nothing that waits",
                plural(left, "frame", "frames"),
            ));
        }
        let (entries, _) = self.each_call_once(&away).await?.of(&away.source);
        self.summary.entries_in_log = entries;
        self.story.say(&format!(
            "Healed: {} shipped. Each of the {} that were made stands in the log exactly once.",
            plural(shipped, "entry", "entries"),
            plural(self.summary.calls_in_log, "call", "calls")
        ))?;
        self.hub_verified(&away, Some(" again")).await?;
        Ok(away)
    }
}
