//! The binary on stdio with a real sshd, and a directory for each side.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use testkit::client::{Client, error_code, text};
use testkit::link::TcpLink;
use testkit::readable_directory;
use testkit::sshd::Sshd;

/// A server with the session `web`, and the host.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) sshd: Sshd,
    /// The link between both, where a test disturbs the connection.
    pub(crate) link: Option<TcpLink>,
    directory: TempDir,
}

impl World {
    /// A host with sshd's defaults.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// A host with lines of sshd_config(5) of its own.
    pub(crate) async fn with(config: &str) -> Self {
        let sshd = Sshd::builder().config(config).start().await;
        Self::of(sshd, None, &[]).await
    }

    /// A host behind a link that can be disturbed.
    pub(crate) async fn linked() -> Self {
        Self::linked_with("").await
    }

    /// The same with lines of sshd_config(5).
    pub(crate) async fn linked_with(config: &str) -> Self {
        let sshd = Sshd::builder().config(config).start().await;
        let link = TcpLink::start(sshd.address()).await;
        Self::of(sshd, Some(link), &[]).await
    }

    /// A host that is 20 ms away from the first packet on, with lines of sshd_config(5).
    pub(crate) async fn far(config: &str) -> Self {
        let sshd = Sshd::builder().config(config).start().await;
        let link = TcpLink::start(sshd.address()).await;
        link.link.set_delay(Duration::from_millis(10));
        Self::of(sshd, Some(link), &[]).await
    }

    /// The same with arguments for the binary.
    pub(crate) async fn with_arguments(arguments: &[&str]) -> Self {
        Self::of(Sshd::start_default().await, None, arguments).await
    }

    async fn of(sshd: Sshd, link: Option<TcpLink>, arguments: &[&str]) -> Self {
        let port = link.as_ref().map_or(sshd.port(), TcpLink::port);
        let config = sshd.ssh_config_with(&format!("Port {port}"));
        // The key of a server is recorded for its own port.
        let known_hosts = sshd.home().join(".ssh/known_hosts");
        let recorded = fs::read_to_string(&known_hosts).unwrap();
        let renamed = recorded.replace(&format!(":{}", sshd.port()), &format!(":{port}"));
        fs::write(&known_hosts, recorded + &renamed).unwrap();
        let directory = readable_directory();
        for side in ["here", "there"] {
            fs::create_dir(directory.path().join(side)).unwrap();
        }
        let mut builder = Client::builder().ssh_config(&config);
        for argument in arguments {
            builder =
                builder.arg(argument.replace("HERE", &directory.path().display().to_string()));
        }
        let mut client = builder.start();
        client.initialize().await;
        let mut world = Self {
            client,
            sshd,
            link,
            directory,
        };
        world.connect("web", json!({})).await;
        world
    }

    pub(crate) async fn connect(&mut self, name: &str, more: Value) {
        let arguments = merged(json!({"host": "test", "name": name}), more);
        self.client.succeed("ssh_connect", arguments).await;
    }

    /// A path at this side.
    pub(crate) fn here(&self, name: &str) -> PathBuf {
        self.directory.path().join("here").join(name)
    }

    /// A path at the host's side.
    pub(crate) fn there(&self, name: &str) -> PathBuf {
        self.directory.path().join("there").join(name)
    }

    /// Temporary and partial files in the two directories.
    pub(crate) fn litter(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for side in ["here", "there"] {
            collect_hidden(&self.directory.path().join(side), &mut found);
        }
        found
    }

    pub(crate) fn upload_arguments(&self, from: &str, to: &str, more: Value) -> Value {
        let paths = json!({"localPath": self.here(from), "remotePath": self.there(to)});
        merged(paths, more)
    }

    pub(crate) fn download_arguments(&self, from: &str, to: &str, more: Value) -> Value {
        let paths = json!({"localPath": self.here(to), "remotePath": self.there(from)});
        merged(paths, more)
    }

    /// An upload that must succeed; returns its record.
    pub(crate) async fn upload(&mut self, from: &str, to: &str, more: Value) -> Value {
        let arguments = self.upload_arguments(from, to, more);
        let result = self.client.succeed("ssh_upload", arguments).await;
        result["structuredContent"].clone()
    }

    /// A download that must succeed; returns its record.
    pub(crate) async fn download(&mut self, from: &str, to: &str, more: Value) -> Value {
        let arguments = self.download_arguments(from, to, more);
        let result = self.client.succeed("ssh_download", arguments).await;
        result["structuredContent"].clone()
    }

    /// Carries `a.bin` with these bytes to the host and back again; a command works then: warm channels do not stand
    /// in its way.
    pub(crate) async fn there_and_back(&mut self, bytes: &[u8]) {
        fs::write(self.here("a.bin"), bytes).unwrap();
        self.upload("a.bin", "a.bin", json!({})).await;
        assert!(fs::read(self.there("a.bin")).unwrap() == bytes);
        self.download("a.bin", "b.bin", json!({})).await;
        assert!(fs::read(self.here("b.bin")).unwrap() == bytes);
        let echo = json!({"command": "echo alive"});
        self.client.succeed("ssh_exec", echo).await;
    }

    /// An upload that must fail with this code and these words.
    pub(crate) async fn upload_fails(
        &mut self,
        from: &str,
        to: &str,
        more: Value,
        code: &str,
        words: &[&str],
    ) {
        let arguments = self.upload_arguments(from, to, more);
        self.fails("ssh_upload", arguments, code, words).await;
    }

    /// A download that must fail with this code and these words.
    pub(crate) async fn download_fails(
        &mut self,
        from: &str,
        to: &str,
        more: Value,
        code: &str,
        words: &[&str],
    ) {
        let arguments = self.download_arguments(from, to, more);
        self.fails("ssh_download", arguments, code, words).await;
    }

    pub(crate) async fn fails(&mut self, tool: &str, arguments: Value, code: &str, words: &[&str]) {
        let result = self.client.call(tool, arguments).await;
        assert_eq!(error_code(&result), code, "{}", text(&result));
        for word in words {
            assert!(text(&result).contains(word), "{word:?}: {}", text(&result));
        }
    }
}

fn merged(mut arguments: Value, more: Value) -> Value {
    for (name, value) in more.as_object().expect("parameters") {
        arguments[name] = value.clone();
    }
    arguments
}

fn collect_hidden(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            collect_hidden(&path, found);
        } else if name.ends_with(".part") || name.ends_with(".partial") {
            found.push(path);
        }
    }
}

/// Bytes that do not repeat within any block.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Permissions and modification time of a path.
pub(crate) fn mode_and_time(path: &Path) -> (u32, i64) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.permissions().mode() & 0o7777, metadata.mtime())
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Sets the modification time of a path.
pub(crate) fn set_time(path: &Path, seconds: u64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    let times = fs::FileTimes::new().set_modified(time).set_accessed(time);
    fs::File::open(path).unwrap().set_times(times).unwrap();
}
