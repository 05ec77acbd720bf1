//! The tool whose argument is mirrored in an `Mcp-Param-*` header (SEP-2243).
//!
//! The transport does the checking, from the `x-mcp-header` annotation here.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool};
use serde_json::{Value, json};

use crate::tools;

pub(crate) const NAME: &str = "test_custom_header";

pub(crate) fn tool() -> Tool {
    tools::with_input(
        NAME,
        "Returns the value that its header repeats",
        json!({
            "type": "object",
            "properties": {"value": {"type": "string", "x-mcp-header": "Value"}},
            "required": ["value"]
        }),
    )
}

pub(crate) fn call(arguments: &JsonObject) -> Result<CallToolResult, ErrorData> {
    match arguments.get("value").and_then(Value::as_str) {
        Some(value) => Ok(CallToolResult::success(vec![ContentBlock::text(value)])),
        None => Err(ErrorData::invalid_params("`value` must be a string", None)),
    }
}
