//! The keys of one source, made on first use, and their rotation.

use std::path::PathBuf;

use affiant_entry::rotation::{self, Rotation, Trust};
use affiant_entry::{CommitKey, SourceId};
use affiant_tlog::note::{KeyName, SignerKey, VerifierKey};
use fs_err as fs;
use zeroize::Zeroizing;

use super::file::{KeyFileError, read_secret, write_whole};
use crate::state::DataDir;

/// The keys of one source.
#[derive(Debug)]
pub struct KeyRing {
    dir: DataDir,
    source: SourceId,
    signer: SignerKey,
    commit: CommitKey,
}

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// A key file is unfit.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The key on disk was made for another source.
    #[error("key file `{}` is of source `{found}`, not `{wanted}`; use another data directory or `--source {found}`", path.display())]
    OtherSource {
        /// The file.
        path: PathBuf,
        /// The source it names.
        found: String,
        /// The source asked for.
        wanted: String,
    },
    /// The key is gone, but the trail has a past under it.
    #[error("key file `{}` is missing, but spools remember seals made with it; restore it, or move the data directory away", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// A rotation note cannot be made.
    #[error("rotation note cannot be made")]
    Rotation(#[source] rotation::RotationError),
    /// A trust file holds something that is no key.
    #[error("trust file `{}`, line {line}: not a verifier key", path.display())]
    TrustLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A file cannot be read or written.
    #[error("keys cannot be used")]
    Io(#[from] std::io::Error),
}

impl KeyRing {
    /// Opens the keys of a data directory, or makes them on first use. `wanted` names the source of a
    /// new key, and is compared when a key exists.
    ///
    /// # Errors
    /// When a key file is unfit, of another source, or lost though spools have a past.
    pub fn open(dir: &DataDir, wanted: Option<&SourceId>) -> Result<Self, KeyRingError> {
        dir.create()?;
        let _one_at_a_time = lock_keys(dir)?;
        let path = dir.keys().join("source.key");
        let signer = match read_signer(&path)? {
            Some(signer) => signer,
            None if !dir.head_names()?.is_empty() => return Err(KeyRingError::Lost { path }),
            None => {
                let source = wanted.cloned().unwrap_or_else(default_source);
                let signer = new_signer(&source)?;
                write_signer(dir, &signer)?;
                signer
            }
        };
        let source = SourceId::new(signer.name().as_str()).map_err(|_| KeyFileError::Content {
            path: path.clone(),
            what: "signer key of a source",
        })?;
        if let Some(wanted) = wanted.filter(|w| **w != source) {
            return Err(KeyRingError::OtherSource {
                path,
                found: source.to_string(),
                wanted: wanted.to_string(),
            });
        }
        write_verifier(dir, &signer)?;
        let commit = open_commit_key(dir)?;
        Ok(Self {
            dir: dir.clone(),
            source,
            signer,
            commit,
        })
    }

    /// The source these keys are of.
    #[must_use]
    pub const fn source(&self) -> &SourceId {
        &self.source
    }

    /// The key that signs seals.
    #[must_use]
    pub const fn signer(&self) -> &SignerKey {
        &self.signer
    }

    /// The key of commitments and token hashes.
    #[must_use]
    pub const fn commit(&self) -> &CommitKey {
        &self.commit
    }

    /// All rotation notes so far, oldest first; `None` if the key never changed.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rotations(&self) -> std::io::Result<Option<String>> {
        read_optional(&self.dir.keys().join("rotations"))
    }

    /// Replaces the signer key by a new one and leaves a note signed by both.
    /// A running process goes on with the old key until it starts anew.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn rotate(&mut self) -> Result<(), KeyRingError> {
        let _one_at_a_time = lock_keys(&self.dir)?;
        let new = new_signer(&self.source)?;
        let note = Rotation {
            source: self.source.clone(),
            old: self.signer.verifier_key().clone(),
            new: new.verifier_key().clone(),
            utc_us: crate::clock::now().utc_us,
        }
        .sign(&self.signer, &new)
        .map_err(KeyRingError::Rotation)?;
        let mut all = self.rotations()?.unwrap_or_default();
        all.push_str(&note);
        write_whole(&self.dir.keys().join("rotations"), &all, 0o644)?;
        write_signer(&self.dir, &new)?;
        self.signer = new;
        Ok(())
    }
}

