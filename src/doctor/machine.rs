//! This machine's side: home directory, store, open files, and the place for large outputs.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::{Examination, Finding};
use crate::limits::{OUTPUT_KEPT_BYTES, SESSIONS_MAX};
use crate::store::{Store, StoreContent, StoreError, VERSION};

/// Open files of the process itself: runtime, stdio, the store, the agent and some outputs.
const FILES_OF_THE_PROCESS: u64 = 64;
/// Open files of a session: the socket, and at times the file of a large output.
const FILES_PER_SESSION: u64 = 2;
/// Sessions that every installation should have room for.
const SESSIONS_WANTED: u64 = 64;
/// Bits of a mode that give access to other users.
const OTHERS: u32 = 0o077;

/// Checks everything that the product needs from this machine.
pub(super) fn examine(store: &Path, examination: &mut Examination) {
    examination.add(home());
    examination.extend(self::store(store));
    examination.add(open_files(getrlimit(Resource::Nofile).current));
    examination.add(temporary_files(&std::env::temp_dir()));
}

/// Checks the home directory, which `~` in parameters and the default path of the store refer to.
fn home() -> Finding {
    let subject = "home";
    let from_environment = std::env::var_os("HOME").is_some_and(|home| !home.is_empty());
    let Some(home) = std::env::home_dir().filter(|home| !home.as_os_str().is_empty()) else {
        return Finding::bad(
            subject,
            "HOME is not set, and the user has no home directory",
        )
        .fix("set HOME, or name the files with --store and --ssh-config");
    };
    let shown = home.display();
    if !home.is_absolute() || !home.is_dir() {
        return Finding::bad(
            subject,
            format!("HOME is {shown}, which is not a directory"),
        )
        .fix("set HOME to your home directory");
    }
    if from_environment {
        Finding::good(subject, shown.to_string())
    } else {
        Finding::note(
            subject,
            format!("{shown}, from the password database: HOME is not set"),
        )
    }
}

/// Checks the file of saved sessions.
fn store(path: &Path) -> Vec<Finding> {
    let subject = "store";
    let content = match Store::new(path).check() {
        Ok(content) => content,
        // The error names the remedy.
        Err(error @ StoreError::Locked { .. }) => {
            return vec![Finding::note(subject, error.to_string())];
        }
        Err(error) => return vec![Finding::bad(subject, error.to_string())],
    };
    let shown = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        return vec![Finding::good(
            subject,
            format!("{shown} does not exist yet: nothing is saved"),
        )];
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let text = format!(
        "{shown}: version {VERSION}, mode {mode:04o}, {}",
        saved(&content)
    );
    let mut findings = vec![if metadata.mode() & OTHERS == 0 {
        Finding::good(subject, text)
    } else {
        Finding::note(subject, format!("{text}; others can read or write it"))
            .fix(format!("chmod 600 {shown}"))
    }];
    let problems = content.problems.iter();
    findings.extend(problems.map(|problem| Finding::note(subject, problem.as_str())));
    findings
}

fn saved(content: &StoreContent) -> String {
    let sessions = match content.sessions.len() {
        1 => "1 session".to_owned(),
        sessions => format!("{sessions} sessions"),
    };
    match &content.default {
        Some(default) => format!("{sessions}, default {default}"),
        None => format!("{sessions}, no default"),
    }
}

/// Checks the limit of open files; `None` means no limit.
fn open_files(limit: Option<u64>) -> Finding {
    let subject = "open files";
    let Some(limit) = limit else {
        return Finding::good(subject, "no limit");
    };
    let sessions = limit.saturating_sub(FILES_OF_THE_PROCESS) / FILES_PER_SESSION;
    let text = format!("limit {limit}: room for about {sessions} sessions at once");
    if sessions < SESSIONS_WANTED {
        let wanted = FILES_OF_THE_PROCESS + FILES_PER_SESSION * SESSIONS_WANTED;
        return Finding::bad(subject, text).fix(format!("ulimit -n {wanted}, or more"));
    }
    if sessions >= SESSIONS_MAX as u64 {
        return Finding::good(
            subject,
            format!("limit {limit}: enough for all {SESSIONS_MAX} sessions"),
        );
    }
    Finding::good(subject, text)
}

/// Checks the directory for outputs that are too large for memory. The test file has no name and disappears at once,
/// like the file of an output.
fn temporary_files(directory: &Path) -> Finding {
    let subject = "temporary";
    let shown = directory.display();
    if let Err(error) = tempfile::tempfile_in(directory) {
        return Finding::bad(
            subject,
            format!("{shown} cannot be written to ({error}): large outputs are not kept whole"),
        )
        .fix("set TMPDIR to a writable directory");
    }
    let free = rustix::fs::statvfs(directory).map(|space| space.f_bavail * space.f_frsize);
    match free {
        Ok(free) if free < OUTPUT_KEPT_BYTES => Finding::note(
            subject,
            format!(
                "{shown} has {} MiB left; an output may take {}",
                free >> 20,
                OUTPUT_KEPT_BYTES >> 20
            ),
        )
        .fix("make room, or set TMPDIR to another directory"),
        _ => Finding::good(subject, format!("{shown} can be written to")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal_report::Mark;

    #[test]
    fn few_open_files_are_a_fault() {
        let rows = [
            (Some(128), Mark::Bad, "about 32 sessions"),
            (Some(1024), Mark::Good, "about 480 sessions"),
            (Some(1 << 20), Mark::Good, "all 4096"),
            (None, Mark::Good, "no limit"),
        ];
        for (limit, mark, words) in rows {
            let finding = open_files(limit);
            assert_eq!(finding.mark, mark, "{finding:?}");
            assert!(finding.text.contains(words), "{finding:?}");
        }
    }

    #[test]
    fn a_place_for_temporary_files_is_tried_and_left_empty() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(temporary_files(directory.path()).mark, Mark::Good);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let missing = temporary_files(&directory.path().join("missing"));
        assert_eq!(missing.mark, Mark::Bad);
    }

    #[test]
    fn a_store_is_told_with_its_mode_and_its_problems() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.json");
        assert!(store(&path)[0].text.contains("does not exist yet"));
        let text = r#"{"version": 1, "default": "web",
            "sessions": {"web": {"host": "web", "auth": "agent"}, "bad name": {}}}"#;
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let findings = store(&path);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(findings[0].mark, Mark::Note);
        assert!(
            findings[0]
                .text
                .contains("mode 0644, 1 session, default web"),
            "{findings:?}"
        );
        assert!(findings[1].text.contains("bad name"), "{findings:?}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
