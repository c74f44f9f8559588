//! A report on a whole known_hosts file: the number of lines, and the lines that cannot be parsed.

use super::file::{self, Opened};
use super::known_hosts::{Scope, Statement, statement};
use super::line::{self, LineDamage};
use super::pattern::{self, NameMatch};
use std::io;
use std::path::Path;

/// The report on a known_hosts file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Lines that are neither empty nor comments.
    pub entries: usize,
    /// The entries that cannot be parsed.
    pub damaged: Vec<DamagedLine>,
}

/// A line that cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamagedLine {
    /// The line, counted from 1.
    pub line: usize,
    /// The reason why the line cannot be parsed.
    pub reason: LineDamage,
}

/// Parses a whole file by the rules of [`super::KnownHosts::load`]. `None` if the file does not exist. Blocks.
pub fn survey(path: &Path) -> io::Result<Option<Survey>> {
    let file = match file::open(path)? {
        Opened::Missing => return Ok(None),
        Opened::Null => return Ok(Some(Survey::default())),
        Opened::File(file) => file,
    };
    let mut survey = Survey::default();
    file::for_each_line(&file, |line, text| {
        let Some(parsed) = line::parse(text) else {
            return;
        };
        survey.entries += 1;
        // The report does not depend on a host, so an empty name only tests whether the field can be decoded.
        let scope = match pattern::matches(parsed.names, "") {
            NameMatch::Unclear => Scope::Unclear,
            NameMatch::Yes | NameMatch::No => Scope::Exact,
        };
        if let Statement::Damaged(reason) = statement(scope, parsed.marker, parsed.key) {
            survey.damaged.push(DamagedLine { line, reason });
        }
    })?;
    Ok(Some(survey))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_those_that_cannot_be_read_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known_hosts");
        assert_eq!(survey(&path).unwrap(), None);
        let key = include_str!("../../../tests/data/host_keys/e1.pub").trim_end();
        let text = format!("# a comment\n\nweb {key}\nweb AAAA\n|1|x|y {key}\n@what h {key}\n");
        std::fs::write(&path, text).unwrap();
        let found = survey(&path).unwrap().unwrap();
        let lines: Vec<usize> = found.damaged.iter().map(|damaged| damaged.line).collect();
        assert_eq!((found.entries, lines), (4, vec![4, 5, 6]), "{found:?}");
    }

    #[test]
    fn a_directory_is_an_error_and_the_null_device_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        assert!(survey(directory.path()).is_err());
        let empty = survey(Path::new("/dev/null")).unwrap();
        assert_eq!(empty, Some(Survey::default()));
    }
}
