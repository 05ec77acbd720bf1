//! Sources of facts, read from files and from servers that answer, lie, stall and die.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod ldap;
mod scim;
mod slapd;
mod stale;
mod stub;
mod web;
mod world;
