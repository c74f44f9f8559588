//! The text of an exec request (RFC 4254 section 6.5).
//!
//! A plain command goes out unchanged, exactly as `ssh host command` sends it: the account's login shell, a
//! ForceCommand or an appliance sees nothing of ours. Only `cwd` and `env` need a wrapper: one line of
//! single-quoted words, which bash, dash, zsh, fish, csh and busybox read alike.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use thiserror::Error;

use super::script;
use crate::limits;

/// Changes directory and sets variables; the file tells the arguments.
static WRAPPER: LazyLock<String> =
    LazyLock::new(|| quote(&script::one_line(include_str!("command/run_in.sh"))));

/// Why a command cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    /// There is nothing to run.
    #[error("command is empty; give the command line to run")]
    Empty,
    /// A NUL byte would end the command early.
    #[error("{0} contains a NUL byte, which no command line can carry")]
    Nul(&'static str),
    /// The line does not fit into one argument of the remote shell.
    #[error(
        "the command line has {bytes} bytes and the remote shell takes {} as one argument; send a long script as stdin (command: \"bash -s\")",
        limits::EXEC_LINE_MAX_BYTES
    )]
    TooLong {
        /// Length with the wrapper.
        bytes: usize,
    },
    /// More than a shell is given at once.
    #[error(
        "the command has {bytes} bytes, more than {}; send a long script to ssh_exec as stdin (command: \"bash -s\")",
        limits::SHELL_COMMAND_MAX_BYTES
    )]
    TooLongForShell {
        /// Length as given.
        bytes: usize,
    },
    /// A variable has a name that no shell takes.
    #[error(
        "env has {0:?}, which is not a variable name (letters, digits and _, not beginning with a digit)"
    )]
    BadVariable(String),
    /// Too many variables.
    #[error("env has {count} variables, more than {}", limits::ENV_MAX_VARIABLES)]
    TooManyVariables {
        /// How many.
        count: usize,
    },
}

/// A command line ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The bytes of the exec request.
    pub line: String,
    /// The line on stderr that tells that the directory could not be entered.
    pub cwd_failure: Option<String>,
}

/// A command for the persistent shell, which enters `cwd` by itself.
pub fn shell_line(command: &str, cwd: Option<&str>) -> Result<CommandLine, CommandError> {
    if command.len() > limits::SHELL_COMMAND_MAX_BYTES {
        return Err(CommandError::TooLongForShell {
            bytes: command.len(),
        });
    }
    check(command, cwd, &BTreeMap::new())?;
    Ok(CommandLine {
        line: command.to_owned(),
        cwd_failure: None,
    })
}

/// Puts command, directory and variables together. The token makes the directory's failure unmistakable.
pub fn command_line(
    command: &str,
    cwd: Option<&str>,
    env: &BTreeMap<String, String>,
    token: &str,
) -> Result<CommandLine, CommandError> {
    check(command, cwd, env)?;
    let plain = cwd.is_none() && env.is_empty();
    let line = if plain {
        command.to_owned()
    } else {
        wrapped(command, cwd.unwrap_or(""), env, token)
    };
    if line.len() > limits::EXEC_LINE_MAX_BYTES {
        return Err(CommandError::TooLong { bytes: line.len() });
    }
    Ok(CommandLine {
        line,
        cwd_failure: cwd.map(|_| token.to_owned()),
    })
}

fn check(
    command: &str,
    cwd: Option<&str>,
    env: &BTreeMap<String, String>,
) -> Result<(), CommandError> {
    if command.trim().is_empty() {
        return Err(CommandError::Empty);
    }
    if env.len() > limits::ENV_MAX_VARIABLES {
        return Err(CommandError::TooManyVariables { count: env.len() });
    }
    if let Some(name) = env.keys().find(|name| !is_variable_name(name)) {
        return Err(CommandError::BadVariable(
            name.chars().take(limits::SESSION_NAME_MAX_CHARS).collect(),
        ));
    }
    let nul = |text: &str| text.contains('\0');
    match () {
        () if nul(command) => Err(CommandError::Nul("command")),
        () if cwd.is_some_and(nul) => Err(CommandError::Nul("cwd")),
        () if env.values().any(|value| nul(value)) => Err(CommandError::Nul("env")),
        () => Ok(()),
    }
}

