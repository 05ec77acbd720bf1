//! The MCP semantic conventions of OpenTelemetry (status: Development), and what agentgateway adds.
//!
//! Read: `mcp.method.name`, `mcp.session.id`, `mcp.protocol.version`, `gen_ai.tool.name`,
//! `gen_ai.tool.call.arguments`, `gen_ai.tool.call.result`, `gen_ai.conversation.id`,
//! `gen_ai.agent.name`, `jsonrpc.request.id`, `rpc.response.status_code`, `error.type`,
//! `network.transport`, `network.protocol.name`, `server.address`, `server.port`,
//! `http.response.status_code`, `http.response.body.size`, `user.id`, `enduser.id`,
//! `user_agent.original`, `service.name`, `service.version`; of agentgateway `mcp.target`,
//! `mcp.error.code`, `mcp.error.message`, `http.status`, `jwt.sub`, `reason`, `error`, `duration`.
//!
//! <https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/mcp.md>

use std::time::Duration;

use affiant_entry::Fact;
use affiant_entry::call::{Reason, Status, StatusCode, Transport};

use super::draft::{Context, Draft, LineProblem, Says, Verdict, began};
use super::fields::{Fields, quoted};

/// A span, a log record, or a line with these names.
pub(crate) struct Told<'t, 'f> {
    /// Attributes of the resource.
    pub(crate) resource: &'t Fields<'f>,
    /// Its own attributes.
    pub(crate) attributes: &'t Fields<'f>,
    /// Start of a span.
    pub(crate) began_utc_us: Option<i64>,
    /// End of a span, or time of a log record.
    pub(crate) ended_utc_us: Option<i64>,
    /// W3C trace id, 32 hexadecimal digits.
    pub(crate) trace_id: Option<String>,
    /// The resource is the server, not the client.
    pub(crate) serves: bool,
    /// Status `ERROR` of a span.
    pub(crate) failed: bool,
    /// What else stands in the record, for the original.
    pub(crate) around: Option<Fields<'f>>,
}

/// Where arguments, results and error texts stand: they never stay in the original.
const ARGUMENTS: [&str; 3] = [
    "gen_ai.tool.call.arguments",
    "mcp.tool.arguments",
    "mcp.request.argument",
];
const RESULTS: [&str; 3] = [
    "gen_ai.tool.call.result",
    "mcp.tool.result",
    "mcp.tool.error",
];
const TEXTS: [&str; 4] = [
    "mcp.error.message",
    "error",
    "error.message",
    "exception.message",
];

pub(crate) fn read(told: &Told<'_, '_>, context: Context<'_>) -> Verdict {
    let all = told.attributes;
    match all.text("mcp.method.name").as_deref() {
        Some("tools/call") => {}
        Some(_) | None => return Verdict::Other,
    }
    let Some(tool) = all.text("gen_ai.tool.name") else {
        return Verdict::Unknown(LineProblem::NoTool);
    };
    let latency_us = latency_us(told);
    let Some(at_utc_us) = told
        .began_utc_us
        .or_else(|| told.ended_utc_us.map(|end| began(end, latency_us)))
    else {
        return Verdict::Unknown(LineProblem::NoTime);
    };
    let status = status(told);
    let denied = status.reason == Reason::Denied;
    Verdict::Call(Box::new(Draft {
        at_utc_us,
        head: says(told, tool, denied).head(context.format),
        input: first(all, &ARGUMENTS).map(|raw| arguments(raw).into_bytes()),
        status,
        text: error_class(all),
        response: first(all, &RESULTS).map_or_else(
            || context.no_response(all.int("http.response.body.size")),
            |content| context.response(content),
        ),
        latency_us: Fact::from_option(latency_us, context.format.silent()),
        original: original(told).into_bytes(),
    }))
}

fn first<'f>(all: &'f Fields<'_>, names: &[&str]) -> Option<&'f str> {
    names.iter().find_map(|name| all.raw(name))
}

/// Spans often carry arguments as a string that holds JSON: then that JSON is the input.
fn arguments(raw: &str) -> String {
    let inside = serde_json::from_str::<String>(raw).ok().filter(|text| {
        text.trim_start().starts_with(['{', '['])
            && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    });
    inside.unwrap_or_else(|| raw.to_owned())
}

fn original(told: &Told<'_, '_>) -> String {
    let mut out = told.around.clone().unwrap_or_default();
    let mut cut: Vec<&str> = Vec::new();
    cut.extend(ARGUMENTS);
    cut.extend(RESULTS);
    cut.extend(TEXTS);
    let attributes = told.attributes.without(&cut);
    if told.around.is_none() {
        return attributes;
    }
    out.push("attributes", attributes);
    out.push("resource", told.resource.without(&[]));
    out.without(&[])
}

fn latency_us(told: &Told<'_, '_>) -> Option<u64> {
    let span = told.began_utc_us.zip(told.ended_utc_us);
    span.and_then(|(start, end)| u64::try_from(end.checked_sub(start)?).ok())
        .or_else(|| duration_us(&told.attributes.text("duration")?))
}

/// `41ms`, `1.5s`, `830us`.
fn duration_us(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ')?;
    let (number, unit) = text.split_at_checked(split)?;
    let number: f64 = number.parse().ok()?;
    let seconds = match unit {
        "ns" => number / 1e9,
        "us" | "µs" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        _ => return None,
    };
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(duration.as_micros()).ok()
}

