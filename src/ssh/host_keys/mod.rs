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
mod refusal;
mod revoked;
mod survey;
#[cfg(test)]
mod tests;
mod verdict;

use std::path::{Path, PathBuf};

pub use known_hosts::KnownHosts;
pub use order::order_host_key_algorithms;
pub use refusal::{HostKeyRefusal, Place, PresentedKey, RefusalKind};
pub use survey::{DamagedLine, Survey, survey};
pub(crate) use verdict::NOT_RECORDED;
pub use verdict::{Source, Verdict};

/// What to do with a key that is recorded nowhere (StrictHostKeyChecking).
///
/// A changed or revoked key is refused under every one of them (S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StrictHostKeyChecking {
    /// Refuse it.
    Yes,
    /// Refuse it: there is nobody to ask, and no tool argument approves a key.
    Ask,
    /// Record it, if nothing speaks against that.
    AcceptNew,
    /// Accept it, and record it if that is possible.
    No,
}

/// Everything besides the key itself that a verdict depends on.
///
/// Paths are used as they are: whoever makes a policy has expanded `~` and tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyPolicy {
    /// The name that is dialled (HostName), in any case; an address as OpenSSH writes it.
    pub host: String,
    /// The port that is dialled.
    pub port: u16,
    /// HostKeyAlias: replaces the name, and the port is then ignored.
    pub alias: Option<String>,
    /// UserKnownHostsFile: the first one is added to. A first one called `none` stands for no file at all.
    pub user_files: Vec<PathBuf>,
    /// GlobalKnownHostsFile: read only.
    pub global_files: Vec<PathBuf>,
    /// RevokedHostKeys: lists of keys, each of which must be readable. A first one called `none` stands
    /// for no file at all.
    pub revoked_files: Vec<PathBuf>,
    /// StrictHostKeyChecking.
    pub strict: StrictHostKeyChecking,
    /// HashKnownHosts: names are recorded as salted hashes.
    pub hash_known_hosts: bool,
    /// RequiredRSASize: smaller RSA keys are refused.
    pub required_rsa_bits: u32,
}

impl HostKeyPolicy {
    /// The user's known_hosts files, `none` taken at its word.
    fn user_files(&self) -> &[PathBuf] {
        unless_none(&self.user_files)
    }

    /// Every known_hosts file, in the order in which they are read.
    fn known_hosts_files(&self) -> impl Iterator<Item = &Path> {
        let global = unless_none(&self.global_files);
        self.user_files().iter().chain(global).map(PathBuf::as_path)
    }

    /// The lists of revoked keys, `none` taken at its word.
    fn revoked_files(&self) -> &[PathBuf] {
        unless_none(&self.revoked_files)
    }
}

/// `none` stands for an empty list, in any case and in the first place only (ssh_config(5)).
fn unless_none(files: &[PathBuf]) -> &[PathBuf] {
    match files.first() {
        Some(first) if first.as_os_str().eq_ignore_ascii_case("none") => &[],
        _ => files,
    }
}
