//! The members of an entry that columns are made of (`docs/spec/entry.md`, `docs/spec/leaf-kinds.md`).
//!
//! Read leniently: the strict reader of `affiant-entry` has been here before, and what is not of the
//! type the page says is NULL.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::scalar::Scalar;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Session<'a> {
    #[serde(borrow)]
    pub(super) id: Scalar<'a>,
    #[serde(borrow)]
    pub(super) origin: Scalar<'a>,
    #[serde(borrow)]
    pub(super) turn: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Agent<'a> {
    #[serde(borrow)]
    pub(super) role: Scalar<'a>,
    #[serde(borrow)]
    pub(super) user: Scalar<'a>,
    #[serde(borrow)]
    pub(super) token: Scalar<'a>,
    #[serde(borrow)]
    pub(super) client: Scalar<'a>,
    #[serde(borrow)]
    pub(super) verified: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Server<'a> {
    #[serde(borrow)]
    pub(super) id: Scalar<'a>,
    #[serde(borrow)]
    pub(super) name: Scalar<'a>,
    #[serde(borrow)]
    pub(super) version: Scalar<'a>,
    #[serde(borrow)]
    pub(super) protocol: Scalar<'a>,
    #[serde(borrow)]
    pub(super) transport: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Tool<'a> {
    #[serde(borrow)]
    pub(super) name: Scalar<'a>,
    #[serde(borrow)]
    pub(super) in_manifest: Scalar<'a>,
    #[serde(borrow)]
    pub(super) manifest: Scalar<'a>,
}

/// `input` where it is not a value: `blob`, `withheld` or `absent`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Elsewhere<'a> {
    #[serde(borrow)]
    pub(super) blob: Scalar<'a>,
    #[serde(borrow)]
    pub(super) withheld: Scalar<'a>,
    #[serde(borrow)]
    pub(super) absent: Scalar<'a>,
    #[serde(borrow)]
    pub(super) bytes: Scalar<'a>,
    #[serde(borrow)]
    pub(super) commit: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) code: Scalar<'a>,
    #[serde(borrow)]
    pub(super) reason: Scalar<'a>,
    #[serde(borrow)]
    pub(super) rpc_code: Scalar<'a>,
    #[serde(borrow)]
    pub(super) http_status: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) bytes: Scalar<'a>,
    #[serde(borrow)]
    pub(super) commit: Scalar<'a>,
    #[serde(borrow)]
    pub(super) absent: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Classification<'a> {
    #[serde(borrow)]
    pub(super) level: Scalar<'a>,
    #[serde(borrow)]
    pub(super) rule: Scalar<'a>,
    #[serde(borrow)]
    pub(super) absent: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Policy<'a> {
    #[serde(borrow)]
    pub(super) decision: Scalar<'a>,
    #[serde(borrow)]
    pub(super) mode: Scalar<'a>,
    #[serde(borrow)]
    pub(super) set: Scalar<'a>,
    #[serde(borrow)]
    pub(super) evaluated: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) absent: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Correlation<'a> {
    #[serde(borrow)]
    pub(super) id: Scalar<'a>,
    #[serde(borrow)]
    pub(super) origin: Scalar<'a>,
    #[serde(borrow)]
    pub(super) traceparent: Scalar<'a>,
    #[serde(borrow)]
    pub(super) request_id: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Chain<'a> {
    #[serde(borrow)]
    pub(super) first: Scalar<'a>,
    #[serde(borrow)]
    pub(super) round: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ClosedBy<'a> {
    #[serde(borrow)]
    pub(super) boot: Scalar<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Import<'a> {
    #[serde(borrow)]
    pub(super) door: Scalar<'a>,
    #[serde(borrow)]
    pub(super) format: Scalar<'a>,
}

/// What entries that are no call say of session, server and client.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Around<'a> {
    #[serde(borrow)]
    pub(super) id: Scalar<'a>,
    #[serde(borrow)]
    pub(super) origin: Scalar<'a>,
    #[serde(borrow)]
    pub(super) session: Scalar<'a>,
    #[serde(borrow)]
    pub(super) server: Scalar<'a>,
    #[serde(borrow)]
    pub(super) client: Scalar<'a>,
    #[serde(borrow)]
    pub(super) protocol: Scalar<'a>,
    #[serde(borrow)]
    pub(super) transport: Scalar<'a>,
    #[serde(borrow)]
    pub(super) token: Scalar<'a>,
}

/// A member, or its default where it is not there or not an object.
pub(super) fn read<'a, T: Default + Deserialize<'a>>(raw: Option<&'a str>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw).ok())
        .unwrap_or_default()
}
