//! The list of tools, and each call handed to its function.

mod records;
mod report;

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::server::Crm;

pub(crate) fn list() -> Vec<Tool> {
    let id = json!({"type": "string", "description": "Customer id, like C-1001"});
    let text = json!({"type": "string"});
    vec![
        tool(
            "search_customers",
            "Find customers by name, city or e-mail address",
            &["query"],
            json!({"query": text}),
        )
        .with_annotations(ToolAnnotations::new().read_only(true)),
        tool(
            "get_customer",
            "Show one customer",
            &["id"],
            json!({"id": id}),
        )
        .with_annotations(ToolAnnotations::new().read_only(true)),
        tool(
            "update_customer",
            "Change one customer",
            &["id"],
            json!({"id": id, "name": text, "email": text, "city": text, "plan": text}),
        )
        .with_annotations(ToolAnnotations::new().destructive(true).idempotent(true)),
        tool(
            "delete_customer",
            "Delete one customer",
            &["id"],
            json!({"id": id}),
        )
        .with_annotations(ToolAnnotations::new().destructive(true)),
        tool(
            "export_report",
            "Write all customers as CSV; takes its time and can be cancelled",
            &[],
            json!({"seconds": {"type": "number", "minimum": 0, "maximum": 60, "default": 1}}),
        )
        .with_annotations(ToolAnnotations::new().read_only(true)),
        tool(
            "connect",
            "Connect to the mail archive",
            &["username"],
            json!({
                "username": text,
                "note": text,
                "password": {"type": "string", "format": "password"},
                "api_key": {"type": "string", "format": "password"}
            }),
        )
        .with_annotations(ToolAnnotations::new().open_world(true)),
        tool("echo", "Return the text", &["text"], json!({"text": text}))
            .with_annotations(ToolAnnotations::new().read_only(true)),
    ]
}

pub(crate) async fn call(
    crm: &Crm,
    name: &str,
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    match name {
        "search_customers" => records::search(crm, required(arguments, "query")?).await,
        "get_customer" => Ok(records::get(crm, required(arguments, "id")?).await),
        "update_customer" => Ok(records::update(crm, required(arguments, "id")?, arguments).await),
        "delete_customer" => Err(records::delete(required(arguments, "id")?)),
        "export_report" => report::export(crm, arguments, context).await,
        "connect" => connect(arguments),
        "echo" => Ok(success(required(arguments, "text")?)),
        _ => Err(ErrorData::invalid_params(format!("no tool `{name}`"), None)),
    }
}

/// Says who is connected and by what kind of secret; never the secret itself.
fn connect(arguments: &JsonObject) -> Result<CallToolResult, ErrorData> {
    let username = required(arguments, "username")?;
    let has = |key: &str| {
        arguments
            .get(key)
            .and_then(Value::as_str)
            .is_some_and(|it| !it.is_empty())
    };
    let secret = if has("api_key") {
        "an API key"
    } else if has("password") {
        "a password"
    } else {
        return Ok(failure("give a `password` or an `api_key`"));
    };
    Ok(success(&format!("connected as {username} with {secret}")))
}

/// The string argument `key`, or the protocol error that it is missing.
fn required<'a>(arguments: &'a JsonObject, key: &str) -> Result<&'a str, ErrorData> {
    let missing = || ErrorData::invalid_params(format!("`{key}` must be a string"), None);
    arguments
        .get(key)
        .and_then(Value::as_str)
        .ok_or_else(missing)
}

fn tool(
    name: &'static str,
    description: &'static str,
    required: &[&str],
    properties: Value,
) -> Tool {
    let mut schema = JsonObject::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), properties);
    schema.insert("required".to_owned(), json!(required));
    Tool::new(name, description, schema)
}

fn success(text: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// The tool ran and failed: `isError`, not a JSON-RPC error.
fn failure(text: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}
