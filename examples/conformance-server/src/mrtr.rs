//! Multi-round-trip requests (SEP-2322): tools that first say what they still need.
//!
//! Round one has no answers and gets `input_required`; the retry carries the answers
//! and, where one was given, the sealed `requestState`. A state that was changed on
//! the way is refused.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, InputRequest,
    InputRequests, InputRequiredResult, RequestMetaObject, RequestStateCodec, Tool,
};
use serde_json::{Value, json};

use crate::input::{self, Answers};
use crate::tools;

/// All tools here begin with this.
pub(crate) const PREFIX: &str = "test_input_required_result_";

/// The key of `requestState`. It is public, so the seal proves nothing: a real server
/// keeps its key from its clients.
const STATE_KEY: &[u8] = b"affiant conformance server: a key everyone may know";
const _: () = assert!(STATE_KEY.len() >= RequestStateCodec::MIN_KEY_LENGTH);

const TOOLS: [(&str, &str); 8] = [
    ("elicitation", "Asks for a name, then greets"),
    ("sampling", "Asks the client's model a question"),
    ("list_roots", "Asks for the client's roots, then names them"),
    (
        "request_state",
        "Asks for a confirmation and hands out a sealed state",
    ),
    (
        "multiple_inputs",
        "Asks for a name, a greeting and the roots at once",
    ),
    ("multi_round", "Asks twice, with a new state each time"),
    (
        "tampered_state",
        "Hands out a sealed state and refuses a changed one",
    ),
    (
        "capabilities",
        "Asks only for what the client said it can do",
    ),
];

pub(crate) fn state_codec() -> RequestStateCodec {
    RequestStateCodec::new_unchecked(STATE_KEY)
}

pub(crate) fn tools() -> impl Iterator<Item = Tool> {
    TOOLS.into_iter().map(|(name, description)| {
        tools::plain(
            &format!("{PREFIX}{name}"),
            &format!("{description} (SEP-2322)"),
        )
    })
}

/// Calls the tool `PREFIX` + something.
pub(crate) fn call(
    states: &RequestStateCodec,
    request: &CallToolRequestParams,
    meta: &RequestMetaObject,
) -> Result<CallToolResponse, ErrorData> {
    let answers = Answers::of(request.input_responses.as_ref());
    let state = request.request_state.as_deref();
    match request.name.strip_prefix(PREFIX).unwrap_or_default() {
        "elicitation" => greet(&answers),
        "sampling" => Ok(sample(&answers)),
        "list_roots" => Ok(list_roots(&answers)),
        "request_state" | "tampered_state" => confirm(states, state),
        "multiple_inputs" => gather(states, state, &answers),
        "multi_round" => rounds(states, state, &answers),
        "capabilities" => within_capabilities(&answers, meta),
        _ => Err(tools::unknown(&request.name)),
    }
}

/// The form that asks for `name`.
pub(crate) fn name_form() -> Result<InputRequest, ErrorData> {
    input::form("What is your name?", &json!({"name": {"type": "string"}}))
}

/// The name in an accepted [`name_form`].
pub(crate) fn name_in<'a>(answers: &Answers<'a>, key: &str) -> Option<&'a str> {
    answers.form(key)?.get("name")?.as_str()
}

fn greet(answers: &Answers<'_>) -> Result<CallToolResponse, ErrorData> {
    match name_in(answers, "user_name") {
        Some(name) => Ok(done(&format!("Hello, {name}!"))),
        None => Ok(input::ask([("user_name", name_form()?)], None).into()),
    }
}

fn sample(answers: &Answers<'_>) -> CallToolResponse {
    match answers.sampled("capital_question") {
        Some(text) => done(&format!("The model says: {text}")),
        None => {
            let question = input::sampling("What is the capital of France?");
            input::ask([("capital_question", question)], None).into()
        }
    }
}

