//! The texts that are sent: for bash, and for the `sh` of hosts without bash.

use super::saved::Saved;

/// Starts the shell under any login shell (bash, dash, zsh, fish, csh, busybox). BASH_ENV and ENV would be read
/// by every shell that starts.
pub(in crate::ssh) const START_LINE: &str = concat!(
    "exec sh -c 'unset BASH_ENV ENV; ",
    "if command -v bash >/dev/null 2>&1; then exec bash --noprofile --norc; else exec sh; fi'"
);

/// First of all, in any shell: its process, whether it is bash, and whether it has got functions from its
/// environment, in the form of a frame's end.
const HELLO: &str = r#"printf '%se' TOKEN >&2; printf '%se%d %s %s %s\0' TOKEN 0 "$$" "${BASH_VERSION-}" "$(test -n "$(declare -F 2>/dev/null)" && echo f)"
"#;

/// `__mcp_sh STATUS TOKEN [x]` ends a frame, `__mcp_st TOKEN` tells the state, `__mcp_ab` gives a command up: from
/// there on the DEBUG trap skips everything but the frame's end. That trap may not loop itself, and `break` must
/// stand in the trap, not in a function. Nothing here is a reserved word or alias where it is called, and what
/// users redefine is called through `builtin`.
const BASH_INIT: &str = r#"exec 98>&1 99>&2 1>/dev/null 2>/dev/null
__mcp_sh() {
__mcp_r=
\builtin enable builtin enable eval export printf read umask
if [[ ${__mcp_d-} ]]; then
\builtin trap - DEBUG
[[ $__mcp_d == *X* ]] || \builtin shopt -u extdebug
[[ $__mcp_d == *T* ]] || \builtin set +T
[[ $__mcp_d == *E* ]] || \builtin set +E
__mcp_d=
\builtin set -- "$__mcp_s" "${@:2}"
fi
\builtin printf '%se' "$2" >&99 && \builtin printf '%se%d %s\0' "$2" "$1" "${PWD-}" >&98 && \builtin read -r __mcp_c && { [[ $__mcp_c == ")" ]] || \builtin exit 2; } && { [[ ${3-} ]] || __mcp_st "$2"; }
}
__mcp_st() {
\builtin umask >&98
\builtin export -p >&98
__mcp_c=
\builtin read -r __mcp_c </proc/$$/task/$$/children || \builtin true
\builtin printf '\0%s\0%sz' "$__mcp_c" "$1" >&98
}
__mcp_ab() {
__mcp_s=$?
[[ ${__mcp_r-} ]] || \builtin return 0
__mcp_r=
__mcp_d=-$-
\builtin shopt -q extdebug && __mcp_d+=X
\builtin shopt -s extdebug
\builtin trap '[[ ${FUNCNAME-} == __mcp_* || $BASH_COMMAND == *__mcp_sh* ]] || { \builtin break 99999; __mcp_no; } 2>/dev/null' DEBUG
}
__mcp_no() { \builtin return 2; }
\builtin readonly -f __mcp_sh __mcp_st __mcp_ab __mcp_no
\builtin trap '__mcp_ab; \builtin break 99999 2>/dev/null' INT URG
"#;

/// The same as far as POSIX goes (dash and busybox know one digit of a descriptor): no readonly functions, no way
/// to give up a list of commands, and no line to die of, because dash reads ahead.
const SH_INIT: &str = r#"exec 8>&1 9>&2 >/dev/null 2>&1
__mcp_sh() {
command printf '%se' "$2" >&9
command printf '%se%d %s\0' "$2" "$1" "${PWD-}" >&8
[ -n "${3-}" ] || { umask >&8; export -p >&8; command printf '\0\0%sz' "$2" >&8; }
}
"#;

/// Variables that belong to a connection or to the shell's own running, and are not restored.
const NOT_RESTORED: [&str; 10] = [
    "PWD",
    "SHLVL",
    "_",
    "SSH_CONNECTION",
    "SSH_CLIENT",
    "SSH_TTY",
    "SSH_AUTH_SOCK",
    "BASH_ENV",
    "ENV",
    "SHELLOPTS",
];

/// Which shell it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) enum Dialect {
    /// bash.
    Bash,
    /// Another POSIX shell, called `sh`.
    Sh,
}

