//! Effects that only show between processes: lost updates, kills, the umask, a full disk.
//!
//! The other processes are this test program again, running only [`child`].

use std::fs;
use std::hint::spin_loop;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use mcp_ssh_sessions::store::{AuthKind, SessionSpec, Store, StoreContent, StoreError};
use rand::Rng;

use super::{ONE_SESSION, Place, add, mode, name};

/// The task of a child, and its file.
const ROLE: &str = "STORE_TEST_ROLE";
const FILE: &str = "STORE_TEST_FILE";
/// Saves of each of two processes that work against each other.
const SAVES: u16 = 300;
/// Writers that are killed.
const KILLS: usize = 120;
/// Saves after which a writer ends if nobody kills it; all of them together fit a port number.
const SAVES_UNTIL_KILLED: u16 = 500;

/// This program with a role, started by a shell line that ends in `exec "$0" "$@"`.
fn child_of_shell(line: &str, role: &str, store: &Store) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .arg(std::env::current_exe().unwrap());
    command.args(["processes::child", "--exact", "--ignored", "--nocapture"]);
    command.env(ROLE, role).env(FILE, store.path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn child_with(role: &str, store: &Store) -> Command {
    child_of_shell(r#"exec "$0" "$@""#, role, store)
}

#[test]
#[ignore = "run by the other tests as a process of its own"]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let store = Store::new(std::env::var_os(FILE).unwrap());
    match role.split_once(' ') {
        Some(("count", own)) => count(&store, own),
        Some(("grow", bytes)) => say(grow(&store, bytes.parse().unwrap()).unwrap_err()),
        _ if role == "stamp" => (0..SAVES_UNTIL_KILLED).for_each(|_| say(stamp(&store))),
        _ => add(&store, "web").unwrap(),
    }
}

/// Tells the parent something. Standard output belongs to the test runner.
fn say(what: impl std::fmt::Display) {
    eprintln!("{what}");
}

/// Counts in a session that all share, and saves sessions of its own.
fn count(store: &Store, own: &str) {
    for i in 0..SAVES {
        let update = store.update(|content| {
            let mut shared = content
                .sessions
                .get("shared")
                .cloned()
                .unwrap_or(SessionSpec::new("shared", AuthKind::Agent));
            shared.port = Some(shared.port.unwrap_or(0) + 1);
            content.remember(name("shared"), shared);
            content.remember(
                name(&format!("{own}-{}", i % 10)),
                SessionSpec::new(own, AuthKind::Agent),
            );
        });
        update.unwrap();
    }
}

/// Writes the next number into twenty sessions at once.
fn stamp(store: &Store) -> u16 {
    let update = store.update(|content| {
        let next = stamped(content) + 1;
        for i in 0..20 {
            let mut spec = SessionSpec::new("host".repeat(50), AuthKind::Agent);
            spec.port = Some(next);
            content.remember(name(&format!("s{i}")), spec);
        }
        next
    });
    update.unwrap()
}

/// The number that all twenty sessions agree on; 0 before the first.
fn stamped(content: &StoreContent) -> u16 {
    assert!(content.problems.is_empty(), "{:?}", content.problems);
    let mut numbers: Vec<_> = content
        .sessions
        .values()
        .map(|spec| spec.port.unwrap())
        .collect();
    assert!(
        numbers.is_empty() || numbers.len() == 20,
        "half a save: {numbers:?}"
    );
    numbers.dedup();
    assert!(numbers.len() <= 1, "two saves in one file: {numbers:?}");
    numbers.first().copied().unwrap_or(0)
}

/// Adds a session of this size.
fn grow(store: &Store, bytes: usize) -> Result<(), StoreError> {
    store.update(|content| {
        content.remember(
            name("big"),
            SessionSpec::new("h".repeat(bytes), AuthKind::Agent),
        )
    })
}

#[test]
fn two_processes_lose_no_update() {
    let place = Place::new();
    let children = ["a", "b"].map(|own| {
        child_with(&format!("count {own}"), &place.store)
            .spawn()
            .unwrap()
    });
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let content = place.store.load().unwrap();
    assert_eq!(content.sessions["shared"].port, Some(2 * SAVES));
    assert_eq!(content.sessions.len(), 1 + 2 * 10);
    assert_eq!(place.names(), ["store.json", "store.json.lock"]);
}

#[test]
fn a_killed_writer_leaves_the_old_or_the_new_file() {
    let place = Place::new();
    let mut random = rand::rng();
    for round in 0..KILLS {
        let mut child = child_with("stamp", &place.store).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut saved: Vec<String> = said.by_ref().take(random.random_range(1..4)).collect();
        (0..random.random_range(0..100_000)).for_each(|_| spin_loop());
        child.kill().unwrap();
        child.wait().unwrap();
        saved.extend(said);
        let saved: u16 = saved
            .last()
            .unwrap()
            .parse()
            .unwrap_or_else(|_| panic!("round {round}: {saved:?}"));
        let found = stamped(&place.store.load().unwrap());
        // The last save may have been done and not told.
        assert!(
            found == saved || found == saved + 1,
            "round {round}: {saved} was saved, {found} is in the file"
        );
    }
    let last = stamped(&place.store.load().unwrap());
    assert_eq!(stamp(&place.store), last + 1);
    assert_eq!(place.names(), ["store.json", "store.json.lock"]);
}

#[test]
fn the_umask_opens_nothing() {
    let place = Place::new();
    let output = child_of_shell(r#"umask 000; exec "$0" "$@""#, "once", &place.store)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(place.names(), ["store.json", "store.json.lock"]);
    assert_eq!(
        (mode(place.store.path()), mode(&place.at("store.json.lock"))),
        (0o600, 0o600)
    );
}

#[test]
fn a_full_disk_leaves_the_old_file_and_no_other() {
    let place = Place::with(ONE_SESSION);
    // A limit on the size of files stands in for a full disk: the write fails in the middle.
    let line = r#"trap "" XFSZ; ulimit -f 2; exec "$0" "$@""#;
    let output = child_of_shell(line, "grow 100000", &place.store)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    let path = place.store.path().display().to_string();
    for words in [
        "cannot write",
        &path,
        "File too large (os error 27)",
        "not saved",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(fs::read_to_string(Path::new(&path)).unwrap(), ONE_SESSION);
    assert_eq!(place.names(), ["store.json", "store.json.lock"]);
    assert!(matches!(grow(&place.store, 100_000), Ok(())));
}
