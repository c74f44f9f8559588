//! What a resolution yields, typed.

use crate::ssh::host_keys::StrictHostKeyChecking;
use crate::ssh::resolve::{ResolveError, UnsupportedOption};
use std::path::PathBuf;
use std::time::Duration;

/// A host as it is to be dialled, verified and authenticated to. Field names are those of ssh_config(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedHost {
    /// The host as it was asked for, without user and port.
    pub alias: String,
    /// Name or address to connect to.
    pub host_name: String,
    /// Port to connect to.
    pub port: u16,
    /// User to log in as.
    pub user: String,
    /// Private keys to offer, expanded; whether they exist is not looked at here.
    pub identity_files: Vec<PathBuf>,
    /// Whether the call or the configuration named [`identity_files`](Self::identity_files). OpenSSH's
    /// default names need not exist; named ones are worth a word if they do not.
    pub identity_files_explicit: bool,
    /// Whether an agent's keys are offered only if they are among the identity files.
    pub identities_only: bool,
    /// Where the agent is.
    pub identity_agent: IdentityAgent,
    /// Certificates to offer with the keys, expanded.
    pub certificate_files: Vec<PathBuf>,
    /// Jump hosts, comma-separated, the nearest first.
    pub proxy_jump: Option<String>,
    /// Command to use as a connection, its tokens not expanded.
    pub proxy_command: Option<String>,
    /// The user's known_hosts files, absolute; empty for `none`.
    pub user_known_hosts_files: Vec<PathBuf>,
    /// The system's known_hosts files, absolute; empty for `none`.
    pub global_known_hosts_files: Vec<PathBuf>,
    /// Name to look up in known_hosts instead of the host's.
    pub host_key_alias: Option<String>,
    /// Files of revoked keys, absolute.
    pub revoked_host_keys: Vec<PathBuf>,
    /// Host-key algorithms. They count as explicit unless they are OpenSSH's with some removed and others
    /// appended; only if they are not explicit, those recorded for a host are asked for first.
    pub host_key_algorithms: AlgorithmList,
    /// Algorithms with which a CA may have signed a certificate.
    pub ca_signature_algorithms: AlgorithmList,
    /// What to do with an unknown host key.
    pub strict_host_key_checking: StrictHostKeyChecking,
    /// Whether names are hashed when they are added to known_hosts.
    pub hash_known_hosts: bool,
    /// Limit for a connect, if there is one.
    pub connect_timeout: Option<Duration>,
    /// Connects to try, one a second.
    pub connection_attempts: u32,
    /// Keepalive interval. `None` is "not set": ssh's own default, 0, cannot be told from a configured 0.
    pub server_alive_interval: Option<Duration>,
    /// Unanswered keepalives until the peer is dead: OpenSSH's, or this program's own where neither this nor
    /// the interval is configured.
    pub server_alive_count_max: u32,
    /// Key-exchange algorithms.
    pub kex_algorithms: AlgorithmList,
    /// Ciphers, the same both ways.
    pub ciphers: AlgorithmList,
    /// MACs, the same both ways.
    pub macs: AlgorithmList,
    /// Signature algorithms for public-key authentication.
    pub pubkey_accepted_algorithms: AlgorithmList,
    /// The methods to try, in this order: of `publickey`, `keyboard-interactive` and `password` those that
    /// are preferred and that no other option switches off.
    pub preferred_authentications: Vec<String>,
    /// Times that a password is sent.
    pub number_of_password_prompts: u32,
    /// Variables to set on the host.
    pub set_env: Vec<(String, String)>,
    /// Patterns of local variables to send; one that starts with `-` takes earlier ones back.
    pub send_env: Vec<String>,
    /// Local address to connect from.
    pub bind_address: Option<String>,
    /// Addresses to connect to.
    pub address_family: AddressFamily,
    /// Whether to ask for compression.
    pub compression: bool,
    /// When to exchange keys anew.
    pub rekey_limit: RekeyLimit,
    /// Smallest RSA key to accept, in bits: this program's own minimum where none is configured.
    pub required_rsa_size: u32,
    /// Options of the configuration that have no effect here, in words; for reports.
    pub notes: Vec<String>,
    /// Options that rule out a connection; see [`ResolvedHost::require_supported`].
    pub unsupported_options: Vec<UnsupportedOption>,
}

impl ResolvedHost {
    /// The first option that cannot be honoured and may not be ignored.
    pub fn unsupported(&self) -> Option<&UnsupportedOption> {
        self.unsupported_options.first()
    }

    /// Fails where [`unsupported`](Self::unsupported) finds something. To be called before a host is dialled.
    pub fn require_supported(&self) -> Result<(), ResolveError> {
        self.unsupported().map_or(Ok(()), |option| {
            Err(ResolveError::Unsupported(option.clone()))
        })
    }
}

/// Algorithms in order of preference. None may be added; to have none of them is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlgorithmList {
    /// Their names. Empty only where no `ssh` told its defaults: the SSH library's own stand then.
    pub names: Vec<String>,
    /// Whether the list was configured, so that its order is to be kept.
    pub explicit: bool,
}

/// Where the agent's socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityAgent {
    /// No agent is asked.
    None,
    /// The socket named by `SSH_AUTH_SOCK`.
    FromEnvironment,
    /// A socket named by the configuration.
    Path(PathBuf),
}

/// Kinds of address to connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFamily {
    /// All.
    Any,
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

/// When to exchange keys anew; `None` leaves it to the cipher.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RekeyLimit {
    /// After so many bytes.
    pub bytes: Option<u64>,
    /// After so much time.
    pub time: Option<Duration>,
}
