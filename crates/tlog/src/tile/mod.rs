//! C2SP tlog-tiles: a Merkle tree cut into files that never change.
//!
//! # The files
//!
//! ```text
//! level 2   [ H H ]                       tile/2/000.p/2          one hash = 65,536 leaves
//! level 1   [ H × 256 ] [ H × 256 ] [ … ] tile/1/000, …           one hash =    256 leaves
//! level 0   [ leaf hash × 256 ] …         tile/0/x001/x234/067    one hash = a leaf
//! entries   [ u16 length, entry ] × 256   tile/entries/x001/…     the leaves themselves
//! ```
//!
//! A tile is at most [`TILE_WIDTH`] hashes of 32 bytes, one behind the other. The hash at level
//! *l*+1 is the root over a full tile at level *l*. The last tile of a level is *partial*: its path
//! ends in `.p/` and its width, and it is superseded when the tree grows.
//!
//! | to | use |
//! |---|---|
//! | name a file | [`TileId`], [`BundleId`], [`LogPath`] |
//! | grow a tree and get the files to write | [`TreeWriter`] |
//! | prove from files | [`TileReader`] over a [`TileSource`] |
//! | know which files a proof needs, to fetch them first | [`tiles_for_inclusion`], [`tiles_for_consistency`], [`tiles_for_root`] |
//!
//! Reading from tiles proves nothing by itself: a store may lie. Whoever reads checks what comes
//! out against a root that the log signed.
//!
//! Specification: <https://c2sp.org/tlog-tiles>, SHA-256, tiles 256 wide.

mod hashes;
mod id;
mod path;
mod plan;
mod reader;
mod writer;

pub use hashes::{ParseTileError, Tile};
pub use id::{BundleId, TILE_LEVEL_MAX, TILE_WIDTH, TileId, bundles_between, tiles_between};
pub use path::{LogPath, ParsePathError};
pub use reader::{
    ReadTilesError, TileReader, TileSource, tiles_for_consistency, tiles_for_inclusion,
    tiles_for_root,
};
pub use writer::TreeWriter;
