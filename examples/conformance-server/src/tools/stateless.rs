//! The diagnostic tools of the stateless architecture (SEP-2575, 2026-07-28).
#![expect(
    deprecated,
    reason = "sampling is deprecated by SEP-2577, yet the suite asks for it"
)]

use rmcp::model::{CallToolResponse, ClientCapabilities, Tool};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::json;

use super::{notify, plain, success, unknown};
use crate::fixture::Fixture;
use crate::input;

pub(super) const NAMES: [&str; 5] = [
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_logging_tool",
    "test_trigger_tool_change",
    "test_trigger_prompt_change",
];

pub(super) fn tools() -> [Tool; 5] {
    [
        plain("test_missing_capability", "Needs a client that can sample"),
        plain(
            "test_streaming_elicitation",
            "Asks for a value by `input_required`",
        ),
        plain("test_logging_tool", "Logs only if the request asks for it"),
        plain(
            "test_trigger_tool_change",
            "Tells listeners that the tools changed",
        ),
        plain(
            "test_trigger_prompt_change",
            "Tells listeners that the prompts changed",
        ),
    ]
}

pub(super) async fn call(
    fixture: &Fixture,
    name: &str,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let text = match name {
        "test_missing_capability" => {
            require_sampling(context)?;
            "The client can sample"
        }
        "test_streaming_elicitation" => {
            let form = input::form("Please give a value", &json!({"value": {"type": "string"}}))?;
            return Ok(input::ask([("value", form)], None).into());
        }
        "test_logging_tool" => {
            notify::log(fixture, context, "the request asked for this message").await;
            "Logging tool completed"
        }
        "test_trigger_tool_change" => {
            fixture.shared.subscriptions.tools_changed().await;
            "Listeners were told about the tools"
        }
        "test_trigger_prompt_change" => {
            fixture.shared.subscriptions.prompts_changed().await;
            "Listeners were told about the prompts"
        }
        name => return Err(unknown(name)),
    };
    Ok(success(text).into())
}

fn require_sampling(context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let capabilities = context.client_capabilities().unwrap_or_default();
    if capabilities.sampling.is_some() {
        return Ok(());
    }
    let required = ClientCapabilities::builder().enable_sampling().build();
    Err(ErrorData::missing_required_client_capability(required))
}
