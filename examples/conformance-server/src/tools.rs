//! The list of tools, and each call handed to the file of its tool.

pub(crate) mod content;
mod notify;
pub(crate) mod reconnect;
mod sampling;
mod schema;
mod stateless;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::{elicitation, headers, mrtr, tasks};

/// All tools, always in this order. The first takes no arguments: the suite calls it blindly.
pub(crate) fn list() -> Vec<Tool> {
    let mut tools = Vec::new();
    tools.extend(content::tools());
    tools.extend(notify::tools());
    tools.push(sampling::tool());
    tools.extend(elicitation::tools());
    tools.push(schema::tool());
    tools.push(reconnect::tool());
    tools.push(headers::tool());
    tools.extend(stateless::tools());
    tools.extend(mrtr::tools());
    tools.extend(tasks::tools());
    tools
}

pub(crate) async fn call(
    fixture: &Fixture,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.as_ref();
    if name.starts_with(mrtr::PREFIX) {
        return mrtr::call(&fixture.shared.states, &request, &context.meta);
    }
    if tasks::NAMES.contains(&name) {
        return tasks::call(&fixture.shared.tasks, &request, context).await;
    }
    if stateless::NAMES.contains(&name) {
        return stateless::call(fixture, name, context).await;
    }
    let arguments = request.arguments.unwrap_or_default();
    if let Some(result) = content::call(name) {
        return Ok(result.into());
    }
    let result = match request.name.as_ref() {
        name if elicitation::NAMES.contains(&name) => {
            elicitation::call(name, &arguments, context).await
        }
        notify::LOGGING => Ok(notify::logging(fixture, context).await),
        notify::PROGRESS => Ok(notify::progress(context).await),
        sampling::NAME => Ok(sampling::call(&arguments, context).await),
        schema::NAME => Ok(schema::call(&arguments)),
        reconnect::NAME => Ok(reconnect::call().await),
        headers::NAME => headers::call(&arguments),
        name => Err(unknown(name)),
    };
    result.map(Into::into)
}

/// A tool without arguments.
pub(crate) fn plain(name: &str, description: &str) -> Tool {
    with_input(
        name,
        description,
        json!({"type": "object", "properties": {}}),
    )
}

/// A tool with this input schema, which must be an object.
pub(crate) fn with_input(name: &str, description: &str, schema: Value) -> Tool {
    let schema = if let Value::Object(schema) = schema {
        schema
    } else {
        JsonObject::new()
    };
    Tool::new(name.to_owned(), description.to_owned(), schema)
}

pub(crate) fn success(text: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// The tool ran and failed: `isError`, not a JSON-RPC error.
pub(crate) fn failure(text: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

pub(crate) fn unknown(name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("no tool `{name}`"), None)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::list;

    #[test]
    fn names_are_unique_and_the_first_takes_nothing() {
        let tools = list();
        let names: HashSet<_> = tools.iter().map(|tool| tool.name.clone()).collect();
        assert_eq!(names.len(), tools.len());
        let first = tools.first().unwrap();
        assert!(
            first.input_schema["properties"]
                .as_object()
                .unwrap()
                .is_empty()
        );
        assert!(!first.input_schema.contains_key("required"));
    }

    #[test]
    fn every_listed_tool_is_described() {
        for tool in list() {
            assert!(
                tool.description.is_some_and(|text| !text.is_empty()),
                "{}",
                tool.name
            );
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
        }
    }
}
