//! An entry that was read strictly, in bytes that belong to somebody else.

use serde_json::Value;

use super::{Decoded, Header, Members};

/// One entry, as a [`Reader`](super::Reader) gives it: nothing is copied but its header.
#[derive(Debug)]
pub struct View<'r> {
    pub(super) header: Header,
    pub(super) members: Members<'r>,
}

impl<'r> View<'r> {
    /// The bytes it was read from.
    #[must_use]
    pub const fn bytes(&self) -> &'r [u8] {
        self.members.text.as_bytes()
    }

    /// Who, where and when.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// A top-level member as it is spelled: raw JSON.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&'r str> {
        self.members.get(name)
    }

    /// Any field by its RFC 6901 pointer: see [`Decoded::pointer`].
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<Value> {
        self.members.pointer(pointer)
    }

    /// The entry with bytes of its own.
    #[must_use]
    pub fn into_decoded(self) -> Decoded {
        Decoded {
            text: self.members.text.to_owned(),
            scan: self.members.scan.clone(),
            header: self.header,
        }
    }

    pub(crate) const fn members(&self) -> Members<'r> {
        self.members
    }

    pub(crate) fn into_header(self) -> Header {
        self.header
    }
}
