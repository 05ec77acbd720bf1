//! The reserve: a file of zeros whose room is given up when a `gap` or `stop` must be written to
//! a full disk.

use std::io;
use std::path::Path;

use crate::storage::Storage;

pub(crate) const RESERVE_FILE: &str = "reserve";
const RESERVE_TEMPORARY: &str = "reserve.tmp";
static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];

/// Makes the reserve `bytes` long, if it is not; returns its length.
pub(crate) fn ensure(storage: &dyn Storage, dir: &Path, bytes: u64) -> io::Result<()> {
    let path = dir.join(RESERVE_FILE);
    match storage.open_read(&path).and_then(|file| file.len_bytes()) {
        Ok(len) if len == bytes => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let temporary = dir.join(RESERVE_TEMPORARY);
    let result = create(storage, &temporary, bytes)
        .and_then(|()| storage.rename(&temporary, &path))
        .and_then(|()| storage.sync_dir(dir));
    if result.is_err() {
        // Half a reserve would only take room; what matters is the first error.
        let _ = storage.remove(&temporary);
    }
    result
}

fn create(storage: &dyn Storage, path: &Path, bytes: u64) -> io::Result<()> {
    let file = storage.create(path)?;
    write_zeros(&*file, 0, bytes)?;
    file.sync_data()
}

/// Gives up the reserve; returns whether there was one.
pub(crate) fn give_up(storage: &dyn Storage, dir: &Path) -> io::Result<bool> {
    match storage.remove(&dir.join(RESERVE_FILE)) {
        Ok(()) => storage.sync_dir(dir).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the reserve, if there is one, is all zeros.
pub(crate) fn is_sound(storage: &dyn Storage, dir: &Path) -> io::Result<bool> {
    let file = match storage.open_read(&dir.join(RESERVE_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let mut buffer = vec![0; CHUNK.len()];
    let mut offset = 0;
    loop {
        let read = file.read_at(&mut buffer, offset)?;
        let chunk = buffer.get(..read).unwrap_or_default();
        if chunk.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if chunk.is_empty() {
            return Ok(true);
        }
        offset = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
}

/// Writes zeros from `start` to `end`.
pub(crate) fn write_zeros(
    file: &dyn crate::storage::StorageFile,
    start: u64,
    end: u64,
) -> io::Result<()> {
    let mut at = start;
    while at < end {
        let rest = usize::try_from(end - at).unwrap_or(usize::MAX);
        let chunk = CHUNK.get(..rest).unwrap_or(&CHUNK);
        file.write_all_at(chunk, at)?;
        at = at.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}
