//! The client of the official Rust SDK: `rmcp-client ERA CALLS (URL | -- COMMAND…)`.
//!
//! `ERA` is `legacy` or `modern`; `CALLS` is a JSON array of `[tool, arguments]`. Lists the tools, makes
//! the calls one after another, prints `{"made":…,"failed":…,"errors":…}`.

use std::error::Error;

use rmcp::model::{CallToolRequestParams, JsonObject, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let era = args.next().unwrap_or_default();
    let calls: Vec<(String, JsonObject)> = serde_json::from_str(&args.next().unwrap_or_default())?;
    let mode = match era.as_str() {
        "modern" => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::LATEST],
        },
        _ => ClientLifecycleMode::Initialize,
    };
    let client = match args.next().as_deref() {
        Some("--") => {
            let mut command = tokio::process::Command::new(args.next().unwrap_or_default());
            command.args(args);
            ().serve_with_lifecycle(TokioChildProcess::new(command)?, mode)
                .await?
        }
        url => {
            let transport = StreamableHttpClientTransport::from_uri(url.unwrap_or_default());
            ().serve_with_lifecycle(transport, mode).await?
        }
    };
    drive(client, calls).await
}

#[expect(clippy::print_stdout, reason = "stdout is this program's interface")]
async fn drive(
    client: RunningService<RoleClient, ()>,
    calls: Vec<(String, JsonObject)>,
) -> Result<(), Box<dyn Error>> {
    client.list_all_tools().await?;
    let (mut made, mut failed, mut errors) = (0, 0, 0);
    for (name, arguments) in calls {
        made += 1;
        match client
            .call_tool(CallToolRequestParams::new(name).with_arguments(arguments))
            .await
        {
            Ok(result) if result.is_error == Some(true) => failed += 1,
            Ok(_) => {}
            Err(_) => errors += 1,
        }
    }
    client.cancel().await?;
    println!(
        "{}",
        json!({"made": made, "failed": failed, "errors": errors})
    );
    Ok(())
}