fn says(told: &Told<'_, '_>, tool: String, denied: bool) -> Says {
    let all = told.attributes;
    let service = told.resource.text("service.name");
    let address = all.text("server.address").map(|host| {
        all.int("server.port")
            .map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    });
    let server = all.text("mcp.target");
    let server = if told.serves {
        server.or_else(|| service.clone()).or(address)
    } else {
        server.or(address)
    };
    let of_server = |fact: Option<String>| fact.filter(|_| told.serves);
    Says {
        mcp_session: all.text("mcp.session.id"),
        session: all.text("gen_ai.conversation.id"),
        role: all.text("gen_ai.agent.name"),
        user: all.text_of(&[
            "user.id",
            "enduser.id",
            "jwt.sub",
            "user.email",
            "user.name",
        ]),
        client: all
            .text("user_agent.original")
            .or_else(|| service.clone().filter(|_| !told.serves)),
        server,
        server_name: of_server(service),
        server_version: of_server(told.resource.text("service.version")),
        protocol: all.text("mcp.protocol.version"),
        transport: transport(all),
        tool,
        classification: None,
        denied,
        correlation: told.trace_id.clone(),
        // The conventions give its string form: whether it was a number is not known.
        request_id: all.text("jsonrpc.request.id").map(|id| quoted(&id)),
    }
}

fn transport(all: &Fields<'_>) -> Option<Transport> {
    let protocol = all.text_of(&["network.protocol.name"]);
    match all.text("network.transport").as_deref() {
        Some("pipe") => Some(Transport::Stdio),
        Some("tcp" | "quic") => Some(Transport::Http),
        _ if protocol.as_deref() == Some("http") || all.raw("http.method").is_some() => {
            Some(Transport::Http)
        }
        Some(_) | None => None,
    }
}

fn status(told: &Told<'_, '_>) -> Status {
    let all = told.attributes;
    let kind = all.text("error.type");
    let code = all
        .int("rpc.response.status_code")
        .or_else(|| all.int("mcp.error.code"))
        .or_else(|| kind.as_deref()?.parse().ok().filter(|code| *code < 0))
        .filter(|code| *code != 0);
    let error = |reason| Status::new(StatusCode::Error, reason);
    match (kind.as_deref(), code) {
        (Some("tool_error"), _) => Status::new(StatusCode::Failure, Reason::ToolError),
        (_, Some(code)) => Status {
            rpc_code: Some(code),
            ..error(Reason::RpcError)
        },
        (Some("timeout"), None) => error(Reason::Timeout),
        (Some("cancelled" | "canceled"), None) => error(Reason::Cancelled),
        (Some(kind), None) => {
            http_status(kind.parse().ok()).unwrap_or_else(|| error(Reason::Reported))
        }
        (None, None) => {
            let http = all
                .int("http.response.status_code")
                .or_else(|| all.int("http.status"));
            refused(all.text("reason").as_deref(), http)
                .or_else(|| http_status(http))
                .or_else(|| told.failed.then(|| error(Reason::Reported)))
                .unwrap_or_else(|| Status::new(StatusCode::Success, Reason::Ok))
        }
    }
}

/// What agentgateway says of a request that it answered itself.
fn refused(reason: Option<&str>, http: Option<i64>) -> Option<Status> {
    let reason = match reason? {
        "JwtAuth" | "Oidc" | "BasicAuth" | "APIKeyAuth" | "ExtAuth" | "Authorization"
        | "RateLimit" | "Guardrail" => Reason::Denied,
        "Timeout" => Reason::Timeout,
        "NoHealthyBackend" | "UpstreamFailure" => Reason::TransportError,
        _ => return None,
    };
    Some(Status {
        http_status: http.and_then(|code| u16::try_from(code).ok()),
        ..Status::new(StatusCode::Error, reason)
    })
}

fn http_status(code: Option<i64>) -> Option<Status> {
    let code = u16::try_from(code?)
        .ok()
        .filter(|code| (400..600).contains(code))?;
    Some(Status {
        http_status: Some(code),
        ..Status::new(StatusCode::Error, Reason::HttpError)
    })
}

/// The class of what went wrong, where it says more than the reason. Messages are not kept: a server
/// may quote the input in them.
fn error_class(all: &Fields<'_>) -> Option<String> {
    let told = |class: &String| {
        !matches!(
            class.as_str(),
            "tool_error" | "timeout" | "cancelled" | "canceled"
        ) && class.parse::<i64>().is_err()
    };
    all.text("error.type")
        .filter(told)
        .or_else(|| all.text("reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        assert_eq!(duration_us("41ms"), Some(41_000));
        assert_eq!(duration_us("1.5s"), Some(1_500_000));
        assert_eq!(duration_us("830µs"), Some(830));
        for broken in ["", "ms", "41", "-1ms", "1h", "NaNs"] {
            assert_eq!(duration_us(broken), None, "{broken}");
        }
    }

    #[test]
    fn arguments_in_a_string_are_the_json_in_it() {
        assert_eq!(arguments(r#""{\"a\": 1}""#), r#"{"a": 1}"#);
        assert_eq!(arguments(r#"{"a":1}"#), r#"{"a":1}"#);
        assert_eq!(arguments(r#""plain""#), r#""plain""#);
        assert_eq!(arguments(r#""{broken""#), r#""{broken""#);
    }
}
