//! Turns the lexer's structure into messages with captured fields.
//!
//! The builder follows only *tracked* containers: those on the way to a field of the table. Its
//! stack of frames is a prefix of the lexer's stack, so `depth == self.tracked()` means that the
//! innermost container is tracked, and everything else costs the lexer one comparison.

use super::keys::{Keys, Seen};
use super::slot::{Field, Level, Lookup, Slot, lookup, members};
use super::{
    BATCH_MESSAGES_MAX, Flag, Flags, JsonKind, KEY_BYTES_MAX, KEYS_DEPTH_MAX, Limits, Scan,
    SyntaxError, SyntaxErrorKind, Tap,
};
use crate::message::{Message, Parts};

/// A field of a message: its type and length, and its raw bytes unless it was too long.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) slot: Slot,
    pub(crate) kind: JsonKind,
    pub(crate) bytes: u64,
    pub(crate) raw: Option<Box<[u8]>>,
}

pub(super) struct Builder<T: Tap> {
    limits: Limits,
    prototype: T,
    /// Offset in the text of the first byte of the chunk at hand.
    base: u64,
    frames: Vec<Frame>,
    /// Of the frames, all together.
    keys: Keys,
    key: Vec<u8>,
    key_cut: bool,
    captures: Vec<Capture>,
    captured_bytes: usize,
    open: Option<Open<T>>,
    scan: Scan<T::Out>,
}

/// A tracked container.
struct Frame {
    level: Level,
    /// The row of the member whose value comes next.
    member: Option<&'static Field>,
}

/// A field being read.
struct Capture {
    slot: Slot,
    kind: JsonKind,
    depth: usize,
    bytes_max: usize,
    start: u64,
    /// Where in the chunk at hand the bytes not yet copied begin.
    from: usize,
    raw: Option<Vec<u8>>,
}

/// The message being read.
struct Open<T> {
    kind: JsonKind,
    start: u64,
    from: usize,
    depth: usize,
    tap: T,
    flags: Flags,
    fields: Vec<Captured>,
}

/// An escape decodes to at most two characters of three bytes: a lone half and what follows.
const ESCAPE_BYTES_MAX: usize = 6;

impl<T: Tap> Builder<T> {
    pub(super) fn new(limits: Limits, prototype: T) -> Self {
        Self {
            limits,
            prototype,
            base: 0,
            frames: Vec::new(),
            keys: Keys::default(),
            key: Vec::new(),
            key_cut: false,
            captures: Vec::new(),
            captured_bytes: 0,
            open: None,
            scan: Scan::default(),
        }
    }

    /// How many containers, from the outside, are tracked.
    pub(super) fn tracked(&self) -> usize {
        self.frames.len()
    }

    // === chunks ===

    /// All of `chunk` has been read; keeps what the next chunk will not show again.
    pub(super) fn end_chunk(&mut self, chunk: &[u8]) {
        for capture in &mut self.captures {
            capture.take(chunk, chunk.len());
            capture.from = 0;
        }
        if let Some(open) = &mut self.open {
            open.tap.update(chunk.get(open.from..).unwrap_or_default());
            open.from = 0;
        }
        self.base = self.base.saturating_add(chunk.len() as u64);
    }

    fn offset(&self, at: usize) -> u64 {
        self.base.saturating_add(at as u64)
    }

    // === flags and the end ===

    pub(super) fn raise(&mut self, flag: Flag, at: usize) {
        self.raise_at(flag, self.offset(at));
    }

    fn raise_at(&mut self, flag: Flag, offset: u64) {
        match &mut self.open {
            Some(open) => open.flags.raise(flag, offset),
            None => self.scan.flags.raise(flag, offset),
        }
    }

    /// Raises `flag` for a byte that lies `back` bytes before `at`, maybe in an earlier chunk.
    pub(super) fn raise_before(&mut self, flag: Flag, at: usize, back: u64) {
        self.raise_at(flag, self.offset(at).saturating_sub(back));
    }