impl Dialect {
    /// What makes a shell ready for frames.
    pub(in crate::ssh) const fn init(self) -> &'static str {
        match self {
            Self::Bash => BASH_INIT,
            Self::Sh => SH_INIT,
        }
    }

    /// One command. With `state` its end tells umask, exported variables and background processes too.
    pub(in crate::ssh) fn frame(self, command: &[u8], token: &str, state: bool) -> Vec<u8> {
        let skip = if state { "" } else { " x" };
        let (before, after) = match self {
            Self::Bash => (
                "__mcp_r=1;\\builtin eval ".to_owned(),
                format!(" </dev/null >&98 2>&99 98>&- 99>&-;\\__mcp_sh \"$?\" {token}{skip}\n)\n"),
            ),
            Self::Sh => (
                "command eval ".to_owned(),
                format!(" </dev/null >&8 2>&9 8>&- 9>&-;__mcp_sh \"$?\" {token}{skip}\n"),
            ),
        };
        let mut frame = Vec::with_capacity(before.len() + command.len() + after.len() + 64);
        frame.extend_from_slice(before.as_bytes());
        // A word that begins with a blank is no option of eval, and its last line ends like any other.
        quote_into(&mut frame, &[b" ", command, b"\n"]);
        frame.extend_from_slice(after.as_bytes());
        frame
    }

    /// The command that gives a new shell what the old one had. It ends with 0 if the directory could be
    /// entered.
    pub(in crate::ssh) fn restoring(self, saved: &Saved) -> Vec<u8> {
        let mut text = Vec::new();
        if self == Self::Bash && !saved.exports.is_empty() {
            // What the old shell had unset. The login of the new one made it anew.
            let kept = NOT_RESTORED.join("|");
            text.extend_from_slice(
                format!("for __mcp_c in $(compgen -e); do case $__mcp_c in {kept}) ;; *) unset \"$__mcp_c\";; esac; done\n")
                    .as_bytes(),
            );
        }
        for (name, value) in &saved.exports {
            // `set -a` exports ours too.
            if NOT_RESTORED.contains(&name.as_str()) || name.starts_with("__mcp_") {
                continue;
            }
            text.extend_from_slice(format!("export {name}").as_bytes());
            if let Some(value) = value {
                text.push(b'=');
                quote_into(&mut text, &[value]);
            }
            text.push(b'\n');
        }
        if let Some(umask) = &saved.umask {
            text.extend_from_slice(format!("umask {umask}\n").as_bytes());
        }
        if let Some(cwd) = &saved.cwd {
            text.extend_from_slice(b"CDPATH= cd -- ");
            quote_into(&mut text, &[cwd]);
            text.extend_from_slice(b" >/dev/null\n");
        }
        text
    }
}

/// What asks a shell who it is.
pub(in crate::ssh) fn hello(token: &str) -> Vec<u8> {
    HELLO.replace("TOKEN", token).into_bytes()
}

/// A shell as it introduces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) struct Introduction {
    /// Its process.
    pub(in crate::ssh) process: u32,
    /// What it understands.
    pub(in crate::ssh) dialect: Dialect,
    /// It has functions already.
    pub(in crate::ssh) has_functions: bool,
}

/// Reads what the hello's end carries in place of a directory.
pub(in crate::ssh) fn introduced(words: &[u8]) -> Option<Introduction> {
    let text = std::str::from_utf8(words).ok()?;
    let (process, rest) = text.split_once(' ')?;
    let (version, functions) = rest.split_once(' ')?;
    let dialect = if version.is_empty() {
        Dialect::Sh
    } else {
        Dialect::Bash
    };
    Some(Introduction {
        process: process.parse().ok()?,
        dialect,
        has_functions: !functions.is_empty(),
    })
}

/// One word in single quotes, which every shell that gets here reads alike.
fn quote_into(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.push(b'\'');
    for byte in parts.iter().flat_map(|part| part.iter()) {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            byte => out.push(*byte),
        }
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_line_of_the_shell_and_a_line_to_die_of() {
        let frame = Dialect::Bash.frame(b"echo 'x", "T0", false);
        let text = String::from_utf8(frame).unwrap();
        assert_eq!(
            text,
            "__mcp_r=1;\\builtin eval ' echo '\\''x\n' </dev/null >&98 2>&99 98>&- 99>&-;\\__mcp_sh \"$?\" T0 x\n)\n"
        );
    }

    #[test]
    fn a_shell_introduces_itself() {
        let shell = |dialect, has_functions| {
            Some(Introduction {
                process: 12,
                dialect,
                has_functions,
            })
        };
        assert_eq!(introduced(b"12 5.2.15 "), shell(Dialect::Bash, false));
        assert_eq!(introduced(b"12 5.2.15 f"), shell(Dialect::Bash, true));
        assert_eq!(introduced(b"12  "), shell(Dialect::Sh, false));
        assert_eq!(introduced(b"x"), None);
    }

    #[test]
    fn what_belongs_to_a_connection_is_not_restored() {
        let saved = Saved {
            cwd: Some(b"/it's\n".to_vec()),
            umask: Some("0027".into()),
            exports: vec![
                ("SSH_CLIENT".into(), Some(b"old".to_vec())),
                ("A".into(), Some(b"a'b".to_vec())),
                ("B".into(), None),
            ],
        };
        let text = String::from_utf8(Dialect::Sh.restoring(&saved)).unwrap();
        assert_eq!(
            text,
            "export A='a'\\''b'\nexport B\numask 0027\nCDPATH= cd -- '/it'\\''s\n' >/dev/null\n"
        );
    }
}
