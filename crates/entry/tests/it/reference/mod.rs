//! What an entry is, said a second time, slowly and by another hand's parser: the judge of the scanner.

mod fields;
mod probe;
mod reader;

pub(crate) use fields::state;
pub(crate) use reader::{Refused, members};
