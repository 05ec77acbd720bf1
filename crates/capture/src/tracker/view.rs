//! What a message and its headers say, read out of their raw spelling.

use std::borrow::Cow;
use std::collections::BTreeMap;

use affiant_entry::CommitKey;
use affiant_entry::limits::{NAME_BYTES_MAX, clip};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Seen;
use super::revision::{Era, Revision};
use super::session::{Implementation, Likeness, Name, baggage_session};
use super::via::{StreamKind, Via};
use crate::scan::Slot;

/// What a request says of the protocol it speaks.
#[derive(Debug, Clone)]
pub(super) struct Speech {
    /// The revision in `params._meta`.
    pub(super) revision: Option<Revision>,
    pub(super) era: Era,
    /// The client's `name/version` in `params._meta`.
    pub(super) client: Option<String>,
}

impl Speech {
    pub(super) fn of(via: &Via, message: &Seen) -> Self {
        let revision = message
            .text(Slot::ParamsMetaProtocolVersion)
            .map(|text| Revision::new(&text));
        let header = via.headers.protocol_version.as_deref().map(Revision::new);
        let era = revision
            .as_ref()
            .or(header.as_ref())
            .map_or(Era::Legacy, Revision::era);
        let client = message
            .raw(Slot::ParamsMetaClientInfo)
            .and_then(client_name);
        Self {
            revision,
            era,
            client,
        }
    }
}

/// The home of a message that came this way. A modern server takes no notice of `Mcp-Session-Id`.
pub(super) fn home_name(via: &Via, era: Era, client: Option<&str>, key: &CommitKey) -> Name {
    let headers = &via.headers;
    match via.stream {
        StreamKind::Stdio => return Name::Process,
        StreamKind::SseGet | StreamKind::SsePost => {
            if let Some(endpoint) = &via.sse_endpoint {
                return Name::Endpoint(bounded(endpoint, key));
            }
        }
        StreamKind::Post | StreamKind::Get => {
            if let (Some(id), Era::Legacy) = (&headers.session_id, era) {
                return Name::Header(bounded(id, key));
            }
        }
    }
    Name::Inferred(Box::new(Likeness {
        token: headers
            .token
            .as_ref()
            .map(|token| token.as_str().to_owned()),
        client_address: headers
            .client_address
            .as_deref()
            .map(|text| bounded(text, key)),
        user_agent: headers.user_agent.as_deref().map(|text| bounded(text, key)),
        client: client.map(str::to_owned),
    }))
}

/// The session the client itself names in a request, where the transport has none of its own: a
/// configured `_meta` key, else W3C baggage in `_meta`, else in the header.
pub(super) fn named_session(
    via: &Via,
    message: &Seen,
    meta_keys: &[String],
    key: &CommitKey,
) -> Option<Name> {
    if let Some(id) = meta_session(message, meta_keys) {
        return Some(Name::Meta(bounded(&id, key)));
    }
    let in_meta = message
        .text(Slot::ParamsMetaBaggage)
        .and_then(|baggage| baggage_session(&baggage));
    let id = in_meta.or_else(|| baggage_session(via.headers.baggage.as_deref()?))?;
    Some(Name::Baggage(bounded(&id, key)))
}

fn meta_session(message: &Seen, keys: &[String]) -> Option<String> {
    if keys.is_empty() {
        return None;
    }
    let meta = object(message.raw(Slot::ParamsMeta)?)?;
    keys.iter().find_map(|key| match meta.get(key.as_str())? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    })
}

/// SEP-2817: the client's own turn id.
pub(super) fn turn(message: &Seen) -> Option<String> {
    const KEY: &str = "io.modelcontextprotocol/aiInvocation";
    let raw = message.raw(Slot::ParamsMeta)?;
    memchr::memmem::find(raw, b"aiInvocation")?;
    let turn = object(raw)?
        .get(KEY)?
        .get("turnId")?
        .as_str()
        .map(|turn| clip(turn, NAME_BYTES_MAX))?;
    (!turn.is_empty()).then_some(turn)
}

/// A text that names something in a table: as it is, or a keyed commitment to it when it is longer
/// than an entry keeps, so that different names stay different.
pub(super) fn bounded(text: &str, key: &CommitKey) -> String {
    if text.len() <= NAME_BYTES_MAX {
        text.to_owned()
    } else {
        key.commit("identifier", text.as_bytes())
            .as_str()
            .to_owned()
    }
}

/// `name/version` of a raw `clientInfo`.
pub(super) fn client_name(raw: &[u8]) -> Option<String> {
    let info = implementation(raw)?;
    let text = match (info.name?, info.version) {
        (name, Some(version)) => format!("{name}/{version}"),
        (name, None) => name,
    };
    Some(clip(&text, NAME_BYTES_MAX))
}

