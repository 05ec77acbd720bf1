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
    let letters = key
        .bytes()
        .filter(|byte| !matches!(byte, b'_' | b'-' | b'.' | b' '));
    out.extend(letters.map(|byte| byte.to_ascii_lowercase()));
}

/// Every key name of a rule set. Most keys are no secret's, so that is what is found out first: by the
/// last three bytes, in one look-up.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    /// Names that are not open at the right, by [`tail`].
    by_tail: HashMap<u32, Vec<(KeyName, usize)>>,
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
        // A short stem that is open at the left has many tails.
        if name.open_right || (name.open_left && name.stem.len() < 3) {
            self.other.push((name.clone(), place));
        } else {
            self.by_tail
                .entry(tail(&name.stem))
                .or_default()
                .push((name.clone(), place));
        }
    }

    /// The first rule in force for a folded key.
    pub(crate) fn find(&self, folded: &[u8], scope: &Scope) -> Option<usize> {
        if folded.is_empty() {
            return None;
        }
        let names = self
            .by_tail
            .get(&tail(folded))
            .into_iter()
            .flatten()
            .chain(&self.other);
        let matching = names
            .filter(|(name, _)| name.matches(folded))
            .map(|(_, place)| *place);
        matching
            .filter(|place| scope.holds(*place) && !self.is_except(*place, folded))
            .min()
    }

    fn is_except(&self, place: usize, folded: &[u8]) -> bool {
        self.except
            .get(&place)
            .is_some_and(|names| names.iter().any(|name| name.matches(folded)))
    }
}

/// The last three bytes, or as many as there are.
fn tail(folded: &[u8]) -> u32 {
    folded
        .iter()
        .rev()
        .take(3)
        .fold(0, |tail, byte| (tail << 8) | u32::from(*byte))
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
