//! The members of a foreign JSON object, each as the text it came in.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Members of an object in their order, values as raw JSON. What a foreign recorder wrote is not
/// redacted yet: this has no `Serialize`, and its `Debug` prints a count.
#[derive(Clone, Default)]
pub(crate) struct Fields<'a>(Vec<(String, Cow<'a, str>)>);

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fields({})", self.0.len())
    }
}

impl<'a> Fields<'a> {
    /// Of one JSON object; `None` for anything else.
    pub(crate) fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    pub(crate) fn push(&mut self, name: impl Into<String>, json: impl Into<Cow<'a, str>>) {
        self.0.push((name.into(), json.into()));
    }

    /// Adds a member whose value is this text.
    pub(crate) fn push_text(&mut self, name: &str, text: &str) {
        self.push(name, quoted(text));
    }

    /// Raw JSON of a member; of several with one name, the last.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(each, _)| each == name);
        found
            .map(|(_, json)| json.as_ref())
            .filter(|json| *json != "null")
    }

    /// A string that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text: String = serde_json::from_str(self.raw(name)?).ok()?;
        Some(text).filter(|text| !text.is_empty())
    }

    /// The first of these that is a string.
    pub(crate) fn text_of(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    /// An integer, or a string that is one.
    pub(crate) fn int(&self, name: &str) -> Option<i64> {
        let raw = self.raw(name)?;
        serde_json::from_str(raw)
            .ok()
            .or_else(|| self.text(name)?.parse().ok())
    }

    /// A truth value.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// A number of milliseconds, in microseconds.
    pub(crate) fn ms_as_us(&self, name: &str) -> Option<u64> {
        let ms: f64 = serde_json::from_str(self.raw(name)?).ok()?;
        let duration = Duration::try_from_secs_f64(ms / 1000.0).ok()?;
        u64::try_from(duration.as_micros()).ok()
    }

    /// The members of a member that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Fields<'_>> {
        Fields::parse(self.raw(name)?)
    }

    /// The object as JSON text, without these members.
    pub(crate) fn without(&self, names: &[&str]) -> String {
        let mut out = String::from("{");
        for (name, json) in self
            .0
            .iter()
            .filter(|(name, _)| !names.contains(&name.as_str()))
        {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&quoted(name));
            out.push(':');
            out.push_str(json);
        }
        out.push('}');
        out
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Fields::default();
        while let Some(name) = map.next_key::<String>()? {
            let json: &'de RawValue = map.next_value()?;
            out.push(name, json.get());
        }
        Ok(out)
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_spelling_and_order() {
        let json = r#"{"b":1.10,"a":{"x" : "\u0041"},"b":2,"n":null}"#;
        let fields = Fields::parse(json).unwrap();
        assert_eq!(
            fields.without(&["n"]),
            r#"{"b":1.10,"a":{"x" : "\u0041"},"b":2}"#
        );
        assert_eq!(fields.int("b"), Some(2));
        assert_eq!(fields.raw("n"), None);
        assert_eq!(fields.object("a").unwrap().text("x").as_deref(), Some("A"));
        assert_eq!(format!("{fields:?}"), "Fields(4)");
    }

    #[test]
    fn milliseconds_are_read_to_the_microsecond() {
        let of = |json: &str| {
            Fields::parse(&format!(r#"{{"d":{json}}}"#))
                .unwrap()
                .ms_as_us("d")
        };
        assert_eq!(of("12"), Some(12_000));
        assert_eq!(of("0.25"), Some(250));
        assert_eq!(of("-1"), None);
        assert_eq!(of("1e300"), None);
        assert_eq!(of("\"12\""), None);
    }
}
