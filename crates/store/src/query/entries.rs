//! Entries that pass a filter, page by page in the order of the log.

use affiant_tlog::LeafIndex;
use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::SessionContext;

use super::tables::column;
use super::{Bounds, Engine, Limits, QueryError, guard};
use crate::context::PREFIXES;

/// Most entries of one page.
const PAGE_MAX: usize = 10_000;

/// All that must hold; an empty filter lets everything pass. An entry without a field that is asked
/// for does not pass. Texts are compared exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// By the `time` of the entry.
    pub time: Bounds,
    /// Session id.
    pub session: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Role of the agent.
    pub role: Option<String>,
    /// Server id.
    pub server: Option<String>,
    /// Tool name.
    pub tool: Option<String>,
    /// Status code or reason.
    pub status: Option<String>,
    /// Policy decision.
    pub decision: Option<String>,
    /// Classification level.
    pub level: Option<String>,
    /// Who made it.
    pub source: Option<String>,
    /// Call id.
    pub call: Option<String>,
    /// Kinds, any of them.
    pub kinds: Vec<String>,
}

/// Which way a list goes through the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest leaf first.
    #[default]
    Ascending,
    /// Newest leaf first.
    Descending,
}

/// Which of the entries that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The first leaf to look at, in the order of the page.
    pub from: Option<LeafIndex>,
    /// Which way.
    pub order: Order,
    /// Most entries; at most 10,000.
    pub limit: usize,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Its place in the log.
    pub index: LeafIndex,
    /// What the context says of it: a JSON object with `asset`, `user`, `class`, where it says anything.
    pub context: Option<String>,
}

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPage {
    /// The entries.
    pub items: Vec<EntryRow>,
    /// First leaf of the next page, if there is one.
    pub next: Option<LeafIndex>,
    /// First leaf that the store did not hold.
    pub held: LeafIndex,
}

impl Engine {
    /// Lists entries. The leaves themselves are the caller's to read.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn entries(
        &self,
        filter: EntryFilter,
        page: Page,
        limits: Limits,
    ) -> Result<EntryPage, QueryError> {
        // Asked before the session: what it holds more is not said to be held.
        let held = self.store().cursor();
        let session = self.session(Bounds::default(), limits)?;
        let work = async move {
            let limit = page.limit.clamp(1, PAGE_MAX);
            let found = find(&session, &filter, page, limit).await;
            let mut items = found.map_err(|error| guard::error(&error, limits.memory_bytes))?;
            let next = items.get(limit).map(|item| item.index);
            items.truncate(limit);
            Ok(EntryPage { items, next, held })
        };
        self.within(limits.time, work).await
    }
}

async fn find(
    session: &SessionContext,
    filter: &EntryFilter,
    page: Page,
    limit: usize,
) -> Result<Vec<EntryRow>, DataFusionError> {
    let mut rows = session.table("entries").await?;
    // A leaf that is no entry passes no filter.
    let mut all = column("kind").is_not_null();
    for wanted in conditions(filter) {
        all = all.and(wanted);
    }
    if let Some(from) = page.from {
        let from = lit(i64::try_from(from.0).unwrap_or(i64::MAX));
        all = all.and(match page.order {
            Order::Ascending => column("leaf").gt_eq(from),
            Order::Descending => column("leaf").lt_eq(from),
        });
    }
    rows = rows.filter(all)?;
    let ascending = page.order == Order::Ascending;
    let mut shown = vec![column("leaf")];
    shown.extend(PREFIXES.map(|(_, prefix)| column(&format!("{prefix}_facts"))));
    let batches = rows
        .select(shown)?
        .sort(vec![column("leaf").sort(ascending, false)])?
        .limit(0, Some(limit.saturating_add(1)))?
        .collect()
        .await?;
    Ok(batches.iter().flat_map(items).collect())
}

fn items(batch: &RecordBatch) -> Vec<EntryRow> {
    let leaves = batch.column(0).as_primitive::<Int64Type>();
    let item = |at: usize| {
        let mut said = Vec::new();
        for ((_, name), facts) in PREFIXES.iter().zip(batch.columns().iter().skip(1)) {
            let facts = facts.as_string_view();
            if facts.is_valid(at) {
                said.push(format!("\"{name}\":{}", facts.value(at)));
            }
        }
        EntryRow {
            index: LeafIndex(leaves.value(at).cast_unsigned()),
            context: (!said.is_empty()).then(|| format!("{{{}}}", said.join(","))),
        }
    };
    (0..batch.num_rows()).map(item).collect()
}

fn conditions(filter: &EntryFilter) -> Vec<Expr> {
    let is = |name: &str, wanted: &Option<String>| {
        wanted
            .as_ref()
            .map(|wanted| column(name).eq(lit(wanted.as_str())))
    };
    let mut all: Vec<Expr> = [
        is("session_id", &filter.session),
        is("user", &filter.user),
        is("role", &filter.role),
        is("server", &filter.server),
        is("tool", &filter.tool),
        is("decision", &filter.decision),
        is("level", &filter.level),
        is("source", &filter.source),
        is("call", &filter.call),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(status) = &filter.status {
        let either = |name| column(name).eq(lit(status.as_str()));
        all.push(either("status").or(either("status_reason")));
    }
    if !filter.kinds.is_empty() {
        let kinds = filter.kinds.iter().map(|kind| lit(kind.as_str()));
        all.push(column("kind").in_list(kinds.collect(), false));
    }
    all.extend(super::tables::bounded(filter.time));
    all
}
