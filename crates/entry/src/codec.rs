//! The one producer of entry bytes.
//!
//! An entry is one line of compact JSON, UTF-8, without a newline; the order of its members is the
//! order of the structs here (`docs/spec/entry.md`). Nobody re-encodes an entry: readers keep bytes.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::call::{
    Agent, Call, Chain, Classification, Correlation, Ending, Input, InputForm, Policy, Redaction,
    Response, Server, Session, Status, Tool,
};
use crate::fact::Fact;
use crate::ids::{BootId, CallId, SealNumber, Seq, SourceId};
use crate::limits::ENTRY_BYTES_MAX;
use crate::moment::Moment;
use crate::reclose::{Reclosed, Withheld};
use crate::record::{Body, Import, Record};
use crate::secret::Commitment;

/// Version of the entry format.
pub const ENTRY_VERSION: u64 = 1;

/// Where a record stands in its chain.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// The source.
    pub source: &'a SourceId,
    /// The boot.
    pub boot: BootId,
    /// The number within the boot.
    pub seq: Seq,
}

/// The bytes of one entry, as they are hashed, stored and shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryBytes(Vec<u8>);

impl EntryBytes {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, owned.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// A record did not become an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It is longer than a leaf may be; the caller moves the input into a blob, or withholds it.
    #[error("entry of {bytes} bytes is longer than {ENTRY_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A bug in a type's `Serialize`.
    #[error("entry cannot be encoded")]
    Json(#[source] serde_json::Error),
}

/// Encodes a record at its place in the chain.
///
/// # Errors
/// [`EncodeError::TooLong`] beyond [`ENTRY_BYTES_MAX`].
pub fn encode(stamp: Stamp<'_>, record: &Record) -> Result<EntryBytes, EncodeError> {
    let head = Head {
        v: ENTRY_VERSION,
        kind: record.body.kind(),
        source: stamp.source,
        boot: stamp.boot,
        seq: stamp.seq,
        call: record.call,
        time: record.at.utc_us,
        mono_us: record.at.mono_us,
    };
    match &record.body {
        Body::CallBegin(call) => finish(&head.with_call(call, None)),
        Body::CallEnd(call, ending) => finish(&head.with_call(call, Some(ending))),
        Body::CallReclosed(reclosed) => finish(&ReclosedWire {
            head,
            closed_at: record.at,
            reclosed,
        }),
        Body::CallTask(task) => finish(&head.with("task", &**task)),
        Body::Boot(boot) => finish(&head.with("boot_info", &**boot)),
        Body::Stop(stop) => finish(&head.with("stop", stop)),
        Body::Heartbeat(beat) => finish(&head.with("heartbeat", beat)),
        Body::Gap(gap) => finish(&head.with("gap", gap)),
        Body::Session(info) => finish(&head.with("session_info", &**info)),
        Body::Manifest(manifest) => finish(&head.with("manifest", &**manifest)),
        Body::AuthFailure(failure) => finish(&head.with("auth_failure", failure)),
        Body::Anomaly(anomaly) => finish(&head.with("anomaly", anomaly)),
        Body::Key(key) => finish(&head.with("key", &**key)),
        Body::Roster(roster) => finish(&head.with("roster", &**roster)),
        Body::Fork(fork) => finish(&head.with("fork", &**fork)),
        Body::ChainGap(gap) => finish(&head.with("gap", &**gap)),
        Body::Quarantine(quarantine) => finish(&head.with("quarantine", &**quarantine)),
        Body::SourceSilent(silence) => finish(&head.with("silent", silence)),
        Body::SourceHeard(silence) => finish(&head.with("heard", silence)),
        Body::SourceUnrostered(unrostered) => finish(&head.with("unrostered", unrostered)),
        Body::Refusal(refusal) => finish(&head.with("refusal", refusal)),
        Body::CheckpointAnchor(anchor) => finish(&head.with("anchor", &**anchor)),
        Body::Prune(prune) => finish(&head.with("prune", prune)),
        Body::Erase(erase) => finish(&head.with("erase", erase)),
        Body::Context(context) => finish(&head.with("context", &**context)),
        Body::TrailRead(read) => finish(&head.with("read", &**read)),
        Body::CallImport(call, ending, import) => finish(&CallWire {
            import: Some(import),
            ..head.with_call(call, Some(ending))
        }),
    }
}

/// Encodes the entry that carries a seal's signed note. It takes no sequence number.
///
/// # Errors
/// As [`encode`].
pub fn encode_seal(
    source: &SourceId,
    boot: BootId,
    seal: SealNumber,
    note: &str,
) -> Result<EntryBytes, EncodeError> {
    finish(&SealWire {
        v: ENTRY_VERSION,
        kind: "seal",
        source,
        boot,
        seal,
        note,
    })
}

fn finish<T: Serialize>(wire: &T) -> Result<EntryBytes, EncodeError> {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, wire).map_err(EncodeError::Json)?;
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(EncodeError::TooLong { bytes: bytes.len() });
    }
    Ok(EntryBytes(bytes))
}

