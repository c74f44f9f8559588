//! Checks the key that a server presents against the known_hosts files.
//!
//! The check goes through these steps:
//!
//! 1. The host has a lookup name: HostKeyAlias if set, else `host` on port 22, else `[host]:port`.
//!    A host on another port also has a bare name, `host`.
//! 2. `@revoked` lines for either name and the RevokedHostKeys lists are consulted first. A revoked key is
//!    refused even if other lines record the same key.
//! 3. The plain lines for the lookup name, from all files together, form one set. If a line equals the
//!    presented key, the key is accepted.
//! 4. If there are such lines but none equals the key, the key has changed, even if the types differ.
//!    Types may be ignored because the client asks first for the recorded types
//!    ([`order_host_key_algorithms`]), so a server that still had the recorded key would have presented it.
//! 5. If there is no such line, a line for the bare name that equals the key accepts the key. Otherwise the
//!    key is unknown. `yes` and `ask` refuse an unknown key; `accept-new` and `no` record the key, unless a
//!    line for this host is damaged, a certificate authority covers the host (`accept-new` only), or there is
//!    no file to add to.
//! 6. A failure on the way (an unreadable file, a held lock) refuses the key and never makes the key
//!    "unknown". Files are appended to and never rewritten.
//!
//! These rules follow OpenSSH, except that this program is stricter on purpose in eight cases. Comments in
//! this module refer to the cases by number:
//!
//! - `S1`: a changed or revoked key is refused under `no` too.
//! - `S2`: markers are read in any case and may end in a tab; any `@revoked` among several markers counts.
//! - `S3`: `@revoked name` also applies to that host on other ports.
//! - `S4`: `accept-new` records no bare key for a host that a `@cert-authority` line covers.
//! - `S5`: a line for this host that cannot be parsed blocks recording.
//! - `S6`: a known_hosts file that cannot be read or written blocks `accept-new`.
//! - `S7`: NoHostAuthenticationForLocalhost is ignored.
//! - `S8`: keys that a server offers for an update (UpdateHostKeys) are not recorded.
//!
//! [`KnownHosts::load`] and [`KnownHosts::learn`] block on files; [`KnownHosts::verify`] is a pure function
//! of the loaded entries. This module does not judge host certificates.

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

pub use key_text::KeyTextError;
pub use known_hosts::KnownHosts;
pub use line::LineDamage;
pub use order::order_host_key_algorithms;
pub use policy::{HostKeyPolicy, StrictHostKeyChecking};
pub use refusal::{FileLine, HostKeyRefusal, PresentedKey, RefusalKind};
pub use survey::{DamagedLine, Survey, survey};
pub(crate) use verdict::NOT_RECORDED;
pub use verdict::{Source, Verdict};
