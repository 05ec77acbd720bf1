//! `affiant config`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use affiant_agent::config::{self, HostPolicy, RouteSettings, Settings, TransportKind};
use affiant_agent::trail::{Intent, OnFull};
use fs_err as fs;
use toml::{Table, Value};

use crate::entries::units::plural;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::printer::{Stdout, say};
use crate::{help, wiring};

const EXAMPLES: &str = "  \
  affiant config check /etc/affiant/agent.toml
  affiant config check /etc/affiant/serve.toml
  affiant config show --origin /etc/affiant/agent.toml";

/// Check and show configurations
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &[Exit::Ok, Exit::Usage]))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say whether a configuration can be used
    ///
    /// One of `affiant agent` or of `affiant serve`, told apart by their tables. Redaction rules it names
    /// are checked, too. Does not check that addresses are free or servers up, nor other files it names.
    #[command(after_long_help = help::sections("  affiant config check agent.toml", &[Exit::Ok, Exit::Usage]))]
    Check {
        /// The configuration, TOML
        file: PathBuf,
        /// It is of `affiant serve`, whatever its tables
        #[arg(long)]
        serve: bool,
    },
    /// Print what is in force in one of `affiant agent`, defaults included, as TOML
    #[command(after_long_help = help::sections("  affiant config show --origin agent.toml", &[Exit::Ok, Exit::Usage]))]
    Show {
        /// The configuration, TOML
        file: PathBuf,
        /// Say of each key whether the file sets it
        #[arg(long)]
        origin: bool,
    },
}

pub(crate) fn run(args: Args) -> Result<Exit, ExpectedError> {
    match args.action {
        Action::Check { file, serve } if serve || is_serve(&file)? => check_serve(&file)?,
        Action::Check { file, .. } => {
            let settings = load(&file)?;
            let routes = u64::try_from(settings.routes.len()).unwrap_or(u64::MAX);
            say(&format!(
                "`{}` can be used: {}",
                file.display(),
                plural(routes, "route", "routes")
            ));
        }
        Action::Show { file, origin } => show(&file, &load(&file)?, origin)?,
    }
    Ok(Exit::Ok)
}

/// Whether a file has tables of `affiant serve` and none of `affiant agent`.
fn is_serve(file: &Path) -> Result<bool, ExpectedError> {
    let text = fs::read_to_string(file).map_err(|e| ExpectedError::caused(Exit::Usage, &e))?;
    // One that is not TOML is told by whoever reads it next.
    let given: Table = text.parse().unwrap_or_default();
    let has = |names: &[&str]| names.iter().any(|name| given.contains_key(*name));
    Ok(has(&SERVE_TABLES) && !has(&AGENT_TABLES))
}

fn check_serve(file: &Path) -> Result<(), ExpectedError> {
    let settings = affiant_aggregator::config::load(file);
    let settings = settings.map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    wiring::rules(settings.redaction_rules.as_deref())?;
    say(&format!(
        "`{}` can be used: log {}",
        file.display(),
        settings.log_name
    ));
    Ok(())
}

fn load(file: &Path) -> Result<Settings, ExpectedError> {
    let settings =
        config::load(file).map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    wiring::rules(wiring::only_file(&settings.redact_rule_files)?)?;
    Ok(settings)
}

fn show(file: &Path, settings: &Settings, origin: bool) -> Result<(), ExpectedError> {
    // It was read and checked a moment ago; here only its keys matter.
    let text = fs::read_to_string(file).map_err(|e| ExpectedError::caused(Exit::Usage, &e))?;
    let given: Table = text.parse().unwrap_or_default();
    let mut out = Stdout::lock();
    for section in sections(settings) {
        out.line(section.heading.as_bytes())?;
        let table = section.table(&given);
        for (key, value) in &section.values {
            let set = table.is_some_and(|table| table.contains_key(*key));
            let line = match value {
                Some(value) => format!("{key} = {value}"),
                None => format!("# {key} is not set"),
            };
            let from = if set { "file" } else { "default" };
            out.line(
                if origin {
                    format!("{line:48}  # {from}")
                } else {
                    line
                }
                .as_bytes(),
            )?;
        }
        out.line(b"")?;
    }
    out.flush()
}

const SERVE_TABLES: [&str; 9] = [
    "log",
    "ingest",
    "api",
    "ca",
    "roster",
    "witness",
    "anchor",
    "redaction",
    "import",
];
const AGENT_TABLES: [&str; 6] = ["source", "trail", "redact", "gateway", "admin", "route"];

