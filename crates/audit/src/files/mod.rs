//! The files of a log (C2SP tlog-tiles) against its leaves.
//!
//! ```text
//! bundle ─▸ Read (hash, decode: on any core) ─▸ FilesCheck::push (in order) ─▸ LogAudit
//!                                                      │ tiles as they become full
//!                                                      ▼
//!                                              compared with the stored ones
//! ```
//!
//! Every file is looked at: bundles are read, tiles are made anew from the leaves and compared byte for
//! byte, and what a growing log leaves behind (narrower tiles and bundles) must begin like the wider one.
//! Files behind the checkpoint are counted; it does not speak of them.
//!
//! Reads no file itself: the caller's [`Files`] does.

mod fault;
mod leftovers;
mod pruned;

pub use fault::{FileFault, FileFinding};
pub use leftovers::Leftovers;
pub use pruned::root_at;

use std::collections::BTreeMap;

use affiant_entry::chain::Verdict;
use affiant_entry::decode::Reader;
use affiant_tlog::bundle::Bundle;
use affiant_tlog::tile::{BundleId, Tile, TreeWriter};
use affiant_tlog::{Checkpoint, Hash, TreeSize};

use crate::log::{AuditReport, Expectation, Leaf, LogAudit};

/// Most findings about files that are listed; the rest are counted.
pub const FILE_FINDINGS_MAX: usize = 100;

/// Reads the files of a log by their path, such as `tile/0/000`.
pub trait Files {
    /// Why a file could not be read.
    type Error;

    /// The bytes under a path, `None` where there is no such file.
    ///
    /// # Errors
    /// Where the storage or the peer could not tell.
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// A bundle that was read, hashed and decoded; independent of all others.
#[derive(Debug)]
pub struct Read {
    id: BundleId,
    leaves: Result<Vec<Leaf>, FileFault>,
    bytes: usize,
}

impl Read {
    /// Reads a bundle: the file of that name, or the full one at its place, of which it is the
    /// beginning. The reader may be any; one that read similar entries before is faster.
    ///
    /// # Errors
    /// As [`Files::get`].
    pub fn of<F: Files>(files: &F, id: BundleId, reader: &mut Reader) -> Result<Self, F::Error> {
        for found in [id, id.to_full()] {
            if let Some(bytes) = files.get(&found.path())? {
                return Ok(Self::parse(id, found, &bytes, reader));
            }
        }
        Ok(Self {
            id,
            leaves: Err(FileFault::Missing),
            bytes: 0,
        })
    }

    /// Reads the bytes of a bundle that was found under `found` where `id` was wanted.
    #[must_use]
    pub fn parse(id: BundleId, found: BundleId, bytes: &[u8], reader: &mut Reader) -> Self {
        let leaves = match Bundle::parse(found, bytes) {
            Ok(bundle) => Ok(bundle
                .entries()
                .iter()
                .take(usize::from(id.width()))
                .map(|entry| Leaf::read(reader, entry))
                .collect()),
            Err(error) => Err(FileFault::Malformed {
                reason: error.to_string(),
            }),
        };
        Self {
            id,
            leaves,
            bytes: bytes.len(),
        }
    }

