//! `affiant token`.

use std::path::{Path, PathBuf};

use affiant_aggregator::token::{Spent, TokenInfo, Tokens};
use affiant_aggregator::{StateDir, ca, clock};
use affiant_entry::{SourceId, rfc3339};
use serde_json::json;

use super::token_api;
use crate::cli::Format;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Stdout, say};

const EXAMPLES: &str = "  \
  affiant token new --data-dir /var/lib/affiant                     for any source, for an hour
  affiant token new --source gw-7 --ttl 10m --data-dir /var/lib/affiant
  affiant token list --data-dir /var/lib/affiant
  affiant token revoke 3f9c2a1b --data-dir /var/lib/affiant";

const EXITS: [Exit; 5] = [
    Exit::Ok,
    Exit::Usage,
    Exit::Incomplete,
    Exit::Untrusted,
    Exit::Storage,
];

/// Make, list and take back the tokens that let sources in
///
/// A token lets one source enrol, once. It also names the aggregator's certificate authority, so that
/// the source knows whom it talks to. Works while `affiant serve` runs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make, list and take back the tokens of the API
    Api(token_api::Args),
    /// Make a token and print it: the only time it is shown
    #[command(after_long_help = help::sections("  affiant token new --source gw-7 --ttl 10m --data-dir /var/lib/affiant", &EXITS))]
    New {
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// The one source it lets in [default: any]
        #[arg(long, value_name = "ID")]
        source: Option<String>,
        /// How long it lasts: a number with `s`, `m`, `h` or `d`
        #[arg(long, value_name = "TIME", default_value = "1h")]
        ttl: String,
    },
    /// List the tokens that were made
    #[command(after_long_help = help::sections("  affiant token list --data-dir /var/lib/affiant", &EXITS))]
    List {
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Take a token back before it is used
    #[command(after_long_help = help::sections("  affiant token revoke 3f9c2a1b --data-dir /var/lib/affiant", &EXITS))]
    Revoke {
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// Its id, or how that begins; see `affiant token list`
        #[arg(value_name = "ID")]
        id: String,
    },
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    match &args.action {
        Action::Api(args) => token_api::run(args),
        Action::New {
            data_dir,
            source,
            ttl,
        } => new(&aggregator_dir(data_dir)?, source.as_deref(), ttl),
        Action::List { data_dir, format } => list(&aggregator_dir(data_dir)?, *format),
        Action::Revoke { data_dir, id } => revoke(&aggregator_dir(data_dir)?, id),
    }
}

/// The data directory of an aggregator: it must look like one.
pub(crate) fn aggregator_dir(path: &Path) -> Result<StateDir, ExpectedError> {
    let dir = StateDir::new(path);
    if dir.is_one() {
        return Ok(dir);
    }
    let message = format!(
        "`{}` is not the data directory of an aggregator",
        path.display()
    );
    Err(ExpectedError::usage(message).hint("`affiant serve` makes it at its first start"))
}

fn new(dir: &StateDir, source: Option<&str>, ttl: &str) -> Result<Exit, ExpectedError> {
    let source = source
        .map(SourceId::new)
        .transpose()
        .map_err(|error| ExpectedError::usage(error.to_string()))?;
    let ttl_s = seconds(ttl)?;
    let ca = ca::certificate_sha256(&dir.ca().join("ca.crt"))
        .map_err(|error| ExpectedError::caused(Exit::Incomplete, &error))?;
    let ttl_us = i64::try_from(ttl_s.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    let expires = clock::now().utc_us.saturating_add(ttl_us);
    let token = Tokens::new(dir)
        .make(source, expires, &ca)
        .map_err(|error| ExpectedError::storage(&error))?;
    say(&format!("token ends at {}", rfc3339(expires)));
    let mut out = Stdout::lock();
    out.line(token.as_bytes())?;
    out.flush()?;
    Ok(Exit::Ok)
}

fn list(dir: &StateDir, format: Format) -> Result<Exit, ExpectedError> {
    let all = Tokens::new(dir).list();
    let all = all.map_err(|error| ExpectedError::storage(&error))?;
    let now = clock::now().utc_us;
    let mut out = Stdout::lock();
    if format == Format::Json {
        let tokens: Vec<_> = all.iter().map(|token| as_json(token, now)).collect();
        out.line(json!({ "tokens": tokens }).to_string().as_bytes())?;
    } else {
        for token in &all {
            let source = token.source.as_ref().map_or("any", SourceId::as_str);
            let line = format!(
                "{}  {:8}  until {}  source {source}",
                token.id,
                state(token, now),
                rfc3339(token.expires_utc_us)
            );
            out.line(line.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}

fn as_json(token: &TokenInfo, now: i64) -> serde_json::Value {
    json!({
        "id": token.id,
        "state": state(token, now),
        "source": token.source,
        "created": rfc3339(token.created_utc_us),
        "expires": rfc3339(token.expires_utc_us),
    })
}

const fn state(token: &TokenInfo, now: i64) -> &'static str {
    match token.spent {
        Some(Spent::Used) => "used",
        Some(Spent::Revoked) => "revoked",
        None if token.expires_utc_us <= now => "expired",
        None => "valid",
    }
}

fn revoke(dir: &StateDir, id: &str) -> Result<Exit, ExpectedError> {
    if id.len() < ID_CHARS_MIN {
        return Err(ExpectedError::usage(format!(
            "`{id}` is too short to name a token; give {ID_CHARS_MIN} characters or more"
        )));
    }
    let count = Tokens::new(dir).revoke(id);
    match count.map_err(|error| ExpectedError::storage(&error))? {
        0 => Err(ExpectedError::new(
            Exit::Incomplete,
            format!("there is no unused token `{id}`"),
        )),
        _ => {
            say("token revoked");
            Ok(Exit::Ok)
        }
    }
}

/// Reads `90s`, `10m`, `1h`, `7d`.
fn seconds(text: &str) -> Result<u64, ExpectedError> {
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    let read = units.iter().find_map(|(unit, factor)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*factor)
    });
    read.filter(|s| (1..=TTL_MAX_S).contains(s)).ok_or_else(|| {
        ExpectedError::usage(format!(
            "`{text}` is not a time such as `90s`, `10m`, `1h` or `7d`, at most 30 days"
        ))
    })
}

/// Fewer would name too many at once.
const ID_CHARS_MIN: usize = 4;
const TTL_MAX_S: u64 = 30 * 86_400;

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_have_a_unit_and_a_bound() {
        assert_eq!(seconds("90s").unwrap(), 90);
        assert_eq!(seconds("1h").unwrap(), 3_600);
        for bad in [
            "",
            "1",
            "h",
            "-1h",
            "0s",
            "31d",
            "99999999999999999999d",
            "1 h",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
