//! Which data directory a command works on.

use std::path::{Path, PathBuf};

use affiant_agent::state::DataDir;

use crate::env;
use crate::error::ExpectedError;

/// `--data-dir`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DataDirArg {
    /// Directory with keys and spools [default: `$XDG_STATE_HOME/affiant`, else `~/.local/state/affiant`]
    #[arg(long, value_name = "DIR", env = env::DATA_DIR, hide_env_values = true)]
    data_dir: Option<PathBuf>,
}

impl DataDirArg {
    /// The directory to record into; it is made on first use.
    pub(crate) fn to_write(&self) -> Result<DataDir, ExpectedError> {
        let path = self.path()?;
        if path.exists() && !path.is_dir() {
            return Err(ExpectedError::usage(format!(
                "data directory `{}` is not a directory",
                path.display()
            )));
        }
        Ok(DataDir::new(path))
    }

    /// The directory to read from: it must look like one.
    pub(crate) fn to_read(&self) -> Result<DataDir, ExpectedError> {
        let path = self.path()?;
        let dir = DataDir::new(&path);
        if !path.is_dir() {
            return Err(ExpectedError::usage(format!(
                "there is no data directory `{}`",
                path.display()
            ))
            .hint(
                "give the one that `affiant run` or `affiant agent` writes to, with `--data-dir`",
            ));
        }
        if !looks_like_one(&dir) {
            return Err(not_one(&path));
        }
        Ok(dir)
    }

    /// The log of an aggregator that keeps its data here, if one does.
    pub(crate) fn log(&self) -> Result<Option<PathBuf>, ExpectedError> {
        let log = self.path()?.join("log");
        Ok(crate::verify::log::is_log(&log).then_some(log))
    }

    fn path(&self) -> Result<PathBuf, ExpectedError> {
        let given = self
            .data_dir
            .clone()
            .filter(|path| !path.as_os_str().is_empty());
        given.or_else(default_dir).ok_or_else(|| {
            ExpectedError::usage("no data directory is known").hint(format!(
                "give `--data-dir DIR`, or set `{}` or `{}`",
                env::DATA_DIR,
                env::HOME
            ))
        })
    }
}

/// Whether a directory holds keys or spools.
pub(crate) fn looks_like_one(dir: &DataDir) -> bool {
    dir.spools().is_dir() || dir.keys().is_dir()
}

/// The directory exists, but is another's.
pub(crate) fn not_one(path: &Path) -> ExpectedError {
    ExpectedError::usage(format!(
        "`{}` is not a data directory: it has neither `spools` nor `keys`",
        path.display()
    ))
}

/// Where the state of this user lies, if the environment says so.
pub(crate) fn default_dir() -> Option<PathBuf> {
    let state = env::var(env::XDG_STATE_HOME)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::var(env::HOME).map(|home| PathBuf::from(home).join(".local/state")));
    state.map(|state| state.join("affiant"))
}
