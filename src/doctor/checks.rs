//! OpenSSH's side: the program, its configuration, known_hosts, the agent and the key files.

use std::path::Path;

use super::{Examination, Finding, program};
use crate::limits::KNOWN_HOSTS_DAMAGED_SHOWN;
use crate::ssh::auth::agent::{Agent, AgentError};
use crate::ssh::auth::key_file::{self, KeyFileError};
use crate::ssh::host_keys::{Survey, survey};
use crate::ssh::resolve::{IdentityAgent, ResolveError, ResolveRequest, ResolvedHost, Resolver};
use crate::ssh::target::Target;

/// A host name that nobody has (RFC 2606): the configuration for this name holds for every host.
const NO_HOST: &str = "doctor.invalid";

/// Checks everything that a session needs from OpenSSH.
pub(super) async fn examine(resolver: &Resolver, examination: &mut Examination) {
    examination.add(ssh(resolver).await);
    let mut resolved = resolver.resolve(&any_host(None)).await;
    if let Err(error @ ResolveError::NoUsername) = &resolved {
        // Without a user name, calls have to name a user; the other checks do not need a user.
        examination.add(Finding::note("user", error.to_string()));
        resolved = resolver.resolve(&any_host(Some("nobody"))).await;
    }
    let host = match resolved {
        Ok(host) => host,
        Err(error) => {
            examination.extend(config_failure(resolver, &error));
            let rest = ["known_hosts", "agent", "key files"];
            examination.extend(rest.map(|subject| Finding::note(subject, "not examined")));
            return;
        }
    };
    examination.extend(config(resolver, &host).await);
    examination.extend(known_hosts(&host));
    let keys = keys(&host).await;
    examination.add(agent(&host, keys.usable).await);
    examination.extend(keys.findings);
}

fn any_host(username: Option<&str>) -> ResolveRequest {
    ResolveRequest::new(Target {
        host: NO_HOST.to_owned(),
        port: None,
        username: username.map(str::to_owned),
    })
}

/// Checks the program that reads the configuration.
async fn ssh(resolver: &Resolver) -> Finding {
    let subject = "ssh";
    let Some(path) = resolver.find_ssh() else {
        let text = "not found in PATH";
        return match resolver.config_file() {
            Some(config) => {
                let config = config.display();
                Finding::bad(
                    subject,
                    format!("{text}, and only ssh can read {config}; no host can be resolved"),
                )
                .fix("install the OpenSSH client, or add its directory to the PATH of this program")
            }
            None => Finding::note(
                subject,
                format!("{text}; there is no configuration either: OpenSSH's defaults hold"),
            ),
        };
    };
    match program::version(&path).await {
        Ok(version) => Finding::good(subject, format!("{} ({version})", path.display())),
        Err(error) => Finding::bad(
            subject,
            format!("{} cannot be used: {error}", path.display()),
        )
        .fix("reinstall the OpenSSH client"),
    }
}

/// The finding for a configuration that cannot be used at all.
fn config_failure(resolver: &Resolver, error: &ResolveError) -> Option<Finding> {
    // Reported already as a fault of the program.
    if matches!(error, ResolveError::NoSsh { .. }) {
        return None;
    }
    let finding = Finding::bad("config", error.to_string());
    Some(match &resolver.ssh_config {
        Some(named) if !named.exists() => finding.fix(format!(
            "create {}, or correct --ssh-config (MCP_SSH_CONFIG)",
            named.display()
        )),
        _ => finding,
    })
}

/// Checks the configuration: the files, and options for every host that sessions refuse.
async fn config(resolver: &Resolver, host: &ResolvedHost) -> Vec<Finding> {
    let subject = "config";
    let files = match resolver.find_ssh() {
        Some(ssh) => {
            program::configuration_files(&ssh, resolver.ssh_config.as_deref(), NO_HOST).await
        }
        None => Ok(Vec::new()),
    };
    let mut findings = vec![match files {
        Ok(files) if files.is_empty() => Finding::good(subject, "none; OpenSSH's defaults hold"),
        Ok(files) => {
            let files: Vec<_> = files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            Finding::good(
                subject,
                format!("read without errors: {}", files.join(", ")),
            )
        }
        Err(error) => Finding::good(
            subject,
            format!("read without errors (the files are not known: {error})"),
        ),
    }];
    findings.extend(host.unsupported_options.iter().map(|option| {
        Finding::bad(subject, format!("for every host: {option}"))
            .fix("set the option only for the hosts that need it")
    }));
    let notes = host.notes.iter();
    findings.extend(notes.map(|note| Finding::note(subject, note.as_str())));
    findings
}

/// Checks the files of host keys.
fn known_hosts(host: &ResolvedHost) -> Vec<Finding> {
    let user = host.user_known_hosts_files.iter();
    let mut findings: Vec<Finding> = user
        .chain(&host.global_known_hosts_files)
        .filter_map(|path| known_hosts_file(path))
        .collect();
    if findings.is_empty() {
        let text = match host.user_known_hosts_files.first() {
            Some(first) => format!("{} does not exist: no host is known yet", first.display()),
            None => "the configuration names no file: no host can be known".to_owned(),
        };
        findings
            .push(Finding::note("known_hosts", text).fix(
                "connect to a host once with ssh, and compare the fingerprint that ssh shows",
            ));
    }
    findings
}

