//! What to do about a refusal, as sentences with commands that can be pasted.

use super::known_hosts::Entry;
use super::policy::HostKeyPolicy;
use super::refusal::FileLine;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// Why an unknown key cannot be recorded.
#[derive(Debug, Clone)]
pub(super) enum Obstacle<'a> {
    /// S5: a line for this host is damaged, for this reason. A damaged line may hold the key, so the key does not
    /// count as unknown.
    Damaged(&'a FileLine, &'static str),
    /// UserKnownHostsFile names no file.
    NoFile,
    /// S4: a CA covers the host, so a bare key is not trusted on first sight.
    Authority(&'a FileLine),
}

impl fmt::Display for Obstacle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(place, reason) => {
                write!(
                    f,
                    "{place} cannot be parsed ({reason}), mend or remove that line"
                )
            }
            Self::NoFile => f.write_str("UserKnownHostsFile names no file to record it in"),
            Self::Authority(place) => {
                write!(
                    f,
                    "{place} names a certificate authority for this host, and a bare key beside one is not recorded unseen"
                )
            }
        }
    }
}

/// For a key that is recorded nowhere: what stood in the way, and how a person records it. `ssh` shows the
/// fingerprint of the very key that it then records; `ssh-keyscan` would record whatever it meets.
pub(super) fn for_unknown(
    policy: &HostKeyPolicy,
    target: Option<&Path>,
    obstacle: Option<Obstacle<'_>>,
) -> String {
    let obstacle = obstacle.map(|obstacle| format!("{obstacle}. "));
    format!(
        "{}compare this fingerprint with one from the host's administrator; if they are equal, record the \
         key: {}",
        obstacle.unwrap_or_default(),
        ssh_command(policy, target)
    )
}

/// For a key that differs from the recorded one: how to remove the line that no longer holds.
pub(super) fn for_changed(name: &str, entry: &Entry) -> String {
    let condition = "only if the host's administrator confirms the new fingerprint";
    if entry.shared {
        // ssh-keygen -R removes the whole line, and with it the key of the other hosts.
        return format!(
            "{condition}, take this host out of line {} of {}, which names other hosts too",
            entry.place.line,
            entry.place.path.display()
        );
    }
    let path = entry.place.path.to_string_lossy();
    format!(
        "{condition}, remove the old key: ssh-keygen -R {} -f {}",
        shell_word(name),
        shell_word(&path)
    )
}

/// The `ssh` call that asks a person about the key and records it in the right file under the right name.
fn ssh_command(policy: &HostKeyPolicy, target: Option<&Path>) -> String {
    let mut command = "ssh -o StrictHostKeyChecking=ask".to_owned();
    let mut option = |text: String| {
        command.push(' ');
        command.push_str(&text);
    };
    if let Some(path) = target {
        let setting = format!("UserKnownHostsFile=\"{}\"", path.display());
        option(format!("-o {}", shell_word(&setting)));
    }
    if let Some(alias) = &policy.alias {
        option(format!(
            "-o {}",
            shell_word(&format!("HostKeyAlias={alias}"))
        ));
    }
    if !matches!(policy.port, 0 | 22) {
        option(format!("-p {}", policy.port));
    }
    option(shell_word(&policy.host).into_owned());
    command
}

/// A word for a POSIX shell.
fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::host_keys::tests::policy;

    #[test]
    fn the_command_records_the_key_where_it_is_looked_up() {
        let plain = policy("web.test");
        let command = ssh_command(&plain, Some(Path::new("/home/me/.ssh/known_hosts")));
        assert_eq!(
            command,
            "ssh -o StrictHostKeyChecking=ask -o 'UserKnownHostsFile=\"/home/me/.ssh/known_hosts\"' web.test"
        );
        let jump = HostKeyPolicy {
            port: 2222,
            alias: Some("[other]:22".to_owned()),
            ..plain
        };
        assert_eq!(
            ssh_command(&jump, None),
            "ssh -o StrictHostKeyChecking=ask -o 'HostKeyAlias=[other]:22' -p 2222 web.test"
        );
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(shell_word("a/b.c:1"), "a/b.c:1");
        assert_eq!(shell_word("[a]:1"), "'[a]:1'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
