//! What an entry is, said a second time, slowly and by another hand's parser: the judge of the scanner.
//!
//! It resembles `src/` on purpose and shares nothing with it: a judge that called what it judges would
//! agree with every mistake. A change of the format is made in both, by hand.

mod fields;
mod probe;
mod reader;

pub(crate) use fields::state;
pub(crate) use reader::{Refused, members};
