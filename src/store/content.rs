//! The content of the store file, read from JSON and written as JSON.
//!
//! Reading is strict about the file and lenient about its entries: an unknown shape of the file is an error,
//! because a save would destroy the file; an invalid entry is listed as a problem and written back unchanged.
//! Key order and white space are not kept.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::session_name::quoted;
use super::{SessionName, SessionSpec, UnknownFields, UtcTime, json};
use crate::limits::{QUOTED_TEXT_MAX_CHARS, STORE_PROBLEMS_MAX};

/// The version that this program writes, and the latest version that this program reads.
pub const VERSION: u64 = 1;
/// The byte order mark, which some editors put in front of UTF-8; a save drops the mark.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Fields that this program never writes and reports when a file has them.
const SECRETS: [&str; 2] = ["password", "passphrase"];

/// The saved sessions and the other content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreContent {
    /// The session for calls that name none; after reading always a name in [`Self::sessions`].
    pub default: Option<SessionName>,
    /// The sessions by name.
    pub sessions: BTreeMap<SessionName, SessionSpec>,
    /// Faults of the file, in words for the user; not written.
    pub problems: Vec<String>,
    /// A default that names no session: kept until another default is set.
    kept_default: Option<Value>,
    /// Invalid entries by their name in the file.
    kept_sessions: UnknownFields,
    /// Top-level fields that this version does not know.
    extra: UnknownFields,
}

/// The reason why a text is no store. [`super::Store`] adds the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Written by a later version.
    Newer(u64),
    /// Unreadable: the line of a syntax fault, and the reason in words.
    Broken(Option<usize>, String),
}

impl StoreContent {
    /// Saves a session. An entry of the same name keeps its creation time, its unknown fields and, unless the new
    /// entry has its own, the time of its last connect.
    pub fn remember(&mut self, name: SessionName, mut spec: SessionSpec) {
        if let Some(old) = self.sessions.remove(&name) {
            spec.created_at = old.created_at.or(spec.created_at);
            spec.last_connected_at = spec.last_connected_at.or(old.last_connected_at);
            spec.extra = old.extra;
        }
        spec.created_at.get_or_insert_with(UtcTime::now);
        self.kept_sessions.0.shift_remove(name.as_str());
        self.sessions.insert(name, spec);
    }

    /// Deletes a session, and the default if the default names this session. Returns whether an entry existed.
    pub fn forget(&mut self, name: &SessionName) -> bool {
        self.clear_default_if(name);
        let unread = self.kept_sessions.0.shift_remove(name.as_str()).is_some();
        self.sessions.remove(name).is_some() || unread
    }

    /// Makes a saved session the default. Returns `false` and changes nothing if no session has that name.
    pub fn set_default(&mut self, name: &SessionName) -> bool {
        let known = self.sessions.contains_key(name);
        if known {
            self.default = Some(name.clone());
            self.kept_default = None;
        }
        known
    }

    /// Clears the default if the default is this session. Returns whether that was so.
    pub fn clear_default_if(&mut self, name: &SessionName) -> bool {
        self.default.take_if(|default| default == name).is_some()
    }

