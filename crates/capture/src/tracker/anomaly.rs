//! What a peer can do wrong, and how often it is said.

use std::borrow::Cow;
use std::collections::BTreeMap;

use affiant_entry::limits::{NAME_BYTES_MAX, clip};
use affiant_entry::record::AnomalyFact;

use crate::scan::Flag;

/// The closed list of anomaly codes (`docs/spec/entry.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A bound was hit; fact `which` names it.
    Limit,
    /// The text is not JSON (a server's log line on its standard output, say).
    NotJson,
    /// JSON, but no JSON-RPC message.
    NotJsonRpc,
    /// The text starts with a byte order mark.
    ByteOrderMark,
    /// A string is not UTF-8.
    InvalidUtf8,
    /// Half a surrogate pair.
    LoneSurrogate,
    /// `NaN` or `Infinity`.
    NonFiniteNumber,
    /// The same key twice: readers disagree on which counts.
    DuplicateKey,
    /// A key of MCP in other case: some readers take it.
    CaseVariantKey,
    /// Nested deeper than is followed.
    TooDeep,
    /// Too many or too long keys to compare them.
    KeysUnchecked,
    /// A field is longer than is kept.
    FieldTooLong,
    /// `jsonrpc` is not `"2.0"`.
    JsonrpcVersion,
    /// A text was too long to be looked at.
    Oversize,
    /// A request's id is missing, `null`, of a forbidden type, or too long.
    CallWithoutId,
    /// `tools/call` without a string `params.name`.
    MissingName,
    /// `params.arguments` is not an object.
    ArgumentsNotObject,
    /// A request took the id of one in flight.
    IdReused,
    /// `Mcp-Method`, `Mcp-Name` or `MCP-Protocol-Version` differs from the body.
    HeaderMismatch,
    /// An answer came after the request had ended.
    LateResponse,
    /// An answer to a request nobody made.
    UnknownResponseId,
    /// An answer without id that belongs to no request.
    ResponseWithoutId,
    /// An answer with `result` and `error`.
    ResultAndError,
    /// A result of a call that is no tool result.
    MalformedResponse,
    /// A `resultType` nobody knows.
    UnknownResultType,
    /// A tool stands twice in a manifest.
    DuplicateTool,
    /// A manifest could not be read.
    ManifestUnreadable,
    /// A new task took the id of one that runs.
    TaskIdReused,
}

impl Code {
    /// The code as it stands in the entry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::NotJson => "not-json",
            Self::NotJsonRpc => "not-json-rpc",
            Self::ByteOrderMark => "byte-order-mark",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::LoneSurrogate => "lone-surrogate",
            Self::NonFiniteNumber => "non-finite-number",
            Self::DuplicateKey => "duplicate-key",
            Self::CaseVariantKey => "case-variant-key",
            Self::TooDeep => "too-deep",
            Self::KeysUnchecked => "keys-unchecked",
            Self::FieldTooLong => "field-too-long",
            Self::JsonrpcVersion => "jsonrpc-version",
            Self::Oversize => "oversize",
            Self::CallWithoutId => "call-without-id",
            Self::MissingName => "missing-name",
            Self::ArgumentsNotObject => "arguments-not-object",
            Self::IdReused => "id-reused",
            Self::HeaderMismatch => "header-mismatch",
            Self::LateResponse => "late-response",
            Self::UnknownResponseId => "unknown-response-id",
            Self::ResponseWithoutId => "response-without-id",
            Self::ResultAndError => "result-and-error",
            Self::MalformedResponse => "malformed-response",
            Self::UnknownResultType => "unknown-result-type",
            Self::DuplicateTool => "duplicate-tool",
            Self::ManifestUnreadable => "manifest-unreadable",
            Self::TaskIdReused => "task-id-reused",
        }
    }
}

