//! OTLP as protobuf: `opentelemetry.proto.{trace,logs}.v1`, the fields that are needed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::draft::{Context, Verdict};
use super::super::fields::{Fields, quoted};
use super::record::OtelRecord;
use super::wire::{Message, Value};
use super::{Malformed, Signal};

/// Deepest nesting of attribute values.
const DEPTH_MAX: u32 = 64;

pub(super) fn read(
    signal: Signal,
    bytes: &[u8],
    context: Context<'_>,
    each: &mut dyn FnMut(Verdict),
) -> Result<(), Malformed> {
    // resource_spans and resource_logs have the same numbers inside.
    for group in nested(bytes, 1) {
        let group = group?;
        let mut resource = Fields::default();
        for message in nested(group, 1) {
            resource = attributes(message?, 1)?;
        }
        for scoped in nested(group, 2) {
            let scoped = scoped?;
            let mut scope = "";
            for message in nested(scoped, 1) {
                for field in Message::new(message?) {
                    if let (1, value) = field? {
                        scope = value.text()?;
                    }
                }
            }
            for item in nested(scoped, 2) {
                let record = match signal {
                    Signal::Logs => log_record(item?)?,
                    Signal::Spans => span(item?)?,
                };
                each(record.verdict(signal, &resource, scope, context));
            }
        }
    }
    Ok(())
}

/// The messages in the fields of one number. An error in any field comes out, too.
fn nested(bytes: &[u8], number: u64) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Message::new(bytes).filter_map(move |field| match field {
        Ok((found, value)) if found == number => Some(value.bytes()),
        Ok(_) => None,
        Err(malformed) => Some(Err(malformed)),
    })
}

fn span(bytes: &[u8]) -> Result<OtelRecord<'static>, Malformed> {
    let mut out = OtelRecord {
        attributes: attributes(bytes, 9)?,
        ..OtelRecord::default()
    };
    for field in Message::new(bytes) {
        match field? {
            (1, id) => out.trace_id = hex::encode(id.bytes()?),
            (2, id) => out.span_id = hex::encode(id.bytes()?),
            (4, id) => out.parent_span_id = hex::encode(id.bytes()?),
            (6, kind) => out.kind = kind.int()?,
            (7, time) => out.start_ns = time.fixed64()?,
            (8, time) => out.end_ns = time.fixed64()?,
            (15, status) => {
                for field in Message::new(status.bytes()?) {
                    if let (3, code) = field? {
                        out.status = code.int()?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(out)
}

fn log_record(bytes: &[u8]) -> Result<OtelRecord<'static>, Malformed> {
    let mut out = OtelRecord {
        attributes: attributes(bytes, 6)?,
        ..OtelRecord::default()
    };
    let mut observed_ns = 0;
    for field in Message::new(bytes) {
        match field? {
            (1, time) => out.end_ns = time.fixed64()?,
            (9, id) => out.trace_id = hex::encode(id.bytes()?),
            (10, id) => out.span_id = hex::encode(id.bytes()?),
            (11, time) => observed_ns = time.fixed64()?,
            _ => {}
        }
    }
    if out.end_ns == 0 {
        out.end_ns = observed_ns;
    }
    Ok(out)
}

/// The attributes that stand in the fields of this number.
fn attributes(bytes: &[u8], number: u64) -> Result<Fields<'static>, Malformed> {
    let mut out = Fields::default();
    for pair in nested(bytes, number) {
        let (key, value) = pair_of(pair?)?;
        let mut json = String::new();
        write(value, &mut json, 0)?;
        out.push(key, json);
    }
    Ok(out)
}

/// A `KeyValue`: its key and the bytes of its `AnyValue`.
fn pair_of(bytes: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut key, mut value) = ("", &[][..]);
    for field in Message::new(bytes) {
        match field? {
            (1, text) => key = text.text()?,
            (2, message) => value = message.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// An `AnyValue` as plain JSON. Of several, the last holds, as for every `oneof`.
fn write(bytes: &[u8], out: &mut String, depth: u32) -> Result<(), Malformed> {
    if depth > DEPTH_MAX {
        return Err(Malformed);
    }
    let mut last = None;
    for field in Message::new(bytes) {
        let (number, value) = field?;
        if (1..=7).contains(&number) {
            last = Some((number, value));
        }
    }
    match last {
        None => out.push_str("null"),
        Some((1, text)) => out.push_str(&quoted(text.text()?)),
        Some((2, flag)) => out.push_str(if flag.int()? == 0 { "false" } else { "true" }),
        Some((3, number)) => out.push_str(&number.int()?.to_string()),
        Some((4, number)) => double(number, out)?,
        Some((5, list)) => {
            let values = nested(list.bytes()?, 1);
            joined(out, ['[', ']'], values, |value, out| {
                write(value, out, depth.saturating_add(1))
            })?;
        }
        Some((6, list)) => {
            let pairs = nested(list.bytes()?, 1);
            joined(out, ['{', '}'], pairs, |pair, out| {
                let (key, value) = pair_of(pair)?;
                out.push_str(&quoted(key));
                out.push(':');
                write(value, out, depth.saturating_add(1))
            })?;
        }
        Some((_, bytes)) => out.push_str(&quoted(&STANDARD.encode(bytes.bytes()?))),
    }
    Ok(())
}

fn joined<'a>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = Result<&'a [u8], Malformed>>,
    mut write: impl FnMut(&'a [u8], &mut String) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    out.push(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(item?, out)?;
    }
    out.push(close);
    Ok(())
}

/// JSON has no NaN and no infinities: they are strings, as in OTLP's JSON.
fn double(value: Value<'_>, out: &mut String) -> Result<(), Malformed> {
    let number = f64::from_bits(value.fixed64()?);
    match serde_json::Number::from_f64(number) {
        Some(number) => out.push_str(&number.to_string()),
        None => out.push_str(&quoted(&number.to_string())),
    }
    Ok(())
}
