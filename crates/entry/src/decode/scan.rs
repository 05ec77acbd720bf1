//! What stands where in one entry: spans, no values.
//!
//! Of the top-level members, and of the members of those that are objects, which is as deep as anything
//! here needs to look.
//!
//! ```text
//! {"v":1,"agent":{"role":"support","user":{"absent":"…"}},"input":{…}}
//!  └─┬─┘ └──┬──┘  └──────┬───────┘ └──────────┬─────────┘  └──┬──┘
//!  member member       child                child        member, searched for nothing
//! ```

use super::name::{Known, Name};
use super::text;

/// Members an entry usually has, and their members.
const MEMBERS_USUAL: usize = 24;
const CHILDREN_USUAL: usize = 32;

/// A place in the text: first byte, and the one behind the last. An entry has at most 65,535 bytes, and
/// many spans are kept at once: two bytes each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) end: u16,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self {
            start: small(start),
            end: small(end),
        }
    }

    pub(super) fn cut(self, text: &str) -> &str {
        text.get(usize::from(self.start)..usize::from(self.end))
            .unwrap_or_default()
    }

    fn bytes(self, text: &str) -> &[u8] {
        text.as_bytes()
            .get(usize::from(self.start)..usize::from(self.end))
            .unwrap_or_default()
    }
}

/// Offsets and counts within an entry are small; whatever were not would be cut out as nothing.
pub(super) fn small(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// A name and its value, as they are spelled; the name without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    /// What tells most names apart without looking at them: see [`text::key`].
    pub(super) key: u64,
    pub(super) name: Span,
    pub(super) value: Span,
    /// Of a top-level member: its own members are `children[first..behind]`.
    pub(super) first: u16,
    pub(super) behind: u16,
    /// Whether that is so: it is an object, and not `input`.
    pub(super) is_object: bool,
    /// The name has an escape.
    pub(super) escaped: bool,
}

impl Named {
    pub(super) fn pair<'t>(&self, text: &'t str) -> (&'t str, &'t str) {
        (self.name.cut(text), self.value.cut(text))
    }

    fn is(&self, key: u64, name: &str, text: &str) -> bool {
        self.key == key && self.name.bytes(text) == name.as_bytes()
    }
}

/// What stands where in one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) members: Vec<Named>,
    pub(super) children: Vec<Named>,
    /// Which of the members each known one is, counted from 1; 0 if it is not there.
    known: [u16; Known::COUNT],
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            members: Vec::with_capacity(MEMBERS_USUAL),
            children: Vec::with_capacity(CHILDREN_USUAL),
            known: [0; Known::COUNT],
        }
    }
}

/// The members of an object of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Children<'a> {
    text: &'a str,
    named: &'a [Named],
}

impl<'a> Children<'a> {
    /// Raw JSON of the member of this name.
    pub(crate) fn find(&self, name: Name) -> Option<&'a str> {
        self.find_keyed(name.key, name.text)
    }

    /// The same of a name that is not known beforehand.
    pub(crate) fn find_text(&self, name: &str) -> Option<&'a str> {
        self.find_keyed(text::key(name.as_bytes()), name)
    }

    fn find_keyed(&self, key: u64, name: &str) -> Option<&'a str> {
        let mut children = self.named.iter();
        let found = children.find(|child| child.is(key, name, self.text));
        found.map(|child| child.value.cut(self.text))
    }
}

impl Scan {
    /// Forgets everything but its memory.
    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.children.clear();
        self.known = [0; Known::COUNT];
    }

    /// Is about to get the members and children of another, at other places.
    pub(super) fn become_like(&mut self, other: &Self) {
        self.members.clear();
        self.children.clear();
        self.known = other.known;
    }

    /// Takes the next top-level member.
    pub(super) fn add(&mut self, member: Named, text: &str) {
        self.members.push(member);
        let known = Known::of(member.name.cut(text));
        if let Some(place) = known.and_then(|known| self.known.get_mut(known.place())) {
            *place = small(self.members.len());
        }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Named> {
        self.members.iter()
    }

    /// Raw JSON of the top-level member of this name.
    pub(super) fn find<'t>(&self, text: &'t str, name: &str) -> Option<&'t str> {
        self.member(text, name).map(|member| member.value.cut(text))
    }

    /// Raw JSON of a top-level member.
    pub(super) fn known<'t>(&self, text: &'t str, known: Known) -> Option<&'t str> {
        self.known_member(known)
            .map(|member| member.value.cut(text))
    }

    /// The members of a top-level member, if it is an object with plainly spelled names.
    pub(super) fn children<'a>(&'a self, text: &'a str, known: Known) -> Option<Children<'a>> {
        self.children_in(text, self.known_member(known)?)
    }

    /// The same of a member of any name.
    pub(super) fn children_of<'a>(&'a self, text: &'a str, name: &str) -> Option<Children<'a>> {
        self.children_in(text, self.member(text, name)?)
    }

    fn children_in<'a>(&'a self, text: &'a str, member: &Named) -> Option<Children<'a>> {
        if !member.is_object {
            return None;
        }
        let range = usize::from(member.first)..usize::from(member.behind);
        let named = self.children.get(range)?;
        let plain = named.iter().all(|child| !child.escaped);
        plain.then_some(Children { text, named })
    }

    fn member(&self, text: &str, name: &str) -> Option<&Named> {
        let key = text::key(name.as_bytes());
        let mut members = self.members.iter();
        members.find(|member| member.is(key, name, text))
    }

    fn known_member(&self, known: Known) -> Option<&Named> {
        let place = self.known.get(known.place()).copied().unwrap_or(0);
        self.members.get(usize::from(place.checked_sub(1)?))
    }
}
