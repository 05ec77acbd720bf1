//! The keys that sign checkpoints: a file or a device, an ML-DSA-44 key beside it, and how one key follows
//! another.
//!
//! ```text
//! keys/log.key         the key in use            keys/log.pq.key      ML-DSA-44
//! keys/log.next.key    made by `affiant key rotate log`; carried out by the next start:
//!
//!   note signed by old and new ─▸ `key` entry under a checkpoint of the old key ─▸ keys/log.rotations
//!     ─▸ keys/log.old.key, keys/log.handover.json ─▸ log.next.key takes the place of log.key
//! ```
//!
//! Until the time in `log.handover.json` the old key signs beside the new one; then its file is removed.
//! A crash between two steps leaves what the next start does again: at worst the entry stands there twice.

use std::path::PathBuf;
use std::sync::Arc;

use affiant_entry::log_rotation::log_rotations;
use affiant_entry::record::{Body, KeyAction, KeyChange};
use affiant_entry::{LogRotation, SourceId};
use affiant_log::{CheckpointSigner, Log, LogOptions, Pkcs11Key, Pkcs11Signer};
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::cosignature::CosignerSigner;
use affiant_tlog::note::{KeyName, Note, SignError};
use affiant_tlog::{SignerKey, VerifierKey};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::config::{DeviceKey, Settings};
use crate::files::{self, FileError};
use crate::own::{self, OwnChain};
use crate::server::StartError;
use crate::state::StateDir;

/// The keys of a log, ready to sign.
pub(crate) struct LogKeys {
    signer: Arc<dyn CheckpointSigner>,
    old: Option<(SignerKey, u64)>,
    earlier: Vec<VerifierKey>,
    own_cosigner: Option<Arc<CosignerSigner>>,
    /// Notes of all rotations, oldest first.
    pub(crate) rotations: String,
}

/// Name of the file beside `checkpoint` with the notes of all rotations, for readers of the log.
pub(crate) const KEY_ROTATIONS: &str = "key-rotations";

/// `keys/log.handover.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Handover {
    v: u64,
    /// From when on the old key signs no more, milliseconds since 1970.
    until_ms: u64,
}

impl LogKeys {
    /// Opens the keys, makes those that are missing, and carries out a rotation that waits.
    pub(crate) fn open(settings: &Settings, dir: &StateDir) -> Result<Self, StartError> {
        if let Some(device) = &settings.device_key {
            let signer = in_device(device, settings)?;
            return Self::with(Arc::new(signer), settings, dir);
        }
        let signer = in_file(settings, dir)?;
        let next_path = next_path(dir);
        let Some(next) = files::signer(&next_path)? else {
            return Self::with(Arc::new(signer), settings, dir);
        };
        check_name(&next, settings)?;
        if next.verifier_key() == signer.verifier_key() {
            // Died after the last step but this one.
            fs::remove_file(&next_path)?;
            return Self::with(Arc::new(signer), settings, dir);
        }
        rotate(signer, &next, settings, dir)?;
        Self::with(Arc::new(next), settings, dir)
    }

    fn with(
        signer: Arc<dyn CheckpointSigner>,
        settings: &Settings,
        dir: &StateDir,
    ) -> Result<Self, StartError> {
        let rotations = files::read_optional(&rotations_path(dir))?.unwrap_or_default();
        let shown = dir.log().join(KEY_ROTATIONS);
        if !rotations.is_empty() && files::read_optional(&shown)?.as_ref() != Some(&rotations) {
            files::write_whole(&shown, rotations.as_bytes(), 0o444)?;
        }
        let links = log_rotations(&rotations).into_iter();
        Ok(Self {
            earlier: links.map(|link| link.old).collect(),
            old: old(dir)?,
            own_cosigner: own_cosigner(settings, dir)?,
            signer,
            rotations,
        })
    }

    /// The verifier key that signs from now on.
    pub(crate) fn verifier_key(&self) -> &VerifierKey {
        self.signer.verifier_key()
    }

    /// Gives the keys to a log.
    pub(crate) fn give_to(self, options: &mut LogOptions) {
        options.earlier_keys = self.earlier;
        options.own_cosigner = self.own_cosigner;
        if let Some((old, until_ms)) = self.old {
            options.co_signers = vec![Arc::new(old)];
            options.co_signers_until_ms = Some(until_ms);
        }
    }

    /// What the log is opened with.
    pub(crate) fn signer(&self) -> Arc<dyn CheckpointSigner> {
        Arc::clone(&self.signer)
    }
}

