//! `affiant spool`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use affiant_agent::ship::{self, Ended, ShipError, ShipOptions};
use affiant_agent::state::DataDir;
use affiant_spool::{FrameKind, Item, Ordinal, ReadError, Reader, Spool, Tail};
use fs_err as fs;
use serde::Serialize;

use crate::cli::Format;
use crate::data_dir::DataDirArg;
use crate::entries::units::{bytes, count, plural};
use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Paint, Stdout, clean, say};

const EXAMPLES: &str = "  \
  affiant spool ls
  affiant spool inspect crm
  affiant spool inspect --format json | jq .damage
  affiant spool ship";

const SHIP_EXITS: [Exit; 6] = [
    Exit::Ok,
    Exit::Usage,
    Exit::Incomplete,
    Exit::Untrusted,
    Exit::Unreachable,
    Exit::Storage,
];

/// How long `ship` waits for an aggregator that is not reached.
const PATIENCE: Duration = Duration::from_secs(30);

const EXITS: [Exit; 4] = [Exit::Ok, Exit::Usage, Exit::Incomplete, Exit::Storage];

/// Look at the spools on disk, and ship them
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the spools of a data directory
    #[command(after_long_help = help::sections("  affiant spool ls --format json", &EXITS))]
    Ls {
        #[command(flatten)]
        data_dir: DataDirArg,
        /// How the list is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Read a spool through and say what it holds, file by file
    ///
    /// Checks the storage only; `affiant verify` checks seals.
    #[command(after_long_help = help::sections("  affiant spool inspect crm", &EXITS))]
    Inspect {
        /// Which spool [default: all, one behind the other]
        name: Option<String>,
        #[command(flatten)]
        data_dir: DataDirArg,
        /// How the answer is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Ship what dead processes left, and end
    ///
    /// Closes what they left open, ships all of it to the aggregator this source is enrolled at, and
    /// gives back the room. Spools of processes that live are left to them. Tries for half a minute if
    /// the aggregator is not reached.
    #[command(after_long_help = help::sections("  affiant spool ship --once", &SHIP_EXITS))]
    Ship {
        #[command(flatten)]
        data_dir: DataDirArg,
        /// Try once only
        #[arg(long)]
        once: bool,
    },
}

/// One line of `ls`.
#[derive(Debug, Serialize)]
struct Summary {
    name: String,
    state: &'static str,
    frames: u64,
    acknowledged: u64,
    pending: u64,
    segments: u64,
    blobs: u64,
    bytes: u64,
}

/// What `inspect` found.
#[derive(Debug, Serialize)]
struct Inspection {
    name: String,
    id: Option<String>,
    state: &'static str,
    tail: String,
    entries: u64,
    seals: u64,
    payload_bytes: u64,
    acknowledged: u64,
    files: Vec<File>,
    damage: Vec<String>,
}

#[derive(Debug, Serialize)]
struct File {
    name: String,
    bytes: u64,
}

pub(crate) fn run(args: Args) -> Result<Exit, ExpectedError> {
    match args.action {
        Action::Ls { data_dir, format } => ls(&data_dir.to_read()?, format),
        Action::Inspect {
            name,
            data_dir,
            format,
        } => inspect_all(&data_dir.to_read()?, name.as_deref(), format),
        Action::Ship { data_dir, once } => ship_all(&data_dir.to_read()?, once),
    }
}

fn ship_all(dir: &DataDir, once: bool) -> Result<Exit, ExpectedError> {
    let patience = if once { Duration::ZERO } else { PATIENCE };
    let options = ShipOptions::all_of(dir, patience);
    let stats = Arc::clone(&options.stats);
    let ended = ship::ship(options).map_err(|error| ship_refused(&error))?;
    let acknowledged: u64 = stats.spools().values().map(|s| s.acknowledged).sum();
    say(&format!(
        "{} shipped and acknowledged",
        plural(acknowledged, "entry", "entries")
    ));
    match ended {
        Ended::Done | Ended::Stopped => {}
        Ended::Unreachable(why) => return Err(ExpectedError::new(Exit::Unreachable, why)),
        Ended::Refused(why) => return Err(ExpectedError::new(Exit::Untrusted, why)),
    }
    let names = dir.spool_names().map_err(|e| ExpectedError::storage(&e))?;
    let live = |name: &&String| Spool::is_locked(dir.spool(name)).unwrap_or(false);
    for name in names.iter().filter(live) {
        say(&format!(
            "spool {} is shipped by its own process",
            clean(name)
        ));
    }
    Ok(Exit::Ok)
}

fn ship_refused(error: &ShipError) -> ExpectedError {
    let exit = match error {
        ShipError::NotEnrolled => {
            return ExpectedError::caused(Exit::Usage, error).hint("affiant enroll URL --token T");
        }
        ShipError::Head(_) | ShipError::Credentials(_) => Exit::Untrusted,
        ShipError::Enrolment(_) | ShipError::Name(_) => Exit::Usage,
        ShipError::Io(_) | _ => Exit::Storage,
    };
    ExpectedError::caused(exit, error)
}

/// Whether a spool of this name is there; else the error, with the nearest name.
pub(super) fn known(dir: &DataDir, names: &[String], name: &str) -> Result<(), ExpectedError> {
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    let error = ExpectedError::usage(format!(
        "there is no spool `{name}` in `{}`",
        dir.spools().display()
    ));
    Err(if names.is_empty() {
        error.hint("there is none at all")
    } else {
        error.hint(format!(
            "there are {}",
            names
                .iter()
                .map(|known| format!("`{known}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ))
    })
}

fn ls(dir: &DataDir, format: Format) -> Result<Exit, ExpectedError> {
    let names = dir.spool_names().map_err(|e| ExpectedError::storage(&e))?;
    let spools = names
        .iter()
        .map(|name| summary(dir, name))
        .collect::<Result<Vec<_>, _>>()?;
    let mut out = Stdout::lock();
    match format {
        Format::Json => {
            for spool in &spools {
                out.line(&to_json(spool)?)?;
            }
        }
        Format::Text => {
            let wide = names.iter().map(String::len).chain([4]).max().unwrap_or(4);
            let head = format!(
                "{:wide$}  {:8}  {:>12}  {:>12}  {:>8}  {:>6}  {:>9}",
                "NAME", "STATE", "FRAMES", "ACKNOWLEDGED", "SEGMENTS", "BLOBS", "SIZE"
            );
            out.line(Paint::stdout().bold(&head).as_bytes())?;
            for spool in &spools {
                let line = format!(
                    "{:wide$}  {:8}  {:>12}  {:>12}  {:>8}  {:>6}  {:>9}",
                    clean(&spool.name),
                    spool.state,
                    count(spool.frames),
                    count(spool.acknowledged),
                    count(spool.segments),
                    count(spool.blobs),
                    bytes(spool.bytes)
                );
                out.line(line.as_bytes())?;
            }
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}

fn summary(dir: &DataDir, name: &str) -> Result<Summary, ExpectedError> {
    let path = dir.spool(name);
    let files = files(&path)?;
    let mut summary = Summary {
        name: name.to_owned(),
        state: "empty",
        frames: 0,
        acknowledged: 0,
        pending: 0,
        segments: len(files
            .iter()
            .filter(|file| file.name.ends_with(".aff"))
            .count()),
        blobs: len(files
            .iter()
            .filter(|file| file.name.starts_with("blobs/"))
            .count()),
        bytes: files.iter().map(|file| file.bytes).sum(),
    };
    // Only the last segment is read: it tells where the spool ends.
    let mut reader = match Reader::open_from(&path, Ordinal::new(u64::MAX)) {
        Ok(reader) => reader,
        Err(ReadError::NoSpool { .. }) => return Ok(summary),
        Err(error) => return Err(cannot_read(name, &error)),
    };
    while reader
        .next_item()
        .map_err(|error| cannot_read(name, &error))?
        .is_some()
    {}
    summary.state = state(&path, reader.tail());
    summary.frames = reader.next_ordinal().get();
    summary.acknowledged = reader.acknowledged_end().get();
    summary.pending = summary.frames.saturating_sub(summary.acknowledged);
    Ok(summary)
}

fn inspect_all(dir: &DataDir, name: Option<&str>, format: Format) -> Result<Exit, ExpectedError> {
    let mut names = dir.spool_names().map_err(|e| ExpectedError::storage(&e))?;
    if let Some(name) = name {
        known(dir, &names, name)?;
        names = vec![name.to_owned()];
    }
    let mut out = Stdout::lock();
    let mut damaged = false;
    for (at, name) in names.iter().enumerate() {
        let found = inspect(dir, name)?;
        damaged |= !found.damage.is_empty();
        match format {
            Format::Json => out.line(&to_json(&found)?)?,
            Format::Text => {
                if at > 0 {
                    out.line(b"")?;
                }
                describe(&found, &mut out)?;
            }
        }
    }
    out.flush()?;
    Ok(if damaged { Exit::Incomplete } else { Exit::Ok })
}

fn inspect(dir: &DataDir, name: &str) -> Result<Inspection, ExpectedError> {
    let path = dir.spool(name);
    let mut found = Inspection {
        name: name.to_owned(),
        id: None,
        state: "empty",
        tail: String::new(),
        entries: 0,
        seals: 0,
        payload_bytes: 0,
        acknowledged: 0,
        files: files(&path)?,
        damage: Vec::new(),
    };
    let mut reader = match Reader::open_strict(&path) {
        Ok(reader) => reader,
        Err(ReadError::NoSpool { .. }) => return Ok(found),
        Err(error) => return Err(cannot_read(name, &error)),
    };
    while let Some(item) = reader
        .next_item()
        .map_err(|error| cannot_read(name, &error))?
    {
        match item {
            Item::Frame(frame) => {
                found.payload_bytes += len(frame.payload.len());
                match frame.kind {
                    FrameKind::Entry => found.entries += 1,
                    FrameKind::Seal => found.seals += 1,
                }
            }
            Item::Damage(damage) => found.damage.push(damage.to_string()),
        }
    }
    found.state = state(&path, reader.tail());
    found.tail = tail(reader.tail());
    found.id = reader.id().map(|id| id.to_string());
    found.acknowledged = reader.acknowledged_end().get();
    Ok(found)
}

fn describe(found: &Inspection, out: &mut Stdout) -> Result<(), ExpectedError> {
    let paint = Paint::stdout();
    out.line(format!("{}  {}", paint.bold(&clean(&found.name)), found.state).as_bytes())?;
    let mut say = |name: &str, text: String| out.line(format!("  {name:13} {text}").as_bytes());
    say("id", found.id.clone().unwrap_or_else(|| "none".to_owned()))?;
    say(
        "frames",
        format!(
            "{}, {}, {}",
            plural(found.entries, "entry", "entries"),
            plural(found.seals, "seal", "seals"),
            bytes(found.payload_bytes)
        ),
    )?;
    say(
        "acknowledged",
        plural(found.acknowledged, "frame", "frames"),
    )?;
    say("end", found.tail.clone())?;
    for file in &found.files {
        say("file", format!("{}  {}", file.name, bytes(file.bytes)))?;
    }
    for damage in &found.damage {
        say("damage", paint.red(&clean(damage)))?;
    }
    Ok(())
}

fn state(path: &Path, tail: Option<Tail>) -> &'static str {
    match (Spool::is_locked(path).unwrap_or(false), tail) {
        (true, _) => "live",
        (false, Some(Tail::Clean) | None) => "closed",
        (false, Some(_)) => "crashed",
    }
}

fn tail(tail: Option<Tail>) -> String {
    match tail {
        None | Some(Tail::Clean) => "clean".to_owned(),
        Some(Tail::Slack { zero_bytes }) => format!("{} of room ahead", bytes(zero_bytes)),
        Some(Tail::Torn { position, bytes }) => {
            format!("{} torn at {position}", plural(bytes, "byte", "bytes"))
        }
        Some(Tail::Unterminated { position, bytes }) => {
            format!(
                "cut off or overwritten at {position}, {} behind",
                plural(bytes, "byte", "bytes")
            )
        }
    }
}

/// The files of a spool, blobs among them, in order.
fn files(dir: &Path) -> Result<Vec<File>, ExpectedError> {
    let mut out = Vec::new();
    for (below, prefix) in [(dir.to_owned(), ""), (dir.join("blobs"), "blobs/")] {
        let entries = match fs::read_dir(&below) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(ExpectedError::storage(&error)),
        };
        for entry in entries.filter_map(Result::ok) {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_file() {
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                out.push(File {
                    name,
                    bytes: meta.len(),
                });
            }
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

fn cannot_read(name: &str, error: &ReadError) -> ExpectedError {
    let exit = if matches!(error, ReadError::Version { .. }) {
        Exit::Incomplete
    } else {
        Exit::Storage
    };
    ExpectedError::new(exit, format!("spool `{name}`: {}", chain(error)))
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, ExpectedError> {
    serde_json::to_vec(value).map_err(|error| ExpectedError::caused(Exit::Storage, &error))
}

fn len(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
