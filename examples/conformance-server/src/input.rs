//! Input asked of the client: the three kinds of request, and how an answer is read.
#![expect(
    deprecated,
    reason = "sampling and roots are deprecated by SEP-2577, yet scored"
)]

use rmcp::ErrorData;
use rmcp::model::{
    CreateMessageRequest, CreateMessageRequestParams, ElicitRequest, ElicitRequestParams,
    InputRequest, InputRequests, InputRequiredResult, InputResponses, JsonObject, ListRootsRequest,
    SamplingMessage,
};
use serde_json::{Value, json};

/// Tokens a sampled answer may have.
const MAX_TOKENS: u32 = 100;

/// A form whose `properties` are all required.
pub(crate) fn form(message: &str, properties: &Value) -> Result<InputRequest, ErrorData> {
    let required: Vec<&String> = properties
        .as_object()
        .into_iter()
        .flat_map(JsonObject::keys)
        .collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    Ok(InputRequest::Elicitation(ElicitRequest::new(form_params(
        message, schema,
    )?)))
}

/// The parameters of `elicitation/create` for a whole schema.
pub(crate) fn form_params(message: &str, schema: Value) -> Result<ElicitRequestParams, ErrorData> {
    let requested_schema = serde_json::from_value(schema)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.to_owned(),
        requested_schema,
    })
}

/// A question to the client's model.
pub(crate) fn sampling(prompt: &str) -> InputRequest {
    InputRequest::CreateMessage(CreateMessageRequest::new(sampling_params(prompt)))
}

/// The parameters of `sampling/createMessage` for one question.
pub(crate) fn sampling_params(prompt: &str) -> CreateMessageRequestParams {
    CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], MAX_TOKENS)
}

/// A question for the client's roots.
pub(crate) fn roots() -> InputRequest {
    InputRequest::ListRoots(ListRootsRequest::default())
}

/// `input_required`: these requests must be answered before the call can go on.
pub(crate) fn ask<const N: usize>(
    requests: [(&str, InputRequest); N],
    state: Option<String>,
) -> InputRequiredResult {
    let requests: InputRequests = requests
        .into_iter()
        .map(|(key, request)| (key.to_owned(), request))
        .collect();
    InputRequiredResult::new(Some(requests), state)
}

/// The client's answers. An answer that is not an object counts as missing, so
/// that it is asked for again.
pub(crate) struct Answers<'a>(Option<&'a InputResponses>);

impl<'a> Answers<'a> {
    pub(crate) fn of(responses: Option<&'a InputResponses>) -> Self {
        Self(responses)
    }

    /// True when the client sent no answers at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none_or(InputResponses::is_empty)
    }

    /// The whole answer for `key`.
    pub(crate) fn object(&self, key: &str) -> Option<&'a JsonObject> {
        self.0?.get(key)?.as_object()
    }

    /// The content of an accepted form.
    pub(crate) fn form(&self, key: &str) -> Option<&'a JsonObject> {
        let answer = self.object(key)?;
        let accepted = answer.get("action").and_then(Value::as_str) == Some("accept");
        accepted.then(|| answer.get("content").and_then(Value::as_object))?
    }

    /// The text of a sampled message.
    pub(crate) fn sampled(&self, key: &str) -> Option<&'a str> {
        let content = self.object(key)?.get("content")?;
        let block = content
            .as_array()
            .map_or(Some(content), |blocks| blocks.first())?;
        block.get("text")?.as_str()
    }

    /// The URIs of the client's roots.
    pub(crate) fn roots(&self, key: &str) -> Option<Vec<&'a str>> {
        let roots = self.object(key)?.get("roots")?.as_array()?;
        Some(
            roots
                .iter()
                .filter_map(|root| root.get("uri")?.as_str())
                .collect(),
        )
    }
}
