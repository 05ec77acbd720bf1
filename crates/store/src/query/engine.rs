//! Runs questions, a few at a time, on threads of its own.

use std::io;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::config::Dialect;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::object_store::ObjectStore;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use futures::StreamExt as _;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::leaves::{Leaves, STORE_URL};
use super::output::{Encoder, OutputError};
use super::{Answer, Bounds, Limits, QueryError, SqlRequest, functions, guard, tables};
use crate::store::{Snapshot, Store};

/// Questions that run at once; further ones wait, within their time.
const RUNNING_MAX: usize = 4;
/// Stack of a thread that answers; only what is used is taken.
pub(super) const STACK_BYTES: usize = 64 << 20;
/// Bytes of Parquet footers and indexes that are kept between questions.
const METADATA_BYTES: usize = 128 << 20;
/// Answers questions about a store.
#[derive(Debug)]
pub struct Engine {
    store: Store,
    runtime: Option<Runtime>,
    objects: Arc<dyn ObjectStore>,
    reader: Arc<CachedParquetFileReaderFactory>,
    running: Arc<Semaphore>,
}

impl Engine {
    /// An engine with threads of its own (`threads`, at least one).
    ///
    /// # Errors
    /// The store's directory cannot be read, or threads cannot be had.
    pub fn new(store: Store, threads: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("affiant-query")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()?;
        let objects = store.shared.dir.objects()?;
        let environment = RuntimeEnvBuilder::new()
            .with_metadata_cache_limit(METADATA_BYTES)
            .build()
            .map_err(io::Error::other)?;
        let cache = environment.cache_manager.get_file_metadata_cache();
        let reader = CachedParquetFileReaderFactory::new(Arc::clone(&objects), cache);
        Ok(Self {
            store,
            runtime: Some(runtime),
            objects,
            reader: Arc::new(reader),
            running: Arc::new(Semaphore::new(RUNNING_MAX)),
        })
    }

    /// The store it answers about.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Answers a question. Dropping the future ends the query.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn sql(&self, request: SqlRequest) -> Result<Answer, QueryError> {
        let time = request.limits.time;
        let session = self.session(request.bounds, request.limits)?;
        let running = Arc::clone(&self.running);
        let work = async move {
            let _permit = running.acquire_owned().await;
            answer(session, request).await
        };
        self.within(time, work).await
    }

    /// Answers a question, from a thread that is no part of a runtime.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn sql_blocking(&self, request: SqlRequest) -> Result<Answer, QueryError> {
        self.runtime()?.block_on(self.sql(request))
    }

    pub(super) fn runtime(&self) -> Result<&Runtime, QueryError> {
        let closed = || QueryError::Unavailable("the store is closing".to_owned());
        self.runtime.as_ref().ok_or_else(closed)
    }

    /// Runs work on the engine's threads, for a time at most.
    pub(super) async fn within<T: Send + 'static>(
        &self,
        time: std::time::Duration,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let runtime = self.runtime()?;
        let mut task = Aborting(runtime.spawn(tokio::time::timeout(time, work)));
        match (&mut task.0).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(QueryError::TooExpensive(format!(
                "query took longer than {}; ask for less at once, or raise the limit",
                seconds(time)
            ))),
            Err(error) => {
                tracing::error!(%error, "a query ended in a bug");
                Err(QueryError::Unavailable(
                    "query ended in a bug of the store".to_owned(),
                ))
            }
        }
    }

    /// A session that sees one moment of the store, within bounds.
    pub(super) fn session(
        &self,
        bounds: Bounds,
        limits: Limits,
    ) -> Result<SessionContext, QueryError> {
        let wrong = |error: DataFusionError| guard::error(&error, limits.memory_bytes);
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config())
            .with_runtime_env(self.environment(limits).map_err(wrong)?)
            .build();
        let session = SessionContext::new_with_state(state);
        functions::register(&session);
        let snapshot: Arc<Snapshot> = Arc::new(self.store.snapshot());
        let leaves = Leaves::new(Arc::clone(&snapshot), Arc::clone(&self.reader));
        tables::register(&session, leaves, &snapshot.memory, bounds).map_err(wrong)?;
        Ok(session)
    }

    fn environment(&self, limits: Limits) -> Result<Arc<RuntimeEnv>, DataFusionError> {
        let files = OnlyFiles {
            objects: Arc::clone(&self.objects),
        };
        let nothing = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes)))
            .with_disk_manager_builder(nothing)
            .with_object_store_registry(Arc::new(files))
            .build_arc()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting would block whoever drops us, which may be a runtime.
            runtime.shutdown_background();
        }
    }
}

/// A task that ends with whoever waits for it.
struct Aborting<T>(JoinHandle<T>);

impl<T> Drop for Aborting<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_parquet_bloom_filter_pruning(true)
        .with_target_partitions(
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        );
    let options = config.options_mut();
    options.catalog.default_catalog = "affiant".to_owned();
    options.sql_parser.dialect = Dialect::DuckDB;
    options.execution.enable_recursive_ctes = false;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    options.execution.time_zone = Some("+00:00".to_owned());
    config
}

/// Plans and runs one statement.
async fn answer(session: SessionContext, request: SqlRequest) -> Result<Answer, QueryError> {
    let SqlRequest {
        sql,
        format,
        limits,
        ..
    } = request;
    let wrong = |error: DataFusionError| guard::error(&error, limits.memory_bytes);
    let statement = guard::statement(&sql)?;
    let mut rows = stream(&session, statement).await.map_err(wrong)?;
    let mut out = Encoder::new(format, rows.schema(), limits.answer_bytes_max)
        .map_err(|error| too_large(&error, limits))?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(wrong)?;
        out.push(&batch)
            .map_err(|error| too_large(&error, limits))?;
        if out.rows() > limits.rows_max {
            return Err(QueryError::TooExpensive(format!(
                "answer has more than {} rows; ask for less, or add a LIMIT",
                limits.rows_max
            )));
        }
    }
    drop(rows);
    let count = out.rows();
    let body = out.finish().map_err(|error| too_large(&error, limits))?;
    Ok(Answer {
        content_type: format.content_type(),
        body,
        rows: count,
    })
}

/// The rows of a statement that was found to only read; the plan is looked at once more.
pub(super) async fn stream(
    session: &SessionContext,
    statement: Statement,
) -> Result<datafusion::execution::SendableRecordBatchStream, DataFusionError> {
    let plan = session.state().statement_to_plan(statement).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    let plan = functions::check(plan)?;
    session
        .execute_logical_plan(plan)
        .await?
        .execute_stream()
        .await
}

fn too_large(error: &OutputError, limits: Limits) -> QueryError {
    match error {
        OutputError::TooLarge => QueryError::TooExpensive(format!(
            "answer is larger than {} MiB; ask for less at once",
            limits.answer_bytes_max >> 20
        )),
        OutputError::Encode(error) => QueryError::Refused(guard::one_line(error)),
    }
}

fn seconds(time: std::time::Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

/// The planner reads the files of the store, and nothing else that has a URL.
struct OnlyFiles {
    objects: Arc<dyn ObjectStore>,
}

impl std::fmt::Debug for OnlyFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnlyFiles")
    }
}

impl ObjectStoreRegistry for OnlyFiles {
    fn register_store(
        &self,
        _: &url::Url,
        _: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &url::Url) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
        if url.as_str().trim_end_matches('/') == STORE_URL {
            Ok(Arc::clone(&self.objects))
        } else {
            Err(DataFusionError::Plan(
                "files cannot be read from SQL".to_owned(),
            ))
        }
    }
}
