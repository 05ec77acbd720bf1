//! The file.

use std::collections::BTreeMap;
use std::path::Path;

use affiant_entry::{SealPlace, SourceId, SpoolName};
use affiant_tlog::{Hash, LeafIndex};
use fs_err as fs;
use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition,
    WriteTransaction,
};

use super::row::{ChainRow, GroupRow, Row, SealRow, Subject, chain_key, seal_key};

const SEALS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("seals");
const CHAINS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("chains");
const FLAGS: TableDefinition<'_, &str, u64> = TableDefinition::new("flags");
const CURSOR: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("cursor");

/// Name of the cursor's row: the version of everything in the file. Another one is rebuilt.
const AT: &str = "at/v1";

/// The open index.
#[derive(Debug)]
pub(crate) struct Index {
    db: Database,
}

/// The index cannot be used. It may be deleted: the log has all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The file is damaged, or the disk failed.
    #[error("index cannot be used")]
    Store(#[source] Box<redb::Error>),
    /// The file cannot be removed to be made anew.
    #[error("index cannot be made anew")]
    Io(#[from] std::io::Error),
    /// A row is not one.
    #[error("index holds a malformed row")]
    Row,
}

impl<E: Into<redb::Error>> From<E> for IndexError
where
    E: NotIo,
{
    fn from(error: E) -> Self {
        Self::Store(Box::new(error.into()))
    }
}

/// The error types of the store, which all become [`IndexError::Store`].
pub(crate) trait NotIo {}
impl NotIo for redb::DatabaseError {}
impl NotIo for redb::TransactionError {}
impl NotIo for redb::TableError {}
impl NotIo for redb::StorageError {}
impl NotIo for redb::CommitError {}
impl NotIo for redb::SetDurabilityError {}

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    /// The next leaf.
    pub(crate) next: LeafIndex,
    /// Hash of the leaf before it; `None` at the beginning.
    pub(crate) last: Option<Hash>,
}

impl At {
    const START: Self = Self {
        next: LeafIndex(0),
        last: None,
    };
}

impl Index {
    /// Opens the index, or makes an empty one where there is none or it cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, IndexError> {
        let opened = open(path).and_then(|index| index.at().map(|_| index));
        match opened {
            Ok(index) => Ok(index),
            Err(error) => {
                tracing::warn!(%error, "index is made anew");
                Self::make_anew(path)
            }
        }
    }

    /// An empty index in place of whatever is there.
    pub(crate) fn make_anew(path: &Path) -> Result<Self, IndexError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Err(_) | Ok(()) => {}
        }
        open(path)
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) -> Result<(), IndexError> {
        let write = self.db.begin_write()?;
        write.delete_table(SEALS)?;
        write.delete_table(CHAINS)?;
        write.delete_table(FLAGS)?;
        write.delete_table(CURSOR)?;
        make_tables(&write)?;
        write.commit()?;
        Ok(())
    }

    /// How far it is.
    pub(crate) fn at(&self) -> Result<At, IndexError> {
        let read = self.db.begin_read()?;
        let table = read.open_table(CURSOR)?;
        let Some(row) = table.get(AT)? else {
            return Ok(At::START);
        };
        let bytes = row.value();
        let (next, last) = bytes.split_at_checked(8).ok_or(IndexError::Row)?;
        let next = u64::from_be_bytes(next.try_into().map_err(|_| IndexError::Row)?);
        Ok(At {
            next: LeafIndex(next),
            last: Some(Hash::try_from(last).map_err(|_| IndexError::Row)?),
        })
    }

    /// Applies rows that follow each other and the cursor. `durable` makes them, and all before them,
    /// survive a crash.
    pub(crate) fn apply(&self, rows: &[Row], durable: bool) -> Result<(), IndexError> {
        let mut write = self.db.begin_write()?;
        write.set_durability(if durable {
            Durability::Immediate
        } else {
            Durability::None
        })?;
        self.write(&write, rows)?;
        write.commit()?;
        Ok(())
    }

    fn write(&self, write: &WriteTransaction, rows: &[Row]) -> Result<(), IndexError> {
        let mut seals = write.open_table(SEALS)?;
        let mut chains = Chains {
            table: write.open_table(CHAINS)?,
            changed: BTreeMap::new(),
        };
        let mut flags = write.open_table(FLAGS)?;
        for row in rows {
            match row {
                Row::Group(group) => write_group(group, &mut seals, &mut chains)?,
                Row::Own(own) => {
                    if let Some(subject) = &own.says {
                        write_subject(subject, &mut chains, &mut flags)?;
                    }
                }
            }
        }
        chains.keep()?;
        if let Some(last) = rows.last() {
            let mut at = last.end().0.to_be_bytes().to_vec();
            at.extend_from_slice(last.last_leaf().as_bytes());
            write.open_table(CURSOR)?.insert(AT, at.as_slice())?;
        }
        Ok(())
    }

    /// Where a seal is.
    pub(crate) fn seal(
        &self,
        source: &SourceId,
        spool: &SpoolName,
        place: SealPlace,
    ) -> Result<Option<SealRow>, IndexError> {
        let read = self.db.begin_read()?;
        let table = read.open_table(SEALS)?;
        let row = table.get(seal_key(source, spool, place).as_slice())?;
        row.map(|row| SealRow::from_bytes(row.value()).ok_or(IndexError::Row))
            .transpose()
    }

    /// Where a chain stands.
    pub(crate) fn chain(
        &self,
        source: &SourceId,
        spool: &SpoolName,
    ) -> Result<Option<ChainRow>, IndexError> {
        let read = self.db.begin_read()?;
        let table = read.open_table(CHAINS)?;
        let row = table.get(chain_key(source, spool).as_slice())?;
        row.map(|row| chain_row(row.value())).transpose()
    }

    /// All chains, by source and spool.
    pub(crate) fn chains(&self) -> Result<Vec<ChainRow>, IndexError> {
        let read = self.db.begin_read()?;
        let table = read.open_table(CHAINS)?;
        let mut out = Vec::new();
        for row in table.iter()? {
            out.push(chain_row(row?.1.value())?);
        }
        Ok(out)
    }

    /// Whether the log says that of a source last.
    pub(crate) fn says(&self, subject: &Subject) -> Result<bool, IndexError> {
        let (name, _) = flag(subject);
        Ok(self.number(&name)? == Some(1))
    }

    /// Serial of the newest roster in the log.
    pub(crate) fn roster_serial(&self) -> Result<Option<u64>, IndexError> {
        self.number(ROSTER)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, IndexError> {
        let read = self.db.begin_read()?;
        let table = read.open_table(FLAGS)?;
        Ok(table.get(name)?.map(|row| row.value()))
    }
}

