//! The one binary `affiant`: one file a command, exit codes, printer, wiring.
//!
//! Standard output is data, standard error is talk; in `affiant run` standard output is MCP's alone.
//! Every way to end has a documented code: [`exit_code`].

mod api_client;
mod archive;
mod cli;
mod command;
mod data_dir;
#[cfg(feature = "demo")]
mod demo;
mod entries;
mod env;
mod error;
mod exit_code;
mod help;
mod log;
mod plugged;
mod printer;
mod prove;
#[cfg(feature = "store")]
mod store;
mod verify;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = log::start(cli.log.as_deref()).and_then(|()| cli.command.run());
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            printer::say(&error.to_string());
            error.exit.into()
        }
    }
}
