//! The entries of all known_hosts files that concern one host, loaded once for a dial.

use super::file::{self, Opened};
use super::key_text::{self, KeyText};
use super::line::{self, Marker};
use super::name::LookupNames;
use super::pattern::{self, NameMatch};
use super::policy::HostKeyPolicy;
use super::refusal::{FileLine, HostKeyRefusal};
use super::revoked;
use russh::keys::Algorithm;
use russh::keys::ssh_key::public::KeyData;
use std::path::Path;
use std::sync::Arc;

/// What is recorded about a host.
#[derive(Debug, Clone)]
pub struct KnownHosts {
    /// What was asked for.
    pub(super) policy: HostKeyPolicy,
    /// The names that were looked up.
    pub(super) names: LookupNames,
    /// The lines that concern the host, in the order of reading.
    pub(super) entries: Vec<Entry>,
    /// The keys of the RevokedHostKeys lists.
    pub(super) revoked: Vec<(FileLine, KeyData)>,
    /// The file that new keys are added to: the user's first, unless that is the null device.
    pub(super) target: Option<Arc<Path>>,
}

/// One line that concerns the host.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where it stands.
    pub(super) place: FileLine,
    /// Which of the names it stands for.
    pub(super) scope: Scope,
    /// What it says.
    pub(super) statement: Statement,
    /// It names other hosts too, so that removing it would lose their key.
    pub(super) shared: bool,
}

/// How a line concerns the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// It stands for the exact name.
    Exact,
    /// It stands for the bare name only, while the port is not 22.
    Bare,
    /// Its name cannot be read; it may stand for this host.
    Unclear,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// The host has this key.
    Key(KeyData),
    /// A certificate in a plain line: recorded, but no bare key equals it.
    Certificate,
    /// This key certifies the host's keys.
    CertAuthority(KeyData),
    /// This key must not be accepted.
    Revoked(KeyData),
    /// It cannot be parsed, for this reason.
    Damaged(&'static str),
}

impl KnownHosts {
    /// Reads every file that the policy names. Blocks on file reads, which are bounded.
    ///
    /// A file that does not exist is empty. One that exists and cannot be read is a refusal under every
    /// setting, because it may hold a `@revoked` line (this is what S6 asks for, and more).
    pub fn load(policy: HostKeyPolicy) -> Result<Self, HostKeyRefusal> {
        let names = LookupNames::of(&policy)?;
        let mut entries = Vec::new();
        for path in policy.known_hosts_files() {
            read_entries(path, &names, &mut entries)
                .map_err(|error| HostKeyRefusal::unreadable(path, &error))?;
        }
        let revoked = revoked::load(policy.revoked_files())?;
        let first = policy.user_files().first();
        let target = first.filter(|path| !file::is_null_device(path));
        Ok(Self {
            target: target.map(|path| path.as_path().into()),
            policy,
            names,
            entries,
            revoked,
        })
    }

    /// The types of the recorded keys, those to ask for first (see [`super::order_host_key_algorithms`]).
    ///
    /// Only plain lines for the exact name count, as in OpenSSH: the bare name of a host on another port
    /// can make its key accepted, but does not choose which key is asked for.
    pub fn recorded_algorithms(&self) -> Vec<Algorithm> {
        let mut found = Vec::new();
        for (_, key) in self.keys(Scope::Exact) {
            let algorithm = key.algorithm();
            if !found.contains(&algorithm) {
                found.push(algorithm);
            }
        }
        found
    }

    /// The bare keys of plain lines.
    pub(super) fn keys(&self, scope: Scope) -> impl Iterator<Item = (&Entry, &KeyData)> {
        let in_scope = move |entry: &&Entry| entry.scope == scope;
        let entries = self.entries.iter().filter(in_scope);
        entries.filter_map(|entry| match &entry.statement {
            Statement::Key(key) => Some((entry, key)),
            _ => None,
        })
    }

    /// The keys of `@cert-authority` lines, for either name.
    pub(super) fn authorities(&self) -> impl Iterator<Item = (&FileLine, &KeyData)> {
        self.entries
            .iter()
            .filter_map(|entry| match &entry.statement {
                Statement::CertAuthority(key) => Some((&entry.place, key)),
                _ => None,
            })
    }

    /// The first line for this host, or perhaps for it, that cannot be parsed.
    pub(super) fn damaged(&self) -> Option<(&FileLine, &'static str)> {
        self.entries.iter().find_map(|entry| match entry.statement {
            Statement::Damaged(reason) => Some((&entry.place, reason)),
            _ => None,
        })
    }
}

/// Adds the lines of one file that concern the host.
fn read_entries(path: &Path, names: &LookupNames, entries: &mut Vec<Entry>) -> std::io::Result<()> {
    let Opened::File(file) = file::open(path)? else {
        return Ok(());
    };
    let path: Arc<Path> = path.into();
    file::for_each_line(&file, |number, text| {
        let Some(line) = line::parse(text) else {
            return;
        };
        let Some(scope) = scope(line.names, names) else {
            return;
        };
        entries.push(Entry {
            place: FileLine::new(Arc::clone(&path), number),
            scope,
            statement: statement(scope, line.marker, line.key),
            shared: !pattern::is_only(line.names, &names.exact),
        });
    })
}

/// How a name field concerns the host, if it does.
fn scope(field: &[u8], names: &LookupNames) -> Option<Scope> {
    match pattern::matches(field, &names.exact) {
        NameMatch::Yes => return Some(Scope::Exact),
        NameMatch::Unclear => return Some(Scope::Unclear),
        NameMatch::No => {}
    }
    let bare = names.bare.as_deref()?;
    (pattern::matches(field, bare) == NameMatch::Yes).then_some(Scope::Bare)
}

/// What a line says, once its marker and key are read.
pub(super) fn statement(scope: Scope, marker: Marker, key: &[u8]) -> Statement {
    if scope == Scope::Unclear {
        return Statement::Damaged(
            "its hashed name cannot be decoded, so it may stand for this host",
        );
    }
    match (marker, key_text::parse(key)) {
        (Marker::Unknown, _) => Statement::Damaged("its marker is unknown"),
        (_, Err(reason)) => Statement::Damaged(reason),
        (Marker::None, Ok(KeyText::Key(key))) => Statement::Key(key),
        (Marker::None, Ok(KeyText::Certificate(_))) => Statement::Certificate,
        (Marker::CertAuthority, Ok(key)) => Statement::CertAuthority(key.into_key()),
        (Marker::Revoked, Ok(key)) => Statement::Revoked(key.into_key()),
    }
}
