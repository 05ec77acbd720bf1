//! OTLP as JSON: lower camel case, 64-bit integers as strings, ids in hexadecimal.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::draft::{Context, Verdict};
use super::super::fields::Fields;
use super::record::OtelRecord;
use super::{Malformed, Signal};

pub(super) fn read(
    signal: Signal,
    bytes: &[u8],
    context: Context<'_>,
    each: &mut dyn FnMut(Verdict),
) -> Result<(), Malformed> {
    let request: Export<'_> = parse_bytes(bytes)?;
    let resources = match signal {
        Signal::Logs => request.resource_logs,
        Signal::Spans => request.resource_spans,
    };
    for raw in resources.unwrap_or_default() {
        let group: ResourceGroup<'_> = parse(raw)?;
        let resource = attributes(group.resource.unwrap_or_default().attributes)?;
        let scopes = match signal {
            Signal::Logs => group.scope_logs,
            Signal::Spans => group.scope_spans,
        };
        for raw in scopes.unwrap_or_default() {
            let group: ScopeGroup<'_> = parse(raw)?;
            let scope = group.scope.and_then(|scope| scope.name).unwrap_or_default();
            let records = match signal {
                Signal::Logs => group.log_records,
                Signal::Spans => group.spans,
            };
            for raw in records.unwrap_or_default() {
                each(record(raw)?.verdict(signal, &resource, &scope, context));
            }
        }
    }
    Ok(())
}

/// A span or a log record: their names do not collide.
fn record(raw: &RawValue) -> Result<OtelRecord<'_>, Malformed> {
    let item: Item<'_> = parse(raw)?;
    let status = item.status.unwrap_or_default();
    let start_ns = number(item.start_time_unix_nano)?;
    let time = number(item.time_unix_nano)?;
    let observed = number(item.observed_time_unix_nano)?;
    let end = number(item.end_time_unix_nano)?;
    Ok(OtelRecord {
        attributes: attributes(item.attributes)?,
        trace_id: item.trace_id.unwrap_or_default().to_ascii_lowercase(),
        span_id: item.span_id.unwrap_or_default().to_ascii_lowercase(),
        parent_span_id: item.parent_span_id.unwrap_or_default().to_ascii_lowercase(),
        kind: enumeration(
            item.kind,
            &["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"],
        ),
        start_ns,
        end_ns: [end, time, observed]
            .into_iter()
            .find(|ns| *ns > 0)
            .unwrap_or(0),
        status: enumeration(status.code, &["OK", "ERROR"]),
    })
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Malformed> {
    serde_json::from_str(raw.get()).map_err(|_| Malformed)
}

fn parse_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
    if !text.trim_start().starts_with('{') {
        return Err(Malformed);
    }
    serde_json::from_str(text).map_err(|_| Malformed)
}

/// A 64-bit number, spelled as a string or as a number.
fn number(raw: Option<&RawValue>) -> Result<u64, Malformed> {
    let Some(raw) = raw else { return Ok(0) };
    raw.get().trim_matches('"').parse().map_err(|_| Malformed)
}

/// An enumeration: the specification wants its number; some senders write its name.
fn enumeration(raw: Option<&RawValue>, names: &[&str]) -> i64 {
    let Some(raw) = raw.map(RawValue::get) else {
        return 0;
    };
    let named = || {
        let name = raw.trim_matches('"');
        let at = names
            .iter()
            .position(|each| name.ends_with(&format!("_{each}")))?;
        i64::try_from(at).ok()?.checked_add(1)
    };
    raw.parse().ok().or_else(named).unwrap_or(0)
}

fn attributes(pairs: Option<Vec<KeyValue<'_>>>) -> Result<Fields<'_>, Malformed> {
    let mut out = Fields::default();
    for pair in pairs.unwrap_or_default() {
        let mut json = String::new();
        pair.value.unwrap_or_default().write(&mut json)?;
        out.push(pair.key.unwrap_or_default(), json);
    }
    Ok(out)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    #[serde(borrow, default)]
    resource_spans: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    resource_logs: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceGroup<'a> {
    #[serde(borrow, default)]
    resource: Option<Resource<'a>>,
    #[serde(borrow, default)]
    scope_spans: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    scope_logs: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
struct Resource<'a> {
    #[serde(borrow, default)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeGroup<'a> {
    #[serde(default)]
    scope: Option<Scope>,
    #[serde(borrow, default)]
    spans: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    log_records: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Scope {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(default)]
    trace_id: Option<String>,
    #[serde(default)]
    span_id: Option<String>,
    #[serde(default)]
    parent_span_id: Option<String>,
    #[serde(borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    start_time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow, default)]
    end_time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow, default)]
    time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow, default)]
    observed_time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attributes: Option<Vec<KeyValue<'a>>>,
    #[serde(borrow, default)]
    status: Option<SpanStatus<'a>>,
}

#[derive(Deserialize, Default)]
struct SpanStatus<'a> {
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(default)]
    key: Option<String>,
    #[serde(borrow, default)]
    value: Option<AnyValue<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow, default)]
    string_value: Option<&'a RawValue>,
    #[serde(default)]
    bool_value: Option<bool>,
    #[serde(borrow, default)]
    int_value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    double_value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    bytes_value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    array_value: Option<ArrayValue<'a>>,
    #[serde(borrow, default)]
    kvlist_value: Option<KeyValueList<'a>>,
}

#[derive(Deserialize)]
struct ArrayValue<'a> {
    #[serde(borrow, default)]
    values: Option<Vec<AnyValue<'a>>>,
}

#[derive(Deserialize)]
struct KeyValueList<'a> {
    #[serde(borrow, default)]
    values: Option<Vec<KeyValue<'a>>>,
}

impl AnyValue<'_> {
    /// The value as plain JSON, strings in their own spelling.
    fn write(&self, out: &mut String) -> Result<(), Malformed> {
        if let Some(raw) = self.string_value.or(self.bytes_value) {
            if !raw.get().starts_with('"') {
                return Err(Malformed);
            }
            out.push_str(raw.get());
        } else if let Some(flag) = self.bool_value {
            out.push_str(if flag { "true" } else { "false" });
        } else if let Some(raw) = self.int_value {
            let number: i64 = raw.get().trim_matches('"').parse().map_err(|_| Malformed)?;
            out.push_str(&number.to_string());
        } else if let Some(raw) = self.double_value {
            // A number, or "NaN" and its like, which are strings.
            if !raw.get().starts_with(['"', '-'])
                && !raw.get().starts_with(|c: char| c.is_ascii_digit())
            {
                return Err(Malformed);
            }
            out.push_str(raw.get());
        } else if let Some(list) = &self.array_value {
            out.push('[');
            for (at, value) in list.values.iter().flatten().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                value.write(out)?;
            }
            out.push(']');
        } else if let Some(list) = &self.kvlist_value {
            out.push('{');
            for (at, pair) in list.values.iter().flatten().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&super::super::fields::quoted(
                    pair.key.as_deref().unwrap_or_default(),
                ));
                out.push(':');
                match &pair.value {
                    Some(value) => value.write(out)?,
                    None => out.push_str("null"),
                }
            }
            out.push('}');
        } else {
            out.push_str("null");
        }
        Ok(())
    }
}
