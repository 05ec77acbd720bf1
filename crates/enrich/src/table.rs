//! What was read of one source: facts by name, or rules.

use std::collections::BTreeMap;

use affiant_entry::record::Subject;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::Attributes;
use crate::read::ReadError;
use crate::wildcard;

/// Names and values of one subject.
pub(crate) type Fact = BTreeMap<String, String>;

/// Most rows of one source: a bound on memory (a row is some hundred bytes).
pub const ROWS_MAX: usize = 100_000;

/// Longest value of a fact, in bytes; a longer one is clipped. Twelve of them, escaped, leave room for every
/// other source in one entry.
pub const VALUE_BYTES_MAX: usize = 128;

/// Longest level of a classification, and longest id of its rule, in bytes.
const RULE_TEXT_BYTES_MAX: usize = 64;

/// Everything that a source knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Table {
    /// By the name of the subject.
    Facts(BTreeMap<String, Fact>),
    /// The first that fits holds.
    Rules(Vec<Rule>),
}

/// Which level the data behind a tool has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Its id, which the fact names.
    #[serde(alias = "id")]
    pub(crate) rule: String,
    /// Server id, with `*`.
    #[serde(default = "anything")]
    pub(crate) server: String,
    /// Tool name, with `*`.
    #[serde(default = "anything")]
    pub(crate) tool: String,
    /// In the organisation's own words.
    pub(crate) level: String,
}

fn anything() -> String {
    "*".to_owned()
}

impl Rule {
    /// What is wrong with it, if anything.
    fn problem(&self) -> Option<&'static str> {
        let fits =
            |text: &str| (1..=RULE_TEXT_BYTES_MAX).contains(&text.len()) && text == plain(text);
        if !fits(&self.rule) {
            Some("`rule` takes 1 to 64 bytes without control characters")
        } else if !fits(&self.level) {
            Some("`level` takes 1 to 64 bytes without control characters")
        } else if self.server.is_empty() || self.tool.is_empty() {
            Some("`server` or `tool` is empty; `*` stands for any")
        } else {
            None
        }
    }
}

impl Table {
    /// Checked rules.
    pub(crate) fn of_rules(rules: Vec<Rule>) -> Result<Self, ReadError> {
        if rules.len() > ROWS_MAX {
            return Err(ReadError::TooManyRows);
        }
        let wrong = |(at, rule): (usize, &Rule)| rule.problem().map(|problem| (at + 1, problem));
        match rules.iter().enumerate().find_map(wrong) {
            Some((at, problem)) => Err(ReadError::Malformed {
                problem: format!("rule {at}: {problem}"),
            }),
            None => Ok(Self::Rules(rules)),
        }
    }

    /// What it knows of a subject, which is of the kind that it is asked about.
    pub(crate) fn fact(&self, subject: &Subject) -> Option<Fact> {
        match (self, subject) {
            (Self::Facts(all), Subject::Server(name) | Subject::User(name)) => {
                all.get(name).cloned()
            }
            (Self::Rules(rules), Subject::Tool(server, tool)) => rules
                .iter()
                .find(|rule| {
                    wildcard::fits(&rule.server, server) && wildcard::fits(&rule.tool, tool)
                })
                .map(|rule| {
                    let level = ("level".to_owned(), rule.level.clone());
                    [level, ("rule".to_owned(), rule.rule.clone())].into()
                }),
            _ => None,
        }
    }

    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Facts(all) => all.len(),
            Self::Rules(rules) => rules.len(),
        }
    }

    /// `sha256:<hex>` of all that it knows: the version of a source that has none of its own.
    pub(crate) fn digest(&self) -> String {
        digest(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// `sha256:<hex>`.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Facts as their rows come.
#[derive(Debug)]
pub(crate) struct FactRows<'a> {
    attributes: &'a Attributes,
    facts: BTreeMap<String, Fact>,
    passed_over: u64,
}

impl<'a> FactRows<'a> {
    pub(crate) const fn new(attributes: &'a Attributes) -> Self {
        Self {
            attributes,
            facts: BTreeMap::new(),
            passed_over: 0,
        }
    }

    /// A row: its names, and what it says by attribute. A row without a name is passed over, and so is a name
    /// that stood before: the first one holds.
    pub(crate) fn add(
        &mut self,
        names: impl IntoIterator<Item = String>,
        value: impl Fn(&str) -> Option<String>,
    ) -> Result<(), ReadError> {
        let mut fact = Fact::new();
        for (name, attribute) in &self.attributes.facts {
            if let Some(value) = value(attribute).filter(|value| !value.is_empty()) {
                let clipped = affiant_entry::limits::clip(&plain(&value), VALUE_BYTES_MAX);
                fact.insert(name.clone(), clipped);
            }
        }
        let mut named = false;
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            named = true;
            if self.facts.contains_key(&name) {
                self.passed_over += 1;
                continue;
            }
            if self.facts.len() == ROWS_MAX {
                return Err(ReadError::TooManyRows);
            }
            self.facts.insert(name, fact.clone());
        }
        self.passed_over += u64::from(!named);
        Ok(())
    }

    /// The table, and how many rows were passed over.
    pub(crate) fn finish(self) -> (Table, u64) {
        (Table::Facts(self.facts), self.passed_over)
    }
}

