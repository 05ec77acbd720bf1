//! What the source gets for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use affiant_entry::batch::BatchHeader;
use affiant_entry::receipt::{Receipt, ReceiptGroup};
use affiant_log::store::{ReadObjects, StoreError};
use affiant_log::{Appended, Head, LogReader, ReadLogError};
use affiant_tlog::{ConsistencyProof, LeafIndex};

use super::place::{GroupAt, Placed, PlacedGroup, known_later, not_taken};
use super::{blocking, credits};
use crate::core::Core;
use crate::problem::Problem;

/// Waits for the checkpoint and makes the receipt.
pub(super) async fn receipt(
    core: &Arc<Core>,
    header: &BatchHeader,
    placed: Placed,
) -> Result<Vec<u8>, Problem> {
    let Placed {
        submission,
        groups,
        appended_entries,
    } = placed;
    let appended = match submission {
        Some(submission) => {
            let settled = submission.settled().await;
            Some(settled.map_err(|error| not_taken(&error))?)
        }
        None => None,
    };
    let mut duplicates = 0_u64;
    let mut known = Vec::with_capacity(groups.len());
    for group in groups {
        let row = at(core, header, &group, appended.as_ref()).await?;
        if row.duplicate {
            duplicates = duplicates.saturating_add(group.entries);
        }
        known.push(row);
    }
    let head = appended.map_or_else(|| core.ledger.head(), |appended| appended.head);
    // A group that came in by another batch may be behind the head this one waited for.
    let head = if known
        .iter()
        .any(|g| g.seal_index.0 >= head.checkpoint.size.0)
    {
        core.ledger.head()
    } else {
        head
    };
    let reader = LogReader::new(Arc::new(Memo::new(core.ledger.log().reader())));
    let old = header.old;
    let credits = credits(core);
    let made = blocking(move || {
        let (consistency, groups) = prove(&reader, &head, old, known)?;
        Ok::<_, ReadLogError>(Receipt {
            log: head.checkpoint.origin.to_string(),
            checkpoint: String::from_utf8_lossy(&head.note).into_owned(),
            consistency,
            groups,
            credits,
        })
    });
    let receipt = made.await?.map_err(|error| {
        tracing::error!(%error, "log cannot be read for a receipt");
        Problem::log_unavailable("the log cannot be read")
    })?;
    // Counted with the receipt: without one the source sends again, and then they are duplicates.
    let counts = core.metrics.source(&header.source);
    counts.appended(appended_entries);
    counts.duplicates(duplicates);
    Ok(receipt.to_json())
}

/// Where a group is, before it is proven.
struct Located {
    place: affiant_entry::SealPlace,
    first_index: LeafIndex,
    seal_index: LeafIndex,
    duplicate: bool,
}

async fn at(
    core: &Core,
    header: &BatchHeader,
    group: &PlacedGroup,
    appended: Option<&Appended>,
) -> Result<Located, Problem> {
    let row = match (&group.at, appended) {
        (GroupAt::New { offset, count }, Some(appended)) => {
            let first = appended.first.0.saturating_add(*offset);
            return Ok(Located {
                place: group.place,
                first_index: LeafIndex(first),
                seal_index: LeafIndex(first.saturating_add(*count)),
                duplicate: false,
            });
        }
        (GroupAt::Known(row), _) => *row,
        (GroupAt::UnderWay(hash), _) => known_later(core, header, group.place, *hash).await?,
        (GroupAt::New { .. }, None) => {
            return Err(Problem::log_unavailable("the group was not submitted"));
        }
    };
    Ok(Located {
        place: group.place,
        first_index: row.first,
        seal_index: row.seal_index,
        duplicate: true,
    })
}

fn prove(
    reader: &LogReader,
    head: &Head,
    old: affiant_tlog::TreeSize,
    known: Vec<Located>,
) -> Result<(ConsistencyProof, Vec<ReceiptGroup>), ReadLogError> {
    let size = head.checkpoint.size;
    let consistency = if old.0 == 0 || old.0 >= size.0 {
        ConsistencyProof(Vec::new())
    } else {
        reader.consistency(old, size)?
    };
    let groups = known.into_iter().map(|group| {
        Ok(ReceiptGroup {
            place: group.place,
            first_index: group.first_index,
            seal_index: group.seal_index,
            proof: reader.inclusion(group.seal_index, size)?,
            duplicate: group.duplicate,
        })
    });
    Ok((consistency, groups.collect::<Result<_, ReadLogError>>()?))
}

/// Reads each file once: the proofs of one receipt share their tiles.
struct Memo {
    reader: LogReader,
    files: Mutex<BTreeMap<String, Option<Vec<u8>>>>,
}

impl Memo {
    fn new(reader: LogReader) -> Self {
        Self {
            reader,
            files: Mutex::default(),
        }
    }
}

impl ReadObjects for Memo {
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(path) {
            return Ok(file.clone());
        }
        let file = self.reader.get(path)?;
        files.insert(path.to_owned(), file.clone());
        Ok(file)
    }
}
