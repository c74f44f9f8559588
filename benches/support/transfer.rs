//! Files and trees, beside `sftp`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::Measured;
use super::lab::{DEFAULTS, FAR, Lab, NEAR, timed};
use super::mcp::Server;
use super::samples::Samples;
use super::table::{Row, Target};

const MEBIBYTE: usize = 1024 * 1024;
/// Rounds of a large file: each side has its turn in each.
const ROUNDS: usize = 8;
/// Files of the tree.
const TREE_FILES: usize = 2000;
/// Files that `sftp -r` is timed with: all of them would take minutes, at the same rate.
const SFTP_TREE_FILES: usize = 200;
const TREE_FILE_BYTES: usize = 4096;

/// 1 GiB on loopback, with the same cipher.
pub(crate) fn loopback(lab: &mut Lab) -> Measured<Vec<Row>> {
    large(lab, NEAR, 1024, "1 GiB on loopback, same cipher", 1.1, true)
}

/// The same with each side's default ciphers.
pub(crate) fn defaults(lab: &mut Lab) -> Measured<Vec<Row>> {
    large(
        lab,
        DEFAULTS,
        1024,
        "1 GiB on loopback, each side's default cipher",
        1.4,
        true,
    )
}

/// 100 MiB at 50 ms, against a whole run of `sftp`.
pub(crate) fn far(lab: &mut Lab) -> Measured<Vec<Row>> {
    large(
        lab,
        FAR,
        100,
        "100 MiB at 50 ms round trip, against a whole run of `sftp`",
        4.0,
        false,
    )
}

fn large(
    lab: &mut Lab,
    host: &str,
    mebibytes: usize,
    work: &str,
    target: f64,
    transfer_only: bool,
) -> Measured<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let source = directory.path().join("source.bin");
    write_random(&source, mebibytes)?;
    let expected = hash(&source)?;
    let mut server = Server::start(lab)?;
    server.call("ssh_connect", json!({"host": host, "name": "bench"}))?;
    let start = if transfer_only {
        empty_run(lab, host)?
    } else {
        Duration::ZERO
    };
    let mut rows = Vec::new();
    for up in [true, false] {
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        let before = server.memory("VmRSS")?;
        server.reset_peak()?;
        for round in 0..ROUNDS {
            // Who comes first changes, for each leaves caches and free memory to the other.
            for ours_now in [round % 2 == 0, round % 2 == 1] {
                let copy = directory.path().join("copy.bin");
                // Neither side pays for data that the other left to be written.
                rustix::fs::sync();
                if ours_now {
                    ours.push(ours_once(&mut server, up, &source, &copy)?);
                } else {
                    let verb = if up { "put" } else { "get" };
                    let line = format!("{verb} {} {}\n", source.display(), copy.display());
                    theirs.push(sftp(lab, host, &line)?.saturating_sub(start));
                }
                check(&copy, &expected)?;
            }
        }
        let grown = server.memory("VmHWM")?.saturating_sub(before) as f64 / MEBIBYTE as f64;
        let what = if up { "upload" } else { "download" };
        rows.push(row(
            format!("{what}, {work} (resident growth {grown:.0} MB)"),
            mebibytes,
            &ours,
            &theirs,
            target,
        ));
    }
    Ok(rows)
}

fn row(work: String, mebibytes: usize, ours: &Samples, theirs: &Samples, at_least: f64) -> Row {
    let rate = |samples: &Samples| {
        let seconds = samples.median().as_secs_f64();
        let megabytes = (mebibytes * MEBIBYTE) as f64 / 1e6;
        format!("{:.0} MB/s ({seconds:.2} s)", megabytes / seconds)
    };
    let faster = 1.0 / ours.over(theirs);
    Row {
        work,
        ours: rate(ours),
        theirs: Some(rate(theirs)),
        ratio: Some(faster),
        target: Target::at_least(faster, at_least),
    }
}

