//! Conversion of the output of `ssh -G` into a [`ResolvedHost`]. Options that an older OpenSSH does not print
//! have OpenSSH's default.

use crate::limits::{KEEPALIVE_COUNT, RSA_MIN_BITS};
use crate::ssh::peer_text::in_quotes;
use crate::ssh::resolve::error::UnsupportedOption;
use crate::ssh::resolve::expand::{Expansion, tilde_path};
use crate::ssh::resolve::host::{AlgorithmList, IdentityAgent, ResolvedHost};
use crate::ssh::resolve::options::judge;
use crate::ssh::resolve::settings::{Settings, bad_value};
use crate::ssh::resolve::{ResolveError, ResolveRequest, values};
use crate::ssh::target::check_host;
use std::path::PathBuf;

/// OpenSSH's default of UserKnownHostsFile.
const USER_KNOWN_HOSTS: &str = "~/.ssh/known_hosts ~/.ssh/known_hosts2";
/// OpenSSH's default of GlobalKnownHostsFile.
const GLOBAL_KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2";

/// The resolved host, from the request, the output of `ssh -G` for the host, and the output without any
/// configuration.
pub(super) fn resolved_host(
    request: &ResolveRequest,
    mut settings: Settings,
    defaults: &Settings,
) -> Result<ResolvedHost, ResolveError> {
    if let Some(jumps) = &request.proxy_jump {
        settings.replace("ProxyJump", Some(jumps));
        settings.replace("ProxyCommand", None);
    }
    let (unsupported_options, notes) = judge(&settings, defaults);
    let expansion = Expansion::new(&settings, &request.target.host);
    let parser = Parser {
        request,
        settings: &settings,
        defaults,
        expansion,
    };
    let mut host = parser.host()?;
    host.notes.extend(notes);
    host.unsupported_options.extend(unsupported_options);
    Ok(host)
}

/// The sources of a resolved host.
struct Parser<'a> {
    request: &'a ResolveRequest,
    settings: &'a Settings,
    defaults: &'a Settings,
    expansion: Expansion,
}

