//! `affiant prove`.

use std::path::PathBuf;

use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Stdout, say};
use crate::prove::{Wanted, prove};
use crate::verify::log;

const EXAMPLES: &str = "  \
  affiant prove 4711 --from /srv/affiant -o call.proof                the entry that is leaf 4711
  affiant prove 01K… --from https://log.example -o call.proof         the end of this call
  affiant prove gw-7/01K…/12 --from /srv/affiant -o call.proof        entry 12 of a boot of gw-7
  affiant verify --trust policy.txt call.proof                        by anyone, offline";

const EXITS: [Exit; 6] = [
    Exit::Ok,
    Exit::No,
    Exit::Usage,
    Exit::Incomplete,
    Exit::Unreachable,
    Exit::Storage,
];

/// Make a self-contained proof of one entry of a log
///
/// The proof is a C2SP tlog-proof that carries the entry, its seal and the log's word on the seal's
/// key, all under one checkpoint. It holds whatever becomes of the log.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    /// A leaf index, a call id, or SOURCE/BOOT/SEQ
    #[arg(value_name = "ENTRY")]
    entry: String,
    /// An aggregator's data directory, a log directory or the URL of a log
    #[arg(long, value_name = "TARGET")]
    from: PathBuf,
    /// Where the proof goes [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let wanted = Wanted::parse(&args.entry).ok_or_else(|| {
        ExpectedError::usage(format!("`{}` names no entry", args.entry))
            .hint("give a leaf index, a call id, or SOURCE/BOOT/SEQ")
    })?;
    let target = log::find(&args.from)?.ok_or_else(|| {
        ExpectedError::usage(format!("there is no log in `{}`", args.from.display()))
            .hint("give an aggregator's data directory, a log directory or a URL")
    })?;
    let proof = prove(&target.source, &wanted)?;
    match &args.output {
        Some(path) => {
            fs_err::write(path, proof.to_bytes()).map_err(|e| ExpectedError::storage(&e))?;
            say(&format!(
                "proof of leaf {} written to {}",
                proof.index(),
                path.display()
            ));
        }
        None => {
            let mut out = Stdout::lock();
            out.bytes(&proof.to_bytes())?;
            out.flush()?;
        }
    }
    Ok(Exit::Ok)
}