#[derive(Clone, Copy)]
struct Head<'a> {
    v: u64,
    kind: &'static str,
    source: &'a SourceId,
    boot: BootId,
    seq: Seq,
    call: Option<CallId>,
    time: i64,
    mono_us: u64,
}

impl<'a> Head<'a> {
    const fn with<T>(self, name: &'static str, body: &'a T) -> Plain<'a, T> {
        Plain {
            head: self,
            name,
            body,
        }
    }

    fn with_call(self, call: &'a Call, ending: Option<&'a Ending>) -> CallWire<'a> {
        let head = &call.head;
        CallWire {
            v: self.v,
            kind: self.kind,
            source: self.source,
            boot: self.boot,
            seq: self.seq,
            call: self.call,
            time: self.time,
            mono_us: self.mono_us,
            session: &head.session,
            agent: &head.agent,
            server: &head.server,
            tool: &head.tool,
            input_form: input_form(&call.input),
            input: InputWire(&call.input),
            redactions: &call.input.redactions,
            redactions_more: call.input.redactions_more,
            status: ending.map(|e| &e.status),
            response: ending.map(|e| &e.response),
            latency_us: ending.map(|e| &e.latency_us),
            classification: &head.classification,
            policy: &head.policy,
            correlation: &head.correlation,
            chain: head.chain.as_ref(),
            task: ending.and_then(|e| e.task.as_deref()),
            import: None,
        }
    }
}

/// Head members, then one member named after the kind.
struct Plain<'a, T> {
    head: Head<'a>,
    name: &'static str,
    body: &'a T,
}

impl<T: Serialize> Serialize for Plain<'_, T> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let h = &self.head;
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("v", &h.v)?;
        map.serialize_entry("kind", h.kind)?;
        map.serialize_entry("source", h.source)?;
        map.serialize_entry("boot", &h.boot)?;
        map.serialize_entry("seq", &h.seq)?;
        if let Some(call) = &h.call {
            map.serialize_entry("call", call)?;
        }
        map.serialize_entry("time", &crate::moment::rfc3339(h.time))?;
        map.serialize_entry("mono_us", &h.mono_us)?;
        map.serialize_entry(self.name, self.body)?;
        map.end()
    }
}

/// A `call.end` whose members are those of a `call.begin` in another boot.
struct ReclosedWire<'a> {
    head: Head<'a>,
    closed_at: Moment,
    reclosed: &'a Reclosed,
}

