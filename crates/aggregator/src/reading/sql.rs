//! `POST /v1/query`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use affiant_entry::record::ReadSql;
use affiant_entry::{parse_rfc3339, rfc3339};
use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;

use super::problem;
use super::record::{Outcome, Read};
use crate::access::Principal;
use crate::core::Core;
use crate::problem::Problem;
use crate::query::{Format, Limits, QueryError, ReadBounds, SqlRequest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SqlJson {
    sql: String,
}

/// Answers SQL.
pub(crate) async fn sql(
    State(core): State<Arc<Core>>,
    Extension(principal): Extension<Principal>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answered = async {
        let asked = Asked::parse(query.as_deref().unwrap_or_default())?;
        let format = match asked.format {
            Some(format) => format,
            None => accepted(&headers)?,
        };
        let sql = text(&headers, body).await?;
        answer(&core, principal, format, asked.bounds, sql).await
    };
    answered.await.unwrap_or_else(Problem::into_response)
}

async fn answer(
    core: &Core,
    principal: Principal,
    format: Format,
    bounds: ReadBounds,
    sql: String,
) -> Result<Response, Problem> {
    let request = SqlRequest {
        format,
        bounds: bounds.and(principal.bounds),
        limits: Limits::default(),
        sql: sql.clone(),
    };
    let read = Read {
        principal,
        what: "query",
        filter: said(format, bounds),
        sql: Some(ReadSql::of(&sql)),
    };
    let found = core.query.sql(request).await;
    let outcome = match &found {
        Ok(answer) => Outcome::Answered(answer.rows),
        Err(QueryError::Unavailable(_)) => Outcome::Failed,
        Err(_) => Outcome::Refused,
    };
    read.ended(core, outcome).await?;
    let answer = found.map_err(problem)?;
    let rows = answer.rows.to_string();
    let headers = [
        (CONTENT_TYPE, answer.content_type),
        (CACHE_CONTROL, "no-store"),
        (ROWS, rows.as_str()),
    ];
    Ok((headers, answer.body).into_response())
}

/// The statement: a text, or `{"sql": …}`.
async fn text(headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    let reading = tokio::time::timeout(BODY_MAX, to_bytes(body, SQL_BYTES_MAX)).await;
    let bytes = match reading {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let detail = format!("a question takes {SQL_BYTES_MAX} bytes at most");
            return Err(Problem::question_too_large(detail));
        }
        Err(_) => return Err(Problem::question("the question did not come in time")),
    };
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let kind = kind.unwrap_or("application/sql").split(';').next();
    let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
    let sql = match kind.as_str() {
        "application/sql" | "text/plain" => String::from_utf8(bytes.into())
            .map_err(|_| Problem::question("the question is not UTF-8"))?,
        "application/json" => {
            let parsed = serde_json::from_slice::<SqlJson>(&bytes);
            parsed
                .map_err(|_| Problem::question("the body is not `{\"sql\": …}`"))?
                .sql
        }
        _ => {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "media type is not taken here",
                "send `application/sql`, `text/plain` or `application/json`",
            ));
        }
    };
    if sql.trim().is_empty() {
        return Err(Problem::question("there is no question"));
    }
    Ok(sql)
}

fn said(format: Format, bounds: ReadBounds) -> BTreeMap<Cow<'static, str>, String> {
    let mut said = BTreeMap::from([("format".into(), format.as_str().to_owned())]);
    for (name, bound) in [("from", bounds.from_us), ("to", bounds.to_us)] {
        if let Some(bound) = bound {
            said.insert(name.into(), rfc3339(bound));
        }
    }
    said
}

/// What stands in the URL.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    format: Option<Format>,
    bounds: ReadBounds,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let taken = match &*name {
                "format" => {
                    let format = Format::ALL.into_iter().find(|of| of.as_str() == value);
                    format.is_some() && asked.format.replace(format.unwrap_or_default()).is_none()
                }
                "from" => once(&mut asked.bounds.from_us, &value),
                "to" => once(&mut asked.bounds.to_us, &value),
                _ => false,
            };
            if !taken {
                return Err(Problem::question(
                    "a query takes `format` (`table`, `json`, `jsonl`, `csv`, `parquet`, `arrow`), \
                     `from` and `to` (RFC 3339), each once",
                ));
            }
        }
        Ok(asked)
    }
}

/// A time that was not given before.
fn once(place: &mut Option<i64>, text: &str) -> bool {
    let time = parse_rfc3339(text);
    let taken = place.is_none() && time.is_some();
    *place = time;
    taken
}

/// By `Accept`, else JSON.
fn accepted(headers: &HeaderMap) -> Result<Format, Problem> {
    let accepted = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok());
    let mut ranges = accepted
        .flat_map(|line| line.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .filter(|range| !range.is_empty())
        .peekable();
    if ranges.peek().is_none() {
        return Ok(Format::default());
    }
    ranges.find_map(of_range).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not-acceptable",
            "no such format",
            "`Accept` names no format that answers come in",
        )
    })
}

fn of_range(range: &str) -> Option<Format> {
    if matches!(range, "*/*" | "application/*") {
        return Some(Format::Json);
    }
    if range == "text/*" {
        return Some(Format::Table);
    }
    let bare = |of: &Format| of.media_type().split(';').next() == Some(range);
    Format::ALL.into_iter().find(bare)
}

/// How many rows an answer has.
const ROWS: HeaderName = HeaderName::from_static("affiant-rows");
/// Longest question, bytes.
const SQL_BYTES_MAX: usize = 64 << 10;
/// How long the question may be on its way.
const BODY_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_in_url_and_accept_is_taken_or_refused() {
        let of = |accept: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, http::HeaderValue::from_static(accept));
            }
            accepted(&headers).ok()
        };
        assert_eq!(of(None), Some(Format::Json));
        assert_eq!(of(Some("*/*")), Some(Format::Json));
        assert_eq!(of(Some("image/png, text/csv;q=0.5")), Some(Format::Csv));
        assert_eq!(of(Some("image/png")), None);
        let asked = Asked::parse("format=arrow&to=1970-01-01T00:00:01Z").unwrap();
        assert_eq!(asked.format, Some(Format::Arrow));
        assert_eq!(asked.bounds.to_us, Some(1_000_000));
        for bad in [
            "format=xml",
            "format=csv&format=json",
            "fromat=csv",
            "to=now",
            "sql=x",
            "to=1970-01-01T00:00:01Z&to=1970-01-01T00:00:01Z",
        ] {
            assert!(Asked::parse(bad).is_err(), "{bad}");
        }
    }
}
