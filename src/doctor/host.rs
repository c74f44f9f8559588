//! Connects to a host as a session does, and reports each step: resolve, look up, connect, verify, log in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Examination, Finding};
use crate::limits::DOCTOR_LOOKUP_TIMEOUT;
use crate::ssh::connection::{ConnectionFacts, HostKeyFact};
use crate::ssh::credentials::Credentials;
use crate::ssh::dial::{DialRequest, DialStep, Dialer, OpenSsh};
use crate::ssh::error::{Phase, SshError};
use crate::ssh::host_keys::StrictHostKeyChecking;
use crate::ssh::resolve::{AddressFamily, IdentityAgent, ResolveRequest, ResolvedHost, Resolver};
use crate::ssh::target::Target;

const RESOLVE: &str = "resolve";
const LOOK_UP: &str = "look up";
const CONNECT: &str = "connect";
const HOST_KEY: &str = "host key";
const LOG_IN: &str = "log in";
/// The steps in their order.
const STEPS: [&str; 5] = [RESOLVE, LOOK_UP, CONNECT, HOST_KEY, LOG_IN];

/// Connects to a host, up to the first step that fails.
pub(super) async fn examine(resolver: Resolver, host: &str, examination: &mut Examination) {
    let mut attempt = Attempt {
        examination,
        told: Vec::new(),
    };
    let request = match Target::parse(host) {
        Ok(target) => ResolveRequest::new(target),
        Err(error) => return attempt.fail(RESOLVE, Finding::bad(RESOLVE, error.to_string())),
    };
    let Some(resolved) = attempt.resolve(&resolver, &request).await else {
        return;
    };
    if attempt.look_up(&resolved).await {
        attempt.dial(resolver, request, &resolved).await;
    }
}

/// An attempt to connect to a host.
struct Attempt<'a> {
    examination: &'a mut Examination,
    /// Number of reported steps.
    told: Vec<&'static str>,
}

impl Attempt<'_> {
    fn pass(&mut self, finding: Finding) {
        self.told.push(finding.subject);
        self.examination.add(finding);
    }

    /// Reports the failed step, and each other open step as not tried.
    fn fail(&mut self, failed: &'static str, finding: Finding) {
        let mut finding = Some(finding);
        for step in STEPS {
            if step == failed {
                self.examination.extend(finding.take());
            } else if !self.told.contains(&step) {
                self.examination.add(Finding::note(step, "not tried"));
            }
        }
    }

    async fn resolve(
        &mut self,
        resolver: &Resolver,
        request: &ResolveRequest,
    ) -> Option<ResolvedHost> {
        let host = match resolver.resolve(request).await {
            Ok(host) => host,
            Err(error) => {
                self.fail(RESOLVE, Finding::bad(RESOLVE, error.to_string()));
                return None;
            }
        };
        let target = format!(
            "{}: HostName {}, Port {}, User {}",
            host.alias, host.host_name, host.port, host.user
        );
        self.pass(Finding::good(RESOLVE, target));
        self.pass(Finding::good(RESOLVE, offers(&host)));
        for note in &host.notes {
            // Options for every host were reported with the configuration.
            if !self.examination.has_told(note) {
                self.examination.add(Finding::note(RESOLVE, note.as_str()));
            }
        }
        let Err(error) = host.require_supported() else {
            return Some(host);
        };
        self.fail(RESOLVE, Finding::bad(RESOLVE, error.to_string()));
        None
    }

    async fn look_up(&mut self, host: &ResolvedHost) -> bool {
        let started = Instant::now();
        let name = &host.host_name;
        let looked_up = timeout(DOCTOR_LOOKUP_TIMEOUT, addresses(host)).await;
        let reason = match looked_up {
            Ok(Ok(addresses)) if !addresses.is_empty() => {
                let text = format!("{} ({})", addresses.join(", "), millis(started.elapsed()));
                self.pass(Finding::good(LOOK_UP, text));
                return true;
            }
            Ok(Ok(_)) => {
                "the name has no address of the family that AddressFamily requires".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", DOCTOR_LOOKUP_TIMEOUT.as_secs()),
        };
        let finding = Finding::bad(LOOK_UP, format!("{name}: {reason}"));
        let fix = "correct HostName, or check the name service (is a VPN down?)";
        self.fail(LOOK_UP, finding.fix(fix));
        false
    }

    /// Connects, verifies and logs in with the dialer of sessions, which here records no host key.
    async fn dial(&mut self, resolver: Resolver, target: ResolveRequest, host: &ResolvedHost) {
        let dialer = Dialer::new(Arc::new(OpenSsh { resolver }));
        let request = DialRequest {
            target,
            credentials: Credentials::default(),
            connect_timeout: None,
            pin: None,
        };
        let mut last = Instant::now();
        let dialed = dialer
            .rehearse(&request, &mut |step| {
                let took = last.elapsed();
                last = Instant::now();
                match step {
                    DialStep::Prepared => {}
                    DialStep::Connected => self.pass(connected(host, took)),
                    DialStep::Verified(key) => self.pass(verified(host, key)),
                }
            })
            .await;
        match dialed {
            Ok(connection) => {
                self.pass(logged_in(connection.facts(), last.elapsed()));
                connection.close().await;
            }
            // The error names the remedy.
            Err(error) => {
                let step = step_of(&error);
                self.fail(step, Finding::bad(step, error.to_string()));
            }
        }
    }
}

