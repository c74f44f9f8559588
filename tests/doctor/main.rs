//! `doctor`: every problem is named with its fix, each step with a host is reported, and nothing is changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows only test functions as tests, and helpers of these are none"
)]

mod host;
mod local;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use testkit::{bounded, set_mode};
use tokio::process::Command;

/// Output of `doctor`.
struct Said {
    text: String,
    code: Option<i32>,
}

impl Said {
    /// The lines of a subject.
    fn about(&self, subject: &str) -> Vec<&str> {
        let is_about = |line: &&str| {
            let rest = line.split_once(' ').map_or("", |(_, rest)| rest);
            rest.strip_prefix(subject)
                .is_some_and(|rest| rest.starts_with(' '))
        };
        self.text.lines().filter(is_about).collect()
    }

    /// Asserts that a subject has a line with this sign and these words.
    fn assert(&self, sign: char, subject: &str, words: &str) {
        let lines = self.about(subject);
        let found = |line: &&str| line.starts_with(sign) && line.contains(words);
        assert!(
            lines.iter().any(found),
            "no {sign} {subject} with {words:?}:\n{}",
            self.text
        );
    }

    fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{}", self.text);
    }
}

/// A home directory whose configuration names every file, so that the real one stays out.
struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(".ssh")).unwrap();
        let home = Self { directory };
        home.write_config("");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the configuration: the lines of the test, then those that keep the machine's files out.
    fn write_config(&self, lines: &str) {
        let text = format!(
            "{lines}\n\
             Host *\n\
             UserKnownHostsFile {}\n\
             GlobalKnownHostsFile none\n\
             IdentityFile {}\n",
            self.path(".ssh/known_hosts").display(),
            self.path(".ssh/id").display(),
        );
        fs::write(self.path(".ssh/config"), text).unwrap();
    }

    fn make_key(&self, name: &str) -> PathBuf {
        let path = self.path(".ssh").join(name);
        let mut keygen = std::process::Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        testkit::run(keygen.arg(&path));
        path
    }

    fn doctor(&self) -> Doctor {
        Doctor::new(self.directory.path(), &self.path(".ssh/config"))
    }
}

/// A run of `doctor`.
struct Doctor {
    home: PathBuf,
    command: Command,
}

impl Doctor {
    /// Nothing of the test's own environment but PATH.
    fn new(home: &Path, config: &Path) -> Self {
        let mut command = Command::new(testkit::binary());
        command
            .arg("doctor")
            .env_clear()
            .env("MCP_SSH_CONFIG", config)
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home)
            // An empty place, so that no agent of the desktop is found.
            .env("XDG_RUNTIME_DIR", home)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self {
            home: home.to_owned(),
            command,
        }
    }

    fn env(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        self.command.env(name, value.as_ref());
        self
    }

    /// Runs `doctor` and asserts that the home directory is unchanged.
    async fn examine(mut self, host: Option<&str>) -> Said {
        let before = snapshot(&self.home);
        self.command.args(host);
        let output = bounded("doctor", self.command.output()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{text}");
        assert_eq!(snapshot(&self.home), before, "{text}");
        assert!(!text.contains('\x1b'), "{text}");
        Said {
            text,
            code: output.status.code(),
        }
    }
}

/// Every file below a directory, with its mode, the time of its last change and its content.
fn snapshot(directory: &Path) -> BTreeMap<PathBuf, (u32, i64, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            if metadata.is_dir() {
                directories.push(path.clone());
            }
            files.insert(path, (metadata.mode(), metadata.mtime_nsec(), content));
        }
    }
    files
}

/// An empty directory.
fn empty_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o755);
    directory
}
