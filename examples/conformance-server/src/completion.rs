//! `completion/complete`: the values that begin with what was typed.

use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};

const CITIES: [&str; 4] = ["lisbon", "london", "paris", "prague"];

pub(crate) fn complete(request: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let known = match &request.r#ref {
        Reference::Prompt(prompt) => prompt.name == "test_prompt_with_arguments",
        Reference::Resource(resource) => resource.uri == crate::resources::TEMPLATE,
        _ => false,
    };
    let typed = request.argument.value.to_ascii_lowercase();
    let values = CITIES
        .into_iter()
        .filter(|city| known && city.starts_with(&typed))
        .map(str::to_owned)
        .collect();
    CompletionInfo::new(values)
        .map(CompleteResult::new)
        .map_err(|message| ErrorData::internal_error(message, None))
}
