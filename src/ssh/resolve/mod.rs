//! Applies the user's OpenSSH configuration to a host, by running `ssh -G`.
//!
//! `ssh` reads the configuration, so `Include`, `Match`, `CanonicalizeHostname` and all defaults work exactly
//! as in OpenSSH. `ssh -G` prints configured values and defaults alike. To tell them apart, each [`Resolver`]
//! also runs `ssh -G` once without any configuration: values that differ were configured.
//!
//! **Home directory.** `~` in the configuration is the home directory of the password database, even if
//! `$HOME` is another directory: OpenSSH does the same, and a host that works with `ssh HOST` must work here
//! with the same files. `ssh` reports this directory (and the values of `%l`, `%u` and `%C`) through
//! `ControlPath`, which this program does not need otherwise and sets to a probe that `ssh` expands. `~` in a
//! parameter of the call is `$HOME`. If both directories differ, the result has a note. A test that must not
//! see the user's files names its own configuration file with absolute `UserKnownHostsFile`,
//! `GlobalKnownHostsFile` and `IdentityFile`.
//!
//! **No option is ignored silently.** `options` lists every option of OpenSSH and how this program treats
//! the option. [`ResolvedHost::require_supported`] fails if an unsupported option would change where or how
//! securely a host is reached. This check is separate from [`Resolver::resolve`], so that a report can show
//! the other settings.

mod error;
mod expand;
mod host;
mod options;
mod parse;
mod run;
mod settings;
mod values;

pub use error::{ResolveError, UnsupportedOption};
pub use host::{AddressFamily, AlgorithmList, IdentityAgent, RekeyLimit, ResolvedHost};

use crate::limits::{RESOLVE_TIMEOUT, TARGET_MAX_BYTES};
use crate::ssh::target::{Target, TargetError, TargetPart, check_port, check_username};
use expand::PROBE;
use settings::Settings;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::OnceCell;

/// The system-wide configuration of OpenSSH, used unless another file is named.
const SYSTEM_CONFIG: &str = "/etc/ssh/ssh_config";
/// The file name that means "no configuration" (ssh(1), `-F`).
const NO_CONFIG: &str = "none";

/// A host and the parameters of a call. The parameters override the parts of the target, and both override
/// the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveRequest {
    /// The host, and optionally a port and a user name.
    pub target: Target,
    /// Port; overrides the port of the target.
    pub port: Option<u16>,
    /// User name; overrides the user name of the target.
    pub username: Option<String>,
    /// Private key; replaces the configured identity files. `~` is `$HOME`.
    pub private_key_path: Option<PathBuf>,
    /// Jump hosts as in ssh(1) `-J`; replace ProxyJump and ProxyCommand. `none` for a direct connection.
    pub proxy_jump: Option<String>,
}

impl ResolveRequest {
    /// A request without parameters besides the target.
    pub const fn new(target: Target) -> Self {
        Self {
            target,
            port: None,
            username: None,
            private_key_path: None,
            proxy_jump: None,
        }
    }

    fn port(&self) -> Option<u16> {
        self.port.or(self.target.port)
    }

    fn username(&self) -> Option<&str> {
        self.username.as_deref().or(self.target.username.as_deref())
    }

    /// Checks all parts before they are used in an argument list or a path.
    fn check(&self) -> Result<(), ResolveError> {
        self.target.check()?;
        check_port(self.port)?;
        self.username.as_deref().map_or(Ok(()), check_username)?;
        self.proxy_jump.as_deref().map_or(Ok(()), check_jumps)?;
        match &self.private_key_path {
            Some(path) if path.as_os_str().is_empty() => Err(ResolveError::EmptyKeyPath),
            _ => Ok(()),
        }
    }
}

/// Checks each hop of a jump list like a target.
fn check_jumps(jumps: &str) -> Result<(), ResolveError> {
    if jumps.eq_ignore_ascii_case(NO_CONFIG) {
        return Ok(());
    }
    let (part, bytes) = (TargetPart::Host, jumps.len());
    if bytes > TARGET_MAX_BYTES {
        return Err(ResolveError::ProxyJump(TargetError::TooLong {
            part,
            bytes,
        }));
    }
    jumps
        .split(',')
        .try_for_each(|hop| Target::parse(hop).map(|_| ()))
        .map_err(ResolveError::ProxyJump)
}

