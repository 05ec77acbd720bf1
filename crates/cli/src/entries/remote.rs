//! The entries of an aggregator, page by page through its API.

use std::rc::Rc;

use affiant_entry::decode::Decoded;
use affiant_entry::rfc3339;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::filter::Filter;
use super::merge::Row;
use crate::api_client::ApiClient;
use crate::error::ExpectedError;
use crate::exit_code::Exit;

/// Lists what passes a filter.
pub(crate) struct RemoteStream {
    api: ApiClient,
    query: String,
    /// Where the list goes on.
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Item>,
    next: Option<String>,
    held: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    entry: Box<RawValue>,
}

impl RemoteStream {
    pub(crate) fn new(api: ApiClient, filter: &Filter) -> Self {
        Self {
            api,
            query: query(filter),
            cursor: None,
        }
    }

    /// Hands on what is there and was not handed on yet, oldest first; stops when `take` says so.
    pub(crate) fn drain(
        &mut self,
        mut take: impl FnMut(Row) -> Result<bool, ExpectedError>,
    ) -> Result<(), ExpectedError> {
        loop {
            let place = match &self.cursor {
                Some(cursor) => format!("&cursor={cursor}"),
                None => String::new(),
            };
            let page = self.page(&format!("{place}&limit={PAGE}"))?;
            for item in page.items {
                if !take(row(&item)?)? {
                    return Ok(());
                }
            }
            let more = page.next.is_some();
            self.cursor = page.next.or(page.held);
            if !more {
                return Ok(());
            }
        }
    }

    /// The last so many, oldest first.
    pub(crate) fn last(&mut self, count: u64) -> Result<Vec<Row>, ExpectedError> {
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        let mut place = "&order=desc".to_owned();
        while rows.len() < wanted {
            let limit = PAGE.min(wanted.saturating_sub(rows.len()));
            let page = self.page(&format!("{place}&limit={limit}"))?;
            if self.cursor.is_none() {
                self.cursor = page.held;
            }
            for item in &page.items {
                rows.push(row(item)?);
            }
            match page.next {
                Some(next) => place = format!("&cursor={next}"),
                None => break,
            }
        }
        rows.reverse();
        Ok(rows)
    }

    fn page(&self, place: &str) -> Result<Page, ExpectedError> {
        let answer = self
            .api
            .get(&format!("/v1/entries?{}{place}", self.query).replace("?&", "?"))?;
        serde_json::from_slice(&answer)
            .map_err(|error| ExpectedError::new(Exit::Unreachable, format!("page: {error}")))
    }
}

fn row(item: &Item) -> Result<Row, ExpectedError> {
    let entry = Decoded::parse_any_kind(item.entry.get().as_bytes());
    let entry = entry.map_err(|error| ExpectedError::caused(Exit::Incomplete, &error))?;
    Ok(Row {
        spool: Rc::from(entry.header().source.as_str()),
        entry,
    })
}

fn query(filter: &Filter) -> String {
    let mut all: Vec<(&str, String)> = Vec::new();
    let mut add = |name, value: &Option<String>| {
        if let Some(value) = value {
            all.push((name, value.clone()));
        }
    };
    add("from", &filter.since_us.map(rfc3339));
    add("to", &filter.until_us.map(rfc3339));
    add("session", &filter.session);
    add("user", &filter.user);
    add("tool", &filter.tool);
    add("server", &filter.server);
    add("status", &filter.status);
    add("call", &filter.call);
    for kind in &filter.kinds {
        add("kind", &Some(kind.clone()));
    }
    let pairs = all
        .iter()
        .map(|(name, value)| format!("{name}={}", percent(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// RFC 3986 section 2.1: all but unreserved characters.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Entries asked for at once.
const PAGE: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_spelled_for_a_url() {
        let filter = Filter {
            user: Some("ada & bob/é".to_owned()),
            kinds: vec!["boot".to_owned(), "call.end".to_owned()],
            since_us: Some(0),
            ..Filter::default()
        };
        assert_eq!(
            query(&filter),
            "from=1970-01-01T00%3A00%3A00.000000Z&user=ada%20%26%20bob%2F%C3%A9&kind=boot&kind=call.end"
        );
    }
}
