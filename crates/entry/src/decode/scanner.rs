//! The strict reader of one entry's JSON.
//!
//! A verifier reads every byte of every entry, so this is written for speed. What it keeps is a [`Scan`].
//!
//! # Two strictnesses
//!
//! In `input`, which is the client's, anything of RFC 8259 goes, at any depth, doubled names and lone
//! surrogates too. Everywhere else names are not doubled, escapes are those of real characters, numbers
//! are finite and nesting ends at [`LEVELS_MAX`].

use std::borrow::Cow;

use super::DecodeError;
use super::cursor::{
    Cursor, ESCAPED_NAME, Flaw, NO_ARRAY_END, NO_OBJECT_END, NO_VALUE, NameAt, TOO_DEEP, TRAILING,
};
use super::scan::{Named, Scan, Span, small};
use super::shape::Value;
use super::text::{flaw, resolve};
use crate::limits::clip;

/// Deepest nesting below a top-level member of ours; the codec needs 4.
const LEVELS_MAX: u8 = 64;
/// Names of one object that are compared as they come; more are sorted at the end, so that an entry of
/// 64 KiB of names costs milliseconds, not minutes.
const NAMES_FEW: usize = 24;

/// Reads the text of an entry, one object, into `scan`; its values that are no objects of ours, in order,
/// into `values`.
pub(super) fn read(
    text: &str,
    scan: &mut Scan,
    values: &mut Vec<Value>,
) -> Result<(), DecodeError> {
    scan.clear();
    values.clear();
    let mut scanner = Scanner {
        cursor: Cursor::new(text),
        scan,
        values,
        deeper: Vec::new(),
        doubled: None,
    };
    scanner
        .entry()
        .map_err(|what| flaw(what, scanner.cursor.at))?;
    match scanner.doubled {
        Some(member) => Err(DecodeError::Duplicate { member }),
        None => Ok(()),
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

struct Scanner<'t, 's> {
    cursor: Cursor<'t>,
    scan: &'s mut Scan,
    values: &'s mut Vec<Value>,
    /// Names of the objects that are open below a child, one object behind the other.
    deeper: Vec<Named>,
    /// The first doubled name.
    doubled: Option<String>,
}

impl Scanner<'_, '_> {
    // Objects of ours.

    fn entry(&mut self) -> Result<(), Flaw> {
        if !self.cursor.take(b'{') {
            return Err(NO_VALUE);
        }
        self.cursor.space();
        if !self.cursor.take(b'}') {
            let mut seen = Seen::default();
            loop {
                self.member(&mut seen)?;
                self.cursor.space();
                match self.cursor.peek() {
                    Some(b',') => self.cursor.step(),
                    Some(b'}') => break self.cursor.step(),
                    _ => return Err(NO_OBJECT_END),
                }
                self.cursor.space();
            }
        }
        if self.scan.members.len() > NAMES_FEW {
            let doubled = self.doubled_of_many(&self.scan.members);
            self.find_doubled(doubled);
        }
        if self.cursor.is_at_end() {
            Ok(())
        } else {
            Err(TRAILING)
        }
    }

    fn member(&mut self, seen: &mut Seen) -> Result<(), Flaw> {
        let name = self.cursor.name::<true>()?;
        if name.escaped {
            return Err(ESCAPED_NAME);
        }
        if seen.again(name.key) && self.scan.members.len() < NAMES_FEW {
            let doubled = self.doubled_of(&self.scan.members, name);
            self.find_doubled(doubled);
        }
        let (start, first) = (self.cursor.at, self.scan.children.len());
        let mut is_object = false;
        if self.cursor.text.get(name.start..name.end) == Some("input") {
            self.cursor.anything()?;
            let span = Span::new(start, self.cursor.at);
            self.values.push(Value { span, any: true });
        } else if self.cursor.peek() == Some(b'{') {
            is_object = true;
            self.object::<true>(LEVELS_MAX)?;
        } else {
            self.value(LEVELS_MAX)?;
        }
        let member = Named {
            first: small(first),
            behind: small(self.scan.children.len()),
            is_object,
            ..name.named(Span::new(start, self.cursor.at))
        };
        self.scan.add(member, self.cursor.text);
        Ok(())
    }

    /// A value of ours, of which nothing is kept.
    fn value(&mut self, levels: u8) -> Result<(), Flaw> {
        match self.cursor.peek() {
            Some(b'{') => self.object::<false>(levels),
            Some(b'[') => self.array(levels),
            _ => {
                let start = self.cursor.at;
                self.cursor.scalar_of_ours()?;
                let span = Span::new(start, self.cursor.at);
                self.values.push(Value { span, any: false });
                Ok(())
            }
        }
    }

    fn array(&mut self, levels: u8) -> Result<(), Flaw> {
        let below = levels.checked_sub(1).ok_or(TOO_DEEP)?;
        self.cursor.step();
        self.cursor.space();
        if self.cursor.take(b']') {
            return Ok(());
        }
        loop {
            self.value(below)?;
            self.cursor.space();
            match self.cursor.peek() {
                Some(b',') => self.cursor.step(),
                Some(b']') => break,
                _ => return Err(NO_ARRAY_END),
            }
            self.cursor.space();
        }
        self.cursor.step();
        Ok(())
    }

    /// `KEPT`: a top-level member, whose own members are kept.
    fn object<const KEPT: bool>(&mut self, levels: u8) -> Result<(), Flaw> {
        let below = levels.checked_sub(1).ok_or(TOO_DEEP)?;
        let base = self.names::<KEPT>().len();
        self.cursor.step();
        self.cursor.space();
        if self.cursor.take(b'}') {
            return Ok(());
        }
        let mut seen = Seen::default();
        loop {
            let name = self.cursor.name::<true>()?;
            if seen.again(name.key) {
                self.compare::<KEPT>(base, name);
            }
            let start = self.cursor.at;
            let place = self.names::<KEPT>().len();
            self.names_mut::<KEPT>().push(name.named(Span::default()));
            self.value(below)?;
            if KEPT && let Some(kept) = self.scan.children.get_mut(place) {
                kept.value = Span::new(start, self.cursor.at);
            }
            self.cursor.space();
            match self.cursor.peek() {
                Some(b',') => self.cursor.step(),
                Some(b'}') => break,
                _ => return Err(NO_OBJECT_END),
            }
            self.cursor.space();
        }
        self.cursor.step();
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
        let spelled = named.name.cut(self.cursor.text);
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
}
