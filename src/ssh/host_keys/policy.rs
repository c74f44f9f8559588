//! The settings that decide about a host key.

use std::path::{Path, PathBuf};

/// The treatment of a key that is recorded nowhere (StrictHostKeyChecking).
///
/// A changed or revoked key is refused under every setting (S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StrictHostKeyChecking {
    /// Refuse the key.
    Yes,
    /// Refuse the key: there is nobody to ask, and no tool argument approves a key.
    Ask,
    /// Record the key, unless there is an [`Obstacle`](super::advice::Obstacle).
    AcceptNew,
    /// Accept the key, and record the key if possible.
    No,
}

/// The settings that a verdict depends on.
///
/// Paths are used literally: the creator of a policy expands `~` and tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyPolicy {
    /// The name that is dialled (HostName), in upper or lower case; an address as OpenSSH writes addresses.
    pub host: String,
    /// The port that is dialled.
    pub port: u16,
    /// HostKeyAlias: replaces the name, and the port is then ignored.
    pub alias: Option<String>,
    /// UserKnownHostsFile: keys are added to the first file. A first file called `none` stands for no file.
    pub user_files: Vec<PathBuf>,
    /// GlobalKnownHostsFile: read only.
    pub global_files: Vec<PathBuf>,
    /// RevokedHostKeys: lists of keys, each of which must be readable. A first file called `none` stands for no file.
    pub revoked_files: Vec<PathBuf>,
    /// StrictHostKeyChecking.
    pub strict: StrictHostKeyChecking,
    /// HashKnownHosts: names are recorded as salted hashes.
    pub hash_known_hosts: bool,
    /// RequiredRSASize: smaller RSA keys are refused.
    pub required_rsa_bits: u32,
}

impl HostKeyPolicy {
    /// The user's known_hosts files; empty for `none`.
    pub(super) fn user_files(&self) -> &[PathBuf] {
        unless_none(&self.user_files)
    }

    /// Every known_hosts file, in the order in which they are read.
    pub(super) fn known_hosts_files(&self) -> impl Iterator<Item = &Path> {
        let global = unless_none(&self.global_files);
        self.user_files().iter().chain(global).map(PathBuf::as_path)
    }

    /// The lists of revoked keys; empty for `none`.
    pub(super) fn revoked_files(&self) -> &[PathBuf] {
        unless_none(&self.revoked_files)
    }
}

/// The files, or an empty list if the first file is called `none` in upper or lower case (ssh_config(5)).
fn unless_none(files: &[PathBuf]) -> &[PathBuf] {
    match files.first() {
        Some(first) if first.as_os_str().eq_ignore_ascii_case("none") => &[],
        _ => files,
    }
}
