//! The tokenizer: RFC 8259 as a state machine that may stop between any two bytes.

use super::builder::Builder;
use super::number::Number;
use super::text::{Surrogates, simple_escape};
use super::utf8::Utf8;
use super::{DEPTH_MAX, Flag, JsonKind, Scan, SyntaxErrorKind, Tap};

#[derive(Debug, Default)]
pub(super) struct Lexer {
    state: State,
    stack: Vec<Container>,
    /// Containers open below [`DEPTH_MAX`], of which only the number is known.
    abyss: u64,
    utf8: Utf8,
    surrogates: Surrogates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No byte yet.
    #[default]
    Start,
    /// Inside a byte order mark, of which so many bytes were read.
    Mark(usize),
    /// Before the root value.
    Root,
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    /// After the root value.
    End,
    Text(Role),
    Escape(Role),
    /// Inside `\uXXXX`: digits read and their value.
    Hex(Role, u8, u16),
    Number(Number),
    /// Inside a literal, of which so many bytes were read.
    Word(&'static [u8], usize),
    /// Deeper than [`DEPTH_MAX`].
    Abyss,
    /// After an error.
    Dead,
}

/// What a string is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Value,
    /// A key in a tracked object.
    Key,
    /// Any other key.
    SkippedKey,
    /// Deeper than [`DEPTH_MAX`].
    Abyss,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Bytes of `\uXXXX`.
const UNIT_BYTES: u64 = 6;

impl Lexer {
    pub(super) fn feed<T: Tap>(&mut self, chunk: &[u8], out: &mut Builder<T>) {
        let mut at = 0;
        while at < chunk.len() {
            at = self.step(chunk, at, out);
        }
        out.end_chunk(chunk);
    }

    pub(super) fn finish<T: Tap>(&mut self, out: &mut Builder<T>) -> Scan<T::Out> {
        if let State::Number(number) = self.state
            && number.is_complete()
        {
            self.end_value(&[], 0, out);
        }
        match self.state {
            State::Start | State::Root | State::End | State::Dead => {}
            State::Mark(_)
            | State::Value
            | State::ValueOrEnd
            | State::Key
            | State::KeyOrEnd
            | State::Colon
            | State::CommaOrEnd
            | State::Text(_)
            | State::Escape(_)
            | State::Hex(..)
            | State::Number(_)
            | State::Word(..)
            | State::Abyss => out.fail(SyntaxErrorKind::UnexpectedEnd, &[], 0),
        }
        self.state = State::Start;
        self.stack.clear();
        self.abyss = 0;
        self.utf8 = Utf8::default();
        self.surrogates = Surrogates::default();
        out.take()
    }

    /// Reads at least one byte from `at`, or changes state; returns where to go on.
    fn step<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        match self.state {
            State::Start => self.start(chunk, at),
            State::Mark(read) => self.mark(read, chunk, at, out),
            State::Root
            | State::Value
            | State::ValueOrEnd
            | State::Key
            | State::KeyOrEnd
            | State::Colon
            | State::CommaOrEnd
            | State::End => self.structure(chunk, at, out),
            State::Text(role) => self.text(role, chunk, at, out),
            State::Escape(role) => self.escape(role, chunk, at, out),
            State::Hex(role, digits, unit) => self.hex(role, digits, unit, chunk, at, out),
            State::Number(number) => self.number(number, chunk, at, out),
            State::Word(word, read) => self.word(word, read, chunk, at, out),
            State::Abyss => self.abyss(chunk, at, out),
            State::Dead => chunk.len(),
        }
    }

    fn fail<T: Tap>(
        &mut self,
        kind: SyntaxErrorKind,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        out.fail(kind, chunk, at);
        self.state = State::Dead;
        chunk.len()
    }

