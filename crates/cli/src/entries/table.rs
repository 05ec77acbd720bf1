//! Entries as a table for people.
//!
//! The widths of the columns follow the first [`SAMPLE_ROWS`] rows; then they are fixed, so that any
//! number of rows streams by.

use std::collections::BTreeMap;
use std::ops::Range;

use affiant_entry::CallId;
use affiant_entry::LogKind;
use affiant_entry::decode::{Decoded, Kind};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::merge::Row;
use super::{events, facts, units};
use crate::error::ExpectedError;
use crate::printer::{Paint, Stdout, clean};

/// Rows looked at before the widths are fixed.
const SAMPLE_ROWS: usize = 256;
/// Most calls without an end that are kept to be shown behind the others.
const OPEN_CALLS_MAX: usize = 16_384;

const COLUMNS: usize = 9;
const HEADINGS: [&str; COLUMNS] = [
    "TIME (UTC)",
    "SERVER",
    "TOOL",
    "STATUS",
    "LATENCY",
    "BYTES",
    "USER",
    "SESSION",
    "DECISION",
];
/// Widest a column gets, in terminal cells.
const WIDTHS_MAX: [usize; COLUMNS] = [23, 20, 32, 25, 9, 9, 20, 8, 12];
/// Which columns stand flush right.
const RIGHT: [bool; COLUMNS] = [false, false, false, false, true, true, false, false, false];
const NOTHING: &str = "-";

/// A table on its way to standard output.
pub(crate) struct Table {
    paint: Paint,
    sample: Vec<Line>,
    widths: Option<[usize; COLUMNS]>,
    open: Option<BTreeMap<CallId, Line>>,
    rows: u64,
    /// Columns shown, from the left.
    columns: usize,
    /// Which bytes of a time are shown.
    time: Range<usize>,
    /// What every line begins with.
    indent: &'static str,
}

/// One line of the table, before it is laid out.
#[derive(Debug, Clone)]
enum Line {
    Call {
        cells: [String; COLUMNS],
        tone: Tone,
    },
    Event {
        time: String,
        server: String,
        kind: String,
        text: String,
        tone: Tone,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Bad,
    Warning,
    Quiet,
}

impl Table {
    /// An empty table. `show_open` shows calls without an end behind all others.
    pub(crate) const fn new(paint: Paint, show_open: bool) -> Self {
        let open = if show_open {
            Some(BTreeMap::new())
        } else {
            None
        };
        Self {
            paint,
            sample: Vec::new(),
            widths: None,
            open,
            rows: 0,
            columns: COLUMNS,
            time: 0..WIDTHS_MAX[0],
            indent: "",
        }
    }

    /// The same table for narrow places: indented, time of day in seconds, no decision.
    #[cfg(feature = "demo")]
    pub(crate) const fn narrow(mut self, indent: &'static str) -> Self {
        self.indent = indent;
        self.columns = COLUMNS - 1;
        self.time = "2026-11-22 ".len().."2026-11-22 06:54:01".len();
        self
    }

    /// Adds an entry. `every_kind`: whether kinds that repeat what others say are shown, too.
    pub(crate) fn add(
        &mut self,
        out: &mut Stdout,
        row: &Row,
        every_kind: bool,
    ) -> Result<(), ExpectedError> {
        let kind = &row.entry.header().kind;
        self.note_open(&row.entry);
        let quiet = matches!(kind, Kind::CallBegin | Kind::Seal | Kind::Heartbeat);
        if quiet && !every_kind {
            return Ok(());
        }
        let is_call = matches!(
            kind,
            Kind::CallBegin | Kind::CallEnd | Kind::Log(LogKind::CallImport)
        );
        let line = if is_call {
            call_line(&row.entry)
        } else {
            event_line(row)
        };
        self.push(out, line)
    }

    /// Takes note of an entry that is not shown: it may end a call whose beginning was kept.
    pub(crate) fn pass_over(&mut self, row: &Row) {
        if row.entry.header().kind == Kind::CallEnd {
            self.note_open(&row.entry);
        }
    }

