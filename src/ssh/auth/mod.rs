//! User authentication (RFC 4252): agent, key files, keyboard-interactive and password, in OpenSSH's order.
//!
//! The keys are chosen before the handshake ([`load_keys`]), so that an unusable key file is reported before any
//! traffic. Every credential is tried at most once per connection; a failed login is never retried automatically,
//! because servers count failed logins.

pub mod agent;
pub mod failure;
pub mod key_file;
pub mod method;
mod password;

use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};

use self::agent::{Agent, AgentError};
use self::failure::AuthFailure;
use self::key_file::{KeyFileError, LoadedKey};
use self::method::AuthMethod;
use super::connection::ClientHandler;
use super::credentials::Credentials;
use super::disconnect::Disconnect;
use super::error::SshError;
use super::resolve::{AlgorithmList, ResolveRequest, ResolvedHost};

/// Public keys to offer, in order.
pub(crate) struct Keys {
    candidates: Vec<Candidate>,
    agent: Option<Agent>,
    /// Why something could not be offered.
    skipped: Vec<String>,
}

enum Candidate {
    Agent(PublicKey),
    File(LoadedKey),
}

/// Finds the keys for a host: a key named by the call alone, else the agent's and then the files of the
/// configuration, as OpenSSH does.
pub(crate) async fn load_keys(
    host: &ResolvedHost,
    request: &ResolveRequest,
    credentials: &Credentials,
) -> Result<Keys, SshError> {
    let passphrase = credentials.passphrase.clone();
    if let Some(path) = &request.private_key_path {
        let key = key_file::load(path.clone(), passphrase.clone()).await;
        return explicit_key(key, host, request).await;
    }
    let mut keys = Keys {
        candidates: Vec::new(),
        agent: None,
        skipped: Vec::new(),
    };
    let mut files = Vec::new();
    for path in &host.identity_files {
        match key_file::load(path.clone(), passphrase.clone()).await {
            Ok(key) => files.push(key),
            Err(error) => {
                let public = match error.public_key() {
                    Some(public) => Some(public),
                    None => key_file::public_half(path.clone()).await,
                };
                let missing = matches!(error, KeyFileError::Missing { .. });
                if missing && public.is_none() {
                    continue;
                }
                if let Some(public) = public {
                    files.push(LoadedKey {
                        path: path.clone(),
                        public,
                        private: None,
                    });
                }
                keys.skipped.push(error.brief());
            }
        }
    }
    keys.add_agent(host).await;
    keys.merge(files, host.identities_only);
    keys.keep_accepted(&host.pubkey_accepted_algorithms);
    Ok(keys)
}

/// A key that the call names is the only key offered; the agent may hold the key of an encrypted file.
async fn explicit_key(
    loaded: Result<LoadedKey, KeyFileError>,
    host: &ResolvedHost,
    request: &ResolveRequest,
) -> Result<Keys, SshError> {
    let mut keys = Keys {
        candidates: Vec::new(),
        agent: None,
        skipped: Vec::new(),
    };
    match loaded {
        Ok(key) => keys.candidates.push(Candidate::File(key)),
        Err(error) => {
            let (Some(public), Some(path)) = (error.public_key(), &request.private_key_path) else {
                return Err(error.into());
            };
            keys.add_agent(host).await;
            keys.merge(
                vec![LoadedKey {
                    path: path.clone(),
                    public,
                    private: None,
                }],
                true,
            );
            if keys.candidates.is_empty() {
                return Err(error.into());
            }
        }
    }
    Ok(keys)
}

impl Keys {
    async fn add_agent(&mut self, host: &ResolvedHost) {
        match Agent::find(&host.identity_agent).await {
            Ok(agent) => self.agent = Some(agent),
            Err(AgentError::Disabled) => {}
            Err(error) => self.skipped.push(error.to_string()),
        }
    }

    /// Agent keys that are also configured files first, then other agent keys unless IdentitiesOnly, then
    /// the files (ssh_config(5), IdentitiesOnly).
    fn merge(&mut self, files: Vec<LoadedKey>, identities_only: bool) {
        let held: &[PublicKey] = self.agent.as_ref().map_or(&[], Agent::identities);
        let is_held = |file: &LoadedKey| {
            held.iter()
                .any(|key| key.key_data() == file.public.key_data())
        };
        let in_files = |key: &PublicKey| {
            files
                .iter()
                .any(|file| file.public.key_data() == key.key_data())
        };
        let configured = held.iter().filter(|key| in_files(key));
        let others = held.iter().filter(|key| !identities_only && !in_files(key));
        let mut candidates: Vec<_> = configured
            .chain(others)
            .cloned()
            .map(Candidate::Agent)
            .collect();
        let usable = files
            .into_iter()
            .filter(|file| !is_held(file) && file.private.is_some());
        candidates.extend(usable.map(Candidate::File));
        self.candidates = candidates;
    }
}

