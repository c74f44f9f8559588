//! The process at the other end of a loopback connection: the holder of the socket in the kernel's table.
//!
//! Linux only, and only for processes whose open files this user may list; any other peer has no process here.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::peer;

/// A process. The start time tells processes with the same id apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ProcessId {
    pub(super) pid: u32,
    /// Clock ticks between the boot and the start of the process.
    pub(super) started: u64,
}

/// The process that holds the peer's end of a connection. Known processes are examined first, because listing all open
/// files of a machine takes milliseconds. Blocks.
pub(super) fn of_peer(
    peer: SocketAddr,
    local: SocketAddr,
    known: &[ProcessId],
) -> Option<ProcessId> {
    if !peer.ip().to_canonical().is_loopback() {
        return None;
    }
    let link = PathBuf::from(format!("socket:[{}]", peer::inode(peer, local)?));
    let holds = |process: &ProcessId| has_open(process.pid, &link);
    let is_alive = |process: &ProcessId| read(process.pid) == Some(*process);
    if let Some(known) = known.iter().find(|known| holds(known) && is_alive(known)) {
        return Some(*known);
    }
    let all = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let all = all.filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?));
    // A child may have inherited the socket; the parent is older.
    all.filter(holds).min_by_key(|process| process.started)
}

/// Whether a process has an open file that this link stands for.
fn has_open(pid: u32, link: &Path) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files
        .filter_map(Result::ok)
        .any(|file| fs::read_link(file.path()).is_ok_and(|target| target == link))
}

/// A process by its id, if the process runs.
fn read(pid: u32) -> Option<ProcessId> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may contain anything; `starttime` is field 22, 20 after the name.
    let (_, fields) = stat.rsplit_once(')')?;
    let started = fields.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(ProcessId { pid, started })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_holder_of_a_connection_is_found_also_among_known_processes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let client = TcpStream::connect(local).unwrap();
        let peer = client.local_addr().unwrap();
        let own = read(std::process::id()).unwrap();
        assert_eq!(of_peer(peer, local, &[]), Some(own));
        assert_eq!(of_peer(peer, local, &[own]), Some(own));
        // The same id at another time is another process.
        let earlier = ProcessId {
            started: own.started - 1,
            ..own
        };
        assert_eq!(of_peer(peer, local, &[earlier]), Some(own));
        drop(client);
        assert_eq!(of_peer(peer, local, &[own]), None);
    }
}