/// Without control characters, which take six bytes each in an entry and have no place in a name.
fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, server: &str, tool: &str, level: &str) -> Rule {
        Rule {
            rule: id.to_owned(),
            server: server.to_owned(),
            tool: tool.to_owned(),
            level: level.to_owned(),
        }
    }

    #[test]
    fn the_first_rule_that_fits_holds() {
        let table = Table::of_rules(vec![
            rule("crm-pii", "crm*", "search_*", "restricted"),
            rule("crm", "crm*", "*", "internal"),
        ])
        .unwrap();
        let level = |server: &str, tool: &str| {
            let fact = table.fact(&Subject::Tool(server.to_owned(), tool.to_owned()))?;
            Some(fact["level"].clone())
        };
        assert_eq!(
            level("crm-eu", "search_people").as_deref(),
            Some("restricted")
        );
        assert_eq!(level("crm-eu", "ping").as_deref(), Some("internal"));
        assert_eq!(level("files", "search_people"), None);
        assert_eq!(table.fact(&Subject::Server("crm".to_owned())), None);
    }

    #[test]
    fn rules_that_say_nothing_are_refused() {
        for bad in [
            rule("", "*", "*", "x"),
            rule("r", "*", "*", ""),
            rule("r", "", "*", "x"),
            rule("r", "*", "*", "a\nb"),
            rule("r", "*", "*", &"l".repeat(65)),
        ] {
            assert!(Table::of_rules(vec![rule("ok", "*", "*", "x"), bad]).is_err());
        }
    }

    #[test]
    fn only_what_is_named_is_kept_and_bounded() {
        let facts = [("owner".to_owned(), "Owner".to_owned())].into();
        let attributes = Attributes {
            key: "name".to_owned(),
            facts,
        };
        let mut rows = FactRows::new(&attributes);
        let value = |attribute: &str| match attribute {
            "Owner" => Some(format!("a\u{1}\u{7f}{}", "x".repeat(500))),
            _ => Some("secret".to_owned()),
        };
        rows.add(["crm".to_owned()], value).unwrap();
        rows.add(["crm".to_owned()], |_| Some("later".to_owned()))
            .unwrap();
        rows.add([String::new()], value).unwrap();
        rows.add(["bare".to_owned()], |_| None).unwrap();
        let (table, passed_over) = rows.finish();
        assert_eq!(passed_over, 2);
        let fact = table.fact(&Subject::Server("crm".to_owned())).unwrap();
        assert_eq!(fact.len(), 1);
        assert!(fact["owner"].starts_with("a  xxx") && fact["owner"].len() < 160);
        // Known, though nothing is said of it.
        assert_eq!(
            table.fact(&Subject::User("bare".to_owned())),
            Some(Fact::new())
        );
    }
}
