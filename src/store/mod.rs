//! The saved sessions of a user, in one file.
//!
//! One JSON file, `{"version": 1, "default": name, "sessions": {name: {..}}}`, shared by all processes of a
//! user. [`Store`] reads the file and changes the file under a lock; [`StoreContent`] holds the content as typed
//! values; [`SessionSpec`] holds the parameters that `ssh_connect` was given, so that each dial resolves the
//! OpenSSH configuration anew; [`SessionName`] names a session in every other layer.
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
