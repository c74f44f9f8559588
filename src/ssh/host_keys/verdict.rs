//! The verdict on a key, a pure function of what is recorded.

use super::advice::{self, Obstacle};
use super::key_text;
use super::known_hosts::{Entry, KnownHosts, Scope, Statement};
use super::policy::StrictHostKeyChecking;
use super::refusal::{FileLine, HostKeyRefusal, PresentedKey};
use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What to do with a key that a host showed.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Accept {
        /// Why it is accepted.
        source: Source,
    },
    /// Go on if, and only if, [`KnownHosts::learn`] succeeds.
    Learn,
    /// Hang up, send no credential, do not try again.
    Refuse(HostKeyRefusal),
}

/// What stands for the source of a key that is in no file.
pub(crate) const NOT_RECORDED: &str = "not recorded";

/// Why a key is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It is recorded in this line.
    Recorded(FileLine),
    /// It was recorded just now, in this file.
    Added(Arc<Path>),
    /// StrictHostKeyChecking is `no`. The key was not recorded, for this reason.
    NotRecorded(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(place) => place.fmt(f),
            Self::Added(path) => write!(f, "added {}", path.display()),
            Self::NotRecorded(_) => f.write_str(NOT_RECORDED),
        }
    }
}

impl KnownHosts {
    /// Judges a bare key. Reads nothing, writes nothing, asks nobody.
    pub fn verify(&self, key: &PublicKey) -> Verdict {
        if let Some(refusal) = self.revoked(key).or_else(|| self.unsuitable(key)) {
            return Verdict::Refuse(refusal);
        }
        if let Some(entry) = self.equal(Scope::Exact, key) {
            return recorded_at(entry);
        }
        if let Some(entry) = self.offending(key) {
            return Verdict::Refuse(self.changed(key, entry));
        }
        match self.equal(Scope::Bare, key) {
            Some(entry) => recorded_at(entry),
            None => self.unknown(key),
        }
    }

    /// A revocation of this key. S1: there is no setting under which it does not count. S3: a line for the
    /// bare name counts on every port.
    fn revoked(&self, key: &PublicKey) -> Option<HostKeyRefusal> {
        let lines = self
            .entries
            .iter()
            .filter_map(|entry| match &entry.statement {
                Statement::Revoked(revoked) => Some((&entry.place, revoked)),
                _ => None,
            });
        let lists = self.revoked.iter().map(|(place, revoked)| (place, revoked));
        let (place, _) = lines
            .chain(lists)
            .find(|(_, revoked)| *revoked == key.key_data())?;
        Some(HostKeyRefusal::Revoked {
            key: self.presented(key),
            place: place.clone(),
        })
    }

    /// A key that is not even looked up: too short, or of a type that no line can hold.
    fn unsuitable(&self, key: &PublicKey) -> Option<HostKeyRefusal> {
        let required = self.policy.required_rsa_bits;
        match key.key_data() {
            // A modulus without a size is no modulus.
            KeyData::Rsa(_) => match key_text::rsa_bits(key.key_data()).unwrap_or(0) {
                bits if bits < required => Some(HostKeyRefusal::WeakKey {
                    key: self.presented(key),
                    bits,
                    required,
                }),
                _ => None,
            },
            KeyData::Dsa(_) | KeyData::Certificate(_) | KeyData::Other(_) => {
                Some(HostKeyRefusal::UnsupportedKey {
                    key: self.presented(key),
                })
            }
            _ => None,
        }
    }

    /// The line that records this very key. Comments of keys do not count.
    fn equal(&self, scope: Scope, key: &PublicKey) -> Option<&Entry> {
        let mut keys = self.keys(scope);
        keys.find(|(_, recorded)| *recorded == key.key_data())
            .map(|(entry, _)| entry)
    }

    /// The line that a changed key offends: one of its own type before any other.
    fn offending(&self, key: &PublicKey) -> Option<&Entry> {
        let same_type =
            |(_, recorded): &(&Entry, &KeyData)| recorded.algorithm() == key.algorithm();
        let first = self.keys(Scope::Exact).find(same_type);
        first.map(|(entry, _)| entry).or_else(|| {
            self.entries.iter().find(|entry| {
                let holds_key =
                    matches!(entry.statement, Statement::Key(_) | Statement::Certificate);
                entry.scope == Scope::Exact && holds_key
            })
        })
    }

    /// S1: a changed key is refused under every setting.
    fn changed(&self, key: &PublicKey, entry: &Entry) -> HostKeyRefusal {
        let recorded = match &entry.statement {
            Statement::Key(recorded) => super::refusal::describe(recorded),
            _ => "a certificate".to_owned(),
        };
        HostKeyRefusal::Changed {
            key: self.presented(key),
            recorded,
            place: entry.place.clone(),
            advice: advice::for_changed(&self.names.exact, entry),
        }
    }

    /// A key that is recorded nowhere.
    fn unknown(&self, key: &PublicKey) -> Verdict {
        use StrictHostKeyChecking::{AcceptNew, Ask, No, Yes};
        match (self.policy.strict, self.obstacle()) {
            (AcceptNew, None) | (No, None | Some(Obstacle::Authority(_))) => Verdict::Learn,
            (No, Some(obstacle)) => Verdict::Accept {
                source: Source::NotRecorded(obstacle.to_string()),
            },
            (Yes | Ask | AcceptNew, obstacle) => Verdict::Refuse(HostKeyRefusal::Unknown {
                key: self.presented(key),
                advice: advice::for_unknown(&self.policy, self.target.as_deref(), obstacle),
            }),
        }
    }

    /// What keeps an unknown key from being recorded, the gravest first.
    fn obstacle(&self) -> Option<Obstacle<'_>> {
        let damaged = self
            .damaged()
            .map(|(place, reason)| Obstacle::Damaged(place, reason));
        let no_file = || self.target.is_none().then_some(Obstacle::NoFile);
        let authority = || {
            self.authorities()
                .next()
                .map(|(place, _)| Obstacle::Authority(place))
        };
        damaged.or_else(no_file).or_else(authority)
    }

    /// The key as it stands in refusals.
    fn presented(&self, key: &PublicKey) -> Box<PresentedKey> {
        Box::new(PresentedKey::new(&self.names.exact, key))
    }
}

/// Accepted, because it is recorded.
fn recorded_at(entry: &Entry) -> Verdict {
    Verdict::Accept {
        source: Source::Recorded(entry.place.clone()),
    }
}
