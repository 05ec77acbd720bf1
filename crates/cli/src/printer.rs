//! Where words go: data to standard output, talk to standard error.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::env;
use crate::error::ExpectedError;
use crate::exit_code::Exit;

/// Standard output. A reader that goes away is no error: what is written after that is dropped, and
/// [`Stdout::is_closed`] says so.
pub(crate) struct Stdout {
    inner: BufWriter<StdoutLock<'static>>,
    closed: bool,
}

impl Stdout {
    /// Takes standard output.
    pub(crate) fn lock() -> Self {
        Self {
            inner: BufWriter::with_capacity(64 * 1024, io::stdout().lock()),
            closed: false,
        }
    }

    /// Whether nobody reads any more, so that the caller may stop.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes bytes and a newline.
    pub(crate) fn line(&mut self, bytes: &[u8]) -> Result<(), ExpectedError> {
        self.bytes(bytes)?;
        self.bytes(b"\n")
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), ExpectedError> {
        if self.closed {
            return Ok(());
        }
        let written = self.inner.write_all(bytes);
        self.settle(written)
    }

    /// Hands on what is buffered.
    pub(crate) fn flush(&mut self) -> Result<(), ExpectedError> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.inner.flush();
        self.settle(flushed)
    }

    fn settle(&mut self, result: io::Result<()>) -> Result<(), ExpectedError> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => {
                self.closed = true;
                Err(ExpectedError::new(
                    Exit::Storage,
                    format!("standard output cannot be written: {error}"),
                ))
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Writes a line of talk to standard error; if that is gone, there is nobody to tell.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes `warning: …` to standard error.
pub(crate) fn warn(message: &str) {
    let paint = Paint::stderr();
    say(&format!("{} {message}", paint.yellow("warning:")));
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// No colours.
    #[cfg(test)]
    pub(crate) const OFF: Self = Self { on: false };

    /// For standard output: on terminals, unless `NO_COLOR` or `TERM=dumb` says otherwise.
    pub(crate) fn stdout() -> Self {
        Self {
            on: io::stdout().is_terminal() && allowed(),
        }
    }

    /// For standard error, likewise.
    pub(crate) fn stderr() -> Self {
        Self {
            on: io::stderr().is_terminal() && allowed(),
        }
    }

    /// Whether there are colours.
    pub(crate) const fn is_on(self) -> bool {
        self.on
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

fn allowed() -> bool {
    env::var(env::NO_COLOR).is_none() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Text of a peer made safe for a terminal: control and direction characters are replaced.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if is_unsafe(c) { '\u{fffd}' } else { c })
        .collect()
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_peers_cannot_steer_a_terminal() {
        assert_eq!(
            clean("a\x1b[31mb\u{202e}c\n"),
            "a\u{fffd}[31mb\u{fffd}c\u{fffd}"
        );
        assert_eq!(Paint::OFF.red("x"), "x");
    }
}
