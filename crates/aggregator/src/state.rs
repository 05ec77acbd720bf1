//! The data directory of an aggregator: what lies where.
//!
//! ```text
//! DIR/serve.json            where a running aggregator listens; gone once it stopped in order
//! DIR/serve.lock            held while it runs
//! DIR/dev.toml              ports and log name that `--dev` chose at its first start
//! DIR/log/                  the log: `checkpoint` and `tile/…` (C2SP tlog-tiles)
//! DIR/state/                what the log's writer needs: head, staging
//! DIR/state/index.redb      view: seals by number, chains, where the index is; rebuilt from the log
//! DIR/state/tokens/         enrolment tokens by the SHA-256 of their secret
//! DIR/state/api-tokens/ID   API tokens, with the SHA-256 of their secret
//! DIR/state/sources/ID      enrolled sources
//! DIR/state/revoked/ID      sources whose certificates are refused
//! DIR/state/roster          the signed roster
//! DIR/ca/{ca,server}.{key,crt}
//! DIR/keys/log.key          signer key of checkpoints, mode 0600; log.vkey its verifier key
//! DIR/keys/admin.vkey       key that signs rosters
//! DIR/blobs/HEX             blobs by the SHA-256 of their bytes
//! ```

use std::path::{Path, PathBuf};

use crate::files;

/// The data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
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

    /// Whether it looks like the data directory of an aggregator.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.log_key().exists() || self.log().is_dir()
    }

    /// `serve.json`.
    #[must_use]
    pub fn serve_json(&self) -> PathBuf {
        self.root.join("serve.json")
    }

    /// `serve.lock`.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.root.join("serve.lock")
    }

    /// `dev.toml`.
    #[must_use]
    pub fn dev_toml(&self) -> PathBuf {
        self.root.join("dev.toml")
    }

    /// `log/`.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// `state/`.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// `state/index.redb`.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.state().join("index.redb")
    }

    /// `state/tokens/`.
    #[must_use]
    pub fn tokens(&self) -> PathBuf {
        self.state().join("tokens")
    }

    /// `state/api-tokens/`.
    #[must_use]
    pub fn api_tokens(&self) -> PathBuf {
        self.state().join("api-tokens")
    }

    /// `state/sources/`.
    #[must_use]
    pub fn sources(&self) -> PathBuf {
        self.state().join("sources")
    }

    /// `state/revoked/`.
    #[must_use]
    pub fn revoked(&self) -> PathBuf {
        self.state().join("revoked")
    }

    /// `state/roster`.
    #[must_use]
    pub fn roster(&self) -> PathBuf {
        self.state().join("roster")
    }

    /// `state/enrich/`: what sources of facts said last. May hold personal data.
    #[must_use]
    pub fn enrich(&self) -> PathBuf {
        self.state().join("enrich")
    }

    /// `ca/`.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.root.join("ca")
    }

    /// `keys/`.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// `keys/log.key`.
    #[must_use]
    pub fn log_key(&self) -> PathBuf {
        self.keys().join("log.key")
    }

    /// `keys/log.vkey`.
    #[must_use]
    pub fn log_vkey(&self) -> PathBuf {
        self.keys().join("log.vkey")
    }

    /// `keys/admin.vkey`.
    #[must_use]
    pub fn admin_vkey(&self) -> PathBuf {
        self.keys().join("admin.vkey")
    }

    /// `blobs/`.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Makes the directories, private to the user; the log's own are made by the log.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn create(&self) -> std::io::Result<()> {
        let dirs = [
            self.root.clone(),
            self.state(),
            self.tokens(),
            self.tokens().join("used"),
            self.api_tokens(),
            self.sources(),
            self.revoked(),
            self.ca(),
            self.keys(),
            self.blobs(),
        ];
        dirs.iter().try_for_each(|dir| files::private_dir(dir))
    }
}