    /// The text is not JSON from `at` on. An open message ends there, incomplete.
    pub(super) fn fail(&mut self, kind: SyntaxErrorKind, chunk: &[u8], at: usize) {
        self.scan.error = Some(SyntaxError {
            kind,
            offset: self.offset(at),
        });
        self.captures.clear();
        self.close_message(chunk, at, false);
    }

    /// Hands out the scan of the text and forgets it.
    pub(super) fn take(&mut self) -> Scan<T::Out> {
        self.scan.bytes = self.base;
        self.base = 0;
        while !self.frames.is_empty() {
            self.untrack();
        }
        self.captured_bytes = 0;
        std::mem::take(&mut self.scan)
    }

    // === keys ===

    pub(super) fn key_start(&mut self) {
        self.key.clear();
        self.key_cut = false;
    }

    pub(super) fn key_push(&mut self, bytes: &[u8]) {
        if self.key.len().saturating_add(bytes.len()) > KEY_BYTES_MAX {
            self.key_cut = true;
        } else if !self.key_cut {
            self.key.extend_from_slice(bytes);
        }
    }

    /// The buffer that an escape decodes into, if the key still has room for it.
    pub(super) fn key_buffer(&mut self) -> Option<&mut Vec<u8>> {
        self.key_cut |= self.key.len().saturating_add(ESCAPE_BYTES_MAX) > KEY_BYTES_MAX;
        (!self.key_cut).then_some(&mut self.key)
    }

    /// The key of a tracked object is complete; `at` is behind its closing quote.
    pub(super) fn key_end(&mut self, at: usize) {
        let Some(level) = self.frames.last().map(|frame| frame.level) else {
            return;
        };
        if self.key_cut {
            self.set_member(None);
            self.raise(Flag::KeysUnchecked, at);
            return;
        }
        let member = match lookup(level, &self.key) {
            Lookup::Known(field) => Some(field),
            Lookup::CaseVariant => {
                self.raise(Flag::CaseVariantKey, at);
                None
            }
            Lookup::Unknown => None,
        };
        self.set_member(member);
        match self.keys.insert(&self.key) {
            Seen::First => {}
            Seen::Unchecked => self.raise(Flag::KeysUnchecked, at),
            Seen::Before => {
                self.raise(Flag::DuplicateKey, at);
                if let (Some(field), Some(open)) = (member, &mut self.open) {
                    open.forget(field);
                }
            }
        }
    }

