//! OpenSSH's side: the program, its configuration, known_hosts, the agent and the key files.

use std::path::Path;

use super::{Examination, Finding, program};
use crate::limits::KNOWN_HOSTS_DAMAGED_SHOWN;
use crate::ssh::auth::agent::{Agent, AgentError};
use crate::ssh::auth::key_file::{self, KeyFileError};
use crate::ssh::host_keys::{Survey, survey};
use crate::ssh::resolve::{IdentityAgent, ResolveError, ResolveRequest, ResolvedHost, Resolver};
use crate::ssh::target::Target;

/// A host that nobody has: what the configuration says of it, it says of every host (RFC 2606).
const NO_HOST: &str = "doctor.invalid";

/// Looks at everything that a session needs of OpenSSH.
pub(super) async fn examine(resolver: &Resolver, examination: &mut Examination) {
    examination.add(ssh(resolver).await);
    let mut resolved = resolver.resolve(&any_host(None)).await;
    if let Err(error @ ResolveError::NoUsername) = &resolved {
        // Only a call can name one then; the rest can be looked at all the same.
        examination.add(Finding::note("user", error.to_string()));
        resolved = resolver.resolve(&any_host(Some("nobody"))).await;
    }
    let host = match resolved {
        Ok(host) => host,
        Err(error) => {
            examination.extend(config_failure(resolver, &error));
            let rest = ["known_hosts", "agent", "key files"];
            examination.extend(rest.map(|subject| Finding::note(subject, "not looked at")));
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

/// The program that reads the configuration.
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
                .fix("install the OpenSSH client, or put it into the PATH of this program")
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
        .fix("install the OpenSSH client anew"),
    }
}

/// The configuration cannot be used at all.
fn config_failure(resolver: &Resolver, error: &ResolveError) -> Option<Finding> {
    // Told already, as a fault of the program.
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

/// Which files were read, and what they say of every host.
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
            format!("read without errors (which files is not known: {error})"),
        ),
    }];
    findings.extend(host.unsupported_options.iter().map(|option| {
        Finding::bad(subject, format!("for every host: {option}"))
            .fix("set it for those hosts only that need it")
    }));
    let notes = host.notes.iter();
    findings.extend(notes.map(|note| Finding::note(subject, note.as_str())));
    findings
}

/// The files that host keys are looked up in.
fn known_hosts(host: &ResolvedHost) -> Vec<Finding> {
    let user = host.user_known_hosts_files.iter();
    let mut findings: Vec<Finding> = user
        .chain(&host.global_known_hosts_files)
        .filter_map(|path| known_hosts_file(path))
        .collect();
    if findings.is_empty() {
        let text = match host.user_known_hosts_files.first() {
            Some(first) => format!("{} does not exist: no host is known yet", first.display()),
            None => "the configuration names no file: no host is ever known".to_owned(),
        };
        findings.push(
            Finding::note("known_hosts", text)
                .fix("connect to a host once with ssh, and compare the fingerprint that it shows"),
        );
    }
    findings
}

/// One file; nothing, if it does not exist.
fn known_hosts_file(path: &Path) -> Option<Finding> {
    let subject = "known_hosts";
    let survey = match survey(path) {
        Ok(survey) => survey?,
        Err(error) => {
            let text = format!("{} cannot be read: {error}", path.display());
            let finding = Finding::bad(subject, format!("{text}; every host is refused"));
            return Some(
                finding.fix("make it a readable file, or take it out of the configuration"),
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
        format!("{text}, of which cannot be read: {damaged}"),
    );
    Some(finding.fix(
        "correct or remove these lines: while a line may stand for a host, no key of it is added",
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

/// The agent. Without one, a key file may do.
async fn agent(host: &ResolvedHost, usable_keys: usize) -> Finding {
    let subject = "agent";
    let error = match Agent::find(&host.identity_agent).await {
        Ok(agent) => {
            let place = agent.place();
            return match agent.identities().len() {
                0 => Finding::note(subject, format!("{place}: it holds no key"))
                    .fix("ssh-add, unless your keys are files without a passphrase"),
                1 => Finding::good(subject, format!("{place}: 1 key")),
                keys => Finding::good(subject, format!("{place}: {keys} keys")),
            };
        }
        Err(error) => error,
    };
    let text = error.to_string();
    match (&error, usable_keys, named_agent(host)) {
        // A socket that is named and dead is a fault, but none that stops somebody with a usable key file.
        (AgentError::NotFound(_), 0, Some(name)) => Finding::bad(subject, text).fix(format!(
            "start an agent, load a key into it (ssh-add) and give this program its socket in {name}"
        )),
        (AgentError::NotFound(_), 0, None) => Finding::note(
            subject,
            format!("{text}; and no key file can be used: only passwords are left"),
        )
        .fix("start an agent and load a key (ssh-add), or make one (ssh-keygen -t ed25519)"),
        (AgentError::NotFound(_), _, _) => {
            Finding::note(subject, format!("{text}; key files are used"))
        }
        _ => Finding::note(subject, text),
    }
}

/// What names the agent's socket, if anything does.
fn named_agent(host: &ResolvedHost) -> Option<&'static str> {
    let is_set = std::env::var_os("SSH_AUTH_SOCK").is_some_and(|path| !path.is_empty());
    match host.identity_agent {
        IdentityAgent::Path(_) => Some("IdentityAgent"),
        IdentityAgent::FromEnvironment if is_set => Some("SSH_AUTH_SOCK"),
        IdentityAgent::FromEnvironment | IdentityAgent::None => None,
    }
}

/// What the key files are good for.
struct Keys {
    findings: Vec<Finding>,
    /// Files that can be used as they are.
    usable: usize,
}

/// The key files that every host is offered. Those with OpenSSH's default names need not exist.
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

/// A file that cannot be used. What to do stands in the error.
fn bad_key(error: &KeyFileError) -> Finding {
    let subject = "key file";
    match error {
        // Its agent may hold it, and so may the passphrase of a call.
        KeyFileError::Encrypted { .. } => Finding::note(subject, error.to_string()),
        KeyFileError::Missing { .. } => Finding::note(subject, error.to_string()),
        _ => Finding::bad(subject, error.to_string()),
    }
}
