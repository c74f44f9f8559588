//! Commands of the embedded server as processes of this machine.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use bytes::{Bytes, BytesMut};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use super::command::{BoxFuture, CommandIo, CommandRunner, Exit, OutputSender};

/// Exit status of a command that could not be started, as of a shell.
const STATUS_NOT_STARTED: u32 = 126;
/// The number that a shell adds to a signal's number; used for signals without a name here.
const STATUS_SIGNAL_BASE: u32 = 128;
/// Bytes read from a pipe at once: the size of an SSH data packet.
const CHUNK_BYTES: usize = 32 * 1024;

/// The signals of RFC 4254 and those that OpenSSH adds, by name.
const SIGNALS: [(&str, Signal); 14] = [
    ("ABRT", Signal::ABORT),
    ("ALRM", Signal::ALARM),
    ("FPE", Signal::FPE),
    ("HUP", Signal::HUP),
    ("ILL", Signal::ILL),
    ("INT", Signal::INT),
    ("KILL", Signal::KILL),
    ("PIPE", Signal::PIPE),
    ("QUIT", Signal::QUIT),
    ("SEGV", Signal::SEGV),
    ("TERM", Signal::TERM),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("BUS", Signal::BUS),
];

/// Runs each command with `/bin/sh -c` as the current user, in a process group of its own.
///
/// The group is killed when the channel has closed, when the connection is gone and when the runtime ends, so that no
/// process is left behind. (sshd leaves such processes alone.)
#[derive(Debug)]
pub struct LocalProcess {
    directory: PathBuf,
}

impl LocalProcess {
    /// Runs commands in `directory`, which is also their `$HOME`, away from the user's own files.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }
}

impl CommandRunner for LocalProcess {
    fn run(&self, command: Bytes, io: CommandIo) -> BoxFuture<Exit> {
        Box::pin(run_in_process_group(self.directory.clone(), command, io))
    }

    fn has_subsystem(&self, name: &str) -> bool {
        name == "sftp"
    }

    fn run_subsystem(&self, _name: String, io: CommandIo) -> BoxFuture<Exit> {
        Box::pin(super::sftp::serve(self.directory.clone(), io))
    }
}

/// Runs a command until its shell ends.
async fn run_in_process_group(directory: PathBuf, command: Bytes, io: CommandIo) -> Exit {
    let CommandIo {
        stdin,
        stdout,
        stderr,
        signals,
        closed,
    } = io;
    let (mut child, group) = match spawn(&directory, &command) {
        Ok(started) => started,
        Err(error) => {
            let reason = format!("cannot start /bin/sh in {}: {error}\n", directory.display());
            // A client that has closed the channel does not need the reason.
            let _ = stderr.send(reason).await;
            return Exit::Status(STATUS_NOT_STARTED);
        }
    };
    if let Some(pipe) = child.stdin.take() {
        tokio::spawn(copy_stdin(stdin, pipe));
    }
    // The copies go on after the shell's end while background processes hold the pipes.
    if let Some(pipe) = child.stdout.take() {
        tokio::spawn(copy_output(pipe, stdout));
    }
    if let Some(pipe) = child.stderr.take() {
        tokio::spawn(copy_output(pipe, stderr));
    }
    let leader = group.leader;
    tokio::spawn(async move {
        closed.cancelled().await;
        drop(group);
    });
    wait(child, leader, signals).await
}

/// Starts the shell as the leader of a new process group.
fn spawn(directory: &Path, command: &[u8]) -> io::Result<(Child, ProcessGroup)> {
    let child = Command::new("/bin/sh")
        .arg("-c")
        .arg(OsStr::from_bytes(command))
        .current_dir(directory)
        .env("HOME", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let leader = id.and_then(Pid::from_raw);
    let leader = leader.ok_or_else(|| io::Error::other("the new process has no id"))?;
    Ok((child, ProcessGroup { leader }))
}

/// A process group that is killed on drop.
///
/// Dropped when the channel has closed and not when the shell has ended, so that background processes may continue for
/// as long as they hold the channel open. A group without members is not an error. For the kernel to reuse the number
/// by then, all process ids would have to wrap around.
struct ProcessGroup {
    leader: Pid,
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let _ = kill_process_group(self.leader, Signal::KILL);
    }
}

/// Waits for the shell's end and passes signals on to its group meanwhile.
async fn wait(mut child: Child, leader: Pid, mut signals: mpsc::Receiver<String>) -> Exit {
    loop {
        tokio::select! {
            biased;
            ended = child.wait() => return ended.map_or(Exit::Status(STATUS_NOT_STARTED), exit),
            Some(name) = signals.recv() => match number_of(&name) {
                // The shell is not reaped yet, so the number is still its group's.
                Some(signal) => drop(kill_process_group(leader, signal)),
                None => tracing::debug!(name, "demo command got a signal of unknown name"),
            },
        }
    }
}