fn list_roots(answers: &Answers<'_>) -> CallToolResponse {
    match answers.roots("client_roots") {
        Some(uris) => done(&format!("Roots: {}", uris.join(", "))),
        None => input::ask([("client_roots", input::roots())], None).into(),
    }
}

fn confirm(states: &RequestStateCodec, state: Option<&str>) -> Result<CallToolResponse, ErrorData> {
    match state {
        Some(state) => {
            open(states, state)?;
            Ok(done("state-ok"))
        }
        None => {
            let form = input::form("Please confirm", &json!({"ok": {"type": "boolean"}}))?;
            Ok(input::ask(
                [("confirm", form)],
                Some(seal(states, &json!({"step": "confirm"}))?),
            )
            .into())
        }
    }
}

fn gather(
    states: &RequestStateCodec,
    state: Option<&str>,
    answers: &Answers<'_>,
) -> Result<CallToolResponse, ErrorData> {
    if let Some(state) = state {
        open(states, state)?;
    }
    let name = name_in(answers, "user_name");
    let greeting = answers.sampled("greeting");
    let roots = answers.roots("client_roots");
    if let (Some(_), Some(name), Some(greeting), Some(roots)) = (state, name, greeting, roots) {
        return Ok(done(&format!("{greeting}, {name}; {} roots", roots.len())));
    }
    let requests = [
        ("user_name", name_form()?),
        ("greeting", input::sampling("Write a short greeting")),
        ("client_roots", input::roots()),
    ];
    Ok(input::ask(requests, Some(seal(states, &json!({"step": "gather"}))?)).into())
}

/// Asks for step 1, then for step 2, then completes; the state tells which round it is.
fn rounds(
    states: &RequestStateCodec,
    state: Option<&str>,
    answers: &Answers<'_>,
) -> Result<CallToolResponse, ErrorData> {
    let round = state.map(|state| open(states, state)).transpose()?;
    let round = round
        .and_then(|state| state.get("round").and_then(Value::as_u64))
        .unwrap_or(0);
    let step = |key, message, property: &str, next: u64| -> Result<CallToolResponse, ErrorData> {
        let form = input::form(message, &json!({property: {"type": "string"}}))?;
        Ok(input::ask([(key, form)], Some(seal(states, &json!({"round": next}))?)).into())
    };
    match round {
        1 if answers.form("step1").is_some() => step(
            "step2",
            "Step 2: what is your favourite colour?",
            "color",
            2,
        ),
        2 if answers.form("step2").is_some() => Ok(done("All rounds completed")),
        2 => step(
            "step2",
            "Step 2: what is your favourite colour?",
            "color",
            2,
        ),
        _ => step("step1", "Step 1: what is your name?", "name", 1),
    }
}

fn within_capabilities(
    answers: &Answers<'_>,
    meta: &RequestMetaObject,
) -> Result<CallToolResponse, ErrorData> {
    if !answers.is_empty() {
        return Ok(done("Asked only for what the client can do"));
    }
    let capabilities = meta.client_capabilities().unwrap_or_default();
    let mut requests = InputRequests::new();
    if capabilities.elicitation.is_some() {
        requests.insert("user_name".to_owned(), name_form()?);
    }
    if capabilities.sampling.is_some() {
        requests.insert(
            "greeting".to_owned(),
            input::sampling("Write a short greeting"),
        );
    }
    if capabilities.roots.is_some() {
        requests.insert("client_roots".to_owned(), input::roots());
    }
    if requests.is_empty() {
        return Ok(done("The client can do none of it"));
    }
    Ok(InputRequiredResult::from_input_requests(requests).into())
}

fn seal(states: &RequestStateCodec, state: &Value) -> Result<String, ErrorData> {
    states
        .seal_json(state)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn open(states: &RequestStateCodec, sealed: &str) -> Result<Value, ErrorData> {
    let refused = |_| ErrorData::invalid_params("requestState was changed on the way", None);
    states.open_json(sealed).map_err(refused)
}

fn done(text: &str) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}
