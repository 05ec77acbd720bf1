//! The paths of the files of a log (C2SP tlog-tiles, "APIs").

use std::fmt;
use std::str::FromStr;

use super::id::{BundleId, TILE_LEVEL_MAX, TILE_WIDTH, TileId};
use crate::checkpoint::parse_decimal;

/// The last group of a path, and each group behind its `x`.
const GROUP_DIGITS: usize = 3;
/// Groups of the largest 64-bit number.
const GROUPS_MAX: usize = 7;

/// A file of a log, as a client asks for it or as it lies in the log's directory.
///
/// `Display` and `FromStr` use the path without a leading slash. Each file has one path: what parses
/// has no empty parts, no `..` and no other spelling.
///
/// ```
/// use affiant_tlog::tile::{LogPath, TileId};
///
/// let path: LogPath = "tile/0/x001/x234/067".parse()?;
/// assert_eq!(path, LogPath::Tile(TileId::new(0, 1_234_067, 256).unwrap()));
/// assert!("tile/0/../../etc/passwd".parse::<LogPath>().is_err());
/// # Ok::<(), affiant_tlog::tile::ParsePathError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogPath {
    /// `checkpoint`: the newest signed checkpoint. The only file that changes.
    Checkpoint,
    /// `tile/<level>/<index>[.p/<width>]`.
    Tile(TileId),
    /// `tile/entries/<index>[.p/<width>]`.
    Bundle(BundleId),
}

impl TileId {
    /// The path of the tile's file, such as `tile/0/x001/234.p/17`.
    pub fn path(self) -> String {
        self.to_string()
    }
}

impl BundleId {
    /// The path of the bundle's file, such as `tile/entries/x001/234.p/17`.
    pub fn path(self) -> String {
        self.to_string()
    }
}

/// Writes an index in groups of three digits, all but the last behind an `x`, and the width of a
/// partial file.
fn write_index(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let mut divisor: u64 = 1;
    while index.checked_div(divisor).unwrap_or(0) >= 1000 {
        divisor = divisor.saturating_mul(1000);
    }
    while divisor > 1 {
        let group = index.checked_div(divisor).unwrap_or(0) % 1000;
        write!(f, "x{group:03}/")?;
        divisor /= 1000;
    }
    write!(f, "{:03}", index % 1000)?;
    if width < TILE_WIDTH {
        write!(f, ".p/{width}")?;
    }
    Ok(())
}

/// Reads what [`write_index`] writes.
fn parse_index(text: &str) -> Result<(u64, u16), ParsePathError> {
    let (groups, width) = match text.split_once(".p/") {
        None => (text, TILE_WIDTH),
        Some((groups, width)) => {
            let width = parse_decimal(width)
                .and_then(|width| u16::try_from(width).ok())
                .filter(|&width| width > 0 && width < TILE_WIDTH)
                .ok_or(ParsePathError::Width)?;
            (groups, width)
        }
    };
    let (leading, last) = match groups.rsplit_once('/') {
        Some((leading, last)) => (Some(leading), last),
        None => (None, groups),
    };
    let mut index = 0;
    if let Some(leading) = leading {
        for (count, group) in leading.split('/').enumerate() {
            let group = group.strip_prefix('x').ok_or(ParsePathError::Index)?;
            // A first group of zeros would be a second spelling.
            let is_padding = count == 0 && group == "000";
            if is_padding || count >= GROUPS_MAX {
                return Err(ParsePathError::Index);
            }
            index = push_group(index, group)?;
        }
    }
    Ok((push_group(index, last)?, width))
}

fn push_group(index: u64, group: &str) -> Result<u64, ParsePathError> {
    if group.len() != GROUP_DIGITS || !group.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParsePathError::Index);
    }
    let group: u64 = group.parse().map_err(|_| ParsePathError::Index)?;
    index
        .checked_mul(1000)
        .and_then(|index| index.checked_add(group))
        .ok_or(ParsePathError::Index)
}

/// Why a text is not the path of a file of a log. A server answers "not found".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePathError {
    /// It begins like no such path.
    #[error("path is not checkpoint, tile/<level>/<index> or tile/entries/<index>")]
    Layout,
    /// The level is no decimal up to [`TILE_LEVEL_MAX`].
    #[error("tile level is not a decimal up to {TILE_LEVEL_MAX}")]
    Level,
    /// The index is not groups of three digits in their one spelling.
    #[error("tile index is not groups of three digits")]
    Index,
    /// The width of a partial file is not 1 to 255.
    #[error("tile width is not a decimal from 1 to 255")]
    Width,
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level())?;
        write_index(f, self.index(), self.width())
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/entries/")?;
        write_index(f, self.index(), self.width())
    }
}

impl fmt::Display for LogPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::Tile(tile) => tile.fmt(f),
            Self::Bundle(bundle) => bundle.fmt(f),
        }
    }
}

impl FromStr for TileId {
    type Err = ParsePathError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let rest = path.strip_prefix("tile/").ok_or(ParsePathError::Layout)?;
        let (level, index) = rest.split_once('/').ok_or(ParsePathError::Layout)?;
        let level = parse_decimal(level)
            .and_then(|level| u8::try_from(level).ok())
            .ok_or(ParsePathError::Level)?;
        let (index, width) = parse_index(index)?;
        Self::new(level, index, width).ok_or(ParsePathError::Level)
    }
}

impl FromStr for BundleId {
    type Err = ParsePathError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let rest = path
            .strip_prefix("tile/entries/")
            .ok_or(ParsePathError::Layout)?;
        let (index, width) = parse_index(rest)?;
        Self::new(index, width).ok_or(ParsePathError::Width)
    }
}

impl FromStr for LogPath {
    type Err = ParsePathError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        if path == "checkpoint" {
            Ok(Self::Checkpoint)
        } else if path.starts_with("tile/entries/") {
            path.parse().map(Self::Bundle)
        } else {
            path.parse().map(Self::Tile)
        }
    }
}
