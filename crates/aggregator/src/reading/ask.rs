//! What is asked for, from the query of a URL. Unknown and repeated names are refused: a misspelled
//! filter would show more than was asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use affiant_entry::limits::clip;
use affiant_entry::{CallId, parse_rfc3339};
use affiant_tlog::LeafIndex;

use crate::problem::Problem;
use crate::query::{Cursor, EntryFilter, Order, Page};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) filter: EntryFilter,
    pub(super) page: Page,
    /// As it stands in `trail.read`.
    pub(super) said: BTreeMap<Cow<'static, str>, String>,
}

impl Ask {
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let mut filter = EntryFilter::default();
        let mut said = BTreeMap::new();
        let (mut limit, mut order, mut from) = (PAGE_DEFAULT, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let known = NAMES.iter().find(|known| **known == name);
            let Some(known) = known.copied() else {
                return Err(wrong(format!(
                    "`{}` is not asked for here",
                    clip(&name, 64)
                )));
            };
            if value.is_empty() || value.len() > VALUE_BYTES_MAX {
                let text = format!("`{known}` takes 1 to {VALUE_BYTES_MAX} bytes");
                return Err(wrong(text));
            }
            let value = value.into_owned();
            if known != "kind" && said.contains_key(known) {
                return Err(wrong(format!("`{known}` stands there twice")));
            }
            let all: &mut String = said.entry(Cow::Borrowed(known)).or_default();
            if !all.is_empty() {
                all.push(',');
            }
            all.push_str(&value);
            match known {
                "from" => filter.time.from_us = Some(time(known, &value)?),
                "to" => filter.time.to_us = Some(time(known, &value)?),
                "limit" => limit = number(&value)?,
                "order" => order = Some(order_of(&value)?),
                "cursor" => from = Some(cursor(&value)?),
                "call" if CallId::parse(&value).is_err() => {
                    return Err(wrong("`call` is no call id".to_owned()));
                }
                "kind" if filter.kinds.len() >= KINDS_MAX => {
                    return Err(wrong(format!(
                        "`kind` stands there more than {KINDS_MAX} times"
                    )));
                }
                "kind" => filter.kinds.push(value),
                _ => *field(&mut filter, known) = Some(value),
            }
        }
        for value in said.values_mut() {
            *value = clip(value, SAID_BYTES_MAX);
        }
        let of_cursor = from.map(|(order, _)| order);
        if order.is_some() && of_cursor.is_some() && order != of_cursor {
            return Err(wrong("`cursor` is of the other `order`".to_owned()));
        }
        Ok(Self {
            filter,
            page: Page {
                from: from.map(|(_, cursor)| cursor),
                order: of_cursor.or(order).unwrap_or_default(),
                limit,
            },
            said,
        })
    }
}

/// Only called with names of texts.
fn field<'a>(filter: &'a mut EntryFilter, name: &str) -> &'a mut Option<String> {
    match name {
        "session" => &mut filter.session,
        "user" => &mut filter.user,
        "role" => &mut filter.role,
        "server" => &mut filter.server,
        "tool" => &mut filter.tool,
        "status" => &mut filter.status,
        "decision" => &mut filter.decision,
        "level" => &mut filter.level,
        "source" => &mut filter.source,
        _ => &mut filter.call,
    }
}

/// A cursor as text: the order and the leaf. Opaque for those who use it.
pub(super) fn cursor_text(order: Order, cursor: Cursor) -> String {
    let order = match order {
        Order::Ascending => 'a',
        Order::Descending => 'd',
    };
    format!("{order}{}", cursor.0)
}

fn cursor(text: &str) -> Result<(Order, Cursor), Problem> {
    let order = match text.as_bytes().first() {
        Some(b'a') => Some(Order::Ascending),
        Some(b'd') => Some(Order::Descending),
        Some(_) | None => None,
    };
    let leaf = text.get(1..).and_then(|digits| {
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    });
    match (order, leaf) {
        (Some(order), Some(leaf)) => Ok((order, Cursor(LeafIndex(leaf)))),
        _ => Err(wrong("`cursor` is not one that was given here".to_owned())),
    }
}

fn order_of(text: &str) -> Result<Order, Problem> {
    match text {
        "asc" => Ok(Order::Ascending),
        "desc" => Ok(Order::Descending),
        _ => Err(wrong("`order` takes `asc` or `desc`".to_owned())),
    }
}

fn number(text: &str) -> Result<usize, Problem> {
    let number = text.parse().ok().filter(|n| (1..=PAGE_MAX).contains(n));
    number.ok_or_else(|| wrong(format!("`limit` takes 1 to {PAGE_MAX}")))
}

fn time(name: &str, text: &str) -> Result<i64, Problem> {
    let time = parse_rfc3339(text);
    time.ok_or_else(|| {
        wrong(format!(
            "`{name}` takes RFC 3339, such as `2026-11-22T06:54:01Z`"
        ))
    })
}

fn wrong(detail: String) -> Problem {
    Problem::question(detail)
}

const NAMES: [&str; 16] = [
    "from", "to", "session", "user", "role", "server", "tool", "status", "decision", "level",
    "kind", "source", "call", "limit", "order", "cursor",
];
/// Entries on a page, if nothing else is asked for.
const PAGE_DEFAULT: usize = 100;
/// Most entries on a page.
const PAGE_MAX: usize = 1_000;
/// Most kinds.
const KINDS_MAX: usize = 32;
/// Longest value, bytes.
const VALUE_BYTES_MAX: usize = 1_024;
/// What of a value stands in `trail.read`.
const SAID_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_taken_whole_or_not_at_all() {
        let ask = Ask::parse("user=ada&kind=call.end&kind=boot&limit=7&cursor=d12").unwrap();
        assert_eq!(ask.filter.user.as_deref(), Some("ada"));
        assert_eq!(ask.filter.kinds, ["call.end", "boot"]);
        assert_eq!(ask.page.limit, 7);
        assert_eq!(ask.page.from, Some(Cursor(LeafIndex(12))));
        assert_eq!(ask.page.order, Order::Descending);
        assert_eq!(ask.said["kind"], "call.end,boot");
        for bad in [
            "usr=ada",
            "user=",
            "user=ada&user=bob",
            "limit=0",
            "limit=1001",
            "limit=-1",
            "order=up",
            "cursor=12",
            "cursor=a-1",
            "cursor=a+1",
            "cursor=a",
            "cursor=a99999999999999999999",
            "cursor=a1&order=desc",
            "from=yesterday",
            "call=x",
        ] {
            assert!(Ask::parse(bad).is_err(), "{bad}");
        }
        assert!(Ask::parse(&format!("user={}", "x".repeat(1025))).is_err());
        assert!(Ask::parse(&"&kind=boot".repeat(32)).is_ok());
        assert!(Ask::parse(&"&kind=boot".repeat(33)).is_err());
    }
}
