//! Running `ssh -G` without a shell and without input, with limits on time and output. No process is left
//! behind.

use crate::limits::{
    LOCAL_REAP_TIMEOUT, RESOLVE_OUTPUT_MAX_BYTES, RESOLVE_STDERR_DRAIN, RESOLVE_STDERR_MAX_BYTES,
};
use crate::ssh::resolve::ResolveError;
use crate::text::visible_line;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Runs `binary` and returns its output. On a timeout, or if the returned future is dropped, the whole process
/// group is killed, including commands of `Match exec`.
pub(super) async fn run_bounded(
    binary: &Path,
    arguments: &[OsString],
    limit: Duration,
) -> Result<String, ResolveError> {
    let mut child = spawn(binary, arguments)?;
    let mut group = ProcessGroup::of(&child);
    let finished = timeout(limit, finish(&mut child, &mut group)).await;
    // Kills the processes that are still running. After a normal exit there are none.
    drop(group);
    let error = match finished {
        Ok(Ok(output)) => return output.into_text(),
        Ok(Err(error)) => error,
        Err(_) => ResolveError::Timeout { limit },
    };
    // The group has received SIGKILL, so the child ends soon and can be reaped.
    let _ = timeout(LOCAL_REAP_TIMEOUT, child.wait()).await;
    Err(error)
}

fn spawn(binary: &Path, arguments: &[OsString]) -> Result<Child, ResolveError> {
    Command::new(binary)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| ResolveError::Spawn {
            binary: binary.to_owned(),
            source,
        })
}

/// Finds a program by the rules of execvp(3): a name with a slash is a path, other names are looked up in
/// `path`.
pub(super) fn find_program(binary: &Path, path: &OsStr) -> Option<PathBuf> {
    let is_program = |path: &Path| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if binary.components().count() > 1 {
        return is_program(binary).then(|| binary.to_owned());
    }
    std::env::split_paths(path)
        .map(|directory| directory.join(binary))
        .find(|candidate| is_program(candidate))
}

/// The process group of a child. Killed on drop, unless the child has been reaped.
struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(pid.and_then(Pid::from_raw))
    }

    /// Forgets the group: once the child has been reaped, its number may belong to another process.
    const fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // The call fails only if the group no longer exists.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The result of a run.
struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    fn into_text(self) -> Result<String, ResolveError> {
        if !self.status.success() {
            return Err(ResolveError::Failed {
                status: self.status.to_string(),
                message: message(&self.stderr),
            });
        }
        let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "the text is not UTF-8");
        String::from_utf8(self.stdout).map_err(|error| ResolveError::Read(not_text(error)))
    }
}

/// Collects output and exit status. Both pipes are read at the same time, because a full pipe would block
/// `ssh`.
async fn finish(child: &mut Child, group: &mut ProcessGroup) -> Result<Output, ResolveError> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut messages = Vec::new();
    let ending = async {
        let stdout = read_bounded(stdout).await?;
        let status = child.wait().await.map_err(ResolveError::Read)?;
        group.release();
        Ok::<_, ResolveError>((stdout, status))
    };
    let (stdout, status) = {
        let reading = keep_head(stderr, &mut messages);
        tokio::pin!(ending, reading);
        tokio::select! {
            ended = &mut ending => {
                let _ = timeout(RESOLVE_STDERR_DRAIN, reading).await;
                ended?
            }
            () = &mut reading => ending.await?,
        }
    };
    Ok(Output {
        status,
        stdout,
        stderr: messages,
    })
}

async fn read_bounded(stdout: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, ResolveError> {
    let limit = RESOLVE_OUTPUT_MAX_BYTES;
    let mut bytes = Vec::new();
    if let Some(stdout) = stdout {
        let mut bounded = stdout.take(limit + 1);
        bounded
            .read_to_end(&mut bytes)
            .await
            .map_err(ResolveError::Read)?;
    }
    if bytes.len() as u64 > limit {
        return Err(ResolveError::TooMuchOutput { limit });
    }
    Ok(bytes)
}

/// Reads `stderr` to the end and keeps the first bytes.
async fn keep_head(stderr: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let room = RESOLVE_STDERR_MAX_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
}

/// The messages of `ssh` joined into a line, with control characters escaped.
fn message(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        return "ssh gave no reason".to_owned();
    }
    visible_line(&lines.join("; "), RESOLVE_STDERR_MAX_BYTES)
}
