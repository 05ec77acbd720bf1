//! The rule file: TOML in, checked rules out.
//!
//! The document is walked with its spans, so that every refusal names a line and a key.

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::engine::RESERVED;
use super::error::{RuleError, RuleProblem, nearest};
use super::format::{self, Format};
use super::glob::Glob;
use super::key::KeyName;
use super::limit::{REGEX_BYTES_MAX, RULE_ITEMS_MAX, RULES_MAX};
use super::pointer::Pattern;
use super::rule::{Action, Cards, Entropy, Matcher, Reach, Rule};
use super::set::BUILTIN;

/// A rule file as it stands, before it is joined with the built-in rules.
#[derive(Debug)]
pub(crate) struct RuleFile {
    pub(crate) extends_builtin: bool,
    pub(crate) disable: Vec<String>,
    pub(crate) rules: Vec<Rule>,
}

const FILE_KEYS: &[&str] = &["version", "extends", "disable", "rule"];
const RULE_KEYS: &[&str] = &[
    "id",
    "description",
    "keys",
    "pointer",
    "value",
    "format",
    "card",
    "entropy",
    "except",
    "reach",
    "action",
    "servers",
    "tools",
];
const ENTROPY_KEYS: &[&str] = &["bits", "length_min", "length_max"];
const MATCHERS: &[&str] = &["keys", "pointer", "value", "format", "card", "entropy"];

/// Reads a rule file.
pub(crate) fn rule_file(text: &str) -> Result<RuleFile, RuleError> {
    let root = DeTable::parse(text).map_err(|error| {
        let problem = RuleProblem::Syntax {
            message: error.message().to_owned(),
        };
        RuleError::at(text, error.span().unwrap_or(0..0), problem)
    })?;
    let table = Table {
        text,
        table: root.get_ref(),
        span: root.span(),
        name: "file",
    };
    table.only(FILE_KEYS)?;
    table.version()?;
    let extends_builtin = table
        .word("extends", &["builtin", "none"])?
        .is_none_or(|word| word == "builtin");
    let disable = table.disable()?;
    let rules = table.rules()?;
    Ok(RuleFile {
        extends_builtin,
        disable,
        rules,
    })
}

/// A TOML table with its place.
struct Table<'t> {
    text: &'t str,
    table: &'t DeTable<'t>,
    span: Range<usize>,
    name: &'t str,
}

/// A value with its place.
type Item<'t> = &'t Spanned<DeValue<'t>>;

impl<'t> Table<'t> {
    fn fail<T>(&self, span: Range<usize>, problem: RuleProblem) -> Result<T, RuleError> {
        Err(RuleError::at(self.text, span, problem))
    }

