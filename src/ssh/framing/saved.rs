//! The state that a new shell gets from its predecessor: directory, umask, exported variables. In memory only.

use zeroize::Zeroize;

use super::word;

/// The state of a shell after a command. The values may be secrets: nothing prints them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in crate::ssh) struct Saved {
    /// Working directory, as the shell spells it.
    pub(in crate::ssh) cwd: Option<Vec<u8>>,
    /// The output of `umask`.
    pub(in crate::ssh) umask: Option<String>,
    /// Exported variables; some have no value yet.
    pub(in crate::ssh) exports: Vec<(String, Option<Vec<u8>>)>,
}

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saved")
            .field("exports", &self.exports.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        for (_, value) in &mut self.exports {
            value.zeroize();
        }
    }
}

/// The state that a shell writes after a command.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ssh) struct Told {
    /// Umask and variables; the directory came before.
    pub(in crate::ssh) saved: Saved,
    /// Children of the shell, which run in the background.
    pub(in crate::ssh) children: Vec<u32>,
    /// `set -e` is on.
    pub(in crate::ssh) errexit: bool,
}

/// Reads the text between a frame's end and the end of the state. A background process may have written into the
/// text, and a shell will execute the result: anything but the exact form that shells write is rejected as a whole.
pub(in crate::ssh) fn read(text: &[u8]) -> Option<Told> {
    let mut parts = text.splitn(4, |byte| *byte == 0);
    let (variables, children, options) = (parts.next()?, parts.next()?, parts.next()?);
    if !parts.next()?.is_empty() || !options.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let line = variables.iter().position(|byte| *byte == b'\n')?;
    let (umask, mut rest) = (&variables[..line], &variables[line + 1..]);
    let is_umask =
        (1..=4).contains(&umask.len()) && umask.iter().all(|b| (b'0'..=b'7').contains(b));
    let umask = is_umask.then(|| String::from_utf8_lossy(umask).into_owned())?;
    let mut saved = Saved {
        cwd: None,
        umask: Some(umask),
        exports: Vec::new(),
    };
    while !rest.is_empty() {
        let (variable, tail) = variable(rest)?;
        saved.exports.push(variable);
        rest = tail;
    }
    let children = std::str::from_utf8(children).ok()?;
    let children = children.split_whitespace().map(str::parse);
    Some(Told {
        saved,
        children: children.collect::<Result<_, _>>().ok()?,
        errexit: options.contains(&b'e'),
    })
}

type Variable = (String, Option<Vec<u8>>);

/// One line of `export -p`: `declare -x A="b"` or `export A='b'`.
fn variable(text: &[u8]) -> Option<(Variable, &[u8])> {
    let rest = match text.strip_prefix(b"export ") {
        Some(rest) => rest,
        None => {
            let rest = text.strip_prefix(b"declare -")?;
            let flags = rest.iter().position(|byte| !byte.is_ascii_alphabetic())?;
            rest[flags..].strip_prefix(b" ")?
        }
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = rest.iter().position(|byte| !is_name(byte))?;
    let (name, rest) = rest.split_at(end);
    if name.first().is_none_or(u8::is_ascii_digit) {
        return None;
    }
    let name = String::from_utf8_lossy(name).into_owned();
    let (value, rest) = match rest {
        // Nothing is exported of an array, whatever bash says.
        [b'=', b'(', rest @ ..] => (None, array_end(rest)?),
        [b'=', rest @ ..] => {
            let (value, rest) = word::read(rest)?;
            (Some(value), rest)
        }
        rest => (None, rest),
    };
    Some(((name, value), rest.strip_prefix(b"\n")?))
}

/// The text behind the elements of an array: `[0]="a" [1]="b")`.
fn array_end(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        match text {
            [b')', rest @ ..] => return Some(rest),
            [b' ', rest @ ..] => text = rest,
            [b'[', rest @ ..] => {
                let (_, rest) = word::read(rest)?;
                let (_, rest) = word::read(rest.strip_prefix(b"]=")?)?;
                text = rest;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bash_and_dash_tell() {
        let told = read(
            b"0022\ndeclare -x A=\"x y\"\ndeclare -rx B\ndeclare -x C=$'a\\nb'\ndeclare -ax E=([0]=\"x y\" [1]=\"z\")\nexport D='it'\"'\"'s'\n\x0012 345 \x00ehB\x00",
        )
        .unwrap();
        let value = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(told.saved.umask.as_deref(), Some("0022"));
        assert_eq!(
            told.saved.exports,
            [
                ("A".to_owned(), value("x y")),
                ("B".to_owned(), None),
                ("C".to_owned(), value("a\nb")),
                ("E".to_owned(), None),
                ("D".to_owned(), value("it's")),
            ]
        );
        assert_eq!(told.children, [12, 345]);
        assert!(told.errexit);
        assert!(!read(b"0022\n\0\0hB\0").unwrap().errexit);
    }

    #[test]
    fn nothing_is_taken_of_what_a_background_process_has_written_into() {
        for text in [
            "0022\ndeclare -x A=\"b\"\nnoise\n\0\0\0",
            "0022\nrm -rf /\n\0\0\0",
            "0022\ndeclare -x A=\"b\" rm\n\0\0\0",
            "0022\ndeclare -x A=\"$(rm)\"\n\0\0\0",
            "hello\n0022\n\0\0\0",
            "0022\n\0x\0\0",
            "0022\n\0\0\0late",
            "0022\n\0\0no option\0",
            "",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn values_are_not_printed() {
        let told = read(b"0022\ndeclare -x A=\"secret\"\n\0\0\0").unwrap();
        assert!(!format!("{told:?}").contains("secret"));
    }
}
