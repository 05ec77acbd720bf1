//! Every maximum, with its reason.

/// Longest entry (leaf) in bytes: the C2SP tlog-tiles entry prefix is a uint16.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Longest redacted input that stays inside the entry, in bytes; a longer one becomes a blob. Half
/// an entry, so that the other eleven fields always fit beside it.
pub const INPUT_INLINE_BYTES_MAX: usize = 32 * 1024;

/// Longest tool name kept in an entry, in bytes (MCP recommends at most 128 characters).
pub const TOOL_NAME_BYTES_MAX: usize = 1024;

/// Longest session id, user, role, client name, version … kept in an entry, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// Longest JSON-RPC id kept in an entry, in bytes of raw JSON text.
pub const REQUEST_ID_BYTES_MAX: usize = 256;

/// Longest redacted free text of a peer (a cancellation reason) kept in an entry, in bytes.
pub const PEER_TEXT_BYTES_MAX: usize = 256;

/// Most redactions listed one by one; the rest are counted.
pub const REDACTIONS_MAX: usize = 128;

/// Most tool names listed in one `manifest` entry; the rest are counted (the digest covers all).
pub const MANIFEST_NAMES_MAX: usize = 512;

/// Most entries under one seal: a verifier holds back what a group says until its seal is read.
pub const GROUP_ENTRIES_MAX: usize = 65_536;

/// Longest `context` entry that an aggregator writes, in bytes: below [`ENTRY_BYTES_MAX`] by what its header may
/// need. A longer range is split.
pub const CONTEXT_BYTES_MAX: usize = 60_000;

/// Longest subject of a `context` entry, in bytes of its JSON: a longer name is passed over, and counted.
pub const CONTEXT_SUBJECT_BYTES_MAX: usize = 1024;

/// How far back a `context` entry may refer for its facts, in leaves: what a reader keeps of earlier ones is
/// bounded, and few references reach into what was pruned.
pub const CONTEXT_SAME_AS_LEAVES_MAX: u64 = 65_536;

/// Largest integer in an entry or seal, 2^53-1: every JSON reader keeps it exact (RFC 8259 section 6).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Cuts a text to at most `max` bytes at a character boundary and says how much was cut.
#[must_use]
pub fn clip(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max;
    while end > 0 && !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let kept = text.get(..end).unwrap_or_default();
    let cut = text.len().saturating_sub(kept.len());
    format!("{kept}…(+{cut} bytes)")
}
