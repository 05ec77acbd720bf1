//! The tool that asks the client's model by a request of its own (until 2025-11-25).
#![expect(
    deprecated,
    reason = "sampling is deprecated by SEP-2577, yet scored until 2025-11-25"
)]

use rmcp::RoleServer;
use rmcp::model::{CallToolResult, JsonObject, Tool};
use rmcp::service::RequestContext;
use serde_json::{Value, json};

use super::{failure, success, with_input};
use crate::input;

pub(super) const NAME: &str = "test_sampling";

pub(super) fn tool() -> Tool {
    with_input(
        NAME,
        "Asks the client's model",
        json!({
            "type": "object",
            "properties": {"prompt": {"type": "string", "description": "What to ask"}},
            "required": ["prompt"]
        }),
    )
}

pub(super) async fn call(
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
) -> CallToolResult {
    if context
        .client_capabilities()
        .is_none_or(|capabilities| capabilities.sampling.is_none())
    {
        return failure("the client does not support sampling");
    }
    let prompt = arguments
        .get("prompt")
        .and_then(Value::as_str)
        .unwrap_or("Hello");
    match context
        .peer
        .create_message(input::sampling_params(prompt))
        .await
    {
        Ok(answer) => {
            let text = answer
                .message
                .content
                .first()
                .and_then(|content| content.as_text());
            success(&format!(
                "LLM response: {}",
                text.map_or("", |text| text.text.as_str())
            ))
        }
        Err(error) => failure(&format!("sampling failed: {error}")),
    }
}
