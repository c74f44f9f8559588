//! A host that does not keep to the protocol: an SSH server in this process, whose SFTP lies.

use std::collections::HashSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mcp_ssh_sessions::demo::{
    BoxFuture, CommandIo, CommandRunner, DemoServer, Exit, LocalProcess, ServerOptions,
    generate_key,
};
use russh::keys::ssh_key::LineEnding;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::world::content;
use testkit::client::{Client, error_code, text};
use testkit::readable_directory;

/// The faults of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Reads answer with less than was asked for, as they may.
    ShortReads,
    /// The file ends before its size.
    TooShort,
    /// Reads answer with more than was asked for.
    TooMuch,
    /// A listing has no end.
    EndlessListing,
    /// A directory holds a directory holds a directory.
    EndlessDepth,
    /// A listing holds this name.
    Name(&'static [u8]),
    /// A packet claims to be huge.
    HugePacket,
    /// A handle for a question about attributes.
    WrongAnswer,
    /// Reads are never answered.
    Silence,
}

const SIZE: usize = 100_000;

struct Liar(Lie);

impl CommandRunner for Liar {
    fn run(&self, _command: Bytes, _io: CommandIo) -> BoxFuture<Exit> {
        Box::pin(async { Exit::Status(127) })
    }

    fn has_subsystem(&self, name: &str) -> bool {
        name == "sftp"
    }

    fn run_subsystem(&self, _name: String, io: CommandIo) -> BoxFuture<Exit> {
        Box::pin(serve(self.0, io))
    }
}

async fn serve(lie: Lie, mut io: CommandIo) -> Exit {
    let mut buffer = BytesMut::new();
    // Directories of which the first part was told.
    let mut listed = HashSet::new();
    while let Some(chunk) = io.stdin.recv().await {
        buffer.extend_from_slice(&chunk);
        while buffer.len() >= 4 {
            let length = u32::from_be_bytes(buffer[..4].try_into().unwrap()) as usize;
            if buffer.len() < 4 + length {
                break;
            }
            let mut packet = buffer.split_to(4 + length).freeze();
            packet.advance(4);
            if lie == Lie::Silence && packet[0] == 5 {
                continue;
            }
            let answer = answer(lie, packet, &mut listed);
            let mut frame = BytesMut::new();
            frame.put_u32(answer.len() as u32);
            if lie == Lie::HugePacket && answer[0] == 105 {
                frame.clear();
                frame.put_u32(0x7fff_ffff);
            }
            frame.extend_from_slice(&answer);
            if io.stdout.send(frame.freeze()).await.is_err() {
                return Exit::Status(1);
            }
        }
    }
    Exit::Status(0)
}

fn take_string(packet: &mut Bytes) -> Bytes {
    let length = packet.get_u32() as usize;
    packet.split_to(length)
}

fn answer(lie: Lie, mut packet: Bytes, listed: &mut HashSet<Bytes>) -> Vec<u8> {
    let kind = packet.get_u8();
    let mut out = Vec::new();
    if kind == 1 {
        out.extend([2, 0, 0, 0, 3]);
        return out;
    }
    let id = packet.get_u32();
    let first = take_string(&mut packet);
    let mut begin = |kind: u8| {
        out.put_u8(kind);
        out.put_u32(id);
    };
    let is_tree = first.ends_with(b"tree") || first.ends_with(b"x");
    match kind {
        // OPEN, OPENDIR: the path is the handle.
        3 | 11 => {
            begin(102);
            put_string(&mut out, &first);
        }
        // STAT, LSTAT, FSTAT.
        7 | 8 | 17 if lie == Lie::WrongAnswer => {
            begin(102);
            put_string(&mut out, b"h");
        }
        7 | 8 | 17 => {
            begin(105);
            put_attributes(&mut out, is_tree);
        }
        5 => {
            let offset = packet.get_u64() as usize;
            let length = packet.get_u32() as usize;
            let file = content(SIZE);
            let end = match lie {
                Lie::ShortReads => offset + length.min(777),
                Lie::TooMuch => offset + length + 10,
                _ => offset + length,
            };
            let last = if lie == Lie::TooShort { SIZE / 2 } else { SIZE };
            if offset >= last {
                begin(101);
                out.put_u32(1);
                return out;
            }
            begin(103);
            let mut data = file[offset..end.min(last)].to_vec();
            if lie == Lie::TooMuch {
                data.resize(end - offset, 0);
            }
            put_string(&mut out, &data);
        }
        12 => names(lie, id, listed.insert(first), &mut out),
        // CLOSE and requests that change something.
        4 | 6 | 9 | 10 | 13 | 14 | 15 | 18 | 20 => {
            begin(101);
            out.put_u32(0);
        }
        _ => {
            begin(101);
            out.put_u32(8);
        }
    }
    out
}

