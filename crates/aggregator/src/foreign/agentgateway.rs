//! agentgateway's request log as JSON lines (`LOG_FORMAT=json`): one flat object a request.
//!
//! ```text
//! {"level":"info","time":"2026-08-21T10:15:01.523041Z","scope":"request","gateway":"default/gw",
//!  "listener":"mcp","route":"default/github","endpoint":"10.0.0.4:8080","src.addr":"10.0.0.7:52110",
//!  "http.method":"POST","http.path":"/mcp","http.status":200,"trace.id":"…","span.id":"…",
//!  "jwt.sub":"ann","protocol":"mcp","mcp.method.name":"tools/call","mcp.target":"github",
//!  "mcp.resource.type":"tool","gen_ai.tool.name":"create_issue","mcp.session.id":"…","duration":"41ms"}
//! ```
//!
//! The names are those of the OpenTelemetry conventions where there are any, so that the same
//! reader serves ([`attributes`](super::attributes)). Arguments and results are there only where the
//! operator added them (`mcp.tool.arguments` and `mcp.tool.result` in CEL) under these names or the
//! conventions'. An `isError` of a tool is not in the log.

use super::attributes::{self, Told};
use super::draft::{Context, LineProblem, Verdict};
use super::fields::Fields;

pub(crate) fn read(line: &Fields<'_>, context: Context<'_>) -> Verdict {
    let (Some(scope), Some(at)) = (line.text("scope"), line.text("time")) else {
        return Verdict::Unknown(LineProblem::UnknownShape);
    };
    if scope != "request" && line.raw("mcp.method.name").is_none() {
        return Verdict::Other;
    }
    let none = Fields::default();
    attributes::read(
        &Told {
            resource: &none,
            attributes: line,
            began_utc_us: None,
            ended_utc_us: time(&at),
            trace_id: line.text("trace.id"),
            serves: true,
            failed: false,
            around: None,
        },
        context,
    )
}

/// The fraction is a count of microseconds without leading zeros: `01.523Z` is 523 µs past.
fn time(text: &str) -> Option<i64> {
    let padded = text
        .strip_suffix('Z')
        .and_then(|head| head.rsplit_once('.'))
        .filter(|(_, fraction)| fraction.len() < 6 && fraction.bytes().all(|b| b.is_ascii_digit()))
        .map(|(whole, fraction)| format!("{whole}.{fraction:0>6}Z"));
    super::draft::time(padded.as_deref().unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_fraction_is_a_count_of_microseconds() {
        let whole = time("2026-08-21T10:15:01Z").unwrap();
        assert_eq!(time("2026-08-21T10:15:01.523041Z"), Some(whole + 523_041));
        assert_eq!(time("2026-08-21T10:15:01.523Z"), Some(whole + 523));
        assert_eq!(time("2026-08-21T10:15:01.7Z"), Some(whole + 7));
        assert_eq!(time("yesterday"), None);
    }
}
