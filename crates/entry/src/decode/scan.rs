//! JSON of one entry, read once: is it, and where does what stand?
//!
//! A verifier reads every byte of every entry, so this is the one place of the crate that is written
//! for speed. It keeps no values, only spans: of the top-level members, and of the members of those
//! that are objects, which is as deep as anything here needs to look.
//!
//! ```text
//! {"v":1,"agent":{"role":"support","user":{"absent":"…"}},"input":{…}}
//!  └─┬─┘ └──┬──┘  └──────┬───────┘ └──────────┬─────────┘  └──┬──┘
//!  member member       child                child        member, searched for nothing
//! ```
//!
//! # Two strictnesses
//!
//! In `input`, which is the client's, anything of RFC 8259 goes, at any depth, doubled names and lone
//! surrogates too. Everywhere else names are not doubled, escapes are those of real characters, numbers
//! are finite and nesting ends at [`LEVELS_MAX`].

use std::borrow::Cow;

use super::text::{flaw, resolve, skip_plain};
use super::{DecodeError, text};
use crate::limits::clip;

/// Deepest nesting below a top-level member of ours; the codec needs 4.
const LEVELS_MAX: u8 = 64;
/// Names of one object that are compared as they come; more are sorted at the end, so that an entry of
/// 64 KiB of names costs milliseconds, not minutes.
const NAMES_FEW: usize = 24;
/// Members an entry usually has, and their members.
const MEMBERS_USUAL: usize = 24;
const CHILDREN_USUAL: usize = 32;

/// A place in the text: first byte, and the one behind the last. An entry has at most 65,535 bytes, and
/// many spans are kept at once: two bytes each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    start: u16,
    end: u16,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        Self {
            start: small(start),
            end: small(end),
        }
    }

    fn cut(self, text: &str) -> &str {
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
fn small(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// A name and its value, as they are spelled; the name without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    /// What tells most names apart without looking at them: see [`text::key`].
    key: u64,
    name: Span,
    value: Span,
    /// Of a top-level member: its own members are `children[first..behind]`.
    first: u16,
    behind: u16,
    /// Whether that is so: it is an object, and not `input`.
    is_object: bool,
    /// The name has an escape.
    escaped: bool,
}

impl Named {
    pub(super) fn pair<'t>(&self, text: &'t str) -> (&'t str, &'t str) {
        (self.name.cut(text), self.value.cut(text))
    }

    fn is(&self, key: u64, name: &str, text: &str) -> bool {
        self.key == key && self.name.bytes(text) == name.as_bytes()
    }
}

/// A name that was just read. Kept in registers until its value is known: a [`Named`] that is filled
/// piece by piece and then copied stalls the processor.
#[derive(Clone, Copy)]
struct NameAt {
    key: u64,
    start: usize,
    end: usize,
    escaped: bool,
}

impl NameAt {
    fn named(self, value: Span) -> Named {
        Named {
            key: self.key,
            name: Span::new(self.start, self.end),
            value,
            first: 0,
            behind: 0,
            is_object: false,
            escaped: self.escaped,
        }
    }
}

/// What stands where in one entry.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    members: Vec<Named>,
    children: Vec<Named>,
}

/// The members of an object of ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Children<'a> {
    text: &'a str,
    named: &'a [Named],
}

impl<'a> Children<'a> {
    /// Raw JSON of the member of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&'a str> {
        let key = text::key(name.as_bytes());
        self.named
            .iter()
            .find(|child| child.is(key, name, self.text))
            .map(|child| child.value.cut(self.text))
    }
}

