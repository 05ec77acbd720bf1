//! Tools that tell how far they are, by log messages or by progress.
#![expect(
    deprecated,
    reason = "logging is deprecated by SEP-2577, yet scored until 2025-11-25"
)]

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    CallToolResult, LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam,
    ProtocolVersion, Tool,
};
use rmcp::service::RequestContext;
use serde_json::json;

use super::{plain, success};
use crate::fixture::Fixture;

pub(super) const LOGGING: &str = "test_tool_with_logging";
pub(super) const PROGRESS: &str = "test_tool_with_progress";
const STEP: Duration = Duration::from_millis(50);

pub(super) fn tools() -> [Tool; 2] {
    [
        plain(LOGGING, "Sends three log messages while it runs"),
        plain(PROGRESS, "Reports progress while it runs"),
    ]
}

pub(super) async fn logging(
    fixture: &Fixture,
    context: &RequestContext<RoleServer>,
) -> CallToolResult {
    for text in [
        "Tool execution started",
        "Tool processing data",
        "Tool execution completed",
    ] {
        log(fixture, context, text).await;
        tokio::time::sleep(STEP).await;
    }
    success("Tool with logging executed successfully")
}

pub(super) async fn progress(context: &RequestContext<RoleServer>) -> CallToolResult {
    let token = context.meta.get_progress_token();
    for (done, text) in [(0.0, "started"), (50.0, "half of it"), (100.0, "completed")] {
        if let Some(token) = &token {
            let report = ProgressNotificationParam::new(token.clone(), done)
                .with_total(100.0)
                .with_message(text);
            // a client that left needs no progress
            let _ = context.peer.notify_progress(report).await;
        }
        tokio::time::sleep(STEP).await;
    }
    success("Tool with progress executed successfully")
}

/// Sends a message at level info, if the client wants that level: by `logging/setLevel`
/// for its session until 2025-11-25, by `logLevel` in the request's `_meta` since.
pub(super) async fn log(fixture: &Fixture, context: &RequestContext<RoleServer>, text: &str) {
    let modern = context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
    let wanted = if modern {
        context.meta.log_level()
    } else {
        Some(*fixture.log_level.lock().await)
    };
    if wanted.is_some_and(|level| severity(level) <= severity(LoggingLevel::Info)) {
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text))
            .with_logger(env!("CARGO_PKG_NAME"));
        // a client that left needs no messages
        let _ = context.peer.notify_logging_message(message).await;
    }
}

/// RFC 5424 order, from debug upwards.
fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