    fn unexpected<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        let byte = chunk.get(at).copied().unwrap_or_default();
        self.fail(SyntaxErrorKind::UnexpectedByte(byte), chunk, at, out)
    }

    // === the start of the text ===

    fn start(&mut self, chunk: &[u8], at: usize) -> usize {
        let marked = chunk.get(at) == BYTE_ORDER_MARK.first();
        self.state = if marked { State::Mark(0) } else { State::Root };
        at
    }

    fn mark<T: Tap>(
        &mut self,
        read: usize,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        if chunk.get(at) != BYTE_ORDER_MARK.get(read) {
            return self.unexpected(chunk, at, out);
        }
        let read = read.saturating_add(1);
        if read == BYTE_ORDER_MARK.len() {
            out.raise_before(Flag::ByteOrderMark, at, 2);
            self.state = State::Root;
        } else {
            self.state = State::Mark(read);
        }
        at + 1
    }

    // === structure ===

    /// Reads brackets, commas, colons and whitespace up to the next string, number or literal.
    fn structure<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        let mut at = at;
        while let Some(&byte) = chunk.get(at) {
            if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                at += 1;
                continue;
            }
            match (self.state, byte) {
                (State::CommaOrEnd, b',') => {
                    self.state = match self.stack.last() {
                        Some(Container::Object) => State::Key,
                        Some(Container::Array) | None => State::Value,
                    };
                }
                (State::Colon, b':') => self.state = State::Value,
                (State::Key | State::KeyOrEnd, b'"') => {
                    self.begin_key(out);
                    return at + 1;
                }
                (State::KeyOrEnd, b'}') => self.close(chunk, at, out),
                (State::ValueOrEnd, b']') => self.close(chunk, at, out),
                (State::CommaOrEnd, b'}') if self.is_in(Container::Object) => {
                    self.close(chunk, at, out);
                }
                (State::CommaOrEnd, b']') if self.is_in(Container::Array) => {
                    self.close(chunk, at, out);
                }
                (State::Root | State::Value | State::ValueOrEnd, b'{') => {
                    self.open(Container::Object, at, out);
                }
                (State::Root | State::Value | State::ValueOrEnd, b'[') => {
                    self.open(Container::Array, at, out);
                }
                (State::Root | State::Value | State::ValueOrEnd, _) => {
                    return self.begin_scalar(byte, chunk, at, out);
                }
                (State::End, _) => {
                    return self.fail(SyntaxErrorKind::TrailingBytes, chunk, at, out);
                }
                _ => return self.unexpected(chunk, at, out),
            }
            at += 1;
            if self.state == State::Abyss {
                break;
            }
        }
        at
    }

    fn is_in(&self, container: Container) -> bool {
        self.stack.last() == Some(&container)
    }

    fn is_tracked<T: Tap>(&self, out: &Builder<T>) -> bool {
        self.stack.len() == out.tracked()
    }

    fn open<T: Tap>(&mut self, container: Container, at: usize, out: &mut Builder<T>) {
        if self.stack.len() >= DEPTH_MAX {
            out.raise(Flag::TooDeep, at);
            self.abyss = 1;
            self.state = State::Abyss;
            return;
        }
        if self.is_tracked(out) {
            let kind = match container {
                Container::Object => JsonKind::Object,
                Container::Array => JsonKind::Array,
            };
            out.begin(kind, at, self.stack.len());
        }
        self.stack.push(container);
        out.nested(self.stack.len());
        self.state = match container {
            Container::Object => State::KeyOrEnd,
            Container::Array => State::ValueOrEnd,
        };
    }

    /// The bracket at `at` closes the innermost container.
    fn close<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) {
        if self.is_tracked(out) {
            out.untrack();
        }
        self.stack.pop();
        self.end_value(chunk, at + 1, out);
    }

    /// A value ended before `at`.
    fn end_value<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) {
        if self.is_tracked(out) {
            out.end(chunk, at, self.stack.len());
        }
        self.state = if self.stack.is_empty() {
            State::End
        } else {
            State::CommaOrEnd
        };
    }

    fn begin_key<T: Tap>(&mut self, out: &mut Builder<T>) {
        let tracked = self.is_tracked(out);
        if tracked {
            out.key_start();
        }
        self.state = State::Text(if tracked { Role::Key } else { Role::SkippedKey });
    }

    fn begin_scalar<T: Tap>(
        &mut self,
        byte: u8,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        let (kind, state) = match byte {
            b'"' => (JsonKind::String, State::Text(Role::Value)),
            b't' => (JsonKind::Boolean, State::Word(b"true", 1)),
            b'f' => (JsonKind::Boolean, State::Word(b"false", 1)),
            b'n' => (JsonKind::Null, State::Word(b"null", 1)),
            b'N' => (JsonKind::Number, State::Word(b"NaN", 1)),
            b'I' => (JsonKind::Number, State::Word(b"Infinity", 1)),
            _ => match Number::start(byte) {
                Some(number) => (JsonKind::Number, State::Number(number)),
                None => return self.unexpected(chunk, at, out),
            },
        };
        if self.is_tracked(out) {
            out.begin(kind, at, self.stack.len());
        }
        self.state = state;
        at + 1
    }

    // === strings ===

    fn text<T: Tap>(&mut self, role: Role, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        if self.surrogates.waits() && chunk.get(at) != Some(&b'\\') {
            self.flush_surrogate(role, at, 0, out);
        }
        let start = at;
        let mut at = at;
        if !self.utf8.is_inside() {
            at += plain_run(chunk.get(at..).unwrap_or_default());
        }
        at = self.non_ascii(chunk, at, out);
        if role == Role::Key && at > start {
            out.key_push(chunk.get(start..at).unwrap_or_default());
        }
        match chunk.get(at) {
            Some(b'"') => self.end_text(role, chunk, at + 1, out),
            Some(b'\\') => {
                self.state = State::Escape(role);
                at + 1
            }
            Some(&byte) if byte < 0x20 => {
                self.fail(SyntaxErrorKind::ControlCharacter(byte), chunk, at, out)
            }
            Some(_) | None => at,
        }
    }

    /// Reads characters beyond ASCII, as long as they follow each other.
    fn non_ascii<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        let mut at = at;
        while let Some(&byte) = chunk.get(at) {
            if self.utf8.is_inside() {
                if self.utf8.proceed(byte) {
                    at += 1;
                    continue;
                }
                out.raise(Flag::InvalidUtf8, at);
            }
            if byte < 0x80 {
                break;
            }
            if !self.utf8.start(byte) {
                out.raise(Flag::InvalidUtf8, at);
            }
            at += 1;
        }
        at
    }

    fn end_text<T: Tap>(
        &mut self,
        role: Role,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        match role {
            Role::Value => self.end_value(chunk, at, out),
            Role::Key => {
                out.key_end(at);
                self.state = State::Colon;
            }
            Role::SkippedKey => self.state = State::Colon,
            Role::Abyss => self.state = State::Abyss,
        }
        at
    }

    fn escape<T: Tap>(
        &mut self,
        role: Role,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        let letter = chunk.get(at).copied().unwrap_or_default();
        if letter == b'u' {
            self.state = State::Hex(role, 0, 0);
            return at + 1;
        }
        if self.surrogates.waits() {
            self.flush_surrogate(role, at, 1, out);
        }
        let Some(byte) = simple_escape(letter) else {
            return self.unexpected(chunk, at, out);
        };
        if role == Role::Key {
            out.key_push(&[byte]);
        }
        self.state = State::Text(role);
        at + 1
    }

    fn hex<T: Tap>(
        &mut self,
        role: Role,
        digits: u8,
        unit: u16,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        let byte = chunk.get(at).copied().unwrap_or_default();
        let Some(digit) = char::from(byte)
            .to_digit(16)
            .and_then(|d| u16::try_from(d).ok())
        else {
            return self.unexpected(chunk, at, out);
        };
        let unit = unit << 4 | digit;
        if digits < 3 {
            self.state = State::Hex(role, digits + 1, unit);
            return at + 1;
        }
        // A half that waited began one escape earlier than one that stands alone itself.
        let back = if self.surrogates.waits() {
            2 * UNIT_BYTES
        } else {
            UNIT_BYTES
        };
        let key = if role == Role::Key {
            out.key_buffer()
        } else {
            None
        };
        if self.surrogates.unit(unit, key) {
            out.raise_before(Flag::LoneSurrogate, at + 1, back);
        }
        self.state = State::Text(role);
        at + 1
    }

    /// Half a pair stays alone; its escape ended `back` bytes before `at`.
    fn flush_surrogate<T: Tap>(&mut self, role: Role, at: usize, back: u64, out: &mut Builder<T>) {
        self.surrogates.flush(if role == Role::Key {
            out.key_buffer()
        } else {
            None
        });
        out.raise_before(Flag::LoneSurrogate, at, back.saturating_add(UNIT_BYTES));
    }

    // === numbers and literals ===

    fn number<T: Tap>(
        &mut self,
        number: Number,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        let mut number = number;
        let mut at = at;
        while let Some(&byte) = chunk.get(at) {
            let Some(next) = number.next(byte) else {
                return self.end_number(number, byte, chunk, at, out);
            };
            number = next;
            at += 1;
        }
        self.state = State::Number(number);
        at
    }

    fn end_number<T: Tap>(
        &mut self,
        number: Number,
        byte: u8,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        if number == Number::Minus && byte == b'I' {
            self.state = State::Word(b"Infinity", 1);
            return at + 1;
        }
        if !number.is_complete() {
            return self.unexpected(chunk, at, out);
        }
        self.end_value(chunk, at, out);
        at
    }

    fn word<T: Tap>(
        &mut self,
        word: &'static [u8],
        read: usize,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        if chunk.get(at) != word.get(read) {
            return self.unexpected(chunk, at, out);
        }
        let read = read.saturating_add(1);
        if read < word.len() {
            self.state = State::Word(word, read);
            return at + 1;
        }
        if matches!(word, b"NaN" | b"Infinity") {
            out.raise(Flag::NonFiniteNumber, at);
        }
        self.end_value(chunk, at + 1, out);
        at + 1
    }

    // === below DEPTH_MAX ===

    /// Counts brackets and jumps over strings until the nesting is known again.
    fn abyss<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        let mut at = at;
        while let Some(&byte) = chunk.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    self.state = State::Text(Role::Abyss);
                    return at;
                }
                b'[' | b'{' => self.abyss = self.abyss.saturating_add(1),
                b']' | b'}' => self.abyss = self.abyss.saturating_sub(1),
                _ => {}
            }
            if self.abyss == 0 {
                self.end_value(chunk, at, out);
                return at;
            }
        }
        at
    }
}

/// How many bytes from the start are ASCII text of a string, with no quote, backslash or control
/// character.
fn plain_run(bytes: &[u8]) -> usize {
    const BLOCK: usize = 32;
    let is_plain = |byte: &u8| *byte >= 0x20 && *byte < 0x80 && *byte != b'"' && *byte != b'\\';
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    // The sum over a block has no branch, so that the compiler turns it into vector code.
    let clean = blocks
        .iter()
        .take_while(|block| {
            block
                .iter()
                .fold(true, |plain, byte| plain & is_plain(byte))
        })
        .count()
        .saturating_mul(BLOCK);
    let rest = bytes.get(clean..).unwrap_or_default();
    clean.saturating_add(rest.iter().take_while(|byte| is_plain(byte)).count())
}
