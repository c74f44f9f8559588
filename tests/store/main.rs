//! The store file on disk: reads, refusals, and the files that a save leaves behind.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use mcp_ssh_sessions::limits::{STORE_LOCK_TIMEOUT, STORE_MAX_BYTES};
use mcp_ssh_sessions::store::{
    AuthKind, SessionName, SessionSpec, Store, StoreContent, StoreError,
};
use tempfile::TempDir;

mod places;
mod processes;

const ONE_SESSION: &str =
    r#"{"version": 1, "sessions": {"web": {"host": "web", "auth": "agent"}}}"#;

/// A directory of its own for each test, with a store that is not there yet.
struct Place {
    directory: TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("store.json"));
        Self { directory, store }
    }

    fn with(text: impl AsRef<[u8]>) -> Self {
        let place = Self::new();
        fs::write(place.store.path(), text).unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn name(text: &str) -> SessionName {
    SessionName::parse(text).unwrap()
}

fn add(store: &Store, session: &str) -> Result<(), StoreError> {
    store.update(|content| {
        content.remember(name(session), SessionSpec::new(session, AuthKind::Agent))
    })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// Reads and tries to change a store that must not be changed; fails if either waits for ever.
fn refused(store: &Store) -> (Result<StoreContent, StoreError>, StoreError) {
    let (done, answer) = mpsc::channel();
    let store = store.clone();
    // The thread is not joined: one that hangs ends with the test program.
    std::thread::spawn(move || {
        let update =
            store.update(|_| panic!("the content of a refused file was offered for a change"));
        let answers = Box::new((store.load(), update.expect_err("the update was accepted")));
        done.send(answers).unwrap();
    });
    *answer
        .recv_timeout(Duration::from_secs(20))
        .expect("the store hung or panicked")
}

#[test]
fn a_missing_file_has_no_sessions_and_is_made_by_the_first_save() {
    let place = Place::new();
    assert_eq!(place.store.load().unwrap(), StoreContent::default());
    assert!(place.names().is_empty());
    add(&place.store, "web").unwrap();
    assert!(
        place
            .store
            .update(|content| content.set_default(&name("web")))
            .unwrap()
    );
    let content = place.store.load().unwrap();
    assert_eq!(content.default, Some(name("web")));
    assert_eq!(content.sessions["web"].host, "web");
    assert_eq!(content.problems, Vec::<String>::new());
    assert_eq!(place.names(), ["store.json", "store.json.lock"]);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(place.store.path()).unwrap()).unwrap();
    assert_eq!(
        (&json["version"], &json["default"]),
        (&1.into(), &"web".into())
    );
}

#[test]
fn an_update_that_changes_nothing_writes_nothing() {
    let place = Place::with(ONE_SESSION);
    let before = fs::metadata(place.store.path()).unwrap();
    let count = place
        .store
        .update(|content| content.sessions.len())
        .unwrap();
    assert!(
        !place
            .store
            .update(|content| content.forget(&name("db")))
            .unwrap()
    );
    assert_eq!(count, 1);
    let after = fs::metadata(place.store.path()).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec()),
        (after.ino(), after.mtime_nsec())
    );
    assert_eq!(fs::read_to_string(place.store.path()).unwrap(), ONE_SESSION);
}

