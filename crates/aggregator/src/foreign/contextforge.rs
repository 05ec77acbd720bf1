//! ContextForge (mcp-context-forge): three shapes of JSON lines.
//!
//! ```text
//! log line     {"asctime":"…","name":"…","levelname":"INFO","message":"[tool_service] Tool 'x' invoked …",
//!               "component":"tool_service","user_id":"…","resource_type":"tool","resource_id":"…",
//!               "resource_action":"invoke","duration_ms":41.2,
//!               "custom_fields":{"tool_name":"x","integration_type":"MCP","arguments_count":2},
//!               "correlation_id":"…","trace_id":"…","@timestamp":"…Z"}
//! audit row    {"id":"…","timestamp":"…","action":"EXECUTE","resource_type":"tool","resource_name":"x",
//!               "user_id":"…","success":true,"error_message":null,"data_classification":null,…}
//! SIEM event   {"schema_version":"1.0","event_id":"…","timestamp":"…","event_type":"audit_execute",
//!               "actor":{…},"context":{"action":"EXECUTE","resource_type":"tool",…},…}
//! ```
//!
//! None of them has the arguments or the result of a call; log lines are written when a call ended.

use affiant_entry::Fact;
use affiant_entry::call::{Reason, Status, StatusCode};

use super::draft::{Context, Draft, LineProblem, Says, Verdict, began, time};
use super::fields::Fields;

pub(crate) fn read(line: &Fields<'_>, context: Context<'_>) -> Verdict {
    let has = |names: &[&str]| names.iter().all(|name| line.raw(name).is_some());
    if has(&["schema_version", "event_type", "context"]) {
        siem_event(line, context)
    } else if has(&["action", "resource_type", "success"]) {
        audit_row(line, context)
    } else if has(&["levelname", "message"]) {
        log_line(line, context)
    } else {
        Verdict::Unknown(LineProblem::UnknownShape)
    }
}

/// What the three shapes tell, in one form.
struct Told {
    at: Option<String>,
    tool: Option<String>,
    latency_us: Option<u64>,
    failed: bool,
    /// Class of the error.
    text: Option<String>,
    says: Says,
    original: String,
}

fn log_line(line: &Fields<'_>, context: Context<'_>) -> Verdict {
    let is = |name: &str, word: &str| line.text(name).as_deref() == Some(word);
    if !is("resource_type", "tool") || !is("resource_action", "invoke") {
        return Verdict::Other;
    }
    let custom = line.object("custom_fields").unwrap_or_default();
    let error = custom
        .raw("error_message")
        .or_else(|| line.raw("error_message"));
    told(
        Told {
            at: line.text_of(&["@timestamp", "timestamp"]),
            tool: custom.text("tool_name"),
            latency_us: line.ms_as_us("duration_ms"),
            failed: is("levelname", "ERROR") || error.is_some(),
            text: line.text("error_type"),
            says: Says {
                user: line.text_of(&["user_email", "user_id"]),
                client: line.text("user_agent"),
                correlation: line.text_of(&["trace_id", "correlation_id", "request_id"]),
                ..Says::default()
            },
            original: rest(line, "custom_fields", &custom),
        },
        context,
    )
}

fn audit_row(line: &Fields<'_>, context: Context<'_>) -> Verdict {
    if !runs_a_tool(line) {
        return Verdict::Other;
    }
    told(
        Told {
            at: line.text("timestamp"),
            tool: line.text("resource_name"),
            latency_us: None,
            failed: line.flag("success") != Some(true),
            text: None,
            says: Says {
                user: line.text_of(&["user_email", "user_id"]),
                role: line.text("acting_as"),
                client: line.text("user_agent"),
                classification: line.text("data_classification"),
                correlation: line.text_of(&["correlation_id", "request_id", "id"]),
                ..Says::default()
            },
            original: rest(line, "context", &line.object("context").unwrap_or_default()),
        },
        context,
    )
}

fn siem_event(line: &Fields<'_>, context: Context<'_>) -> Verdict {
    let inner = line.object("context").unwrap_or_default();
    if !runs_a_tool(&inner) {
        return Verdict::Other;
    }
    let actor = line.object("actor").unwrap_or_default();
    told(
        Told {
            at: line.text("timestamp"),
            tool: inner.text("resource_name"),
            latency_us: None,
            failed: inner.flag("success") != Some(true),
            text: None,
            says: Says {
                user: actor.text_of(&["user_email", "user_id"]),
                client: actor.text("user_agent"),
                classification: inner.text("data_classification"),
                // The event says "denied" of every failure, so that it says nothing of a policy.
                correlation: inner
                    .text("correlation_id")
                    .or_else(|| line.text("event_id")),
                ..Says::default()
            },
            original: rest(line, "context", &inner),
        },
        context,
    )
}

fn runs_a_tool(fields: &Fields<'_>) -> bool {
    let action = fields.text("action").unwrap_or_default().to_lowercase();
    fields.text("resource_type").as_deref() == Some("tool")
        && matches!(
            action.as_str(),
            "execute" | "invoke" | "invoke_tool" | "execute_tool"
        )
}

fn told(told: Told, context: Context<'_>) -> Verdict {
    let Some(at) = told.at.as_deref().and_then(time) else {
        return Verdict::Unknown(LineProblem::NoTime);
    };
    let Some(tool) = told.tool else {
        return Verdict::Unknown(LineProblem::NoTool);
    };
    let status = if told.failed {
        Status::new(StatusCode::Error, Reason::Reported)
    } else {
        Status::new(StatusCode::Success, Reason::Ok)
    };
    let says = Says { tool, ..told.says };
    Verdict::Call(Box::new(Draft {
        at_utc_us: began(at, told.latency_us),
        head: says.head(context.format),
        input: None,
        status,
        text: told.text,
        response: context.no_response(None),
        latency_us: Fact::from_option(told.latency_us, context.format.silent()),
        original: told.original.into_bytes(),
    }))
}

/// The line without what repeats errors or values: messages, stack traces, changed values.
fn rest(line: &Fields<'_>, nested: &'static str, inner: &Fields<'_>) -> String {
    const TEXTS: [&str; 10] = [
        "message",
        "description",
        "error_message",
        "error_stack_trace",
        "error_context",
        "exc_info",
        "details",
        "old_values",
        "new_values",
        "changes",
    ];
    let mut out = Fields::default();
    let outer: Vec<&str> = TEXTS.into_iter().chain([nested]).collect();
    out.push("line", line.without(&outer));
    out.push(nested, inner.without(&TEXTS));
    out.without(&[])
}