impl Scan {
    /// Reads the text of an entry: one object.
    pub(super) fn read(text: &str) -> Result<Self, DecodeError> {
        let mut scanner = Scanner {
            text,
            bytes: text.as_bytes(),
            at: 0,
            scan: Self {
                members: Vec::with_capacity(MEMBERS_USUAL),
                children: Vec::with_capacity(CHILDREN_USUAL),
            },
            deeper: Vec::new(),
            doubled: None,
        };
        scanner.entry().map_err(|what| flaw(what, scanner.at))?;
        match scanner.doubled {
            Some(member) => Err(DecodeError::Duplicate { member }),
            None => Ok(scanner.scan),
        }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Named> {
        self.members.iter()
    }

    /// Raw JSON of the top-level member of this name.
    pub(super) fn find<'t>(&self, text: &'t str, name: &str) -> Option<&'t str> {
        self.member(text, name).map(|member| member.value.cut(text))
    }

    /// The members of the top-level member of this name, if it is an object with plainly spelled names.
    pub(super) fn children<'a>(&'a self, text: &'a str, name: &str) -> Option<Children<'a>> {
        let member = self.member(text, name).filter(|member| member.is_object)?;
        let range = usize::from(member.first)..usize::from(member.behind);
        let named = self.children.get(range)?;
        let plain = named.iter().all(|child| !child.escaped);
        plain.then_some(Children { text, named })
    }

    fn member(&self, text: &str, name: &str) -> Option<&Named> {
        let key = text::key(name.as_bytes());
        self.members
            .iter()
            .find(|member| member.is(key, name, text))
    }
}

/// Which names one object has, roughly: most names are told to be new by one bit.
#[derive(Debug, Clone, Copy, Default)]
struct Seen(u64);

impl Seen {
    /// Whether a name of this key may have been there before; from now on it was.
    const fn again(&mut self, key: u64) -> bool {
        // The upper bits of a product depend on all bits below.
        let bit = 1_u64 << (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58);
        let before = self.0 & bit != 0;
        self.0 |= bit;
        before
    }
}

/// What is wrong; where, is where the scanner stands.
type Flaw = &'static str;

const NO_VALUE: Flaw = "expected a value";
const NO_NAME: Flaw = "expected a name";
const NO_COLON: Flaw = "expected `:`";
const NO_OBJECT_END: Flaw = "expected `,` or `}`";
const NO_ARRAY_END: Flaw = "expected `,` or `]`";
const TOO_DEEP: Flaw = "nested too deeply";
const ESCAPED_NAME: Flaw = "top-level name with an escape";
const TRAILING: Flaw = "trailing characters";

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    scan: Scan,
    /// Names of the objects that are open below a child, one object behind the other.
    deeper: Vec<Named>,
    /// The first doubled name.
    doubled: Option<String>,
}