impl From<Flag> for Code {
    fn from(flag: Flag) -> Self {
        match flag {
            Flag::ByteOrderMark => Self::ByteOrderMark,
            Flag::InvalidUtf8 => Self::InvalidUtf8,
            Flag::LoneSurrogate => Self::LoneSurrogate,
            Flag::NonFiniteNumber => Self::NonFiniteNumber,
            Flag::DuplicateKey => Self::DuplicateKey,
            Flag::CaseVariantKey => Self::CaseVariantKey,
            Flag::TooDeep => Self::TooDeep,
            Flag::KeysUnchecked => Self::KeysUnchecked,
            Flag::FieldTooLong => Self::FieldTooLong,
            Flag::JsonrpcVersion => Self::JsonrpcVersion,
        }
    }
}

/// The facts of an anomaly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts(BTreeMap<Cow<'static, str>, AnomalyFact>);

impl Facts {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn number(mut self, name: &'static str, value: u64) -> Self {
        self.0
            .insert(Cow::Borrowed(name), AnomalyFact::Number(value));
        self
    }

    pub(super) fn word(mut self, name: &'static str, word: &'static str) -> Self {
        self.0
            .insert(Cow::Borrowed(name), AnomalyFact::Word(Cow::Borrowed(word)));
        self
    }

    /// An identifier of the protocol (a JSON-RPC id, a task id), clipped.
    pub(super) fn identifier(mut self, name: &'static str, text: &str) -> Self {
        let text = clip(text, NAME_BYTES_MAX);
        self.0
            .insert(Cow::Borrowed(name), AnomalyFact::Word(Cow::Owned(text)));
        self
    }

    pub(super) fn into_map(self) -> BTreeMap<Cow<'static, str>, AnomalyFact> {
        self.0
    }
}

const WINDOW_US: u64 = 60_000_000;

/// Bounds how often each kind of thing is recorded, and counts the rest. Each kind has its own
/// budget, so that a flood of one does not hide another.
#[derive(Debug, Default)]
pub(super) struct Rates {
    windows: BTreeMap<&'static str, Window>,
}

#[derive(Debug)]
struct Window {
    since_us: u64,
    passed: u64,
    suppressed: u64,
}

impl Rates {
    /// Whether one more of `kind` may be recorded now; if not, it is counted.
    pub(super) fn admit(&mut self, kind: &'static str, now_us: u64, per_minute_max: u64) -> bool {
        let window = self.windows.entry(kind).or_insert(Window {
            since_us: now_us,
            passed: 0,
            suppressed: 0,
        });
        if now_us.saturating_sub(window.since_us) >= WINDOW_US && window.suppressed == 0 {
            *window = Window {
                since_us: now_us,
                passed: 0,
                suppressed: 0,
            };
        }
        if window.passed < per_minute_max {
            window.passed = window.passed.saturating_add(1);
            return true;
        }
        window.suppressed = window.suppressed.saturating_add(1);
        false
    }

    /// When [`take_suppressed`](Self::take_suppressed) has something to say.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        let counting = self.windows.values().filter(|window| window.suppressed > 0);
        counting
            .map(|window| window.since_us.saturating_add(WINDOW_US))
            .min()
    }

    /// Ends windows that are over (with `all`: every window) and returns what was not recorded.
    pub(super) fn take_suppressed(&mut self, now_us: u64, all: bool) -> Vec<(&'static str, u64)> {
        let mut counts = Vec::new();
        self.windows.retain(|kind, window| {
            let over = all || now_us.saturating_sub(window.since_us) >= WINDOW_US;
            if over && window.suppressed > 0 {
                counts.push((*kind, window.suppressed));
            }
            !over
        });
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_rate_is_counted_and_the_count_is_told() {
        let mut rates = Rates::default();
        let admitted = (0..10).filter(|_| rates.admit("a", 5, 3)).count();
        assert_eq!(admitted, 3);
        assert!(rates.admit("b", 5, 3), "each kind has its own budget");
        assert_eq!(rates.deadline_us(), Some(5 + WINDOW_US));
        assert_eq!(rates.take_suppressed(WINDOW_US, false), []);
        assert_eq!(rates.take_suppressed(5 + WINDOW_US, false), [("a", 7)]);
        assert_eq!(rates.deadline_us(), None);
        assert!(rates.admit("a", 6 + WINDOW_US, 3));
    }
}
