//! `affiant store`.

use std::path::{Path, PathBuf};

use affiant_store::Status;

use crate::entries::units;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::Stdout;
use crate::store::{Local, STORE, rebuild};

const EXAMPLES: &str = "  \
  affiant store status --data-dir /var/lib/affiant       how far it follows the log, what it takes
  affiant store rebuild --data-dir /var/lib/affiant      make it anew from the log";

const EXITS: [Exit; 4] = [Exit::Ok, Exit::Usage, Exit::Incomplete, Exit::Storage];

/// Look at the store of an aggregator, or make it anew
///
/// The store is what SQL asks: made from the log, and no evidence itself. It may be deleted at any time.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show how far the store follows the log, and what it consists of
    #[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
    Status(Of),
    /// Make the store anew from the log
    ///
    /// Every leaf is read again; answers are the same afterwards. No aggregator may run on the directory
    /// meanwhile. If it is interrupted, the aggregator or the next rebuild goes on.
    #[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
    Rebuild(Of),
}

#[derive(Debug, clap::Args)]
struct Of {
    /// Data directory of an aggregator
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let status = match &args.what {
        What::Status(of) => Local::of_store(&of.data_dir.join(STORE))?.store().status(),
        What::Rebuild(of) => rebuild(&of.data_dir)?,
    };
    show(&status, args.what.dir())?;
    Ok(Exit::Ok)
}

impl What {
    fn dir(&self) -> &Path {
        match self {
            Self::Status(of) | Self::Rebuild(of) => &of.data_dir,
        }
    }
}

fn show(status: &Status, dir: &Path) -> Result<(), ExpectedError> {
    let mut out = Stdout::lock();
    let mut line = |name: &str, value: String| out.line(format!("{name:<16}{value}").as_bytes());
    line("store", dir.join(STORE).display().to_string())?;
    line(
        "entries",
        format!(
            "{} in {}",
            units::count(status.rows),
            units::plural(
                u64::try_from(status.files).unwrap_or(u64::MAX),
                "file",
                "files"
            )
        ),
    )?;
    line("size", size(status))?;
    line(
        "read up to",
        format!("leaf {}", units::count(status.flushed)),
    )?;
    if status.pruned_below > 0 {
        line(
            "pruned below",
            format!("leaf {}", units::count(status.pruned_below)),
        )?;
    }
    if let Some((first, last)) = status.times {
        line(
            "times",
            format!("{} to {}", units::time(first), units::time(last)),
        )?;
    }
    line(
        "facts",
        units::count(u64::try_from(status.facts).unwrap_or(u64::MAX)),
    )?;
    if status.context_faults > 0 {
        line("context faults", units::count(status.context_faults))?;
    }
    out.flush()
}

fn size(status: &Status) -> String {
    let each = status.bytes.checked_div(status.rows).unwrap_or(0);
    format!("{}, {each} B an entry", units::bytes(status.bytes))
}