    fn only(&self, known: &'static [&'static str]) -> Result<(), RuleError> {
        let mut unknown: Vec<_> = self
            .table
            .iter()
            .filter(|(key, _)| !known.contains(&key.get_ref().as_ref()))
            .collect();
        unknown.sort_by_key(|(key, _)| key.span().start);
        let Some((key, _)) = unknown.first() else {
            return Ok(());
        };
        let word = key.get_ref().to_string();
        let suggestion = nearest(&word, known.iter().copied());
        self.fail(
            key.span(),
            RuleProblem::UnknownKey {
                key: word,
                suggestion,
            },
        )
    }

    fn get(&self, key: &str) -> Option<Item<'t>> {
        self.table.get(key)
    }

    fn wrong_type<T>(
        &self,
        key: &str,
        item: Item<'t>,
        expected: &'static str,
    ) -> Result<T, RuleError> {
        let found = item.get_ref().type_str();
        self.fail(
            item.span(),
            RuleProblem::WrongType {
                key: key.to_owned(),
                expected,
                found,
            },
        )
    }

    fn str(&self, key: &str, item: Item<'t>) -> Result<&'t str, RuleError> {
        item.get_ref()
            .as_str()
            .map_or_else(|| self.wrong_type(key, item, "a string"), Ok)
    }

    fn optional_str(&self, key: &str) -> Result<Option<(&'t str, Range<usize>)>, RuleError> {
        let Some(item) = self.get(key) else {
            return Ok(None);
        };
        Ok(Some((self.str(key, item)?, item.span())))
    }

    /// One of some words.
    fn word(
        &self,
        key: &'static str,
        known: &'static [&'static str],
    ) -> Result<Option<&'t str>, RuleError> {
        let Some((found, span)) = self.optional_str(key)? else {
            return Ok(None);
        };
        if known.contains(&found) {
            return Ok(Some(found));
        }
        let suggestion = nearest(found, known.iter().copied());
        self.fail(
            span,
            RuleProblem::UnknownWord {
                key,
                found: found.to_owned(),
                known,
                suggestion,
            },
        )
    }

    /// A string, or a list of strings, each with its place. Empty lists are refused.
    fn strings(&self, key: &str) -> Result<Vec<(&'t str, Range<usize>)>, RuleError> {
        let Some(item) = self.get(key) else {
            return Ok(Vec::new());
        };
        if item.get_ref().is_str() {
            return Ok(vec![(self.str(key, item)?, item.span())]);
        }
        let Some(list) = item.get_ref().as_array() else {
            return self.wrong_type(key, item, "a string or a list of strings");
        };
        match list.len() {
            0 => self.fail(
                item.span(),
                RuleProblem::Empty {
                    key: key.to_owned(),
                },
            ),
            count if count > RULE_ITEMS_MAX => self.fail(
                item.span(),
                RuleProblem::TooMany {
                    key: key.to_owned(),
                    max: RULE_ITEMS_MAX,
                },
            ),
            _ => list
                .iter()
                .map(|item| Ok((self.str(key, item)?, item.span())))
                .collect(),
        }
    }

    fn globs(&self, key: &str) -> Result<Vec<Glob>, RuleError> {
        Ok(self
            .strings(key)?
            .into_iter()
            .map(|(text, _)| Glob::new(text))
            .collect())
    }
}

// === the file ===

impl<'t> Table<'t> {
    fn version(&self) -> Result<(), RuleError> {
        let Some(item) = self.get("version") else {
            return Ok(());
        };
        match item.get_ref().as_integer() {
            Some(version) if version.as_str() == "1" => Ok(()),
            Some(version) => self.fail(
                item.span(),
                RuleProblem::Version {
                    found: version.as_str().to_owned(),
                },
            ),
            None => self.wrong_type("version", item, "an integer"),
        }
    }

    fn disable(&self) -> Result<Vec<String>, RuleError> {
        if self
            .get("disable")
            .and_then(|item| item.get_ref().as_array())
            .is_some_and(|list| list.is_empty())
        {
            return Ok(Vec::new());
        }
        let named = self.strings("disable")?;
        if named.is_empty() {
            return Ok(Vec::new());
        }
        // While the built-in file itself is read, it disables nothing.
        let builtin = if self.text == BUILTIN {
            Vec::new()
        } else {
            builtin_ids()
        };
        let check = |(id, span): (&str, Range<usize>)| {
            if builtin.iter().any(|known| known == id) {
                return Ok(id.to_owned());
            }
            let suggestion = nearest(id, builtin.iter().map(String::as_str));
            self.fail(
                span,
                RuleProblem::UnknownRule {
                    found: id.to_owned(),
                    suggestion,
                },
            )
        };
        named.into_iter().map(check).collect()
    }

    fn rules(&self) -> Result<Vec<Rule>, RuleError> {
        let Some(item) = self.get("rule") else {
            return Ok(Vec::new());
        };
        let Some(list) = item.get_ref().as_array() else {
            return self.wrong_type("rule", item, "a list of tables");
        };
        if list.len() > RULES_MAX {
            return self.fail(
                item.span(),
                RuleProblem::TooMany {
                    key: "rule".to_owned(),
                    max: RULES_MAX,
                },
            );
        }
        let mut rules: Vec<Rule> = Vec::new();
        for item in list.iter() {
            let Some(table) = item.get_ref().as_table() else {
                return self.wrong_type("rule", item, "a table");
            };
            let id = table
                .get("id")
                .and_then(|id| id.get_ref().as_str())
                .unwrap_or("?");
            let table = Table {
                text: self.text,
                table,
                span: item.span(),
                name: id,
            };
            let rule = table.rule()?;
            if RESERVED.contains(&rule.id.as_str()) || rules.iter().any(|other| other.id == rule.id)
            {
                return self.fail(table.place_of("id"), RuleProblem::TakenId { id: rule.id });
            }
            rules.push(rule);
        }
        Ok(rules)
    }
}