#[test]
fn files_that_are_not_understood_are_reported_and_left_alone() {
    let deep = format!("{{\"version\": 1, \"x\": {}", "[".repeat(1_000_000));
    let cases: [(&str, &[u8], &str); 7] = [
        (
            "truncated",
            br#"{"version": 1, "sessions": {"web": {"ho"#,
            "EOF while parsing",
        ),
        ("garbage", b"\x7fELF\0\0", "expected value"),
        ("deep", deep.as_bytes(), "recursion limit"),
        (
            "twice",
            br#"{"version": 1, "sessions": {"a": {"host": "1"}, "a": {"host": "2"}}}"#,
            "stands there twice",
        ),
        (
            "utf-8",
            b"{\"version\": 1, \"x\": \"\xc3\x28\"}",
            "invalid unicode",
        ),
        ("not ours", br#"{"theme": "dark"}"#, "no \"version\""),
        (
            "list",
            br#"{"version": 1, "sessions": ["web"]}"#,
            "not an object",
        ),
    ];
    for (case, text, words) in cases {
        let place = Place::with(text);
        let (load, update) = refused(&place.store);
        for error in [load.unwrap_err(), update] {
            assert!(
                matches!(error, StoreError::Broken { .. }),
                "{case}: {error:?}"
            );
            let message = error.to_string();
            let path = place.store.path().display().to_string();
            for word in [
                words,
                &path,
                "left as it is",
                "correct it or move it away",
                "sessions work",
            ] {
                assert!(message.contains(word), "{case}: {message}");
            }
        }
        assert_eq!(fs::read(place.store.path()).unwrap(), text, "{case}");
        assert_eq!(place.names(), ["store.json"], "{case}");
    }
}

#[test]
fn a_newer_file_is_left_alone() {
    let text = r#"{"version": 2, "sessions": [{"name": "web"}]}"#;
    let place = Place::with(text);
    let (load, update) = refused(&place.store);
    for error in [load.unwrap_err(), update] {
        assert!(
            matches!(error, StoreError::Newer { version: 2, .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("has version 2"), "{error}");
    }
    assert_eq!(fs::read_to_string(place.store.path()).unwrap(), text);
    assert_eq!(place.names(), ["store.json"]);
}

#[test]
fn a_file_over_the_limit_is_neither_read_nor_written() {
    let place = Place::new();
    File::create(place.store.path())
        .unwrap()
        .set_len(STORE_MAX_BYTES + 1)
        .unwrap();
    let (load, update) = refused(&place.store);
    for error in [load.unwrap_err(), update] {
        assert!(
            matches!(error, StoreError::TooLarge { bytes, .. } if bytes == STORE_MAX_BYTES + 1),
            "{error:?}"
        );
    }
    fs::write(place.store.path(), ONE_SESSION).unwrap();
    let host = "h".repeat(usize::try_from(STORE_MAX_BYTES).unwrap());
    assert!(matches!(add(&place.store, "small"), Ok(())));
    let before = fs::read(place.store.path()).unwrap();
    let grown = place
        .store
        .update(|c| c.remember(name("big"), SessionSpec::new(host, AuthKind::Agent)));
    assert!(
        matches!(grown, Err(StoreError::TooLarge { .. })),
        "{grown:?}"
    );
    assert_eq!(fs::read(place.store.path()).unwrap(), before);
    assert_eq!(place.names(), ["store.json", "store.json.lock"]);
}

#[test]
fn empty_and_marked_files_are_read() {
    for text in ["", "\n", "{}"] {
        let place = Place::with(text);
        assert_eq!(place.store.load().unwrap(), StoreContent::default());
        add(&place.store, "web").unwrap();
        assert_eq!(place.store.load().unwrap().sessions.len(), 1);
    }
    let place = Place::with(format!("\u{feff}{ONE_SESSION}"));
    add(&place.store, "db").unwrap();
    assert_eq!(place.store.load().unwrap().sessions.len(), 2);
    assert!(fs::read(place.store.path()).unwrap().starts_with(b"{"));
}

#[test]
fn a_readable_file_is_tightened_by_the_next_save() {
    for given in [0o644, 0o666, 0o400] {
        let place = Place::with(ONE_SESSION);
        fs::set_permissions(place.store.path(), fs::Permissions::from_mode(given)).unwrap();
        assert_eq!(place.store.load().unwrap().sessions.len(), 1);
        add(&place.store, "db").unwrap();
        assert_eq!(mode(place.store.path()), 0o600);
        assert_eq!(mode(&place.at("store.json.lock")), 0o600);
    }
}

#[test]
fn a_lock_that_is_held_ends_the_wait_and_does_not_stop_readers() {
    let place = Place::with(ONE_SESSION);
    let held = File::create(place.at("store.json.lock")).unwrap();
    held.lock().unwrap();
    let (load, update) = refused(&place.store);
    assert_eq!(load.unwrap().sessions.len(), 1);
    assert!(
        matches!(&update, StoreError::Locked { waited, .. } if *waited == STORE_LOCK_TIMEOUT),
        "{update:?}"
    );
    assert!(
        update.to_string().contains("store.json.lock for 2s"),
        "{update}"
    );
    drop(held);
    add(&place.store, "db").unwrap();
}

#[test]
fn what_a_killed_writer_left_is_swept_and_nothing_else() {
    let place = Place::new();
    for name in [
        "store.json.unsaved-a1b2c3",
        "store.json.bak",
        "other.json.unsaved-a1b2c3",
    ] {
        fs::write(place.at(name), "{").unwrap();
    }
    add(&place.store, "web").unwrap();
    assert_eq!(
        place.names(),
        [
            "other.json.unsaved-a1b2c3",
            "store.json",
            "store.json.bak",
            "store.json.lock"
        ]
    );
}

#[test]
fn threads_lose_no_update() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = place.store.clone();
            scope.spawn(move || {
                (0..25).for_each(|i| add(&store, &format!("t{thread}-{i}")).unwrap())
            });
        }
    });
    assert_eq!(place.store.load().unwrap().sessions.len(), 100);
}

#[test]
fn no_type_of_the_store_has_a_field_for_a_secret() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut fields = 0;
    for entry in fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//"))
        {
            let Some((field, _)) = line.trim_start_matches("pub ").split_once(": ") else {
                continue;
            };
            fields += usize::from(field == "private_key_path");
            let field = field.to_lowercase();
            assert!(
                !field.ends_with("password") && !field.ends_with("passphrase"),
                "{path:?}: {line}"
            );
        }
    }
    assert!(fields > 0, "the test no longer sees the fields");
}