impl Parser<'_> {
    fn host(&self) -> Result<ResolvedHost, ResolveError> {
        let set = |option| self.settings.set(option).map(str::to_owned);
        let host_name = self.required("HostName")?;
        let host_key_alias = self.settings.first("HostKeyAlias").map(str::to_owned);
        let preferred_authentications = values::methods(self.settings);
        Ok(ResolvedHost {
            alias: self.request.target.host.clone(),
            port: self.settings.number("Port")?.unwrap_or(22),
            user: self.required("User")?,
            identity_files: self.identity_files()?,
            identity_files_explicit: self.request.private_key_path.is_some()
                || !self
                    .settings
                    .all("IdentityFile")
                    .eq(self.defaults.all("IdentityFile")),
            identities_only: self.settings.flag("IdentitiesOnly", false)?,
            identity_agent: self.identity_agent(),
            certificate_files: self.expanded("CertificateFile")?,
            proxy_jump: set("ProxyJump"),
            proxy_command: set("ProxyCommand"),
            user_known_hosts_files: self.files("UserKnownHostsFile", USER_KNOWN_HOSTS)?,
            global_known_hosts_files: self.files("GlobalKnownHostsFile", GLOBAL_KNOWN_HOSTS)?,
            revoked_host_keys: self.files("RevokedHostKeys", "none")?,
            host_key_algorithms: self.host_key_algorithms(),
            ca_signature_algorithms: self.algorithms("CASignatureAlgorithms"),
            strict_host_key_checking: values::strict(self.settings)?,
            hash_known_hosts: self.settings.flag("HashKnownHosts", false)?,
            connect_timeout: values::seconds(self.settings, "ConnectTimeout")?,
            connection_attempts: self.settings.number("ConnectionAttempts")?.unwrap_or(1),
            server_alive_interval: values::seconds(self.settings, "ServerAliveInterval")?,
            server_alive_count_max: self.alive_count()?,
            kex_algorithms: self.algorithms("KexAlgorithms"),
            ciphers: self.algorithms("Ciphers"),
            macs: self.algorithms("MACs"),
            pubkey_accepted_algorithms: self.algorithms("PubkeyAcceptedAlgorithms"),
            number_of_password_prompts: self
                .settings
                .number("NumberOfPasswordPrompts")?
                .unwrap_or(3),
            set_env: values::set_env(self.settings)?,
            send_env: self.settings.all("SendEnv").map(str::to_owned).collect(),
            bind_address: set("BindAddress"),
            address_family: values::address_family(self.settings)?,
            compression: self.settings.flag("Compression", false)?,
            rekey_limit: values::rekey_limit(self.settings)?,
            required_rsa_size: self.rsa_size()?,
            notes: self.home_note().into_iter().collect(),
            unsupported_options: unusable_names(&host_name, host_key_alias.as_deref())
                .chain(no_method(&preferred_authentications))
                .collect(),
            host_name,
            host_key_alias,
            preferred_authentications,
        })
    }

    fn required(&self, option: &'static str) -> Result<String, ResolveError> {
        let value = self
            .settings
            .first(option)
            .filter(|value| !value.is_empty());
        value
            .map(str::to_owned)
            .ok_or_else(|| bad_value(option, "", "ssh -G did not print it"))
    }

    /// Whether an option differs from its value without any configuration.
    fn configured(&self, option: &str) -> bool {
        self.settings.first(option) != self.defaults.first(option)
    }

    /// The number of unanswered keepalives. This program's own number goes with its own interval, so OpenSSH's
    /// number is used as soon as the interval or the number is configured.
    fn alive_count(&self) -> Result<u32, ResolveError> {
        let ours = u32::try_from(KEEPALIVE_COUNT).unwrap_or(u32::MAX);
        let interval = values::seconds(self.settings, "ServerAliveInterval")?;
        if interval.is_none() && !self.configured("ServerAliveCountMax") {
            return Ok(ours);
        }
        Ok(self.settings.number("ServerAliveCountMax")?.unwrap_or(ours))
    }

    /// The minimum RSA size. Only a configured size is used, because OpenSSH's default is lower than this
    /// program's minimum.
    fn rsa_size(&self) -> Result<u32, ResolveError> {
        if !self.configured("RequiredRSASize") {
            return Ok(RSA_MIN_BITS);
        }
        Ok(self
            .settings
            .number("RequiredRSASize")?
            .unwrap_or(RSA_MIN_BITS))
    }

    fn algorithms(&self, option: &str) -> AlgorithmList {
        AlgorithmList {
            names: values::names(self.settings, option),
            explicit: self.configured(option),
        }
    }

    fn host_key_algorithms(&self) -> AlgorithmList {
        let names = values::names(self.settings, "HostKeyAlgorithms");
        let defaults = values::names(self.defaults, "HostKeyAlgorithms");
        AlgorithmList {
            explicit: !values::is_default_edited(&names, &defaults),
            names,
        }
    }

    /// The paths of an option that `ssh -G` prints unexpanded, each on a line.
    fn expanded(&self, option: &'static str) -> Result<Vec<PathBuf>, ResolveError> {
        let variable = |name: &str| std::env::var(name).ok();
        self.settings
            .all(option)
            .filter(|path| !path.eq_ignore_ascii_case("none"))
            .map(|path| self.expansion.path(option, path, &variable))
            .collect()
    }

    fn identity_files(&self) -> Result<Vec<PathBuf>, ResolveError> {
        match &self.request.private_key_path {
            Some(path) => Ok(vec![tilde_path(path, std::env::home_dir().as_deref())]),
            None => self.expanded("IdentityFile"),
        }
    }

    /// The paths of an option that `ssh -G` prints expanded, on a single line without quotes.
    fn files(&self, option: &'static str, default: &str) -> Result<Vec<PathBuf>, ResolveError> {
        let list = self.settings.first(option).unwrap_or(default);
        if list.eq_ignore_ascii_case("none") {
            return Ok(Vec::new());
        }
        let paths: Vec<_> = list
            .split_ascii_whitespace()
            .map(|path| self.expansion.tilde(path))
            .collect();
        // A path with a blank would be split into two missing files, and revoked keys in the file would not
        // be found. The second part is not absolute, which reveals the blank.
        if !paths.iter().all(|path| path.is_absolute()) {
            let why = "each file must be an absolute path (or ~/...) without blanks";
            return Err(bad_value(option, list, why));
        }
        Ok(paths)
    }

    fn identity_agent(&self) -> IdentityAgent {
        let value = match self.settings.first("IdentityAgent") {
            None | Some("SSH_AUTH_SOCK") => return IdentityAgent::FromEnvironment,
            Some(value) if value.eq_ignore_ascii_case("none") => return IdentityAgent::None,
            Some(value) => value,
        };
        match value.strip_prefix('$') {
            // An unset variable means no agent. Falling back to `SSH_AUTH_SOCK` would use an unwanted agent.
            Some(name) => std::env::var_os(name).map_or(IdentityAgent::None, |path| {
                IdentityAgent::Path(PathBuf::from(path))
            }),
            None => IdentityAgent::Path(self.expansion.tilde(value)),
        }
    }

    fn home_note(&self) -> Option<String> {
        let (ssh, environment) = (self.expansion.home()?, std::env::home_dir()?);
        (ssh != environment).then(|| {
            format!(
                "~ in the ssh configuration is {}, as for ssh itself, although HOME is {}",
                ssh.display(),
                environment.display()
            )
        })
    }
}

/// The host name or HostKeyAlias, if characters in the name make a lookup impossible or would change the
/// meaning of a known_hosts line.
fn unusable_names<'a>(
    host_name: &'a str,
    alias: Option<&'a str>,
) -> impl Iterator<Item = UnsupportedOption> + use<'a> {
    let refused = |c: char| c.is_control() || c.is_whitespace() || ",*?!|#@".contains(c);
    let host_name = Some(host_name).filter(|name| check_host(name).is_err());
    let alias = alias.filter(|alias| alias.is_empty() || alias.contains(refused));
    let why = "the name has characters that host names do not have";
    let name = |option, value| UnsupportedOption {
        option,
        value: in_quotes(value),
        why,
    };
    let host_name = host_name.map(|value| name("HostName", value));
    host_name
        .into_iter()
        .chain(alias.map(|value| name("HostKeyAlias", value)))
}

fn no_method(methods: &[String]) -> Option<UnsupportedOption> {
    methods.is_empty().then(|| UnsupportedOption {
        option: "PreferredAuthentications",
        value: in_quotes(""),
        why: "no method is left; allow publickey, keyboard-interactive or password",
    })
}

#[cfg(test)]
mod tests;
