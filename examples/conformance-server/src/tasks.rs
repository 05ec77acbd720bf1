//! The tasks extension (SEP-2663): jobs that outlive the call that started them.
//!
//! The server decides for each request. A client that declared the extension gets a
//! task; another gets the answer at once or, where there is no such answer, `-32021`.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock,
    CreateTaskResult, JsonObject, Tool,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::input::{self, Answers};
use crate::{mrtr, tools};

/// How long a finished task stays readable.
const TTL_MS: u64 = 300_000;
/// How often a client should ask.
const POLL_INTERVAL_MS: u64 = 200;
/// The longest sleep `slow_compute` accepts, in seconds.
const SECONDS_MAX: f64 = 60.0;
const FAILING_MS: u64 = 1_000;
const SHORT_MS: u64 = 200;

pub(crate) const NAMES: [&str; 7] = [
    "greet",
    "slow_compute",
    "failing_job",
    "protocol_error_job",
    "confirm_delete",
    "multi_input",
    "test_tool_with_task",
];

/// Tools that have no answer without a task.
const TASK_ONLY: [&str; 4] = [
    "failing_job",
    "confirm_delete",
    "multi_input",
    "test_tool_with_task",
];

pub(crate) fn tools() -> [Tool; 7] {
    let strings = |names: &[&str], required: &[&str]| {
        let properties: JsonObject = names
            .iter()
            .map(|name| ((*name).to_owned(), json!({"type": "string"})))
            .collect();
        json!({"type": "object", "properties": properties, "required": required})
    };
    [
        tools::with_input(
            "greet",
            "Greets at once, never as a task",
            strings(&["name"], &["name"]),
        ),
        tools::with_input(
            "slow_compute",
            "Sleeps, then answers; may be cancelled",
            json!({
                "type": "object",
                "properties": {"seconds": {"type": "number"}, "label": {"type": "string"}}
            }),
        ),
        tools::plain("failing_job", "A task whose tool fails"),
        tools::plain("protocol_error_job", "A task that ends in a JSON-RPC error"),
        tools::with_input(
            "confirm_delete",
            "A task that asks before it goes on",
            strings(&["filename"], &[]),
        ),
        tools::plain("multi_input", "A task that asks two things at once"),
        tools::plain(
            "test_tool_with_task",
            "Asks for a name first, then becomes a task",
        ),
    ]
}

pub(crate) async fn call(
    tasks: &TaskManager,
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let declared = context
        .client_capabilities()
        .is_some_and(|client| client.supports_tasks());
    let name = request.name.as_ref();
    if TASK_ONLY.contains(&name) && !declared {
        let required = ClientCapabilities::builder().enable_tasks().build();
        return Err(ErrorData::missing_required_client_capability(required));
    }
    let arguments = request.arguments.clone().unwrap_or_default();
    let text = |key: &str, default: &str| {
        arguments
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or(default)
            .to_owned()
    };
    match name {
        "greet" => Ok(tools::success(&format!("Hello, {}!", text("name", "friend"))).into()),
        "slow_compute" => {
            let seconds = arguments
                .get("seconds")
                .and_then(Value::as_f64)
                .unwrap_or(1.0);
            let job = Compute {
                pause: pause(seconds)?,
                label: text("label", "compute"),
            };
            Ok(if declared {
                spawn(tasks, |task| Box::pin(job.cancellable(task)))
            } else {
                job.run().await.into()
            })
        }
        "failing_job" => Ok(spawn(tasks, |_| Box::pin(failing()))),
        "protocol_error_job" if declared => Ok(spawn(tasks, |_| {
            Box::pin(async { Err(TaskExit::Error(protocol_error().await)) })
        })),
        "protocol_error_job" => Err(protocol_error().await),
        "confirm_delete" => {
            let filename = text("filename", "file.txt");
            Ok(spawn(tasks, |task| {
                Box::pin(confirm_delete(task, filename))
            }))
        }
        "multi_input" => Ok(spawn(tasks, |task| Box::pin(multi_input(task)))),
        "test_tool_with_task" => ask_then_task(tasks, request),
        _ => Err(tools::unknown(name)),
    }
}

fn spawn<F>(tasks: &TaskManager, job: F) -> CallToolResponse
where
    F: FnOnce(TaskContext) -> rmcp::task_manager::TaskFuture,
{
    let options = TaskOptions::new()
        .with_ttl_ms(TTL_MS)
        .with_poll_interval_ms(POLL_INTERVAL_MS);
    CreateTaskResult::new(tasks.spawn(options, job)).into()
}

fn pause(seconds: f64) -> Result<Duration, ErrorData> {
    Duration::try_from_secs_f64(seconds.min(SECONDS_MAX))
        .map_err(|_| ErrorData::invalid_params("`seconds` must not be negative", None))
}

/// What `slow_compute` was asked to do.
struct Compute {
    pause: Duration,
    label: String,
}

impl Compute {
    async fn run(self) -> CallToolResult {
        tokio::time::sleep(self.pause).await;
        tools::success(&format!(
            "{} took {} s",
            self.label,
            self.pause.as_secs_f64()
        ))
    }

    async fn cancellable(self, task: TaskContext) -> Result<CallToolResult, TaskExit> {
        tokio::select! {
            () = task.cancelled() => Err(TaskExit::Cancelled),
            result = self.run() => Ok(result),
        }
    }
}

/// A tool error: the task completes, its result says `isError`.
async fn failing() -> Result<CallToolResult, TaskExit> {
    tokio::time::sleep(Duration::from_millis(FAILING_MS)).await;
    Ok(tools::failure("This job fails by design"))
}

/// A protocol error: the task fails.
async fn protocol_error() -> ErrorData {
    tokio::time::sleep(Duration::from_millis(SHORT_MS)).await;
    ErrorData::internal_error("this job ends in a JSON-RPC error by design", None)
}

async fn confirm_delete(task: TaskContext, filename: String) -> Result<CallToolResult, TaskExit> {
    let form = input::form(
        &format!("Delete {filename}?"),
        &json!({"confirm": {"type": "boolean"}}),
    );
    let answer = task
        .request_input("confirm", form.map_err(TaskExit::Error)?)
        .await?;
    let confirmed = answer
        .pointer("/content/confirm")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let outcome = if confirmed { "deleted" } else { "kept" };
    Ok(tools::success(&format!("{filename}: {outcome}")))
}

/// Two inputs pending at once, so that a client may answer one of them.
async fn multi_input(task: TaskContext) -> Result<CallToolResult, TaskExit> {
    let form = |message: &str| {
        input::form(message, &json!({"value": {"type": "string"}})).map_err(TaskExit::Error)
    };
    let (first, second) = tokio::join!(
        task.request_input("first", form("Please give the first value")?),
        task.request_input("second", form("Please give the second value")?),
    );
    let value = |answer: Value| {
        answer
            .pointer("/content/value")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Ok(tools::success(&format!(
        "first={}, second={}",
        value(first?),
        value(second?)
    )))
}

fn ask_then_task(
    tasks: &TaskManager,
    request: &CallToolRequestParams,
) -> Result<CallToolResponse, ErrorData> {
    let answers = Answers::of(request.input_responses.as_ref());
    let Some(name) = mrtr::name_in(&answers, "user_name").map(str::to_owned) else {
        return Ok(input::ask([("user_name", mrtr::name_form()?)], None).into());
    };
    Ok(spawn(tasks, |_| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(SHORT_MS)).await;
            Ok(CallToolResult::success(vec![ContentBlock::text(format!(
                "Hello, {name}, later!"
            ))]))
        })
    }))
}
