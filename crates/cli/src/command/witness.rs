//! `affiant witness`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use affiant_aggregator::files;
use affiant_aggregator::witness::WitnessServer;
use affiant_log::witness::DirWitnessStore;
use affiant_log::{SystemClock, Witness};
use affiant_tlog::VerifierKey;
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::cosignature::CosignerSigner;
use affiant_tlog::note::KeyName;
use affiant_tlog::witness::KnownLog;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::help;
use crate::printer::{Stdout, say};

const EXAMPLES: &str = "  \
  affiant witness serve --name witness.example/w1 --log-key \"$(affiant key show log --data-dir D)\" --data-dir W";

const EXITS: [Exit; 5] = [
    Exit::Ok,
    Exit::Usage,
    Exit::Untrusted,
    Exit::Unreachable,
    Exit::Storage,
];

/// Be a witness of other people's logs
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Cosign the checkpoints of logs, each of which must follow from the one before
    ///
    /// Speaks C2SP tlog-witness over plain HTTP until SIGTERM or SIGINT. Prints its verifier key, which logs
    /// and verifiers put into their policies, once it listens. Run it apart from the logs: on another
    /// machine, by other people. Refused checkpoints that a log signed are kept as evidence.
    #[command(after_long_help = help::sections(EXAMPLES, &EXITS))]
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Name of the witness's key, a URL without schema; compared when the key is there
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Verifier key of a log it cosigns; may be given several times, and several for one log
    #[arg(long, value_name = "VKEY", required = true)]
    log_key: Vec<String>,
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7490")]
    listen: SocketAddr,
    /// Directory with its key and what it cosigned; made on first use
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let Action::Serve(args) = &args.action;
    let logs = known_logs(&args.log_key)?;
    let signer = signer(&args.data_dir, &args.name)?;
    let vkey = signer.key().to_string();
    let store = DirWitnessStore::open(args.data_dir.join("memory"))
        .map_err(|error| ExpectedError::storage(&error))?;
    let witness = Witness::new(logs, vec![signer], Arc::new(store), Arc::new(SystemClock));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| ExpectedError::storage(&error))?;
    runtime.block_on(serve(args.listen, witness, &vkey))
}

async fn serve(listen: SocketAddr, witness: Witness, vkey: &str) -> Result<Exit, ExpectedError> {
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
    let server = WitnessServer::start(listen, witness).await;
    let server = server.map_err(|error| ExpectedError::caused(Exit::Unreachable, &error))?;
    say(&format!("witness at http://{}/", server.address()));
    {
        let mut out = Stdout::lock();
        out.line(vkey.as_bytes())?;
        out.flush()?;
    }
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    server.stop().await;
    Ok(Exit::Ok)
}

/// The logs by origin, each with its keys.
fn known_logs(keys: &[String]) -> Result<Vec<KnownLog>, ExpectedError> {
    let mut logs: Vec<KnownLog> = Vec::new();
    for text in keys {
        let key: VerifierKey = text.parse().map_err(|error| {
            ExpectedError::usage(format!("`{text}` is not a verifier key: {error}"))
        })?;
        let origin = Origin::of(key.name())
            .map_err(|error| ExpectedError::usage(format!("`{text}`: {error}")))?;
        match logs.iter_mut().find(|log| log.origin == origin) {
            Some(log) => log.keys.push(key),
            None => logs.push(KnownLog {
                origin,
                keys: vec![key],
            }),
        }
    }
    Ok(logs)
}

fn signer(dir: &Path, name: &str) -> Result<CosignerSigner, ExpectedError> {
    let name = KeyName::new(name).map_err(|error| ExpectedError::usage(error.to_string()))?;
    let opened = files::cosigner(&dir.join("witness.key"), name.clone());
    let signer = opened.map_err(|error| {
        let exit = if error.is_unsafe() {
            Exit::Untrusted
        } else {
            Exit::Storage
        };
        ExpectedError::caused(exit, &error)
    })?;
    let found = &signer.key().key_ref().name;
    if *found == name {
        Ok(signer)
    } else {
        Err(ExpectedError::usage(format!(
            "the key in `{}` is of `{found}`, not of `{name}`",
            dir.display()
        )))
    }
}
