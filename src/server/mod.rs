//! The MCP server: one handler for all transports and both protocol eras.
//!
//! The handler keeps no state of a client: all state belongs to named sessions in the supervisor, because rmcp makes a
//! handler for each request or each client, and protocol version 2026-07-28 has no client sessions.

mod codec;
pub mod http;
mod signals;
pub mod stdio;
mod stdio_pipes;

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, DiscoverResult,
    ErrorCode, Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};

use crate::actors::SupervisorHandle;
use crate::policy::LocalPolicy;
use crate::tools::{Call, Catalog, INSTRUCTIONS};

/// Time that a client may cache the list of tools, which changes only with the binary.
const LIST_TTL_MS: u64 = 3_600_000;

/// Answers MCP requests.
#[derive(Debug, Clone)]
pub struct McpServer {
    supervisor: SupervisorHandle,
    local_policy: Arc<LocalPolicy>,
    catalog: Arc<Catalog>,
}

impl McpServer {
    /// A server for a supervisor, with the rules for local paths that all calls obey.
    pub fn new(supervisor: SupervisorHandle, local_policy: LocalPolicy) -> Self {
        Self {
            supervisor,
            local_policy: Arc::new(local_policy),
            catalog: Arc::default(),
        }
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        info.server_info.title = Some("SSH sessions".to_owned());
        info.instructions = Some(INSTRUCTIONS.to_owned());
        info
    }

    async fn discover(
        &self,
        _context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, self.get_info()).with_ttl_ms(LIST_TTL_MS))
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(unparsed_request(request.method))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.catalog.definitions()).with_ttl_ms(LIST_TTL_MS))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let call = Call {
            supervisor: self.supervisor.clone(),
            local_policy: Arc::clone(&self.local_policy),
            context,
        };
        match self.catalog.call(&request.name, arguments, call) {
            Some(call) => Ok(call.await.into()),
            None => Err(ErrorData::invalid_params(unknown_tool(&request.name), None)),
        }
    }
}

/// Known methods: a request of a known method that cannot be parsed has bad parameters.
const METHODS: [&str; 5] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
];

fn unparsed_request(method: String) -> ErrorData {
    if METHODS.contains(&method.as_str()) {
        let text = format!("the parameters of {method} do not have the form that MCP defines");
        return ErrorData::invalid_params(text, None);
    }
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None)
}

fn unknown_tool(name: &str) -> String {
    format!(
        "there is no tool {:?}; tools/list names them",
        name.chars().take(64).collect::<String>()
    )
}
