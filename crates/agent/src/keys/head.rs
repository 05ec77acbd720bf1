//! What the key holder remembers of a spool: a copy of its last seal's signed note.
//!
//! Kept apart from the spool, so that an emptied or shortened spool is noticed. Two slots of
//! [`SLOT_BYTES`] are written in turn, after the spool's fdatasync and without one of their own:
//! after a power loss the head may be older than the spool, never newer.
//!
//! ```text
//! slot = crc32c u32 LE over (len, ordinal, note) · len u32 LE · ordinal u64 LE · note · zeros
//! ```
//! The slot with the higher ordinal counts. A slot of zeros is unused; both unused: no past.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use fs_err as fs;

const SLOT_BYTES: usize = 1024;
const HEADER_BYTES: usize = 16;
/// Longest note a slot takes, bytes.
const NOTE_BYTES_MAX: usize = SLOT_BYTES - HEADER_BYTES;

/// The open head file of one spool; one writer, the seal task.
#[derive(Debug)]
pub struct HeadFile {
    file: fs::File,
    ordinal: u64,
}

/// A head cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A slot is neither valid nor zero, or bytes stand where none belong.
    #[error("remembered head `{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The note of the other slot, if that one is whole.
        whole: Option<String>,
    },
    /// The file cannot be read.
    #[error("remembered head cannot be read")]
    Io(#[from] std::io::Error),
}

impl HeadFile {
    /// Opens the head of a spool, or makes an empty one.
    ///
    /// # Errors
    /// When it cannot be opened or made. A damaged slot is not an error here: it is overwritten.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let bytes = fs::read(path)?;
        let ordinal = slots(&bytes)
            .iter()
            .filter_map(|s| s.as_ref().ok().and_then(Option::as_ref))
            .map(|s| s.0)
            .max();
        if bytes.len() != 2 * SLOT_BYTES {
            file.set_len(2 * u64::try_from(SLOT_BYTES).unwrap_or(0))?;
            file.sync_all()?;
        }
        Ok(Self {
            file,
            ordinal: ordinal.unwrap_or(0),
        })
    }

    /// Remembers a seal's note.
    ///
    /// # Errors
    /// When it cannot be written; the older slot stays.
    pub fn remember(&mut self, note: &str) -> std::io::Result<()> {
        let ordinal = self.ordinal + 1;
        let slot = encode(ordinal, note.as_bytes())
            .ok_or_else(|| std::io::Error::other("seal note is too long for a head slot"))?;
        let at = (ordinal % 2) * u64::try_from(SLOT_BYTES).unwrap_or(0);
        self.file.file().write_all_at(&slot, at)?;
        self.ordinal = ordinal;
        Ok(())
    }

    /// Makes what was remembered durable (at an orderly stop).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }

    /// Reads the note remembered for a spool: `Ok(None)` when it has no past.
    ///
    /// # Errors
    /// [`HeadError::Damaged`] if any byte of the file is not as written.
    pub fn read(path: &Path) -> Result<Option<String>, HeadError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let slots = slots(&bytes);
        let damaged = bytes.len() != 2 * SLOT_BYTES || slots.iter().any(Result::is_err);
        let best = slots
            .into_iter()
            .filter_map(Result::ok)
            .flatten()
            .max_by_key(|slot| slot.0)
            .map(|slot| slot.1);
        if damaged && !bytes.is_empty() {
            return Err(HeadError::Damaged {
                path: path.to_owned(),
                whole: best,
            });
        }
        Ok(best)
    }
}

type Slot = Result<Option<(u64, String)>, ()>;

fn slots(bytes: &[u8]) -> Vec<Slot> {
    bytes.chunks(SLOT_BYTES).take(2).map(decode).collect()
}

fn encode(ordinal: u64, note: &[u8]) -> Option<Vec<u8>> {
    if note.len() > NOTE_BYTES_MAX {
        return None;
    }
    let mut covered = Vec::with_capacity(SLOT_BYTES);
    covered.extend_from_slice(&u32::try_from(note.len()).ok()?.to_le_bytes());
    covered.extend_from_slice(&ordinal.to_le_bytes());
    covered.extend_from_slice(note);
    let mut slot = crc32c::crc32c(&covered).to_le_bytes().to_vec();
    slot.extend_from_slice(&covered);
    slot.resize(SLOT_BYTES, 0);
    Some(slot)
}

fn decode(slot: &[u8]) -> Slot {
    if slot.iter().all(|b| *b == 0) {
        return Ok(None);
    }
    let (crc, covered) = slot.split_first_chunk::<4>().ok_or(())?;
    let (len, rest) = covered.split_first_chunk::<4>().ok_or(())?;
    let (ordinal, rest) = rest.split_first_chunk::<8>().ok_or(())?;
    let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| ())?;
    let (note, zeros) = rest.split_at_checked(len).ok_or(())?;
    let fits = covered
        .get(..12 + len)
        .is_some_and(|c| crc32c::crc32c(c) == u32::from_le_bytes(*crc));
    if !fits || zeros.iter().any(|b| *b != 0) {
        return Err(());
    }
    let note = String::from_utf8(note.to_vec()).map_err(|_| ())?;
    Ok(Some((u64::from_le_bytes(*ordinal), note)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_note_is_remembered_and_any_flipped_bit_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crm");
        assert_eq!(HeadFile::read(&path).unwrap(), None);
        let mut head = HeadFile::open(&path).unwrap();
        assert_eq!(HeadFile::read(&path).unwrap(), None);
        for n in 0..5 {
            head.remember(&format!("note {n}\n")).unwrap();
        }
        drop(head);
        assert_eq!(HeadFile::read(&path).unwrap().as_deref(), Some("note 4\n"));
        let whole = fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bad = whole.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bad).unwrap();
            assert!(HeadFile::read(&path).is_err(), "bit {bit} flipped unseen");
        }
        fs::write(&path, &whole).unwrap();
        let mut again = HeadFile::open(&path).unwrap();
        again.remember("note 5\n").unwrap();
        assert_eq!(HeadFile::read(&path).unwrap().as_deref(), Some("note 5\n"));
    }
}
