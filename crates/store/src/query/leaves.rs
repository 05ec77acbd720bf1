//! The rows of a snapshot as a table: files and memory as one.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;

use crate::columns::{UTC, schema};
use crate::manifest::FileMeta;
use crate::store::Snapshot;

/// Name under which the directory of the store is known to the engine.
pub(super) const STORE_URL: &str = "affiant-store://files";

/// Every row of a snapshot. SQL cannot name it; the tables that it can name are made of it.
#[derive(Debug)]
pub(super) struct Leaves {
    schema: SchemaRef,
    snapshot: Arc<Snapshot>,
    reader: Arc<CachedParquetFileReaderFactory>,
}

impl Leaves {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        reader: Arc<CachedParquetFileReaderFactory>,
    ) -> Self {
        Self {
            schema: schema(),
            snapshot,
            reader,
        }
    }

    fn files(&self, partitions: usize) -> Vec<FileGroup> {
        let all = self.snapshot.files.iter();
        let files: Vec<PartitionedFile> = all
            .map(|file| partitioned(&file.meta, &self.schema))
            .collect();
        FileGroup::new(files).split_files(partitions.max(1))
    }
}

#[async_trait]
impl TableProvider for Leaves {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters stand above the scan and are pushed into it by the planner, which also keeps those that
    /// the rows in memory need.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![
            TableProviderFilterPushDown::Unsupported;
            filters.len()
        ])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !self.snapshot.files.is_empty() {
            let options = state.table_options().parquet.clone();
            let source = ParquetSource::new(Arc::clone(&self.schema))
                .with_table_parquet_options(options)
                .with_parquet_file_reader_factory(Arc::clone(&self.reader) as _);
            let url = ObjectStoreUrl::parse(STORE_URL)?;
            let partitions = state.config_options().execution.target_partitions;
            let config = FileScanConfigBuilder::new(url, Arc::new(source))
                .with_file_groups(self.files(partitions))
                .with_projection_indices(projection.cloned())?
                .with_limit(limit)
                .build();
            parts.push(DataSourceExec::from_data_source(config));
        }
        if !self.snapshot.recent.is_empty() || parts.is_empty() {
            let rows = std::slice::from_ref(&self.snapshot.recent);
            let memory =
                MemorySourceConfig::try_new_exec(rows, self.schema(), projection.cloned())?;
            parts.push(memory);
        }
        UnionExec::try_new(parts)
    }
}

/// A file with what its manifest says of it, so that whole files are passed over.
fn partitioned(meta: &FileMeta, schema: &SchemaRef) -> PartitionedFile {
    let mut statistics = Statistics::new_unknown(schema);
    let rows = usize::try_from(meta.rows).unwrap_or(usize::MAX);
    statistics.num_rows = Precision::Exact(rows);
    if let Ok(at) = schema.index_of("leaf")
        && let Some(column) = statistics.column_statistics.get_mut(at)
    {
        let leaf = |index: u64| Precision::Exact(ScalarValue::Int64(i64::try_from(index).ok()));
        column.min_value = leaf(meta.first);
        column.max_value = leaf(meta.end.saturating_sub(1));
        column.null_count = Precision::Exact(0);
    }
    if let (Ok(at), Some((low, high))) = (schema.index_of("time"), meta.times)
        && let Some(column) = statistics.column_statistics.get_mut(at)
    {
        let time = |us| {
            Precision::Exact(ScalarValue::TimestampMicrosecond(
                Some(us),
                Some(UTC.into()),
            ))
        };
        column.min_value = time(low);
        column.max_value = time(high);
        column.null_count = Precision::Exact(0);
    }
    PartitionedFile::new(meta.path.clone(), meta.bytes).with_statistics(Arc::new(statistics))
}
