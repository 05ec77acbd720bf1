//! The tool whose input schema uses JSON Schema 2020-12 (SEP-1613, SEP-2106).

use rmcp::model::{CallToolResult, JsonObject, Tool};
use serde_json::json;

use super::{success, with_input};

pub(super) const NAME: &str = "json_schema_2020_12_tool";

pub(super) fn tool() -> Tool {
    with_input(
        NAME,
        "Takes a contact described with every keyword of JSON Schema 2020-12 that matters",
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "$anchor": "addressDef",
                    "type": "object",
                    "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
                }
            },
            "properties": {
                "name": {"type": "string"},
                "address": {"$ref": "#/$defs/address"},
                "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                "phone": {"type": "string"},
                "email": {"type": "string"}
            },
            "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
            "if": {
                "properties": {"contactMethod": {"const": "phone"}},
                "required": ["contactMethod"]
            },
            "then": {"required": ["phone"]},
            "else": {"required": ["email"]},
            "additionalProperties": false
        }),
    )
}

pub(super) fn call(arguments: &JsonObject) -> CallToolResult {
    success(&format!("Received {} fields", arguments.len()))
}