    /// Parses the text of a store file. A text of white space is a store without sessions: an interrupted editor
    /// leaves such a file, and nothing in the file could be lost.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let root = json::parse(text).map_err(|error| Fault::syntax(&error))?;
        let Value::Object(mut root) = root else {
            return Err(Fault::shape("it holds no JSON object"));
        };
        if root.is_empty() {
            return Ok(Self::default());
        }
        check_version(root.shift_remove("version"))?;
        let sessions = match root.shift_remove("sessions") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(sessions)) => sessions,
            Some(_) => return Err(Fault::shape("\"sessions\" is not an object")),
        };
        let default = root.shift_remove("default");
        Ok(Self::take(sessions, default, root))
    }

    /// Sorts the parts of a file of the right shape into sessions and into values that are only kept.
    fn take(
        sessions: Map<String, Value>,
        default: Option<Value>,
        extra: Map<String, Value>,
    ) -> Self {
        let mut content = Self {
            extra: UnknownFields(extra),
            ..Self::default()
        };
        let mut problems = Problems::default();
        for (name, value) in sessions {
            match entry(&name, &value) {
                Ok((name, spec)) => {
                    problems.secrets_of(&name, &spec);
                    content.sessions.insert(name, spec);
                }
                Err(problem) => {
                    problems.add(|| format!("session {} is left out: {problem}", quoted(&name)));
                    content.kept_sessions.0.insert(name, value);
                }
            }
        }
        content.take_default(default.unwrap_or(Value::Null), &mut problems);
        content.problems = problems.list();
        content
    }

    /// Takes the default if it names one of the sessions.
    fn take_default(&mut self, value: Value, problems: &mut Problems) {
        let session = value
            .as_str()
            .and_then(|text| self.sessions.get_key_value(text));
        match session {
            Some((name, _)) => self.default = Some(name.clone()),
            None if value.is_null() => {}
            None => {
                problems.add(|| {
                    format!(
                        "the default {} is none of the sessions",
                        quoted(&value.to_string())
                    )
                });
                self.kept_default = Some(value);
            }
        }
    }

    /// The text of a store file with this content.
    pub(super) fn render(&self) -> serde_json::Result<Vec<u8>> {
        let mut sessions = Map::new();
        for (name, spec) in &self.sessions {
            sessions.insert(name.to_string(), serde_json::to_value(spec)?);
        }
        for (name, value) in &self.kept_sessions.0 {
            sessions
                .entry(name.as_str())
                .or_insert_with(|| value.clone());
        }
        let mut root = Map::new();
        root.insert("version".into(), json!(VERSION));
        let default = self
            .default
            .as_ref()
            .map(|name| json!(name))
            .or_else(|| self.kept_default.clone());
        root.extend(default.map(|default| ("default".into(), default)));
        root.insert("sessions".into(), Value::Object(sessions));
        root.extend(self.extra.0.clone());
        let mut text = serde_json::to_vec_pretty(&root)?;
        text.push(b'\n');
        Ok(text)
    }
}

impl Fault {
    /// A fault of syntax; the words of the reader end in line and column.
    fn syntax(error: &serde_json::Error) -> Self {
        Self::Broken(Some(error.line()), cut(error.to_string()))
    }

    /// Right syntax, wrong shape.
    fn shape(reason: impl Into<String>) -> Self {
        Self::Broken(None, reason.into())
    }
}

/// The faults of the entries, up to [`STORE_PROBLEMS_MAX`].
#[derive(Default)]
struct Problems {
    /// The first ones.
    listed: Vec<String>,
    /// The number of faults beyond the listed ones.
    more: usize,
}

impl Problems {
    /// Adds a fault; the words are made only for a fault that is listed.
    fn add(&mut self, problem: impl FnOnce() -> String) {
        if self.listed.len() < STORE_PROBLEMS_MAX {
            self.listed.push(problem());
        } else {
            self.more += 1;
        }
    }

    /// Reports a secret that somebody else has written into an entry. The secret stays: this program deletes no
    /// field of others.
    fn secrets_of(&mut self, name: &SessionName, spec: &SessionSpec) {
        let is_secret = |field: &&String| {
            SECRETS
                .iter()
                .any(|secret| field.eq_ignore_ascii_case(secret))
        };
        for field in spec.extra.0.keys().filter(is_secret) {
            self.add(|| {
                format!("session {name} has a {field} in the file, which is never used: remove it")
            });
        }
    }

    /// The list, with a last line that counts the unlisted faults.
    fn list(mut self) -> Vec<String> {
        if self.more > 0 {
            self.listed.push(format!("and {} more", self.more));
        }
        self.listed
    }
}

/// Accepts the versions that this program reads. A file without a version belongs to another program.
fn check_version(version: Option<Value>) -> Result<(), Fault> {
    let version = version.ok_or_else(|| Fault::shape("it has no \"version\""))?;
    match version.as_u64() {
        Some(0) | None => Err(Fault::shape(format!(
            "\"version\" is {}",
            quoted(&version.to_string())
        ))),
        Some(VERSION) => Ok(()),
        Some(newer) => Err(Fault::Newer(newer)),
    }
}

/// Reads one entry, or returns the entry's fault in words.
fn entry(name: &str, value: &Value) -> Result<(SessionName, SessionSpec), String> {
    let name = SessionName::parse(name).map_err(|error| error.to_string())?;
    let spec = SessionSpec::deserialize(value).map_err(|error| cut(error.to_string()))?;
    Ok((name, spec))
}

/// Bounds the words of the JSON reader, which quote the faulty value in escaped form.
fn cut(mut words: String) -> String {
    if let Some((end, _)) = words.char_indices().nth(QUOTED_TEXT_MAX_CHARS) {
        words.truncate(end);
        words.push_str("...");
    }
    words
}

#[cfg(test)]
mod tests;
