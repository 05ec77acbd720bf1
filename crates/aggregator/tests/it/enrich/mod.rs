//! Context in the log: from files, servers and a real directory, dead and alive.

mod facts;
mod late;
mod log;
mod said;

#[expect(dead_code, reason = "the tests of that crate use all of it")]
#[path = "../../../../entry/tests/it/calls.rs"]
mod calls;
#[expect(dead_code, reason = "the tests of that crate use all of it")]
#[path = "../../../../enrich/tests/it/slapd.rs"]
mod slapd;
#[expect(dead_code, reason = "the tests of that crate use all of it")]
#[path = "../../../../enrich/tests/it/stub.rs"]
mod stub;
