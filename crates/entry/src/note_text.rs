//! Strict reading of the texts that this crate signs: fixed lines, one value each, one spelling.

/// Why a text is not one of ours. The writer, or whoever altered it since, is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteTextError {
    /// A line is missing, or another stands in its place.
    #[error("line {number} is not `{expected} …`")]
    Line {
        /// Which line, counted from 1.
        number: u32,
        /// The word it must begin with.
        expected: &'static str,
    },
    /// A line has the right word but no value that could stand there.
    #[error("`{member}` is malformed")]
    Value {
        /// The word of the line.
        member: &'static str,
    },
    /// The text goes on behind its last line.
    #[error("text goes on after its last line")]
    Trailing,
    /// The values can be read, but are not spelled the one way they may be.
    #[error("text is not in its canonical spelling")]
    NotCanonical,
}

/// Reads `word value` lines in order.
pub(crate) struct Lines<'a> {
    rest: &'a str,
    number: u32,
}

impl<'a> Lines<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            number: 0,
        }
    }

    /// Takes a line that is exactly this text.
    pub(crate) fn exact(&mut self, expected: &'static str) -> Result<(), NoteTextError> {
        let line = self.line(expected)?;
        if line == expected {
            Ok(())
        } else {
            Err(self.wrong(expected))
        }
    }

    /// Takes a line `word value` and gives the value.
    pub(crate) fn value(&mut self, word: &'static str) -> Result<&'a str, NoteTextError> {
        let line = self.line(word)?;
        line.strip_prefix(word)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| self.wrong(word))
    }

    /// Nothing may be left.
    pub(crate) const fn end(&self) -> Result<(), NoteTextError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(NoteTextError::Trailing)
        }
    }

    fn line(&mut self, expected: &'static str) -> Result<&'a str, NoteTextError> {
        self.number = self.number.saturating_add(1);
        let (line, rest) = self
            .rest
            .split_once('\n')
            .ok_or_else(|| self.wrong(expected))?;
        self.rest = rest;
        Ok(line)
    }

    const fn wrong(&self, expected: &'static str) -> NoteTextError {
        NoteTextError::Line {
            number: self.number,
            expected,
        }
    }
}

/// Reads a value with the function given, or names the line it stood in.
pub(crate) fn read<T>(
    member: &'static str,
    text: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, NoteTextError> {
    parse(text).ok_or(NoteTextError::Value { member })
}
