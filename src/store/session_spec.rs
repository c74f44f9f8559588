//! One saved session: the parameters of its `ssh_connect`, without their resolution and without secrets.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::UtcTime;

/// A session as it was given to `ssh_connect`.
///
/// Another process or an editor may have written the values: every user of a value checks the value again, like
/// a parameter of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSpec {
    /// Alias, host name or address, without user and port.
    #[serde(deserialize_with = "host")]
    pub host: String,
    /// Port, if the call gave a port.
    #[serde(
        default,
        deserialize_with = "port",
        skip_serializing_if = "Option::is_none"
    )]
    pub port: Option<u16>,
    /// User on the host, if the call gave a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Path of a private key file, as given: `~` is not expanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_path: Option<String>,
    /// Jump hosts in the words of ssh_config(5), if any were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_jump: Option<String>,
    /// How the last connect authenticated: tells whether a reconnect can do without asking for a password.
    #[serde(default)]
    pub auth: AuthKind,
    /// When the session was first saved; absent in an entry written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<UtcTime>,
    /// When the session was last connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_connected_at: Option<UtcTime>,
    /// Fields that this version does not know; they survive a rewrite.
    #[serde(flatten)]
    pub extra: UnknownFields,
}

impl SessionSpec {
    /// A session of which only the host is given.
    pub fn new(host: impl Into<String>, auth: AuthKind) -> Self {
        Self {
            host: host.into(),
            port: None,
            username: None,
            private_key_path: None,
            proxy_jump: None,
            auth,
            created_at: None,
            last_connected_at: None,
            extra: UnknownFields::default(),
        }
    }

    /// Whether both lead to the same place in the same way; how and when they connected does not matter.
    pub fn same_target(&self, other: &Self) -> bool {
        self.host == other.host
            && self.port == other.port
            && self.username == other.username
            && self.private_key_path == other.private_key_path
            && self.proxy_jump == other.proxy_jump
    }
}

/// Refuses an impossible host when the file is read, so that the error names the entry.
fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let host = String::deserialize(deserializer)?;
    if host.is_empty() {
        return Err(D::Error::custom("host is empty"));
    }
    if host.chars().any(char::is_control) {
        return Err(D::Error::custom("host contains a control character"));
    }
    Ok(host)
}

/// Port 0 cannot be connected to.
fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    match Option::<u16>::deserialize(deserializer)? {
        Some(0) => Err(D::Error::custom("port is 0")),
        port => Ok(port),
    }
}

/// The way in which a session authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AuthKind {
    /// A key held by the agent; the default for an entry without the field, because an agent needs no secret.
    #[default]
    Agent,
    /// A key file.
    PublicKey,
    /// A password, which no file holds: a new process has to be given the password again.
    Password,
    /// Keyboard-interactive, answered with a password that is in no file either.
    KeyboardInteractive,
    /// A word of another version of this program, kept unchanged.
    Other(String),
}

impl AuthKind {
    /// The word in the file and in results.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Agent => "agent",
            Self::PublicKey => "publicKey",
            Self::Password => "password",
            Self::KeyboardInteractive => "keyboardInteractive",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for AuthKind {
    fn from(word: String) -> Self {
        match word.as_str() {
            "agent" => Self::Agent,
            "publicKey" => Self::PublicKey,
            "password" => Self::Password,
            "keyboardInteractive" => Self::KeyboardInteractive,
            _ => Self::Other(word),
        }
    }
}

impl From<AuthKind> for String {
    fn from(kind: AuthKind) -> Self {
        kind.as_str().to_owned()
    }
}

/// JSON fields that are carried along unread.
///
/// `Debug` shows their names only: another program may have stored a secret in a value.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnknownFields(pub(super) Map<String, Value>);

impl fmt::Debug for UnknownFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<SessionSpec, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn json_has_the_names_of_the_contract() {
        let full = json!({
            "host": "web", "port": 2222, "username": "deploy", "privateKeyPath": "~/.ssh/id", "proxyJump": "a,b",
            "auth": "keyboardInteractive", "createdAt": "2026-11-22T15:04:05Z",
            "lastConnectedAt": "2026-11-23T00:00:00Z", "color": {"of": ["a", 1.5]},
        });
        let spec = read(full.clone()).unwrap();
        assert_eq!(spec.private_key_path.as_deref(), Some("~/.ssh/id"));
        assert_eq!(serde_json::to_value(&spec).unwrap(), full);
        let least = serde_json::to_value(SessionSpec::new("web", AuthKind::Agent)).unwrap();
        assert_eq!(least, json!({"host": "web", "auth": "agent"}));
    }

    #[test]
    fn hand_written_entry_needs_only_a_host() {
        assert_eq!(
            read(json!({"host": "web"})).unwrap(),
            SessionSpec::new("web", AuthKind::Agent)
        );
        assert_eq!(
            read(json!({"host": "web", "port": null})).unwrap().port,
            None
        );
    }

    #[test]
    fn entries_that_cannot_work_are_refused_with_the_reason() {
        let cases = [
            (json!({}), "missing field `host`"),
            (json!({"host": ""}), "host is empty"),
            (json!({"host": "a\nb"}), "control character"),
            (json!({"host": 7}), "expected a string"),
            (json!({"host": "a", "port": 0}), "port is 0"),
            (json!({"host": "a", "port": 65536}), "expected u16"),
            (json!({"host": "a", "port": "22"}), "expected u16"),
            (json!({"host": "a", "auth": null}), "expected a string"),
            (
                json!({"host": "a", "createdAt": "soon"}),
                "\"soon\" is not a time",
            ),
            (json!("web"), "expected struct SessionSpec"),
            (json!(["web"]), "expected struct SessionSpec"),
        ];
        for (value, reason) in cases {
            let error = read(value.clone()).unwrap_err();
            assert!(error.contains(reason), "{value}: {error}");
        }
    }

    #[test]
    fn auth_words_round_trip_also_unknown_ones() {
        for word in [
            "agent",
            "publicKey",
            "password",
            "keyboardInteractive",
            "gssapi",
            "",
            "Agent",
        ] {
            let kind: AuthKind = serde_json::from_value(json!(word)).unwrap();
            assert_eq!(serde_json::to_value(&kind).unwrap(), json!(word));
        }
        assert_eq!(
            AuthKind::from("gssapi".to_owned()),
            AuthKind::Other("gssapi".into())
        );
    }

    #[test]
    fn target_is_host_port_user_key_and_jump() {
        let base = SessionSpec::new("web", AuthKind::Agent);
        let change = |change: fn(&mut SessionSpec)| {
            let mut spec = base.clone();
            change(&mut spec);
            base.same_target(&spec)
        };
        assert!(change(|spec| spec.auth = AuthKind::Password));
        assert!(change(|spec| spec.last_connected_at = Some(UtcTime::now())));
        assert!(!change(|spec| spec.host = "db".into()));
        assert!(!change(|spec| spec.port = Some(22)));
        assert!(!change(|spec| spec.username = Some("u".into())));
        assert!(!change(|spec| spec.private_key_path = Some("k".into())));
        assert!(!change(|spec| spec.proxy_jump = Some("j".into())));
    }

    #[test]
    fn debug_hides_what_others_wrote() {
        let spec = read(json!({"host": "web", "note": "hunter2"})).unwrap();
        let text = format!("{spec:?}");
        assert!(text.contains("note") && !text.contains("hunter2"), "{text}");
    }
}
