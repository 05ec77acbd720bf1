//! What can be wrong with a redaction rule file.

use std::ops::Range;

use thiserror::Error;

/// A rule file was refused: where, and why. The operator's to mend; nothing was loaded.
#[derive(Debug, Error)]
#[error("redaction rules, line {line}, column {column}")]
pub struct RuleError {
    /// Line in the rule file, from 1.
    pub line: usize,
    /// Column in that line in characters, from 1.
    pub column: usize,
    /// Byte range in the rule file.
    pub span: Range<usize>,
    /// What is wrong.
    #[source]
    pub problem: RuleProblem,
}

impl RuleError {
    /// A problem at a byte range of `text`.
    pub(crate) fn at(text: &str, span: Range<usize>, problem: RuleProblem) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before
            .bytes()
            .filter(|byte| *byte == b'\n')
            .count()
            .saturating_add(1);
        let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let column = before
            .get(start..)
            .unwrap_or_default()
            .chars()
            .count()
            .saturating_add(1);
        Self {
            line,
            column,
            span,
            problem,
        }
    }
}

/// One thing that can be wrong in a rule file. Closed: this is all an operator can do wrong.
#[derive(Debug, Error)]
pub enum RuleProblem {
    /// Not TOML.
    #[error("not TOML: {message}")]
    Syntax {
        /// What the TOML parser says.
        message: String,
    },
    /// A key this version does not know.
    #[error("unknown key `{key}`{}", suggest(suggestion.as_deref()))]
    UnknownKey {
        /// The key.
        key: String,
        /// The known key that looks most like it.
        suggestion: Option<String>,
    },
    /// A key that has to be there is not.
    #[error("key `{key}` is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value of another type.
    #[error("`{key}` is {found}, not {expected}")]
    WrongType {
        /// The key.
        key: String,
        /// What it takes.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A word that is none of the allowed ones.
    #[error("`{key}` cannot be `{found}`: it is one of {}{}", list(known), suggest(suggestion.as_deref()))]
    UnknownWord {
        /// The key.
        key: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        known: &'static [&'static str],
        /// The allowed word that looks most like it.
        suggestion: Option<String>,
    },
    /// `format` names no known format.
    #[error("unknown secret format `{found}`{}", suggest(suggestion.as_deref()))]
    UnknownFormat {
        /// What stands there.
        found: String,
        /// The known format that looks most like it.
        suggestion: Option<String>,
    },
    /// `disable` names no built-in rule.
    #[error("`disable` names no built-in rule: `{found}`{}", suggest(suggestion.as_deref()))]
    UnknownRule {
        /// What stands there.
        found: String,
        /// The rule that looks most like it.
        suggestion: Option<String>,
    },
    /// A file of another version.
    #[error("rule file version {found} is not known to this release, which reads version 1")]
    Version {
        /// The version it names.
        found: String,
    },
    /// A rule id that cannot be a file name, a heading and a marker at once.
    #[error("rule id `{id}` is not 1 to 64 of a-z, 0-9 and `-`, starting with a letter")]
    BadId {
        /// The id.
        id: String,
    },
    /// Two rules with one id, or an id the redactor uses itself.
    #[error("rule id `{id}` is taken")]
    TakenId {
        /// The id.
        id: String,
    },
    /// A rule without a matcher, or with more than one.
    #[error(
        "rule `{rule}` has {found} of `keys`, `pointer`, `value`, `format`, `card`, `entropy`; it needs one"
    )]
    Matchers {
        /// The rule.
        rule: String,
        /// How many it has.
        found: usize,
    },
    /// A key that makes no sense beside the rule's matcher.
    #[error("rule `{rule}`: `{key}` does not go with `{matcher}`")]
    Misplaced {
        /// The rule.
        rule: String,
        /// The key.
        key: &'static str,
        /// The rule's matcher.
        matcher: &'static str,
    },
    /// A regular expression that does not compile, or compiles to more than the limit.
    #[error("rule `{rule}`: regular expression `{pattern}` does not compile")]
    Regex {
        /// The rule.
        rule: String,
        /// The expression.
        pattern: String,
        /// Why.
        #[source]
        source: Box<regex::Error>,
    },
    /// A regular expression that matches the empty text would cut everywhere.
    #[error("rule `{rule}`: regular expression `{pattern}` matches the empty text")]
    EmptyRegex {
        /// The rule.
        rule: String,
        /// The expression.
        pattern: String,
    },
    /// A pointer that is not an RFC 6901 pointer with `*` and `**`.
    #[error(
        "rule `{rule}`: `{pointer}` is not a pointer: it starts with `/` and has at most 32 segments"
    )]
    BadPointer {
        /// The rule.
        rule: String,
        /// The pointer.
        pointer: String,
    },
    /// A key name that would match every key, or none.
    #[error(
        "rule `{rule}`: key name `{name}` has no letter or digit, or a `*` that is not at its ends"
    )]
    BadKeyName {
        /// The rule.
        rule: String,
        /// The name.
        name: String,
    },
    /// A number outside its range.
    #[error("`{key}` is {found}, which is not within {min} to {max}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What stands there.
        found: String,
        /// Smallest allowed.
        min: u32,
        /// Largest allowed.
        max: u32,
    },
    /// An empty list.
    #[error("`{key}` is empty")]
    Empty {
        /// The key.
        key: String,
    },
    /// More rules, or list items, than the limit.
    #[error("more than {max} in `{key}`")]
    TooMany {
        /// The key.
        key: String,
        /// The limit.
        max: usize,
    },
}

fn suggest(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |word| format!(", did you mean `{word}`?"))
}

fn list(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The word that looks most like `found`, if one does.
pub(crate) fn nearest<'w>(found: &str, words: impl Iterator<Item = &'w str>) -> Option<String> {
    words
        .map(|word| (strsim::jaro_winkler(found, word), word))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word.to_owned())
}
