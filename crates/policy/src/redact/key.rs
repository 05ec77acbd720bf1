//! Key names: how they are folded, and the index that finds the rule of a key.

use std::collections::HashMap;

use super::rule::{Matcher, Rule};
use super::scope::Scope;

/// A key name of a rule, folded; `*` at either end stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyName {
    stem: Vec<u8>,
    open_left: bool,
    open_right: bool,
}

impl KeyName {
    /// `None` for a name without a letter or digit, or with `*` in its midst.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let open_left = text.starts_with('*');
        let inner = text.strip_prefix('*').unwrap_or(text);
        let open_right = inner.ends_with('*');
        let inner = inner.strip_suffix('*').unwrap_or(inner);
        let mut stem = Vec::new();
        fold(inner, &mut stem);
        let usable = stem
            .iter()
            .any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
        (usable && !inner.contains('*')).then_some(Self {
            stem,
            open_left,
            open_right,
        })
    }

    fn matches(&self, folded: &[u8]) -> bool {
        match (self.open_left, self.open_right) {
            (false, false) => folded == self.stem,
            (true, false) => folded.ends_with(&self.stem),
            (false, true) => folded.starts_with(&self.stem),
            (true, true) => memchr::memmem::find(folded, &self.stem).is_some(),
        }
    }
}

/// Folds a key: ASCII lower case, without `_`, `-`, `.` and spaces. `apiKey`, `api_key`, `X-API-Key`
/// and `api.key` all end in `apikey`.
pub(crate) fn fold(key: &str, out: &mut Vec<u8>) {
    out.clear();
    out.extend(
        key.bytes()
            .filter(|byte| !matches!(byte, b'_' | b'-' | b'.' | b' '))
            .map(|byte| byte.to_ascii_lowercase()),
    );
}

/// Every key name of a rule set, by the way it matches.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    exact: HashMap<Vec<u8>, Vec<usize>>,
    /// By the last byte of the stem.
    suffix: HashMap<u8, Vec<(KeyName, usize)>>,
    /// Everything else.
    other: Vec<(KeyName, usize)>,
    /// Exceptions of each rule, by the rule's place.
    except: HashMap<usize, Vec<KeyName>>,
}

impl KeyIndex {
    pub(crate) fn new<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut index = Self::default();
        for (place, rule) in rules.enumerate() {
            let Matcher::Keys { names, except, .. } = &rule.matcher else {
                continue;
            };
            for name in names {
                index.add(name, place);
            }
            if !except.is_empty() {
                index.except.insert(place, except.clone());
            }
        }
        index
    }

    fn add(&mut self, name: &KeyName, place: usize) {
        match (name.open_left, name.open_right, name.stem.last()) {
            (false, false, _) => self.exact.entry(name.stem.clone()).or_default().push(place),
            (true, false, Some(last)) => self
                .suffix
                .entry(*last)
                .or_default()
                .push((name.clone(), place)),
            _ => self.other.push((name.clone(), place)),
        }
    }

    /// The first rule in force for a folded key.
    pub(crate) fn find(&self, folded: &[u8], scope: &Scope) -> Option<usize> {
        let last = folded.last()?;
        let exact = self.exact.get(folded).into_iter().flatten().copied();
        let suffix = self.suffix.get(last).into_iter().flatten();
        let open = suffix
            .chain(&self.other)
            .filter(|(name, _)| name.matches(folded))
            .map(|(_, place)| *place);
        exact
            .chain(open)
            .filter(|place| scope.holds(*place) && !self.is_except(*place, folded))
            .min()
    }

    fn is_except(&self, place: usize, folded: &[u8]) -> bool {
        self.except
            .get(&place)
            .is_some_and(|names| names.iter().any(|name| name.matches(folded)))
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyName, fold};

    fn matches(name: &str, key: &str) -> bool {
        let mut folded = Vec::new();
        fold(key, &mut folded);
        KeyName::parse(name).is_some_and(|name| name.matches(&folded))
    }

    #[test]
    fn case_separators_and_camel_case_fold() {
        for key in [
            "apikey", "apiKey", "API_KEY", "api-key", "Api Key", "api.key",
        ] {
            assert!(matches("api_key", key), "{key}");
        }
        assert!(!matches("api_key", "apikeys"));
    }

    #[test]
    fn star_opens_an_end() {
        assert!(matches("*token", "accessToken"));
        assert!(!matches("*token", "tokens"));
        assert!(matches("token*", "tokens"));
        assert!(matches("*token*", "my_tokens"));
        assert!(matches("*token", "token"));
    }

    #[test]
    fn names_that_match_everything_or_nothing_are_refused() {
        for name in ["", "*", "**", "_", "a*b", "***a"] {
            assert!(KeyName::parse(name).is_none(), "{name}");
        }
    }
}
