//! Five prompts; the last asks for input first (SEP-2322).

use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, ContentBlock, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    ListPromptsResult, Prompt, PromptArgument, PromptMessage, ResourceContents, Role,
};
use serde_json::{Value, json};

use crate::fixture::CACHE_TTL_MS;
use crate::input::{self, Answers};
use crate::tools::content::PIXEL_PNG;

pub(crate) fn list() -> ListPromptsResult {
    let argument = |name: &str, description: &str| {
        PromptArgument::new(name)
            .with_description(description)
            .with_required(true)
    };
    let prompt = |name: &str, description: &str, arguments: Vec<PromptArgument>| {
        let arguments = (!arguments.is_empty()).then_some(arguments);
        Prompt::new(name, Some(description), arguments)
    };
    ListPromptsResult::with_all_items(vec![
        prompt(
            "test_simple_prompt",
            "One message without arguments",
            vec![],
        ),
        prompt(
            "test_prompt_with_arguments",
            "One message that repeats its two arguments",
            vec![
                argument("arg1", "First value"),
                argument("arg2", "Second value"),
            ],
        ),
        prompt(
            "test_prompt_with_embedded_resource",
            "A resource, then a text",
            vec![argument("resourceUri", "URI the resource gets")],
        ),
        prompt("test_prompt_with_image", "An image, then a text", vec![]),
        prompt(
            "test_input_required_result_prompt",
            "Asks for a context before it answers (SEP-2322)",
            vec![],
        ),
    ])
    .with_ttl_ms(CACHE_TTL_MS)
    .with_cache_scope(CacheScope::Public)
}

pub(crate) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let argument = |name: &str| {
        let value = request
            .arguments
            .as_ref()
            .and_then(|arguments| arguments.get(name));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let messages = match request.name.as_str() {
        "test_simple_prompt" => vec![user("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => vec![user(&format!(
            "Prompt with arguments: arg1='{}', arg2='{}'",
            argument("arg1"),
            argument("arg2")
        ))],
        "test_prompt_with_embedded_resource" => with_resource(&argument("resourceUri")),
        "test_prompt_with_image" => vec![
            PromptMessage::new(Role::User, ContentBlock::image(PIXEL_PNG, "image/png")),
            user("Please analyze the image above."),
        ],
        "test_input_required_result_prompt" => {
            return with_context(&Answers::of(request.input_responses.as_ref()));
        }
        name => {
            return Err(ErrorData::invalid_params(
                format!("no prompt `{name}`"),
                None,
            ));
        }
    };
    Ok(GetPromptResult::new(messages).into())
}

fn user(text: &str) -> PromptMessage {
    PromptMessage::new_text(Role::User, text)
}

fn with_resource(uri: &str) -> Vec<PromptMessage> {
    let contents = ResourceContents::text("Embedded resource content for testing.", uri)
        .with_mime_type("text/plain");
    vec![
        PromptMessage::new(Role::User, ContentBlock::resource(contents)),
        user("Please process the embedded resource above."),
    ]
}

/// Round one asks for the context, round two uses it.
fn with_context(answers: &Answers<'_>) -> Result<GetPromptResponse, ErrorData> {
    match answers.form("user_context") {
        Some(content) => {
            let context = content
                .get("context")
                .and_then(Value::as_str)
                .unwrap_or_default();
            Ok(GetPromptResult::new(vec![user(&format!("Use this context: {context}"))]).into())
        }
        None => {
            let form = input::form(
                "What context should the prompt use?",
                &json!({"context": {"type": "string"}}),
            )?;
            Ok(input::ask([("user_context", form)], None).into())
        }
    }
}
