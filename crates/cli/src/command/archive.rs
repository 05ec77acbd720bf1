//! `affiant archive`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use affiant_aggregator::{StateDir, clock};
use affiant_archive::store::Objects;
use affiant_archive::{
    About, Archiver, Finding, Key, Pace, Problem, Reader, ScrubReport, ScrubState, find_head,
};
use affiant_log::LogReader;
use affiant_tlog::{Checkpoint, Note};
use fs_err as fs;
use serde_json::json;

use crate::archive::{self, ArchiveDir, DirBlobs, Where, rebuild, refused, run_pass};
use crate::cli::Format;
use crate::command::token::aggregator_dir;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Stdout, say, warn};

const EXAMPLES: &str = "  \
  affiant archive status --config serve.toml --data-dir /var/lib/affiant
  affiant archive scrub --config serve.toml
  affiant archive flush --config serve.toml --data-dir /var/lib/affiant
  affiant archive hold 0..70000 --on --config serve.toml
  affiant archive restore --data-dir /srv/new --secrets /mnt/backup file:///mnt/archive";

const EXITS: [Exit; 7] = Exit::ALL;

/// Look after the archive: sets of leaves that nobody changes any more
///
/// `affiant serve` writes it where its configuration has `[archive]`. These commands read it, hold it, and make
/// a data directory from it again. To check an archive in a directory against keys you trust, offline:
/// `affiant verify --trust KEY DIRECTORY`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show how far the archive is, and what the last scrub found
    #[command(after_long_help = help::sections("  affiant archive status --config serve.toml --data-dir /var/lib/affiant\n  affiant archive status file:///mnt/archive", &EXITS))]
    Status(Status),
    /// Look at every object: is it there, unchanged, locked, and not hidden?
    ///
    /// Reads the whole archive once. Reports objects that are missing or changed, that are not locked as asked
    /// for, or that a newer version or a delete marker hides. An aggregator does the same every hour.
    #[command(after_long_help = help::sections("  affiant archive scrub --config serve.toml\n  affiant archive scrub --credentials key.txt s3://evidence/eu-1", &EXITS))]
    Scrub(Scrub),
    /// Make a new data directory from the archive alone
    ///
    /// The log, byte for byte, its blobs, and what it says of sources, rosters and its own keys. Not in an archive,
    /// and so not restored: the log's secret key, the certificate authority, configuration, tokens. Give a
    /// copy of `keys` and `ca` with `--secrets`, and `affiant serve` goes on from there. Leaves that were not
    /// archived are not there: if the log had shown a larger tree, witnesses and sources say so.
    #[command(after_long_help = help::sections("  affiant archive restore --data-dir /srv/new file:///mnt/archive\n  affiant archive restore --data-dir /srv/new --secrets /mnt/backup --config serve.toml", &EXITS))]
    Restore(Restore),
    /// Put a legal hold on the sets that hold leaves of a range, and their blobs, or release it
    #[command(after_long_help = help::sections("  affiant archive hold 0..70000 --on --config serve.toml\n  affiant archive hold 0..70000 --off --config serve.toml", &EXITS))]
    Hold(Hold),
    /// Archive what the log has now, without waiting for a full set
    #[command(after_long_help = help::sections("  affiant archive flush --config serve.toml --data-dir /var/lib/affiant", &EXITS))]
    Flush(Flush),
}

