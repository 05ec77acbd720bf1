//! A file system so small that a test can fill it.

use std::ffi::CString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::scratch::Scratch;

/// A tmpfs over a directory, or, where none can be mounted, the directory as it is.
#[derive(Debug)]
pub struct SmallDisk {
    /// The directory, private to this user.
    pub dir: PathBuf,
    /// Whether it is a file system of its own.
    pub mounted: bool,
}

impl SmallDisk {
    /// Makes the directory and mounts a file system of so many bytes over it.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn over(dir: PathBuf, bytes: u64) -> Self {
        fs_err::create_dir_all(&dir).unwrap();
        let size = CString::new(format!("size={bytes}")).unwrap();
        let flags = MountFlags::empty();
        let mounted = mount("tmpfs", &dir, "tmpfs", flags, size.as_c_str()).is_ok();
        fs_err::set_permissions(&dir, PermissionsExt::from_mode(0o700)).unwrap();
        Self { dir, mounted }
    }

    /// Takes all the space that is left; what others give back later is left until the next call.
    ///
    /// # Panics
    /// When the file that takes it cannot be made.
    pub fn fill(&self) {
        if self.mounted {
            let mut options = fs_err::OpenOptions::new();
            let filler = options.create(true).append(true).open(self.filler());
            let mut filler = filler.unwrap();
            while filler.write_all(&[0; 4096]).is_ok() {}
        }
    }

    /// Gives it back; `false` where that is not possible.
    #[must_use]
    pub fn free(&self) -> bool {
        self.mounted && fs_err::remove_file(self.filler()).is_ok()
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            if std::thread::panicking() {
                // The file system goes; what was on it is worth a look.
                let _ = Command::new("cp")
                    .arg("-a")
                    .arg(&self.dir)
                    .arg(self.dir.with_extension("kept"))
                    .status();
            }
            let _ = unmount(&self.dir, UnmountFlags::DETACH);
        }
    }
}

/// Set for a test that runs again in a namespace of its own.
const AGAIN: &str = "AFFIANT_TEST_NAMESPACE";

/// Runs a part of the test with this full name where file systems can be mounted: here, or else by
/// running the test again in a namespace in which this user is root. A machine that allows neither
/// is told so on stderr, and the part is left out.
///
/// # Panics
/// When the test fails.
#[expect(clippy::print_stderr, reason = "what is left out must not go unseen")]
pub fn where_disks_are_small(test: &str, part: impl FnOnce()) {
    if can_mount() {
        return part();
    }
    assert!(std::env::var_os(AGAIN).is_none(), "no mount even as root");
    let unshare = ["--user", "--map-root-user", "--mount"];
    let works = Command::new("unshare").args(unshare).arg("true").status();
    if !works.is_ok_and(|status| status.success()) {
        eprintln!("LEFT OUT: {test}: neither root nor user namespaces, so no disk can be filled");
        return;
    }
    let again = Command::new("unshare")
        .args(unshare)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(AGAIN, "1")
        .status();
    assert!(again.unwrap().success(), "{test} failed in its namespace");
}

fn can_mount() -> bool {
    let scratch = Scratch::new("mount");
    let dir: &Path = &scratch.path("try");
    SmallDisk::over(dir.to_owned(), 1 << 20).mounted
}
