//! The data directory: what lies where.
//!
//! ```text
//! DIR/keys/source.key       signer key of the source's seals, mode 0600
//! DIR/keys/source.vkey      its verifier key (C2SP vkey text)
//! DIR/keys/rotations        rotation notes, oldest first
//! DIR/keys/lock             held while keys are made or rotated
//! DIR/keys/commit.key       key of commitments and token hashes, mode 0600
//! DIR/keys/heads/NAME       last seal of spool NAME that the key holder remembers
//! DIR/spools/NAME/          one spool a chain
//! DIR/ship/enrolment.json   at which aggregator this source is enrolled; beside it key and certificates
//! DIR/ship/checkpoint       the newest checkpoint of its log that was verified
//! DIR/agent.json            where a running gateway listens
//! ```

use std::path::{Path, PathBuf};

use fs_err as fs;

/// The data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Names a data directory; nothing is made yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `keys/`.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// `keys/heads/`.
    #[must_use]
    pub fn heads(&self) -> PathBuf {
        self.root.join("keys").join("heads")
    }

    /// The remembered head of one spool.
    #[must_use]
    pub fn head(&self, spool: &str) -> PathBuf {
        self.heads().join(spool)
    }

    /// `spools/`.
    #[must_use]
    pub fn spools(&self) -> PathBuf {
        self.root.join("spools")
    }

    /// One spool.
    #[must_use]
    pub fn spool(&self, name: &str) -> PathBuf {
        self.spools().join(name)
    }

    /// `ship/`.
    #[must_use]
    pub fn ship(&self) -> PathBuf {
        self.root.join("ship")
    }

    /// `agent.json`.
    #[must_use]
    pub fn agent_json(&self) -> PathBuf {
        self.root.join("agent.json")
    }

    /// Names of the spools on disk, in order; empty if there is no `spools/`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn spool_names(&self) -> std::io::Result<Vec<String>> {
        names(&self.spools(), |t| t.is_dir())
    }

    /// Names of the spools that the key holder remembers, in order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn head_names(&self) -> std::io::Result<Vec<String>> {
        names(&self.heads(), |t| t.is_file())
    }

    /// Makes the directories, private to the user.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn create(&self) -> std::io::Result<()> {
        for dir in [self.root.clone(), self.keys(), self.heads(), self.spools()] {
            create_private_dir(&dir)?;
        }
        Ok(())
    }
}

pub(crate) fn create_private_dir(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}

fn names(dir: &Path, wanted: impl Fn(std::fs::FileType) -> bool) -> std::io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry?;
        if wanted(entry.file_type()?)
            && let Ok(name) = entry.file_name().into_string()
        {
            out.push(name);
        }
    }
    out.sort();
    Ok(out)
}
