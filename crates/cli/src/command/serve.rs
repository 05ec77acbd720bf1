//! `affiant serve`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use affiant_aggregator::config::{self, Settings};
use affiant_aggregator::{Parts, Server, StartError, StateDir};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::say;

const EXAMPLES: &str = "  \
  affiant serve --dev --data-dir /tmp/aggregator              try it on this machine
  affiant serve --config /etc/affiant/serve.toml --data-dir /var/lib/affiant
  affiant token new --data-dir /var/lib/affiant               then: let a source in";

const EXITS: [Exit; 5] = [
    Exit::Ok,
    Exit::Usage,
    Exit::Untrusted,
    Exit::Unreachable,
    Exit::Storage,
];

/// Run the aggregator: sources ship to it, and it keeps the log
///
/// Takes sealed batches over mutual TLS 1.3, appends them to a transparency log in the data directory,
/// and answers with receipts, until SIGTERM or SIGINT. Where it listens stands in `serve.json` in the
/// data directory once it does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    #[command(flatten)]
    how: How,
    /// Directory with the log, its keys and everything else the aggregator keeps; made on first use
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct How {
    /// Loopback addresses and a name of its own, chosen at the first start and kept
    #[arg(long)]
    dev: bool,
    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let dir = StateDir::new(&args.data_dir);
    let settings = match &args.how.config {
        Some(path) => config::load(path),
        None => config::dev(&dir),
    };
    let settings = settings.map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| ExpectedError::storage(&error))?;
    let stopping = Arc::<AtomicBool>::default();
    let parts = crate::plugged::parts(&settings, &dir, &stopping)?;
    runtime.block_on(serve(settings, dir, parts, &stopping))
}

async fn serve(
    settings: Settings,
    dir: StateDir,
    parts: Parts,
    stopping: &AtomicBool,
) -> Result<Exit, ExpectedError> {
    // Listened to before the first connection, so that no signal is lost.
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut term), Ok(mut int)) = signals else {
        return Err(ExpectedError::new(
            Exit::Storage,
            "signals cannot be listened to",
        ));
    };
    let server = Server::start(settings, dir, parts).await;
    let server = server.map_err(|error| start_refused(&error))?;
    let addresses = server.addresses();
    say(&format!("log {} at {}", addresses.name, addresses.log));
    say(&format!("sources ship to {}", addresses.ingest));
    say(&format!("health, metrics and status at {}", addresses.api));
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    stopping.store(true, Ordering::Relaxed);
    server.stop().await;
    Ok(Exit::Ok)
}

fn start_refused(error: &StartError) -> ExpectedError {
    let exit = match error {
        StartError::Bind { .. } => {
            return ExpectedError::caused(Exit::Unreachable, error)
                .hint("another process may listen there; give another address");
        }
        StartError::Locked { .. }
        | StartError::OtherLog { .. }
        | StartError::Policy { .. }
        | StartError::OpenToOthers { .. }
        | StartError::Rules { .. } => Exit::Usage,
        StartError::KeyLost { .. } | StartError::Device { .. } => Exit::Untrusted,
        StartError::File(file) if file.is_unsafe() => Exit::Untrusted,
        StartError::Ca(affiant_aggregator::ca::CaError::File(file)) if file.is_unsafe() => {
            Exit::Untrusted
        }
        StartError::Ca(_)
        | StartError::Tls(_)
        | StartError::File(_)
        | StartError::Log(_)
        | StartError::Index(_)
        | _ => Exit::Storage,
    };
    ExpectedError::caused(exit, error)
}
