//! Writing and reading one Parquet file.
//!
//! Rows come in the order of the log. Within each row group they are sorted by session and leaf, so
//! that the pages of one session lie together; between row groups the order of the log remains, which
//! is nearly that of time. Bloom filters tell which row groups hold a session, a user or a call.

use std::io;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch};
use datafusion::arrow::compute::{
    SortColumn, concat_batches, lexsort_to_indices, take_record_batch,
};
use datafusion::arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::schema::types::ColumnPath;

use crate::columns::schema;
use crate::io::{Dir, NewFile};
use crate::manifest::FileMeta;

/// Rows of a row group: what is sorted at once.
pub(crate) const GROUP_ROWS: usize = 131_072;
/// Rows of a page, at most: what a look-up reads at least.
const PAGE_ROWS: usize = 8_192;
/// Level of zstd: above it, entries shrink little more and cost twice as much.
const ZSTD_LEVEL: i32 = 3;
/// Share of look-ups that read a row group for nothing.
const BLOOM_WRONG: f64 = 0.01;
/// Columns that look-ups name one value of.
const BLOOMS: [&str; 3] = ["session_id", "user", "call"];

/// A file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SegmentError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Parquet.
    #[error("Parquet file cannot be written or read")]
    Parquet(#[from] ParquetError),
    /// Arrow: a bug, or no memory.
    #[error("rows cannot be put in order")]
    Arrow(#[from] ArrowError),
}

/// A Parquet file that is being written, row group by row group.
pub(crate) struct SegmentWriter {
    writer: ArrowWriter<NewFile>,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    meta: FileMeta,
    timeless: bool,
}

impl SegmentWriter {
    /// Begins a file under a path below the root.
    pub(crate) fn create(dir: &Dir, path: String, day: Option<i32>) -> Result<Self, SegmentError> {
        let file = dir.create(&path)?;
        Ok(Self {
            writer: ArrowWriter::try_new(file, schema(), Some(properties()))?,
            waiting: Vec::new(),
            waiting_rows: 0,
            meta: FileMeta {
                path,
                day,
                first: u64::MAX,
                end: 0,
                rows: 0,
                bytes: 0,
                times: None,
            },
            timeless: false,
        })
    }

    /// Rows in it and waiting.
    pub(crate) const fn rows(&self) -> u64 {
        self.meta.rows
    }

    /// Takes rows that come behind those before, in the order of the log.
    pub(crate) fn push(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        self.note(batch);
        let mut at = 0;
        while at < batch.num_rows() {
            let room = GROUP_ROWS.saturating_sub(self.waiting_rows);
            let taken = room.min(batch.num_rows() - at);
            self.waiting.push(batch.slice(at, taken));
            self.waiting_rows += taken;
            at += taken;
            if self.waiting_rows == GROUP_ROWS {
                self.write_group()?;
            }
        }
        Ok(())
    }

    /// Writes the rest and makes the file durable.
    pub(crate) fn finish(mut self) -> Result<FileMeta, SegmentError> {
        self.write_group()?;
        let file = self.writer.into_inner()?;
        self.meta.bytes = file.finish()?;
        if self.timeless {
            self.meta.times = None;
        }
        Ok(self.meta)
    }

    fn write_group(&mut self) -> Result<(), SegmentError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batch = concat_batches(&schema(), &self.waiting)?;
        self.waiting.clear();
        self.waiting_rows = 0;
        self.writer.write(&sorted(&batch)?)?;
        self.writer.flush()?;
        Ok(())
    }

    fn note(&mut self, batch: &RecordBatch) {
        self.meta.rows = self
            .meta
            .rows
            .saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
        if let Some(leaves) = batch.column_by_name("leaf") {
            for leaf in leaves.as_primitive::<Int64Type>().values() {
                let leaf = leaf.cast_unsigned();
                self.meta.first = self.meta.first.min(leaf);
                self.meta.end = self.meta.end.max(leaf.saturating_add(1));
            }
        }
        if let Some(times) = batch.column_by_name("time") {
            self.timeless |= times.null_count() > 0;
            for time in times
                .as_primitive::<TimestampMicrosecondType>()
                .iter()
                .flatten()
            {
                let (low, high) = self.meta.times.unwrap_or((time, time));
                self.meta.times = Some((low.min(time), high.max(time)));
            }
        }
    }
}

/// Rows by session, then leaf.
fn sorted(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let by = ["session_id", "leaf"].map(|name| batch.column_by_name(name).map(Arc::clone));
    let by: Vec<SortColumn> = by
        .into_iter()
        .flatten()
        .map(|values| SortColumn {
            values,
            options: None,
        })
        .collect();
    let order = lexsort_to_indices(&by, None)?;
    take_record_batch(batch, &order)
}

/// Rows by leaf.
fn in_log_order(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let Some(leaves) = batch.column_by_name("leaf") else {
        return Ok(batch.clone());
    };
    let order = lexsort_to_indices(
        &[SortColumn {
            values: Arc::clone(leaves),
            options: None,
        }],
        None,
    )?;
    take_record_batch(batch, &order)
}

fn properties() -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS / 8)
        .set_created_by(concat!("affiant ", env!("CARGO_PKG_VERSION")).to_owned());
    for name in BLOOMS {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_fpp(column, BLOOM_WRONG);
    }
    properties.build()
}

/// Reads a file in the order of the log, a row group at a time, without the leaves before `min`.
pub(crate) fn read(
    dir: &Dir,
    path: &str,
    min: u64,
    mut each: impl FnMut(&RecordBatch) -> Result<(), SegmentError>,
) -> Result<(), SegmentError> {
    let file = dir.open(path)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let groups = builder.metadata().num_row_groups();
    for group in 0..groups {
        let builder = ParquetRecordBatchReaderBuilder::try_new(dir.open(path)?)?;
        let reader = builder
            .with_row_groups(vec![group])
            .with_batch_size(GROUP_ROWS)
            .build()?;
        let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>()?;
        let Some(first) = batches.first() else {
            continue;
        };
        let batch = concat_batches(&first.schema(), &batches)?;
        let batch = from_leaf(&in_log_order(&batch)?, min);
        if batch.num_rows() > 0 {
            each(&batch.with_schema(schema())?)?;
        }
    }
    Ok(())
}

/// The rows from a leaf on, of rows in the order of the log.
pub(crate) fn from_leaf(batch: &RecordBatch, min: u64) -> RecordBatch {
    let below = batch.column_by_name("leaf").map_or(0, |leaves| {
        let leaves = leaves.as_primitive::<Int64Type>().values();
        leaves.partition_point(|leaf| leaf.cast_unsigned() < min)
    });
    batch.slice(below, batch.num_rows() - below)
}
