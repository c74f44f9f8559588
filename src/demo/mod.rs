//! The embedded SSH server: what `demo` shows the product on, and what the tests run it against.
//!
//! ```text
//! DemoServer                    options, runner, counters; `Listening` is the same behind a TCP port
//! └─ Connection                 one task per connection (russh's), authentication and channel opens
//!    └─ channel::serve          one task per session channel, until it is closed
//!       └─ CommandRunner::run   one task per command; may outlive its channel, as under sshd
//! ```
//!
//! Ends travel downwards as cancelled tokens: [`DemoServer::drop_connections`] ends every connection, a
//! connection its channels, a channel tells its command through [`CommandIo::closed`]. What a command does
//! about it is its runner's business: [`LocalProcess`] kills the process group.
//!
//! [`run`] is the walk itself: `stage` sets two such servers, the product's MCP server and a client up, `steps`
//! are what the client does, `walk` goes through them and tells.
//!
//! Deliberately absent: forwarding, terminals, subsystems, environment requests. All of them are refused.

mod channel;
mod client;
mod command;
mod connection;
mod listening;
mod process;
mod server;
mod sftp;
mod stage;
mod steps;
mod tool_result;
mod walk;

pub use command::{BoxFuture, ChannelClosed, CommandIo, CommandRunner, Exit, OutputSender};
pub use listening::Listening;
pub use process::LocalProcess;
pub use server::{DemoError, DemoServer, ServerOptions};
pub use walk::run;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;

/// A new Ed25519 key, for one server or one user of one run.
pub fn generate_key() -> PrivateKey {
    // From a seed, because the key crate takes generators of another version of `rand` than ours.
    PrivateKey::from(Ed25519Keypair::from_seed(&rand::random()))
}