fn builtin_ids() -> Vec<String> {
    super::set::RuleSet::builtin()
        .rules()
        .map(|rule| rule.id.clone())
        .collect()
}

// === one rule ===

impl<'t> Table<'t> {
    fn place_of(&self, key: &str) -> Range<usize> {
        self.get(key)
            .map_or_else(|| self.span.clone(), Spanned::span)
    }

    fn rule(&self) -> Result<Rule, RuleError> {
        self.only(RULE_KEYS)?;
        let Some((id, id_span)) = self.optional_str("id")? else {
            return self.fail(self.span.clone(), RuleProblem::Missing { key: "id" });
        };
        if !is_id(id) {
            return self.fail(id_span, RuleProblem::BadId { id: id.to_owned() });
        }
        let description = self
            .optional_str("description")?
            .map_or("", |(text, _)| text)
            .to_owned();
        let matcher = self.matcher()?;
        let rule = Rule {
            id: id.to_owned(),
            description,
            action: self.action(&matcher)?,
            matcher,
            servers: self.globs("servers")?,
            tools: self.globs("tools")?,
        };
        Ok(rule)
    }

    fn matcher(&self) -> Result<Matcher, RuleError> {
        let present: Vec<_> = MATCHERS
            .iter()
            .copied()
            .filter(|key| self.get(key).is_some())
            .collect();
        let [matcher] = present.as_slice() else {
            let problem = RuleProblem::Matchers {
                rule: self.name.to_owned(),
                found: present.len(),
            };
            return self.fail(self.span.clone(), problem);
        };
        for key in ["except", "reach"] {
            if *matcher != "keys" && self.get(key).is_some() {
                return self.fail(
                    self.place_of(key),
                    RuleProblem::Misplaced {
                        rule: self.name.to_owned(),
                        key,
                        matcher,
                    },
                );
            }
        }
        match *matcher {
            "keys" => self.keys(),
            "pointer" => Ok(Matcher::Pointer(self.pointers()?)),
            "value" => Ok(Matcher::Value(self.regexes()?)),
            "format" => Ok(Matcher::Format(self.formats()?)),
            "card" => self.cards(),
            _ => self.entropy(),
        }
    }

    fn action(&self, matcher: &Matcher) -> Result<Action, RuleError> {
        let always_whole = matches!(matcher, Matcher::Keys { .. } | Matcher::Pointer(_));
        match self.word("action", &["replace", "partial"])? {
            Some("replace") => Ok(Action::Replace),
            Some(_) if always_whole => {
                let matcher = if matches!(matcher, Matcher::Pointer(_)) {
                    "pointer"
                } else {
                    "keys"
                };
                let problem = RuleProblem::Misplaced {
                    rule: self.name.to_owned(),
                    key: "action",
                    matcher,
                };
                self.fail(self.place_of("action"), problem)
            }
            Some(_) => Ok(Action::Partial),
            None if always_whole => Ok(Action::Replace),
            None => Ok(Action::Partial),
        }
    }

    fn keys(&self) -> Result<Matcher, RuleError> {
        let reach = match self.word("reach", &["word", "line"])? {
            Some("line") => Reach::Line,
            _ => Reach::Word,
        };
        Ok(Matcher::Keys {
            names: self.names("keys")?,
            except: self.names("except")?,
            reach,
        })
    }

    fn names(&self, key: &str) -> Result<Vec<KeyName>, RuleError> {
        let parse = |(name, span): (&str, Range<usize>)| {
            let problem = || RuleProblem::BadKeyName {
                rule: self.name.to_owned(),
                name: name.to_owned(),
            };
            KeyName::parse(name).map_or_else(|| self.fail(span, problem()), Ok)
        };
        self.strings(key)?.into_iter().map(parse).collect()
    }

