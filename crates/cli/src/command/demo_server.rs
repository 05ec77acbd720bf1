//! `affiant demo-server`, which `affiant demo` starts.

use std::net::Ipv4Addr;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::error::ExpectedError;
use crate::exit_code::Exit;
use crate::printer::Stdout;

/// Serve a small customer database over MCP, on stdio or HTTP
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Serve Streamable HTTP on this local port until standard input ends; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    http: Option<u16>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, ExpectedError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| ExpectedError::storage(&error))?;
    let served = runtime.block_on(async {
        match args.http {
            None => affiant_demo_server::serve_stdio()
                .await
                .map_err(|error| ExpectedError::caused(Exit::Unreachable, &error)),
            Some(port) => http(port).await,
        }
    });
    // A thread may still wait for standard input.
    runtime.shutdown_background();
    served.map(|()| Exit::Ok)
}

async fn http(port: u16) -> Result<(), ExpectedError> {
    let refused = |error: std::io::Error| ExpectedError::caused(Exit::Unreachable, &error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let mut out = Stdout::lock();
    out.line(format!("listening http://{address}/mcp").as_bytes())?;
    out.flush()?;
    tokio::select! {
        () = affiant_demo_server::serve_http(listener) => {}
        () = end_of_input() => {}
    }
    Ok(())
}

async fn end_of_input() {
    let (mut stdin, mut buffer) = (tokio::io::stdin(), [0; 256]);
    while stdin.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
}