    fn note_open(&mut self, entry: &Decoded) {
        let header = entry.header();
        let (Some(open), Some(call)) = (&mut self.open, header.call) else {
            return;
        };
        if header.kind == Kind::CallBegin && open.len() < OPEN_CALLS_MAX {
            open.insert(call, call_line(entry));
        } else if header.kind == Kind::CallEnd {
            open.remove(&call);
        }
    }

    /// Shows what is left. Says how many rows there were.
    pub(crate) fn finish(&mut self, out: &mut Stdout) -> Result<u64, ExpectedError> {
        for line in self.open.take().unwrap_or_default().into_values() {
            self.push(out, line)?;
        }
        self.settle(out)?;
        Ok(self.rows)
    }

    /// Shows what was kept back to find the widths.
    pub(crate) fn settle(&mut self, out: &mut Stdout) -> Result<(), ExpectedError> {
        if self.sample.is_empty() {
            return Ok(());
        }
        let widths = self.fix_widths(out)?;
        for line in std::mem::take(&mut self.sample) {
            out.line(self.lay_out(&line, &widths).as_bytes())?;
        }
        Ok(())
    }

    fn push(&mut self, out: &mut Stdout, mut line: Line) -> Result<(), ExpectedError> {
        self.rows += 1;
        line.cut_time(self.time.clone());
        if let Some(widths) = self.widths {
            return out.line(self.lay_out(&line, &widths).as_bytes());
        }
        self.sample.push(line);
        if self.sample.len() < SAMPLE_ROWS {
            Ok(())
        } else {
            self.settle(out)
        }
    }

    fn fix_widths(&mut self, out: &mut Stdout) -> Result<[usize; COLUMNS], ExpectedError> {
        if let Some(widths) = self.widths {
            return Ok(widths);
        }
        let mut widths = HEADINGS.map(UnicodeWidthStr::width);
        for line in &self.sample {
            line.widen(&mut widths);
        }
        for (width, max) in widths.iter_mut().zip(WIDTHS_MAX) {
            *width = (*width).min(max);
        }
        self.widths = Some(widths);
        let heading = HEADINGS.map(str::to_owned);
        let heading = join(&heading, &widths, self.columns, |_, cell| cell);
        let heading = format!("{}{}", self.indent, self.paint.bold(&heading));
        out.line(heading.as_bytes())?;
        Ok(widths)
    }

    fn lay_out(&self, line: &Line, widths: &[usize; COLUMNS]) -> String {
        let paint = self.paint;
        let tinted = |tone: Tone, text: &str| match tone {
            Tone::Good => paint.green(text),
            Tone::Bad => paint.red(text),
            Tone::Warning => paint.yellow(text),
            Tone::Quiet => paint.dim(text),
        };
        let laid_out = match line {
            Line::Call { cells, tone } => join(cells, widths, self.columns, |at, cell| match at {
                3 => tinted(*tone, &cell),
                0 | 7 => paint.dim(&cell),
                2 => paint.bold(&cell),
                _ => cell,
            }),
            Line::Event {
                time,
                server,
                kind,
                text,
                tone,
            } => {
                let [time_width, server_width, ..] = *widths;
                let time = paint.dim(&fit(time, time_width, false));
                let said = format!("{kind:8}  {text}");
                format!(
                    "{time}  {}  {}",
                    fit(server, server_width, false),
                    tinted(*tone, said.trim_end())
                )
            }
        };
        format!("{}{laid_out}", self.indent)
    }
}

impl Line {
    fn cut_time(&mut self, shown: Range<usize>) {
        let time = match self {
            Self::Call {
                cells: [time, ..], ..
            }
            | Self::Event { time, .. } => time,
        };
        if let Some(part) = time.get(shown) {
            *time = part.to_owned();
        }
    }

    fn widen(&self, widths: &mut [usize; COLUMNS]) {
        match self {
            Self::Call { cells, .. } => {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.width());
                }
            }
            Self::Event { time, server, .. } => {
                for (width, cell) in widths.iter_mut().zip([time, server]) {
                    *width = (*width).max(cell.width());
                }
            }
        }
    }
}