    fn pointers(&self) -> Result<Vec<Pattern>, RuleError> {
        let parse = |(pointer, span): (&str, Range<usize>)| {
            let problem = || RuleProblem::BadPointer {
                rule: self.name.to_owned(),
                pointer: pointer.to_owned(),
            };
            Pattern::parse(pointer).map_or_else(|| self.fail(span, problem()), Ok)
        };
        self.strings("pointer")?.into_iter().map(parse).collect()
    }

    fn regexes(&self) -> Result<Vec<Regex>, RuleError> {
        let compile = |(pattern, span): (&str, Range<usize>)| {
            let (rule, text) = (self.name.to_owned(), pattern.to_owned());
            match RegexBuilder::new(pattern)
                .size_limit(REGEX_BYTES_MAX)
                .dfa_size_limit(REGEX_BYTES_MAX)
                .build()
            {
                Ok(regex) if regex.is_match("") => self.fail(
                    span,
                    RuleProblem::EmptyRegex {
                        rule,
                        pattern: text,
                    },
                ),
                Ok(regex) => Ok(regex),
                Err(source) => self.fail(
                    span,
                    RuleProblem::Regex {
                        rule,
                        pattern: text,
                        source: Box::new(source),
                    },
                ),
            }
        };
        self.strings("value")?.into_iter().map(compile).collect()
    }

    fn formats(&self) -> Result<Vec<&'static Format>, RuleError> {
        let find = |(name, span): (&str, Range<usize>)| {
            let suggestion = || nearest(name, format::FORMATS.iter().map(|format| format.name));
            let problem = || RuleProblem::UnknownFormat {
                found: name.to_owned(),
                suggestion: suggestion(),
            };
            format::find(name).map_or_else(|| self.fail(span, problem()), Ok)
        };
        self.strings("format")?.into_iter().map(find).collect()
    }

    fn cards(&self) -> Result<Matcher, RuleError> {
        Ok(Matcher::Card(
            match self.word("card", &["issuers", "any"])? {
                Some("any") => Cards::Any,
                _ => Cards::Issuers,
            },
        ))
    }

    fn entropy(&self) -> Result<Matcher, RuleError> {
        let Some(item) = self.get("entropy") else {
            return Ok(Matcher::Entropy(ENTROPY));
        };
        let Some(table) = item.get_ref().as_table() else {
            return self.wrong_type("entropy", item, "a table");
        };
        let table = Table {
            text: self.text,
            table,
            span: item.span(),
            name: self.name,
        };
        table.only(ENTROPY_KEYS)?;
        let length =
            |key, default| Ok::<_, RuleError>(table.number(key, 8, 4096)?.map_or(default, whole));
        Ok(Matcher::Entropy(Entropy {
            bits: table.number("bits", 1, 6)?.unwrap_or(ENTROPY.bits),
            length_min: length("length_min", ENTROPY.length_min)?,
            length_max: length("length_max", ENTROPY.length_max)?,
        }))
    }

    /// An integer or float within a range.
    fn number(&self, key: &'static str, min: u32, max: u32) -> Result<Option<f64>, RuleError> {
        let Some(item) = self.get(key) else {
            return Ok(None);
        };
        let spelling = match item.get_ref() {
            DeValue::Integer(number) => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                return self.wrong_type(key, item, "a number");
            }
        };
        let number = spelling
            .parse::<f64>()
            .ok()
            .filter(|number| (f64::from(min)..=f64::from(max)).contains(number));
        let problem = || RuleProblem::OutOfRange {
            key,
            found: spelling.to_owned(),
            min,
            max,
        };
        number.map_or_else(
            || self.fail(item.span(), problem()),
            |number| Ok(Some(number)),
        )
    }
}

/// What `entropy = {}` means: random base62 of 32 characters has 4.6 bits a character.
const ENTROPY: Entropy = Entropy {
    bits: 4.3,
    length_min: 32,
    length_max: 256,
};

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be within 8 to 4096"
)]
const fn whole(number: f64) -> usize {
    number as usize
}

fn is_id(id: &str) -> bool {
    let fits =
        (1..=64).contains(&id.len()) && id.starts_with(|char: char| char.is_ascii_lowercase());
    fits && id
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