/// Writes the verifier keys where people and `affiant key show log` find them.
pub(crate) fn write_vkeys(dir: &StateDir, key: &VerifierKey) -> std::io::Result<()> {
    let text = format!("{key}\n");
    if files::read_optional(&dir.log_vkey())?.as_ref() == Some(&text) {
        return Ok(());
    }
    files::write_whole(&dir.log_vkey(), text.as_bytes(), 0o644)
}

/// Makes the key that the next start of the aggregator rotates to; `None` if one waits already.
///
/// # Errors
/// [`FileError::Content`] where the directory has no log key in a file; else when it cannot be written.
pub fn prepare_rotation(dir: &StateDir) -> Result<Option<VerifierKey>, FileError> {
    let wrong = || FileError::content(&dir.log_key(), "key of a log, in a file");
    let key = files::signer(&dir.log_key())?.ok_or_else(wrong)?;
    let path = next_path(dir);
    if files::signer(&path)?.is_some() {
        return Ok(None);
    }
    let made = files::new_signer(key.name().clone(), &path)?;
    Ok(Some(made.verifier_key().clone()))
}

/// Every key of the log of a data directory as text, the one in use first: then the ML-DSA-44 key, if there
/// is one, and the keys that signed before, newest first.
///
/// # Errors
/// When a file cannot be read.
pub fn all_keys(dir: &StateDir) -> Result<Vec<String>, FileError> {
    let mut keys = Vec::new();
    for path in [dir.log_vkey(), pq_vkey_path(dir)] {
        let text = files::read_optional(&path)?.unwrap_or_default();
        keys.extend(text.lines().map(str::to_owned));
    }
    let rotations = files::read_optional(&rotations_path(dir))?.unwrap_or_default();
    for link in log_rotations(&rotations).into_iter().rev() {
        let old = link.old.to_string();
        if !keys.contains(&old) {
            keys.push(old);
        }
    }
    Ok(keys)
}

/// The key of the log in its file; made with the log, and never again.
fn in_file(settings: &Settings, dir: &StateDir) -> Result<SignerKey, StartError> {
    let path = dir.log_key();
    if let Some(signer) = files::signer(&path)? {
        check_name(&signer, settings)?;
        return Ok(signer);
    }
    if dir.log().join("checkpoint").exists() {
        return Err(StartError::KeyLost { path });
    }
    Ok(files::new_signer(name(settings, &path)?, &path)?)
}

fn check_name(signer: &SignerKey, settings: &Settings) -> Result<(), StartError> {
    let found = signer.name().as_str();
    if found == settings.log_name {
        return Ok(());
    }
    Err(StartError::OtherLog {
        found: found.to_owned(),
        wanted: settings.log_name.clone(),
    })
}

fn name(settings: &Settings, path: &std::path::Path) -> Result<KeyName, FileError> {
    KeyName::new(&settings.log_name)
        .map_err(|_| FileError::content(path, "key of a log with a usable name"))
}

fn in_device(device: &DeviceKey, settings: &Settings) -> Result<Pkcs11Signer, StartError> {
    let key = Pkcs11Key {
        module: &device.module,
        token: &device.token_label,
        label: &device.key_label,
    };
    let wrong = || FileError::content(&device.pin_file, "PIN");
    let pin = files::read_secret(&device.pin_file)?.ok_or_else(wrong)?;
    let name = name(settings, &device.module)?;
    Pkcs11Signer::open(&key, pin.trim().to_owned(), name).map_err(|source| StartError::Device {
        module: device.module.clone(),
        source,
    })
}

/// The key before the last rotation, while it signs; removed once it does no more.
fn old(dir: &StateDir) -> Result<Option<(SignerKey, u64)>, StartError> {
    let handover: Option<Handover> = files::read_json(&handover_path(dir), "hand-over of a key")?;
    let path = old_path(dir);
    let Some(handover) = handover else {
        return Ok(None);
    };
    let now_ms = u64::try_from(clock::now().utc_us / 1_000).unwrap_or_default();
    if handover.until_ms > now_ms {
        return Ok(files::signer(&path)?.map(|key| (key, handover.until_ms)));
    }
    if path.exists() {
        fs::remove_file(&path)?;
        tracing::info!("hand-over of the log's key is past; the old key is removed");
    }
    fs::remove_file(handover_path(dir))?;
    Ok(None)
}

fn own_cosigner(
    settings: &Settings,
    dir: &StateDir,
) -> Result<Option<Arc<CosignerSigner>>, StartError> {
    if !settings.ml_dsa_44 {
        return Ok(None);
    }
    let path = dir.keys().join("log.pq.key");
    let key = files::ml_dsa_44(&path, name(settings, &path)?)?;
    let vkey = format!("{}\n", key.key());
    if files::read_optional(&pq_vkey_path(dir))?.as_ref() != Some(&vkey) {
        files::write_whole(&pq_vkey_path(dir), vkey.as_bytes(), 0o644)?;
    }
    Ok(Some(Arc::new(key)))
}