/// The credentials that a login offers.
fn offers(host: &ResolvedHost) -> String {
    let (present, missing): (Vec<&PathBuf>, Vec<&PathBuf>) =
        host.identity_files.iter().partition(|path| path.exists());
    let agent = match &host.identity_agent {
        IdentityAgent::None => "no agent".to_owned(),
        IdentityAgent::FromEnvironment => "agent".to_owned(),
        IdentityAgent::Path(path) => format!("agent {}", path.display()),
    };
    let mut text = format!("{agent}; key files: {}", list(&present));
    if host.identities_only {
        text.push_str("; agent keys only if among these (IdentitiesOnly)");
    }
    if host.identity_files_explicit && !missing.is_empty() {
        text.push_str(&format!("; missing: {}", list(&missing)));
    }
    text
}

fn list(paths: &[&PathBuf]) -> String {
    if paths.is_empty() {
        return "none".to_owned();
    }
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

async fn addresses(host: &ResolvedHost) -> std::io::Result<Vec<String>> {
    let found = tokio::net::lookup_host((host.host_name.as_str(), host.port)).await?;
    let wanted = found.filter(|address| match host.address_family {
        AddressFamily::Any => true,
        AddressFamily::Inet => address.is_ipv4(),
        AddressFamily::Inet6 => address.is_ipv6(),
    });
    let shown = |address: SocketAddr| address.ip().to_string();
    Ok(wanted.map(shown).collect())
}

fn connected(host: &ResolvedHost, took: Duration) -> Finding {
    let text = format!(
        "port {} accepted the connection ({})",
        host.port,
        millis(took)
    );
    Finding::good(CONNECT, text)
}

/// The finding for an accepted key: recorded, or to be recorded by a session.
fn verified(host: &ResolvedHost, key: &HostKeyFact) -> Finding {
    let HostKeyFact {
        algorithm,
        fingerprint,
        source,
    } = key;
    if key.is_recorded() {
        return Finding::good(
            HOST_KEY,
            format!("{algorithm} {fingerprint}, recorded in {source}"),
        );
    }
    let setting = match host.strict_host_key_checking {
        StrictHostKeyChecking::AcceptNew => "accept-new",
        StrictHostKeyChecking::No => "no",
        StrictHostKeyChecking::Yes => "yes",
        StrictHostKeyChecking::Ask => "ask",
    };
    let text = format!(
        "{algorithm} {fingerprint} is not recorded; a session accepts it (StrictHostKeyChecking {setting})"
    );
    Finding::note(HOST_KEY, text)
        .fix("compare this fingerprint with one from the host's administrator")
}

fn logged_in(facts: &ConnectionFacts, took: Duration) -> Finding {
    let text = format!(
        "as {} by {} ({}); the server is {}",
        facts.username,
        facts.auth.as_str(),
        millis(took),
        facts.server_version
    );
    Finding::good(LOG_IN, text)
}

/// The step in which a dial failed.
fn step_of(error: &SshError) -> &'static str {
    match error {
        SshError::Target(_) | SshError::Resolve(_) | SshError::Config(_) => RESOLVE,
        SshError::PhaseTimeout { phase, .. } => match phase {
            Phase::Resolve => RESOLVE,
            Phase::Queue | Phase::Tcp => CONNECT,
            Phase::Handshake => HOST_KEY,
            Phase::Keys | Phase::Authentication | Phase::Channel => LOG_IN,
        },
        SshError::Unreachable { .. } | SshError::Lost(_) => CONNECT,
        SshError::Handshake { .. }
        | SshError::NoCommonAlgorithm { .. }
        | SshError::HostKey(_)
        | SshError::PinnedKeyChanged { .. } => HOST_KEY,
        SshError::KeyFile(_) | SshError::Auth(_) | SshError::ChannelRefused(_) => LOG_IN,
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal_report::Report;

    #[test]
    fn a_step_that_fails_leaves_the_others_untried() {
        let mut examination = Examination::new(Report::stdout());
        let mut attempt = Attempt {
            examination: &mut examination,
            told: vec![RESOLVE, LOOK_UP],
        };
        attempt.fail(LOG_IN, Finding::bad(LOG_IN, "no key"));
        let told: Vec<_> = examination
            .told
            .iter()
            .map(|finding| finding.subject)
            .collect();
        assert_eq!(told, [CONNECT, HOST_KEY, LOG_IN]);
        assert_eq!(examination.faults(), 1);
    }
}
