//! The hashes of a tile.

use super::id::{TILE_WIDTH, TileId};
use crate::hash::{HASH_BYTES, Hash};
use crate::tree::root_of;

/// A tile with its hashes: as many as its width says.
///
/// Whether they are those of any log is for a root to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    id: TileId,
    hashes: Vec<Hash>,
}

impl Tile {
    /// A tile of these hashes, as wide as they are many; `None` where they are none or more than
    /// [`TILE_WIDTH`].
    pub fn new(level: u8, index: u64, hashes: Vec<Hash>) -> Option<Self> {
        let width = u16::try_from(hashes.len()).ok()?;
        let id = TileId::new(level, index, width)?;
        Some(Self { id, hashes })
    }

    /// Reads the file of a tile.
    ///
    /// # Errors
    ///
    /// [`ParseTileError`] where there are more or fewer bytes than the tile's width asks for.
    pub fn from_bytes(id: TileId, bytes: &[u8]) -> Result<Self, ParseTileError> {
        let (chunks, rest) = bytes.as_chunks::<HASH_BYTES>();
        if !rest.is_empty() || chunks.len() != usize::from(id.width()) {
            return Err(ParseTileError {
                tile: id,
                found_bytes: bytes.len(),
            });
        }
        let hashes = chunks.iter().copied().map(Hash).collect();
        Ok(Self { id, hashes })
    }

    /// The file of the tile: its hashes, one behind the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.hashes.len().saturating_mul(HASH_BYTES));
        for hash in &self.hashes {
            bytes.extend_from_slice(hash.as_bytes());
        }
        bytes
    }

    /// Which tile it is.
    pub const fn id(&self) -> TileId {
        self.id
    }

    /// Its hashes, as many as its width.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The root over its hashes. Of a full tile, that is the hash that stands for it in the tile of
    /// the level above.
    pub fn root(&self) -> Hash {
        root_of(&self.hashes)
    }

    /// The tile at the same place with its first `width` hashes; `None` where it has fewer.
    pub(super) fn truncate(mut self, width: u16) -> Option<Self> {
        if width > self.id.width() {
            return None;
        }
        self.hashes.truncate(usize::from(width));
        Self::new(self.id.level(), self.id.index(), self.hashes)
    }
}

/// Why bytes are not the tile. The store is damaged, or gave another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{tile} has {found_bytes} bytes instead of {} hashes of {HASH_BYTES} (at most {TILE_WIDTH})", tile.width())]
pub struct ParseTileError {
    /// The tile that was expected.
    pub tile: TileId,
    /// The bytes there are.
    pub found_bytes: usize,
}
