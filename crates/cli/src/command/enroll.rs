//! `affiant enroll`.

use std::io::Read as _;
use std::path::PathBuf;

use affiant_agent::enrol::{EnrolError, EnrolOptions, Ingest, Token, enrol};
use affiant_entry::rfc3339;
use fs_err as fs;

use crate::data_dir::DataDirArg;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::printer::say;
use crate::{help, wiring};

const EXAMPLES: &str = "  \
  affiant token new --source gw-7                                    on the aggregator
  affiant enroll https://log.example.org:7443 --source gw-7 --token affiant-token-v1.…
  affiant enroll https://log.example.org:7443 --token @/run/secrets/token
  affiant enroll https://log.example.org:7443 --token - < token      not in the process list";

const EXITS: [Exit; 5] = [
    Exit::Ok,
    Exit::Usage,
    Exit::Untrusted,
    Exit::Unreachable,
    Exit::Storage,
];

/// Longest token that is read, bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

/// Enrol this source at an aggregator
///
/// Trades a one-time token for a certificate, and pins the aggregator's CA and the key of its log. From
/// then on `affiant run` and `affiant agent` ship what they record, and renew the certificate by
/// themselves. Makes the keys of the source if there are none. Enrolling again replaces the enrolment.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    /// Where the aggregator listens for sources: `https://HOST:PORT`, `ingest` in its `serve.json`
    #[arg(value_name = "URL")]
    url: String,
    /// The one-time token; `@FILE` reads a file, `-` standard input
    #[arg(long)]
    token: String,
    /// Name of this source, if its key is made now; compared otherwise [default: the host's name]
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// The aggregator's CA certificate, PEM: must be the one the token names
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    data_dir: DataDirArg,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let usage = |error: &dyn std::error::Error| ExpectedError::caused(Exit::Usage, error);
    let options = EnrolOptions {
        dir: args.data_dir.to_write()?,
        ingest: Ingest::parse(&args.url).map_err(|error| usage(&error))?,
        token: Token::parse(&token(&args.token)?).map_err(|error| usage(&error))?,
        source: wiring::source(args.source.as_deref())?,
        ca: args.ca.clone(),
    };
    let enrolled = enrol(&options).map_err(|error| refused(&error))?;
    say(&format!(
        "source {} is enrolled at {}, log {}",
        enrolled.source, enrolled.ingest, enrolled.log.name
    ));
    say(&format!(
        "its certificate holds until {}, and is renewed before that",
        rfc3339(enrolled.not_after_us)
    ));
    say(
        "what runs now begins to ship within seconds; `affiant spool ship` ships what ended before",
    );
    Ok(Exit::Ok)
}

fn token(given: &str) -> Result<String, ExpectedError> {
    let mut text = String::new();
    let read = if given == "-" {
        std::io::stdin()
            .take(TOKEN_BYTES_MAX)
            .read_to_string(&mut text)
    } else if let Some(path) = given.strip_prefix('@') {
        fs::File::open(path).and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text))
    } else {
        return Ok(given.to_owned());
    };
    read.map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    Ok(text)
}

/// Why a source is not enrolled.
fn refused(error: &EnrolError) -> ExpectedError {
    if let EnrolError::Keys(keys) = error {
        return wiring::keys_refused(keys);
    }
    if error.is_unreachable() {
        return ExpectedError::caused(Exit::Unreachable, error)
            .hint("is the aggregator running, and the URL the `ingest` of its `serve.json`?");
    }
    if error.is_untrusted() {
        let code = if let EnrolError::Refused(problem) = error {
            problem.code.as_str()
        } else {
            ""
        };
        let hint = if code.starts_with("token") {
            "get a new token: `affiant token new` on the aggregator"
        } else if code == "source-taken" {
            "give another `--source`, or restore the keys of that one"
        } else {
            "does the token come from the aggregator at this URL?"
        };
        return ExpectedError::caused(Exit::Untrusted, error).hint(hint);
    }
    let storage = matches!(error, EnrolError::State(_) | EnrolError::Io(_));
    let exit = if storage { Exit::Storage } else { Exit::Usage };
    ExpectedError::caused(exit, error)
}
