//! The source's secrets: the seal key, the commitment key, and what the holder remembers.

mod file;
mod head;
mod ring;

pub use file::KeyFileError;
pub(crate) use file::{read_secret, write_whole};
pub use head::{HeadError, HeadFile};
pub use ring::{KeyRing, KeyRingError, load_trust};
