//! From a saved session to the terms of `ssh`, and back: `ssh` and `store` do not know each other.

use std::path::PathBuf;

use crate::ssh::auth::method::AuthMethod;
use crate::ssh::error::SshError;
use crate::ssh::resolve::ResolveRequest;
use crate::ssh::target::Target;
use crate::store::{AuthKind, SessionSpec};

/// The question to the OpenSSH configuration about a saved session.
pub(super) fn resolve_request(spec: &SessionSpec) -> Result<ResolveRequest, SshError> {
    Ok(ResolveRequest {
        port: spec.port,
        username: spec.username.clone(),
        private_key_path: spec.private_key_path.as_ref().map(|path| expand_home(path)),
        proxy_jump: spec.proxy_jump.clone(),
        ..ResolveRequest::new(Target::parse(&spec.host)?)
    })
}

/// The word that the store records for a method: tells how a reconnect will have to authenticate.
pub(super) fn auth_kind(method: AuthMethod) -> AuthKind {
    match method {
        AuthMethod::Agent => AuthKind::Agent,
        AuthMethod::PublicKey | AuthMethod::None => AuthKind::PublicKey,
        AuthMethod::Password => AuthKind::Password,
        AuthMethod::KeyboardInteractive => AuthKind::KeyboardInteractive,
    }
}

/// Replaces a leading `~` with the home directory.
fn expand_home(path: &str) -> PathBuf {
    let rest = match path {
        "~" => Some(""),
        _ => path.strip_prefix("~/"),
    };
    match (rest, std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