    /// Its bytes in storage.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Which bundle.
    #[must_use]
    pub const fn id(&self) -> BundleId {
        self.id
    }
}

/// What became of the files of a log.
#[derive(Debug, serde::Serialize)]
pub struct FilesReport {
    /// The worst of all findings about files.
    pub verdict: Verdict,
    /// Bundles that were read.
    pub bundles: u64,
    /// Tiles that were compared.
    pub tiles: u64,
    /// Bundles at the beginning that are not here: pruned, if the log says so.
    pub bundles_absent: u64,
    /// Tiles of level 0 below these that are not here either.
    pub tiles_pruned: u64,
    /// The first [`FILE_FINDINGS_MAX`] findings.
    pub findings: Vec<FileFinding>,
    /// The number of all of them.
    pub findings_total: u64,
}

/// Goes through the files of a log, in order.
#[derive(Debug)]
pub struct FilesCheck {
    checkpoint: Checkpoint,
    writer: TreeWriter,
    audit: LogAudit,
    next: u64,
    /// Bundles at the beginning that are not here, until one is.
    absent: u64,
    /// Leaves that are not here.
    behind: TreeSize,
    /// Whether a bundle is missing behind these.
    hole: bool,
    broken: bool,
    /// The newest partial tile of each level.
    edge: BTreeMap<u8, Tile>,
    report: FilesReport,
}

impl FilesCheck {
    /// A check of the files that this checkpoint covers. Who signed it is not checked here.
    #[must_use]
    pub fn new(
        checkpoint: Checkpoint,
        expectation: Expectation,
        remembered: Vec<Checkpoint>,
    ) -> Self {
        let audit = remembered
            .into_iter()
            .fold(LogAudit::new(expectation), LogAudit::remembering);
        Self {
            checkpoint,
            writer: TreeWriter::new(),
            audit,
            next: 0,
            absent: 0,
            behind: TreeSize(0),
            hole: false,
            broken: false,
            edge: BTreeMap::new(),
            report: FilesReport {
                verdict: Verdict::Ok,
                bundles: 0,
                tiles: 0,
                bundles_absent: 0,
                tiles_pruned: 0,
                findings: Vec::new(),
                findings_total: 0,
            },
        }
    }

    /// The bundles to read, in order.
    pub fn bundles(&self) -> impl Iterator<Item = BundleId> + use<> {
        let size = self.checkpoint.size;
        (0..).map_while(move |index| BundleId::in_tree(index, size))
    }

    /// Leaves taken so far.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.audit.size()
    }

