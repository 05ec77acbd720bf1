//! Entries of one shape: the same text but for their values.
//!
//! Entries are read by the million, and most differ from an earlier one in nothing but numbers and the
//! content of strings. What stands between the values of such an entry, names among it, needs to be
//! compared alone:
//!
//! ```text
//! {"v":1,"kind":"call.end","boot":"01K0…","seq":7,"agent":{"role":"support"},"input":{…}}
//! ──glue─┬────────┬─────────────────┬───────────┬────────────────────┬──────────────┬────
//!        value    value             value       value                value          any
//! ```
//!
//! A shape is learnt from an entry that the [`scanner`](super::scanner) took. What fits it would be taken by
//! the scanner too, with the same spans: its names are the same, so none is doubled, and its nesting is
//! the same; its values are read as strictly. What does not fit is left to the scanner.

use super::cursor::Cursor;
use super::scan::{Named, Scan, Span, small};

/// Most shapes that are remembered; those that fitted longest ago are forgotten.
const SHAPES_MAX: usize = 16;
/// Shapes of a kind that an entry is held against before it is read as if it were the first.
const TRIES_MAX: usize = 4;
/// Where the value of `kind` begins in what the codec writes: its first eight bytes tell which shapes an
/// entry may have.
const KIND_AT: usize = r#"{"v":1,"kind":""#.len();

/// A value in an entry that is no object of ours, and no array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) span: Span,
    /// It is the client's: any JSON at all.
    pub(super) any: bool,
}

/// The shapes seen last.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// Those that fitted last come first.
    known: Vec<Shape>,
    /// By how much values moved, of the entry that is held against a shape; modulo 2^16.
    moves: Vec<u16>,
    /// Entries that fitted none, less those that did.
    misses: u32,
}

#[derive(Debug)]
struct Shape {
    kind: Option<[u8; 8]>,
    text: Box<str>,
    values: Box<[Value]>,
    scan: Scan,
    /// How many values end at or before the name and the end of the value of each member, and of each child.
    before: Box<[(u16, u16)]>,
}

impl Shapes {
    /// Reads an entry that has a known shape; `false` if it has none, and then `scan` is not filled.
    pub(super) fn read(&mut self, text: &str, scan: &mut Scan) -> bool {
        let kind = kind_of(text);
        let moves = &mut self.moves;
        let likely = self.known.iter().enumerate();
        let likely = likely.filter(|(_, shape)| shape.kind == kind);
        let fitting = likely
            .take(TRIES_MAX)
            .find(|(_, shape)| shape.fits(text, moves));
        let Some((at, shape)) = fitting else {
            return false;
        };
        shape.place(moves, scan);
        if at >= TRIES_MAX {
            self.known
                .get_mut(..=at)
                .unwrap_or_default()
                .rotate_right(1);
        }
        self.misses = self.misses.saturating_sub(1);
        true
    }

    /// Remembers the shape of an entry that was just read. Where entries have no shapes, only now and then.
    pub(super) fn learn(&mut self, text: &str, scan: &Scan, values: &[Value]) {
        self.misses = self.misses.saturating_add(1);
        if self.misses > MISSES_MANY && !self.misses.is_multiple_of(MISSES_MANY) {
            return;
        }
        self.known.truncate(SHAPES_MAX.saturating_sub(1));
        self.known.insert(0, Shape::of(text, scan, values));
    }
}

/// From so many misses on, one in so many is learnt.
const MISSES_MANY: u32 = 64;

fn kind_of(text: &str) -> Option<[u8; 8]> {
    text.as_bytes().get(KIND_AT..)?.first_chunk().copied()
}

impl Shape {
    fn of(text: &str, scan: &Scan, values: &[Value]) -> Self {
        let ended = |place: u16| {
            let before = values.partition_point(|value| value.span.end <= place);
            small(before)
        };
        let all = scan.members.iter().chain(&scan.children);
        Self {
            kind: kind_of(text),
            text: text.into(),
            values: values.into(),
            scan: scan.clone(),
            before: all
                .map(|named| (ended(named.name.start), ended(named.value.end)))
                .collect(),
        }
    }

    /// Whether the entry has this shape, and by how much its text has moved before the first value, and behind
    /// each.
    fn fits(&self, text: &str, moves: &mut Vec<u16>) -> bool {
        let mut cursor = Cursor::new(text);
        let mut from = 0;
        moves.clear();
        moves.push(0);
        for Value { span, any } in &self.values {
            let (start, end) = (usize::from(span.start), usize::from(span.end));
            let glue = self.text.as_bytes().get(from..start).unwrap_or_default();
            if !cursor.take_all(glue) {
                return false;
            }
            let value = if *any {
                cursor.anything()
            } else {
                cursor.scalar_of_ours()
            };
            if value.is_err() {
                return false;
            }
            from = end;
            moves.push(small(cursor.at).wrapping_sub(span.end));
        }
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        cursor.take_all(rest) && cursor.is_at_end()
    }

    /// What stands where, in an entry that fits.
    fn place(&self, moves: &[u16], scan: &mut Scan) {
        let by = |values: &u16| moves.get(usize::from(*values)).copied().unwrap_or(0);
        let moved = |(named, (before, within)): (&Named, &(u16, u16))| {
            let (before, within) = (by(before), by(within));
            Named {
                name: Span {
                    start: named.name.start.wrapping_add(before),
                    end: named.name.end.wrapping_add(before),
                },
                value: Span {
                    start: named.value.start.wrapping_add(before),
                    end: named.value.end.wrapping_add(within),
                },
                ..*named
            }
        };
        let (of_members, of_children) = self
            .before
            .split_at_checked(self.scan.members.len())
            .unwrap_or_default();
        scan.become_like(&self.scan);
        let members = self.scan.members.iter().zip(of_members);
        scan.members.extend(members.map(moved));
        let children = self.scan.children.iter().zip(of_children);
        scan.children.extend(children.map(moved));
    }
}