/// An exit status of this machine in SSH's terms.
fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (None, Some(number)) => match name_of(number) {
            Some(name) => Exit::Signal {
                name: name.to_owned(),
                core_dumped: status.core_dumped(),
            },
            None => Exit::Status(STATUS_SIGNAL_BASE + number.unsigned_abs()),
        },
        (code, _) => Exit::Status(code.unwrap_or_default().unsigned_abs()),
    }
}

fn number_of(name: &str) -> Option<Signal> {
    SIGNALS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, signal)| *signal)
}

fn name_of(number: i32) -> Option<&'static str> {
    SIGNALS
        .iter()
        .find(|(_, signal)| signal.as_raw() == number)
        .map(|(name, _)| *name)
}

/// Feeds the shell until the client's EOF or until nobody reads.
async fn copy_stdin(mut stdin: mpsc::Receiver<Bytes>, mut pipe: ChildStdin) {
    while let Some(chunk) = stdin.recv().await {
        if pipe.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

/// Copies a pipe to the output. With the channel gone, the pipe is closed and writers get SIGPIPE.
async fn copy_output(mut pipe: impl AsyncRead + Unpin, output: OutputSender) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK_BYTES);
        match pipe.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) if output.send(buffer.split().freeze()).await.is_err() => return,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::{CommandEnds, CommandEvent};
    use super::*;
    use std::time::Duration;
    use tokio_util::sync::CancellationToken;

    /// A running command.
    struct Running {
        ends: CommandEnds,
        exit: tokio::task::JoinHandle<Exit>,
        closed: CancellationToken,
        /// Output behind the last complete line.
        unread: BytesMut,
        directory: tempfile::TempDir,
    }

    fn start(command: &'static str) -> Running {
        let directory = tempfile::tempdir().unwrap();
        let closed = CancellationToken::new();
        let (io, ends) = CommandIo::pair(closed.clone());
        let runner = LocalProcess::new(directory.path());
        let exit = tokio::spawn(runner.run(Bytes::from_static(command.as_bytes()), io));
        Running {
            ends,
            exit,
            closed,
            unread: BytesMut::new(),
            directory,
        }
    }

    async fn bounded<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), future)
            .await
            .expect("in time")
    }

    impl Running {
        async fn line(&mut self) -> String {
            loop {
                if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                    let line = self.unread.split_to(end + 1);
                    return String::from_utf8_lossy(&line[..end]).into_owned();
                }
                match bounded(self.ends.events.recv()).await.expect("output") {
                    CommandEvent::Stdout(data) => self.unread.extend_from_slice(&data),
                    other => panic!("unexpected {other:?}"),
                }
            }
        }

        async fn exit(self) -> Exit {
            bounded(self.exit).await.unwrap()
        }
    }

    async fn gone(pid: &str) {
        // A zombie has ended too, whoever reaps it.
        let path = format!("/proc/{pid}/stat");
        let lives = || std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z "));
        bounded(async {
            while lives() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    #[tokio::test]
    async fn status_directory_and_home() {
        let mut running = start("pwd; echo $HOME; exit 7");
        let directory = running.directory.path().canonicalize().unwrap();
        assert_eq!(Path::new(&running.line().await), directory);
        assert_eq!(Path::new(&running.line().await), running.directory.path());
        assert_eq!(running.exit().await, Exit::Status(7));
    }

    #[tokio::test]
    async fn stdin_reaches_the_command_and_ends() {
        let mut running = start("cat; echo end");
        running
            .ends
            .stdin
            .send(Bytes::from_static(b"given\n"))
            .await
            .unwrap();
        assert_eq!(running.line().await, "given");
        running.ends.stdin = mpsc::channel(1).0;
        assert_eq!(running.line().await, "end");
        assert_eq!(running.exit().await, Exit::Status(0));
    }

    #[tokio::test]
    async fn signals_reach_the_whole_group() {
        let mut running = start("sleep 600 & echo $!; wait");
        let background = running.line().await;
        running.ends.signals.send("TERM".to_owned()).await.unwrap();
        let exit = Exit::Signal {
            name: "TERM".to_owned(),
            core_dumped: false,
        };
        assert_eq!(running.exit().await, exit);
        gone(&background).await;
    }

    #[tokio::test]
    async fn closing_kills_what_the_shell_left_behind() {
        let mut running = start("sleep 600 & echo $!");
        let background = running.line().await;
        assert_eq!(bounded(&mut running.exit).await.unwrap(), Exit::Status(0));
        running.closed.cancel();
        gone(&background).await;
    }

    #[tokio::test]
    async fn a_missing_directory_is_told() {
        let (io, mut ends) = CommandIo::pair(CancellationToken::new());
        let runner = LocalProcess::new("/nonexistent");
        let exit = runner.run(Bytes::from_static(b"true"), io).await;
        assert_eq!(exit, Exit::Status(STATUS_NOT_STARTED));
        match ends.events.recv().await {
            Some(CommandEvent::Stderr(text)) => {
                assert!(text.starts_with(b"cannot start /bin/sh in /nonexistent"))
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}
