//! `affiant-conformance-server [--port N]`: prints its address, then serves until it is killed.

use std::process::ExitCode;

/// Exit code for a wrong command line.
const USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let port = match port(std::env::args().skip(1)) {
        Ok(port) => port,
        Err(message) => return fail(&message, USAGE),
    };
    let (listener, address) = match affiant_conformance_server::bind(port).await {
        Ok(bound) => bound,
        Err(error) => return fail(&chain(&error), 1),
    };
    announce(&format!("listening http://{address}/mcp"));
    match affiant_conformance_server::serve(listener).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&chain(&error), 1),
    }
}

/// The port asked for; 0 (the system chooses) without `--port`.
fn port(mut arguments: impl Iterator<Item = String>) -> Result<u16, String> {
    const HELP: &str = "usage: affiant-conformance-server [--port N]";
    match (
        arguments.next().as_deref(),
        arguments.next(),
        arguments.next(),
    ) {
        (None, None, None) => Ok(0),
        (Some("--port"), Some(number), None) => number
            .parse()
            .map_err(|_| format!("`{number}` is not a port\n{HELP}")),
        _ => Err(format!("cannot read the command line\n{HELP}")),
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
    reason = "stdout is this program's interface: it tells the port"
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
    use super::port;

    fn parse(arguments: &[&str]) -> Result<u16, String> {
        port(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn port_is_optional_and_checked() {
        assert_eq!(parse(&[]), Ok(0));
        assert_eq!(parse(&["--port", "8123"]), Ok(8123));
        assert!(parse(&["--port"]).is_err());
        assert!(parse(&["--port", "70000"]).is_err());
        assert!(parse(&["--port", "1", "2"]).is_err());
    }
}