/// Checks a file; `None`, if the file does not exist.
fn known_hosts_file(path: &Path) -> Option<Finding> {
    let subject = "known_hosts";
    let survey = match survey(path) {
        Ok(survey) => survey?,
        Err(error) => {
            let text = format!("{} cannot be read: {error}", path.display());
            let finding = Finding::bad(subject, format!("{text}; every host is refused"));
            return Some(
                finding.fix("make the file readable, or remove it from the configuration"),
            );
        }
    };
    let lines = match survey.entries {
        1 => "1 line".to_owned(),
        lines => format!("{lines} lines"),
    };
    let text = format!("{} ({lines})", path.display());
    if survey.damaged.is_empty() {
        return Some(Finding::good(subject, text));
    }
    let damaged = damaged(path, &survey);
    let finding = Finding::note(
        subject,
        format!("{text}, of which these cannot be read: {damaged}"),
    );
    Some(finding.fix(
        "correct or remove these lines: no key is added for a host that such a line may stand for",
    ))
}

fn damaged(path: &Path, survey: &Survey) -> String {
    let shown = survey.damaged.iter().take(KNOWN_HOSTS_DAMAGED_SHOWN);
    let mut lines: Vec<String> = shown
        .map(|damaged| format!("{}:{} ({})", path.display(), damaged.line, damaged.reason))
        .collect();
    let more = survey.damaged.len() - lines.len();
    if more > 0 {
        lines.push(format!("{more} more"));
    }
    lines.join(", ")
}

/// Checks the agent. Without an agent, a key file may do.
async fn agent(host: &ResolvedHost, usable_keys: usize) -> Finding {
    let subject = "agent";
    let error = match Agent::find(&host.identity_agent).await {
        Ok(agent) => {
            let place = agent.place();
            return match agent.identities().len() {
                0 => Finding::note(subject, format!("{place}: the agent holds no key"))
                    .fix("ssh-add, unless your keys are files without a passphrase"),
                1 => Finding::good(subject, format!("{place}: 1 key")),
                keys => Finding::good(subject, format!("{place}: {keys} keys")),
            };
        }
        Err(error) => error,
    };
    let text = error.to_string();
    match (&error, usable_keys, named_agent(host)) {
        // A dead socket is a fault, but no obstacle for a user with a usable key file.
        (AgentError::NotFound(_), 0, Some(name)) => Finding::bad(subject, text).fix(format!(
            "start an agent, load a key (ssh-add) and pass the agent's socket to this program in {name}"
        )),
        (AgentError::NotFound(_), 0, None) => Finding::note(
            subject,
            format!("{text}; and no key file can be used: only passwords are left"),
        )
        .fix("start an agent and load a key (ssh-add), or create a key file (ssh-keygen -t ed25519)"),
        (AgentError::NotFound(_), _, _) => {
            Finding::note(subject, format!("{text}; key files are used"))
        }
        _ => Finding::note(subject, text),
    }
}

/// The variable or option that names the agent's socket.
fn named_agent(host: &ResolvedHost) -> Option<&'static str> {
    let is_set = std::env::var_os("SSH_AUTH_SOCK").is_some_and(|path| !path.is_empty());
    match host.identity_agent {
        IdentityAgent::Path(_) => Some("IdentityAgent"),
        IdentityAgent::FromEnvironment if is_set => Some("SSH_AUTH_SOCK"),
        IdentityAgent::FromEnvironment | IdentityAgent::None => None,
    }
}

/// Findings on the key files.
struct Keys {
    findings: Vec<Finding>,
    /// Number of files that need no passphrase.
    usable: usize,
}

/// Checks the key files that every host is offered. Files with OpenSSH's default names need not exist.
async fn keys(host: &ResolvedHost) -> Keys {
    let mut keys = Keys {
        findings: Vec::new(),
        usable: 0,
    };
    for path in &host.identity_files {
        match key_file::load(path.clone(), None).await {
            Ok(key) => {
                keys.usable += 1;
                let text = format!("{} ({})", path.display(), key.public.algorithm());
                keys.findings.push(Finding::good("key file", text));
            }
            Err(KeyFileError::Missing { .. }) if !host.identity_files_explicit => {}
            Err(error) => keys.findings.push(bad_key(&error)),
        }
    }
    keys
}

/// The finding for an unusable file. The error names the remedy.
fn bad_key(error: &KeyFileError) -> Finding {
    let subject = "key file";
    match error {
        // An agent may hold the key, or a call may bring the passphrase.
        KeyFileError::Encrypted { .. } => Finding::note(subject, error.to_string()),
        KeyFileError::Missing { .. } => Finding::note(subject, error.to_string()),
        _ => Finding::bad(subject, error.to_string()),
    }
}
