//! `affiant run`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use affiant_agent::proxy::stdio::{self, HOLD_BYTES_MAX, StdioOptions};
use affiant_agent::trail::{Intent, OnFull, Trail, TrailOptions};
use affiant_capture::tracker::{Config, Identity};
use affiant_entry::call::Transport;
use affiant_entry::{Fact, SourceId};
use clap::ValueEnum;

use crate::data_dir::DataDirArg;
use crate::env;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::{help, wiring};

/// Longest wait for the receipts of what was recorded last; what has none by then is shipped by the
/// next process.
const LINGER: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "  \
  affiant run -- npx -y @modelcontextprotocol/server-filesystem ~/notes
  affiant run --server crm --user ann@example.org -- ./crm-server --stdio
  affiant run --server crm --redaction rules.toml --on-full block -- ./crm-server";

const CODES: &str = "  \
  the server's own code; 128+n if signal n ended it
  before the server was started:
  2    wrong arguments or configuration
  4    a key file that is not safe to use
  6    the storage failed, or is full
  126  the command cannot be started
  127  the command is not found";

/// Wrap a stdio MCP server: same bytes, plus evidence
///
/// Put `affiant run --` in front of the command in your client's configuration. Bytes pass unchanged
/// in both directions, stderr is the server's own, signals and the end of input reach it at once. A
/// `tools/call` is forwarded once it is on disk, redacted and sealed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections_with(EXAMPLES, CODES))]
pub(crate) struct Args {
    #[command(flatten)]
    data_dir: DataDirArg,
    /// Id of the server in the trail [default: after the command]
    #[arg(long, value_name = "ID")]
    server: Option<String>,
    /// The user on whose behalf the agent acts
    #[arg(long, env = env::USER, hide_env_values = true)]
    user: Option<String>,
    /// Role of the agent
    #[arg(long, env = env::ROLE, hide_env_values = true)]
    role: Option<String>,
    /// Name of this source, when its key is made; compared later [default: the host's name]
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// What must be true before a call is forwarded
    #[arg(long, value_enum, default_value_t)]
    intent: IntentArg,
    /// The answer to a call that finds no room, or storage that fails
    #[arg(long, value_enum, default_value_t)]
    on_full: OnFullArg,
    /// Record a call as timed out after this long; it goes on all the same [default: never]
    #[arg(long, value_name = "N")]
    call_timeout_ms: Option<u64>,
    /// Redaction rules, before the built-in ones
    #[arg(long, value_name = "FILE")]
    redaction: Option<PathBuf>,
    /// Key of `params._meta` whose value names the session; may be given several times
    #[arg(long = "session-meta-key", value_name = "KEY")]
    session_meta_keys: Vec<String>,
    /// The server's command and its arguments, after `--`
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// What must be true before a call is forwarded.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum IntentArg {
    /// Its beginning is on disk
    #[default]
    Durable,
    /// Its beginning is queued; it is on disk within 20 ms
    Buffered,
}

/// The answer to a call that finds no room.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum OnFullArg {
    /// It waits for room
    Block,
    /// The client gets an error; the server does not see it
    #[default]
    Refuse,
    /// It is forwarded without evidence; the loss is counted and recorded
    Drop,
}

pub(crate) fn run(args: Args) -> Result<Exit, ExpectedError> {
    if args.command.is_empty() {
        return Err(
            ExpectedError::usage("no command to run").hint("affiant run [OPTIONS] -- CMD [ARGS]")
        );
    }
    let dir = args.data_dir.to_write()?;
    let source = wiring::source(args.source.as_deref())?;
    let rules = wiring::rules(args.redaction.as_deref())?;
    let server = server_id(&args)?;
    let (key, redactor) = wiring::secrets(&dir, source.as_ref(), rules)?;
    let mut options = TrailOptions::new(dir, server.as_str());
    options.source = source;
    options.on_full = args.on_full.into();
    options.intent = args.intent.into();
    let trail = Trail::open(&options).map_err(|error| wiring::trail_refused(&error))?;
    let shipper = wiring::ship_beside(&trail);
    let options = StdioOptions {
        config: config(&args, &server),
        command: args.command,
        trail,
        redactor,
        key,
        intent: args.intent.into(),
        hold_bytes_max: HOLD_BYTES_MAX,
    };
    let ran = stdio::run(options);
    // The trail is sealed by now: whatever happens here, nothing is lost.
    shipper.finish(LINGER);
    match ran {
        Ok(code) => Ok(Exit::Child(code)),
        Err(error) => Err(ExpectedError::caused(
            Exit::Child(error.exit_code()),
            &error,
        )),
    }
}

