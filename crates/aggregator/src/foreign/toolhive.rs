//! ToolHive's audit log: one slog JSON line an event, `"msg":"audit_event"`.
//!
//! ```text
//! {"time":"…","level":"AUDIT","msg":"audit_event","audit_id":"…","type":"mcp_tool_call",
//!  "logged_at":"…","outcome":"success","component":"github",
//!  "source":{"type":"network","value":"10.0.0.7","extra":{"user_agent":"…","request_id":"…"}},
//!  "subjects":{"user":"…","user_id":"…","client_name":"…","client_version":"…"},
//!  "target":{"endpoint":"/mcp","method":"tools/call","name":"create_issue","type":"tool"},
//!  "metadata":{"extra":{"duration_ms":41,"transport":"http","response_size_bytes":512}},
//!  "data":{"request":{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{…}},"response":{…}}}
//! ```
//!
//! The spelling of the event struct itself is read too (`loggedAt`, `metadata.auditId`). `data` is
//! there only where the operator turned on `includeRequestData` and `includeResponseData`. The event
//! is logged when the call ended.

use affiant_entry::Fact;
use affiant_entry::call::{Reason, Status, StatusCode, Transport};

use super::draft::{Context, Draft, LineProblem, Says, Verdict, began, time};
use super::fields::Fields;

pub(crate) fn read(line: &Fields<'_>, context: Context<'_>) -> Verdict {
    let shape =
        line.text("msg").as_deref() == Some("audit_event") || line.raw("loggedAt").is_some();
    let (Some(kind), Some(outcome), true) = (line.text("type"), line.text("outcome"), shape) else {
        return Verdict::Unknown(LineProblem::UnknownShape);
    };
    if kind != "mcp_tool_call" {
        return Verdict::Other;
    }
    let ended = line.text_of(&["logged_at", "loggedAt", "time"]);
    let Some(ended) = ended.as_deref().and_then(time) else {
        return Verdict::Unknown(LineProblem::NoTime);
    };
    let target = line.object("target").unwrap_or_default();
    let Some(tool) = target.text("name") else {
        return Verdict::Unknown(LineProblem::NoTool);
    };
    let metadata = line.object("metadata").unwrap_or_default();
    let extra = metadata.object("extra").unwrap_or_default();
    let data = line.object("data").unwrap_or_default();
    let request = data.object("request").unwrap_or_default();
    let latency_us = extra.ms_as_us("duration_ms");
    let status = status(&outcome, &extra, &data);
    Verdict::Call(Box::new(Draft {
        at_utc_us: began(ended, latency_us),
        head: says(line, tool, &metadata, &extra, &request, outcome == "denied")
            .head(context.format),
        input: request
            .object("params")
            .and_then(|params| params.raw("arguments").map(|raw| raw.as_bytes().to_vec())),
        status,
        text: None,
        response: data.raw("response").map_or_else(
            || context.no_response(extra.int("response_size_bytes")),
            |content| context.response(content),
        ),
        latency_us: Fact::from_option(latency_us, context.format.silent()),
        original: original(line, &metadata, &extra),
    }))
}

/// The line without `data` and the error text.
fn original(line: &Fields<'_>, metadata: &Fields<'_>, extra: &Fields<'_>) -> Vec<u8> {
    let mut rest = Fields::default();
    let mut kept = metadata.clone();
    if metadata.raw("extra").is_some() {
        kept = Fields::default();
        if let Some(id) = metadata.raw("auditId") {
            kept.push("auditId", id.to_owned());
        }
        kept.push("extra", extra.without(&["jsonrpc_error_message"]));
    }
    rest.push("line", line.without(&["data", "metadata"]));
    rest.push("metadata", kept.without(&[]));
    rest.without(&[]).into_bytes()
}

fn says(
    line: &Fields<'_>,
    tool: String,
    metadata: &Fields<'_>,
    extra: &Fields<'_>,
    request: &Fields<'_>,
    denied: bool,
) -> Says {
    let subjects = line.object("subjects").unwrap_or_default();
    let source = line.object("source").unwrap_or_default();
    let from = source.object("extra").unwrap_or_default();
    let client = subjects.text("client_name").map(|name| {
        subjects
            .text("client_version")
            .map_or_else(|| name.clone(), |version| format!("{name}/{version}"))
    });
    let transport = match extra.text("transport").as_deref() {
        Some("sse") => Some(Transport::Sse),
        Some("http" | "streamable-http") => Some(Transport::Http),
        Some("stdio") => Some(Transport::Stdio),
        Some(_) | None => None,
    };
    Says {
        mcp_session: from.text("session_id"),
        // "anonymous" is what ToolHive writes for nobody.
        user: subjects
            .text_of(&["user_id", "user"])
            .filter(|user| user != "anonymous"),
        client: client.or_else(|| from.text("user_agent")),
        server: extra
            .text("backend_name")
            .or_else(|| line.text("component")),
        protocol: extra.text("mcp_version"),
        transport,
        tool,
        denied,
        correlation: from
            .text("request_id")
            .or_else(|| line.text("audit_id"))
            .or_else(|| metadata.text("auditId")),
        request_id: request.raw("id").map(str::to_owned),
        ..Says::default()
    }
}

fn status(outcome: &str, extra: &Fields<'_>, data: &Fields<'_>) -> Status {
    let failed_in_result = || {
        let result = data.object("response")?.raw("result").map(str::to_owned)?;
        Fields::parse(&result)?.flag("isError")
    };
    match outcome {
        "success" if failed_in_result() == Some(true) => {
            Status::new(StatusCode::Failure, Reason::ToolError)
        }
        "success" => Status::new(StatusCode::Success, Reason::Ok),
        "denied" => Status::new(StatusCode::Error, Reason::Denied),
        "application_error" => Status {
            rpc_code: extra.int("jsonrpc_error_code"),
            ..Status::new(StatusCode::Error, Reason::RpcError)
        },
        // 4xx and 5xx; the status itself is not recorded.
        "failure" | "error" => Status::new(StatusCode::Error, Reason::HttpError),
        _ => Status::new(StatusCode::Error, Reason::Reported),
    }
}
