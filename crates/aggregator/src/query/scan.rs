//! Answers from the log itself: every leaf is read, so it is slow, and right.

use std::ops::Range;

use affiant_entry::Decoded;
use affiant_log::{Log, LogReader, ReadLogError};
use affiant_tlog::{LeafIndex, TreeSize};

use super::{
    Answer, BoxFuture, Cursor, EntryFilter, EntryItem, EntryPage, Order, Page, Query, QueryError,
    SqlRequest,
};
use crate::problem::chain;

/// Reads the published log for each question. Knows no SQL and no context.
#[derive(Clone)]
pub struct LogQuery {
    log: Log,
    reader: LogReader,
}

impl LogQuery {
    /// Answers from this log.
    #[must_use]
    pub fn new(log: Log) -> Self {
        let reader = log.reader();
        Self { log, reader }
    }
}

impl Query for LogQuery {
    fn sql(&self, _: SqlRequest) -> BoxFuture<'_, Result<Answer, QueryError>> {
        let problem = "this aggregator runs without a store, which SQL asks for";
        Box::pin(async move { Err(QueryError::Unsupported(problem.to_owned())) })
    }

    fn entries(
        &self,
        filter: EntryFilter,
        page: Page,
    ) -> BoxFuture<'_, Result<EntryPage, QueryError>> {
        let size = self.log.head().checkpoint.size;
        let reader = self.reader.clone();
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || entries(&reader, size, &filter, page));
            match read.await {
                Ok(Ok(page)) => Ok(page),
                Ok(Err(error)) => Err(QueryError::Unavailable(chain(&error))),
                Err(_) => Err(QueryError::Unavailable("reading the log ended".to_owned())),
            }
        })
    }
}

fn entries(
    reader: &LogReader,
    size: TreeSize,
    filter: &EntryFilter,
    page: Page,
) -> Result<EntryPage, ReadLogError> {
    let mut out = EntryPage {
        held: Some(Cursor(LeafIndex(size.0))),
        ..EntryPage::default()
    };
    let mut place = Place::new(page, size);
    let (mut scanned, mut bytes) = (0_usize, 0_usize);
    while let Some(range) = place.bundle() {
        let leaves = reader.leaves(range.clone(), size)?;
        let numbered = (range.start.0..range.end.0).map(LeafIndex).zip(leaves);
        let numbered: Vec<_> = match page.order {
            Order::Ascending => numbered.collect(),
            Order::Descending => {
                let mut all: Vec<_> = numbered.collect();
                all.reverse();
                all
            }
        };
        for (index, leaf) in numbered {
            let full = out.items.len() >= page.limit
                || scanned >= SCAN_LEAVES_MAX
                || bytes >= PAGE_BYTES_MAX;
            if full {
                out.next = Some(Cursor(index));
                return Ok(out);
            }
            scanned += 1;
            place.passed(index);
            // A leaf that is no entry passes no filter; `quarantine` entries name those.
            if Decoded::parse_any_kind(&leaf).is_ok_and(|entry| filter.passes(&entry)) {
                bytes = bytes.saturating_add(leaf.len());
                out.items.push(EntryItem {
                    index,
                    entry: leaf,
                    context: None,
                });
            }
        }
    }
    Ok(out)
}

/// What is still to be read: all before or behind a leaf.
struct Place {
    left: Range<u64>,
    order: Order,
}

impl Place {
    fn new(page: Page, size: TreeSize) -> Self {
        let left = match (page.order, page.from) {
            (_, None) => 0..size.0,
            (Order::Ascending, Some(from)) => from.0.0..size.0,
            (Order::Descending, Some(from)) => 0..from.0.0.saturating_add(1).min(size.0),
        };
        Self {
            left,
            order: page.order,
        }
    }

    /// The next leaves, of one bundle.
    fn bundle(&self) -> Option<Range<LeafIndex>> {
        let left = &self.left;
        if left.start >= left.end {
            return None;
        }
        Some(match self.order {
            Order::Ascending => {
                let end = left.start - left.start % BUNDLE_LEAVES + BUNDLE_LEAVES;
                LeafIndex(left.start)..LeafIndex(end.min(left.end))
            }
            Order::Descending => {
                let last = left.end - 1;
                let start = last - last % BUNDLE_LEAVES;
                LeafIndex(start.max(left.start))..LeafIndex(left.end)
            }
        })
    }

    fn passed(&mut self, index: LeafIndex) {
        match self.order {
            Order::Ascending => self.left.start = index.0.saturating_add(1),
            Order::Descending => self.left.end = index.0,
        }
    }
}

/// Leaves in a full bundle (C2SP tlog-tiles).
const BUNDLE_LEAVES: u64 = 256;
/// Most leaves read for one page: what is not found in them is on a later page.
const SCAN_LEAVES_MAX: usize = 65_536;
/// About the most bytes of entries on a page.
const PAGE_BYTES_MAX: usize = 8 << 20;