    /// The root over the leaves taken so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.audit.root()
    }

    /// Whether nothing was found so far.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.report.verdict == Verdict::Ok && self.audit.so_far() == Verdict::Ok
    }

    /// Takes the next bundle, and compares the tiles that are full now. Bundles may be missing at the
    /// beginning, for a `prune` entry to excuse. Behind any other that is missing or cannot be read, nothing
    /// has a place any more: the rest is not judged.
    ///
    /// # Errors
    /// As [`Files::get`].
    pub fn push<F: Files>(&mut self, read: Read, files: &F) -> Result<(), F::Error> {
        let path = read.id.path();
        if read.id.index() == self.next {
            self.next = self.next.saturating_add(1);
        } else {
            self.find(path.clone(), FileFault::OutOfOrder);
            self.broken = true;
        }
        if self.broken {
            return Ok(());
        }
        let begun = self.audit.size().0 > 0;
        if !begun && matches!(read.leaves, Err(FileFault::Missing)) {
            self.absent = self.absent.saturating_add(1);
            return Ok(());
        }
        if !begun && self.absent > 0 && !self.begin_behind(files)? {
            return Ok(());
        }
        let leaves = match read.leaves {
            Ok(leaves) => leaves,
            Err(FileFault::Missing) => {
                self.find(path, FileFault::Missing);
                return self.pass_over(read.id, files);
            }
            Err(fault) => {
                self.find(path, fault);
                self.broken = true;
                return Ok(());
            }
        };
        self.report.bundles = self.report.bundles.saturating_add(1);
        for leaf in leaves {
            self.writer.append(leaf.hash());
            if self.hole {
                self.audit.pass_over(leaf.hash());
            } else {
                self.audit.push(leaf);
            }
        }
        self.compare_new(files)
    }

    /// A bundle is missing in the middle: its leaf hashes may be here, and then the tree can be checked. What
    /// leaves say from here on is not judged.
    fn pass_over<F: Files>(&mut self, id: BundleId, files: &F) -> Result<(), F::Error> {
        self.hole = true;
        let Some(tile) = pruned::tile_at(files, id.leaf_tile(), self.checkpoint.size)? else {
            self.broken = true;
            self.audit.give_up();
            return Ok(());
        };
        for hash in tile.hashes() {
            self.writer.append(*hash);
            self.audit.pass_over(*hash);
        }
        self.compare_new(files)
    }

    /// Compares the tiles that are full now.
    fn compare_new<F: Files>(&mut self, files: &F) -> Result<(), F::Error> {
        for tile in self.writer.drain() {
            if tile.id().is_full() {
                self.edge.remove(&tile.id().level());
                self.compare(&tile, files)?;
            } else {
                self.edge.insert(tile.id().level(), tile);
            }
        }
        Ok(())
    }

    /// Begins behind the bundles that are not here. `false`: their hashes are not here either.
    fn begin_behind<F: Files>(&mut self, files: &F) -> Result<bool, F::Error> {
        let behind = TreeSize(self.absent.saturating_mul(256));
        let now = self.checkpoint.size;
        let Some((writer, tree)) = pruned::tree_of(files, behind, now)? else {
            self.miss_beginning();
            return Ok(false);
        };
        (self.writer, self.behind) = (writer, behind);
        let audit = std::mem::replace(&mut self.audit, LogAudit::new(Expectation::default()));
        self.audit = audit.starting_behind(tree);
        let before: Vec<TreeSize> = self.audit.remembered_before().map(|c| c.size).collect();
        for size in before {
            let root = root_at(files, size, now)?;
            self.audit.recall(size, root);
        }
        Ok(true)
    }

    fn miss_beginning(&mut self) {
        if let Some(first) = BundleId::in_tree(0, self.checkpoint.size) {
            self.find(first.path(), FileFault::Missing);
        }
        self.broken = true;
        self.audit.give_up();
    }

    /// The tiles before the first leaf here, and the seals among them that chains link to.
    fn look_behind<F: Files>(&mut self, files: &F) -> Result<(), F::Error> {
        let links = self.audit.links_before();
        let before = pruned::look(files, self.behind, self.checkpoint.size, &links)?;
        self.report.tiles = self.report.tiles.saturating_add(before.tiles);
        self.report.tiles_pruned = before.leaf_tiles_absent;
        for finding in before.findings {
            self.report.add(finding);
        }
        if before.leaf_tiles_absent == 0 {
            for link in links
                .into_iter()
                .filter(|link| !before.found.contains(link))
            {
                self.audit.refute_link(link);
            }
        }
        Ok(())
    }

    /// The judgement over files and leaves, once every bundle has been pushed.
    ///
    /// # Errors
    /// As [`Files::get`].
    pub fn finish<F: Files>(mut self, files: &F) -> Result<(FilesReport, AuditReport), F::Error> {
        if !self.broken && self.absent > 0 && self.audit.size().0 == 0 {
            self.miss_beginning();
        }
        if !self.broken {
            self.look_behind(files)?;
            for tile in std::mem::take(&mut self.edge).into_values() {
                self.compare_partial(&tile, files)?;
            }
        }
        self.report.bundles_absent = self.absent;
        let audit = self.audit.finish(&self.checkpoint);
        Ok((self.report, audit))
    }

    fn compare<F: Files>(&mut self, tile: &Tile, files: &F) -> Result<(), F::Error> {
        let path = tile.id().path();
        let stored = files.get(&path)?;
        self.report.tiles = self.report.tiles.saturating_add(1);
        match stored {
            None => self.find(path, FileFault::Missing),
            Some(bytes) if bytes == tile.to_bytes() => {}
            Some(_) => self.find(path, FileFault::NotOfTheLeaves),
        }
        Ok(())
    }

    /// The tile at the right edge: under its own name, or as the beginning of a wider one.
    fn compare_partial<F: Files>(&mut self, tile: &Tile, files: &F) -> Result<(), F::Error> {
        let (id, expected) = (tile.id(), tile.to_bytes());
        self.report.tiles = self.report.tiles.saturating_add(1);
        let exact = files.get(&id.path())?;
        let stored = match exact {
            Some(bytes) => Some((bytes, true)),
            None => files.get(&id.to_full().path())?.map(|bytes| (bytes, false)),
        };
        match stored {
            None => self.find(id.path(), FileFault::Missing),
            Some((bytes, true)) if bytes == expected => {}
            Some((bytes, false)) if bytes.starts_with(&expected) => {}
            Some(_) => self.find(id.path(), FileFault::NotOfTheLeaves),
        }
        Ok(())
    }

    fn find(&mut self, path: String, fault: FileFault) {
        self.report.add(FileFinding::new(path, fault));
    }
}

impl FilesReport {
    /// Adds a finding.
    pub fn add(&mut self, finding: FileFinding) {
        self.verdict = self.verdict.max(finding.verdict);
        self.findings_total = self.findings_total.saturating_add(1);
        if self.findings.len() < FILE_FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}