    fn set_member(&mut self, member: Option<&'static Field>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.member = member;
        }
    }

    // === values ===

    /// A value starts at `at` in a tracked container (or is the root); `depth` containers are open.
    pub(super) fn begin(&mut self, kind: JsonKind, at: usize, depth: usize) {
        let level = match self.frames.last().map(|frame| (frame.level, frame.member)) {
            None if kind == JsonKind::Array => {
                self.scan.batch = true;
                Some(Level::Batch)
            }
            None | Some((Level::Batch, _)) => {
                self.open_message(kind, at);
                Some(Level::Top).filter(|_| kind == JsonKind::Object)
            }
            Some((level, member)) => {
                if let Some(field) = member {
                    self.open_capture(field, kind, at, depth);
                }
                member
                    .and_then(|field| field.opens)
                    .or_else(|| level.inherited())
            }
        };
        let level = match kind {
            JsonKind::Object => level,
            JsonKind::Array => level.and_then(Level::of_array),
            JsonKind::String | JsonKind::Number | JsonKind::Boolean | JsonKind::Null => None,
        };
        if let Some(level) = level {
            self.track(level, at);
        }
    }

    fn track(&mut self, level: Level, at: usize) {
        if self.frames.len() >= KEYS_DEPTH_MAX {
            self.raise(Flag::KeysUnchecked, at);
            return;
        }
        self.frames.push(Frame {
            level,
            member: None,
        });
        self.keys.open();
    }

    /// The innermost container, a tracked one, is closed.
    pub(super) fn untrack(&mut self) {
        self.frames.pop();
        self.keys.close();
    }

    /// A value in a tracked container (or the root) ended before `at`.
    pub(super) fn end(&mut self, chunk: &[u8], at: usize, depth: usize) {
        if self
            .captures
            .last()
            .is_some_and(|capture| capture.depth == depth)
        {
            self.close_capture(chunk, at);
        }
        if self
            .frames
            .last()
            .is_none_or(|frame| frame.level == Level::Batch)
        {
            self.close_message(chunk, at, true);
        }
    }

    /// `depth` containers are open now.
    pub(super) fn nested(&mut self, depth: usize) {
        if let Some(open) = &mut self.open {
            open.depth = open.depth.max(depth);
        }
    }

    // === captures ===

    fn open_capture(&mut self, field: &Field, kind: JsonKind, at: usize, depth: usize) {
        let bytes_max = field.bound.bytes_max(&self.limits);
        self.captures.push(Capture {
            slot: field.slot,
            kind,
            depth,
            bytes_max,
            start: self.offset(at),
            from: at,
            raw: (bytes_max > 0).then(Vec::new),
        });
    }

    fn close_capture(&mut self, chunk: &[u8], at: usize) {
        let Some(mut capture) = self.captures.pop() else {
            return;
        };
        capture.take(chunk, at);
        let kept = self
            .captured_bytes
            .saturating_add(capture.raw.as_ref().map_or(0, Vec::len));
        if kept > self.limits.captured_bytes_max {
            capture.raw = None;
        } else {
            self.captured_bytes = kept;
        }
        if capture.raw.is_none() && capture.bytes_max > 0 {
            self.raise_at(Flag::FieldTooLong, capture.start);
        }
        let bytes = self.offset(at).saturating_sub(capture.start);
        let raw = capture.raw.map(Vec::into_boxed_slice);
        if let Some(open) = &mut self.open {
            open.fields.push(Captured {
                slot: capture.slot,
                kind: capture.kind,
                bytes,
                raw,
            });
        }
    }

    // === messages ===

    fn open_message(&mut self, kind: JsonKind, at: usize) {
        self.open = Some(Open {
            kind,
            start: self.offset(at),
            from: at,
            depth: 0,
            tap: self.prototype.clone(),
            flags: Flags::default(),
            fields: Vec::new(),
        });
    }

    fn close_message(&mut self, chunk: &[u8], at: usize, complete: bool) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        open.tap
            .update(chunk.get(open.from..at).unwrap_or_default());
        if self.scan.messages.len() >= BATCH_MESSAGES_MAX {
            self.scan.messages_dropped = self.scan.messages_dropped.saturating_add(1);
            return;
        }
        self.scan.messages.push(Message::assemble(Parts {
            complete,
            kind: open.kind,
            offset: open.start,
            bytes: self.offset(at).saturating_sub(open.start),
            depth: open.depth,
            flags: open.flags,
            fields: open.fields,
            digest: open.tap.finish(),
        }));
    }
}

impl Capture {
    /// Copies what lies in `chunk` before `end`, or gives up the copy when it becomes too long.
    fn take(&mut self, chunk: &[u8], end: usize) {
        let Some(raw) = &mut self.raw else { return };
        let more = chunk.get(self.from..end).unwrap_or_default();
        if raw.len().saturating_add(more.len()) > self.bytes_max {
            self.raw = None;
        } else {
            raw.extend_from_slice(more);
        }
    }
}

impl<T> Open<T> {
    /// Drops the field and what was captured inside it: readers take the last of repeated keys.
    fn forget(&mut self, field: &'static Field) {
        self.fields.retain(|captured| captured.slot != field.slot);
        for member in field.opens.map(members).unwrap_or_default() {
            self.forget(member);
        }
    }
}
