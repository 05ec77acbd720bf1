//! The tool whose event stream ends before its answer; see [`crate::polling`].

use std::time::Duration;

use rmcp::model::{CallToolResult, Tool};

use super::{plain, success};

pub(crate) const NAME: &str = "test_reconnection";
/// Long enough for the stream to end first.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn tool() -> Tool {
    plain(
        NAME,
        "Ends its event stream early; the answer is had by reconnecting (SEP-1699)",
    )
}

pub(super) async fn call() -> CallToolResult {
    tokio::time::sleep(PAUSE).await;
    success("Reconnection test completed")
}