fn config(args: &Args, server: &SourceId) -> Config {
    let fact = |value: &Option<String>| {
        Fact::from_option(
            value.clone().filter(|value| !value.is_empty()),
            "not configured",
        )
    };
    let mut config = Config::new(server.as_str(), Transport::Stdio);
    config.call_timeout_us = args.call_timeout_ms.map(|ms| ms.saturating_mul(1000));
    config.session_meta_keys.clone_from(&args.session_meta_keys);
    config.identity = Identity {
        role: fact(&args.role),
        user: fact(&args.user),
    };
    config
}

fn server_id(args: &Args) -> Result<SourceId, ExpectedError> {
    let Some(id) = &args.server else {
        return Ok(guess(&args.command));
    };
    SourceId::new(id).map_err(|_| {
        ExpectedError::usage(format!("`--server` cannot be `{id}`"))
            .hint("give 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`, a letter or digit first")
    })
}

/// Programs that run what their first argument names.
const LAUNCHERS: [&str; 11] = [
    "bun", "bunx", "deno", "node", "npx", "pipx", "pnpx", "python", "python3", "uv", "uvx",
];
/// First arguments of launchers that are no name.
const VERBS: [&str; 3] = ["run", "tool", "x"];

/// A name out of a command: `npx -y @scope/server-files@1.2 DIR` is `server-files`.
fn guess(command: &[OsString]) -> SourceId {
    let mut words = command.iter().map(|word| stem(word));
    let program = words.next().unwrap_or_default();
    if !LAUNCHERS.contains(&program.as_str()) {
        return SourceId::sanitized(&program);
    }
    let named = command
        .iter()
        .skip(1)
        .filter(|word| !word.to_string_lossy().starts_with('-'));
    let name = named
        .map(|word| stem(word))
        .find(|word| !VERBS.contains(&word.as_str()));
    SourceId::sanitized(&name.unwrap_or(program))
}

fn stem(word: &OsStr) -> String {
    let name = Path::new(word)
        .file_name()
        .unwrap_or(word)
        .to_string_lossy()
        .into_owned();
    let name = name
        .split('@')
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let name = [".js", ".mjs", ".py", ".ts", ".exe"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    name.to_owned()
}

impl From<IntentArg> for Intent {
    fn from(arg: IntentArg) -> Self {
        match arg {
            IntentArg::Durable => Self::Durable,
            IntentArg::Buffered => Self::Buffered,
        }
    }
}

impl From<OnFullArg> for OnFull {
    fn from(arg: OnFullArg) -> Self {
        match arg {
            OnFullArg::Block => Self::Block,
            OnFullArg::Refuse => Self::Refuse,
            OnFullArg::Drop => Self::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_an_id_is_named_after_its_command() {
        let named = |command: &[&str]| {
            let command: Vec<_> = command.iter().map(OsString::from).collect();
            guess(&command).to_string()
        };
        assert_eq!(named(&["./crm-server", "--stdio"]), "crm-server");
        assert_eq!(
            named(&[
                "npx",
                "-y",
                "@modelcontextprotocol/server-files@1.2",
                "/tmp"
            ]),
            "server-files"
        );
        assert_eq!(named(&["uvx", "mcp-server-git"]), "mcp-server-git");
        assert_eq!(
            named(&["/usr/bin/python3", "-u", "srv/My Server.py"]),
            "my-server"
        );
        assert_eq!(named(&["node"]), "node");
    }
}
