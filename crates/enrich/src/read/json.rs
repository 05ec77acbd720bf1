//! JSON: an array of objects, in a document or at a place in it.
//!
//! An attribute is the name of a member, or an RFC 6901 pointer if it begins with `/`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{ReadError, has_rules, of_rules};
use crate::config::{Attributes, List, SourceSettings};
use crate::table::{FactRows, Rule, Table};

/// The rows of a document. Only one row at a time is read into memory as a whole.
pub(super) fn table(
    settings: &SourceSettings,
    list: &List,
    bytes: &[u8],
) -> Result<(Table, u64), ReadError> {
    let mut at: &RawValue = parse(bytes)?;
    for name in &list.0 {
        let members: BTreeMap<String, &RawValue> = parse(at.get().as_bytes())?;
        at = members.get(name).ok_or_else(|| ReadError::Malformed {
            problem: format!("there is no `{name}` on the way to the list"),
        })?;
    }
    if has_rules(settings) {
        return of_rules(parse::<Vec<Rule>>(at.get().as_bytes())?);
    }
    let mut rows = FactRows::new(&settings.attributes);
    for row in parse::<Vec<&RawValue>>(at.get().as_bytes())? {
        add(
            &mut rows,
            &settings.attributes,
            &parse(row.get().as_bytes())?,
        )?;
    }
    Ok(rows.finish())
}

/// One object as a row.
pub(super) fn add(
    rows: &mut FactRows<'_>,
    attributes: &Attributes,
    row: &Value,
) -> Result<(), ReadError> {
    rows.add(text(row, &attributes.key), |name| text(row, name))
}

/// A value as text: a string as it is, a number or truth value as JSON spells it, an array of these with commas.
fn text(row: &Value, attribute: &str) -> Option<String> {
    let value = match attribute.starts_with('/') {
        true => row.pointer(attribute)?,
        false => row.get(attribute)?,
    };
    let Some(all) = value.as_array() else {
        return plain(value);
    };
    let plain: Vec<String> = all.iter().filter_map(plain).collect();
    (!plain.is_empty()).then(|| plain.join(", "))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ReadError> {
    serde_json::from_slice(bytes).map_err(|error| ReadError::Malformed {
        problem: if error.is_data() {
            "document is not of the form it should be".to_owned()
        } else {
            format!("document is not JSON, line {}", error.line())
        },
    })
}
