//! The slow tool: a report in ten steps, with progress, until it is cancelled.

use std::time::Duration;

use rmcp::model::{CallToolResult, JsonObject, ProgressNotificationParam};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use super::{failure, success};
use crate::customers::Customer;
use crate::server::Crm;

const STEPS: u32 = 10;
const SECONDS_DEFAULT: f64 = 1.0;
/// The longest a report may take.
const SECONDS_MAX: f64 = 60.0;

pub(super) async fn export(
    crm: &Crm,
    arguments: &JsonObject,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let pause = duration(arguments)? / STEPS;
    // so that the client knows at once that it is under way
    report(context, 0).await;
    for step in 1..=STEPS {
        tokio::select! {
            () = context.ct.cancelled() => return Ok(failure("the export was cancelled")),
            () = tokio::time::sleep(pause) => report(context, step).await,
        }
    }
    let customers = crm.customers.read().await;
    let mut lines = vec!["id,name,email,city,plan".to_owned()];
    lines.extend(customers.all().iter().map(Customer::csv));
    Ok(success(&lines.join("\n")))
}

fn duration(arguments: &JsonObject) -> Result<Duration, ErrorData> {
    let seconds = arguments
        .get("seconds")
        .map_or(Some(SECONDS_DEFAULT), Value::as_f64);
    seconds
        .filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| {
            ErrorData::invalid_params(format!("`seconds` must be 0 to {SECONDS_MAX}"), None)
        })
}

/// Tells the client how far the export is, if it wants to know.
async fn report(context: &RequestContext<RoleServer>, step: u32) {
    if let Some(token) = context.meta.get_progress_token() {
        let progress = ProgressNotificationParam::new(token, f64::from(step))
            .with_total(f64::from(STEPS))
            .with_message(format!("step {step} of {STEPS}"));
        // a client that left needs no progress
        let _ = context.peer.notify_progress(progress).await;
    }
}
