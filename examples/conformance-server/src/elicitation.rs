//! The forms a tool shows through the client, until 2025-11-25.

use rmcp::model::{
    CallToolResult, ContentBlock, ElicitResult, ElicitationAction, JsonObject, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::{input, tools};

const PLAIN: &str = "test_elicitation";
const DEFAULTS: &str = "test_elicitation_sep1034_defaults";
const ENUMS: &str = "test_elicitation_sep1330_enums";

pub(crate) const NAMES: [&str; 3] = [PLAIN, DEFAULTS, ENUMS];

pub(crate) fn tools() -> [Tool; 3] {
    [
        tools::with_input(
            PLAIN,
            "Asks the user for a name and an address",
            json!({
                "type": "object",
                "properties": {"message": {"type": "string", "description": "What to show the user"}},
                "required": ["message"]
            }),
        ),
        tools::plain(DEFAULTS, "Asks with a default for every type (SEP-1034)"),
        tools::plain(ENUMS, "Asks with every form of enumeration (SEP-1330)"),
    ]
}

/// Shows the form of tool `name` and says what came back.
pub(crate) async fn call(
    name: &str,
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    if context
        .client_capabilities()
        .is_none_or(|capabilities| capabilities.elicitation.is_none())
    {
        return Ok(tools::failure("the client does not support elicitation"));
    }
    let (message, schema, label) = match name {
        DEFAULTS => (
            "Please review the defaults",
            defaults(),
            "Elicitation completed",
        ),
        ENUMS => ("Please choose", enums(), "Elicitation completed"),
        _ => {
            let message = arguments.get("message").and_then(Value::as_str);
            (
                message.unwrap_or("Please introduce yourself"),
                identity(),
                "User response",
            )
        }
    };
    let form = input::form_params(message, schema)?;
    Ok(match context.peer.create_elicitation(form).await {
        Ok(answer) => CallToolResult::success(vec![ContentBlock::text(describe(label, &answer))]),
        Err(error) => tools::failure(&format!("elicitation failed: {error}")),
    })
}

fn describe(label: &str, answer: &ElicitResult) -> String {
    let action = match answer.action {
        ElicitationAction::Accept => "accept",
        ElicitationAction::Decline => "decline",
        ElicitationAction::Cancel => "cancel",
        _ => "unknown",
    };
    let content = answer
        .content
        .as_ref()
        .map_or_else(|| "{}".to_owned(), ToString::to_string);
    format!("{label}: action={action}, content={content}")
}

fn identity() -> Value {
    json!({
        "type": "object",
        "properties": {
            "username": {"type": "string", "description": "User's name"},
            "email": {"type": "string", "description": "User's email address"}
        },
        "required": ["username", "email"]
    })
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {
                "type": "string",
                "enum": ["active", "inactive", "pending"],
                "default": "active"
            },
            "verified": {"type": "boolean", "default": true}
        },
        "required": []
    })
}

fn enums() -> Value {
    let options = json!(["option1", "option2", "option3"]);
    let titled = json!([
        {"const": "value1", "title": "First option"},
        {"const": "value2", "title": "Second option"},
        {"const": "value3", "title": "Third option"}
    ]);
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {"type": "string", "oneOf": titled},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option one", "Option two", "Option three"]
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {"type": "array", "items": {"anyOf": titled}}
        },
        "required": []
    })
}

#[cfg(test)]
mod tests {
    use super::{defaults, enums, identity};
    use rmcp::model::ElicitRequestParams;
    use serde_json::Value;

    /// The SDK reads the schema into types; what it writes back must not lose a keyword.
    fn written(schema: Value) -> Value {
        let params: ElicitRequestParams = crate::input::form_params("m", schema).unwrap();
        serde_json::to_value(params).unwrap()["requestedSchema"].clone()
    }

    #[test]
    fn schemas_survive_the_sdk() {
        for schema in [identity(), defaults(), enums()] {
            assert_eq!(written(schema.clone())["properties"], schema["properties"]);
        }
    }
}
