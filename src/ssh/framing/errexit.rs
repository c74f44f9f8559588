//! Whether `set -e` is on during a command, as far as the text of the command shows.

/// Words that may stand in front of a builtin.
const LEADING: [&str; 7] = ["then", "do", "else", "!", "builtin", "\\builtin", "command"];

/// Whether `set -e` may have ended a shell during this command: the option was on before, or the text sets the option,
/// and the text does not end with a command that ends the shell itself.
pub(in crate::ssh) fn may_have_ended_shell(command: &[u8], was_on: bool) -> bool {
    let text = String::from_utf8_lossy(command);
    let mut is_on = was_on;
    let mut last = "";
    for statement in text.split([';', '\n', '&', '|', '(', ')', '{', '}']) {
        let mut words = statement.split_whitespace();
        let Some(first) = words.find(|word| !LEADING.contains(word)) else {
            continue;
        };
        last = first;
        if first == "set" {
            is_on = after_set(words, is_on);
        }
    }
    is_on && !["exit", "exec", "logout", "kill"].contains(&last)
}

/// The option after a `set` with these words.
fn after_set<'a>(words: impl Iterator<Item = &'a str>, was_on: bool) -> bool {
    let mut is_on = was_on;
    let mut turns_on = true;
    for word in words {
        match word.split_at_checked(1) {
            _ if word == "--" => break,
            Some((sign @ ("-" | "+"), letters)) => {
                turns_on = sign == "-";
                if letters.contains('e') {
                    is_on = turns_on;
                }
            }
            _ if word == "errexit" => is_on = turns_on,
            _ => {}
        }
    }
    is_on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_e_is_found_in_the_text() {
        for command in [
            "set -e; false",
            "set -euo pipefail\nfalse",
            "set -uo pipefail -e; false",
            "set -o errexit && false",
            "if true; then set -e; fi; cd /x || exit 1; false",
        ] {
            assert!(may_have_ended_shell(command.as_bytes(), false), "{command}");
        }
        for command in [
            "false",
            "set -u; false",
            "set -- -e; false",
            "set -e; set +e; false",
            "echo set -e; false",
            "set -e; exit 3",
            "set -o pipefail +o errexit; false",
        ] {
            assert!(
                !may_have_ended_shell(command.as_bytes(), false),
                "{command}"
            );
        }
        assert!(may_have_ended_shell(b"false", true));
        assert!(!may_have_ended_shell(b"set +e; false", true));
        assert!(!may_have_ended_shell(b"exit 3", true));
    }
}
