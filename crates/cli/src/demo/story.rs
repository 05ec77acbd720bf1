//! How the story is told: titles, lines that fit, nothing at all where a machine listens.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Told;
use super::client::Answer;
use super::script::{Call, Ending};
use crate::entries::merge::Row;
use crate::entries::table::Table;
use crate::printer::{Paint, Stdout, clean};

/// Widest line.
const WIDTH_MAX: usize = 100;
/// What every line under a title begins with.
pub(super) const INDENT: &str = "   ";
/// Widths of tool and arguments.
const TOOL_WIDTH: usize = 16;
const ARGUMENTS_WIDTH: usize = 18;
const ENDING_WIDTH: usize = 9;

/// Where the story goes.
pub(crate) struct Story {
    out: Stdout,
    paint: Paint,
    quiet: bool,
    step: u32,
    title: &'static str,
}

impl Story {
    /// A story for people, or, if `quiet`, for nobody.
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            out: Stdout::lock(),
            paint: Paint::stdout(),
            quiet,
            step: 0,
            title: "",
        }
    }

    pub(super) const fn paint(&self) -> Paint {
        self.paint
    }

    pub(super) const fn step(&self) -> u32 {
        self.step
    }

    /// Where in the story we are.
    pub(super) fn place(&self) -> String {
        format!("step {}, {}", self.step, self.title)
    }

    /// Begins a step.
    pub(super) fn title(&mut self, title: &'static str) -> Told<()> {
        self.step += 1;
        self.title = title;
        let width = INDENT.len();
        let number = self.paint.cyan(&format!("{:<width$}", self.step));
        let text = format!("\n{number}{}", self.paint.bold(title));
        self.line(&text)
    }

    /// Says something, in as many lines as it needs.
    pub(super) fn say(&mut self, text: &str) -> Told<()> {
        for line in wrap(text, WIDTH_MAX - INDENT.len()) {
            self.line(&format!("{INDENT}{line}"))?;
        }
        Ok(())
    }

    /// Tells of a call and its answer.
    pub(super) fn call(&mut self, call: &Call, answer: &Answer) -> Told<()> {
        let paint = self.paint;
        let arguments = call.shown();
        let tool = paint.bold(&format!("{:TOOL_WIDTH$}", call.tool));
        let mut line = format!("{INDENT}{tool}  {}", paint.dim(&arguments));
        let column = INDENT.len() + TOOL_WIDTH + 2 + ARGUMENTS_WIDTH;
        if arguments.width() > ARGUMENTS_WIDTH {
            self.line(&line)?;
            line = " ".repeat(column);
        } else {
            line.push_str(&" ".repeat(ARGUMENTS_WIDTH - arguments.width()));
        }
        let word = format!("{:ENDING_WIDTH$}", answer.ending.word());
        let word = match answer.ending {
            Ending::Success => paint.green(&word),
            Ending::Failure | Ending::Cancelled => paint.yellow(&word),
            Ending::Error => paint.red(&word),
        };
        let room = WIDTH_MAX - column - 2 - ENDING_WIDTH - 2;
        let text = cut(&clean(&answer.text.replace('\n', " ")), room);
        self.line(&format!("{line}  {word}  {text}"))
    }

    /// Shows entries as `affiant entries` does.
    pub(super) fn table<'a>(&mut self, rows: impl Iterator<Item = &'a Row>) -> Told<()> {
        if self.quiet {
            return Ok(());
        }
        let mut table = Table::new(self.paint, false).narrow(INDENT);
        for row in rows {
            table.add(&mut self.out, row, true)?;
        }
        table.finish(&mut self.out)?;
        self.out.flush()
    }

    /// A line as it is.
    pub(super) fn line(&mut self, text: &str) -> Told<()> {
        if self.quiet {
            return Ok(());
        }
        self.out.line(text.as_bytes())?;
        self.out.flush()
    }

    /// The one line for a machine.
    pub(crate) fn data(&mut self, line: &[u8]) -> Told<()> {
        self.out.line(line)?;
        self.out.flush()
    }
}

/// Breaks a text between words, so that no line is wider than `width`. Further lines begin two cells
/// further in. A word that is wider stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let margin = text.len() - text.trim_start_matches(' ').len() + 2;
    let mut lines = Vec::new();
    let mut words = text.split(' ');
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        if visible(&line) + 1 + visible(word) > width && !line.trim().is_empty() {
            lines.push(std::mem::replace(
                &mut line,
                format!("{:margin$}{word}", ""),
            ));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.push(line);
    lines
}

/// Width without colours.
fn visible(text: &str) -> usize {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().width();
    let rest = parts.map(|part| part.split_once('m').map_or(0, |(_, shown)| shown.width()));
    first + rest.sum::<usize>()
}

/// Cuts a text to a width.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    let mut out: String = text.chars().take_while(fits).collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_words_stay_whole() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "  ef"]);
        assert_eq!(wrap("abcdefgh ij", 5), ["abcdefgh", "  ij"]);
        assert_eq!(wrap("  ab", 9), ["  ab"]);
        assert_eq!(wrap(" ab cd", 5), [" ab", "   cd"]);
        assert_eq!(wrap("\x1b[1mab\x1b[0m cd", 5), ["\x1b[1mab\x1b[0m cd"]);
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
