//! Room that shipping keeps for itself.
//!
//! Giving back the room of a spool takes a little room first: a checkpoint and a cursor are written
//! beside the old ones and renamed over them. On a disk that the spool has filled there is none, and
//! nothing would ever be given back. So a file is kept that can go.
//!
//! Does not help where the disk was full before the file was made; then somebody has to free some.

use std::io;
use std::path::PathBuf;

use fs_err as fs;

use crate::state::DataDir;

/// Bytes kept: a checkpoint, some cursors, and what others write in the meantime.
const ROOM_BYTES: usize = 128 * 1024;

/// `ship/room`, shared by the processes of a source.
pub(super) struct Room {
    path: PathBuf,
}

impl Room {
    /// Makes it, if it is not there and there is room.
    pub(super) fn new(dir: &DataDir) -> Self {
        let room = Self {
            path: dir.ship().join("room"),
        };
        room.restore();
        room
    }

    /// Does work that needs a little room, once more without the file if there is none.
    pub(super) fn with<T, E: std::error::Error + 'static>(
        &self,
        mut work: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        match work() {
            Err(error) if lacks_room(&error) && fs::remove_file(&self.path).is_ok() => work(),
            result => result,
        }
    }

    /// Makes the file again, once there is room.
    pub(super) fn restore(&self) {
        if !self.path.exists() && fs::write(&self.path, vec![0; ROOM_BYTES]).is_err() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether an error comes from a disk, or a quota, that is full.
fn lacks_room(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(
            kind,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        ) {
            return true;
        }
        at = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_finds_no_room_is_done_again_with_the_room_kept() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("ship")).unwrap();
        let dir = DataDir::new(scratch.path());
        let room = Room::new(&dir);
        let path = room.path.clone();
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let done = room.with(|| if path.exists() { Err(full()) } else { Ok(()) });
        assert!(done.is_ok());
        room.with(|| Err::<(), _>(full())).unwrap_err();
        room.restore();
        assert_eq!(fs::metadata(&path).unwrap().len(), 128 * 1024);
        let other = io::Error::from(io::ErrorKind::PermissionDenied);
        room.with(|| Err::<(), _>(io::Error::new(other.kind(), "no")))
            .unwrap_err();
        assert!(path.exists(), "given up for nothing");
    }
}
