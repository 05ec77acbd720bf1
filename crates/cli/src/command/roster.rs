//! `affiant roster`.

use std::path::{Path, PathBuf};

use affiant_aggregator::sources::Sources;
use affiant_aggregator::{StateDir, clock, files};
use affiant_entry::roster::{Roster, RosterSource};
use affiant_entry::{SourceId, rfc3339};
use affiant_tlog::note::KeyName;
use affiant_tlog::{SignerKey, VerifierKey};
use fs_err as fs;
use serde_json::json;

use crate::cli::Format;
use crate::command::token::aggregator_dir;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Stdout, say};

const EXAMPLES: &str = "  \
  affiant roster new --admin-key admin.key --data-dir /var/lib/affiant    the admin key, once
  affiant roster sign --admin-key admin.key --data-dir /var/lib/affiant   expect what is enrolled now
  affiant roster sign --admin-key admin.key --source gw-7=60 --data-dir /var/lib/affiant
  affiant roster show --data-dir /var/lib/affiant";

const EXITS: [Exit; 5] = [
    Exit::Ok,
    Exit::Usage,
    Exit::Incomplete,
    Exit::Untrusted,
    Exit::Storage,
];

/// Say which sources are expected, signed by a key that no source holds
///
/// Only whoever knows that a source should speak can find it silent. The roster is signed with an admin
/// key, which belongs on the operator's machine and not on the aggregator's; the aggregator keeps its
/// verifier key and puts each roster into the log.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make an admin key, and have the aggregator accept its rosters
    #[command(after_long_help = help::sections("  affiant roster new --admin-key admin.key --data-dir /var/lib/affiant", &EXITS))]
    New {
        /// File for the key; it must not exist
        #[arg(long, value_name = "FILE")]
        admin_key: PathBuf,
        /// Name of the key
        #[arg(long, value_name = "NAME", default_value = "admin")]
        name: String,
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Sign a roster and give it to the aggregator
    ///
    /// Without `--source`, all sources that are enrolled and not revoked are expected, each as often as the
    /// roster before said, else every `--heartbeat` seconds.
    #[command(after_long_help = help::sections("  affiant roster sign --admin-key admin.key --data-dir /var/lib/affiant\n  affiant roster sign --admin-key admin.key --source gw-7=60 --source gw-8=300 --data-dir /var/lib/affiant", &EXITS))]
    Sign {
        /// The admin key
        #[arg(long, value_name = "FILE")]
        admin_key: PathBuf,
        /// A source that is expected, and how often in seconds; it must be enrolled
        #[arg(long, value_name = "ID=SECONDS")]
        source: Vec<String>,
        /// How often sources are expected of which nothing else is said, seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        heartbeat: u64,
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Show the roster and whether its signature holds
    #[command(after_long_help = help::sections("  affiant roster show --data-dir /var/lib/affiant", &EXITS))]
    Show {
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    match &args.action {
        Action::New {
            admin_key,
            name,
            data_dir,
        } => new(admin_key, name, &aggregator_dir(data_dir)?),
        Action::Sign {
            admin_key,
            source,
            heartbeat,
            data_dir,
        } => sign(admin_key, source, *heartbeat, &aggregator_dir(data_dir)?),
        Action::Show { data_dir, format } => show(&aggregator_dir(data_dir)?, *format),
    }
}

fn new(path: &Path, name: &str, dir: &StateDir) -> Result<Exit, ExpectedError> {
    let name = KeyName::new(name).map_err(|error| ExpectedError::usage(error.to_string()))?;
    if path.exists() {
        return Err(ExpectedError::usage(format!(
            "`{}` exists; it is not overwritten",
            path.display()
        )));
    }
    let signer = files::new_signer(name, path).map_err(|error| ExpectedError::storage(&error))?;
    let vkey = signer.verifier_key().to_string();
    files::add_line(&dir.admin_vkey(), &vkey).map_err(|error| ExpectedError::storage(&error))?;
    say(&format!(
        "admin key made in `{}`; keep it away from the aggregator",
        path.display()
    ));
    print(&vkey)
}

fn sign(
    path: &Path,
    wanted: &[String],
    heartbeat_s: u64,
    dir: &StateDir,
) -> Result<Exit, ExpectedError> {
    let admin = signer(path)?;
    let before = current(dir)?;
    let sources = expected(dir, wanted, heartbeat_s, before.as_ref())?;
    let serial = before.map_or(1, |roster| roster.serial.saturating_add(1));
    let made = Roster::new(serial, clock::now().utc_us, sources)
        .and_then(|roster| Ok((roster.sign(&admin)?, roster)));
    let (note, roster) = made.map_err(|error| ExpectedError::usage(error.to_string()))?;
    if !admin_keys(dir)?.contains(admin.verifier_key()) {
        say(
            "this admin key is not in `keys/admin.vkey`: the roster counts if the configuration names it",
        );
    }
    files::replace(&dir.roster(), note.as_bytes())
        .map_err(|error| ExpectedError::storage(&error))?;
    say(&format!(
        "roster {} expects {} sources",
        roster.serial,
        roster.sources().len()
    ));
    Ok(Exit::Ok)
}

/// The sources that are to be expected, from arguments or from what is enrolled.
fn expected(
    dir: &StateDir,
    wanted: &[String],
    heartbeat_s: u64,
    before: Option<&Roster>,
) -> Result<Vec<RosterSource>, ExpectedError> {
    let sources = Sources::new(dir);
    let all = sources
        .all()
        .map_err(|error| ExpectedError::storage(&error))?;
    let mut named = Vec::new();
    for text in wanted {
        let wrong = || ExpectedError::usage(format!("`{text}` is not ID=SECONDS"));
        let (id, seconds) = text.split_once('=').ok_or_else(wrong)?;
        let id = SourceId::new(id).map_err(|error| ExpectedError::usage(error.to_string()))?;
        if !all.iter().any(|source| source.source == id) {
            return Err(ExpectedError::usage(format!(
                "source `{id}` is not enrolled"
            )));
        }
        named.push((id, seconds.parse::<u64>().map_err(|_| wrong())?));
    }
    if wanted.is_empty() {
        for source in &all {
            let revoked = sources.revocation(&source.source);
            if revoked
                .map_err(|error| ExpectedError::storage(&error))?
                .is_some()
            {
                continue;
            }
            let known = before.and_then(|roster| roster.source(&source.source));
            let seconds = known.map_or(heartbeat_s, |known| known.heartbeat_s);
            named.push((source.source.clone(), seconds));
        }
    }
    let key_of = |id: &SourceId| {
        let source = all.iter().find(|source| source.source == *id);
        source.and_then(|source| source.vkey.parse::<VerifierKey>().ok())
    };
    let roster_source = |(source, heartbeat_s): (SourceId, u64)| {
        let key = key_of(&source).ok_or_else(|| {
            ExpectedError::new(
                Exit::Storage,
                format!("source `{source}` has no key on file"),
            )
        })?;
        Ok(RosterSource {
            source,
            key,
            heartbeat_s,
        })
    };
    named.into_iter().map(roster_source).collect()
}

fn show(dir: &StateDir, format: Format) -> Result<Exit, ExpectedError> {
    let Some(note) = read(dir)? else {
        return Err(ExpectedError::new(Exit::Incomplete, "there is no roster")
            .hint("`affiant roster sign` makes it"));
    };
    let roster = Roster::verify(&note, &admin_keys(dir)?).map_err(|error| {
        ExpectedError::caused(Exit::Untrusted, &error)
            .hint("`keys/admin.vkey` in the data directory lists the admin keys")
    })?;
    let mut out = Stdout::lock();
    if format == Format::Json {
        let sources: Vec<_> = roster
            .sources()
            .iter()
            .map(|one| json!({"source": one.source, "vkey": one.key.to_string(), "heartbeat_s": one.heartbeat_s}))
            .collect();
        let value =
            json!({"serial": roster.serial, "time": rfc3339(roster.utc_us), "sources": sources});
        out.line(value.to_string().as_bytes())?;
    } else {
        out.line(format!("roster {} of {}", roster.serial, rfc3339(roster.utc_us)).as_bytes())?;
        for one in roster.sources() {
            let line = format!("{}  every {} s  {}", one.source, one.heartbeat_s, one.key);
            out.line(line.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}

fn read(dir: &StateDir) -> Result<Option<String>, ExpectedError> {
    if !dir.roster().exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(dir.roster());
    text.map(Some)
        .map_err(|error| ExpectedError::storage(&error))
}

/// The roster there is, by its text alone: the next one has a higher serial in any case.
fn current(dir: &StateDir) -> Result<Option<Roster>, ExpectedError> {
    let Some(note) = read(dir)? else {
        return Ok(None);
    };
    let parsed = affiant_tlog::Note::parse(note.as_bytes()).ok();
    Ok(parsed.and_then(|note| Roster::parse_text(note.text()).ok()))
}

fn admin_keys(dir: &StateDir) -> Result<Vec<VerifierKey>, ExpectedError> {
    if !dir.admin_vkey().exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(dir.admin_vkey()).map_err(|e| ExpectedError::storage(&e))?;
    Ok(text
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect())
}

fn signer(path: &Path) -> Result<SignerKey, ExpectedError> {
    let read = files::signer(path);
    let read = read.map_err(|error| {
        let unreadable = matches!(error, files::FileError::Io(_));
        let exit = if unreadable {
            Exit::Usage
        } else {
            Exit::Untrusted
        };
        ExpectedError::caused(exit, &error)
    })?;
    read.ok_or_else(|| {
        ExpectedError::usage(format!("there is no admin key `{}`", path.display()))
            .hint("`affiant roster new` makes one")
    })
}

fn print(line: &str) -> Result<Exit, ExpectedError> {
    let mut out = Stdout::lock();
    out.line(line.as_bytes())?;
    out.flush()?;
    Ok(Exit::Ok)
}