impl Serialize for ReclosedWire<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        #[derive(Serialize)]
        struct Begun {
            boot: BootId,
            seq: Seq,
        }
        #[derive(Serialize)]
        struct ClosedBy {
            boot: BootId,
            #[serde(serialize_with = "crate::moment::serialize_utc")]
            time: i64,
        }
        let (h, r) = (&self.head, self.reclosed);
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("v", &h.v)?;
        map.serialize_entry("kind", h.kind)?;
        map.serialize_entry("source", h.source)?;
        map.serialize_entry("boot", &h.boot)?;
        map.serialize_entry("seq", &h.seq)?;
        if let Some(call) = &h.call {
            map.serialize_entry("call", call)?;
        }
        map.serialize_entry("time", &crate::moment::rfc3339(r.begun.utc_us))?;
        map.serialize_entry("mono_us", &r.begun.mono_us)?;
        for member in &r.before {
            map.serialize_entry(&member.name, &member.raw)?;
        }
        if let Some(Withheld {
            reason,
            bytes,
            commit,
        }) = &r.withheld
        {
            map.serialize_entry("input_form", "withheld")?;
            map.serialize_entry(
                "input",
                &WithheldWire {
                    withheld: reason,
                    bytes: *bytes,
                    commit,
                },
            )?;
            map.serialize_entry::<_, [Redaction]>("redactions", &[])?;
        }
        map.serialize_entry("status", &Reclosed::status())?;
        map.serialize_entry("response", &Fact::<Response>::absent(NO_RESPONSE_SEEN))?;
        map.serialize_entry("latency_us", &Fact::<u64>::absent(NO_RESPONSE_SEEN))?;
        for member in &r.behind {
            map.serialize_entry(&member.name, &member.raw)?;
        }
        map.serialize_entry(
            "begun",
            &Begun {
                boot: r.boot,
                seq: r.seq,
            },
        )?;
        map.serialize_entry(
            "closed_by",
            &ClosedBy {
                boot: h.boot,
                time: self.closed_at.utc_us,
            },
        )?;
        map.end()
    }
}

/// Why a call that recovery closed has no response and no latency.
const NO_RESPONSE_SEEN: &str = "recorder died before a response";

#[derive(Serialize)]
struct WithheldWire<'a> {
    withheld: &'a str,
    bytes: u64,
    commit: &'a Commitment,
}

#[derive(Serialize)]
struct CallWire<'a> {
    v: u64,
    kind: &'static str,
    source: &'a SourceId,
    boot: BootId,
    seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<CallId>,
    #[serde(serialize_with = "crate::moment::serialize_utc")]
    time: i64,
    mono_us: u64,
    session: &'a Session,
    agent: &'a Agent,
    server: &'a Server,
    tool: &'a Tool,
    input_form: &'static str,
    input: InputWire<'a>,
    redactions: &'a [Redaction],
    #[serde(skip_serializing_if = "is_zero")]
    redactions_more: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a Fact<Response>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<&'a Fact<u64>>,
    classification: &'a Fact<Classification>,
    policy: &'a Fact<Policy>,
    correlation: &'a Correlation,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<&'a Chain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<&'a Import>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

const fn input_form(input: &Input) -> &'static str {
    match &input.form {
        InputForm::Value(_) => "value",
        InputForm::Absent(_) => "absent",
        InputForm::Blob { .. } => "blob",
        InputForm::Withheld { .. } => "withheld",
    }
}

struct InputWire<'a>(&'a Input);

impl Serialize for InputWire<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Absent<'a> {
            absent: &'a str,
        }
        #[derive(Serialize)]
        struct Blob<'a> {
            blob: &'a str,
            bytes: u64,
            commit: &'a Commitment,
        }
        match &self.0.form {
            InputForm::Value(raw) => <RawValue as Serialize>::serialize(raw, s),
            InputForm::Absent(absent) => Absent { absent }.serialize(s),
            InputForm::Blob { id, bytes, commit } => Blob {
                blob: id,
                bytes: *bytes,
                commit,
            }
            .serialize(s),
            InputForm::Withheld {
                reason,
                bytes,
                commit,
            } => WithheldWire {
                withheld: reason,
                bytes: *bytes,
                commit,
            }
            .serialize(s),
        }
    }
}

#[derive(Serialize)]
struct SealWire<'a> {
    v: u64,
    kind: &'static str,
    source: &'a SourceId,
    boot: BootId,
    seal: SealNumber,
    note: &'a str,
}