impl Scanner<'_> {
    // Places.

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    const fn step(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    /// Steps over a byte if it is this one.
    fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        if here {
            self.step();
        }
        here
    }

    /// Blanks and tabs; a line break has no place in an entry.
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.step();
        }
    }

    // Objects of ours.

    fn entry(&mut self) -> Result<(), Flaw> {
        if !self.take(b'{') {
            return Err(NO_VALUE);
        }
        self.space();
        if !self.take(b'}') {
            let mut seen = Seen::default();
            loop {
                self.member(&mut seen)?;
                self.space();
                match self.peek() {
                    Some(b',') => self.step(),
                    Some(b'}') => break self.step(),
                    _ => return Err(NO_OBJECT_END),
                }
                self.space();
            }
        }
        if self.scan.members.len() > NAMES_FEW {
            let doubled = self.doubled_of_many(&self.scan.members);
            self.find_doubled(doubled);
        }
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(TRAILING)
        }
    }

    fn member(&mut self, seen: &mut Seen) -> Result<(), Flaw> {
        let name = self.name::<true>()?;
        if name.escaped {
            return Err(ESCAPED_NAME);
        }
        if seen.again(name.key) && self.scan.members.len() < NAMES_FEW {
            let doubled = self.doubled_of(&self.scan.members, name);
            self.find_doubled(doubled);
        }
        let (start, first) = (self.at, self.scan.children.len());
        let mut is_object = false;
        if self.bytes.get(name.start..name.end) == Some(b"input") {
            self.anything()?;
        } else if self.peek() == Some(b'{') {
            is_object = true;
            self.object::<true>(LEVELS_MAX)?;
        } else {
            self.value(LEVELS_MAX)?;
        }
        self.scan.members.push(Named {
            first: small(first),
            behind: small(self.scan.children.len()),
            is_object,
            ..name.named(Span::new(start, self.at))
        });
        Ok(())
    }

    /// A value of ours, of which nothing is kept.
    fn value(&mut self, levels: u8) -> Result<(), Flaw> {
        match self.peek() {
            Some(b'"') => {
                self.step();
                self.string::<true>().map(|_| ())
            }
            Some(b'{') => self.object::<false>(levels),
            Some(b'[') => self.array(levels),
            _ => self.scalar::<true>(),
        }
    }

    fn array(&mut self, levels: u8) -> Result<(), Flaw> {
        let below = levels.checked_sub(1).ok_or(TOO_DEEP)?;
        self.step();
        self.space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(below)?;
            self.space();
            match self.peek() {
                Some(b',') => self.step(),
                Some(b']') => break,
                _ => return Err(NO_ARRAY_END),
            }
            self.space();
        }
        self.step();
        Ok(())
    }

    /// `KEPT`: a top-level member, whose own members are kept.
    fn object<const KEPT: bool>(&mut self, levels: u8) -> Result<(), Flaw> {
        let below = levels.checked_sub(1).ok_or(TOO_DEEP)?;
        let base = self.names::<KEPT>().len();
        self.step();
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        let mut seen = Seen::default();
        loop {
            let name = self.name::<true>()?;
            if seen.again(name.key) {
                self.compare::<KEPT>(base, name);
            }
            let start = self.at;
            let place = self.names::<KEPT>().len();
            self.names_mut::<KEPT>().push(name.named(Span::default()));
            self.value(below)?;
            if KEPT && let Some(kept) = self.scan.children.get_mut(place) {
                kept.value = Span::new(start, self.at);
            }
            self.space();
            match self.peek() {
                Some(b',') => self.step(),
                Some(b'}') => break,
                _ => return Err(NO_OBJECT_END),
            }
            self.space();
        }
        self.step();
        let names = self.names::<KEPT>().get(base..).unwrap_or_default();
        if names.len() > NAMES_FEW {
            let doubled = self.doubled_of_many(names);
            self.find_doubled(doubled);
        }
        if !KEPT {
            self.deeper.truncate(base);
        }
        Ok(())
    }

    // Names.

    const fn names<const KEPT: bool>(&self) -> &Vec<Named> {
        if KEPT {
            &self.scan.children
        } else {
            &self.deeper
        }
    }

    const fn names_mut<const KEPT: bool>(&mut self) -> &mut Vec<Named> {
        if KEPT {
            &mut self.scan.children
        } else {
            &mut self.deeper
        }
    }

    /// A name, and all up to its value.
    #[inline]
    fn name<const STRICT: bool>(&mut self) -> Result<NameAt, Flaw> {
        if !self.take(b'"') {
            return Err(NO_NAME);
        }
        let start = self.at;
        let escaped = self.string::<STRICT>()?;
        let end = self.at.wrapping_sub(1);
        self.space();
        if !self.take(b':') {
            return Err(NO_COLON);
        }
        self.space();
        let key = match (STRICT, escaped) {
            (true, false) => text::key_at(self.bytes, start, end),
            (true, true) => {
                let spelled = self.text.get(start..end).unwrap_or_default();
                text::key(resolve(spelled).as_bytes())
            }
            (false, _) => 0,
        };
        Ok(NameAt {
            key,
            start,
            end,
            escaped,
        })
    }

    /// Compares a name with those before it in its object, while they are few.
    fn compare<const KEPT: bool>(&mut self, base: usize, name: NameAt) {
        let before = self.names::<KEPT>().get(base..).unwrap_or_default();
        if before.len() < NAMES_FEW {
            let doubled = self.doubled_of(before, name);
            self.find_doubled(doubled);
        }
    }

    /// The name, if it stands among those before it.
    fn doubled_of(&self, before: &[Named], name: NameAt) -> Option<String> {
        let named = name.named(Span::default());
        let doubled = before.iter().any(|seen| self.same(seen, &named));
        doubled.then(|| self.spell(&named))
    }

    fn same(&self, a: &Named, b: &Named) -> bool {
        a.key == b.key && self.resolved(a) == self.resolved(b)
    }

    fn resolved(&self, named: &Named) -> Cow<'_, str> {
        let spelled = named.name.cut(self.text);
        if named.escaped {
            resolve(spelled)
        } else {
            Cow::Borrowed(spelled)
        }
    }

    fn spell(&self, named: &Named) -> String {
        clip(&self.resolved(named), 80)
    }

    fn find_doubled(&mut self, doubled: Option<String>) {
        if self.doubled.is_none() {
            self.doubled = doubled;
        }
    }

    /// A name that occurs twice.
    fn doubled_of_many(&self, names: &[Named]) -> Option<String> {
        let mut names = names.to_vec();
        names.sort_unstable_by(|a, b| {
            let by_text = || self.resolved(a).cmp(&self.resolved(b));
            a.key.cmp(&b.key).then_with(by_text)
        });
        let twice = names.windows(2).find_map(|pair| match pair {
            [a, b] if self.same(a, b) => Some(*a),
            _ => None,
        });
        twice.map(|named| self.spell(&named))
    }

    // What is the client's.

    /// Any JSON, at any depth: no recursion.
    fn anything(&mut self) -> Result<(), Flaw> {
        // The bytes that close what is open.
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.step();
                    self.space();
                    if !self.take(b'}') {
                        open.push(b'}');
                        self.name::<false>()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.step();
                    self.space();
                    if !self.take(b']') {
                        open.push(b']');
                        continue;
                    }
                }
                Some(b'"') => {
                    self.step();
                    self.string::<false>()?;
                }
                _ => self.scalar::<false>()?,
            }
            if self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Goes from behind a value to the next one; whether there is none.
    fn close(&mut self, open: &mut Vec<u8>) -> Result<bool, Flaw> {
        while let Some(end) = open.last().copied() {
            self.space();
            if self.take(b',') {
                self.space();
                if end == b'}' {
                    self.name::<false>()?;
                }
                return Ok(false);
            }
            if !self.take(end) {
                return Err(if end == b'}' {
                    NO_OBJECT_END
                } else {
                    NO_ARRAY_END
                });
            }
            open.pop();
        }
        Ok(true)
    }

    // Scalars.

    /// From behind the opening quote to behind the closing one; whether there are escapes.
    fn string<const STRICT: bool>(&mut self) -> Result<bool, Flaw> {
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = skip_plain(rest);
            self.at = self.at.wrapping_add(plain);
            match rest.get(plain) {
                Some(b'"') => {
                    self.step();
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    let behind = rest.get(plain..).unwrap_or_default();
                    let taken = text::escape::<STRICT>(behind).ok_or("invalid escape")?;
                    self.at = self.at.wrapping_add(taken);
                }
                Some(_) => return Err("control character in a string"),
                None => return Err("string without an end"),
            }
        }
    }

    fn scalar<const STRICT: bool>(&mut self) -> Result<(), Flaw> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let literal = match rest.first() {
            Some(b't') => Some(&b"true"[..]),
            Some(b'f') => Some(&b"false"[..]),
            Some(b'n') => Some(&b"null"[..]),
            _ => None,
        };
        let taken = match literal {
            Some(literal) if rest.starts_with(literal) => literal.len(),
            Some(_) => return Err(NO_VALUE),
            None => text::number(rest, STRICT).ok_or(NO_VALUE)?,
        };
        self.at = self.at.wrapping_add(taken);
        Ok(())
    }
}
