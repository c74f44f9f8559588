//! Is the key that a server shows the key of the host that was asked for?
//!
//! 1. The host is looked up under one name: HostKeyAlias, else `host` (port 22), else `[host]:port`.
//!    For such a port without a plain entry the bare host name is tried too (equal: accepted).
//! 2. `@revoked` lines for either name and the RevokedHostKeys lists come first and beat everything.
//! 3. The plain lines for the name, of all files, are one set. A line equal to the key: accepted.
//! 4. Lines, but none equal: the key has changed, whatever its type. This is safe only because the
//!    client asks first for the types that are recorded ([`order_host_key_algorithms`]).
//! 5. No line: unknown. `yes` and `ask` refuse, `accept-new` and `no` record the key, unless a line for
//!    this host is damaged, a CA covers the host (`accept-new` only), or there is no file to add to.
//! 6. Whatever fails on the way (a file that cannot be read, a lock that is held) is a refusal, never
//!    "unknown, so learn". Files are only ever added to.
//!
//! All of this follows OpenSSH but for the places where it is stricter on purpose, each marked `S1` to
//! `S8` where it happens. [`KnownHosts::load`] and [`KnownHosts::learn`] block; [`KnownHosts::verify`]
//! is a pure function of what was loaded. Host certificates are not judged here: `@cert-authority` lines
//! are kept (see `KnownHosts::authorities`) for the module that will.

mod advice;
mod file;
mod key_text;
mod known_hosts;
mod learn;
mod line;
mod name;
mod order;
mod pattern;
mod policy;
mod refusal;
mod revoked;
mod survey;
#[cfg(test)]
mod tests;
mod verdict;

pub use known_hosts::KnownHosts;
pub use order::order_host_key_algorithms;
pub use policy::{HostKeyPolicy, StrictHostKeyChecking};
pub use refusal::{FileLine, HostKeyRefusal, PresentedKey, RefusalKind};
pub use survey::{DamagedLine, Survey, survey};
pub(crate) use verdict::NOT_RECORDED;
pub use verdict::{Source, Verdict};
