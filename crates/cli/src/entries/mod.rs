//! Listing entries: every spool in its own order, merged by time, filtered, printed.

pub(crate) mod events;
pub(crate) mod facts;
pub(crate) mod filter;
pub(crate) mod log;
mod log_events;
pub(crate) mod merge;
pub(crate) mod remote;
pub(crate) mod table;
pub(crate) mod units;
pub(crate) mod when;