/// A table of the configuration as it is in force.
struct Section {
    heading: String,
    /// Where it stands in the file: a table, or one of an array of tables.
    name: &'static str,
    index: Option<usize>,
    values: Vec<(&'static str, Option<Value>)>,
}

impl Section {
    fn new(name: &'static str, values: Vec<(&'static str, Option<Value>)>) -> Self {
        Self {
            heading: format!("[{name}]"),
            name,
            index: None,
            values,
        }
    }

    fn table<'a>(&self, given: &'a Table) -> Option<&'a Table> {
        let value = given.get(self.name)?;
        match self.index {
            None => value.as_table(),
            Some(index) => value.as_array()?.get(index)?.as_table(),
        }
    }
}

fn sections(settings: &Settings) -> Vec<Section> {
    let Settings {
        trail,
        gateway,
        admin,
        ..
    } = settings;
    let files = settings
        .redact_rule_files
        .iter()
        .map(|file| file.display().to_string());
    let mut out = vec![
        Section::new("source", vec![("id", settings.source.as_ref().map(text))]),
        Section::new(
            "trail",
            vec![
                ("intent", Some(text(intent(trail.intent)))),
                ("on_full", Some(text(on_full(trail.on_full)))),
                ("spool_bytes_max", number(trail.spool_bytes_max)),
                ("segment_bytes", number(trail.segment_bytes)),
                ("heartbeat_interval_ms", millis(trail.heartbeat_interval)),
            ],
        ),
        Section::new("redact", vec![("rule_files", Some(list(files)))]),
        Section::new(
            "gateway",
            vec![
                ("listen", Some(text(&gateway.listen))),
                (
                    "request_hold_bytes_max",
                    number(u64::try_from(gateway.request_hold_bytes_max).unwrap_or(u64::MAX)),
                ),
                ("shutdown_grace_ms", millis(gateway.shutdown_grace)),
                (
                    "client_half_close",
                    Some(text(if gateway.half_close {
                        "tolerate"
                    } else {
                        "abort"
                    })),
                ),
            ],
        ),
        Section::new("admin", vec![("listen", Some(text(&admin.listen)))]),
    ];
    out.extend(
        settings
            .routes
            .iter()
            .enumerate()
            .map(|(index, of)| route(index, of, gateway.listen)),
    );
    out
}

fn route(index: usize, route: &RouteSettings, listen: SocketAddr) -> Section {
    let transport = match route.transport {
        TransportKind::Http => "http",
        TransportKind::Sse => "sse",
    };
    let host = match route.host {
        HostPolicy::Preserve => "preserve",
        HostPolicy::Upstream => "upstream",
    };
    let upstream = format!("{}://{}", route.upstream.scheme, route.upstream.authority);
    let values = vec![
        ("id", Some(text(&route.id))),
        ("upstream", Some(text(&upstream))),
        ("transport", Some(text(transport))),
        ("listen", Some(text(&route.listen.unwrap_or(listen)))),
        ("paths", Some(list(route.paths.iter().cloned()))),
        ("host", Some(text(host))),
        (
            "allowed_hosts",
            Some(list(route.allowed_hosts.iter().cloned())),
        ),
        (
            "allowed_origins",
            Some(list(route.allowed_origins.iter().cloned())),
        ),
        (
            "ca_file",
            route.ca_file.as_ref().map(|file| text(&file.display())),
        ),
        ("connect_timeout_ms", millis(route.connect_timeout)),
        ("call_timeout_ms", route.call_timeout.and_then(millis)),
        ("session_idle_ms", millis(route.session_idle)),
        (
            "session_meta_keys",
            Some(list(route.session_meta_keys.iter().cloned())),
        ),
        ("role", route.role.as_ref().map(text)),
        ("user", route.user.as_ref().map(text)),
    ];
    Section {
        heading: "[[route]]".to_owned(),
        name: "route",
        index: Some(index),
        values,
    }
}

const fn intent(intent: Intent) -> &'static str {
    match intent {
        Intent::Durable => "durable",
        Intent::Buffered => "buffered",
    }
}

const fn on_full(on_full: OnFull) -> &'static str {
    match on_full {
        OnFull::Block => "block",
        OnFull::Refuse => "refuse",
        OnFull::Drop => "drop",
    }
}

fn text<T: ToString + ?Sized>(value: &T) -> Value {
    Value::String(value.to_string())
}

fn list(values: impl Iterator<Item = String>) -> Value {
    Value::Array(values.map(Value::String).collect())
}

fn number(value: u64) -> Option<Value> {
    i64::try_from(value).ok().map(Value::Integer)
}

fn millis(time: Duration) -> Option<Value> {
    i64::try_from(time.as_millis()).ok().map(Value::Integer)
}
