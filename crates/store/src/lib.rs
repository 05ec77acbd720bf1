//! The store: a rebuildable view of the log in Parquet, and SQL over it.
//!
//! It is not evidence. It believes the log that it is given, checks no signature, and may be deleted at
//! any time: [`Store::open`] begins at leaf 0 again. What it says is proven by the leaves, not by it.
//!
//! ```text
//! leaves ─ append ─▸ rows in memory ─ flush ─▸ data/2026-11-22/000000000007.parquet
//!                        │                        │  compact: many small files, one large one
//!                        └──────── snapshot ──────┴─▸ entries, calls, context ─ SQL ─▸ answer
//! manifest-00000000000000000042.json: which files, and how far the log was read
//! ```
//!
//! - One row a leaf, one column a field, NULL where the entry says that a fact is absent
//!   (`docs/reference/store.md`).
//! - Rows can be asked for when [`Store::append`] returns. Files are made when enough rows or time
//!   passed; a crash before loses nothing, as the log has them.
//! - A store changes by one step: the next manifest. Files are created once and never change.
//! - Facts of the context are joined by subject and leaf when somebody asks; late ones rewrite nothing.
//!
//! Limits: each row group has 131,072 rows at most; times lie between the years 0 and 9999 as entries
//! demand; leaf indexes stay below 2^63.
//!
//! No type of DataFusion or arrow leaves this crate.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "enums of SQL, arrow and kinds have dozens of variants; the rest is refused or passed over"
)]

mod columns;
mod compact;
mod context;
mod io;
mod manifest;
mod memory;
pub mod query;
mod row;
mod segment;
mod store;

pub use store::{OpenError, RawLeaves, Status, Store, WriteError};

/// The columns of `entries` that do not depend on the context: name, type, meaning.
#[must_use]
pub const fn columns() -> &'static [(&'static str, &'static str, &'static str)] {
    columns::COLUMNS
}
