//! `affiant-demo-server [--http PORT]`: on stdin and stdout, or on a local port.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use tokio::net::TcpListener;

const HELP: &str = "usage: affiant-demo-server [--http PORT]   (PORT 0: the system chooses)";
/// Exit code for a wrong command line.
const USAGE: u8 = 2;

/// Where the command line says to serve.
#[derive(Debug, PartialEq, Eq)]
enum Transport {
    Stdio,
    Http(u16),
}

#[tokio::main]
async fn main() -> ExitCode {
    match transport(std::env::args().skip(1)) {
        Some(Transport::Stdio) => match affiant_demo_server::serve_stdio().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&chain(&error), 1),
        },
        Some(Transport::Http(port)) => http(port).await,
        None => fail(&format!("cannot read the command line\n{HELP}"), USAGE),
    }
}

async fn http(port: u16) -> ExitCode {
    let bound = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => listener.local_addr().map(|address| (listener, address)),
        Err(error) => Err(error),
    };
    match bound {
        Ok((listener, address)) => {
            announce(&format!("listening http://{address}/mcp"));
            affiant_demo_server::serve_http(listener).await;
            ExitCode::SUCCESS
        }
        Err(error) => fail(&format!("bind 127.0.0.1:{port}: {error}"), 1),
    }
}

fn transport(mut arguments: impl Iterator<Item = String>) -> Option<Transport> {
    match (
        arguments.next().as_deref(),
        arguments.next(),
        arguments.next(),
    ) {
        (None, None, None) => Some(Transport::Stdio),
        (Some("--http"), Some(port), None) => port.parse().ok().map(Transport::Http),
        _ => None,
    }
}

/// The error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line = format!("{line}: {next}");
        cause = next.source();
    }
    line
}

#[expect(
    clippy::print_stdout,
    reason = "in HTTP mode stdout tells the port; stdio mode never comes here"
)]
fn announce(line: &str) {
    println!("{line}");
}

#[expect(
    clippy::print_stderr,
    reason = "a message for the person who started the program"
)]
fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::{Transport, transport};

    fn parse(arguments: &[&str]) -> Option<Transport> {
        transport(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn stdio_is_the_default() {
        assert_eq!(parse(&[]), Some(Transport::Stdio));
        assert_eq!(parse(&["--http", "0"]), Some(Transport::Http(0)));
        assert_eq!(parse(&["--http"]), None);
        assert_eq!(parse(&["--http", "x"]), None);
        assert_eq!(parse(&["--stdio"]), None);
    }
}
