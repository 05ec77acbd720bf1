//! `affiant man`.

use std::path::PathBuf;

use clap::CommandFactory;
use fs_err as fs;

use crate::cli::Cli;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Stdout, say};

const EXAMPLES: &str = "  \
  affiant man | man -l -
  affiant man --out /usr/local/share/man/man1";

/// Print the manual page, or write one page a command
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &[Exit::Ok, Exit::Usage, Exit::Storage]))]
pub(crate) struct Args {
    /// Directory to write `affiant.1`, `affiant-run.1`, … to
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let Some(dir) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|e| ExpectedError::storage(&e))?;
        let mut out = Stdout::lock();
        out.bytes(&page)?;
        out.flush()?;
        return Ok(Exit::Ok);
    };
    fs::create_dir_all(dir).map_err(|e| ExpectedError::storage(&e))?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(|e| {
        ExpectedError::new(
            Exit::Storage,
            format!("manual pages cannot be written to `{}`: {e}", dir.display()),
        )
    })?;
    say(&format!("manual pages written to `{}`", dir.display()));
    Ok(Exit::Ok)
}
