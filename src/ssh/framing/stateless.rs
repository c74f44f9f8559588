//! Commands that leave the state of a shell unchanged, so that the shell need not write the state.

/// First words of which that is not certain although nothing else is in the command: builtins that change something
/// or run something, and reserved words.
const CHANGING: [&str; 53] = [
    ".",
    "source",
    "eval",
    "exec",
    "exit",
    "logout",
    "return",
    "break",
    "continue",
    "export",
    "declare",
    "typeset",
    "local",
    "readonly",
    "unset",
    "set",
    "shift",
    "shopt",
    "alias",
    "unalias",
    "bind",
    "builtin",
    "command",
    "enable",
    "cd",
    "pushd",
    "popd",
    "dirs",
    "umask",
    "ulimit",
    "trap",
    "wait",
    "read",
    "mapfile",
    "readarray",
    "getopts",
    "let",
    "printf",
    "time",
    "coproc",
    "function",
    "if",
    "for",
    "while",
    "until",
    "case",
    "select",
    "suspend",
    "fg",
    "bg",
    "disown",
    "complete",
    "hash",
];

/// Whether a command is a simple command of plain words that changes nothing in the shell, provided that its name
/// is no function or alias and that there are no traps.
pub(in crate::ssh) fn is_plain(command: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" _./:@%+,-".contains(byte);
    let Ok(text) = std::str::from_utf8(command) else {
        return false;
    };
    let first = text.split(' ').find(|word| !word.is_empty());
    command.iter().all(is_plain) && first.is_none_or(|word| !CHANGING.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_nothing() {
        for command in [
            ":",
            "true",
            "ls -l /tmp",
            "  git status",
            "systemctl status nginx@a.service",
            "",
        ] {
            assert!(is_plain(command.as_bytes()), "{command}");
        }
        for command in [
            "cd /",
            "export A",
            "A=1",
            "ls; cd /",
            "ls\ncd /",
            "ls && cd /",
            "f() { :; }",
            "echo $x",
            "echo `x`",
            ". x",
            "source x",
            "{ cd /; }",
            "eval x",
            "sleep 1 &",
            "'cd' /",
            "\\cd /",
            "ls\tx",
            "time cd /",
        ] {
            assert!(!is_plain(command.as_bytes()), "{command}");
        }
    }
}