fn call_line(entry: &Decoded) -> Line {
    let at = |pointer: &str| {
        facts::text(entry, &[pointer]).map_or_else(|| NOTHING.to_owned(), |text| clean(&text))
    };
    let code = facts::text(entry, &["/status/code"]);
    let reason = facts::text(entry, &["/status/reason"]);
    let status = match (code.as_deref(), reason.as_deref()) {
        (Some("success"), Some("ok") | None) => "success".to_owned(),
        (Some(code), Some(reason)) => clean(&format!("{code} {reason}")),
        (Some(code), None) => clean(code),
        (None, _) => "open".to_owned(),
    };
    // Another recorder's claim, which no source sealed, must not look like evidence.
    let unsealed = entry.header().kind == Kind::Log(LogKind::CallImport);
    let status = if unsealed {
        format!("unsealed {status}")
    } else {
        status
    };
    let tone = match code.as_deref() {
        Some("success") if !unsealed => Tone::Good,
        Some("error") => Tone::Bad,
        _ => Tone::Warning,
    };
    let number = |pointer: &str, show: fn(u64) -> String| {
        facts::number(entry, pointer).map_or_else(|| NOTHING.to_owned(), show)
    };
    let cells = [
        entry_time(entry),
        at("/server/id"),
        at("/tool/name"),
        status,
        number("/latency_us", units::latency),
        number("/response/bytes", units::bytes),
        at("/agent/user"),
        tail(&at("/session/id")),
        at("/policy/decision"),
    ];
    Line::Call { cells, tone }
}

/// The last characters of an id: the first ones are those of a time, in many.
fn tail(id: &str) -> String {
    let skip = id.chars().count().saturating_sub(WIDTHS_MAX[7]);
    id.chars().skip(skip).collect()
}

fn event_line(row: &Row) -> Line {
    let entry = &row.entry;
    let kind = &entry.header().kind;
    let loud = matches!(
        kind,
        Kind::Gap
            | Kind::Anomaly
            | Kind::AuthFailure
            | Kind::Log(
                LogKind::ChainGap
                    | LogKind::Fork
                    | LogKind::Quarantine
                    | LogKind::SourceSilent
                    | LogKind::SourceUnrostered
                    | LogKind::Refusal
            )
            | Kind::Unknown(_)
    );
    let tone = if loud { Tone::Warning } else { Tone::Quiet };
    Line::Event {
        time: entry_time(entry),
        server: facts::server(entry).map_or_else(|| row.spool.to_string(), |server| clean(&server)),
        kind: clean(kind.as_str()),
        text: clean(&events::sentence(entry)),
        tone,
    }
}

fn entry_time(entry: &Decoded) -> String {
    facts::utc_us(entry).map_or_else(|| NOTHING.to_owned(), units::time)
}

fn join(
    cells: &[String; COLUMNS],
    widths: &[usize; COLUMNS],
    columns: usize,
    dress: impl Fn(usize, String) -> String,
) -> String {
    let mut line = String::new();
    let last = columns.saturating_sub(1);
    let shown = cells.iter().zip(widths).zip(RIGHT).take(columns);
    for (at, ((cell, width), right)) in shown.enumerate() {
        if at > 0 {
            line.push_str("  ");
        }
        let fitted = fit(cell, *width, right);
        let fitted = if at == last {
            fitted.trim_end().to_owned()
        } else {
            fitted
        };
        line.push_str(&dress(at, fitted));
    }
    line
}

/// Fills a text up to a width, or cuts it.
fn fit(text: &str, width: usize, right: bool) -> String {
    let wide = text.width();
    if wide <= width {
        let space = " ".repeat(width - wide);
        return if right {
            format!("{space}{text}")
        } else {
            format!("{text}{space}")
        };
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    let short = width.saturating_sub(out.width());
    out + &" ".repeat(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_filled_and_cut_by_what_a_terminal_shows() {
        assert_eq!(fit("abc", 5, false), "abc  ");
        assert_eq!(fit("abc", 5, true), "  abc");
        assert_eq!(fit("abcdef", 5, false), "abcd…");
        assert_eq!(fit("日本語だ", 5, false), "日本…");
        assert_eq!(fit("日本語だ", 4, false), "日… ");
    }
}
