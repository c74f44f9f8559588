//! The embedded SSH server, which `demo` and the tests run the product against.
//!
//! ```text
//! DemoServer                    options, runner, counters; `Listening` is the same behind a TCP port
//! └─ Connection                 one task per connection (russh's), authentication and channel opens
//!    └─ channel::serve          one task per session channel, until it is closed
//!       └─ CommandRunner::run   one task per command; may outlive its channel, as under sshd
//! ```
//!
//! Ends travel downwards as cancelled tokens: [`DemoServer::drop_connections`] ends every connection, a
//! connection its channels, a channel notifies its command through [`CommandIo::closed`]. The reaction is up to the
//! runner: [`LocalProcess`] kills the process group.
//!
//! [`walk_through`] is the subcommand: `stage` sets up two such servers, the product's MCP server and a client; `steps` holds the
//! client's actions; `walk` performs the steps and reports them.
//!
//! Deliberately absent: forwarding, terminals, environment requests, and subsystems other than sftp. All of them are
//! refused.

mod channel;
mod client;
mod command;
mod connection;
mod key;
mod listening;
mod process;
mod server;
mod sftp;
mod stage;
mod steps;
mod tool_result;
mod walk;

pub use command::{BoxFuture, ChannelClosed, CommandIo, CommandRunner, Exit, OutputSender};
pub use key::generate_key;
pub use listening::Listening;
pub use process::LocalProcess;
pub use server::{DemoError, DemoServer, ServerOptions};
pub use walk::walk_through;
