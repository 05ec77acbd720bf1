//! The tables that SQL can name: `entries`, `calls` and `context`.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableType, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;

use super::Bounds;
use super::context_column::{ContextColumn, Shown};
use super::leaves::Leaves;
use crate::columns::{COLUMNS, UTC};
use crate::context::{Context, PREFIXES};
use crate::memory::Memory;

/// Makes the tables known. `context` is not there under bounds: facts have no time.
pub(super) fn register(
    session: &SessionContext,
    leaves: Leaves,
    memory: &Memory,
    bounds: Bounds,
) -> Result<()> {
    let rows = LogicalPlanBuilder::scan("leaves", provider_as_source(Arc::new(leaves)), None)?;
    let rows = match bounded(bounds) {
        Some(filter) => rows.filter(filter)?,
        None => rows,
    };
    let rows = rows.build()?;
    view(session, "entries", rows.clone(), memory, None)?;
    let calls = column("kind")
        .in_list(vec![lit("call.end"), lit("call.import")], false)
        .and(column("problem").is_null())
        .and(column("repeats").is_null());
    view(session, "calls", rows, memory, Some(calls))?;
    if bounds.is_open() {
        let table = ContextTable(Arc::clone(&memory.context));
        session.register_table("context", Arc::new(table))?;
    }
    Ok(())
}

fn view(
    session: &SessionContext,
    name: &str,
    rows: LogicalPlan,
    memory: &Memory,
    filter: Option<Expr>,
) -> Result<()> {
    let rows = LogicalPlanBuilder::from(rows);
    let rows = match filter {
        Some(filter) => rows.filter(filter)?,
        None => rows,
    };
    let plan = rows.project(columns(memory))?.build()?;
    let table: Arc<dyn TableProvider> = Arc::new(ViewTable::new(plan, None));
    session.register_table(name, table)?;
    Ok(())
}

/// The columns of an entry, and what the context says of it.
fn columns(memory: &Memory) -> Vec<Expr> {
    let mut all: Vec<Expr> = COLUMNS.iter().map(|(name, ..)| column(name)).collect();
    let erased: Vec<Expr> = memory
        .erased
        .iter()
        .map(|blob| lit(blob.as_str()))
        .collect();
    let erased = if erased.is_empty() {
        lit(false)
    } else {
        // A NULL blob is not among them.
        column("input_blob").in_list(erased, false).is_true()
    };
    all.push(erased.alias("input_erased"));
    let by = || ["leaf", "server", "user", "tool"].map(column).to_vec();
    let fact =
        |kind, name: &str, shown| ContextColumn::expr(&memory.context, kind, name, shown, by());
    for (kind, prefix) in PREFIXES {
        all.push(fact(kind, &format!("{prefix}_facts"), Shown::All));
        all.push(fact(kind, &format!("{prefix}_from"), Shown::From));
        all.push(fact(kind, &format!("{prefix}_stale"), Shown::Stale));
        for key in memory.context.keys(kind) {
            all.push(fact(
                kind,
                &format!("{prefix}_{key}"),
                Shown::Key(key.to_owned()),
            ));
        }
    }
    all
}

pub(super) fn bounded(bounds: Bounds) -> Option<Expr> {
    let at = |us| {
        lit(ScalarValue::TimestampMicrosecond(
            Some(us),
            Some(UTC.into()),
        ))
    };
    let from = bounds.from_us.map(|us| column("time").gt_eq(at(us)));
    let to = bounds.to_us.map(|us| column("time").lt(at(us)));
    match (from, to) {
        (Some(from), Some(to)) => Some(from.and(to)),
        (from, to) => from.or(to),
    }
}

/// A column by its name as it is, never split at dots nor lowered.
pub(super) fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// Facts by subject and leaf; rows are made when somebody asks.
#[derive(Debug)]
struct ContextTable(Arc<Context>);

#[async_trait]
impl TableProvider for ContextTable {
    fn schema(&self) -> SchemaRef {
        Context::schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = vec![vec![self.0.rows()?]];
        let memory = MemorySourceConfig::try_new_exec(&rows, self.schema(), projection.cloned())?;
        Ok(memory)
    }
}
