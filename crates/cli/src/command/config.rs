//! `affiant config`.

use std::path::{Path, PathBuf};

use affiant_agent::config::{self, Settings};

use crate::entries::units::plural;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::printer::{Stdout, say};
use crate::{help, wiring};

const EXAMPLES: &str = "  \
  affiant config check /etc/affiant/agent.toml
  affiant config show /etc/affiant/agent.toml";

/// Check and show a configuration of `affiant agent`
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
    /// Redaction rules it names are checked, too. Does not check that addresses are free or servers up.
    #[command(after_long_help = help::sections("  affiant config check agent.toml", &[Exit::Ok, Exit::Usage]))]
    Check {
        /// The configuration, TOML
        file: PathBuf,
    },
    /// Print what is in force, defaults included
    #[command(after_long_help = help::sections("  affiant config show agent.toml", &[Exit::Ok, Exit::Usage]))]
    Show {
        /// The configuration, TOML
        file: PathBuf,
    },
}

pub(crate) fn run(args: Args) -> Result<Exit, ExpectedError> {
    match args.action {
        Action::Check { file } => {
            let settings = load(&file)?;
            let routes = u64::try_from(settings.routes.len()).unwrap_or(u64::MAX);
            say(&format!(
                "`{}` can be used: {}",
                file.display(),
                plural(routes, "route", "routes")
            ));
        }
        Action::Show { file } => show(&load(&file)?)?,
    }
    Ok(Exit::Ok)
}

fn load(file: &Path) -> Result<Settings, ExpectedError> {
    let settings =
        config::load(file).map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    wiring::rules(wiring::only_file(&settings.redact_rule_files)?)?;
    Ok(settings)
}

fn show(settings: &Settings) -> Result<(), ExpectedError> {
    let mut out = Stdout::lock();
    out.line(format!("{settings:#?}").as_bytes())?;
    out.flush()
}