impl Keys {
    /// Leaves out keys whose algorithm PubkeyAcceptedAlgorithms does not allow.
    fn keep_accepted(&mut self, accepted: &AlgorithmList) {
        if accepted.names.is_empty() {
            return;
        }
        let is_accepted = |key: &PublicKey| {
            let algorithm = key.algorithm();
            let name = algorithm.as_str();
            // Which of the SHA-2 variants serves an RSA key is decided with the server.
            let names = if algorithm.clone().is_rsa() {
                vec!["rsa-sha2-512", "rsa-sha2-256"]
            } else {
                vec![name]
            };
            accepted
                .names
                .iter()
                .any(|accepted| names.contains(&accepted.as_str()))
        };
        self.candidates.retain(|candidate| {
            let key = candidate.public();
            let keep = is_accepted(key);
            if !keep {
                let fingerprint = key.fingerprint(HashAlg::Sha256);
                self.skipped.push(format!(
                    "{fingerprint} (skipped: PubkeyAcceptedAlgorithms does not allow it)"
                ));
            }
            keep
        });
    }
}

impl Candidate {
    fn public(&self) -> &PublicKey {
        match self {
            Self::Agent(key) => key,
            Self::File(key) => &key.public,
        }
    }
}

/// Goes through PreferredAuthentications until the server is satisfied.
pub(crate) async fn authenticate(
    handle: &mut Handle<ClientHandler>,
    host: &ResolvedHost,
    credentials: &Credentials,
    keys: Keys,
) -> Result<AuthMethod, AuthFailure> {
    let mut attempt = Attempt {
        failure: AuthFailure {
            username: host.user.clone(),
            host: host.host_name.clone(),
            tried: Vec::new(),
            server_allows: Vec::new(),
            hung_up: None,
        },
        handle,
        remaining: None,
        password_given: false,
        question_open: false,
    };
    attempt.failure.tried.clone_from(&keys.skipped);
    attempt
        .run(host, credentials, keys)
        .await
        .ok_or(attempt.failure)
}

struct Attempt<'a> {
    handle: &'a mut Handle<ClientHandler>,
    failure: AuthFailure,
    /// Methods that the server accepts; unknown before the server's first answer.
    remaining: Option<MethodSet>,
    /// The password went out once; servers count failed logins.
    password_given: bool,
    /// The server waits for an answer that this program cannot give; russh starts no other method meanwhile.
    question_open: bool,
}

