//! Names of temporary and partial files, names from a host, and paths on a host.

/// Bytes of the longest name on most file systems.
const NAME_MAX_BYTES: usize = 255;
/// Suffix of temporary files.
const TEMPORARY_END: &str = ".part";
/// Suffix of partial files, from which a call with `resume` continues.
const PARTIAL_END: &str = ".partial";

/// A unique name for the temporary file of `name`.
pub(super) fn temporary(name: &str) -> String {
    let random: u64 = rand::random();
    hidden(name, &format!(".{random:016x}{TEMPORARY_END}"))
}

/// The name of the partial file of `name` for a source with this size in bytes and this time of modification.
pub(super) fn partial(name: &str, size: u64, modified: i64) -> String {
    hidden(name, &format!(".{size:x}-{modified:x}{PARTIAL_END}"))
}

/// Whether `candidate` is a partial file of `name`, for any source.
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
    is_tag && hidden(name, &format!(".{tag}{PARTIAL_END}")) == candidate
}

/// A hidden name: `name`, cut to the length limit, and `end`.
fn hidden(name: &str, end: &str) -> String {
    let mut room = NAME_MAX_BYTES - 1 - end.len();
    if name.len() <= room {
        return format!(".{name}{end}");
    }
    while !name.is_char_boundary(room) {
        room -= 1;
    }
    format!(".{}{end}", &name[..room])
}

/// The verdict on a name in a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// An entry of the directory.
    Name(String),
    /// `.` or `..`.
    Own,
    /// Not UTF-8; escaped for a message.
    NotText(String),
    /// Impossible on any file system: the server lies.
    Impossible(String),
}

/// Checks a name from a listing before the name becomes part of a path.
pub(super) fn check_listed(name: &[u8]) -> Listed {
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

/// Joins a directory on the host and a name.
pub(super) fn join(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        _ if directory.ends_with('/') => format!("{directory}{name}"),
        _ => format!("{directory}/{name}"),
    }
}

/// Splits a path on the host into directory and name; `/`, `.` and `..` have no name.
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
    fn names_of_a_host_are_checked() {
        assert_eq!(check_listed(b"a b"), Listed::Name("a b".into()));
        assert_eq!(check_listed(b".."), Listed::Own);
        for lie in [&b""[..], b"a/b", b"../x", b"/etc/passwd", b"a\0b"] {
            assert!(
                matches!(check_listed(lie), Listed::Impossible(_)),
                "{lie:?}"
            );
        }
        assert_eq!(check_listed(b"\xffx"), Listed::NotText("\\xffx".into()));
    }

    #[test]
    fn paths_of_a_host_are_split() {
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
