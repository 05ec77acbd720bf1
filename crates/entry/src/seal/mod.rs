//! The seal: a source's signature over a group of entries that became durable together.
//!
//! # The bytes
//!
//! ```text
//! affiant.dev/seal/v1⏎                                              ┐
//! source gw-7⏎                                                      │
//! spool main⏎                                                       │ text of a C2SP signed note;
//! boot 01KAP9S8Z0000000000000000A⏎                                  │ key name = source id
//! seal 4⏎             number of the seal within its boot            │
//! first 17⏎           seq of the group's first entry                │
//! count 3⏎            entries in the group                          │
//! root oRk3…=⏎        RFC 6962 root over the entries' leaf hashes   │
//! previous 8f0y…=⏎    leaf hash of the seal entry before, or `none` │
//! time 2026-11-22T06:54:01.123456Z⏎                                 ┘
//! ⏎
//! — gw-7 bWFkZSB1cA…=⏎                                                one Ed25519 signature
//! ```
//!
//! The note travels as an entry of kind `seal` right behind the entries it covers. That entry takes
//! no `seq`; its leaf hash is the next seal's `previous`, across boots of one spool too. `none` stands
//! in the first seal of a chain and nowhere else.
//!
//! # Why may a failed append be retried?
//!
//! [`Sealer::prepare`] changes nothing. The head moves in [`Sealer::advance`], which the caller calls
//! once the spool has accepted the group; until then the same numbers can be given out again. If the
//! process dies in between, either the group is in the spool, and the next boot links to it, or it is
//! not, and no entry that anybody acknowledged is lost.
//!
//! Specification: `docs/spec/seal.md`.

mod sealer;
mod text;

pub use sealer::{BootFault, Prepared, SealError, Sealer};
pub use text::{SEAL_TEXT_V1, SealText};