#[derive(Debug, clap::Args)]
struct Status {
    #[command(flatten)]
    place: Where,
    /// The aggregator's data directory, to compare with
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct Scrub {
    #[command(flatten)]
    place: Where,
    /// Bytes read a second, at most; 0 for no bound
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    bytes_per_s: u64,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct Restore {
    #[command(flatten)]
    place: Where,
    /// The directory to make; it must not hold an aggregator's data
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// A copy of `keys` and `ca` of the data directory that was lost
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Hold {
    /// Leaves, FIRST..END, END not among them
    #[arg(value_name = "FIRST..END")]
    leaves: String,
    /// Hold
    #[arg(long, required_unless_present = "off", conflicts_with = "off")]
    on: bool,
    /// Release
    #[arg(long)]
    off: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct Flush {
    #[command(flatten)]
    place: Where,
    /// The aggregator's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// How long a running aggregator may take, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout_s: u64,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    match &args.action {
        Action::Status(args) => status(args),
        Action::Scrub(args) => scrub(args),
        Action::Restore(args) => restore(args),
        Action::Hold(args) => hold(args),
        Action::Flush(args) => flush(args),
    }
}

fn status(args: &Status) -> Result<Exit, ExpectedError> {
    let settings = args.place.settings()?;
    let objects = archive::open(&settings, false)?;
    let mut reader = Reader::new(&*objects);
    let about = reader.about().map_err(|error| refused(&error))?;
    let local = match &args.data_dir {
        Some(dir) => Some(aggregator_dir(dir)?),
        None => None,
    };
    let kept = local.as_ref().map(ArchiveDir::of);
    let known = kept.as_ref().map(ArchiveDir::head).transpose();
    let known = known
        .map_err(|error| ExpectedError::storage(&error))?
        .flatten();
    let head = find_head(&*objects, known.as_ref()).map_err(|error| refused(&error))?;
    let leaves = head.as_ref().map_or(0, |(manifest, _)| manifest.size().0);
    let published = local.as_ref().map(published).transpose()?;
    let last = kept
        .and_then(|kept| kept.scrub().ok())
        .and_then(|state| state.last);
    let value = json!({
        "v": 1,
        "url": settings.url,
        "log": about.as_ref().map(|about| about.log.as_str()),
        "sets": head.as_ref().map_or(0, |(manifest, _)| manifest.set + 1),
        "leaves": leaves,
        "root": head.as_ref().map(|(manifest, _)| manifest.root().to_base64()),
        "newest": head.as_ref().map(|(manifest, _)| manifest.created.as_str()),
        "lock": archive::lock(&settings).map(affiant_archive::store::LockMode::name),
        "log_leaves": published,
        "waiting": published.map(|size| size.saturating_sub(leaves)),
        "last_scrub": last,
    });
    let mut out = Stdout::lock();
    match args.format {
        Format::Json => out.line(value.to_string().as_bytes())?,
        Format::Text => {
            for line in status_lines(&value, last.as_ref()) {
                out.line(line.as_bytes())?;
            }
        }
    }
    out.flush()?;
    Ok(last.map_or(Exit::Ok, |last| verdict(&last)))
}

fn status_lines(value: &serde_json::Value, last: Option<&ScrubReport>) -> Vec<String> {
    let text = |name: &str, absent: &str| match value[name].as_str() {
        Some(text) => text.to_owned(),
        None if value[name].is_null() => absent.to_owned(),
        None => value[name].to_string(),
    };
    let mut lines = vec![
        format!("archive   {}", text("url", "")),
        format!("log       {}", text("log", "none yet")),
        format!(
            "leaves    {} in {} sets",
            text("leaves", "0"),
            text("sets", "0")
        ),
        format!("newest    {}", text("newest", "none yet")),
        format!("lock      {}", text("lock", "none asked for")),
    ];
    if !value["waiting"].is_null() {
        lines.push(format!(
            "waiting   {} leaves of {}",
            text("waiting", "0"),
            text("log_leaves", "0")
        ));
    }
    match last {
        None => lines.push("scrub     none finished that this directory knows of".to_owned()),
        Some(last) => {
            lines.push(format!(
                "scrub     {}: {} objects, {} findings",
                last.ended.as_deref().unwrap_or("not finished"),
                last.objects,
                last.findings_total
            ));
            lines.extend(last.findings.iter().map(finding_line));
        }
    }
    lines
}

fn published(dir: &StateDir) -> Result<u64, ExpectedError> {
    let bytes = LogReader::open_dir(dir.log()).checkpoint();
    let bytes = bytes.map_err(|error| ExpectedError::storage(&error))?;
    let note = bytes.and_then(|bytes| Note::parse(&bytes).ok());
    let checkpoint = note.and_then(|note| Checkpoint::parse(note.text()).ok());
    Ok(checkpoint.map_or(0, |checkpoint| checkpoint.size.0))
}

fn finding_line(finding: &Finding) -> String {
    let detail = match finding.detail.as_str() {
        "" => String::new(),
        detail => format!(" ({detail})"),
    };
    let problem = finding.problem.name().to_uppercase();
    format!("{problem:<11} {}{detail}", finding.key)
}

/// Changed or hidden is *no*; missing or not locked is *could not tell*.
fn verdict(report: &ScrubReport) -> Exit {
    let no = |finding: &Finding| {
        matches!(
            finding.problem,
            Problem::Shadowed | Problem::Changed | Problem::Broken | Problem::RolledBack
        )
    };
    match report.findings_total {
        0 => Exit::Ok,
        _ if report.findings.iter().any(no) => Exit::No,
        _ => Exit::Incomplete,
    }
}

fn scrub(args: &Scrub) -> Result<Exit, ExpectedError> {
    let settings = args.place.settings()?;
    let objects = archive::open(&settings, false)?;
    let pace = Pace {
        bytes_per_s: args.bytes_per_s,
    };
    let stop = AtomicBool::new(false);
    let lock = archive::lock(&settings);
    let state = run_pass(
        &*objects,
        lock,
        pace,
        ScrubState::default(),
        &stop,
        &mut |_, _| Ok(()),
    );
    let report = state
        .map_err(|error| refused(&error))?
        .last
        .unwrap_or_default();
    let mut out = Stdout::lock();
    match args.format {
        Format::Json => {
            let json = serde_json::to_vec(&json!({"v": 1, "scrub": report}));
            out.line(&json.map_err(|error| ExpectedError::storage(&error))?)?;
        }
        Format::Text => {
            for finding in &report.findings {
                out.line(finding_line(finding).as_bytes())?;
            }
            let hidden = report.findings_total - u64::try_from(report.findings.len()).unwrap_or(0);
            if hidden > 0 {
                out.line(format!("and {hidden} more").as_bytes())?;
            }
            let lock = lock.map_or_else(
                || "locks were not asked for".to_owned(),
                |lock| format!("each must be under {} retention", lock.name()),
            );
            out.line(
                format!(
                    "{} findings in {} objects of {} sets, {} leaves, {} bytes; {lock}",
                    report.findings_total, report.objects, report.sets, report.leaves, report.bytes
                )
                .as_bytes(),
            )?;
        }
    }
    out.flush()?;
    Ok(verdict(&report))
}

fn restore(args: &Restore) -> Result<Exit, ExpectedError> {
    let settings = args.place.settings()?;
    let objects = archive::open(&settings, false)?;
    let dir = StateDir::new(&args.data_dir);
    if dir.is_one() {
        let text = format!("`{}` holds an aggregator's data", args.data_dir.display());
        return Err(ExpectedError::usage(text).hint("give a directory that is not there yet"));
    }
    let rebuilt = rebuild(&objects, &dir).map_err(|error| refused(&error))?;
    let has_key = match &args.secrets {
        Some(from) => copy_secrets(from, &dir)?,
        None => false,
    };
    for finding in &rebuilt.findings {
        warn(&finding_line(finding));
    }
    if rebuilt.blobs_missing > 0 {
        warn(&format!(
            "{} blobs are not in the archive",
            rebuilt.blobs_missing
        ));
    }
    say(&format!(
        "log {} restored to {}: {} leaves of {} sets, {} sources, {} blobs",
        rebuilt.log,
        args.data_dir.display(),
        rebuilt.leaves,
        rebuilt.sets,
        rebuilt.sources,
        rebuilt.blobs
    ));
    say(&format!("its key, as the archive says: {}", rebuilt.vkey));
    if !has_key {
        say(
            "the log's secret key is in no archive: put it to keys/log.key before `affiant serve` goes on",
        );
    }
    let missing = rebuilt.blobs_missing > 0;
    Ok(if missing { Exit::Incomplete } else { Exit::Ok })
}

/// Copies `keys` and `ca`; whether the log's key is among them.
fn copy_secrets(from: &Path, dir: &StateDir) -> Result<bool, ExpectedError> {
    let failed = |error: std::io::Error| ExpectedError::storage(&error);
    for (name, to) in [("keys", dir.keys()), ("ca", dir.ca())] {
        let from = from.join(name);
        if !from.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A copy keeps the mode: a secret that others can read is refused when it is used.
            if entry.file_type().map_err(failed)?.is_file() {
                fs::copy(entry.path(), to.join(entry.file_name())).map_err(failed)?;
            }
        }
    }
    Ok(dir.log_key().exists())
}

fn hold(args: &Hold) -> Result<Exit, ExpectedError> {
    let range = args.leaves.split_once("..");
    let range = range.and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
    let (first, end) = range
        .filter(|(first, end)| first < end)
        .ok_or_else(|| ExpectedError::usage(format!("`{}` is not FIRST..END", args.leaves)))?;
    let settings = args.place.settings()?;
    let objects = archive::open(&settings, false)?;
    let keys = held_keys(&objects, first, end).map_err(|error| refused(&error))?;
    if keys.is_empty() {
        return Err(ExpectedError::new(
            Exit::Incomplete,
            "no set holds such leaves",
        ));
    }
    for key in &keys {
        let held = objects.hold(key, None, args.on);
        held.map_err(|error| refused(&error.into()))?;
    }
    let what = if args.on { "held" } else { "released" };
    say(&format!("{} objects {what}", keys.len()));
    Ok(Exit::Ok)
}

/// Every object of the sets that hold leaves of a range, blobs among them.
fn held_keys(
    objects: &Arc<dyn Objects>,
    first: u64,
    end: u64,
) -> Result<Vec<Key>, affiant_archive::ArchiveError> {
    let mut reader = Reader::new(&**objects);
    let mut before = None;
    let mut keys = Vec::new();
    loop {
        let set = before
            .as_ref()
            .map_or(0, |(manifest, _): &(affiant_archive::Manifest, _)| {
                manifest.set + 1
            });
        let Some(next) = reader.manifest(set, before.as_ref())? else {
            return Ok(keys);
        };
        let range = next.0.range();
        if range.start.0 < end && first < range.end.0 {
            keys.push(Key::manifest(set));
            keys.extend(next.0.objects().map(|(_, stored)| stored.key()));
            for chunk in &next.0.chunks {
                keys.extend(reader.blobs_of(chunk)?.iter().map(Key::blob));
            }
        }
        before = Some(next);
    }
}

fn flush(args: &Flush) -> Result<Exit, ExpectedError> {
    let settings = args.place.settings()?;
    let dir = aggregator_dir(&args.data_dir)?;
    let kept = ArchiveDir::of(&dir);
    let failed = |error: std::io::Error| ExpectedError::storage(&error);
    let wanted = published(&dir)?;
    let is_serving = dir.serve_json().exists();
    if !is_serving {
        let objects = archive::open(&settings, true)?;
        let end = cut(&objects, &settings, &dir, &kept)?;
        say(&format!("archived up to leaf {end}"));
        return Ok(Exit::Ok);
    }
    let began = clock::now();
    let mut asked = false;
    loop {
        let end = kept.head().map_err(failed)?.map_or(0, |head| head.end);
        if end >= wanted {
            say(&format!("archived up to leaf {end}"));
            return Ok(Exit::Ok);
        }
        if !asked {
            kept.ask_flush().map_err(failed)?;
            asked = true;
        }
        if clock::now().since_us(&began) >= args.timeout_s.saturating_mul(1_000_000) {
            let text = format!("archive ends at leaf {end}, the log had {wanted}");
            return Err(ExpectedError::new(Exit::Incomplete, text)
                .hint("see the aggregator's messages and `affiant_view_failures_total`"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn cut(
    objects: &Arc<dyn Objects>,
    settings: &affiant_aggregator::config::ArchiveSettings,
    dir: &StateDir,
    kept: &ArchiveDir,
) -> Result<u64, ExpectedError> {
    let failed = |error: std::io::Error| ExpectedError::storage(&error);
    let vkey = fs::read_to_string(dir.log_vkey()).map_err(failed)?;
    let log = vkey.split('+').next().unwrap_or_default().to_owned();
    let about = About::new(log, vkey.trim().to_owned());
    let known = kept.head().map_err(failed)?;
    let archiver = Archiver::open(
        Arc::clone(objects),
        LogReader::open_dir(dir.log()),
        &about,
        archive::limits(settings),
        known.as_ref(),
    );
    let archiver = archiver.map_err(|error| refused(&error))?;
    let mut archiver = archiver.with_blobs(Box::new(DirBlobs(dir.blobs())));
    let cut = archiver.cut(clock::now().utc_us);
    cut.map_err(|error| refused(&error))?;
    if let Some(head) = archiver.head() {
        kept.keep_head(&head).map_err(failed)?;
    }
    Ok(archiver.end().0)
}
