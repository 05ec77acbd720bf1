//! SCIM 2.0 (RFC 7644 section 3.4.2): all users, page by page.

use serde::Deserialize;
use serde_json::Value;

use super::http::Asker;
use super::{Found, ReadError, digested, json};
use crate::config::{Attributes, Web};
use crate::table::{FactRows, ROWS_MAX};

/// Users that are asked for at once; a server may give fewer.
const PAGE: u64 = 200;

/// Most pages: a server that gives one user a page is not asked for ever.
const PAGES_MAX: u64 = 10_000;

/// A page (`urn:ietf:params:scim:api:messages:2.0:ListResponse`).
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(rename = "totalResults")]
    total_results: u64,
    // Left out by a server that has none.
    #[serde(default, rename = "Resources")]
    resources: Vec<Value>,
}

/// Reads all users. A list that ends early is an error: who is missing in it would seem to be gone.
pub(super) async fn read(web: &Web, attributes: &Attributes) -> Result<Found, ReadError> {
    let asker = Asker::new(web).await?;
    let mut rows = FactRows::new(attributes);
    let mut found = 0_u64;
    for _ in 0..PAGES_MAX {
        let first = found.saturating_add(1);
        let url = format!("{}/Users?startIndex={first}&count={PAGE}", web.url);
        let answer = asker.get(&url, "application/scim+json", None).await?;
        let page: Page = json::parse(&answer.document()?)?;
        let promised = page.total_results;
        if promised > u64::try_from(ROWS_MAX).unwrap_or(u64::MAX) {
            return Err(ReadError::TooManyRows);
        }
        for user in &page.resources {
            json::add(&mut rows, attributes, user)?;
            found = found.saturating_add(1);
        }
        if found >= promised {
            return Ok(digested(rows));
        }
        if page.resources.is_empty() {
            return Err(ReadError::Short { found, promised });
        }
    }
    Err(ReadError::Malformed {
        problem: format!("list has more than {PAGES_MAX} pages"),
    })
}
