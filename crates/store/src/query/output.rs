//! Rows as bytes, in each format.

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use super::Format;

/// Time stamps as in entries: RFC 3339, UTC, six digits.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";
const TIME_WITHOUT_ZONE: &str = "%Y-%m-%dT%H:%M:%S%.6f";
/// Widest column of a table for people; longer texts are cut there, and end in `…`.
const TABLE_CELL_CHARS_MAX: usize = 120;

/// An answer cannot be written.
#[derive(Debug)]
pub(super) enum OutputError {
    /// It is larger than allowed.
    TooLarge,
    /// A column has a type that the format does not know.
    Encode(String),
}

impl From<ArrowError> for OutputError {
    fn from(error: ArrowError) -> Self {
        Self::Encode(error.to_string())
    }
}

impl From<ParquetError> for OutputError {
    fn from(error: ParquetError) -> Self {
        Self::Encode(error.to_string())
    }
}

/// Writes batches of one answer.
pub(super) struct Encoder {
    sink: Sink,
    schema: SchemaRef,
    rows: u64,
    bytes_max: usize,
}

enum Sink {
    Text(Text, String),
    Table(Vec<Vec<String>>, usize),
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    Arrow(Box<StreamWriter<Vec<u8>>>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Json,
    JsonLines,
    Csv,
}

impl Encoder {
    pub(super) fn new(
        format: Format,
        schema: SchemaRef,
        bytes_max: usize,
    ) -> Result<Self, OutputError> {
        let plain = plain_schema(&schema);
        let sink = match format {
            Format::Table => Sink::Table(vec![names(&schema)], 0),
            Format::Json => Sink::Text(Text::Json, "[".to_owned()),
            Format::JsonLines => Sink::Text(Text::JsonLines, String::new()),
            Format::Csv => {
                let names: Vec<String> = names(&schema).iter().map(|name| csv(name)).collect();
                Sink::Text(Text::Csv, format!("{}\r\n", names.join(",")))
            }
            Format::Parquet => {
                let level = ZstdLevel::try_new(3).unwrap_or_default();
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(level))
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), plain, Some(properties))?;
                Sink::Parquet(Box::new(writer))
            }
            Format::Arrow => Sink::Arrow(Box::new(StreamWriter::try_new(Vec::new(), &plain)?)),
        };
        Ok(Self {
            sink,
            schema,
            rows: 0,
            bytes_max,
        })
    }

    /// Rows written so far.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        let first = self.rows == 0;
        let rows = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        self.rows = self.rows.saturating_add(rows);
        let size = match &mut self.sink {
            Sink::Table(rows, bytes) => {
                table_rows(batch, rows, bytes)?;
                *bytes
            }
            Sink::Text(text, out) => {
                write_text(*text, first, batch, out, self.bytes_max)?;
                out.len()
            }
            Sink::Parquet(writer) => {
                writer.write(&plain(batch, &plain_schema(&self.schema))?)?;
                writer
                    .bytes_written()
                    .saturating_add(writer.in_progress_size())
            }
            Sink::Arrow(writer) => {
                writer.write(&plain(batch, &plain_schema(&self.schema))?)?;
                writer.get_ref().len()
            }
        };
        if size > self.bytes_max {
            return Err(OutputError::TooLarge);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, OutputError> {
        Ok(match self.sink {
            Sink::Table(rows, _) => table(&rows).into_bytes(),
            Sink::Text(Text::Json, mut out) => {
                out.push_str("]\n");
                out.into_bytes()
            }
            Sink::Text(_, out) => out.into_bytes(),
            Sink::Parquet(writer) => writer.into_inner()?,
            Sink::Arrow(writer) => writer.into_inner()?,
        })
    }
}

/// How values read in text.
pub(super) fn options() -> FormatOptions<'static> {
    FormatOptions::default()
        .with_timestamp_format(Some(TIME_WITHOUT_ZONE))
        .with_timestamp_tz_format(Some(TIME))
}

fn names(schema: &Schema) -> Vec<String> {
    let names = schema.fields().iter();
    names.map(|field| field.name().clone()).collect()
}

/// The types that every reader knows, in place of views and dictionaries.
fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..) => DataType::Utf8,
            DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
            other => other.clone(),
        };
        Field::new(field.name(), kind, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()));
    RecordBatch::try_new(
        Arc::clone(schema),
        columns.collect::<Result<Vec<ArrayRef>, _>>()?,
    )
}

fn write_text(
    text: Text,
    first: bool,
    batch: &RecordBatch,
    out: &mut String,
    bytes_max: usize,
) -> Result<(), OutputError> {
    let options = options();
    let schema = batch.schema();
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        let name = serde_json::to_string(field.name()).unwrap_or_default();
        columns.push((name, column, ArrayFormatter::try_new(column, &options)?));
    }
    for row in 0..batch.num_rows() {
        if out.len() > bytes_max {
            return Err(OutputError::TooLarge);
        }
        match text {
            Text::Csv => {
                for (at, (_, column, values)) in columns.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    if column.is_valid(row) {
                        out.push_str(&csv(&values.value(row).to_string()));
                    }
                }
                out.push_str("\r\n");
            }
            Text::Json | Text::JsonLines => {
                if text == Text::Json && !(first && row == 0) {
                    out.push_str(",\n");
                }
                out.push('{');
                for (at, (name, column, values)) in columns.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(name);
                    out.push(':');
                    json(column, row, &values.value(row).to_string(), out);
                }
                out.push('}');
                if text == Text::JsonLines {
                    out.push('\n');
                }
            }
        }
    }
    Ok(())
}

/// Numbers and booleans as such, the rest as a string; what JSON has no number for is `null`.
fn json(column: &ArrayRef, row: usize, text: &str, out: &mut String) {
    let kind = column.data_type();
    if column.is_null(row) || *kind == DataType::Null {
        out.push_str("null");
    } else if kind.is_numeric() || *kind == DataType::Boolean {
        let written = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        out.push_str(if written { text } else { "null" });
    } else {
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

fn csv(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn table_rows(
    batch: &RecordBatch,
    rows: &mut Vec<Vec<String>>,
    bytes: &mut usize,
) -> Result<(), OutputError> {
    let options = options();
    let mut columns = Vec::with_capacity(batch.num_columns());
    for column in batch.columns() {
        columns.push((column, ArrayFormatter::try_new(column, &options)?));
    }
    for row in 0..batch.num_rows() {
        let mut cells = Vec::with_capacity(columns.len());
        for (column, values) in &columns {
            let cell = if column.is_null(row) {
                String::new()
            } else {
                shown(&values.value(row).to_string())
            };
            *bytes = bytes.saturating_add(cell.len() + 2);
            cells.push(cell);
        }
        rows.push(cells);
    }
    Ok(())
}

/// A text of the outside world on a terminal: on one line, and nothing that a terminal obeys.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == TABLE_CELL_CHARS_MAX {
            out.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Marks that turn or hide what stands beside them.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Columns with two spaces between; the first row is the header.
fn table(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(row.len().max(widths.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for (at, row) in rows.iter().enumerate() {
        line(row, &widths, &mut out);
        if at == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            line(&rule, &widths, &mut out);
        }
    }
    out
}

fn line(cells: &[String], widths: &[usize], out: &mut String) {
    let start = out.len();
    for (cell, width) in cells.iter().zip(widths) {
        let _ = write!(out, "{cell:<width$}  ");
    }
    let end = out.get(start..).map_or(0, |line| line.trim_end().len());
    out.truncate(start + end);
    out.push('\n');
}
