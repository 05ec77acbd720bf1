//! Does this group continue that chain? What an aggregator asks of each group before it appends it,
//! and an auditor of each group in a log.
//!
//! ```text
//! entries + seal ─▸ CheckedGroup::check ─▸ ChainCursor::place ─▸ append ─▸ ChainCursor::advance
//!                   what can be told of      Next, Duplicate,              only what was appended
//!                   the group alone          Fork, Gap, …
//! ```
//!
//! [`CheckedGroup::check`] is where the work is (a hash for each entry, one signature) and needs no
//! state, so groups may be checked side by side. [`ChainCursor::place`] compares a few numbers and
//! hashes, and changes nothing.
//!
//! [`ChainVerifier`](crate::chain::ChainVerifier) judges a whole spool and everything its entries say
//! together; this module judges one step, in constant memory for each chain, and says nothing of calls,
//! gaps or completeness.
//!
//! # What is checked
//!
//! Of the group: spelling of the seal entry, its signature by a trusted key, count and root over the
//! entries' leaf hashes; for the first group of a boot, that it begins with a `boot` entry which names
//! the same spool and the same previous seal, and the key that signed. Of each entry: that it is one,
//! of the same source and boot, with the number that belongs at its place. Entries that break a rule
//! are named and do not make the seal bad: the source signed them, so they are evidence of something.
//!
//! Of its place: that it is the next seal and links to the last one, by the key of its boot.
//!
//! # What is not checked
//!
//! Duplicates and forks before the last seal: whoever keeps older seals looks there first. That a key
//! is still good: give a [`Trust`](crate::Trust) without those that are not. Blobs.

mod cursor;
mod group;

pub use cursor::{ChainCursor, ChainPosition, ForkKind, GapKind, Placement};
pub use group::{BadSeal, BootLink, CheckedGroup, EntryFacts, EntryProblem};