impl Attempt<'_> {
    /// Each method once, as often as a partial success (RFC 4252 section 5.1) brings a new round.
    async fn run(
        &mut self,
        host: &ResolvedHost,
        credentials: &Credentials,
        keys: Keys,
    ) -> Option<AuthMethod> {
        let mut keys = Some(keys);
        let nothing_to_offer = keys.as_ref().is_some_and(|keys| keys.candidates.is_empty());
        if nothing_to_offer && self.none().await {
            return Some(AuthMethod::None);
        }
        for method in &host.preferred_authentications {
            let done = match method.as_str() {
                "publickey" if self.allows(MethodKind::PublicKey) => match keys.take() {
                    Some(keys) => self.public_keys(host, keys).await,
                    None => None,
                },
                "keyboard-interactive" if self.allows(MethodKind::KeyboardInteractive) => {
                    self.keyboard_interactive(credentials).await
                }
                "password" if self.allows(MethodKind::Password) => self.password(credentials).await,
                _ => None,
            };
            if done.is_some() || self.is_over() {
                return done;
            }
        }
        None
    }

    fn allows(&self, method: MethodKind) -> bool {
        self.remaining
            .as_ref()
            .is_none_or(|remaining| remaining.contains(&method))
    }

    fn is_over(&self) -> bool {
        self.question_open || self.failure.hung_up.is_some() || self.handle.is_closed()
    }

    /// Notes the server's answer; true if it was a success.
    fn note(&mut self, result: Result<AuthResult, russh::Error>) -> bool {
        match result {
            Ok(AuthResult::Success) => return true,
            Ok(AuthResult::Failure {
                remaining_methods, ..
            }) => {
                self.failure.server_allows = remaining_methods.iter().map(Into::into).collect();
                self.remaining = Some(remaining_methods);
            }
            Err(error) => self.failure.hung_up = Some(Disconnect::from(&error)),
        }
        if self.handle.is_closed() && self.failure.hung_up.is_none() {
            self.failure.hung_up = Some(Disconnect::ServerClosed);
        }
        false
    }

    async fn none(&mut self) -> bool {
        let result = self
            .handle
            .authenticate_none(self.failure.username.clone())
            .await;
        self.note(result)
    }

    async fn public_keys(&mut self, host: &ResolvedHost, mut keys: Keys) -> Option<AuthMethod> {
        for candidate in keys.candidates {
            if self.is_over() || !self.allows(MethodKind::PublicKey) {
                return None;
            }
            let (success, method) = match candidate {
                Candidate::File(key) => (self.key_file(host, key).await, AuthMethod::PublicKey),
                Candidate::Agent(key) => match keys.agent.as_mut() {
                    Some(agent) => (self.agent_key(host, agent, key).await, AuthMethod::Agent),
                    None => (false, AuthMethod::Agent),
                },
            };
            if success {
                return Some(method);
            }
        }
        None
    }

    async fn key_file(&mut self, host: &ResolvedHost, key: LoadedKey) -> bool {
        let Some(private) = key.private else {
            return false;
        };
        let hash = match self.rsa_hash(host, &private).await {
            Ok(hash) => hash,
            Err(reason) => {
                self.failure
                    .tried
                    .push(format!("{} ({reason})", key.path.display()));
                return false;
            }
        };
        self.failure
            .tried
            .push(format!("key file {}", key.path.display()));
        let key = PrivateKeyWithHashAlg::new(private, hash);
        let result = self
            .handle
            .authenticate_publickey(self.failure.username.clone(), key)
            .await;
        self.note(result)
    }

    async fn agent_key(&mut self, host: &ResolvedHost, agent: &mut Agent, key: PublicKey) -> bool {
        let fingerprint = key.fingerprint(HashAlg::Sha256);
        let hash = match self.server_rsa_hash(host, key.algorithm().is_rsa()).await {
            Ok(hash) => hash,
            Err(reason) => {
                self.failure
                    .tried
                    .push(format!("agent key {fingerprint} ({reason})"));
                return false;
            }
        };
        let username = self.failure.username.clone();
        let result = self
            .handle
            .authenticate_publickey_with(username, key, hash, agent)
            .await;
        let (label, result) = match result {
            Ok(result) => (format!("agent key {fingerprint}"), Ok(result)),
            Err(AgentError::Connection(error)) => (format!("agent key {fingerprint}"), Err(error)),
            // The agent declined or did not answer: the next candidate may still do.
            Err(error) => {
                self.failure
                    .tried
                    .push(format!("agent key {fingerprint} ({error})"));
                return false;
            }
        };
        self.failure.tried.push(label);
        self.note(result)
    }

    async fn rsa_hash(
        &self,
        host: &ResolvedHost,
        key: &Arc<PrivateKey>,
    ) -> Result<Option<HashAlg>, &'static str> {
        self.server_rsa_hash(host, key.algorithm().is_rsa()).await
    }

    /// The SHA-2 variant for an RSA key: the best that both sides take (RFC 8332); SHA-1 never.
    async fn server_rsa_hash(
        &self,
        host: &ResolvedHost,
        is_rsa: bool,
    ) -> Result<Option<HashAlg>, &'static str> {
        if !is_rsa {
            return Ok(None);
        }
        let accepted = |name: &str| {
            let list = &host.pubkey_accepted_algorithms.names;
            list.is_empty() || list.iter().any(|accepted| accepted == name)
        };
        let ours = [
            (HashAlg::Sha512, "rsa-sha2-512"),
            (HashAlg::Sha256, "rsa-sha2-256"),
        ];
        let ours: Vec<_> = ours
            .into_iter()
            .filter(|(_, name)| accepted(name))
            .map(|(hash, _)| hash)
            .collect();
        match self.handle.best_supported_rsa_hash().await {
            // The server names no variant of SHA-2, or only SHA-1.
            Ok(Some(None)) => Err("the server only takes SHA-1 signatures of RSA keys"),
            Ok(Some(Some(best))) if ours.contains(&best) => Ok(Some(best)),
            // No EXT_INFO: OpenSSH then tries its own first choice.
            _ => ours
                .first()
                .copied()
                .map(Some)
                .ok_or("PubkeyAcceptedAlgorithms allows no RSA signature"),
        }
    }
}
