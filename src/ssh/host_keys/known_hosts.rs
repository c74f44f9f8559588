//! The known_hosts entries that concern a host, loaded once for each dial.

use super::file::{self, Opened};
use super::key_text::{self, KeyText};
use super::line::{self, LineDamage, Marker};
use super::name::LookupNames;
use super::pattern::{self, NameMatch};
use super::policy::HostKeyPolicy;
use super::refusal::{FileLine, HostKeyRefusal};
use super::revoked;
use russh::keys::Algorithm;
use russh::keys::ssh_key::public::KeyData;
use std::path::Path;
use std::sync::Arc;

/// The recorded and revoked keys of a host.
#[derive(Debug, Clone)]
pub struct KnownHosts {
    /// The settings of the host.
    pub(super) policy: HostKeyPolicy,
    /// The lookup names of the host.
    pub(super) names: LookupNames,
    /// The lines that concern the host, in the order of reading.
    pub(super) entries: Vec<Entry>,
    /// The keys of the RevokedHostKeys lists.
    pub(super) revoked: Vec<(FileLine, KeyData)>,
    /// The file that new keys are added to: the user's first, unless that is the null device.
    pub(super) target: Option<Arc<Path>>,
}

/// A line that concerns the host.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The file and line number.
    pub(super) place: FileLine,
    /// The name of the host that the line matches.
    pub(super) scope: Scope,
    /// The meaning of the line.
    pub(super) statement: Statement,
    /// Whether the line names other hosts too. Removing a shared line would lose their key.
    pub(super) shared: bool,
}

/// The name of the host that a line matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The lookup name.
    Exact,
    /// Only the bare name, while the host is on another port than 22.
    Bare,
    /// The name field cannot be decoded, so the line may stand for this host.
    Unclear,
}

/// The meaning of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// The host has this key.
    Key(KeyData),
    /// The host has a certificate. No bare key equals a certificate.
    Certificate,
    /// This key certifies the host's keys.
    CertAuthority(KeyData),
    /// This key must not be accepted.
    Revoked(KeyData),
    /// The line cannot be parsed.
    Damaged(LineDamage),
}

impl KnownHosts {
    /// Reads every file that the policy names. Blocks on file reads, which are bounded.
    ///
    /// A missing file counts as empty. An existing file that cannot be read leads to a refusal under every
    /// setting, because the file may hold a `@revoked` line. (S6 alone would refuse under `accept-new` only.)
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

    /// The types of the recorded keys, which [`super::order_host_key_algorithms`] proposes first.
    ///
    /// As in OpenSSH, only plain lines for the exact name count. For a host on another port, a line for the
    /// bare name can make a key accepted but does not change the proposed order.
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

    /// The bare keys of plain lines, with their lines.
    pub(super) fn keys(&self, scope: Scope) -> impl Iterator<Item = (&Entry, &KeyData)> {
        let in_scope = move |entry: &&Entry| entry.scope == scope;
        let entries = self.entries.iter().filter(in_scope);
        entries.filter_map(|entry| match &entry.statement {
            Statement::Key(key) => Some((entry, key)),
            _ => None,
        })
    }

    /// The keys of `@cert-authority` lines for either name.
    pub(super) fn authorities(&self) -> impl Iterator<Item = (&FileLine, &KeyData)> {
        self.entries
            .iter()
            .filter_map(|entry| match &entry.statement {
                Statement::CertAuthority(key) => Some((&entry.place, key)),
                _ => None,
            })
    }

    /// The first line that cannot be parsed and stands, or may stand, for this host.
    pub(super) fn damaged(&self) -> Option<(&FileLine, LineDamage)> {
        self.entries.iter().find_map(|entry| match entry.statement {
            Statement::Damaged(damage) => Some((&entry.place, damage)),
            _ => None,
        })
    }
}

/// Appends the lines of a file that concern the host.
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

/// The name of the host that a name field matches; `None` for a line about other hosts.
fn scope(field: &[u8], names: &LookupNames) -> Option<Scope> {
    match pattern::matches(field, &names.exact) {
        NameMatch::Yes => return Some(Scope::Exact),
        NameMatch::Unclear => return Some(Scope::Unclear),
        NameMatch::No => {}
    }
    let bare = names.bare.as_deref()?;
    (pattern::matches(field, bare) == NameMatch::Yes).then_some(Scope::Bare)
}

/// The meaning of a line, from its marker and its key field.
pub(super) fn statement(scope: Scope, marker: Marker, key: &[u8]) -> Statement {
    if scope == Scope::Unclear {
        return Statement::Damaged(LineDamage::UndecodableName);
    }
    match (marker, key_text::parse(key)) {
        (Marker::Unknown, _) => Statement::Damaged(LineDamage::UnknownMarker),
        (_, Err(error)) => Statement::Damaged(error.into()),
        (Marker::None, Ok(KeyText::Key(key))) => Statement::Key(key),
        (Marker::None, Ok(KeyText::Certificate(_))) => Statement::Certificate,
        (Marker::CertAuthority, Ok(key)) => Statement::CertAuthority(key.into_key()),
        (Marker::Revoked, Ok(key)) => Statement::Revoked(key.into_key()),
    }
}
