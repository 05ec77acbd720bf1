//! The command line as a whole.

use clap::{Parser, ValueEnum};

use crate::command::Command;
use crate::exit_code::Exit;
use crate::{env, help};

const EXAMPLES: &str = "  \
  affiant run -- npx -y @modelcontextprotocol/server-everything      record what this server is asked
  affiant entries                                                    see it
  affiant verify ~/.local/state/affiant                              check that nobody altered it";

/// Tamper-evident audit trail for the Model Context Protocol
///
/// Affiant stands between MCP clients and servers, passes their bytes on unchanged, and keeps
/// sealed evidence of every tool call.
#[derive(Debug, Parser)]
#[command(
    name = "affiant",
    version,
    disable_help_subcommand = true,
    max_term_width = 100
)]
#[command(after_help = "`affiant COMMAND --help` shows examples and exit codes.")]
#[command(after_long_help = help::sections(EXAMPLES, &Exit::ALL))]
pub(crate) struct Cli {
    /// What is logged to stderr: off, error, warn, info, debug, trace, or `target=level,…`
    #[arg(long, global = true, value_name = "FILTER", env = env::LOG, hide_env_values = true)]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For machines
    Json,
}
