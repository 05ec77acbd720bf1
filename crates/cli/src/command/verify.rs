//! `affiant verify`.

use std::path::PathBuf;

use crate::cli::Format;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Paint, Stdout};
use crate::verify::{Progress, text};

const EXAMPLES: &str = "  \
  affiant verify ~/.local/state/affiant                   every spool, and what the key holder remembers
  affiant verify --trust gw-7.vkey /mnt/evidence          against a key you kept elsewhere
  affiant verify --format json DIR | jq .answer           for machines";

const EXITS: [Exit; 6] = [
    Exit::Ok,
    Exit::No,
    Exit::Usage,
    Exit::Incomplete,
    Exit::Untrusted,
    Exit::Storage,
];

/// Check a trail: seals, order, links, heads, blobs, the twelve fields
///
/// Needs no secret, no network and no running process; changes nothing. Says what was checked,
/// against which key, and what was not.
///
/// A trail is refused for any flipped bit, for entries deleted, reordered, doubled or forged, for an
/// end cut off across a seal, and for another key. What a crash leaves is no fault, nor is a key that
/// was rotated or a clock that was set.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    /// A data directory, or one spool
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// Verifier keys to trust, one a line [default: the data directory's own `keys/source.vkey`]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let progress = Progress::on_stderr();
    let outcome = crate::verify::verify(&args.target, args.trust.as_deref(), &progress)?;
    let mut out = Stdout::lock();
    match args.format {
        Format::Text => {
            for line in text::lines(&outcome, Paint::stdout()) {
                out.line(line.as_bytes())?;
            }
        }
        Format::Json => {
            let json = serde_json::to_vec(&outcome)
                .map_err(|e| ExpectedError::caused(Exit::Storage, &e))?;
            out.line(&json)?;
        }
    }
    out.flush()?;
    Ok(outcome.answer.exit())
}