/// One part of a listing; where it has an end, the first part is all of it.
fn names(lie: Lie, id: u32, is_first: bool, out: &mut Vec<u8>) {
    let entries: Vec<(Vec<u8>, bool)> = match lie {
        Lie::EndlessListing => (0..500)
            .map(|number| {
                (
                    format!("n{number}-{}", rand::random::<u64>()).into_bytes(),
                    false,
                )
            })
            .collect(),
        Lie::EndlessDepth => vec![(b"x".to_vec(), true)],
        Lie::Name(name) => vec![(name.to_vec(), false)],
        _ => Vec::new(),
    };
    if lie != Lie::EndlessListing && !is_first {
        out.put_u8(101);
        out.put_u32(id);
        out.put_u32(1);
        return;
    }
    out.put_u8(104);
    out.put_u32(id);
    out.put_u32(entries.len() as u32);
    for (name, is_directory) in entries {
        put_string(out, &name);
        put_string(out, b"-rw-r--r-- \x1b[2J");
        put_attributes(out, is_directory);
    }
}

fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    out.put_u32(string.len() as u32);
    out.extend_from_slice(string);
}

fn put_attributes(out: &mut Vec<u8>, is_directory: bool) {
    out.put_u32(1 | 4 | 8);
    out.put_u64(SIZE as u64);
    out.put_u32(if is_directory { 0o040_755 } else { 0o100_644 });
    out.put_u32(1_000_000_000);
    out.put_u32(1_000_000_000);
}

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
    async fn start(lie: Lie) -> Self {
        Self::with(Arc::new(Liar(lie))).await
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
            "Host liar\nHostName 127.0.0.1\nPort {port}\nUser u\nIdentityFile {}\nIdentitiesOnly yes\n\
             IdentityAgent none\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n",
            file("key").display(),
            file("known_hosts").display(),
        );
        fs::write(file("config"), config).unwrap();
        fs::create_dir_all(file("target/inner")).unwrap();
        let mut client = Client::start(&file("config")).await;
        client.succeed("ssh_connect", json!({"host": "liar"})).await;
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
    let mut world = World::start(Lie::ShortReads).await;
    let result = world.download("file", "copy").await;
    assert_ne!(result["isError"], json!(true), "{}", text(&result));
    assert!(fs::read(world.target().join("copy")).unwrap() == content(SIZE));
}

#[tokio::test]
async fn what_breaks_the_protocol_is_an_error_and_leaves_nothing() {
    for (lie, words) in [
        (Lie::TooShort, "changed while it was read"),
        (Lie::TooMuch, "breaks the SFTP protocol"),
        (Lie::HugePacket, "breaks the SFTP protocol"),
        (Lie::WrongAnswer, "breaks the SFTP protocol"),
    ] {
        let mut world = World::start(lie).await;
        let result = world.download("file", "copy").await;
        assert_eq!(
            error_code(&result),
            "remotePathError",
            "{lie:?}: {}",
            text(&result)
        );
        assert!(text(&result).contains(words), "{lie:?}: {}", text(&result));
        assert!(files(&world.target()).is_empty(), "{lie:?}");
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let mut world = World::start(Lie::Silence).await;
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
    for lie in [Lie::EndlessListing, Lie::EndlessDepth] {
        let mut world = World::start(lie).await;
        let result = world.download("tree", "copy").await;
        assert_eq!(
            error_code(&result),
            "limitExceeded",
            "{lie:?}: {}",
            text(&result)
        );
        assert!(!world.target().join("copy").exists());
        assert!(world.client.peak_memory() < 160 * 1024 * 1024, "{lie:?}");
    }
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    let lies: [&[u8]; 6] = [
        b"../evil",
        b"/etc/evil",
        b"a/b",
        b"",
        b"a\0b",
        b"sub/../../evil",
    ];
    for name in lies {
        let mut world = World::start(Lie::Name(name)).await;
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
    let mut world = World::start(Lie::Name(b"\x1b[2Jx\n")).await;
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
