//! Lines and fields of an event stream, as a state machine that may stop between any two bytes.

use super::{FIELD_BYTES_MAX, Field, Step};

#[derive(Default)]
pub(super) struct Parser {
    state: State,
    /// The last byte was a CR that ended a line; an LF right after belongs to it.
    after_carriage_return: bool,
    /// The field name or value being read.
    held: Vec<u8>,
    cut: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No line yet; so many bytes of a byte order mark were read.
    #[default]
    Start,
    Mark(usize),
    LineStart,
    Name,
    /// Behind the colon, where one space is skipped.
    Colon(Kind),
    Value(Kind),
}

/// What the line at hand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Held(Field),
    /// A comment or an unknown field.
    Skipped,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The longest known name has five bytes; one more tells that a name is unknown.
const NAME_BYTES_MAX: usize = 6;

impl Parser {
    /// Reads `bytes` and tells `emit` each step with the offset behind it.
    pub(super) fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(usize, Step<'_>)) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if std::mem::take(&mut self.after_carriage_return) && byte == b'\n' {
                at += 1;
                continue;
            }
            at = match self.state {
                State::Start | State::Mark(_) => self.mark(byte, at),
                State::LineStart | State::Name | State::Colon(_) | State::Value(_)
                    if matches!(byte, b'\r' | b'\n') =>
                {
                    self.end_line(byte, at, &mut emit)
                }
                State::LineStart | State::Name => self.name(bytes, at, &mut emit),
                State::Colon(kind) => {
                    self.state = State::Value(kind);
                    if byte == b' ' { at + 1 } else { at }
                }
                State::Value(kind) => self.value(kind, bytes, at, &mut emit),
            };
        }
    }

    /// Skips a byte order mark. Other bytes that start like one are the start of a name.
    fn mark(&mut self, byte: u8, at: usize) -> usize {
        let read = if let State::Mark(read) = self.state {
            read
        } else {
            0
        };
        if BYTE_ORDER_MARK.get(read) != Some(&byte) {
            self.held
                .extend_from_slice(BYTE_ORDER_MARK.get(..read).unwrap_or_default());
            self.state = if read == 0 {
                State::LineStart
            } else {
                State::Name
            };
            return at;
        }
        let read = read + 1;
        self.state = if read == BYTE_ORDER_MARK.len() {
            State::LineStart
        } else {
            State::Mark(read)
        };
        at + 1
    }

    fn name(&mut self, bytes: &[u8], at: usize, emit: &mut impl FnMut(usize, Step<'_>)) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = memchr::memchr3(b':', b'\r', b'\n', rest).unwrap_or(rest.len());
        self.hold(rest.get(..length).unwrap_or_default(), NAME_BYTES_MAX);
        self.state = State::Name;
        let at = at.saturating_add(length);
        if bytes.get(at) == Some(&b':') {
            self.state = State::Colon(self.end_name(at, emit));
            return at + 1;
        }
        at
    }

    fn end_name(&mut self, at: usize, emit: &mut impl FnMut(usize, Step<'_>)) -> Kind {
        let kind = match self.held.as_slice() {
            b"data" => Kind::Data,
            b"event" => Kind::Held(Field::Event),
            b"id" => Kind::Held(Field::Id),
            b"retry" => Kind::Held(Field::Retry),
            _ => Kind::Skipped,
        };
        self.held.clear();
        self.cut = false;
        if kind == Kind::Data {
            emit(at, Step::DataStart);
        }
        kind
    }

    fn value(
        &mut self,
        kind: Kind,
        bytes: &[u8],
        at: usize,
        emit: &mut impl FnMut(usize, Step<'_>),
    ) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let part = rest.get(..length).unwrap_or_default();
        let end = at.saturating_add(length);
        match kind {
            Kind::Data => emit(end, Step::Data(part)),
            Kind::Held(_) => self.hold(part, FIELD_BYTES_MAX),
            Kind::Skipped => {}
        }
        end
    }

    /// `byte`, a CR or LF, ends the line at hand.
    fn end_line(&mut self, byte: u8, at: usize, emit: &mut impl FnMut(usize, Step<'_>)) -> usize {
        let kind = match self.state {
            State::Start | State::Mark(_) | State::LineStart => None,
            State::Name => Some(self.end_name(at, emit)),
            State::Colon(kind) | State::Value(kind) => Some(kind),
        };
        let end = at + 1;
        match kind {
            None => emit(end, Step::Dispatch),
            Some(Kind::Held(field)) => emit(end, Step::Field(field, &self.held, self.cut)),
            Some(Kind::Data | Kind::Skipped) => {}
        }
        self.held.clear();
        self.cut = false;
        self.state = State::LineStart;
        self.after_carriage_return = byte == b'\r';
        end
    }

    fn hold(&mut self, part: &[u8], bytes_max: usize) {
        let room = bytes_max.saturating_sub(self.held.len());
        self.cut |= part.len() > room;
        self.held
            .extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
    }
}
