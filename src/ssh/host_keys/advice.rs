//! Advice for the user about a refused key, with commands that can be pasted into a shell.

use super::known_hosts::Entry;
use super::line::LineDamage;
use super::policy::HostKeyPolicy;
use super::refusal::FileLine;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// The reason why an unknown key cannot be recorded.
#[derive(Debug, Clone)]
pub(super) enum Obstacle<'a> {
    /// S5: a line for this host is damaged. The line may hold another key of the host, so the presented key
    /// may be a changed key.
    Damaged(&'a FileLine, LineDamage),
    /// UserKnownHostsFile names no file.
    NoFile,
    /// S4: a CA covers the host, so a bare key is not trusted on first sight.
    Authority(&'a FileLine),
}

impl fmt::Display for Obstacle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(place, damage) => {
                write!(
                    f,
                    "{place} cannot be parsed ({damage}), correct or remove that line"
                )
            }
            Self::NoFile => f.write_str("UserKnownHostsFile names no file to record the key in"),
            Self::Authority(place) => {
                write!(
                    f,
                    "{place} names a certificate authority for this host, so a key without a certificate is not recorded automatically"
                )
            }
        }
    }
}

/// Advice for an unknown key: the obstacle, if any, and the command with which a person records the key.
///
/// The command is `ssh`, which asks about the fingerprint of the key before recording the key.
/// `ssh-keyscan` would record any key without asking.
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

/// Advice for a changed key: the command that removes the outdated line.
pub(super) fn for_changed(name: &str, entry: &Entry) -> String {
    let condition = "only if the host's administrator confirms the new fingerprint";
    if entry.shared {
        // `ssh-keygen -R` removes the whole line, so the other hosts would lose their recorded key.
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

/// The `ssh` command that asks about the key and records the key in the file and under the name where this
/// program looks the key up.
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

/// Quotes a word for a POSIX shell, if necessary.
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
