//! CSV with a line of headings (RFC 4180). A file with a row of another length is refused whole: it is being
//! written, or is not what it seems.

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::{ReadError, has_rules, of_rules};
use crate::config::SourceSettings;
use crate::table::{FactRows, Rule, Table};

/// The rows of a file.
pub(super) fn table(settings: &SourceSettings, bytes: &[u8]) -> Result<(Table, u64), ReadError> {
    // Spreadsheets write a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().from_reader(bytes);
    let headings = reader.headers().map_err(|error| wrong(&error))?.clone();
    let column = |name: &str| headings.iter().position(|heading| heading.trim() == name);
    let need = |name: &str| {
        column(name).ok_or_else(|| ReadError::Malformed {
            problem: format!("there is no column `{name}`"),
        })
    };
    let cell = |row: &StringRecord, at: usize| row.get(at).unwrap_or_default().trim().to_owned();
    if has_rules(settings) {
        let (rule, level) = (need("rule")?, need("level")?);
        let (server, tool) = (column("server"), column("tool"));
        let pattern = |row: &StringRecord, at: Option<usize>| {
            at.map_or_else(|| "*".to_owned(), |at| cell(row, at))
        };
        let rules = reader.records().map(|row| {
            let row = row.map_err(|error| wrong(&error))?;
            Ok(Rule {
                rule: cell(&row, rule),
                server: pattern(&row, server),
                tool: pattern(&row, tool),
                level: cell(&row, level),
            })
        });
        return of_rules(rules.collect::<Result<_, ReadError>>()?);
    }
    let attributes = &settings.attributes;
    let key = need(&attributes.key)?;
    for attribute in attributes.facts.values() {
        need(attribute)?;
    }
    let mut rows = FactRows::new(attributes);
    for row in reader.records() {
        let row = row.map_err(|error| wrong(&error))?;
        rows.add([cell(&row, key)], |name| Some(cell(&row, column(name)?)))?;
    }
    Ok(rows.finish())
}

/// Where it is wrong; the library's words hold nothing of the row.
fn wrong(error: &csv::Error) -> ReadError {
    let line = error.position().map(csv::Position::line);
    let what = if let ErrorKind::UnequalLengths {
        expected_len, len, ..
    } = error.kind()
    {
        format!("row has {len} cells, the headings are {expected_len}")
    } else if matches!(error.kind(), ErrorKind::Utf8 { .. }) {
        "row is not UTF-8".to_owned()
    } else {
        "row cannot be read".to_owned()
    };
    let problem = match line {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    };
    ReadError::Malformed { problem }
}
