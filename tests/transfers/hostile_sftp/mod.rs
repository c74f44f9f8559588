//! Hosts that do not keep to the protocol: an SSH server in this process, whose SFTP has a fault.

mod server;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_ssh_sessions::demo::{
    CommandRunner, DemoServer, LocalProcess, ServerOptions, generate_key,
};
use russh::keys::ssh_key::LineEnding;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::server::{Fault, HostileSftp, SIZE};
use crate::world::content;
use testkit::client::{Client, error_code, text};
use testkit::readable_directory;

/// The binary, connected to such a host.
struct World {
    client: Client,
    directory: TempDir,
    accepting: AbortHandle,
}

impl Drop for World {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl World {
    async fn start(fault: Fault) -> Self {
        Self::with(Arc::new(HostileSftp(fault))).await
    }

    /// A host that runs this.
    async fn with(runner: Arc<dyn CommandRunner>) -> Self {
        let (host_key, user_key) = (generate_key(), generate_key());
        let options = ServerOptions::new(host_key.clone(), user_key.public_key().clone());
        let server = DemoServer::new(options, runner);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                // The client's side asserts how the connection ended.
                tokio::spawn(async move { drop(server.serve_stream(stream).await) });
            }
        })
        .abort_handle();
        let directory = readable_directory();
        let file = |name: &str| directory.path().join(name);
        let key = user_key.to_openssh(LineEnding::LF).unwrap();
        fs::write(file("key"), key.as_bytes()).unwrap();
        crate::world::set_mode(&file("key"), 0o600);
        let public = host_key.public_key().to_openssh().unwrap();
        fs::write(
            file("known_hosts"),
            format!("[127.0.0.1]:{port} {public}\n"),
        )
        .unwrap();
        let config = format!(
            "Host hostile\nHostName 127.0.0.1\nPort {port}\nUser u\nIdentityFile {}\nIdentitiesOnly yes\n\
             IdentityAgent none\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n",
            file("key").display(),
            file("known_hosts").display(),
        );
        fs::write(file("config"), config).unwrap();
        fs::create_dir_all(file("target/inner")).unwrap();
        let mut client = Client::start(&file("config")).await;
        client
            .succeed("ssh_connect", json!({"host": "hostile"}))
            .await;
        Self {
            client,
            directory,
            accepting,
        }
    }

    fn target(&self) -> PathBuf {
        self.directory.path().join("target/inner")
    }

    async fn download(&mut self, remote: &str, name: &str) -> Value {
        let arguments = json!({
            "remotePath": remote, "localPath": self.target().join(name), "recursive": true,
        });
        self.client.call("ssh_download", arguments).await
    }
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn short_reads_are_asked_again() {
    let mut world = World::start(Fault::ShortReads).await;
    let result = world.download("file", "copy").await;
    assert_ne!(result["isError"], json!(true), "{}", text(&result));
    assert!(fs::read(world.target().join("copy")).unwrap() == content(SIZE));
}

#[tokio::test]
async fn what_breaks_the_protocol_is_an_error_and_leaves_nothing() {
    for (fault, words) in [
        (Fault::TooShort, "changed while it was read"),
        (Fault::TooMuch, "breaks the SFTP protocol"),
        (Fault::HugePacket, "breaks the SFTP protocol"),
        (Fault::WrongAnswer, "breaks the SFTP protocol"),
    ] {
        let mut world = World::start(fault).await;
        let result = world.download("file", "copy").await;
        assert_eq!(
            error_code(&result),
            "remotePathError",
            "{fault:?}: {}",
            text(&result)
        );
        assert!(
            text(&result).contains(words),
            "{fault:?}: {}",
            text(&result)
        );
        assert!(files(&world.target()).is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let mut world = World::start(Fault::Silence).await;
    let arguments =
        json!({"remotePath": "file", "localPath": world.target().join("copy"), "waitMs": 0});
    let begun = Instant::now();
    let record = world.client.succeed("ssh_download", arguments).await;
    let job = record["structuredContent"]["job"].clone();
    let end = loop {
        let arguments = json!({"job": job, "waitMs": 15_000});
        let end = world.client.call("ssh_output", arguments).await;
        if end["_meta"]["mcp-ssh-sessions/result"]["outcome"] != "running" {
            break end;
        }
    };
    assert!(
        text(&end).contains("not answered for 30 s"),
        "{}",
        text(&end)
    );
    assert!(
        begun.elapsed() < Duration::from_secs(45),
        "{:?}",
        begun.elapsed()
    );
    assert!(files(&world.target()).is_empty());
}

#[tokio::test]
async fn listings_without_end_end_at_a_limit() {
    for fault in [Fault::EndlessListing, Fault::EndlessDepth] {
        let mut world = World::start(fault).await;
        let result = world.download("tree", "copy").await;
        assert_eq!(
            error_code(&result),
            "limitExceeded",
            "{fault:?}: {}",
            text(&result)
        );
        assert!(!world.target().join("copy").exists());
        assert!(world.client.peak_memory() < 160 * 1024 * 1024, "{fault:?}");
    }
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    let names: [&[u8]; 6] = [
        b"../evil",
        b"/etc/evil",
        b"a/b",
        b"",
        b"a\0b",
        b"sub/../../evil",
    ];
    for name in names {
        let mut world = World::start(Fault::Name(name)).await;
        let result = world.download("tree", "copy").await;
        assert_eq!(error_code(&result), "remotePathError", "{}", text(&result));
        assert!(
            text(&result).contains("impossible name"),
            "{}",
            text(&result)
        );
        assert!(!text(&result).contains('\x1b'));
        let below = files(&world.directory.path().join("target"));
        assert!(below.is_empty(), "{below:?}");
    }
    // A name that a terminal would act on is only a name.
    let mut world = World::start(Fault::Name(b"\x1b[2Jx\n")).await;
    let result = world.download("tree", "copy").await;
    assert_ne!(result["isError"], json!(true), "{}", text(&result));
    assert_eq!(files(&world.target()).len(), 1);
}

#[tokio::test]
async fn a_server_without_posix_rename_replaces_a_file_in_steps() {
    let remote = readable_directory();
    let mut world = World::with(Arc::new(LocalProcess::new(remote.path()))).await;
    let source = world.directory.path().join("source");
    for (round, bytes) in [content(10), content(700_000), content(5)]
        .iter()
        .enumerate()
    {
        fs::write(&source, bytes).unwrap();
        let arguments = json!({"localPath": source, "remotePath": "file", "verify": "sha256"});
        let result = world.client.succeed("ssh_upload", arguments).await;
        assert!(fs::read(remote.path().join("file")).unwrap() == *bytes);
        assert_eq!(
            text(&result).contains("no posix-rename"),
            round > 0,
            "{}",
            text(&result)
        );
        assert_eq!(files(remote.path()).len(), 1, "nothing is left behind");
    }
    let arguments = json!({"localPath": source, "remotePath": "file", "overwrite": false});
    let result = world.client.call("ssh_upload", arguments).await;
    assert_eq!(error_code(&result), "remotePathError", "{}", text(&result));
}
