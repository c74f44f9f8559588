//! Names: of temporary files, of partial ones, and those that a host tells.

/// Bytes of a name on most file systems.
const NAME_MAX_BYTES: usize = 255;
/// Ends the name of a temporary file.
const TEMPORARY_END: &str = ".part";
/// Ends the name of a file that a call with `resume` goes on from.
const PARTIAL_END: &str = ".partial";

/// A name for a temporary file beside `name` that nobody else has.
pub(super) fn temporary(name: &str) -> String {
    let random: u64 = rand::random();
    beside(name, &format!(".{random:016x}{TEMPORARY_END}"))
}

/// The name of the partial file of a source of this size and time.
pub(super) fn partial(name: &str, size: u64, modified: i64) -> String {
    beside(name, &format!(".{size:x}-{modified:x}{PARTIAL_END}"))
}

/// Whether a name is that of a partial file for `name`, of whatever source.
pub(super) fn is_partial_of(candidate: &str, name: &str) -> bool {
    let Some(stem) = candidate.strip_suffix(PARTIAL_END) else {
        return false;
    };
    let Some((_, tag)) = stem.rsplit_once('.') else {
        return false;
    };
    let is_number = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let is_tag = tag
        .split_once('-')
        .is_some_and(|(size, modified)| is_number(size) && is_number(modified));
    is_tag && beside(name, &format!(".{tag}{PARTIAL_END}")) == candidate
}

/// A hidden name made of `name`, cut so that it fits.
fn beside(name: &str, end: &str) -> String {
    let mut room = NAME_MAX_BYTES - 1 - end.len();
    if name.len() <= room {
        return format!(".{name}{end}");
    }
    while !name.is_char_boundary(room) {
        room -= 1;
    }
    format!(".{}{end}", &name[..room])
}

/// A name from a listing as part of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// It names something in the directory.
    Name(String),
    /// The directory itself, or the one above.
    Own,
    /// Not UTF-8: it is told and not guessed.
    NotText(String),
    /// No file system has such a name: the server lies.
    Impossible(String),
}

/// Judges a name of a host.
pub(super) fn listed(name: &[u8]) -> Listed {
    if name == b"." || name == b".." {
        return Listed::Own;
    }
    let shown = || crate::ssh::peer_text::one_line(&name.escape_ascii().to_string());
    if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
        return Listed::Impossible(shown());
    }
    match std::str::from_utf8(name) {
        Ok(text) => Listed::Name(text.to_owned()),
        Err(_) => Listed::NotText(shown()),
    }
}

/// A path on the host and a name in it.
pub(super) fn join(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        _ if directory.ends_with('/') => format!("{directory}{name}"),
        _ => format!("{directory}/{name}"),
    }
}

/// A path on the host as directory and name; no name for `/`, `.` and `..`.
pub(super) fn split(path: &str) -> (&str, Option<&str>) {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return ("/", None);
    }
    let (directory, name) = match trimmed.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((directory, name)) => (directory, name),
        None => (".", trimmed),
    };
    match name {
        "." | ".." => (trimmed, None),
        name => (directory, Some(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_fit_and_say_what_they_are() {
        for name in [
            "a",
            "-rf",
            "line\nbreak",
            &"ü".repeat(127),
            &"x".repeat(255),
        ] {
            let made = temporary(name);
            assert!(made.len() <= 255 && made.starts_with('.') && made.ends_with(".part"));
            assert_ne!(made, temporary(name));
            let kept = partial(name, 10, -5);
            assert!(kept.len() <= 255 && is_partial_of(&kept, name), "{kept}");
        }
        assert!(!is_partial_of(&partial("a", 1, 2), "b"));
        assert!(!is_partial_of("a.partial", "a"));
        assert!(!is_partial_of(".a.notes.partial", "a"));
    }

    #[test]
    fn names_of_a_host_are_judged() {
        assert_eq!(listed(b"a b"), Listed::Name("a b".into()));
        assert_eq!(listed(b".."), Listed::Own);
        for lie in [&b""[..], b"a/b", b"../x", b"/etc/passwd", b"a\0b"] {
            assert!(matches!(listed(lie), Listed::Impossible(_)), "{lie:?}");
        }
        assert_eq!(listed(b"\xffx"), Listed::NotText("\\xffx".into()));
    }

    #[test]
    fn paths_of_a_host_are_taken_apart() {
        let rows = [
            ("/a/b", ("/a", Some("b"))),
            ("/a", ("/", Some("a"))),
            ("a", (".", Some("a"))),
            ("a/b/", ("a", Some("b"))),
            ("/", ("/", None)),
            ("a/..", ("a/..", None)),
            (".", (".", None)),
        ];
        for (path, expected) in rows {
            assert_eq!(split(path), expected, "{path}");
        }
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(join("a", "b"), "a/b");
    }
}