/// Resolves hosts with `ssh -G`. All sessions of a process share a resolver.
#[derive(Debug)]
pub struct Resolver {
    /// The file for `ssh -F`. If absent, `ssh` reads the files of the user and of the system.
    pub ssh_config: Option<PathBuf>,
    /// The `ssh` program. A name without a slash is looked up in `PATH`.
    pub ssh_binary: PathBuf,
    /// Limit of a resolution, after which `ssh` and its children are killed.
    pub timeout: Duration,
    /// The files that `ssh` reads by default. If such a file exists but `ssh` does not, resolving fails.
    default_configs: Vec<PathBuf>,
    /// The output of `ssh -G` without any configuration.
    defaults: OnceCell<Settings>,
}

impl Resolver {
    /// A resolver that runs the `ssh` of `PATH`.
    pub fn new(ssh_config: Option<PathBuf>) -> Self {
        let user_config = std::env::home_dir().map(|home| home.join(".ssh/config"));
        Self {
            ssh_config,
            ssh_binary: PathBuf::from("ssh"),
            timeout: RESOLVE_TIMEOUT,
            default_configs: user_config
                .into_iter()
                .chain([SYSTEM_CONFIG.into()])
                .collect(),
            defaults: OnceCell::new(),
        }
    }

    /// The path of the `ssh` program, if the program exists.
    pub fn find_ssh(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        run::find_program(&self.ssh_binary, &path)
    }

    /// All settings for a host, from the request and the configuration. Opens no connection to the host.
    ///
    /// Call [`ResolvedHost::require_supported`] on the result before connecting.
    pub async fn resolve(&self, request: &ResolveRequest) -> Result<ResolvedHost, ResolveError> {
        request.check()?;
        let arguments = arguments(self.ssh_config.as_deref(), request);
        let asked = tokio::try_join!(
            self.run_ssh(&arguments),
            self.defaults.get_or_try_init(|| self.read_defaults()),
        );
        match asked {
            Ok((settings, defaults)) => parse::resolved_host(request, settings, defaults),
            Err(ResolveError::Spawn { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.resolve_without_ssh(request)
            }
            Err(error) => Err(error),
        }
    }

    async fn run_ssh(&self, arguments: &[OsString]) -> Result<Settings, ResolveError> {
        let output = run::run_bounded(&self.ssh_binary, arguments, self.timeout).await?;
        Ok(Settings::parse(&output))
    }

    async fn read_defaults(&self) -> Result<Settings, ResolveError> {
        let localhost = ResolveRequest::new(Target {
            host: "localhost".to_owned(),
            port: None,
            username: None,
        });
        self.run_ssh(&arguments(Some(Path::new(NO_CONFIG)), &localhost))
            .await
    }

    /// The settings for a host on a machine without `ssh`: OpenSSH's defaults, if no configuration exists.
    fn resolve_without_ssh(&self, request: &ResolveRequest) -> Result<ResolvedHost, ResolveError> {
        if let Some(config) = self.config_file() {
            return Err(ResolveError::NoSsh {
                binary: self.ssh_binary.clone(),
                config,
            });
        }
        let local_user = || {
            std::env::var("USER")
                .or_else(|_| std::env::var("LOGNAME"))
                .ok()
        };
        let username = request.username().map(str::to_owned).or_else(local_user);
        let username = username.ok_or(ResolveError::NoUsername)?;
        let settings = settings::without_ssh(&request.target.host, &username, request.port());
        parse::resolved_host(request, settings.clone(), &settings)
    }

    /// The first configuration file that exists, or whose existence cannot be checked. Only `ssh` can read a
    /// configuration file, so with such a file and without `ssh` no host can be resolved.
    pub fn config_file(&self) -> Option<PathBuf> {
        if let Some(named) = &self.ssh_config {
            return (named != Path::new(NO_CONFIG)).then(|| named.clone());
        }
        let exists = |path: &&PathBuf| path.try_exists().unwrap_or(true);
        self.default_configs.iter().find(exists).cloned()
    }
}

/// The arguments of `ssh -G`. No shell interprets them; `--` keeps `ssh` from reading the host as an option.
fn arguments(config: Option<&Path>, request: &ResolveRequest) -> Vec<OsString> {
    // Without -T, ssh warns that stdin is not a terminal.
    let mut arguments: Vec<OsString> = vec!["-G".into(), "-T".into()];
    arguments.extend(["-o".into(), format!("ControlPath={PROBE}").into()]);
    if let Some(config) = config {
        arguments.extend(["-F".into(), config.into()]);
    }
    if let Some(port) = request.port() {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(username) = request.username() {
        arguments.extend(["-l".into(), username.into()]);
    }
    arguments.extend(["--".into(), request.target.host.as_str().into()]);
    arguments
}

#[cfg(test)]
mod tests;
