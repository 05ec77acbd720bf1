//! Which files a store consists of, and how far it has read the log.

use serde::{Deserialize, Serialize};

/// Version of the layout and of the columns: another one means that the store is built anew.
pub(crate) const VERSION: u32 = 1;

/// What a store is, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// [`VERSION`] of its writer.
    pub(crate) version: u32,
    /// Id of the aggregator whose entries are believed.
    pub(crate) own: String,
    /// Name of the log.
    pub(crate) log: String,
    /// Leaves before this index were read.
    pub(crate) cursor: u64,
    /// Leaves before this index are gone.
    pub(crate) pruned_below: u64,
    /// Number of the file with what is not in Parquet (facts, erasures), if there is anything.
    pub(crate) state: Option<u64>,
    /// Number for the next file.
    pub(crate) next_file: u64,
    /// The files, by day and first leaf.
    pub(crate) files: Vec<FileMeta>,
}

/// One Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileMeta {
    /// Path below the root of the store.
    pub(crate) path: String,
    /// Partition: a day since the Unix epoch; `None` holds entries of many days, or without time.
    pub(crate) day: Option<i32>,
    /// First leaf in it.
    pub(crate) first: u64,
    /// One more than the last leaf in it. Not all between need be in it.
    pub(crate) end: u64,
    /// Rows.
    pub(crate) rows: u64,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Earliest and latest `time`, microseconds; `None` if some row has none.
    pub(crate) times: Option<(i64, i64)>,
}

impl Manifest {
    /// Of a store that has read nothing.
    pub(crate) fn new(own: &str, log: &str) -> Self {
        Self {
            version: VERSION,
            own: own.to_owned(),
            log: log.to_owned(),
            cursor: 0,
            pruned_below: 0,
            state: None,
            next_file: 0,
            files: Vec::new(),
        }
    }

    /// Whether this version can go on with it, for this log.
    pub(crate) fn is_of(&self, own: &str, log: &str) -> bool {
        self.version == VERSION && self.own == own && self.log == log
    }

    /// Takes away files and puts others in their place.
    pub(crate) fn replace(&mut self, gone: &[String], new: Vec<FileMeta>) {
        self.files.retain(|file| !gone.contains(&file.path));
        self.files.extend(new);
        self.files
            .sort_by(|a, b| (a.day, a.first, &a.path).cmp(&(b.day, b.first, &b.path)));
    }
}