fn open(path: &Path) -> Result<Index, IndexError> {
    let db = Database::builder()
        .set_cache_size(super::CACHE_BYTES)
        .create(path)?;
    let write = db.begin_write()?;
    make_tables(&write)?;
    write.commit()?;
    Ok(Index { db })
}

fn make_tables(write: &WriteTransaction) -> Result<(), IndexError> {
    write.open_table(SEALS)?;
    write.open_table(CHAINS)?;
    write.open_table(FLAGS)?;
    write.open_table(CURSOR)?;
    Ok(())
}

type Rows<'t> = Table<'t, &'static [u8], &'static [u8]>;

fn write_group(
    group: &GroupRow,
    seals: &mut Rows<'_>,
    chains: &mut Chains<'_>,
) -> Result<(), IndexError> {
    let row = SealRow {
        first: group.first,
        seal_index: group.seal_index(),
        first_seq: group.first_seq,
        hash: group.hash,
    };
    let key = seal_key(&group.source, &group.spool, group.place);
    seals.insert(key.as_slice(), row.to_bytes().as_slice())?;
    chains.change(&group.source, &group.spool, |chain| chain.apply(group))
}

fn write_subject(
    subject: &Subject,
    chains: &mut Chains<'_>,
    flags: &mut Table<'_, &'static str, u64>,
) -> Result<(), IndexError> {
    let one_more = |count: &mut u64| *count = count.saturating_add(1);
    match subject {
        Subject::Fork(source, spool, _) => {
            let (name, value) = flag(subject);
            flags.insert(name.as_str(), value)?;
            chains.change(source, spool, |chain| one_more(&mut chain.forks))
        }
        Subject::Quarantine(source, spool) => chains.change(source, spool, |chain| {
            one_more(&mut chain.quarantined);
        }),
        Subject::Gap(source, spool, lost) => chains.change(source, spool, |chain| {
            one_more(&mut chain.gaps);
            chain.entries_lost = chain.entries_lost.saturating_add(lost.unwrap_or(0));
        }),
        Subject::Roster(serial) => {
            flags.insert(ROSTER, serial)?;
            Ok(())
        }
        Subject::Silent(_)
        | Subject::Heard(_)
        | Subject::Unrostered(_)
        | Subject::Enrolled(_)
        | Subject::Revoked(_) => {
            let (name, value) = flag(subject);
            flags.insert(name.as_str(), value)?;
            Ok(())
        }
    }
}

/// The chains that one transaction changes, each written once.
struct Chains<'t> {
    table: Rows<'t>,
    changed: BTreeMap<Vec<u8>, ChainRow>,
}

impl Chains<'_> {
    fn change(
        &mut self,
        source: &SourceId,
        spool: &SpoolName,
        change: impl FnOnce(&mut ChainRow),
    ) -> Result<(), IndexError> {
        let key = chain_key(source, spool);
        if let Some(chain) = self.changed.get_mut(&key) {
            change(chain);
            return Ok(());
        }
        let known = self.table.get(key.as_slice())?;
        let known = known.map(|row| chain_row(row.value())).transpose()?;
        let mut chain = known.unwrap_or_else(|| ChainRow::new(source.clone(), spool.clone()));
        change(&mut chain);
        self.changed.insert(key, chain);
        Ok(())
    }

    fn keep(mut self) -> Result<(), IndexError> {
        for (key, chain) in &self.changed {
            let bytes = serde_json::to_vec(chain).map_err(|_| IndexError::Row)?;
            self.table.insert(key.as_slice(), bytes.as_slice())?;
        }
        Ok(())
    }
}

fn chain_row(bytes: &[u8]) -> Result<ChainRow, IndexError> {
    serde_json::from_slice(bytes).map_err(|_| IndexError::Row)
}

/// Name of the flag that a subject sets, and to what.
fn flag(subject: &Subject) -> (String, u64) {
    match subject {
        Subject::Silent(source) => (format!("silent/{source}"), 1),
        Subject::Heard(source) => (format!("silent/{source}"), 0),
        Subject::Unrostered(source) => (format!("unrostered/{source}"), 1),
        Subject::Enrolled(source) => (format!("enrolled/{source}"), 1),
        Subject::Revoked(source) => (format!("revoked/{source}"), 1),
        Subject::Fork(_, _, evidence) => (format!("fork/{evidence}"), 1),
        Subject::Roster(_) | Subject::Gap(..) | Subject::Quarantine(..) => (String::new(), 0),
    }
}

const ROSTER: &str = "roster";
