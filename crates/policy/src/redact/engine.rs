//! The rules in force, compiled for one pass over a text.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::Regex;

use super::format::Format;
use super::key::KeyIndex;
use super::pointer::{Path, Pattern};
use super::rule::{Action, Cards, Entropy, Matcher, Reach, Rule};
use super::scope::Scope;
use super::set::RuleSet;
use super::{card, entropy, pair};

/// Rules, by their place in the set.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) rules: Vec<Arc<Rule>>,
    keys: KeyIndex,
    pointers: Vec<(usize, Pattern)>,
    /// Finds any literal of any format.
    literals: Option<AhoCorasick>,
    /// For each literal, the formats it can be part of; none: the start of JSON in base64.
    literal_formats: Vec<Vec<usize>>,
    formats: Vec<FormatRule>,
    values: Vec<(usize, Regex)>,
    cards: Vec<(usize, Cards)>,
    entropies: Vec<(usize, Entropy)>,
}

#[derive(Debug)]
struct FormatRule {
    place: usize,
    format: &'static Format,
    regex: Regex,
}

/// A part of a text to cut, and the place of the rule that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) range: Range<usize>,
    pub(crate) place: usize,
}

/// What stands in a text.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Parts to cut: sorted, none overlaps another.
    pub(crate) cuts: Vec<Cut>,
    /// The text may hold JSON in base64.
    pub(crate) base64: bool,
}

/// The rule that cuts JSON nested too deep in strings to look into.
pub(crate) const LIMIT: usize = usize::MAX;

/// The rule that cuts a value found secret elsewhere in the same call.
pub(crate) const ECHO: usize = usize::MAX - 1;

/// Shortest text that any format matches.
const FORMAT_BYTES_MIN: usize = 8;

/// Ids of the rules above; no rule of a file may take them.
pub(crate) const RESERVED: &[&str] = &["limit", "echo"];

/// How JSON objects and arrays start in base64: `{"`, `{` and a blank, `[{`, `["`, `[[`, `[` and a blank.
pub(crate) const BASE64_STARTS: &[&str] = &[
    "eyJ", "eyA", "ewo", "ewk", "ew0", "W3s", "W3t", "WyJ", "WyA", "Wwo", "Wwk", "Ww0", "W1s",
    "W1t",
];

impl Engine {
    /// Compiles a rule set. Its expressions compiled when it was parsed, so nothing can fail.
    pub(crate) fn new(set: &RuleSet) -> Self {
        let rules = set.shared_rules().to_vec();
        let keys = KeyIndex::new(rules.iter().map(AsRef::as_ref));
        let mut engine = Self {
            rules,
            keys,
            pointers: Vec::new(),
            literals: None,
            literal_formats: Vec::new(),
            formats: Vec::new(),
            values: Vec::new(),
            cards: Vec::new(),
            entropies: Vec::new(),
        };
        for (place, rule) in engine.rules.clone().iter().enumerate() {
            engine.add(place, rule);
        }
        engine.index_literals();
        engine
    }

    fn add(&mut self, place: usize, rule: &Rule) {
        match &rule.matcher {
            Matcher::Keys { .. } => {}
            Matcher::Pointer(patterns) => self
                .pointers
                .extend(patterns.iter().map(|pattern| (place, pattern.clone()))),
            Matcher::Value(regexes) => self
                .values
                .extend(regexes.iter().map(|regex| (place, regex.clone()))),
            Matcher::Format(formats) => {
                let compiled = formats
                    .iter()
                    .filter_map(|format| Some((*format, Regex::new(format.pattern).ok()?)));
                self.formats
                    .extend(compiled.map(|(format, regex)| FormatRule {
                        place,
                        format,
                        regex,
                    }));
            }
            Matcher::Card(cards) => self.cards.push((place, *cards)),
            Matcher::Entropy(entropy) => self.entropies.push((place, *entropy)),
        }
    }

    fn index_literals(&mut self) {
        let mut literals: Vec<&str> = Vec::new();
        for start in BASE64_STARTS {
            literals.push(start);
            self.literal_formats.push(Vec::new());
        }
        for (slot, rule) in self.formats.iter().enumerate() {
            for literal in rule.format.literals {
                literals.push(literal);
                self.literal_formats.push(vec![slot]);
            }
        }
        self.literals = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(literals)
            .ok();
    }

    /// The id of the rule at a place.
    pub(crate) fn id(&self, place: usize) -> &str {
        match place {
            LIMIT => "limit",
            ECHO => "echo",
            place => self.rules.get(place).map_or("unknown", |rule| rule.id()),
        }
    }

    /// What stands in place of a value the rule at a place cut.
    pub(crate) fn marker(&self, place: usize) -> String {
        format!("[redacted:{}]", self.id(place))
    }

    /// The rule of a folded key.
    pub(crate) fn rule_of_key(&self, folded: &[u8], scope: &Scope) -> Option<usize> {
        self.keys.find(folded, scope)
    }

    /// The rule of a place in JSON.
    pub(crate) fn rule_of_path(&self, path: &Path, scope: &Scope) -> Option<usize> {
        let matching = self
            .pointers
            .iter()
            .filter(|(place, pattern)| scope.holds(*place) && pattern.matches(path));
        matching.map(|(place, _)| *place).min()
    }

    /// How far a value reaches in text for the rule at a place.
    pub(crate) fn reach(&self, place: usize) -> Reach {
        match self.rules.get(place).map(|rule| &rule.matcher) {
            Some(Matcher::Keys { reach, .. }) => *reach,
            _ => Reach::Word,
        }
    }

