//! Lines of JSON, each told by its number.

use affiant_entry::Moment;
use affiant_entry::record::ImportDoor;
use serde::Serialize;

use super::draft::{LineProblem, Verdict};
use super::fields::Fields;
use super::format::Format;
use super::importer::{Imported, Importer};
use super::{LINE_BYTES_MAX, UNKNOWN_LINES_MAX, agentgateway, contextforge, otlp, toolhive};

/// What some lines gave.
#[derive(Debug)]
pub struct Reading {
    /// The calls in their order.
    pub imported: Vec<Imported>,
    /// What became of each line.
    pub report: ImportReport,
}

/// What became of some lines: `lines` is the sum of lines with calls, `other`, `blank` and unknown
/// ones, but for OTLP, where a line can hold many records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Lines read.
    pub lines: u64,
    /// Calls.
    pub imported: u64,
    /// Records of the format about something else.
    pub other: u64,
    /// Lines without anything.
    pub blank: u64,
    /// Lines, or records in them, that were not understood.
    pub unknown: Vec<UnknownLine>,
    /// Those beyond the listed ones.
    pub unknown_more: u64,
}

/// A line that was not understood. Says nothing of what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UnknownLine {
    /// Its number.
    pub line: u64,
    /// Why.
    pub problem: LineProblem,
}

impl ImportReport {
    fn unknown(&mut self, line: u64, problem: LineProblem) {
        if self.unknown.len() < UNKNOWN_LINES_MAX {
            self.unknown.push(UnknownLine { line, problem });
        } else {
            self.unknown_more = self.unknown_more.saturating_add(1);
        }
    }
}

/// Reads lines; the first has the number `first_line`. Takes any bytes.
#[must_use]
pub fn read_lines(
    format: Format,
    text: &[u8],
    first_line: u64,
    importer: &Importer,
    now: Moment,
) -> Reading {
    let mut reading = Reading {
        imported: Vec::new(),
        report: ImportReport::default(),
    };
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() {
        return reading;
    }
    for (line, number) in text.split(|byte| *byte == b'\n').zip(first_line..) {
        reading.report.lines = reading.report.lines.saturating_add(1);
        let verdicts = match trimmed(line) {
            Ok("") => {
                reading.report.blank = reading.report.blank.saturating_add(1);
                continue;
            }
            Ok(line) => verdicts(format, line, importer),
            Err(problem) => vec![Verdict::Unknown(problem)],
        };
        for verdict in verdicts {
            reading.take(verdict, number, format, importer, now);
        }
    }
    reading
}

impl Reading {
    fn take(
        &mut self,
        verdict: Verdict,
        line: u64,
        format: Format,
        importer: &Importer,
        now: Moment,
    ) {
        match verdict {
            Verdict::Other => self.report.other = self.report.other.saturating_add(1),
            Verdict::Unknown(problem) => self.report.unknown(line, problem),
            Verdict::Call(draft) => match importer.import(*draft, format, ImportDoor::Jsonl, now) {
                Ok(imported) => {
                    self.imported.push(imported);
                    self.report.imported = self.report.imported.saturating_add(1);
                }
                Err(problem) => self.report.unknown(line, problem),
            },
        }
    }
}

/// One line without blanks around it and without a byte order mark.
fn trimmed(line: &[u8]) -> Result<&str, LineProblem> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineProblem::TooLong);
    }
    let text = std::str::from_utf8(line).map_err(|_| LineProblem::NotUtf8)?;
    Ok(text.trim_start_matches('\u{feff}').trim())
}

fn verdicts(format: Format, line: &str, importer: &Importer) -> Vec<Verdict> {
    let context = importer.context(format);
    if format == Format::Otlp {
        return otlp::read_line(line, context);
    }
    let fields = match object(line) {
        Ok(fields) => fields,
        Err(problem) => return vec![Verdict::Unknown(problem)],
    };
    vec![match format {
        Format::Agentgateway => agentgateway::read(&fields, context),
        Format::Contextforge => contextforge::read(&fields, context),
        Format::Toolhive => toolhive::read(&fields, context),
        Format::Otlp => Verdict::Unknown(LineProblem::UnknownShape),
    }]
}

/// An object, or what the line is instead.
pub(crate) fn object(line: &str) -> Result<Fields<'_>, LineProblem> {
    Fields::parse(line).ok_or_else(|| {
        let json = serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
        if json {
            LineProblem::NotAnObject
        } else {
            LineProblem::NotJson
        }
    })
}
