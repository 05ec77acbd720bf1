//! `affiant doctor`.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use affiant_agent::clock;
use affiant_agent::enrol::Enrolment;
use affiant_agent::ship::refused_path;
use affiant_agent::state::DataDir;
use affiant_agent::trail::TrailOptions;
use affiant_entry::rfc3339;
use affiant_spool::{Item, Ordinal, Reader, Spool, Tail};
use fs_err as fs;

use crate::cli::Format;
use crate::data_dir::DataDirArg;
use crate::entries::units;
use crate::error::{ExpectedError, chain};
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Paint, Stdout, clean};

const EXAMPLES: &str = "  \
  affiant doctor
  affiant doctor --data-dir /var/lib/affiant --format json";

/// Syncs measured.
const SYNCS: usize = 20;
/// A sync slower than this delays every call noticeably, microseconds.
const SYNC_SLOW_US: u64 = 10_000;
/// Free space below which the disk fills up soon, bytes.
const FREE_LOW_BYTES: u64 = 1 << 30;
/// Free space below which the next segment finds no room, bytes.
const FREE_NONE_BYTES: u64 = 8 << 20;
/// Clock error from which times of several sources are hard to put in order, microseconds.
const CLOCK_ERROR_US: u64 = 1_000_000;

/// Say what is well and what is not with a data directory
///
/// Looks at permissions, disk, clock, enrolment, spools that dead processes left, and quotas. Writes one small
/// file to measure the disk, and removes it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &[Exit::Ok, Exit::Usage, Exit::Incomplete, Exit::Storage]))]
pub(crate) struct Args {
    #[command(flatten)]
    data_dir: DataDirArg,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One thing looked at.
#[derive(Debug, serde::Serialize)]
struct Line {
    level: Level,
    what: &'static str,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let dir = args.data_dir.to_read()?;
    let mut lines = vec![permissions(&dir)];
    lines.extend(keys(&dir));
    lines.push(space(dir.root()));
    lines.push(sync(dir.root()));
    lines.push(clock_state());
    lines.extend(enrolment(&dir));
    lines.extend(spools(&dir)?);
    print(&lines, args.format)?;
    let worst = lines
        .iter()
        .map(|line| line.level)
        .max()
        .unwrap_or(Level::Ok);
    let storage_failed = lines
        .iter()
        .any(|line| line.level == Level::Fail && line.what == "disk");
    Ok(match worst {
        Level::Ok => Exit::Ok,
        Level::Fail if storage_failed => Exit::Storage,
        Level::Warn | Level::Fail => Exit::Incomplete,
    })
}

fn permissions(dir: &DataDir) -> Line {
    let root = dir.root();
    match fs::metadata(root) {
        Err(error) => Line::new(Level::Fail, "directory", chain(&error)),
        Ok(meta) if meta.mode() & 0o022 != 0 => Line::new(
            Level::Fail,
            "directory",
            format!(
                "`{}` can be written by others (mode {:04o})",
                root.display(),
                meta.mode() & 0o7777
            ),
        )
        .hint(format!("chmod 700 {}", root.display())),
        Ok(meta) if meta.mode() & 0o055 != 0 => Line::new(
            Level::Warn,
            "directory",
            format!(
                "`{}` can be read by others (mode {:04o})",
                root.display(),
                meta.mode() & 0o7777
            ),
        )
        .hint(format!("chmod 700 {}", root.display())),
        Ok(_) => Line::new(
            Level::Ok,
            "directory",
            format!("`{}` is private", root.display()),
        ),
    }
}

fn keys(dir: &DataDir) -> Vec<Line> {
    let mut lines = Vec::new();
    for name in ["source.key", "commit.key"] {
        let path = dir.keys().join(name);
        lines.push(match fs::metadata(&path) {
            Ok(meta) if meta.mode() & 0o077 != 0 => Line::new(
                Level::Fail,
                "key",
                format!(
                    "`{}` can be reached by others (mode {:04o}), and is refused",
                    path.display(),
                    meta.mode() & 0o7777
                ),
            )
            .hint(format!("chmod 600 {}", path.display())),
            Ok(_) => Line::new(Level::Ok, "key", format!("`{name}` is private")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let past = dir.head_names().is_ok_and(|heads| !heads.is_empty());
                let level = if past { Level::Fail } else { Level::Ok };
                let says = if past {
                    "is missing, though seals were made"
                } else {
                    "will be made on first use"
                };
                Line::new(level, "key", format!("`{name}` {says}"))
            }
            Err(error) => Line::new(Level::Fail, "key", chain(&error)),
        });
    }
    lines
}

/// Where the source is enrolled, how long its certificate holds, and why shipping stopped.
fn enrolment(dir: &DataDir) -> Vec<Line> {
    let found = match Enrolment::load(dir) {
        Ok(Some(found)) => found,
        Ok(None) => {
            let says = "is at no aggregator; entries stay here".to_owned();
            return vec![Line::new(Level::Ok, "enrolment", says)];
        }
        Err(error) => return vec![Line::new(Level::Fail, "enrolment", chain(&error))],
    };
    let says = format!("is at {}, log {}", found.ingest, found.log.name);
    let mut lines = vec![Line::new(Level::Ok, "enrolment", says)];
    let now = clock::now();
    let until = rfc3339(found.not_after_us);
    lines.push(if found.has_expired(now) {
        Line::new(Level::Fail, "certificate", format!("ran out at {until}"))
            .hint("it is renewed when the aggregator is reached; is a process running that ships?")
    } else if found.renewal_is_due(now) {
        Line::new(
            Level::Warn,
            "certificate",
            format!("holds until {until}, its renewal is due"),
        )
        .hint("it is renewed when the aggregator is reached; is a process running that ships?")
    } else {
        Line::new(Level::Ok, "certificate", format!("holds until {until}"))
    });
    let key = dir.ship().join("client.key");
    if let Some(meta) = fs::metadata(&key)
        .ok()
        .filter(|meta| meta.mode() & 0o077 != 0)
    {
        let says = format!(
            "`{}` can be reached by others (mode {:04o}), and is refused",
            key.display(),
            meta.mode() & 0o7777
        );
        let hint = format!("chmod 600 {}", key.display());
        lines.push(Line::new(Level::Fail, "key", says).hint(hint));
    }
    if let Ok(refused) = fs::read_to_string(refused_path(dir)) {
        let says = format!("stopped: {}", why(&refused));
        let hint = "nothing is released until it is settled; see `ship/evidence-*.json`";
        lines.push(Line::new(Level::Fail, "shipping", says).hint(hint));
    }
    lines
}

/// What stands in `ship/refused.json`, for people.
fn why(refused: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(refused).unwrap_or_default();
    let member = |name: &str| json.get(name).and_then(serde_json::Value::as_str);
    match (member("time"), member("log"), member("why")) {
        (Some(time), Some(log), Some(why)) => {
            format!("{}, at {}, by log {}", clean(why), clean(time), clean(log))
        }
        _ => clean(refused.trim()),
    }
}

fn space(root: &Path) -> Line {
    let stat = match rustix::fs::statvfs(root) {
        Ok(stat) => stat,
        Err(error) => {
            return Line::new(
                Level::Warn,
                "disk",
                format!("free space is not known: {error}"),
            );
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let says = format!("{} free", units::bytes(free));
    match free {
        0..FREE_NONE_BYTES => {
            Line::new(Level::Fail, "disk", says).hint("free space, or calls will be refused")
        }
        FREE_NONE_BYTES..FREE_LOW_BYTES => {
            Line::new(Level::Warn, "disk", says).hint("free space soon")
        }
        _ => Line::new(Level::Ok, "disk", says),
    }
}

fn sync(root: &Path) -> Line {
    match measure(root) {
        Err(error) => Line::new(
            Level::Fail,
            "disk",
            format!("cannot be written and synced: {}", chain(&error)),
        ),
        Ok((median, worst)) => {
            let says = format!(
                "fdatasync takes {} (median of {SYNCS}), {} at worst",
                units::latency(median),
                units::latency(worst)
            );
            if median > SYNC_SLOW_US {
                Line::new(Level::Warn, "disk", says)
                    .hint("every call waits for one; use a faster disk, or `intent = \"buffered\"`")
            } else {
                Line::new(Level::Ok, "disk", says)
            }
        }
    }
}

/// Median and longest time of a small write with fdatasync, microseconds.
fn measure(root: &Path) -> std::io::Result<(u64, u64)> {
    let path = root.join(format!(".doctor.{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    let measured = (0..SYNCS)
        .map(|_| {
            let before = clock::now();
            file.write_all(&[0; 512])?;
            file.sync_data()?;
            Ok(clock::now().since_us(&before))
        })
        .collect::<std::io::Result<Vec<u64>>>();
    fs::remove_file(&path)?;
    let mut times = measured?;
    times.sort_unstable();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    Ok((at(SYNCS / 2), at(SYNCS - 1)))
}

fn clock_state() -> Line {
    let state = clock::kernel_clock();
    match (state.synchronised.known(), state.error_us_max.known()) {
        (Some(true), Some(error)) if *error < CLOCK_ERROR_US => Line::new(
            Level::Ok,
            "clock",
            format!("is synchronised, within {}", units::latency(*error)),
        ),
        (Some(true), Some(error)) => Line::new(
            Level::Warn,
            "clock",
            format!("may be off by {}", units::latency(*error)),
        )
        .hint("look at your time service"),
        (Some(false), _) => Line::new(Level::Warn, "clock", "no time service keeps it".to_owned())
            .hint("run chrony, ntpd or systemd-timesyncd; entries say so meanwhile"),
        _ => Line::new(
            Level::Warn,
            "clock",
            "the kernel does not say how good it is".to_owned(),
        ),
    }
}

fn spools(dir: &DataDir) -> Result<Vec<Line>, ExpectedError> {
    let names = dir.spool_names().map_err(|e| ExpectedError::storage(&e))?;
    let mut lines: Vec<_> = names.iter().map(|name| spool(dir, name)).collect();
    for name in dir.head_names().map_err(|e| ExpectedError::storage(&e))? {
        if !names.contains(&name) && !name.starts_with('.') {
            lines.push(
                Line::new(
                    Level::Fail,
                    "spool",
                    format!("`{name}` is remembered, but gone"),
                )
                .hint("affiant verify tells more"),
            );
        }
    }
    Ok(lines)
}

fn spool(dir: &DataDir, name: &str) -> Line {
    let path = dir.spool(name);
    let live = Spool::is_locked(&path).unwrap_or(false);
    let quota = TrailOptions::new(dir.clone(), name).spool_bytes_max;
    let used: u64 = fs::read_dir(&path).map_or(0, |entries| {
        entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.metadata().ok())
            .map(|meta| meta.len())
            .sum()
    });
    let mut reader = match Reader::open_from(&path, Ordinal::new(u64::MAX)) {
        Ok(reader) => reader,
        Err(affiant_spool::ReadError::NoSpool { .. }) => {
            return Line::new(Level::Ok, "spool", format!("`{name}` is empty"));
        }
        Err(error) => {
            return Line::new(Level::Fail, "spool", format!("`{name}`: {}", chain(&error)));
        }
    };
    let mut damaged = false;
    loop {
        match reader.next_item() {
            Ok(Some(Item::Damage(_))) => damaged = true,
            Ok(Some(Item::Frame(_))) => {}
            Ok(None) => break,
            Err(error) => {
                return Line::new(Level::Fail, "spool", format!("`{name}`: {}", chain(&error)));
            }
        }
    }
    let size = units::bytes(used);
    if damaged {
        return Line::new(Level::Fail, "spool", format!("`{name}` is damaged"))
            .hint("affiant verify tells more");
    }
    if !live && !matches!(reader.tail(), None | Some(Tail::Clean)) {
        return Line::new(
            Level::Warn,
            "spool",
            format!("`{name}` was left by a process that died, {size}"),
        )
        .hint("the next `affiant run` or `affiant agent` closes it");
    }
    if used > quota / 10 * 9 {
        return Line::new(
            Level::Warn,
            "spool",
            format!("`{name}` is nearly full: {size} of {}", units::bytes(quota)),
        )
        .hint("calls are refused once it is full");
    }
    let state = if live { "live" } else { "closed" };
    Line::new(
        Level::Ok,
        "spool",
        format!("`{name}` is {state}, {size} of {}", units::bytes(quota)),
    )
}

fn print(lines: &[Line], format: Format) -> Result<(), ExpectedError> {
    let mut out = Stdout::lock();
    let paint = Paint::stdout();
    for line in lines {
        if format == Format::Json {
            let json = serde_json::to_vec(line)
                .map_err(|error| ExpectedError::caused(Exit::Storage, &error))?;
            out.line(&json)?;
            continue;
        }
        let mark = match line.level {
            Level::Ok => paint.green("ok  "),
            Level::Warn => paint.yellow("warn"),
            Level::Fail => paint.red("fail"),
        };
        out.line(format!("{mark}  {:9}  {}", line.what, line.says).as_bytes())?;
        if let Some(hint) = &line.hint {
            out.line(
                paint
                    .dim(&format!("                 hint: {hint}"))
                    .as_bytes(),
            )?;
        }
    }
    out.flush()
}

impl Line {
    const fn new(level: Level, what: &'static str, says: String) -> Self {
        Self {
            level,
            what,
            says,
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
