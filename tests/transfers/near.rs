//! Short links: a large file goes over several channels, and to the disk of the host during the transfer.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::world::{World, content};
use testkit::{eventually, readable_directory};

const MEBIBYTE: usize = 1024 * 1024;

/// Requests of one SFTP process of the host for the file.
#[derive(Debug, Default)]
struct Work {
    read: u64,
    written: u64,
    syncs: usize,
}

/// sshd_config(5) whose SFTP processes each log to a file of their own in this directory.
fn logging(directory: &Path) -> String {
    format!(
        "MaxSessions 10\nSubsystem sftp exec /usr/lib/openssh/sftp-server -e -l VERBOSE 2>{}/$$.log",
        directory.display()
    )
}

/// Logs of the processes so far, without idle processes.
fn work(directory: &Path) -> Vec<Work> {
    let logs = fs::read_dir(directory).unwrap();
    let works = logs.map(|log| work_of(&fs::read_to_string(log.unwrap().path()).unwrap()));
    works
        .filter(|work| work.read + work.written > 0 || work.syncs > 0)
        .collect()
}

/// Reads lines such as `close "NAME" bytes read 0 written 5` and `fsync "NAME"`.
fn work_of(log: &str) -> Work {
    let mut work = Work::default();
    for line in log.lines() {
        work.syncs += usize::from(line.starts_with("fsync "));
        let Some((_, counts)) = line.split_once(" bytes read ") else {
            continue;
        };
        let (read, written) = counts.split_once(" written ").unwrap();
        work.read += read.parse::<u64>().unwrap();
        work.written += written.trim().parse::<u64>().unwrap();
    }
    work
}

/// A few commands, after which the round trip is known however busy the machine is.
async fn look_around(world: &mut World) {
    for _ in 0..10 {
        let nothing = json!({"command": "true"});
        world.client.succeed("ssh_exec", nothing).await;
    }
}

#[tokio::test]
async fn a_large_file_goes_over_several_channels_and_is_synced_on_the_way() {
    let logs = readable_directory();
    let mut world = World::with(&logging(logs.path())).await;
    look_around(&mut world).await;
    let bytes = content(256 * MEBIBYTE);
    fs::write(world.here("a.bin"), &bytes).unwrap();
    world.upload("a.bin", "b.bin", json!({})).await;
    assert!(fs::read(world.there("b.bin")).unwrap() == bytes);
    // The processes log their end.
    let close = json!({"session": "web"});
    world.client.succeed("ssh_disconnect", close).await;
    let uploaded = || work(logs.path());
    let all = |works: &[Work]| works.iter().map(|work| work.written).sum::<u64>();
    eventually("the processes to end", || {
        all(&uploaded()) == bytes.len() as u64
            && uploaded()
                .iter()
                .any(|work| work.written == 0 && work.syncs > 0)
    })
    .await;
    let works = uploaded();
    let carriers = works.iter().filter(|work| work.written > 0);
    assert!(carriers.clone().count() >= 2, "{works:?}");
    assert!(carriers.clone().all(|work| work.syncs == 1), "{works:?}");
}

#[tokio::test]
async fn a_large_file_comes_over_several_channels() {
    let logs = readable_directory();
    let mut world = World::with(&logging(logs.path())).await;
    look_around(&mut world).await;
    let bytes = content(100 * MEBIBYTE + 7);
    fs::write(world.there("a.bin"), &bytes).unwrap();
    world.download("a.bin", "b.bin", json!({})).await;
    assert!(fs::read(world.here("b.bin")).unwrap() == bytes);
    let close = json!({"session": "web"});
    world.client.succeed("ssh_disconnect", close).await;
    let read = || work(logs.path()).iter().map(|work| work.read).sum::<u64>();
    eventually("the processes to end", || read() == bytes.len() as u64).await;
    let works = work(logs.path());
    assert!(
        works.iter().filter(|work| work.read > 0).count() >= 2,
        "{works:?}"
    );
}

#[tokio::test]
async fn a_server_with_few_channels_gets_a_large_file_over_those() {
    for sessions in [1, 2, 3, 4] {
        let mut world = World::with(&format!("MaxSessions {sessions}")).await;
        let bytes = content(130 * MEBIBYTE);
        world.there_and_back(&bytes).await;
        assert!(world.litter().is_empty(), "{:?}", world.litter());
    }
}
