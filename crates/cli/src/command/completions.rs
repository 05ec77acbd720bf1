//! `affiant completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::Stdout;

const EXAMPLES: &str = "  \
  affiant completions bash > ~/.local/share/bash-completion/completions/affiant
  affiant completions zsh > ~/.zfunc/_affiant
  affiant completions fish > ~/.config/fish/completions/affiant.fish";

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &[Exit::Ok, Exit::Usage]))]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "affiant", &mut script);
    let mut out = Stdout::lock();
    out.bytes(&script)?;
    out.flush()?;
    Ok(Exit::Ok)
}
