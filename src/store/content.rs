//! What stands in the store file, and how it is read from and written as JSON.
//!
//! Reading is strict about the file and lenient about its entries: a file that is not understood as a whole is
//! an error, because saving would destroy it; an entry that makes no sense is listed as a problem and written
//! back as it was. Key order and white space are not kept.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::session_name::quoted;
use super::{SessionName, SessionSpec, UnknownFields, UtcTime, json};
use crate::limits::{QUOTED_TEXT_MAX_CHARS, STORE_PROBLEMS_MAX};

/// The version that is written, and the latest that is understood.
pub const VERSION: u64 = 1;
/// Editors of another system put it in front of UTF-8; it is left out when the file is written.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Fields that this program never writes and whose presence in a file is worth a word.
const SECRETS: [&str; 2] = ["password", "passphrase"];

/// The saved sessions and what else stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreContent {
    /// The session that is meant when none is named; always one of [`Self::sessions`] when it was read.
    pub default: Option<SessionName>,
    /// The sessions by name.
    pub sessions: BTreeMap<SessionName, SessionSpec>,
    /// What was found wrong in the file, in words for the user; not written.
    pub problems: Vec<String>,
    /// A default that names no session: kept until another one is set.
    kept_default: Option<Value>,
    /// Entries that are no sessions, by the name they have in the file.
    kept_sessions: UnknownFields,
    /// Top-level fields that this version does not know.
    extra: UnknownFields,
}

/// Why a text is no store. [`super::Store`] adds the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Written by a later version.
    Newer(u64),
    /// Not understood: the line if the syntax is at fault, and the words.
    Broken(Option<usize>, String),
}

impl StoreContent {
    /// Saves a session. One of the same name keeps its date of creation, its unknown fields and, unless the new
    /// one has its own, the time of its last connect.
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

    /// Deletes a session, and the default if it was that one. Whether there was anything to delete.
    pub fn forget(&mut self, name: &SessionName) -> bool {
        self.clear_default_if(name);
        let unread = self.kept_sessions.0.shift_remove(name.as_str()).is_some();
        self.sessions.remove(name).is_some() || unread
    }

    /// Makes a saved session the default. `false`, and nothing changes, if there is none of that name.
    pub fn set_default(&mut self, name: &SessionName) -> bool {
        let known = self.sessions.contains_key(name);
        if known {
            self.default = Some(name.clone());
            self.kept_default = None;
        }
        known
    }

    /// Leaves no default if it is this session. Whether it was.
    pub fn clear_default_if(&mut self, name: &SessionName) -> bool {
        self.default.take_if(|default| default == name).is_some()
    }

    /// Reads the text of a store file. Nothing but white space is a store without sessions: an interrupted
    /// editor leaves that, and there is nothing in it to lose.
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

    /// Sorts the parts of a file of the right shape into what is understood and what is only kept.
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

/// What is wrong with the entries, up to [`STORE_PROBLEMS_MAX`].
#[derive(Default)]
struct Problems {
    /// The first ones.
    listed: Vec<String>,
    /// How many there are beyond those.
    more: usize,
}

impl Problems {
    /// Adds one; its words are made only if they will be shown.
    fn add(&mut self, problem: impl FnOnce() -> String) {
        if self.listed.len() < STORE_PROBLEMS_MAX {
            self.listed.push(problem());
        } else {
            self.more += 1;
        }
    }

    /// Speaks up about a secret that somebody else has written into an entry. It stays there: what this
    /// program has not written it does not delete.
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

    /// The list, with a last line for those that are not in it.
    fn list(mut self) -> Vec<String> {
        if self.more > 0 {
            self.listed.push(format!("and {} more", self.more));
        }
        self.listed
    }
}

/// Accepts the versions that are understood. A file without one belongs to another program.
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

/// Reads one entry, or says what is wrong with it.
fn entry(name: &str, value: &Value) -> Result<(SessionName, SessionSpec), String> {
    let name = SessionName::parse(name).map_err(|error| error.to_string())?;
    let spec = SessionSpec::deserialize(value).map_err(|error| cut(error.to_string()))?;
    Ok((name, spec))
}

/// Bounds the words of the JSON reader, which quote (escaped) what they complain about.
fn cut(mut words: String) -> String {
    if let Some((end, _)) = words.char_indices().nth(QUOTED_TEXT_MAX_CHARS) {
        words.truncate(end);
        words.push_str("...");
    }
    words
}

#[cfg(test)]
mod tests;
