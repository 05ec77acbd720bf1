//! Every maximum of redaction, with its reason.

/// Longest input that is redacted, in bytes; a longer one is withheld. It bounds memory (about three
/// copies) and time (about a third of a second); capture keeps no more than this either.
pub const REDACT_INPUT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Deepest nesting of arrays and objects, counted through JSON inside strings; a deeper input is
/// withheld. The walk recurses, and 128 is what `serde_json` and most clients stop at.
pub const DEPTH_MAX: usize = 128;

/// Most levels of JSON inside strings that are looked into; what nests deeper is cut whole under the
/// rule `limit`. Each level doubles the backslashes, so honest inputs have one or two.
pub const NESTED_MAX: usize = 8;

/// Most levels of JSON in base64 that are looked into, each [`DEPTH_MAX`] deep at most: bounds the stack.
pub const ENCODED_MAX: usize = 2;

/// Longest base64 text that is decoded to look for JSON inside, in bytes.
pub const BASE64_BYTES_MAX: usize = 256 * 1024;

/// Longest text of [`redact_text`](crate::redact::Redactor::redact_text) that is looked at, in bytes;
/// a longer one is withheld. Far above what a reason or a client name needs.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Longest pointer written into an entry, in bytes; a longer one is clipped. Keys are a client's, and
/// may be of any length.
pub const POINTER_BYTES_MAX: usize = 256;

/// Most bytes the listed redactions of one input take in an entry; the rest are counted. An entry of
/// 65,535 bytes has to hold them beside 32 KiB of input and eleven other fields.
pub const REDACTION_LIST_BYTES_MAX: usize = 20 * 1024;

/// Most secret values remembered of one call to look for in its other texts.
pub const ECHOES_MAX: usize = 64;

/// Longest piece of a secret value remembered, in bytes.
pub const ECHO_BYTES_MAX: usize = 4096;

/// Shortest secret value remembered, in bytes: shorter ones stand in any text by chance.
pub const ECHO_BYTES_MIN: usize = 4;

/// Most rules in force.
pub const RULES_MAX: usize = 512;

/// Most items in one list of a rule.
pub const RULE_ITEMS_MAX: usize = 512;

/// Most memory one compiled regular expression may take, in bytes.
pub const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// Most hits listed by [`explain`](crate::redact::Redactor::explain).
pub const EXPLAIN_HITS_MAX: usize = 10_000;
