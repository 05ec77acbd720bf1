//! The members of an entry that was read strictly.

use serde_json::Value;

use super::name::Known;
use super::scan::{Children, Scan};

/// Where what stands in the bytes of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Members<'a> {
    pub(super) text: &'a str,
    pub(super) scan: &'a Scan,
}

impl<'a> Members<'a> {
    /// A top-level member as it is spelled: raw JSON.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.scan.find(self.text, name)
    }

    /// A top-level member that readers often ask for.
    pub(crate) fn known(&self, known: Known) -> Option<&'a str> {
        self.scan.known(self.text, known)
    }

    /// The members of a top-level member, where it is an object, plainly spelled and not `input`.
    pub(crate) fn children(&self, known: Known) -> Option<Children<'a>> {
        self.scan.children(self.text, known)
    }

    /// The same of a member of any name.
    pub(crate) fn children_of(&self, name: &str) -> Option<Children<'a>> {
        self.scan.children_of(self.text, name)
    }

    /// Any field by its RFC 6901 pointer: see [`Decoded::pointer`](super::Decoded::pointer).
    pub(crate) fn pointer(&self, pointer: &str) -> Option<Value> {
        let path = pointer.strip_prefix('/')?;
        let (first, rest) = path
            .split_once('/')
            .map_or((path, None), |(first, rest)| (first, Some(rest)));
        let name = first.replace("~1", "/").replace("~0", "~");
        let mut value: Value = serde_json::from_str(self.get(&name)?).ok()?;
        match rest {
            None => Some(value),
            Some(rest) => value.pointer_mut(&format!("/{rest}")).map(Value::take),
        }
    }
}
