//! SHA-256 of files, on this machine and on the host.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::blocking::run_blocking;
use super::error::TransferError;
use super::host::Host;
use crate::limits;
use crate::output::Stream;
use crate::ssh::command::{quote, token};
use crate::ssh::exec::{self, Feed, Input};
use crate::ssh::script;
use crate::ssh::sftp::Sftp;
use crate::ssh::sftp::read_block::read_full_block;

/// The script that hashes a file on the host, as a word for its login shell.
static SCRIPT: LazyLock<String> =
    LazyLock::new(|| quote(&script::one_line(include_str!("hash_file.sh"))));

/// Bytes of the output of [`SCRIPT`] that are kept.
const ANSWER_MAX_BYTES: usize = 4096;
/// Bytes per second that a slow host hashes.
const SLOW_BYTES_A_SECOND: u64 = 20_000_000;
/// Smaller files are read back, in bytes: starting a command takes longer.
const READ_BACK_BELOW_BYTES: u64 = 512 * 1024;
/// Bytes of a local file that are read and hashed in a step.
const BLOCK_BYTES: usize = 256 * 1024;

/// A SHA-256 hash in lower-case hexadecimal digits.
pub(super) type Hash = String;

fn to_hex(hash: impl AsRef<[u8]>) -> Hash {
    hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Hashes the first `length` bytes of a local file; `None` if the file is shorter.
pub(super) fn hash_file(file: &File, length: u64) -> io::Result<Option<Hash>> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut offset = 0;
    while offset < length {
        let wanted = (length - offset).min(BLOCK_BYTES as u64) as usize;
        let read = file.read_at(&mut block[..wanted], offset)?;
        if read == 0 {
            return Ok(None);
        }
        hasher.update(&block[..read]);
        offset += read as u64;
    }
    Ok(Some(to_hex(hasher.finalize())))
}

/// Hashes bytes in memory.
pub(super) fn hash_bytes<'a>(pieces: impl IntoIterator<Item = &'a Bytes>) -> Hash {
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update(piece);
    }
    to_hex(hasher.finalize())
}

/// How the hash of a file on the host was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HashMethod {
    /// This program on the host hashed the file.
    Program(&'static str),
    /// The file was downloaded and hashed here.
    ReadBack,
}

impl HashMethod {
    /// The remark for the caller.
    pub(super) fn description(self) -> String {
        match self {
            Self::Program(name) => format!("sha256 was computed on the host by {name}"),
            Self::ReadBack => "sha256 was computed by reading the file back".to_owned(),
        }
    }
}

/// Compares the first `length` bytes of a file on the host with a hash. A mismatch that a program on the host
/// reports is verified by reading the file back: with a chroot of the SFTP server, the program sees another file.
pub(super) async fn remote_matches(
    host: &Host,
    path: &str,
    length: u64,
    expected: &Hash,
) -> Result<(bool, HashMethod), TransferError> {
    if length >= READ_BACK_BELOW_BYTES
        && let Some((hash, program)) = hash_by_program(host, path, length).await
        && hash == *expected
    {
        return Ok((true, HashMethod::Program(program)));
    }
    let hash = hash_by_reading(&host.sftp, path, length).await?;
    Ok((hash.as_ref() == Some(expected), HashMethod::ReadBack))
}

/// Has a program on the host hash the file; `None` without such a program, or for an unexpected answer.
async fn hash_by_program(host: &Host, path: &str, length: u64) -> Option<(Hash, &'static str)> {
    let channels = host.pool.channels();
    let deadline = Instant::now() + limits::CHANNEL_OPEN_TIMEOUT;
    let lease = channels.acquire(deadline).await.ok()?;
    let token = token();
    let line = format!("exec sh -c {} {token} {length}", *SCRIPT);
    let started = exec::start(channels, lease, &line, None).await.ok()?;
    let (sender, input) = mpsc::channel(1);
    let (_no_signals, signals) = mpsc::channel(1);
    // Cannot fail: the queue is empty and its receiver is alive. Dropping the sender ends the input.
    let _ = sender.try_send(Input::Data(Bytes::copy_from_slice(path.as_bytes())));
    drop(sender);
    let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
    let kept = Arc::clone(&answer);
    let stop = host.over.child_token();
    // In a separate task, which closes its channel also when this transfer is dropped.
    let running = tokio::spawn(started.run_to_end(Feed { input, signals }, stop.clone(), {
        move |stream, bytes| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if stream == Stream::Stdout && kept.len() + bytes.len() <= ANSWER_MAX_BYTES {
                kept.extend_from_slice(bytes);
            }
        }
    }));
    let limit = limits::REMOTE_HASH_TIMEOUT + Duration::from_secs(length / SLOW_BYTES_A_SECOND);
    if timeout(limit, running).await.is_err() {
        stop.cancel();
        return None;
    }
    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
    parse_answer(&String::from_utf8_lossy(&answer), &token)
}