/// 2,000 small files at 50 ms.
pub(crate) fn tree(lab: &mut Lab) -> Measured<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let (all, some) = (directory.path().join("all"), directory.path().join("some"));
    plant(&all, TREE_FILES)?;
    plant(&some, SFTP_TREE_FILES)?;
    let mut server = Server::start(lab)?;
    server.call("ssh_connect", json!({"host": FAR, "name": "bench"}))?;
    let mut rows = Vec::new();
    for up in [true, false] {
        let what = if up { "upload" } else { "download" };
        let copy = directory.path().join(format!("ours-{what}"));
        let ours = ours_once(&mut server, up, &all, &copy)?;
        same_tree(&all, &copy)?;
        let copy = directory.path().join(format!("theirs-{what}"));
        let verb = if up { "put -r" } else { "get -r" };
        if up {
            fs::create_dir(&copy)?;
        }
        let line = format!("{verb} {} {}\n", some.display(), copy.display());
        let theirs = sftp(lab, FAR, &line)?;
        let inner = if up { copy.join("some") } else { copy };
        same_tree(&some, &inner)?;
        let rate = |files: usize, took: Duration| files as f64 / took.as_secs_f64();
        let (ours, theirs) = (rate(TREE_FILES, ours), rate(SFTP_TREE_FILES, theirs));
        rows.push(Row {
            work: format!(
                "{what}, a tree of {TREE_FILES} files of 4 KiB at 50 ms, against `sftp -r` (timed with {SFTP_TREE_FILES} of them)"
            ),
            ours: format!("{ours:.0} files/s"),
            theirs: Some(format!("{theirs:.1} files/s")),
            ratio: Some(ours / theirs),
            target: Target::at_least(ours / theirs, 30.0),
        });
    }
    Ok(rows)
}

fn ours_once(server: &mut Server, up: bool, from: &Path, to: &Path) -> Measured<Duration> {
    let (tool, local, remote) = match up {
        true => ("ssh_upload", from, to),
        false => ("ssh_download", to, from),
    };
    let arguments = json!({
        "session": "bench",
        "localPath": local,
        "remotePath": remote,
        "recursive": from.is_dir(),
        "waitMs": 50_000,
    });
    let started = tokio::time::Instant::now();
    let result = server.call(tool, arguments)?;
    let took = started.elapsed();
    let state = &result["structuredContent"]["state"];
    if state != "done" {
        return Err(format!("the transfer is {state}").into());
    }
    Ok(took)
}

/// A whole run of `sftp`, the start of the process included.
fn sftp(lab: &Lab, host: &str, line: &str) -> Measured<Duration> {
    let mut batch = tempfile::NamedTempFile::new()?;
    batch.write_all(line.as_bytes())?;
    let mut sftp = Command::new("sftp");
    sftp.arg("-q").arg("-F").arg(lab.ssh_config());
    sftp.arg("-b").arg(batch.path()).arg(host);
    sftp.env_remove("SSH_AUTH_SOCK");
    sftp.stdin(Stdio::null()).stdout(Stdio::null());
    timed(sftp)
}

/// Time of a run of `sftp` that copies nothing.
fn empty_run(lab: &Lab, host: &str) -> Measured<Duration> {
    let mut runs = Samples::default();
    for _ in 0..3 {
        runs.push(sftp(lab, host, "pwd\n")?);
    }
    Ok(runs.median())
}

fn write_random(path: &Path, mebibytes: usize) -> Measured<()> {
    let mut file = fs::File::create(path)?;
    let mut block = vec![0_u8; MEBIBYTE];
    for _ in 0..mebibytes {
        rand::Rng::fill(&mut rand::rng(), &mut block[..]);
        file.write_all(&block)?;
    }
    Ok(())
}

fn plant(root: &Path, files: usize) -> Measured<()> {
    for file in 0..files {
        let directory = root.join(format!("d{}", file % 20));
        fs::create_dir_all(&directory)?;
        let mut content = vec![0_u8; TREE_FILE_BYTES];
        rand::Rng::fill(&mut rand::rng(), &mut content[..]);
        fs::write(directory.join(format!("f{file}")), content)?;
    }
    Ok(())
}

fn hash(path: &Path) -> Measured<Vec<u8>> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_vec())
}

/// Asserts that the arrived bytes are the sent bytes, and removes the file.
fn check(copy: &Path, expected: &[u8]) -> Measured<()> {
    if hash(copy)? != expected {
        return Err(format!("{} is another file", copy.display()).into());
    }
    Ok(fs::remove_file(copy)?)
}

fn same_tree(tree: &Path, copy: &Path) -> Measured<()> {
    for directory in fs::read_dir(tree)? {
        for file in fs::read_dir(directory?.path())? {
            let file = file?.path();
            let there = copy.join(file.strip_prefix(tree)?);
            if hash(&file)? != hash(&there)? {
                return Err(format!("{} is another file", there.display()).into());
            }
        }
    }
    Ok(())
}
