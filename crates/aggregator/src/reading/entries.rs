//! `GET /v1/entries` and `GET /v1/sessions/{id}`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use serde_json::value::RawValue;

use super::ask::{Ask, cursor_text};
use super::problem;
use super::record::{Outcome, Read};
use crate::access::Principal;
use crate::core::Core;
use crate::problem::Problem;
use crate::query::{EntryItem, EntryPage, Order, QueryError};

#[derive(Serialize)]
struct PageJson {
    v: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    items: Vec<ItemJson>,
    /// Where the next page begins; null at the end.
    next: Option<String>,
    /// Where an ascending list goes on when the log has grown.
    held: Option<String>,
}

#[derive(Serialize)]
struct ItemJson {
    index: u64,
    /// The bytes of the leaf, exactly.
    entry: Box<RawValue>,
    context: Option<Box<RawValue>>,
}

/// Entries that pass a filter.
pub(crate) async fn entries(
    State(core): State<Arc<Core>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = Ask::parse(query.as_deref().unwrap_or_default());
    let answered = match asked {
        Ok(ask) => page(&core, principal, "entries", ask, None).await,
        Err(problem) => Err(problem),
    };
    answered.unwrap_or_else(Problem::into_response)
}

/// The entries of one session, oldest first.
pub(crate) async fn session(
    State(core): State<Arc<Core>>,
    Extension(principal): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(Path(id)) = id else {
        return Problem::question("the session's id is not UTF-8").into_response();
    };
    let asked = Ask::parse(query.as_deref().unwrap_or_default());
    let answered = match asked {
        Ok(ask) if ask.filter.session.is_some() => Err(Problem::question(
            "the session stands in the path, not in the query",
        )),
        Ok(mut ask) => {
            ask.filter.session = Some(id.clone());
            let said = affiant_entry::limits::clip(&id, SAID_BYTES_MAX);
            ask.said.insert("session".into(), said);
            page(&core, principal, "session", ask, Some(id)).await
        }
        Err(problem) => Err(problem),
    };
    answered.unwrap_or_else(Problem::into_response)
}

async fn page(
    core: &Core,
    principal: Principal,
    what: &'static str,
    ask: Ask,
    session: Option<String>,
) -> Result<Response, Problem> {
    let mut filter = ask.filter;
    filter.time = filter.time.and(principal.bounds);
    let order = ask.page.order;
    let read = Read {
        principal,
        what,
        filter: ask.said,
        sql: None,
    };
    let found = core.query.entries(filter, ask.page).await;
    let outcome = match &found {
        Ok(page) => Outcome::Answered(u64::try_from(page.items.len()).unwrap_or(u64::MAX)),
        Err(QueryError::Unavailable(_)) => Outcome::Failed,
        Err(_) => Outcome::Refused,
    };
    read.ended(core, outcome).await?;
    let page = found.map_err(problem)?;
    if session.is_some() && page.items.is_empty() && page.next.is_none() && ask.page.from.is_none()
    {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no-such-session",
            "there is no such session",
            "no entry that you may read is of that session",
        ));
    }
    json(page, order, session)
}

fn json(page: EntryPage, order: Order, session: Option<String>) -> Result<Response, Problem> {
    let next = page.next.map(|next| cursor_text(order, next));
    let held = page.held.map(|held| cursor_text(Order::Ascending, held));
    let items: Result<Vec<_>, Problem> = page.items.into_iter().map(item).collect();
    let page = PageJson {
        v: 1,
        session,
        items: items?,
        next,
        held,
    };
    let bytes =
        serde_json::to_vec(&page).map_err(|_| Problem::storage("page cannot be written"))?;
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, bytes).into_response())
}

fn item(item: EntryItem) -> Result<ItemJson, Problem> {
    let unfit = || Problem::storage(format!("leaf {} is no JSON", item.index));
    let entry = String::from_utf8(item.entry).map_err(|_| unfit())?;
    let entry = RawValue::from_string(entry).map_err(|_| unfit())?;
    let context = item.context.map(RawValue::from_string).transpose();
    Ok(ItemJson {
        index: item.index.0,
        entry,
        context: context.map_err(|_| unfit())?,
    })
}

/// What of a session's id stands in `trail.read`.
const SAID_BYTES_MAX: usize = 256;