/// Carries out a rotation that waits, step by step.
fn rotate(
    signer: SignerKey,
    next: &SignerKey,
    settings: &Settings,
    dir: &StateDir,
) -> Result<(), StartError> {
    let (old, new) = (signer.verifier_key().clone(), next.verifier_key().clone());
    let secret = signer.to_secret_text();
    let mut notes = files::read_optional(&rotations_path(dir))?.unwrap_or_default();
    let said = log_rotations(&notes)
        .iter()
        .any(|link| link.old == old && link.new == new);
    if !said {
        let log = Origin::of(old.name());
        let log = log.map_err(|_| FileError::content(&dir.log_key(), "usable log key"))?;
        let note = note(log, &signer, next).map_err(StartError::Rotation)?;
        let mut keys = LogKeys::with(Arc::new(signer), settings, dir)?;
        // Of an earlier hand-over: two rotations in a row leave the last old key alone.
        keys.old = None;
        announce(keys, &note, &new, settings, dir)?;
        notes.push_str(&note);
        files::write_whole(&rotations_path(dir), notes.as_bytes(), 0o644)?;
    }
    let overlap_ms = settings.key_overlap.as_millis();
    let overlap_ms = u64::try_from(overlap_ms).unwrap_or(u64::MAX);
    let overlap_ms = overlap_ms.max(settings.source_lifetime_s.saturating_mul(1_000));
    let now_ms = u64::try_from(clock::now().utc_us / 1_000).unwrap_or_default();
    let handover = Handover {
        v: 1,
        until_ms: now_ms.saturating_add(overlap_ms),
    };
    let secret = zeroize::Zeroizing::new(format!("{}\n", *secret));
    files::write_whole(&old_path(dir), secret.as_bytes(), 0o600)?;
    files::write_json(&handover_path(dir), &handover, 0o644)?;
    // The log is opened with the new key from here on.
    fs::rename(next_path(dir), dir.log_key())?;
    files::sync_dir(&dir.keys())?;
    tracing::info!(%old, %new, "log's key is rotated");
    Ok(())
}

fn note(log: Origin, old: &SignerKey, new: &SignerKey) -> Result<String, SignError> {
    let rotation = LogRotation {
        log,
        old: old.verifier_key().clone(),
        new: new.verifier_key().clone(),
        utc_us: clock::now().utc_us,
    };
    let mut note = Note::sign(&rotation.to_text(), old)?;
    note.add_signature(new)?;
    Ok(note.to_string())
}

/// Says in the log, under the old key, which key comes next. Waits for the checkpoint.
fn announce(
    keys: LogKeys,
    note: &str,
    new: &VerifierKey,
    settings: &Settings,
    dir: &StateDir,
) -> Result<(), StartError> {
    let key = keys.verifier_key().to_string();
    let log = open_log(keys, settings, dir)?;
    let body = Body::Key(Box::new(KeyChange {
        action: KeyAction::Log,
        subject: settings.log_name.clone(),
        vkey: new.to_string(),
        rotation: Some(note.to_owned()),
        certificate: None,
        reason: None,
    }));
    let own_id: SourceId = settings.own_id.clone();
    let mut own = OwnChain::new(
        own_id,
        settings.log_name.clone(),
        key,
        settings.digest.clone(),
    );
    let leaves = own.encode(log.epoch(), &[own::record(body)]);
    let leaves = leaves.map_err(std::io::Error::other)?;
    let appended = log.submit(leaves).wait();
    log.close();
    appended.map(drop).map_err(StartError::Announce)
}

/// Opens the log with these keys.
pub(crate) fn open_log(
    keys: LogKeys,
    settings: &Settings,
    dir: &StateDir,
) -> Result<Log, StartError> {
    let mut options = LogOptions::new(dir.log(), dir.state(), keys.signer());
    keys.give_to(&mut options);
    options.interval = settings.interval;
    options.idle = settings.idle;
    let witness = settings.witness.as_ref();
    options.witnesses = witness.map(crate::server::witnesses).transpose()?;
    Ok(Log::open(options)?)
}

fn next_path(dir: &StateDir) -> PathBuf {
    dir.keys().join("log.next.key")
}

fn old_path(dir: &StateDir) -> PathBuf {
    dir.keys().join("log.old.key")
}

fn handover_path(dir: &StateDir) -> PathBuf {
    dir.keys().join("log.handover.json")
}

fn rotations_path(dir: &StateDir) -> PathBuf {
    dir.keys().join("log.rotations")
}

fn pq_vkey_path(dir: &StateDir) -> PathBuf {
    dir.keys().join("log.pq.vkey")
}
