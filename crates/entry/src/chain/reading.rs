//! What the judge reads inside an entry, beyond its header.

use std::borrow::Cow;
use std::error::Error;

use affiant_tlog::note::Note;
use serde::Deserialize;

use super::finding::Fault;
use super::group::Effect;
use super::report::Coverage;
use super::summary::Summary;
use crate::codec::encode_seal;
use crate::decode::{Decoded, Kind, Known, Members, Name};
use crate::ids::{BootId, SealNumber};
use crate::limits::clip;
use crate::seal::SealText;

/// The members of `boot_info` that tie a boot into its chain.
#[derive(Deserialize)]
pub(crate) struct BootInfo<'a> {
    pub(crate) spool: String,
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) rotation: Option<String>,
    #[serde(borrow)]
    previous: &'a serde_json::value::RawValue,
}

/// The last seal of the boot before.
#[derive(Deserialize)]
pub(crate) struct Previous {
    pub(crate) boot: BootId,
    pub(crate) seal: SealNumber,
    pub(crate) hash: String,
}

#[derive(Deserialize)]
struct Absent<'a> {
    #[serde(borrow)]
    #[serde(rename = "absent")]
    _reason: Cow<'a, str>,
}

impl<'a> BootInfo<'a> {
    pub(crate) fn of(boot: &'a Decoded) -> Option<Self> {
        serde_json::from_str(boot.member("boot_info")?).ok()
    }

    /// The seal named, `Some(None)` if explicitly none, `None` if neither can be read.
    #[expect(
        clippy::option_option,
        reason = "present, absent and malformed are three"
    )]
    pub(crate) fn previous(&self) -> Option<Option<Previous>> {
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
pub(super) fn effect_of(entry: &Summary, coverage: &mut Coverage) -> Effect {
    let header = entry.header();
    match (&header.kind, header.call) {
        (Kind::Boot, _) => Effect::Boot,
        (Kind::Stop, _) => Effect::Stop,
        (Kind::Anomaly, _) => Effect::Anomaly,
        (Kind::Gap, _) => entry.entry().map_or(Effect::Other, gap),
        (Kind::CallBegin, Some(call)) => Effect::Begin(call),
        (Kind::CallEnd, Some(call)) => {
            let Some(end) = entry.call_end() else {
                return Effect::Other;
            };
            coverage.count(end.fields);
            Effect::End {
                call,
                reclosed: end.reclosed,
                outcome_unknown: end.outcome_unknown,
                missing: end.fields.missing().collect(),
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

/// Whether a `call.end` says that nobody knows how the call ended.
pub(super) fn outcome_unknown(end: Members<'_>) -> bool {
    #[derive(Deserialize)]
    struct Status<'a> {
        #[serde(borrow)]
        reason: Cow<'a, str>,
    }
    const REASON: Name = Name::of("reason");
    let plainly = end
        .children(Known::Status)
        .and_then(|status| status.find(REASON))
        .filter(|reason| !reason.contains('\\'));
    if let Some(reason) = plainly {
        return reason == "\"outcome-unknown\"";
    }
    let status = end
        .known(Known::Status)
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

/// Note and text of a seal entry that is spelled as the codec spells it.
pub(crate) fn read_seal(entry: &Decoded) -> Result<(Note, SealText), String> {
    let header = entry.header();
    let (Some(seal), Some(note_text)) = (entry.seal(), entry.note()) else {
        return Err("`seal` or `note` cannot be read".to_owned());
    };
    let note = Note::parse(note_text.as_bytes()).map_err(|error| spell(&error))?;
    let text = SealText::parse(note.text()).map_err(|error| spell(&error))?;
    if text.source != header.source || text.boot != header.boot || text.seal != seal {
        return Err("entry and note name different sources, boots or seals".to_owned());
    }
    let signers = note.signatures();
    let one = signers.len() == 1
        && signers
            .iter()
            .all(|s| s.name().as_str() == text.source.as_str());
    if !one {
        return Err(
            "note does not have exactly one signature, by a key named after the source".to_owned(),
        );
    }
    // A seal entry is under no seal of its own: another spelling of it would go unnoticed until the
    // next seal.
    let spelled = encode_seal(&header.source, header.boot, seal, &note_text)
        .map_err(|error| spell(&error))?;
    if spelled.as_slice() != entry.bytes() {
        return Err("entry is not in its canonical spelling".to_owned());
    }
    Ok((note, text))
}

/// An error with its causes, in one line, clipped.
pub(crate) fn spell(error: &dyn Error) -> String {
    clip(&affiant_tlog::error_with_causes(error), 400)
}
