//! The server as a client meets it.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::sync::RwLock;

use crate::customers::Customers;
use crate::tools;

/// The name the server gives itself.
const NAME: &str = "crm";

/// The handler; clones share the customers.
#[derive(Clone, Default)]
pub(crate) struct Crm {
    pub(crate) customers: Arc<RwLock<Customers>>,
}

impl ServerHandler for Crm {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(
                Implementation::new(NAME, env!("CARGO_PKG_VERSION"))
                    .with_title("Demo customer database"),
            )
            .with_instructions("Invented customers, in memory. Nothing here is real.")
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::list()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        tools::call(self, &request.name, &arguments, &context)
            .await
            .map(Into::into)
    }
}
