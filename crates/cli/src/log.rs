//! Our own log lines, on stderr. They are no audit trail, and no payload reaches them.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::ExpectedError;
use crate::printer::Paint;

/// What is logged where nothing is said.
const DEFAULT: &str = "warn";

/// Starts logging as `--log` or `AFFIANT_LOG` says.
pub(crate) fn start(filter: Option<&str>) -> Result<(), ExpectedError> {
    let text = filter.unwrap_or(DEFAULT);
    let wrong = || {
        ExpectedError::usage(format!("log filter `{text}` cannot be read")).hint(
            "give `off`, `error`, `warn`, `info`, `debug` or `trace`, or `target=level` pairs",
        )
    };
    let filter: Targets = text.parse().map_err(|_| wrong())?;
    // A lone word that is no level would be taken for a target, and switch everything on for it.
    let lone_word = !text.contains('=') && !text.contains(',');
    if lone_word
        && text
            .parse::<tracing_subscriber::filter::LevelFilter>()
            .is_err()
    {
        return Err(wrong());
    }
    let ansi = std::io::stderr().is_terminal() && Paint::stderr().is_on();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .without_time();
    // Only a second start could fail, and there is none.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Ok(())
}
