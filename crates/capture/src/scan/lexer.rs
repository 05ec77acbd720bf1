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
    Word(Word, u8),
    /// Deeper than [`DEPTH_MAX`].
    Abyss,
    /// After an error.
    Dead,
}

/// A literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    True,
    False,
    Null,
    NotANumber,
    Infinity,
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

    /// Reads structure, and the tokens in it as long as they are whole.
    fn structure<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        let mut at = at;
        while self.state.is_structure()
            && let Some(&byte) = chunk.get(at)
        {
            if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                at += 1;
                continue;
            }
            at = match self.state {
                State::Root | State::Value => self.begin_value(byte, chunk, at, out),
                State::ValueOrEnd if byte == b']' => self.close(chunk, at, out),
                State::ValueOrEnd => self.begin_value(byte, chunk, at, out),
                State::Key | State::KeyOrEnd if byte == b'"' => self.begin_key(chunk, at, out),
                State::KeyOrEnd if byte == b'}' => self.close(chunk, at, out),
                State::Colon if byte == b':' => {
                    self.state = State::Value;
                    at + 1
                }
                State::CommaOrEnd => self.proceed(byte, chunk, at, out),
                State::Key | State::KeyOrEnd | State::Colon => self.unexpected(chunk, at, out),
                State::End => self.fail(SyntaxErrorKind::TrailingBytes, chunk, at, out),
                State::Start
                | State::Mark(_)
                | State::Text(_)
                | State::Escape(_)
                | State::Hex(..)
                | State::Number(_)
                | State::Word(..)
                | State::Abyss
                | State::Dead => break,
            };
        }
        at
    }

    /// What follows a value in a container.
    fn proceed<T: Tap>(
        &mut self,
        byte: u8,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        match (self.stack.last(), byte) {
            (Some(Container::Object), b',') => self.state = State::Key,
            (Some(Container::Array), b',') => self.state = State::Value,
            (Some(Container::Object), b'}') | (Some(Container::Array), b']') => {
                return self.close(chunk, at, out);
            }
            (Some(_) | None, _) => return self.unexpected(chunk, at, out),
        }
        at + 1
    }

    fn is_tracked<T: Tap>(&self, out: &Builder<T>) -> bool {
        self.stack.len() == out.tracked()
    }

    fn open<T: Tap>(&mut self, container: Container, at: usize, out: &mut Builder<T>) -> usize {
        if self.stack.len() >= DEPTH_MAX {
            out.raise(Flag::TooDeep, at);
            self.abyss = 1;
            self.state = State::Abyss;
            return at + 1;
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
        at + 1
    }

    /// The bracket at `at` closes the innermost container.
    fn close<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        if self.is_tracked(out) {
            out.untrack();
        }
        self.stack.pop();
        self.end_value(chunk, at + 1, out);
        at + 1
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

    fn begin_key<T: Tap>(&mut self, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        let tracked = self.is_tracked(out);
        if tracked {
            out.key_start();
        }
        self.text(
            if tracked { Role::Key } else { Role::SkippedKey },
            chunk,
            at + 1,
            out,
        )
    }

    fn begin_value<T: Tap>(
        &mut self,
        byte: u8,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        let (kind, word) = match byte {
            b'{' => return self.open(Container::Object, at, out),
            b'[' => return self.open(Container::Array, at, out),
            b'"' => {
                self.begin_scalar(JsonKind::String, at, out);
                return self.text(Role::Value, chunk, at + 1, out);
            }
            b't' => (JsonKind::Boolean, Word::True),
            b'f' => (JsonKind::Boolean, Word::False),
            b'n' => (JsonKind::Null, Word::Null),
            b'N' => (JsonKind::Number, Word::NotANumber),
            b'I' => (JsonKind::Number, Word::Infinity),
            _ => {
                let Some(number) = Number::start(byte) else {
                    return self.unexpected(chunk, at, out);
                };
                self.begin_scalar(JsonKind::Number, at, out);
                return self.number(number, chunk, at + 1, out);
            }
        };
        self.begin_scalar(kind, at, out);
        self.word(word, 1, chunk, at + 1, out)
    }

    fn begin_scalar<T: Tap>(&mut self, kind: JsonKind, at: usize, out: &mut Builder<T>) {
        if self.is_tracked(out) {
            out.begin(kind, at, self.stack.len());
        }
    }

    // === strings ===

    fn text<T: Tap>(&mut self, role: Role, chunk: &[u8], at: usize, out: &mut Builder<T>) -> usize {
        if self.surrogates.waits() && chunk.get(at) != Some(&b'\\') {
            self.flush_surrogate(role, at, 0, out);
        }
        let run = plain_run(chunk.get(at..).unwrap_or_default());
        if self.utf8.is_inside() || !run.is_ascii() {
            self.check_utf8(run, chunk, at, out);
        }
        if role == Role::Key {
            out.key_push(run);
        }
        let at = at.saturating_add(run.len());
        match chunk.get(at) {
            Some(b'"') => self.end_text(role, chunk, at + 1, out),
            Some(b'\\') => {
                self.state = State::Escape(role);
                at + 1
            }
            Some(&byte) => self.fail(SyntaxErrorKind::ControlCharacter(byte), chunk, at, out),
            None => {
                self.state = State::Text(role);
                at
            }
        }
    }

    /// Checks the encoding of `run`, which starts at `at` and may start and end inside a character.
    fn check_utf8<T: Tap>(&mut self, run: &[u8], chunk: &[u8], at: usize, out: &mut Builder<T>) {
        let mut checked = 0;
        while self.utf8.is_inside()
            && let Some(&byte) = run.get(checked)
        {
            if self.utf8.proceed(byte) {
                checked += 1;
            } else {
                out.raise(Flag::InvalidUtf8, at.saturating_add(checked));
            }
        }
        let rest = run.get(checked..).unwrap_or_default();
        checked = checked.saturating_add(match std::str::from_utf8(rest) {
            Ok(rest) => rest.len(),
            Err(error) => error.valid_up_to(),
        });
        // What is left is short, unless the text is broken anyway.
        for (index, &byte) in run.iter().enumerate().skip(checked) {
            if self.utf8.is_inside() {
                if self.utf8.proceed(byte) {
                    continue;
                }
                out.raise(Flag::InvalidUtf8, at.saturating_add(index));
            }
            if byte >= 0x80 && !self.utf8.start(byte) {
                out.raise(Flag::InvalidUtf8, at.saturating_add(index));
            }
        }
        let end = at.saturating_add(run.len());
        if self.utf8.is_inside() && end < chunk.len() {
            self.utf8 = Utf8::default();
            out.raise(Flag::InvalidUtf8, end);
        }
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
            return self.begin_hex(role, chunk, at + 1, out);
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

    /// Reads the four digits at `at` at once, if they are all there.
    fn begin_hex<T: Tap>(
        &mut self,
        role: Role,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        self.state = State::Hex(role, 0, 0);
        let Some([digits, ..]) = chunk.get(at..).map(|rest| rest.as_chunks::<4>().0) else {
            return at;
        };
        let unit = digits
            .iter()
            .try_fold(0, |unit: u16, digit| Some(unit << 4 | hex_value(*digit)?));
        let Some(unit) = unit else { return at };
        let at = at.saturating_add(digits.len());
        self.end_hex(role, unit, at, out);
        at
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
        let Some(digit) = chunk.get(at).and_then(|byte| hex_value(*byte)) else {
            return self.unexpected(chunk, at, out);
        };
        let unit = unit << 4 | digit;
        if digits < 3 {
            self.state = State::Hex(role, digits + 1, unit);
        } else {
            self.end_hex(role, unit, at + 1, out);
        }
        at + 1
    }

    /// A `\uXXXX` ended before `at`.
    fn end_hex<T: Tap>(&mut self, role: Role, unit: u16, at: usize, out: &mut Builder<T>) {
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
            out.raise_before(Flag::LoneSurrogate, at, back);
        }
        self.state = State::Text(role);
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
            if !(byte.is_ascii_digit() && number.repeats()) {
                let Some(next) = number.next(byte) else {
                    return self.end_number(number, byte, chunk, at, out);
                };
                number = next;
            }
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
            self.state = State::Word(Word::Infinity, 1);
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
        word: Word,
        read: u8,
        chunk: &[u8],
        at: usize,
        out: &mut Builder<T>,
    ) -> usize {
        let mut read = read;
        let mut at = at;
        while let Some(expected) = word.text().get(usize::from(read)) {
            match chunk.get(at) {
                None => {
                    self.state = State::Word(word, read);
                    return at;
                }
                Some(byte) if byte == expected => at += 1,
                Some(_) => return self.unexpected(chunk, at, out),
            }
            read = read.saturating_add(1);
        }
        if matches!(word, Word::NotANumber | Word::Infinity) {
            out.raise_before(Flag::NonFiniteNumber, at, 1);
        }
        self.end_value(chunk, at, out);
        at
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

impl State {
    /// Whether whitespace may stand here.
    fn is_structure(self) -> bool {
        matches!(
            self,
            Self::Root
                | Self::Value
                | Self::ValueOrEnd
                | Self::Key
                | Self::KeyOrEnd
                | Self::Colon
                | Self::CommaOrEnd
                | Self::End
        )
    }
}

impl Word {
    fn text(self) -> &'static [u8] {
        match self {
            Self::True => b"true",
            Self::False => b"false",
            Self::Null => b"null",
            Self::NotANumber => b"NaN",
            Self::Infinity => b"Infinity",
        }
    }
}

fn hex_value(digit: u8) -> Option<u16> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u16::try_from(value).ok())
}

/// The longest start of `bytes` without quote, backslash or control character.
fn plain_run(bytes: &[u8]) -> &[u8] {
    const BLOCK: usize = 32;
    let is_plain = |byte: &u8| (*byte >= 0x20) & (*byte != b'"') & (*byte != b'\\');
    let is_special = |byte: &u8| !is_plain(byte);
    // Most strings are short: look at the start byte by byte.
    let (start, rest) = bytes.split_at(bytes.len().min(BLOCK));
    let end = start.iter().position(is_special).unwrap_or_else(|| {
        // The fold over a block has no branch, so that the compiler turns it into vector code.
        let (blocks, _) = rest.as_chunks::<BLOCK>();
        let clean = blocks
            .iter()
            .take_while(|block| {
                block
                    .iter()
                    .fold(true, |plain, byte| plain & is_plain(byte))
            })
            .count()
            .saturating_mul(BLOCK);
        let tail = rest.get(clean..).unwrap_or_default();
        let more = tail.iter().position(is_special).unwrap_or(tail.len());
        start.len().saturating_add(clean).saturating_add(more)
    });
    bytes.get(..end).unwrap_or(bytes)
}
