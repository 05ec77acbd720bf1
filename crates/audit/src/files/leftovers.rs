//! Files beside those that the checkpoint asks for: what a log leaves behind as it grows.

use affiant_tlog::TreeSize;
use affiant_tlog::bundle::Bundle;
use affiant_tlog::tile::{BundleId, LogPath, TileId};
use serde::Serialize;

use super::{FileFault, FileFinding, Files, FilesReport};

/// Most strangers that are listed by name; the rest are counted.
const STRANGERS_MAX: usize = 20;

/// Files that the checkpoint does not ask for.
#[derive(Debug, Default, Serialize)]
pub struct Leftovers {
    /// Narrower tiles and bundles of an earlier tree: they begin like the wider ones.
    pub narrower: u64,
    /// Wider ones of a later tree, behind the checkpoint: what it covers of them holds.
    pub wider: u64,
    /// Tiles and bundles wholly behind the checkpoint: nobody signed for them yet.
    pub behind: u64,
    /// Files that are no part of any log.
    pub strangers: u64,
    /// The first of these, by name.
    pub strangers_named: Vec<String>,
}

/// The notes by which a log's keys follow each other (`docs/spec/leaf-kinds.md`): a convenience, which proves
/// nothing but itself.
const KEY_ROTATIONS: &str = "key-rotations";

/// Whether bytes are what their path says.
type WellFormed = fn(LogPath, &[u8]) -> bool;

enum Place {
    Asked,
    Narrower(String),
    Wider(String),
    Behind,
}

impl Leftovers {
    /// Looks at one file of the storage, by its path.
    ///
    /// # Errors
    /// As [`Files::get`].
    pub fn look<F: Files>(
        &mut self,
        path: &str,
        size: TreeSize,
        files: &F,
        report: &mut FilesReport,
    ) -> Result<(), F::Error> {
        if path == KEY_ROTATIONS {
            return Ok(());
        }
        let (place, well_formed): (Place, WellFormed) = match path.parse() {
            Ok(LogPath::Checkpoint) => return Ok(()),
            Ok(LogPath::Tile(id)) => (tile(id, size), is_tile),
            Ok(LogPath::Bundle(id)) => (bundle(id, size), is_bundle),
            Err(_) => {
                self.stranger(path);
                return Ok(());
            }
        };
        let (narrow, wide) = match place {
            Place::Asked => return Ok(()),
            Place::Behind => {
                self.behind = self.behind.saturating_add(1);
                return Ok(());
            }
            Place::Narrower(wide) => {
                self.narrower = self.narrower.saturating_add(1);
                (path.to_owned(), wide)
            }
            Place::Wider(narrow) => {
                self.wider = self.wider.saturating_add(1);
                (narrow, path.to_owned())
            }
        };
        let Some(bytes) = files.get(&narrow)? else {
            return Ok(());
        };
        let Some(full) = files.get(&wide)? else {
            // Pruned or missing: told elsewhere.
            return Ok(());
        };
        let here = path.parse::<LogPath>();
        let own = if here.is_ok() && path == narrow {
            &bytes
        } else {
            &full
        };
        if here.is_ok_and(|here| !well_formed(here, own)) {
            let reason = "not as long as its name says".to_owned();
            report.add(FileFinding::new(
                path.to_owned(),
                FileFault::Malformed { reason },
            ));
        } else if !full.starts_with(&bytes) {
            report.add(FileFinding::new(path.to_owned(), FileFault::Differs));
        }
        Ok(())
    }

    fn stranger(&mut self, path: &str) {
        self.strangers = self.strangers.saturating_add(1);
        if self.strangers_named.len() < STRANGERS_MAX {
            self.strangers_named.push(path.to_owned());
        }
    }
}

fn tile(id: TileId, size: TreeSize) -> Place {
    match TileId::in_tree(id.level(), id.index(), size) {
        None => Place::Behind,
        Some(asked) if asked == id => Place::Asked,
        Some(asked) if asked.width() > id.width() => Place::Narrower(asked.path()),
        Some(asked) => Place::Wider(asked.path()),
    }
}

fn bundle(id: BundleId, size: TreeSize) -> Place {
    match BundleId::in_tree(id.index(), size) {
        None => Place::Behind,
        Some(asked) if asked == id => Place::Asked,
        Some(asked) if asked.width() > id.width() => Place::Narrower(asked.path()),
        Some(asked) => Place::Wider(asked.path()),
    }
}

fn is_tile(path: LogPath, bytes: &[u8]) -> bool {
    let LogPath::Tile(id) = path else {
        return false;
    };
    affiant_tlog::tile::Tile::from_bytes(id, bytes).is_ok()
}

fn is_bundle(path: LogPath, bytes: &[u8]) -> bool {
    let LogPath::Bundle(id) = path else {
        return false;
    };
    Bundle::parse(id, bytes).is_ok()
}