/// Finds the line with the token in the output of [`SCRIPT`]; gives the hash and the program.
fn parse_answer(output: &str, token: &str) -> Option<(Hash, &'static str)> {
    let line = output.lines().find_map(|line| line.strip_prefix(token))?;
    let mut words = line.split_whitespace();
    let program = match words.next()? {
        "sha256sum" => "sha256sum",
        "shasum" => "shasum",
        "openssl" => "openssl",
        _ => return None,
    };
    let hash = words.next()?.trim_start_matches('\\').to_lowercase();
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then_some((hash, program))
}

/// Downloads and hashes the first `length` bytes of a file on the host; `None` if the file is shorter.
async fn hash_by_reading(
    sftp: &Sftp,
    path: &str,
    length: u64,
) -> Result<Option<Hash>, TransferError> {
    let failed = |error| TransferError::sftp(path, error);
    let handle = sftp.open_read(path).await.map_err(failed)?;
    let handle = handle.handle().await.map_err(failed)?;
    let hash = hash_blocks(sftp, &handle, path, length).await;
    let closing = sftp.close(&handle).await.map_err(failed)?;
    // The file was only read; the answer does not matter.
    let _ = closing.done().await;
    hash
}

/// Hashes an open file on the host, with many reads in flight.
async fn hash_blocks(
    sftp: &Sftp,
    handle: &crate::ssh::sftp::Handle,
    path: &str,
    length: u64,
) -> Result<Option<Hash>, TransferError> {
    let failed = |error| TransferError::sftp(path, error);
    let (sender, mut receiver) = mpsc::channel(limits::SFTP_REQUESTS_MAX / 2);
    let asking = async move {
        let mut offset = 0;
        while offset < length {
            let wanted = sftp.read_block().min(length - offset);
            let pending = sftp.read(handle, offset, wanted).await.map_err(failed)?;
            if sender.send((offset, wanted, pending)).await.is_err() {
                break;
            }
            offset += wanted;
        }
        Ok::<(), TransferError>(())
    };
    let hashing = async {
        let mut hasher = Sha256::new();
        while let Some((offset, wanted, pending)) = receiver.recv().await {
            let pieces = read_full_block(sftp, handle, offset, wanted, pending)
                .await
                .map_err(failed)?;
            let Some(pieces) = pieces else {
                return Ok(None);
            };
            hasher = run_blocking(move || {
                for piece in &pieces {
                    hasher.update(piece);
                }
                hasher
            })
            .await?;
        }
        Ok(Some(to_hex(hasher.finalize())))
    };
    tokio::pin!(asking);
    tokio::pin!(hashing);
    tokio::select! {
        result = &mut hashing => result,
        asked = &mut asking => {
            asked?;
            hashing.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_login_shell_passes_the_script_on_unchanged() {
        let text = script::one_line(include_str!("hash_file.sh"));
        let special = ['\'', '\\', '!', '\n'];
        assert!(!text.contains(special), "{text}");
    }

    #[test]
    fn an_answer_needs_the_token() {
        let hash = "a".repeat(64);
        let output = format!("welcome\ntoken sha256sum {hash}\n");
        assert_eq!(
            parse_answer(&output, "token"),
            Some((hash.clone(), "sha256sum"))
        );
        assert_eq!(parse_answer(&output, "other"), None);
        assert_eq!(parse_answer("token none\n", "token"), None);
        assert_eq!(parse_answer("token sha256sum \n", "token"), None);
        assert_eq!(parse_answer(&format!("token evil {hash}\n"), "token"), None);
    }

    #[test]
    fn a_file_that_is_too_short_has_no_hash() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"abc").unwrap();
        let whole = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_file(&file, 3).unwrap().as_deref(), Some(whole));
        assert_eq!(hash_file(&file, 4).unwrap(), None);
        assert_eq!(
            hash_bytes(&[Bytes::from_static(b"a"), Bytes::from_static(b"bc")]),
            whole
        );
    }
}
