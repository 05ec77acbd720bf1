//! What the judge reads inside an entry, beyond its header.

use std::borrow::Cow;
use std::error::Error;

use serde::Deserialize;

use super::finding::Fault;
use super::group::Effect;
use super::report::Coverage;
use crate::completeness::Completeness;
use crate::decode::{Decoded, Kind};
use crate::ids::{BootId, SealNumber};
use crate::limits::clip;

/// The members of `boot_info` that tie a boot into its chain.
#[derive(Deserialize)]
pub(super) struct BootInfo<'a> {
    pub(super) spool: String,
    pub(super) key: String,
    #[serde(default)]
    pub(super) rotation: Option<String>,
    #[serde(borrow)]
    previous: &'a serde_json::value::RawValue,
}

/// The last seal of the boot before.
#[derive(Deserialize)]
pub(super) struct Previous {
    pub(super) boot: BootId,
    pub(super) seal: SealNumber,
    pub(super) hash: String,
}

#[derive(Deserialize)]
struct Absent<'a> {
    #[serde(borrow)]
    #[serde(rename = "absent")]
    _reason: Cow<'a, str>,
}

impl<'a> BootInfo<'a> {
    pub(super) fn of(boot: &'a Decoded) -> Option<Self> {
        serde_json::from_str(boot.member("boot_info")?).ok()
    }

    /// The seal named, `Some(None)` if explicitly none, `None` if neither can be read.
    #[expect(
        clippy::option_option,
        reason = "present, absent and malformed are three"
    )]
    pub(super) fn previous(&self) -> Option<Option<Previous>> {
        let raw = self.previous.get();
        let absent = serde_json::from_str::<Absent<'_>>(raw).is_ok();
        if absent {
            Some(None)
        } else {
            serde_json::from_str(raw).ok().map(Some)
        }
    }
}

/// What an entry does to the chain's state.
pub(super) fn effect_of(entry: &Decoded, coverage: &mut Coverage) -> Effect {
    let header = entry.header();
    match (&header.kind, header.call) {
        (Kind::Boot, _) => Effect::Boot,
        (Kind::Stop, _) => Effect::Stop,
        (Kind::Anomaly, _) => Effect::Anomaly,
        (Kind::Gap, _) => gap(entry),
        (Kind::CallBegin, Some(call)) => Effect::Begin(call),
        (Kind::CallEnd, Some(call)) => {
            let fields = Completeness::of(entry);
            let missing = fields.iter().flat_map(Completeness::missing).collect();
            if let Some(fields) = &fields {
                coverage.add(fields);
            }
            let reclosed = entry.member("closed_by").is_some();
            Effect::End {
                call,
                reclosed,
                outcome_unknown: outcome_unknown(entry),
                missing,
            }
        }
        (
            Kind::CallBegin
            | Kind::CallEnd
            | Kind::CallTask
            | Kind::Heartbeat
            | Kind::Session
            | Kind::Manifest
            | Kind::AuthFailure
            | Kind::Seal
            | Kind::Log(_)
            | Kind::Unknown(_),
            _,
        ) => Effect::Other,
    }
}

fn outcome_unknown(end: &Decoded) -> bool {
    #[derive(Deserialize)]
    struct Status<'a> {
        #[serde(borrow)]
        reason: Cow<'a, str>,
    }
    let status = end
        .member("status")
        .and_then(|raw| serde_json::from_str::<Status<'_>>(raw).ok());
    status.is_some_and(|status| status.reason == "outcome-unknown")
}

fn gap(entry: &Decoded) -> Effect {
    let body = entry.pointer("/gap").unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(|value| value.as_str());
    let number = |name: &str| body.get(name).and_then(serde_json::Value::as_u64);
    let reason = text("reason").unwrap_or("no reason given");
    let since = text("since").map(|since| clip(since, 40));
    let entries_lost = number("entries_lost");
    // Calls that were refused never happened: said, but no loss. Nor is a gap that ended before
    // anything was lost.
    let refused = reason == "refused-calls" || number("calls") == Some(0);
    if refused && entries_lost == Some(0) {
        return Effect::HarmlessGap { since };
    }
    let begins = entries_lost.is_none() && text("until").is_none();
    let fault = Fault::Gap {
        reason: clip(reason, 80),
        entries_lost,
    };
    match since {
        Some(since) if begins => Effect::GapBegins { fault, since },
        since => Effect::Gap { fault, since },
    }
}

/// An error with its causes, in one line.
pub(super) fn spell(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    clip(&text, 400)
}