/// A raw `serverInfo` or `clientInfo`; `None` when it names nothing.
pub(super) fn implementation(raw: &[u8]) -> Option<Implementation> {
    let info = object(raw)?;
    let text = |key: &str| {
        Some(clip(info.get(key)?.as_str()?, NAME_BYTES_MAX)).filter(|text| !text.is_empty())
    };
    let implementation = Implementation {
        name: text("name"),
        version: text("version"),
    };
    (implementation != Implementation::default()).then_some(implementation)
}

/// `ttl` of a raw 2025-11-25 task, milliseconds.
pub(super) fn task_ttl_ms(raw: &[u8]) -> Option<u64> {
    object(raw)?.get("ttl")?.as_u64()
}

fn object(raw: &[u8]) -> Option<Value> {
    serde_json::from_str(&String::from_utf8_lossy(raw))
        .ok()
        .filter(Value::is_object)
}

/// The tool's name and its raw definition for each element of a raw array of objects; `None` when it
/// is no such array. Of several names the last counts, as for most readers.
pub(super) fn tools(raw: &[u8]) -> Option<Vec<(String, &RawValue)>> {
    let list: Vec<&RawValue> = serde_json::from_slice(raw).ok()?;
    let named = list.into_iter().map(|tool| {
        let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(tool.get()).ok()?;
        let name = serde_json::from_str(members.get("name")?.get()).ok()?;
        Some((name, tool))
    });
    named.collect()
}

/// The trace id of a valid W3C `traceparent`.
pub(super) fn trace_id(traceparent: &str) -> Option<&str> {
    let hex = |text: &str, digits: usize| {
        text.len() == digits
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let nonzero = |text: &str| text.bytes().any(|byte| byte != b'0');
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let more = parts.next().is_some();
    let known = hex(version, 2) && version != "ff" && !(version == "00" && more);
    let valid = known
        && hex(trace, 32)
        && nonzero(trace)
        && hex(parent, 16)
        && nonzero(parent)
        && hex(flags, 2);
    valid.then_some(trace)
}

/// The first header of a request that says other than its body: its name.
pub(super) fn header_mismatch(via: &Via, message: &Seen) -> Option<&'static str> {
    let headers = &via.headers;
    let differs = |header: &Option<String>, body: Option<&str>| {
        header
            .as_deref()
            .is_some_and(|header| decoded_header(header).as_deref() != body)
    };
    let method = message.method.as_deref();
    if differs(&headers.mcp_method, method) {
        return Some("mcp-method");
    }
    let named = match method.unwrap_or_default() {
        "tools/call" | "prompts/get" => Some(Slot::ParamsName),
        "resources/read" => Some(Slot::ParamsUri),
        other if other.starts_with("tasks/") => Some(Slot::ParamsTaskId),
        _ => None,
    };
    if let Some(slot) = named
        && differs(&headers.mcp_name, message.text(slot).as_deref())
    {
        return Some("mcp-name");
    }
    let version = message.text(Slot::ParamsMetaProtocolVersion)?;
    differs(&headers.protocol_version, Some(&version)).then_some("mcp-protocol-version")
}

/// Undoes `=?base64?…?=`; `None` when what is between the marks is no base64 of UTF-8.
fn decoded_header(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim_matches([' ', '\t']);
    let Some(inner) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(Cow::Borrowed(value));
    };
    String::from_utf8(STANDARD.decode(inner).ok()?)
        .ok()
        .map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_names_a_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let valid = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(trace_id(&valid), Some(trace));
        assert_eq!(
            trace_id(&format!("cc-{trace}-00f067aa0ba902b7-01-later")),
            Some(trace)
        );
        for bad in [
            format!("ff-{trace}-00f067aa0ba902b7-01"),
            format!("00-{trace}-00f067aa0ba902b7-01-more"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
            format!("00-{trace}-00f067aa0ba902b7"),
            String::new(),
        ] {
            assert_eq!(trace_id(&bad), None, "{bad}");
        }
    }

    #[test]
    fn header_values_are_decoded_only_between_exact_marks() {
        assert_eq!(decoded_header(" add ").as_deref(), Some("add"));
        assert_eq!(
            decoded_header("=?base64?Y2Fmw6k=?=").as_deref(),
            Some("café")
        );
        assert_eq!(decoded_header("=?base64?!!?="), None);
        assert_eq!(
            decoded_header("=?BASE64?Y2Fmw6k=?=").as_deref(),
            Some("=?BASE64?Y2Fmw6k=?=")
        );
    }

    #[test]
    fn a_client_is_its_name_and_version() {
        assert_eq!(
            client_name(br#"{"name":"c","version":"1"}"#).as_deref(),
            Some("c/1")
        );
        assert_eq!(client_name(br#"{"name":"c"}"#).as_deref(), Some("c"));
        assert_eq!(client_name(br#"{"version":"1"}"#), None);
        assert_eq!(client_name(b"[]"), None);
    }
}