    /// The rule that takes a JSON number for a card number.
    pub(crate) fn rule_of_number(&self, number: &str, scope: &Scope) -> Option<usize> {
        let long = number.len() >= 13;
        let mut cards = self
            .cards
            .iter()
            .filter(|(place, _)| long && scope.holds(*place));
        cards
            .find(|(_, cards)| card::is_card_number(number, *cards))
            .map(|(place, _)| *place)
    }

    /// Every part of a text that a rule cuts.
    pub(crate) fn scan(&self, text: &str, scope: &Scope, folded: &mut Vec<u8>) -> Scan {
        let mut cuts = Vec::new();
        let mut add = |range: Range<usize>, place: usize| cuts.push(Cut { range, place });
        let base64 = self.scan_formats(text, scope, &mut add);
        for (place, regex) in self.values.iter().filter(|(place, _)| scope.holds(*place)) {
            each_secret(regex, text, |range| add(range, *place));
        }
        for (place, cards) in self
            .cards
            .iter()
            .filter(|(place, _)| text.len() >= 13 && scope.holds(*place))
        {
            card::find(text, *cards, |range| add(range, *place));
        }
        for (place, entropy) in &self.entropies {
            if text.len() >= entropy.length_min && scope.holds(*place) {
                entropy::find(text, *entropy, |range| add(range, *place));
            }
        }
        pair::find(text, self, scope, folded, add);
        Scan {
            cuts: self.settle(text, cuts),
            base64,
        }
    }

    /// Runs the formats of which a literal stands in the text. Tells whether base64 JSON may.
    fn scan_formats(
        &self,
        text: &str,
        scope: &Scope,
        add: &mut impl FnMut(Range<usize>, usize),
    ) -> bool {
        // One look whether there is anything, before a slower one at what.
        let wanted =
            |literals: &&AhoCorasick| text.len() >= FORMAT_BYTES_MIN && literals.is_match(text);
        let Some(literals) = self.literals.as_ref().filter(wanted) else {
            return false;
        };
        let mut base64 = false;
        let mut seen: Vec<bool> = Vec::new();
        for found in literals.find_overlapping_iter(text) {
            let slots = self
                .literal_formats
                .get(found.pattern().as_usize())
                .map_or(&[][..], Vec::as_slice);
            base64 |= slots.is_empty();
            for slot in slots {
                seen.resize(self.formats.len(), false);
                if let Some(seen) = seen.get_mut(*slot) {
                    *seen = true;
                }
            }
        }
        let candidates = self
            .formats
            .iter()
            .zip(&seen)
            .filter(|(rule, seen)| **seen && scope.holds(rule.place));
        for (rule, _) in candidates {
            each_secret(&rule.regex, text, |range| {
                if text.get(range.clone()).is_some_and(rule.format.check) {
                    add(range, rule.place);
                }
            });
        }
        base64
    }

    /// Sorts cuts and joins those that overlap under the first of their rules; one by a rule with
    /// `action = "replace"` takes the whole text.
    fn settle(&self, text: &str, mut cuts: Vec<Cut>) -> Vec<Cut> {
        if cuts.is_empty() {
            return cuts;
        }
        cuts.retain(|cut| {
            !cut.range.is_empty()
                && !text
                    .get(cut.range.clone())
                    .is_some_and(|cut| self.is_marker(cut))
        });
        let whole = cuts
            .iter()
            .map(|cut| cut.place)
            .filter(|place| self.replaces(*place))
            .min();
        if let Some(place) = whole {
            return vec![Cut {
                range: 0..text.len(),
                place,
            }];
        }
        join(cuts)
    }

    /// A marker of ours, as an input that was redacted before has them.
    pub(crate) fn is_marker(&self, text: &str) -> bool {
        let id = text
            .strip_prefix("[redacted:")
            .map(|rest| rest.strip_suffix(']').unwrap_or(rest));
        id.is_some_and(|id| RESERVED.contains(&id) || self.rules.iter().any(|rule| rule.id() == id))
    }

    fn replaces(&self, place: usize) -> bool {
        self.rules.get(place).is_some_and(|rule| {
            rule.action == Action::Replace && !matches!(rule.matcher, Matcher::Keys { .. })
        })
    }
}

/// Sorted cuts of which none overlaps another.
pub(crate) fn join(mut cuts: Vec<Cut>) -> Vec<Cut> {
    cuts.sort_by_key(|cut| (cut.range.start, cut.place));
    let mut joined: Vec<Cut> = Vec::with_capacity(cuts.len());
    for cut in cuts {
        match joined.last_mut() {
            Some(last) if cut.range.start < last.range.end => {
                last.range.end = last.range.end.max(cut.range.end);
                last.place = last.place.min(cut.place);
            }
            _ => joined.push(cut),
        }
    }
    joined
}

/// Each match of an expression: its group `secret`, if it has one.
fn each_secret(regex: &Regex, text: &str, mut found: impl FnMut(Range<usize>)) {
    if regex.capture_names().flatten().any(|name| name == "secret") {
        for captures in regex.captures_iter(text) {
            if let Some(secret) = captures.name("secret").or_else(|| captures.get(0)) {
                found(secret.range());
            }
        }
    } else {
        for whole in regex.find_iter(text) {
            found(whole.range());
        }
    }
}
