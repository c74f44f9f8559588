//! From what a caller names to what is dialled: the OpenSSH configuration, as `ssh -G` sees it.
//!
//! `ssh` itself reads its configuration, so that `Include`, `Match`, `CanonicalizeHostname` and every default
//! mean what they mean to OpenSSH. It runs once for the host and, once per [`Resolver`], without any
//! configuration: what differs between the two was configured, which its output alone does not tell.
//!
//! **Home directory.** `~` in the configuration is the home directory of the password database, also where
//! `$HOME` names another one: OpenSSH reads that directory's configuration, keys and known_hosts, and what
//! works with `ssh HOST` has to work here, with the same files. Which directory that is (and what `%l`, `%u`,
//! `%C` stand for) is told by `ssh`: `ControlPath`, which nothing else here uses, is set to a probe that `ssh`
//! expands. `~` in a parameter of the call is `$HOME`. Where the two differ, a note of the result says so. A
//! program that must not see the user's files (a test) names a configuration file of its own, with absolute
//! `UserKnownHostsFile`, `GlobalKnownHostsFile` and `IdentityFile`.
//!
//! **Nothing is ignored silently.** `options` lists every option of OpenSSH with what becomes of it.
//! [`ResolvedHost::require_supported`] fails where the configuration asks for something that changes where or
//! how securely a host is reached and that cannot be done; it is apart from resolving, so that a report can
//! show the rest.

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

/// The system-wide configuration of OpenSSH, read where no other file is named.
const SYSTEM_CONFIG: &str = "/etc/ssh/ssh_config";
/// The file name that stands for "no configuration" (ssh(1), `-F`).
const NO_CONFIG: &str = "none";

/// What a call asks for. Its parameters win over the parts of the target, and both over the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveRequest {
    /// The host, with what stood beside it.
    pub target: Target,
    /// Port, over the target's own.
    pub port: Option<u16>,
    /// User name, over the target's own.
    pub username: Option<String>,
    /// Private key, in place of the configured identity files; `~` is `$HOME`.
    pub private_key_path: Option<PathBuf>,
    /// Jump hosts as in ssh(1) `-J`, in place of ProxyJump and ProxyCommand; `none` for a direct connection.
    pub proxy_jump: Option<String>,
}

impl ResolveRequest {
    /// A request for `target` without any other parameter.
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

    /// Checks everything that will stand in an argument list or in a path, before any of it is used.
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

/// Checks each hop of a jump list by the rules for a target.
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

/// Asks `ssh -G` about hosts. One for the life of the process, shared by all sessions.
#[derive(Debug)]
pub struct Resolver {
    /// The file for `ssh -F`; without one, `ssh` reads the user's and the system's.
    pub ssh_config: Option<PathBuf>,
    /// The program to ask, looked up in `PATH` when it has no slash.
    pub ssh_binary: PathBuf,
    /// Time for the whole of a resolution; after it, `ssh` and its children are killed.
    pub timeout: Duration,
    /// The files that `ssh` would read by itself: without `ssh`, any of them is a reason to fail.
    default_configs: Vec<PathBuf>,
    /// What `ssh` says without any configuration, asked once.
    defaults: OnceCell<Settings>,
}

impl Resolver {
    /// A resolver that asks the `ssh` of `PATH`.
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

    /// The program that is asked, where `PATH` has it; nothing where there is none.
    pub fn find_ssh(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        run::find(&self.ssh_binary, &path)
    }

    /// Everything that the configuration and the request say about a host. Dials nothing, writes nothing.
    ///
    /// Call [`ResolvedHost::require_supported`] on the result before it is dialled.
    pub async fn resolve(&self, request: &ResolveRequest) -> Result<ResolvedHost, ResolveError> {
        request.check()?;
        let arguments = arguments(self.ssh_config.as_deref(), request);
        let asked = tokio::try_join!(
            self.ask(&arguments),
            self.defaults.get_or_try_init(|| self.ask_defaults()),
        );
        match asked {
            Ok((settings, defaults)) => parse::resolved_host(request, settings, defaults),
            Err(ResolveError::Spawn { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.resolve_without_ssh(request)
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, arguments: &[OsString]) -> Result<Settings, ResolveError> {
        let output = run::run(&self.ssh_binary, arguments, self.timeout).await?;
        Ok(Settings::parse(&output))
    }

    async fn ask_defaults(&self) -> Result<Settings, ResolveError> {
        let localhost = ResolveRequest::new(Target {
            host: "localhost".to_owned(),
            port: None,
            username: None,
        });
        self.ask(&arguments(Some(Path::new(NO_CONFIG)), &localhost))
            .await
    }

    /// OpenSSH's defaults, if there is no configuration that would say otherwise.
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

    /// The first configuration file that there is; one that cannot be looked at counts as there. Without
    /// `ssh`, which alone can read it, no host can be resolved then.
    pub fn config_file(&self) -> Option<PathBuf> {
        if let Some(named) = &self.ssh_config {
            return (named != Path::new(NO_CONFIG)).then(|| named.clone());
        }
        let exists = |path: &&PathBuf| path.try_exists().unwrap_or(true);
        self.default_configs.iter().find(exists).cloned()
    }
}

/// The argument list of one `ssh -G`. No shell sees it; `--` ends the options before the host.
fn arguments(config: Option<&Path>, request: &ResolveRequest) -> Vec<OsString> {
    // -T: without it ssh complains of a stdin that is no terminal.
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
