//! `affiant verify`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::Format;
use crate::entries::when;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Paint, Stdout};
use crate::verify::log::{self, LogTarget, trust};
use crate::verify::{Progress, proof, text};

const EXAMPLES: &str = "  \
  affiant verify ~/.local/state/affiant                   every spool, and what the key holder remembers
  affiant verify --trust gw-7.vkey /mnt/evidence          against a key you kept elsewhere
  affiant verify --trust policy.txt /srv/affiant          an aggregator's log, by your own keys and witnesses
  affiant verify --trust policy.txt https://log.example   the same over HTTP
  affiant verify --trust policy.txt --max-cosignature-age 5m https://log.example
  affiant verify --trust policy.txt call.proof            one entry, proven
  affiant verify --format json DIR | jq .answer           for machines";

const EXITS: [Exit; 7] = [
    Exit::Ok,
    Exit::No,
    Exit::Usage,
    Exit::Incomplete,
    Exit::Untrusted,
    Exit::Unreachable,
    Exit::Storage,
];

/// Check a trail, a log or a proof: signatures, order, links, heads, the twelve fields
///
/// A TARGET is a data directory or one spool in it, an aggregator's data directory or its log, the URL
/// of a log, or a proof file. Nothing but a URL needs the network, and nothing needs a secret or a
/// running process. Says what was checked, against which key, and what was not.
///
/// A trail is refused for any flipped bit, for entries deleted, reordered, doubled or forged, for an
/// end cut off across a seal, and for another key. What a crash leaves is no fault, nor is a key that
/// was rotated or a clock that was set. A log is refused as well where it was rolled back or rewritten
/// since you last verified it: its checkpoint is remembered under `$XDG_STATE_HOME/affiant/verifier`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    /// A data directory, a spool, a log, a URL or a proof
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// Whom to trust: verifier keys, one a line; for a log or proof also a C2SP tlog-policy with `admin`, `source`, `tsa` lines [default: the key beside the data]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Judge a log's entries from this leaf on; hashes and places are checked from the first
    #[arg(long, value_name = "LEAF")]
    since: Option<u64>,
    /// Ask that a quorum of your witnesses saw the log's checkpoint not longer ago than this (`30s`, `5m`, `2h`, `1d`)
    #[arg(long, value_name = "AGE", value_parser = age_us)]
    max_cosignature_age: Option<i64>,
    /// Do not remember the log's checkpoint, nor hold it against the one remembered
    #[arg(long)]
    no_remember: bool,
    /// Note in FILE how far a log was judged, and go on from there
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    if let Some(target) = log::find(&args.target)? {
        return run_log(args, &target);
    }
    let for_logs = args.since.is_some()
        || args.resume.is_some()
        || args.no_remember
        || args.max_cosignature_age.is_some();
    if for_logs {
        return Err(ExpectedError::usage(format!(
            "`--since`, `--resume`, `--no-remember` and `--max-cosignature-age` are for logs, and `{}` is none",
            args.target.display()
        )));
    }
    if args.target.is_file() && proof::is_proof(&args.target) {
        return run_proof(args);
    }
    let progress = Progress::on_stderr();
    let outcome = crate::verify::verify(&args.target, args.trust.as_deref(), &progress)?;
    print(args.format, &outcome, || {
        text::lines(&outcome, Paint::stdout())
    })?;
    Ok(outcome.answer.exit())
}

fn age_us(text: &str) -> Result<i64, String> {
    when::span_us(text)
        .filter(|age| *age > 0)
        .ok_or_else(|| "give an age such as `30s`, `5m`, `2h` or `1d`".to_owned())
}

fn run_log(args: &Args, target: &LogTarget) -> Result<Exit, ExpectedError> {
    let (trust, used) = trust::load(args.trust.as_deref(), target.key.as_deref())?;
    let options = log::Options {
        freshness: args.max_cosignature_age.map(|age_us_max| log::Freshness {
            age_us_max,
            now_us: affiant_agent::clock::now().utc_us,
        }),
        tsa_roots: trust::tsa_roots(&trust, &used)?,
        since: args.since,
        no_remember: args.no_remember,
        resume: args.resume.clone(),
    };
    let progress = Progress::on_stderr();
    let outcome = log::verify(target, &trust, used, &options, &progress)?;
    print(args.format, &outcome, || {
        log::text::lines(&outcome, Paint::stdout())
    })?;
    Ok(outcome.answer.exit())
}

fn run_proof(args: &Args) -> Result<Exit, ExpectedError> {
    let beside: Option<&Path> = None;
    let (trust, used) = trust::load(args.trust.as_deref(), beside)?;
    let outcome = proof::verify(&args.target, &trust, used)?;
    print(args.format, &outcome, || {
        proof::lines(&outcome, Paint::stdout())
    })?;
    Ok(outcome.answer.exit())
}

fn print<T: Serialize>(
    format: Format,
    outcome: &T,
    lines: impl FnOnce() -> Vec<String>,
) -> Result<(), ExpectedError> {
    let mut out = Stdout::lock();
    match format {
        Format::Text => {
            for line in lines() {
                out.line(line.as_bytes())?;
            }
        }
        Format::Json => {
            let json = serde_json::to_vec(outcome)
                .map_err(|e| ExpectedError::caused(Exit::Storage, &e))?;
            out.line(&json)?;
        }
    }
    out.flush()
}