fn is_variable_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(word) && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
}

fn wrapped(command: &str, cwd: &str, env: &BTreeMap<String, String>, token: &str) -> String {
    let mut line = format!(
        "exec sh -c {} sh {token} {} {}",
        *WRAPPER,
        word(cwd),
        word(command)
    );
    for (name, value) in env {
        line.push(' ');
        line.push_str(&word(&format!("{name}={value}")));
    }
    line
}

/// One word for the wrapper. No way of quoting a newline is common to csh and the others, so a newline is sent as
/// `\n`, and a backslash as two.
fn word(text: &str) -> String {
    quote(&text.replace('\\', "\\\\").replace('\n', "\\n"))
}

/// A word that every shell reads alike: single quotes around all but single quotes, backslashes and
/// exclamation marks.
///
/// Backslashes stand outside because fish gives them a meaning inside single quotes, exclamation marks because
/// csh does.
pub(crate) fn quote(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\' | '!') {
            word.push_str("'\\");
            word.push(c);
            word.push('\'');
        } else {
            word.push(c);
        }
    }
    word.push('\'');
    word
}

/// 128 random bits as hexadecimal text.
pub(crate) fn token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn run(line: &str) -> (String, String, Option<i32>) {
        let output = Command::new("sh")
            .arg("-c")
            .arg(line)
            .env("SHELL", "/bin/sh")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            text(output.stdout),
            text(output.stderr),
            output.status.code(),
        )
    }

    #[test]
    fn a_plain_command_is_sent_as_it_is() {
        let line = command_line("  echo 'x' $HOME\n", None, &BTreeMap::new(), "T").unwrap();
        assert_eq!(
            line,
            CommandLine {
                line: "  echo 'x' $HOME\n".into(),
                cwd_failure: None
            }
        );
    }

    #[test]
    fn directory_and_variables_arrive_exactly() {
        let directory = tempfile::tempdir().unwrap();
        let odd = directory.path().join("a 'b' \\ $c \"d\"");
        std::fs::create_dir(&odd).unwrap();
        let value = "it's \\ $HOME `x` \"q\"\nline two";
        let env = BTreeMap::from([("V".to_owned(), value.to_owned())]);
        let line = command_line("pwd; printf %s \"$V\"; exit 3", odd.to_str(), &env, "T").unwrap();
        let (stdout, stderr, code) = run(&line.line);
        assert_eq!(stdout, format!("{}\n{value}", odd.display()));
        assert_eq!((stderr.as_str(), code), ("", Some(3)));
    }

    #[test]
    fn a_missing_directory_says_so_and_runs_nothing() {
        let line = command_line(
            "echo ran",
            Some("/does/not/exist"),
            &BTreeMap::new(),
            "TOKEN",
        )
        .unwrap();
        let (stdout, stderr, code) = run(&line.line);
        assert_eq!((stdout.as_str(), code), ("", Some(1)));
        assert!(stderr.ends_with("TOKEN\n"), "{stderr}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let none = BTreeMap::new();
        let bad = BTreeMap::from([("A;B".to_owned(), String::new())]);
        assert_eq!(
            command_line(" ", None, &none, "T"),
            Err(CommandError::Empty)
        );
        assert_eq!(
            command_line("a\0b", None, &none, "T"),
            Err(CommandError::Nul("command"))
        );
        assert_eq!(
            command_line("a", None, &bad, "T"),
            Err(CommandError::BadVariable("A;B".into()))
        );
        let long = "x".repeat(1024 * 1024);
        assert_eq!(
            command_line(&long, None, &none, "T"),
            Err(CommandError::TooLong { bytes: 1024 * 1024 })
        );
    }
}
