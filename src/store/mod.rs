//! The saved sessions: which sessions there are and how they are reached.
//!
//! One JSON file, `{"version": 1, "default": name, "sessions": {name: {..}}}`, shared by all processes of a
//! user. [`Store`] reads it and changes it under a lock; [`StoreContent`] is what stands in it, as typed
//! values; [`SessionSpec`] is one session as it was given to `ssh_connect`, so that the OpenSSH configuration
//! is resolved anew each time; [`SessionName`] is the word that every other layer calls a session by.
//!
//! Deliberately absent: any field for a password or a passphrase, and anything executable (a `ProxyCommand`
//! comes from the OpenSSH configuration or not at all). All calls block: async code makes them from
//! `spawn_blocking`.

mod content;
mod error;
mod file;
mod json;
mod location;
mod session_name;
mod session_spec;
mod utc_time;

pub use content::{StoreContent, VERSION};
pub use error::StoreError;
pub use file::Store;
pub use session_name::{SessionName, SessionNameError};
pub use session_spec::{AuthKind, SessionSpec, UnknownFields};
pub use utc_time::{UtcTime, UtcTimeError};
