//! Which segment files there are, in which order they belong, and what is wrong with that.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::cursor::{self, CURSOR_FILE, CursorFile};
use crate::damage::Damage;
use crate::error::ReadError;
use crate::ordinal::{Ordinal, SegmentNumber, SpoolId};
use crate::scan::Bound;
use crate::segment::{HEADER_BYTES, HEADER_END, HeaderError, SegmentHeader};
use crate::storage::Storage;

pub(crate) const LOCK_FILE: &str = "lock";
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// A segment file, before its frames are read.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFile {
    pub(crate) name: String,
    pub(crate) number: SegmentNumber,
    pub(crate) header: Result<SegmentHeader, HeaderError>,
    pub(crate) len: u64,
}

impl SegmentFile {
    pub(crate) fn first_ordinal(&self) -> Option<Ordinal> {
        self.header.ok().map(|header| header.first_ordinal)
    }

    /// What this segment's header says about `before`.
    pub(crate) fn bound_of(&self, before: SegmentNumber) -> Option<Bound> {
        let header = self.header.ok().filter(|_| before.next() == self.number)?;
        (header.previous_end >= HEADER_END).then_some(Bound {
            end: header.previous_end,
            next: header.first_ordinal,
            abandoned: header.previous_abandoned,
        })
    }
}

/// The segments of a spool.
pub(crate) struct Catalog {
    pub(crate) segments: BTreeMap<SegmentNumber, SegmentFile>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) cursor: CursorFile,
    pub(crate) id: Option<SpoolId>,
    /// Whether there is anything of a spool.
    pub(crate) exists: bool,
}

impl Catalog {
    /// Lists a spool. A missing directory is an empty spool.
    pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Self, ReadError> {
        let storage_failed = |source| ReadError::Storage { source };
        let cursor = cursor::read(storage, dir).map_err(storage_failed)?;
        let names = list(storage, dir).map_err(storage_failed)?;
        let of_a_spool = |name: &String| {
            name == LOCK_FILE
                || name == CURSOR_FILE
                || SegmentNumber::from_file_name(name).is_some()
        };
        let exists = names.iter().any(of_a_spool);
        let mut files = Vec::new();
        for name in names {
            if let Some(number) = SegmentNumber::from_file_name(&name) {
                files.extend(load_file(storage, dir, name, number).map_err(storage_failed)?);
            }
        }
        files.sort_by_key(|file| file.number);
        let mut catalog = Self {
            segments: BTreeMap::new(),
            damage: Vec::new(),
            cursor,
            id: None,
            exists,
        };
        if cursor == CursorFile::Damaged {
            catalog.damage.push(Damage::Cursor);
        }
        catalog.id = match cursor {
            CursorFile::Valid(cursor) => Some(cursor.spool_id),
            CursorFile::Absent | CursorFile::Damaged => files
                .iter()
                .find_map(|file| Some(file.header.ok()?.spool_id)),
        };
        files
            .into_iter()
            .try_for_each(|file| catalog.insert(file))?;
        Ok(catalog)
    }

    fn insert(&mut self, mut file: SegmentFile) -> Result<(), ReadError> {
        match file.header {
            Ok(header) => {
                if let Some(expected) = self.id.filter(|id| *id != header.spool_id) {
                    let (file, found) = (file.name, header.spool_id);
                    self.damage.push(Damage::Foreign {
                        file,
                        expected,
                        found,
                    });
                    return Ok(());
                }
                if header.segment != file.number {
                    let (name, segment) = (file.name.clone(), header.segment);
                    self.damage.push(Damage::Misnamed {
                        file: name,
                        segment,
                    });
                    file.number = header.segment;
                }
            }
            Err(HeaderError::Version { found }) => {
                return Err(ReadError::Version {
                    segment: file.number,
                    found,
                });
            }
            Err(reason) => {
                self.damage.push(Damage::Header {
                    segment: file.number,
                    reason,
                });
            }
        }
        self.place(file);
        Ok(())
    }

    /// Of two files for one segment the one with a sound header counts, then the one with the
    /// right name.
    fn place(&mut self, file: SegmentFile) {
        let number = file.number;
        let rank = |file: &SegmentFile| (file.header.is_ok(), file.name == number.file_name());
        let loser = match self.segments.remove(&number) {
            Some(other) if rank(&other) >= rank(&file) => {
                self.segments.insert(number, other);
                file.name
            }
            other => {
                self.segments.insert(number, file);
                let Some(other) = other else { return };
                other.name
            }
        };
        self.damage.push(Damage::Duplicate {
            file: loser,
            segment: number,
        });
    }
}

/// The names in a directory; none if it does not exist.
pub(crate) fn list(storage: &dyn Storage, dir: &Path) -> io::Result<Vec<String>> {
    match storage.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result,
    }
}

/// Reads a header; `None` if the file was released meanwhile.
fn load_file(
    storage: &dyn Storage,
    dir: &Path,
    name: String,
    number: SegmentNumber,
) -> io::Result<Option<SegmentFile>> {
    let file = match storage.open_read(&dir.join(&name)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut header = [0; HEADER_BYTES];
    let read = file.read_at(&mut header, 0)?;
    let header = SegmentHeader::decode(header.get(..read).unwrap_or_default());
    Ok(Some(SegmentFile {
        name,
        number,
        header,
        len: file.len_bytes()?,
    }))
}

/// Files that bear a name like a segment's but are none. A crash leaves no such file.
pub(crate) fn unknown_files(storage: &dyn Storage, dir: &Path) -> io::Result<Vec<Damage>> {
    let mut names = list(storage, dir)?;
    names.retain(|name| {
        let own = name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name);
        name.starts_with("seg-") && SegmentNumber::from_file_name(own).is_none()
    });
    names.sort();
    Ok(names
        .into_iter()
        .map(|file| Damage::UnknownFile { file })
        .collect())
}
