//! `affiant agent`.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_agent::config;
use affiant_agent::proxy::http::{Evidence, Gateway, StartError};
use affiant_agent::state::DataDir;
use affiant_agent::trail::{Trail, adopt_orphans};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::data_dir::DataDirArg;
use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::printer::say;
use crate::{help, wiring};

/// How often trails of `affiant run` processes that have died are looked for.
const ADOPT_INTERVAL: Duration = Duration::from_secs(20);

/// Longest wait for the receipts of what was recorded last.
const LINGER: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "  \
  affiant agent --config /etc/affiant/agent.toml
  affiant config check /etc/affiant/agent.toml            look before you start";

const EXITS: [Exit; 5] = [
    Exit::Ok,
    Exit::Usage,
    Exit::Untrusted,
    Exit::Unreachable,
    Exit::Storage,
];

/// Run the gateway for MCP servers that speak HTTP
///
/// Serves the routes of its configuration, each to one server, for Streamable HTTP and for the
/// HTTP+SSE transport of 2024-11-05, until SIGTERM or SIGINT. Also closes the trails that dead
/// `affiant run` processes left. Where it listens stands in `agent.json` in the data directory.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    /// The configuration, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    data_dir: DataDirArg,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let settings =
        config::load(&args.config).map_err(|error| ExpectedError::caused(Exit::Usage, &error))?;
    let dir = args.data_dir.to_write()?;
    let rules = wiring::rules(wiring::only_file(&settings.redact_rule_files)?)?;
    let (key, redactor) = wiring::secrets(&dir, settings.source.as_ref(), rules)?;
    let trail = Trail::open(&settings.trail_options(dir.clone()))
        .map_err(|error| wiring::trail_refused(&error))?;
    let evidence = Evidence {
        trail: trail.clone(),
        redactor,
        key,
    };
    let shipper = wiring::ship_beside(&trail);
    let (stop, stopped) = mpsc::channel();
    let adopter = adopt_until(stopped, dir);
    let served = serve(&settings, &evidence);
    let (reason, signal) = served
        .as_ref()
        .map_or(("shutdown", None), |signal| ("signal", Some(*signal)));
    trail.close(reason, signal, None);
    drop(stop);
    shipper.finish(LINGER);
    // An orphan that is being closed is worth the moment; the trail itself is sealed already.
    let _ = adopter.join();
    served.map(|_| Exit::Ok)
}

/// Closes what dead processes left, now and from time to time, until the other end of `stopped` is gone.
fn adopt_until(stopped: Receiver<()>, dir: DataDir) -> JoinHandle<()> {
    std::thread::spawn(move || {
        loop {
            if let Err(error) = adopt_orphans(&dir) {
                tracing::warn!(%error, "orphan spools cannot be looked at");
            }
            if stopped.recv_timeout(ADOPT_INTERVAL) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    })
}

/// Serves until a signal asks to end; returns its number.
fn serve(settings: &config::Settings, evidence: &Evidence) -> Result<i32, ExpectedError> {
    // It accepts and serves the admin listener; the gateway has threads of its own for the routes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| ExpectedError::caused(Exit::Storage, &error))?;
    runtime.block_on(async {
        // Listened to before the first connection, so that no signal is lost.
        let (mut term, mut int) = (
            listen(SignalKind::terminate())?,
            listen(SignalKind::interrupt())?,
        );
        let gateway = Gateway::start(settings, evidence)
            .await
            .map_err(|error| start_refused(&error))?;
        for (route, url) in &gateway.addresses().routes {
            say(&format!("route {route} at {url}"));
        }
        say(&format!(
            "health and metrics at http://{}",
            gateway.addresses().admin
        ));
        let signal = tokio::select! {
            _ = term.recv() => SignalKind::terminate(),
            _ = int.recv() => SignalKind::interrupt(),
        };
        gateway.stop().await;
        Ok(signal.as_raw_value())
    })
}

fn listen(kind: SignalKind) -> Result<Signal, ExpectedError> {
    signal(kind).map_err(|error| ExpectedError::caused(Exit::Storage, &error))
}

fn start_refused(error: &StartError) -> ExpectedError {
    let exit = match error {
        StartError::Bind(_) => {
            return ExpectedError::caused(Exit::Unreachable, error)
                .hint("another process may listen there; give another address, or port 0 for any");
        }
        StartError::Upstream(_) => Exit::Usage,
        StartError::StateFile(_) | _ => Exit::Storage,
    };
    ExpectedError::caused(exit, error)
}
