//! `affiant demo`.

use std::path::{Path, PathBuf};

use affiant_agent::state::DataDir;
use fs_err as fs;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Format;
use crate::demo::{Story, Summary, tell};
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::say;

const EXAMPLES: &str = "  \
  affiant demo                                   a minute of reading
  affiant demo --data-dir ./trail                leave the evidence there
  affiant demo --format json | jq .ok            for machines";

const CODES: &str = "  \
  0    every step came out as told
  1    a step came out otherwise
  2    wrong arguments
  5    an address could not be reached, or is taken
  6    the storage failed, or is full
  130  interrupted";

/// See Affiant at work on a real MCP server, in seconds
///
/// Starts a small MCP server twice, on stdio behind `affiant run` and over HTTP behind `affiant
/// agent`, makes calls with a real client, lists and verifies what was recorded, alters copies of it
/// and shows that verification refuses them, and crashes the recorder in the middle of a call. Uses
/// local ports only; each step is checked. What was recorded is kept.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections_with(EXAMPLES, CODES))]
pub(crate) struct Args {
    /// Where the evidence goes: a directory that is empty or not there [default: a temporary one]
    // Not `DataDirArg`: a demonstration never goes into the directory that the environment names.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How it is told
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let dir = fresh(args.data_dir.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ExpectedError::storage(&error))?;
    let mut story = Story::new(args.format == Format::Json);
    let told = runtime.block_on(async {
        let mut signals = [
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ];
        let [interrupt, terminate, hangup] = &mut signals;
        // Where a signal wins, the story is dropped, and with it every process it started.
        Ok(tokio::select! {
            told = tell(DataDir::new(&dir), &mut story) => Some(told),
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
            _ = hangup.recv() => None,
        })
    })?;
    let Some((summary, told)) = told else {
        say(&format!(
            "interrupted; what was recorded is in {}",
            dir.display()
        ));
        return Ok(Exit::Child(130));
    };
    if args.format == Format::Json {
        story.data(&json(&summary)?)?;
    }
    told.map(|()| Exit::Ok)
        .map_err(|error| error.hint(format!("what was recorded is in {}", dir.display())))
}

/// A directory without a past.
fn fresh(given: Option<&Path>) -> Result<PathBuf, ExpectedError> {
    let Some(path) = given else {
        let dir = tempfile::Builder::new().prefix("affiant-demo-").tempdir();
        return dir
            .map(tempfile::TempDir::keep)
            .map_err(|error| ExpectedError::storage(&error));
    };
    if path.exists() {
        let refused = |what: &str| ExpectedError::usage(format!("`{}` {what}", path.display()));
        let mut entries = fs::read_dir(path).map_err(|_| refused("is not a directory"))?;
        if entries.next().is_some() {
            return Err(refused("is not empty").hint("the demo wants a directory of its own"));
        }
    }
    DataDir::new(path)
        .create()
        .map_err(|error| ExpectedError::storage(&error))?;
    fs::canonicalize(path).map_err(|error| ExpectedError::storage(&error))
}

fn json(summary: &Summary) -> Result<Vec<u8>, ExpectedError> {
    serde_json::to_vec(summary).map_err(|error| ExpectedError::storage(&error))
}

fn listen(kind: SignalKind) -> Result<Signal, ExpectedError> {
    signal(kind).map_err(|error| ExpectedError::storage(&error))
}
