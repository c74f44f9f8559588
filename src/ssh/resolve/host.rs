//! The typed result of a resolution.

use crate::ssh::host_keys::StrictHostKeyChecking;
use crate::ssh::resolve::{ResolveError, UnsupportedOption};
use std::path::PathBuf;
use std::time::Duration;

/// The settings for connecting to a host, checking its key and authenticating. Fields are named after the
/// options of ssh_config(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedHost {
    /// The requested host, without user and port.
    pub alias: String,
    /// Name or address to connect to.
    pub host_name: String,
    /// Port to connect to.
    pub port: u16,
    /// User to log in as.
    pub user: String,
    /// Private keys to offer, expanded. The files may not exist.
    pub identity_files: Vec<PathBuf>,
    /// Whether the call or the configuration named [`identity_files`](Self::identity_files). A missing file
    /// is reported only in this case, because OpenSSH's default files need not exist.
    pub identity_files_explicit: bool,
    /// Whether keys of the agent are offered only if they are among the identity files.
    pub identities_only: bool,
    /// The agent's socket.
    pub identity_agent: IdentityAgent,
    /// Certificates to offer with the keys, expanded.
    pub certificate_files: Vec<PathBuf>,
    /// Jump hosts, comma-separated, the nearest first.
    pub proxy_jump: Option<String>,
    /// Command whose stdin and stdout are the connection, with unexpanded tokens.
    pub proxy_command: Option<String>,
    /// The user's known_hosts files, absolute; empty for `none`.
    pub user_known_hosts_files: Vec<PathBuf>,
    /// The system's known_hosts files, absolute; empty for `none`.
    pub global_known_hosts_files: Vec<PathBuf>,
    /// Name to look up in known_hosts instead of the host name.
    pub host_key_alias: Option<String>,
    /// Files of revoked keys, absolute.
    pub revoked_host_keys: Vec<PathBuf>,
    /// Host-key algorithms. Unless the list is explicit, the types that are recorded for the host are proposed
    /// first. A list that removes algorithms from OpenSSH's default or appends others is not explicit.
    pub host_key_algorithms: AlgorithmList,
    /// Signature algorithms that are accepted in certificates.
    pub ca_signature_algorithms: AlgorithmList,
    /// The treatment of an unknown host key.
    pub strict_host_key_checking: StrictHostKeyChecking,
    /// Whether names are recorded in known_hosts as hashes.
    pub hash_known_hosts: bool,
    /// Limit for connecting, if configured.
    pub connect_timeout: Option<Duration>,
    /// Number of attempts to connect, a second apart.
    pub connection_attempts: u32,
    /// Keepalive interval, if configured. A configured 0 counts as not configured, because `ssh -G` prints the
    /// default, 0, in the same way.
    pub server_alive_interval: Option<Duration>,
    /// Number of unanswered keepalives after which the peer counts as dead. This program's own number, unless
    /// the number or the interval is configured.
    pub server_alive_count_max: u32,
    /// Key-exchange algorithms.
    pub kex_algorithms: AlgorithmList,
    /// Ciphers, the same for both directions.
    pub ciphers: AlgorithmList,
    /// MACs, the same for both directions.
    pub macs: AlgorithmList,
    /// Signature algorithms for public-key authentication.
    pub pubkey_accepted_algorithms: AlgorithmList,
    /// The authentication methods to try, in order: `publickey`, `keyboard-interactive` and `password`, as far
    /// as they are preferred and not switched off by another option.
    pub preferred_authentications: Vec<String>,
    /// How often a password is sent at most.
    pub number_of_password_prompts: u32,
    /// Environment variables to set on the host.
    pub set_env: Vec<(String, String)>,
    /// Patterns of local environment variables to send. A pattern with a leading `-` excludes variables.
    pub send_env: Vec<String>,
    /// Local address to connect from.
    pub bind_address: Option<String>,
    /// Address family to connect with.
    pub address_family: AddressFamily,
    /// Whether compression is requested.
    pub compression: bool,
    /// Limits after which keys are renegotiated.
    pub rekey_limit: RekeyLimit,
    /// Size of the smallest accepted RSA key in bits. This program's own minimum, unless configured.
    pub required_rsa_size: u32,
    /// Notes for the user, for example about options that have no effect.
    pub notes: Vec<String>,
    /// Unsupported options that must not be ignored; see [`ResolvedHost::require_supported`].
    pub unsupported_options: Vec<UnsupportedOption>,
}

impl ResolvedHost {
    /// The first unsupported option that must not be ignored.
    pub fn unsupported(&self) -> Option<&UnsupportedOption> {
        self.unsupported_options.first()
    }

    /// Fails if there is an [`unsupported`](Self::unsupported) option. Must be called before connecting.
    pub fn require_supported(&self) -> Result<(), ResolveError> {
        self.unsupported().map_or(Ok(()), |option| {
            Err(ResolveError::Unsupported(option.clone()))
        })
    }
}

/// Algorithms in order of preference. Other algorithms must not be used; if none of the listed algorithms is
/// available, connecting fails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlgorithmList {
    /// Names of the algorithms. Empty on a machine without `ssh`; the defaults of the SSH library are used then.
    pub names: Vec<String>,
    /// Whether the user configured the list, so that the order must be kept.
    pub explicit: bool,
}

/// The socket of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityAgent {
    /// No agent is used.
    None,
    /// The socket named by `SSH_AUTH_SOCK`.
    FromEnvironment,
    /// A socket named by the configuration.
    Path(PathBuf),
}

/// The address family to connect with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFamily {
    /// IPv4 and IPv6.
    Any,
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

/// Limits after which keys are renegotiated. `None` means the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RekeyLimit {
    /// Number of transferred bytes.
    pub bytes: Option<u64>,
    /// Age of the keys.
    pub time: Option<Duration>,
}
