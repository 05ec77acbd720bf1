//! One file a command.

mod agent;
mod archive;
mod completions;
mod config;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "demo")]
mod demo_server;
mod doctor;
mod enroll;
mod entries;
mod import;
mod key;
mod man;
mod prove;
#[cfg(feature = "store")]
mod query;
mod redact;
mod roster;
mod run;
mod serve;
mod spool;
#[cfg(feature = "store")]
mod store;
mod token;
mod token_api;
mod verify;
mod witness;

use crate::error::ExpectedError;
use crate::exit_code::Exit;

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Run(run::Args),
    Agent(agent::Args),
    Enroll(enroll::Args),
    Serve(serve::Args),
    Token(token::Args),
    Roster(roster::Args),
    Witness(witness::Args),
    Archive(archive::Args),
    Entries(Box<entries::Args>),
    Import(import::Args),
    Verify(verify::Args),
    Prove(prove::Args),
    #[cfg(feature = "store")]
    Query(query::Args),
    #[cfg(feature = "store")]
    Store(store::Args),
    Spool(spool::Args),
    Key(key::Args),
    Redact(redact::Args),
    Config(config::Args),
    Doctor(doctor::Args),
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    DemoServer(demo_server::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> Result<Exit, ExpectedError> {
        match self {
            Self::Run(args) => run::run(args),
            Self::Agent(args) => agent::run(&args),
            Self::Enroll(args) => enroll::run(&args),
            Self::Serve(args) => serve::run(&args),
            Self::Token(args) => token::run(&args),
            Self::Roster(args) => roster::run(&args),
            Self::Witness(args) => witness::run(&args),
            Self::Archive(args) => archive::run(&args),
            Self::Entries(args) => entries::run(&args),
            Self::Import(args) => import::run(&args),
            Self::Verify(args) => verify::run(&args),
            Self::Prove(args) => prove::run(&args),
            #[cfg(feature = "store")]
            Self::Query(args) => query::run(&args),
            #[cfg(feature = "store")]
            Self::Store(args) => store::run(&args),
            Self::Spool(args) => spool::run(args),
            Self::Key(args) => key::run(args),
            Self::Redact(args) => redact::run(args),
            Self::Config(args) => config::run(args),
            Self::Doctor(args) => doctor::run(&args),
            #[cfg(feature = "demo")]
            Self::Demo(args) => demo::run(&args),
            #[cfg(feature = "demo")]
            Self::DemoServer(args) => demo_server::run(&args),
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args),
        }
    }
}
