//! `affiant token api`.

use std::path::PathBuf;

use affiant_aggregator::access::{ApiTokenInfo, ApiTokens, NewApiToken, Role};
use affiant_aggregator::clock;
use affiant_aggregator::query::ReadBounds;
use affiant_entry::rfc3339;
use clap::ValueEnum;
use serde_json::json;

use super::token::aggregator_dir;
use crate::cli::Format;
use crate::entries::when;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Stdout, say};

const EXAMPLES: &str = "  \
  affiant token api create --name grafana --role analyst --data-dir /var/lib/affiant > grafana.token
  affiant token api create --name audit-2026 --role auditor --from 2026-01-01 --to 2027-01-01 \\
      --expires 30d --data-dir /var/lib/affiant
  affiant token api list --data-dir /var/lib/affiant
  affiant token api revoke 3f9c2a1b --data-dir /var/lib/affiant";

const EXITS: [Exit; 4] = [Exit::Ok, Exit::Usage, Exit::Incomplete, Exit::Storage];

/// Make, list and take back the tokens of the API
///
/// Whoever holds one has its role at the API, until it ends or is taken back; taking back counts at once.
/// Works while `affiant serve` runs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token and print it: the only time it is shown
    #[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
    Create(CreateArgs),
    /// List the tokens that were made
    #[command(after_long_help = help::sections("  affiant token api list --data-dir /var/lib/affiant", &EXITS))]
    List {
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Take a token back
    #[command(after_long_help = help::sections("  affiant token api revoke 3f9c2a1b --data-dir /var/lib/affiant", &EXITS))]
    Revoke {
        /// The aggregator's data directory
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// Its id, or how that begins; see `affiant token api list`
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// The aggregator's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Whose it is: stands in the log for each read
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What its holder may
    #[arg(long, value_enum, value_name = "ROLE")]
    role: RoleArg,
    /// Entries before this time are not shown: RFC 3339, a date, or how long ago
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Entries from this time on are not shown
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// How long it lasts: a number with `s`, `m`, `h`, `d` or `w` [default: until it is taken back]
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// Everything
    Admin,
    /// State, metrics and imports; no entries
    Operator,
    /// Entries and queries
    Analyst,
    /// Entries and queries, within dates
    Auditor,
    /// Imports alone
    Source,
}

impl RoleArg {
    const fn role(self) -> Role {
        match self {
            Self::Admin => Role::Admin,
            Self::Operator => Role::Operator,
            Self::Analyst => Role::Analyst,
            Self::Auditor => Role::Auditor,
            Self::Source => Role::Source,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    match &args.action {
        Action::Create(args) => create(args),
        Action::List { data_dir, format } => {
            list(&ApiTokens::new(&aggregator_dir(data_dir)?), *format)
        }
        Action::Revoke { data_dir, id } => revoke(&ApiTokens::new(&aggregator_dir(data_dir)?), id),
    }
}

fn create(args: &CreateArgs) -> Result<Exit, ExpectedError> {
    let dir = aggregator_dir(&args.data_dir)?;
    let now = clock::now().utc_us;
    let plain = args.name.chars().all(|c| !c.is_control());
    if args.name.is_empty() || args.name.len() > ApiTokens::NAME_BYTES_MAX || !plain {
        let max = ApiTokens::NAME_BYTES_MAX;
        return Err(ExpectedError::usage(format!(
            "`--name` takes 1 to {max} bytes without control characters"
        )));
    }
    let time = |flag: &str, text: &Option<String>| {
        let Some(text) = text else { return Ok(None) };
        let wrong = || ExpectedError::usage(format!("`{flag}` cannot be `{text}`"));
        when::parse(text, now).map(Some).ok_or_else(wrong)
    };
    let bounds = ReadBounds {
        from_us: time("--from", &args.from)?,
        to_us: time("--to", &args.to)?,
    };
    if let (Some(from), Some(to)) = (bounds.from_us, bounds.to_us)
        && from >= to
    {
        return Err(ExpectedError::usage("`--from` is not before `--to`"));
    }
    let expires_utc_us = match &args.expires {
        None => None,
        Some(text) => {
            let span = when::span_us(text).filter(|us| *us > 0);
            let end = span.and_then(|us| now.checked_add(us));
            Some(end.ok_or_else(|| {
                ExpectedError::usage(format!("`{text}` is not a time such as `12h` or `30d`"))
            })?)
        }
    };
    let token = ApiTokens::new(&dir).make(&NewApiToken {
        name: args.name.clone(),
        role: args.role.role(),
        bounds,
        expires_utc_us,
    });
    let token = token.map_err(|error| ExpectedError::storage(&error))?;
    say(&match expires_utc_us {
        Some(end) => format!("token of `{}` ends at {}", args.name, rfc3339(end)),
        None => format!("token of `{}` lasts until it is taken back", args.name),
    });
    let mut out = Stdout::lock();
    out.line(token.as_bytes())?;
    out.flush()?;
    Ok(Exit::Ok)
}

fn list(tokens: &ApiTokens, format: Format) -> Result<Exit, ExpectedError> {
    let all = tokens.list();
    let all = all.map_err(|error| ExpectedError::storage(&error))?;
    let now = clock::now().utc_us;
    let mut out = Stdout::lock();
    if format == Format::Json {
        let tokens: Vec<_> = all.iter().map(|token| as_json(token, now)).collect();
        out.line(json!({ "tokens": tokens }).to_string().as_bytes())?;
    } else {
        for info in &all {
            let token = &info.token;
            let end = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), rfc3339);
            let line = format!(
                "{}  {:7}  {:8}  until {}  reads {} to {}  {}",
                info.id,
                state(info, now),
                token.role.as_str(),
                end(token.expires_utc_us),
                end(token.bounds.from_us),
                end(token.bounds.to_us),
                token.name,
            );
            out.line(line.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}

fn as_json(info: &ApiTokenInfo, now: i64) -> serde_json::Value {
    json!({
        "id": info.id,
        "name": info.token.name,
        "role": info.token.role.as_str(),
        "state": state(info, now),
        "from": info.token.bounds.from_us.map(rfc3339),
        "to": info.token.bounds.to_us.map(rfc3339),
        "created": rfc3339(info.created_utc_us),
        "expires": info.token.expires_utc_us.map(rfc3339),
        "revoked": info.revoked_utc_us.map(rfc3339),
    })
}

fn state(info: &ApiTokenInfo, now: i64) -> &'static str {
    if info.revoked_utc_us.is_some() {
        "revoked"
    } else if info.token.expires_utc_us.is_some_and(|end| end <= now) {
        "expired"
    } else {
        "valid"
    }
}

fn revoke(tokens: &ApiTokens, id: &str) -> Result<Exit, ExpectedError> {
    if id.len() < ID_CHARS_MIN {
        return Err(ExpectedError::usage(format!(
            "`{id}` is too short to name a token; give {ID_CHARS_MIN} characters or more"
        )));
    }
    let revoked = tokens.revoke(id);
    if !revoked.map_err(|error| ExpectedError::storage(&error))? {
        let message = format!("there is no valid token `{id}`, or more than one that begins so");
        return Err(ExpectedError::new(Exit::Incomplete, message));
    }
    say("token revoked");
    Ok(Exit::Ok)
}

/// Fewer would name too many at once.
const ID_CHARS_MIN: usize = 4;
