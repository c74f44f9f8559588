//! The shells under test, and a parent process for scripts that look at their parent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The shells, each with the word that makes it read a script.
pub(crate) const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "ash"]];
/// Marks the script's answers.
pub(crate) const TOKEN: &str = "0123456789abcdef";

/// A command that runs a script in a shell.
pub(crate) fn shell(words: &[&str], script: &str) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg("-c").arg(script);
    command
}

/// The text of a stream.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A parent process called `sshd`, with a directory of its own. Its processes end with it.
pub(crate) struct Server {
    directory: TempDir,
    program: PathBuf,
}

impl Server {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("sshd");
        let dash = ["/bin/dash", "/usr/bin/dash"].map(Path::new);
        let dash = dash.into_iter().find(|path| path.exists()).unwrap();
        fs::copy(dash, &program).unwrap();
        Self { directory, program }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs a script as the server. `$SCRIPT` is the script under test, `run` runs it in the shell with arguments.
    pub(crate) fn run(&self, words: &[&str], script: &str, body: &str) -> String {
        let prelude = format!(
            "command() {{ setsid env --default-signal=INT,QUIT sh -c \"$1\" >/dev/null 2>&1 & }}\n\
             marked() {{ LC_MCP_SSH=$1 setsid env --default-signal=INT,QUIT sh -c \"$2\" >/dev/null 2>&1 & }}\n\
             run() {{ {} -c \"$SCRIPT\" \"$@\" & wait $!; }}\n\
             until_file() {{ while [ ! -e \"$1\" ]; do sleep 0.05; done; }}\n",
            words.join(" ")
        );
        let output = Command::new(&self.program)
            .arg("-c")
            .arg(format!("{prelude}{body}"))
            .env("SCRIPT", script)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(text(&output.stderr), "", "{words:?}");
        text(&output.stdout)
    }

    /// Whether the process whose number a file holds is alive.
    pub(crate) fn is_alive(&self, file: &str) -> bool {
        let number = fs::read_to_string(self.path().join(file)).unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", number.trim()));
        // A zombie that init has not reaped yet is dead.
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    /// Waits for the end of the process whose number a file holds.
    pub(crate) fn assert_ends(&self, file: &str) {
        for _ in 0..100 {
            if !self.is_alive(file) {
                return;
            }
            Command::new("sleep").arg("0.05").status().unwrap();
        }
        panic!("{file} is alive");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for file in fs::read_dir(self.path()).into_iter().flatten().flatten() {
            let name = file.file_name();
            if name.to_string_lossy().ends_with(".pid")
                && let Ok(number) = fs::read_to_string(file.path())
            {
                // The process may have ended long ago.
                let _ = kill(number.trim());
            }
        }
    }
}

fn kill(number: &str) -> std::io::Result<Output> {
    Command::new("kill").args(["-s", "KILL", number]).output()
}
