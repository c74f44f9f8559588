//! The supervision tree. The only place that imports ractor.
//!
//! ```text
//! SupervisorActor                one for one; intensity and period counted for each session; never waits for a child
//! └─ SessionActor "web"          transient; owns the connection state machine, its queue of calls and its jobs
//!    ├─ dial task                resolves, connects, verifies, authenticates; comes back as an event
//!    ├─ JobActor "web-7"         temporary; one command or transfer: its task, its record, the caller that waits
//!    └─ ShellActor               temporary; the shell of a connection, one command at a time
//! ```
//!
//! *Reconnect* and *restart* are different mechanisms. A lost link is expected: a transition inside
//! [`session`], with backoff. A crash is a defect: the supervisor's decision ([`supervisor::restart`]), with
//! intensity and period; a session over its intensity is parked as `failed`, and the others continue. When a
//! connection is lost, its jobs end and every caller is answered.
//!
//! Events carry the generation of their connection; events of an older generation are ignored and counted. No handler
//! waits for the network: a handler starts a task, and the task comes back as a message. Handles are the only door
//! into this module, and no code outside builds a message by hand.

pub mod client;
mod error;
pub mod job;
pub mod output;
pub mod report;
pub mod request;
mod rpc;
mod saved_session;
pub mod session;
pub(crate) mod shell;
pub mod supervisor;

pub use client::{Caller, Client};
pub use error::SessionError;
pub use supervisor::handle::SupervisorHandle;
pub use supervisor::retry::{Retry, RetryWatch};
