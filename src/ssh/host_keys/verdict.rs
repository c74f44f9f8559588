//! The verdict on a presented key, as a pure function of the recorded keys.

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

/// The decision on a key that a host presented.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Continue with the connection.
    Accept {
        /// The reason why the key is accepted.
        source: Source,
    },
    /// Continue only if [`KnownHosts::learn`] succeeds.
    Learn,
    /// Disconnect, send no credential, do not retry.
    Refuse(HostKeyRefusal),
}

/// The display text of [`Source::NotRecorded`].
pub(crate) const NOT_RECORDED: &str = "not recorded";

/// The reason why a key is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This line records the key.
    Recorded(FileLine),
    /// The key has just been added to this file.
    Added(Arc<Path>),
    /// StrictHostKeyChecking is `no`, and the key could not be recorded for this reason.
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
    /// Judges a bare key without reading or writing any file.
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

    /// The refusal if the key is revoked. A revocation applies under every setting (S1), and a revocation
    /// for the bare name applies on every port (S3).
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

    /// The refusal if the key is too short or of an unsupported type, even where the key is recorded.
    fn unsuitable(&self, key: &PublicKey) -> Option<HostKeyRefusal> {
        let required = self.policy.required_rsa_bits;
        match key.key_data() {
            // A key with an invalid modulus has no size and counts as 0 bits.
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

    /// The line that records the key. Comments of keys are not compared.
    fn equal(&self, scope: Scope, key: &PublicKey) -> Option<&Entry> {
        let mut keys = self.keys(scope);
        keys.find(|(_, recorded)| *recorded == key.key_data())
            .map(|(entry, _)| entry)
    }

    /// The line that shows the key to be changed, if any: a recorded key of the same type, or else any
    /// recorded key or certificate.
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

    /// The refusal of a changed key, which applies under every setting (S1).
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

    /// The verdict on a key of a host without recorded keys.
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

    /// The reason why an unknown key may not be recorded, the most serious first.
    fn obstacle(&self) -> Option<Obstacle<'_>> {
        let damaged = self
            .damaged()
            .map(|(place, damage)| Obstacle::Damaged(place, damage));
        let no_file = || self.target.is_none().then_some(Obstacle::NoFile);
        let authority = || {
            self.authorities()
                .next()
                .map(|(place, _)| Obstacle::Authority(place))
        };
        damaged.or_else(no_file).or_else(authority)
    }

    /// The description of the key for refusals.
    fn presented(&self, key: &PublicKey) -> Box<PresentedKey> {
        Box::new(PresentedKey::new(&self.names.exact, key))
    }
}

/// Accepts a key that this entry records.
fn recorded_at(entry: &Entry) -> Verdict {
    Verdict::Accept {
        source: Source::Recorded(entry.place.clone()),
    }
}
