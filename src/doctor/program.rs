//! The stderr of `ssh`: its version, and the files that it reads.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::limits::{DOCTOR_PROGRAM_OUTPUT_BYTES, DOCTOR_PROGRAM_TIMEOUT};

/// The text before the path of each configuration file, in every version of OpenSSH since 2001.
const READING: &str = "Reading configuration data ";

/// The version, as `ssh -V` prints it.
pub(super) async fn version(ssh: &Path) -> Result<String, String> {
    let text = stderr(Command::new(ssh).arg("-V")).await?;
    match text.lines().next() {
        Some(line) if !line.trim().is_empty() => Ok(line.trim().to_owned()),
        _ => Err("the program prints no version".to_owned()),
    }
}

/// The files that `ssh` reads for a host, in its order.
pub(super) async fn configuration_files(
    ssh: &Path,
    config: Option<&Path>,
    host: &str,
) -> Result<Vec<PathBuf>, String> {
    let mut command = Command::new(ssh);
    command.args(["-G", "-T", "-v"]);
    if let Some(config) = config {
        command.arg("-F").arg(config);
    }
    let text = stderr(command.args(["--", host])).await?;
    Ok(files(&text))
}

/// Parses the files; a file that is included several times is named once.
fn files(text: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for line in text.lines() {
        let Some((_, path)) = line.split_once(READING) else {
            continue;
        };
        let path = PathBuf::from(path.trim_end());
        if !files.contains(&path) {
            files.push(path);
        }
    }
    files
}

/// Runs a program to its end and returns its stderr.
async fn stderr(command: &mut Command) -> Result<String, String> {
    let mut child = command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    let finish = async {
        if let Some(stderr) = child.stderr.take() {
            let mut bounded = stderr.take(DOCTOR_PROGRAM_OUTPUT_BYTES);
            bounded.read_to_end(&mut text).await?;
        }
        child.wait().await
    };
    match timeout(DOCTOR_PROGRAM_TIMEOUT, finish).await {
        Ok(Ok(_)) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "no end within {} s",
            DOCTOR_PROGRAM_TIMEOUT.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_named_once_in_the_order_of_reading() {
        let text = "OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.19\r\n\
                    debug1: Reading configuration data /home/me/.ssh/config\r\n\
                    debug1: /home/me/.ssh/config line 1: Applying options for *\r\n\
                    debug1: Reading configuration data /etc/ssh/ssh_config\r\n\
                    debug1: Reading configuration data /home/me/.ssh/config\r\n";
        let expected = ["/home/me/.ssh/config", "/etc/ssh/ssh_config"];
        assert_eq!(files(text), expected.map(PathBuf::from));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told() {
        assert!(version(Path::new("/nonexistent/ssh")).await.is_err());
    }
}
