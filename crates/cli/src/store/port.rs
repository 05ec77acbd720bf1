//! The store as who answers an aggregator's questions.

use std::sync::Arc;

use affiant_aggregator::query as port;
use affiant_store::query::{
    Bounds, Engine, EntryFilter, EntryPage, Format, Limits, Order, Page, QueryError, SqlRequest,
};
use affiant_store::{RawLeaves as _, Store};

use super::view::LogLeaves;

/// Threads that answer.
const THREADS: usize = 2;

/// Answers from a store.
pub(crate) struct StoreQuery {
    engine: Arc<Engine>,
    log: LogLeaves,
}

impl StoreQuery {
    pub(crate) fn new(store: Store, log: LogLeaves) -> std::io::Result<Self> {
        Ok(Self {
            engine: Arc::new(Engine::new(store, THREADS)?),
            log,
        })
    }
}

impl port::Query for StoreQuery {
    fn sql(
        &self,
        request: port::SqlRequest,
    ) -> port::BoxFuture<'_, Result<port::Answer, port::QueryError>> {
        Box::pin(async move {
            let format = format(request.format);
            let limits = Limits {
                time: request.limits.time,
                rows_max: request.limits.rows_max,
                answer_bytes_max: request.limits.bytes_max,
                ..Limits::default()
            };
            let answer = self.engine.sql(SqlRequest {
                sql: request.sql,
                format,
                bounds: bounds(request.bounds),
                limits,
            });
            let answer = answer.await.map_err(refused)?;
            Ok(port::Answer {
                content_type: request.format.media_type(),
                body: answer.body,
                rows: answer.rows,
            })
        })
    }

    fn entries(
        &self,
        filter: port::EntryFilter,
        page: port::Page,
    ) -> port::BoxFuture<'_, Result<port::EntryPage, port::QueryError>> {
        Box::pin(async move {
            let found = self
                .engine
                .entries(wanted(filter), paged(page), Limits::default());
            let found = found.await.map_err(refused)?;
            let log = self.log.clone();
            let read = tokio::task::spawn_blocking(move || leaves(&log, found));
            read.await.unwrap_or_else(|_| Err(unreadable()))
        })
    }
}

fn leaves(log: &LogLeaves, found: EntryPage) -> Result<port::EntryPage, port::QueryError> {
    let mut items = Vec::with_capacity(found.items.len());
    for row in found.items {
        items.push(port::EntryItem {
            index: row.index,
            entry: log.leaf(row.index).ok_or_else(unreadable)?,
            context: row.context,
        });
    }
    Ok(port::EntryPage {
        items,
        next: found.next.map(port::Cursor),
        held: Some(port::Cursor(found.held)),
    })
}

fn unreadable() -> port::QueryError {
    port::QueryError::Unavailable("a leaf of the log cannot be read".to_owned())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` takes"
)]
fn refused(error: QueryError) -> port::QueryError {
    match &error {
        QueryError::Refused(text) => port::QueryError::Refused(text.clone()),
        QueryError::TooExpensive(text) => port::QueryError::TooExpensive(text.clone()),
        QueryError::Unavailable(_) | _ => port::QueryError::Unavailable(error.to_string()),
    }
}

const fn format(format: port::Format) -> Format {
    match format {
        port::Format::Table => Format::Table,
        port::Format::Json => Format::Json,
        port::Format::JsonLines => Format::JsonLines,
        port::Format::Csv => Format::Csv,
        port::Format::Parquet => Format::Parquet,
        port::Format::Arrow => Format::Arrow,
    }
}

const fn bounds(bounds: port::ReadBounds) -> Bounds {
    Bounds {
        from_us: bounds.from_us,
        to_us: bounds.to_us,
    }
}

fn wanted(filter: port::EntryFilter) -> EntryFilter {
    EntryFilter {
        time: bounds(filter.time),
        session: filter.session,
        user: filter.user,
        role: filter.role,
        server: filter.server,
        tool: filter.tool,
        status: filter.status,
        decision: filter.decision,
        level: filter.level,
        source: filter.source,
        call: filter.call,
        kinds: filter.kinds,
    }
}

fn paged(page: port::Page) -> Page {
    Page {
        from: page.from.map(|cursor| cursor.0),
        order: match page.order {
            port::Order::Ascending => Order::Ascending,
            port::Order::Descending => Order::Descending,
        },
        limit: page.limit,
    }
}
