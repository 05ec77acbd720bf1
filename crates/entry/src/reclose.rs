//! Closing a call that a dead process left open.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::call::{Reason, Status, StatusCode};
use crate::decode::{Decoded, Kind};
use crate::ids::{BootId, Seq};
use crate::moment::Moment;
use crate::record::{Body, Record};
use crate::secret::{CommitKey, Commitment};

/// Members of a `call.begin` that a `call.end` carries on, in their order there.
const BEFORE_STATUS: [&str; 8] = [
    "session",
    "agent",
    "server",
    "tool",
    "input_form",
    "input",
    "redactions",
    "redactions_more",
];
const BEHIND_STATUS: [&str; 4] = ["classification", "policy", "correlation", "chain"];

/// Makes the record of a `call.end` with status `error`, reason `outcome-unknown`, out of an open
/// `call.begin`: its members as they are spelled there, without response and latency. `at` is the
/// moment of closing. `None` if the entry is not a `call.begin`.
#[must_use]
pub fn reclose(begin: &Decoded, at: Moment) -> Option<Record> {
    let call = begin.header().call?;
    let body = Body::CallReclosed(Box::new(Reclosed::of(begin)?));
    Some(Record {
        at,
        call: Some(call),
        body,
    })
}

/// What a `call.begin` says, to be said again by the `call.end` that recovery writes.
#[derive(Debug, Clone)]
pub struct Reclosed {
    pub(crate) begun: Moment,
    pub(crate) boot: BootId,
    pub(crate) seq: Seq,
    pub(crate) before: Vec<Carried>,
    pub(crate) behind: Vec<Carried>,
    pub(crate) withheld: Option<Withheld>,
}

/// A member carried over.
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    pub(crate) name: Cow<'static, str>,
    pub(crate) raw: Box<RawValue>,
}

/// An input that did not fit.
#[derive(Debug, Clone)]
pub(crate) struct Withheld {
    pub(crate) reason: &'static str,
    pub(crate) bytes: u64,
    pub(crate) commit: Commitment,
}

impl Reclosed {
    /// Takes over the members of a `call.begin`; `None` for an entry of another kind.
    #[must_use]
    pub fn of(begin: &Decoded) -> Option<Self> {
        let header = begin.header();
        if header.kind != Kind::CallBegin {
            return None;
        }
        let carry = |name: &&'static str| {
            let raw = RawValue::from_string(begin.member(name)?.to_owned()).ok()?;
            Some(Carried {
                name: Cow::Borrowed(name),
                raw,
            })
        };
        Some(Self {
            begun: header.at?,
            boot: header.boot,
            seq: header.seq?,
            before: BEFORE_STATUS.iter().filter_map(carry).collect(),
            behind: BEHIND_STATUS.iter().filter_map(carry).collect(),
            withheld: None,
        })
    }

    /// Leaves input and redactions out, with a commitment to the input as it stood in the begin
    /// (redacted), for a `call.end` that would be too long otherwise. Says so only once.
    pub fn withhold_input(&mut self, key: &CommitKey) {
        let input = self.before.iter().find(|member| member.name == "input");
        if self.withheld.is_none()
            && let Some(input) = input
        {
            let raw = input.raw.get();
            let bytes = u64::try_from(raw.len()).unwrap_or(u64::MAX);
            let commit = key.commit("input", raw.as_bytes());
            self.withheld = Some(Withheld {
                reason: "the entry would be too long",
                bytes,
                commit,
            });
            self.before.retain(|m| {
                !matches!(
                    m.name.as_ref(),
                    "input" | "input_form" | "redactions" | "redactions_more"
                )
            });
        }
    }

    pub(crate) const fn status() -> Status {
        Status::new(StatusCode::Error, Reason::OutcomeUnknown)
    }
}
