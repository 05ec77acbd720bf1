//! `affiant key`.

use std::path::{Path, PathBuf};

use affiant_agent::keys::KeyRing;
use affiant_agent::state::DataDir;
use affiant_aggregator::files::FileError;
use affiant_aggregator::sources::Sources;
use affiant_aggregator::{StateDir, logkey};
use affiant_entry::SourceId;
use affiant_tlog::VerifierKey;
use clap::ValueEnum;
use fs_err as fs;

use crate::command::token::aggregator_dir;
use crate::data_dir::DataDirArg;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::printer::{Stdout, say, warn};
use crate::{help, wiring};

const EXAMPLES: &str = "  \
  affiant key show > gw-7.vkey              what auditors pin: keep it elsewhere
  affiant key new --source gw-7             before the first use; else made then
  affiant key new                           another key from now on, linked to the old one
  affiant key show log --data-dir D         the key of an aggregator's log
  affiant key rotate log --data-dir D       another key for the log, from its next start on
  affiant key revoke gw-7 --data-dir D      an aggregator takes nothing more of this source";

/// Make, rotate, show and revoke keys
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &[Exit::Ok, Exit::Usage, Exit::Incomplete, Exit::Untrusted, Exit::Storage]))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make the keys, or rotate the key that seals
    ///
    /// A new key is linked to the old one by a note that both sign, so that verifiers who trust either
    /// trust both. Processes that run go on with the old key until they are started anew.
    #[command(after_long_help = help::sections("  affiant key new --source gw-7", &[Exit::Ok, Exit::Usage, Exit::Untrusted, Exit::Storage]))]
    New {
        #[command(flatten)]
        data_dir: DataDirArg,
        /// Name of this source, if its first key is made [default: the host's name]
        #[arg(long, value_name = "ID")]
        source: Option<String>,
    },
    /// Print what may be known of a key
    #[command(after_long_help = help::sections("  affiant key show\n  affiant key show commit-id", &[Exit::Ok, Exit::Usage, Exit::Incomplete, Exit::Untrusted, Exit::Storage]))]
    Show {
        #[command(flatten)]
        data_dir: DataDirArg,
        /// Of which key
        #[arg(value_enum, default_value_t)]
        what: What,
        /// With `log`: its ML-DSA-44 key and the keys that signed before, too
        #[arg(long)]
        all: bool,
    },
    /// Make another key for an aggregator's log
    ///
    /// Takes effect with the next start of `affiant serve`: the old key signs an entry that names the new
    /// one, then both sign for `log.key_overlap_s`, then the new one alone. Sources follow by themselves.
    /// Give the new verifier key to whoever pins the log's. For keys in files; one in a device is rotated
    /// there, with a new log.
    #[command(after_long_help = help::sections("  affiant key rotate log --data-dir /var/lib/affiant", &[Exit::Ok, Exit::Usage, Exit::Incomplete, Exit::Untrusted, Exit::Storage]))]
    Rotate {
        /// Of which key
        #[arg(value_enum)]
        what: Rotated,
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Revoke a source: an aggregator takes nothing more of it
    ///
    /// Takes effect with the source's next request, also while `affiant serve` runs, and is final for
    /// this name: a source that was set up anew enrols under another one. The log says it too.
    #[command(after_long_help = help::sections("  affiant key revoke gw-7 --reason \"host was stolen\" --data-dir /var/lib/affiant", &[Exit::Ok, Exit::Usage, Exit::Storage]))]
    Revoke {
        /// The source
        #[arg(value_name = "SOURCE")]
        source: String,
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// Why, for the log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum What {
    /// Verifier key of the source's seals (C2SP vkey)
    #[default]
    Source,
    /// Id of the key of commitments
    CommitId,
    /// Verifier key of the log in an aggregator's data directory
    Log,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rotated {
    /// The key that signs an aggregator's checkpoints
    Log,
}

pub(crate) fn run(args: Args) -> Result<Exit, ExpectedError> {
    match args.action {
        Action::New { data_dir, source } => new(&data_dir.to_write()?, source.as_deref()),
        Action::Show {
            data_dir,
            what,
            all,
        } => show(&data_dir.to_read()?, what, all),
        Action::Rotate {
            what: Rotated::Log,
            data_dir,
        } => rotate_log(&data_dir),
        Action::Revoke {
            source,
            data_dir,
            reason,
        } => revoke(&data_dir, &source, reason.as_deref()),
    }
}

fn new(dir: &DataDir, source: Option<&str>) -> Result<Exit, ExpectedError> {
    let source = wiring::source(source)?;
    let there = dir.keys().join("source.key").exists();
    let refused = |error| wiring::keys_refused(&error);
    let mut ring = KeyRing::open(dir, source.as_ref()).map_err(refused)?;
    if there {
        let old = ring.signer().verifier_key().key_ref().to_string();
        ring.rotate().map_err(refused)?;
        let new = ring.signer().verifier_key().key_ref();
        say(&format!(
            "key {old} is succeeded by {new}; processes that run go on with the old one"
        ));
    } else {
        say(&format!("key made in `{}`", dir.keys().display()));
    }
    print(&ring.signer().verifier_key().to_string())
}

fn revoke(dir: &Path, source: &str, reason: Option<&str>) -> Result<Exit, ExpectedError> {
    let dir = aggregator_dir(dir)?;
    let source = SourceId::new(source).map_err(|error| ExpectedError::usage(error.to_string()))?;
    let sources = Sources::new(&dir);
    let storage = |error: FileError| ExpectedError::storage(&error);
    if sources.find(&source).map_err(storage)?.is_none() {
        warn(&format!(
            "source `{source}` is not enrolled; it cannot enrol any more"
        ));
    }
    let new = sources.revoke(&source, reason).map_err(storage)?;
    say(&if new {
        format!("source {source} is revoked")
    } else {
        format!("source {source} was revoked before")
    });
    Ok(Exit::Ok)
}

fn show(dir: &DataDir, what: What, all: bool) -> Result<Exit, ExpectedError> {
    match what {
        What::Log if all => show_all(dir),
        _ if all => Err(ExpectedError::usage("`--all` goes with `log`")),
        What::Source => show_verifier(dir, "source.vkey"),
        What::Log => show_verifier(dir, "log.vkey"),
        What::CommitId => {
            if !dir.keys().join("commit.key").exists() {
                return Err(no_key(dir));
            }
            let ring = KeyRing::open(dir, None).map_err(|error| wiring::keys_refused(&error))?;
            print(ring.commit().id())
        }
    }
}

fn rotate_log(dir: &Path) -> Result<Exit, ExpectedError> {
    let dir = aggregator_dir(dir)?;
    if !dir.log_key().exists() {
        let error = format!("there is no log key in `{}`", dir.keys().display());
        return Err(ExpectedError::new(Exit::Incomplete, error)
            .hint("the first `affiant serve` makes it; one in a device is rotated there"));
    }
    let prepared = logkey::prepare_rotation(&dir).map_err(|error| {
        let exit = if error.is_unsafe() {
            Exit::Untrusted
        } else {
            Exit::Storage
        };
        ExpectedError::caused(exit, &error)
    })?;
    let Some(key) = prepared else {
        return Err(ExpectedError::usage(
            "a new key waits already for the next start of `affiant serve`",
        ));
    };
    say("the log has this key from the next start of `affiant serve` on; restart it if it runs");
    print(&key.to_string())
}

fn show_all(dir: &DataDir) -> Result<Exit, ExpectedError> {
    let state = StateDir::new(dir.root());
    let keys = logkey::all_keys(&state).map_err(|error| ExpectedError::storage(&error))?;
    if keys.is_empty() {
        return Err(no_key(dir));
    }
    let mut out = Stdout::lock();
    for key in keys {
        out.line(key.as_bytes())?;
    }
    out.flush()?;
    Ok(Exit::Ok)
}

fn show_verifier(dir: &DataDir, name: &str) -> Result<Exit, ExpectedError> {
    let path = dir.keys().join(name);
    if !path.exists() {
        return Err(no_key(dir));
    }
    let text = fs::read_to_string(&path).map_err(|e| ExpectedError::storage(&e))?;
    let key: VerifierKey = text.trim().parse().map_err(|error| {
        ExpectedError::new(
            Exit::Untrusted,
            format!("`{}` does not hold a verifier key: {error}", path.display()),
        )
    })?;
    print(&key.to_string())
}

fn no_key(dir: &DataDir) -> ExpectedError {
    ExpectedError::new(
        Exit::Incomplete,
        format!("there is no key in `{}`", dir.keys().display()),
    )
    .hint("the first `affiant run`, `affiant key new` or `affiant serve` makes it")
}

fn print(line: &str) -> Result<Exit, ExpectedError> {
    let mut out = Stdout::lock();
    out.line(line.as_bytes())?;
    out.flush()?;
    Ok(Exit::Ok)
}
