//! Where the path of the store may lead, and where not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use mcp_ssh_sessions::store::{Store, StoreError};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{ONE_SESSION, Place, add, refused};

#[test]
fn a_link_to_the_users_own_file_stays_a_link() {
    let place = Place::new();
    fs::create_dir(place.at("dotfiles")).unwrap();
    let real = place.at("dotfiles/real.json");
    fs::write(&real, ONE_SESSION).unwrap();
    symlink("dotfiles/hop.json", place.store.path()).unwrap();
    symlink("real.json", place.at("dotfiles/hop.json")).unwrap();
    add(&place.store, "db").unwrap();
    assert!(
        fs::symlink_metadata(place.store.path())
            .unwrap()
            .is_symlink()
    );
    assert!(fs::symlink_metadata(&real).unwrap().is_file());
    assert_eq!(Store::new(&real).load().unwrap().sessions.len(), 2);
    assert_eq!(place.store.load().unwrap().sessions.len(), 2);
    // Both paths lock the same file.
    assert_eq!(place.names(), ["dotfiles", "store.json"]);
    assert!(place.at("dotfiles/real.json.lock").is_file());
}

#[test]
fn a_second_hard_link_keeps_the_old_content() {
    let place = Place::with(ONE_SESSION);
    fs::hard_link(place.store.path(), place.at("other")).unwrap();
    add(&place.store, "db").unwrap();
    assert_eq!(fs::read_to_string(place.at("other")).unwrap(), ONE_SESSION);
    assert_eq!(place.store.load().unwrap().sessions.len(), 2);
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    type Make = fn(&Place);
    let make: [(&str, Make, &str); 8] = [
        (
            "directory",
            |place| fs::create_dir(place.store.path()).unwrap(),
            "it is a directory",
        ),
        ("fifo", |place| fifo(place.store.path()), "it is a fifo"),
        (
            "socket",
            |place| drop(std::os::unix::net::UnixListener::bind(place.store.path()).unwrap()),
            "it is a socket",
        ),
        (
            "link to a device",
            |place| symlink("/dev/null", place.store.path()).unwrap(),
            "it is a device",
        ),
        (
            "link to nothing",
            |place| symlink("gone", place.store.path()).unwrap(),
            "which does not exist",
        ),
        (
            "link to itself",
            |place| symlink("store.json", place.store.path()).unwrap(),
            "follow each other",
        ),
        (
            "link to a fifo",
            |place| {
                fifo(&place.at("pipe"));
                symlink("pipe", place.store.path()).unwrap();
            },
            "it is a fifo",
        ),
        (
            "link to /proc",
            |place| symlink("/proc/self", place.store.path()).unwrap(),
            "it is a directory",
        ),
    ];
    for (case, make, words) in make {
        let place = Place::new();
        make(&place);
        let names = place.names();
        let (load, update) = refused(&place.store);
        for error in [load.unwrap_err(), update] {
            assert!(
                matches!(error, StoreError::Refused { .. }),
                "{case}: {error:?}"
            );
            assert!(error.to_string().contains(words), "{case}: {error}");
        }
        assert_eq!(place.names(), names, "{case}");
    }
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

#[test]
fn files_links_and_directories_of_others_are_refused() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give files away; everybody has a file of root's at hand.
        let (load, update) = refused(&Store::new("/etc/passwd"));
        assert!(
            [load.unwrap_err(), update]
                .iter()
                .all(|error| error.to_string().contains("belongs to uid 0"))
        );
        return;
    }
    let give_away = |path: &Path| std::os::unix::fs::lchown(path, Some(65534), None).unwrap();
    let file = Place::with(ONE_SESSION);
    give_away(file.store.path());
    let link = Place::new();
    fs::write(link.at("real"), ONE_SESSION).unwrap();
    symlink("real", link.store.path()).unwrap();
    give_away(link.store.path());
    for place in [&file, &link] {
        let (load, update) = refused(&place.store);
        assert!(
            [load.unwrap_err(), update]
                .iter()
                .all(|error| error.to_string().contains("belongs to uid 65534"))
        );
    }
    let directory = Place::with(ONE_SESSION);
    give_away(directory.directory.path());
    let (load, update) = refused(&directory.store);
    assert_eq!(load.unwrap().sessions.len(), 1);
    assert!(
        update
            .to_string()
            .contains("the directory belongs to uid 65534"),
        "{update}"
    );
    assert_eq!(directory.names(), ["store.json"]);
}

#[test]
fn a_directory_open_to_everybody_is_not_written_to_unless_sticky() {
    let place = Place::with(ONE_SESSION);
    let chmod = |mode| {
        fs::set_permissions(place.directory.path(), fs::Permissions::from_mode(mode)).unwrap()
    };
    chmod(0o777);
    let (load, update) = refused(&place.store);
    assert_eq!(load.unwrap().sessions.len(), 1);
    assert!(update.to_string().contains("chmod o-w"), "{update}");
    assert_eq!(place.names(), ["store.json"]);
    chmod(0o1777);
    add(&place.store, "db").unwrap();
    assert_eq!(place.store.load().unwrap().sessions.len(), 2);
}

#[test]
fn places_that_cannot_be_written_are_told_with_path_and_reason() {
    let place = Place::new();
    fs::write(place.at("file"), "").unwrap();
    let long = place.at(&"n".repeat(252));
    let cases = [
        (place.at("file/store.json"), false, "Not a directory"),
        (place.at(&"n".repeat(300)), false, "File name too long"),
        (long, true, "File name too long"),
        (
            place.at("missing/store.json"),
            true,
            "No such file or directory",
        ),
        (
            PathBuf::from("/proc/mcp-ssh-sessions-test.json"),
            true,
            "(os error",
        ),
    ];
    for (path, readable, words) in cases {
        let (load, update) = refused(&Store::new(&path));
        assert_eq!(load.is_ok(), readable, "{path:?}: {load:?}");
        let message = update.to_string();
        assert!(matches!(update, StoreError::Io { .. }), "{message}");
        assert!(
            message.contains(words) && message.contains("not saved"),
            "{message}"
        );
        assert!(
            message.contains(&*path.parent().unwrap().to_string_lossy()),
            "{message}"
        );
    }
    assert_eq!(place.names(), ["file"]);
    for path in ["", "/", "..", "dir/.."] {
        let (load, update) = refused(&Store::new(path));
        for error in [load.unwrap_err(), update] {
            assert!(
                error.to_string().contains("names no file"),
                "{path}: {error}"
            );
        }
    }
}

#[test]
fn a_lock_that_is_no_file_is_refused() {
    let make: [fn(&Path); 3] = [
        |path| fs::create_dir(path).unwrap(),
        |path| fifo(path),
        |path| symlink("victim", path).unwrap(),
    ];
    for make in make {
        let place = Place::with(ONE_SESSION);
        make(&place.at("store.json.lock"));
        let (load, update) = refused(&place.store);
        assert_eq!(load.unwrap().sessions.len(), 1);
        assert!(update.to_string().contains("store.json.lock"), "{update}");
        assert_eq!(place.names(), ["store.json", "store.json.lock"]);
    }
}
