//! The MCP server: one handler for all transports and both protocol eras.
//!
//! The handler keeps no state of a client, because rmcp makes a handler for each request or each client, and protocol
//! version 2026-07-28 has no client sessions: sessions belong to the supervisor, and the transport says which client
//! calls.

mod codec;
pub mod http;
mod signals;
pub mod stdio;
mod stdio_pipes;

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, DiscoverResult,
    ErrorCode, Extensions, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use crate::actors::{Caller, SupervisorHandle};
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
    caller_of: CallerOf,
}

/// Finds the caller that a transport attached to a request.
type CallerOf = fn(&Extensions) -> Option<Arc<dyn Caller>>;

impl McpServer {
    /// A server for a supervisor with a single client, and the rules for local paths that all calls obey.
    pub fn new(supervisor: SupervisorHandle, local_policy: LocalPolicy) -> Self {
        Self {
            supervisor,
            local_policy: Arc::new(local_policy),
            catalog: Arc::default(),
            caller_of: |_| None,
        }
    }

    /// The same behind a transport with several clients.
    #[must_use]
    pub fn with_callers(self, caller_of: CallerOf) -> Self {
        Self { caller_of, ..self }
    }

    /// The supervisor for the client behind a request.
    fn supervisor_for(&self, extensions: &Extensions) -> SupervisorHandle {
        match (self.caller_of)(extensions) {
            Some(caller) => self.supervisor.for_caller(caller),
            None => self.supervisor.clone(),
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

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.supervisor_for(&context.extensions).meet_client().await;
    }

    async fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        self.supervisor_for(&context.extensions).meet_client().await;
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
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.supervisor_for(&context.extensions).meet_client().await;
        Ok(ListToolsResult::with_all_items(self.catalog.definitions()).with_ttl_ms(LIST_TTL_MS))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let supervisor = self.supervisor_for(&context.extensions);
        supervisor.begin_client().await;
        let call = Call {
            supervisor,
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