/// The keys a verifier trusts for a data directory: those of `trust_file` (a vkey a line, `#` comments),
/// else the directory's own `keys/source.vkey`; with the directory's rotation notes. `None` if there is no key.
///
/// # Errors
/// When a file cannot be read or a line is not a key.
pub fn load_trust(
    dir: &DataDir,
    trust_file: Option<&std::path::Path>,
) -> Result<Option<Trust>, KeyRingError> {
    let path = trust_file.map_or_else(
        || dir.keys().join("source.vkey"),
        std::path::Path::to_path_buf,
    );
    let text = if trust_file.is_some() {
        Some(fs::read_to_string(&path)?)
    } else {
        read_optional(&path)?
    };
    let Some(text) = text else { return Ok(None) };
    let mut keys = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key: VerifierKey = line.parse().map_err(|_| KeyRingError::TrustLine {
            path: path.clone(),
            line: at + 1,
        })?;
        keys.push(key);
    }
    let rotations = read_optional(&dir.keys().join("rotations"))?.unwrap_or_default();
    Ok(Some(Trust::new(keys).with_rotations(&rotations)))
}

/// Several processes may start at the same moment in a fresh directory: one of them makes the keys. The
/// lock ends with the returned file.
fn lock_keys(dir: &DataDir) -> std::io::Result<fs::File> {
    let path = dir.keys().join("lock");
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(file)
}

fn read_signer(path: &std::path::Path) -> Result<Option<SignerKey>, KeyRingError> {
    let Some(text) = read_secret(path)? else {
        return Ok(None);
    };
    let signer = text.trim().parse().map_err(|_| KeyFileError::Content {
        path: path.to_owned(),
        what: "signer key (PRIVATE+KEY+…)",
    })?;
    Ok(Some(signer))
}

fn new_signer(source: &SourceId) -> Result<SignerKey, KeyRingError> {
    let name = KeyName::new(source.as_str()).map_err(|_| KeyFileError::Content {
        path: PathBuf::from(source.as_str()),
        what: "source id that can name a key",
    })?;
    let seed = Zeroizing::new(crate::entropy::bytes::<32>());
    Ok(SignerKey::from_seed(name, &seed))
}

fn write_signer(dir: &DataDir, signer: &SignerKey) -> std::io::Result<()> {
    let mut secret = signer.to_secret_text();
    secret.push('\n');
    write_whole(&dir.keys().join("source.key"), &secret, 0o600)?;
    write_verifier(dir, signer)
}

/// Writes the verifier key beside its signer key, unless it stands there: a process may have died
/// between the two.
fn write_verifier(dir: &DataDir, signer: &SignerKey) -> std::io::Result<()> {
    let path = dir.keys().join("source.vkey");
    let text = format!("{}\n", signer.verifier_key());
    if read_optional(&path)?.as_ref() == Some(&text) {
        return Ok(());
    }
    write_whole(&path, &text, 0o644)
}

fn open_commit_key(dir: &DataDir) -> Result<CommitKey, KeyRingError> {
    let path = dir.keys().join("commit.key");
    let text = match read_secret(&path)? {
        Some(text) => text,
        None => {
            let text = Zeroizing::new(format!(
                "k1:{}\n",
                hex::encode(crate::entropy::bytes::<32>())
            ));
            write_whole(&path, &text, 0o600)?;
            text
        }
    };
    let wrong = || KeyFileError::Content {
        path: path.clone(),
        what: "commitment key (`k1:` and 64 hex digits)",
    };
    let (id, secret) = text.trim().split_once(':').ok_or_else(wrong)?;
    let mut bytes = Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(secret, bytes.as_mut_slice()).map_err(|_| wrong())?;
    Ok(CommitKey::new(id, &bytes))
}

fn read_optional(path: &std::path::Path) -> std::io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The host name, made fit for a source id.
fn default_source() -> SourceId {
    let uname = rustix::system::uname();
    SourceId::sanitized(&uname.nodename().to_string_lossy())
}
