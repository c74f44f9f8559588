//! The user at the other end of a loopback connection: the uid in the kernel's table of connections.
//!
//! Linux only. Other systems have no such table; a token keeps other users out there.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tokio::sync::{mpsc, oneshot};

use crate::limits;

/// Verdict on a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The peer runs under this process's uid or as root, or the system does not report the uid.
    Ours,
    /// Another user, or not found among the open connections.
    Foreign,
}

/// The tables of TCP connections. Either may list a connection: an IPv6 socket can carry IPv4.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// Column `st` of an established connection.
const ESTABLISHED: &str = "01";

/// Looks peers up. The time to read the tables grows with the number of connections, so all questions that arrive
/// during a reading share the next reading.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    questions: mpsc::Sender<Question>,
}

/// The question for the owner of the connection from `peer` to `local`.
#[derive(Debug)]
struct Question {
    peer: SocketAddr,
    local: SocketAddr,
    answer: oneshot::Sender<Peer>,
}

impl Peers {
    /// Starts the task, which ends with the last clone of the handle.
    pub(super) fn start() -> Self {
        let (questions, receiver) = mpsc::channel(limits::HTTP_CONNECTIONS_MAX);
        tokio::spawn(answer_all(receiver));
        Self { questions }
    }

    /// Judges the peer of a connection. The tables are read after the call.
    pub(super) async fn look_up(&self, peer: SocketAddr, local: SocketAddr) -> Peer {
        if !cfg!(target_os = "linux") || !peer.ip().to_canonical().is_loopback() {
            return Peer::Ours;
        }
        let (answer, answered) = oneshot::channel();
        let question = Question {
            peer,
            local,
            answer,
        };
        // A peer that cannot be looked up is refused.
        match self.questions.send(question).await {
            Ok(()) => answered.await.unwrap_or(Peer::Foreign),
            Err(_) => Peer::Foreign,
        }
    }
}

async fn answer_all(mut receiver: mpsc::Receiver<Question>) {
    let own = rustix::process::geteuid().as_raw();
    while let Some(first) = receiver.recv().await {
        let mut questions = vec![first];
        while let Ok(another) = receiver.try_recv() {
            questions.push(another);
        }
        let sockets = tokio::task::spawn_blocking(read_sockets).await;
        let sockets = sockets.unwrap_or_default();
        for Question {
            peer,
            local,
            answer,
        } in questions
        {
            let socket = sockets.get(&(canonical(peer), canonical(local)));
            // The asker may have gone meanwhile.
            let _ = answer.send(socket.map_or(Peer::Foreign, |socket| judge(socket.uid, own)));
        }
    }
}

/// An address and a port.
type End = (IpAddr, u16);
/// Each socket by its own address and its peer's address.
type Sockets = HashMap<(End, End), Socket>;

/// A socket of an open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    uid: u32,
    inode: u64,
}

/// The inode of the peer's socket. Blocks.
pub(super) fn inode(peer: SocketAddr, local: SocketAddr) -> Option<u64> {
    let ends = (canonical(peer), canonical(local));
    read_sockets().get(&ends).map(|socket| socket.inode)
}

fn read_sockets() -> Sockets {
    let mut sockets = Sockets::new();
    for table in TABLES {
        // A table that is missing (no IPv6) lists nothing.
        let text = std::fs::read_to_string(table).unwrap_or_default();
        sockets.extend(text.lines().skip(1).filter_map(socket));
    }
    sockets
}

const fn judge(uid: u32, own: u32) -> Peer {
    if uid == own || uid == 0 {
        Peer::Ours
    } else {
        Peer::Foreign
    }
}

/// A line of a table.
///
/// Only established connections count: a socket that its process has closed is listed under uid 0 for a while, and would
/// pass for root with the bytes that it sent before.
fn socket(line: &str) -> Option<((End, End), Socket)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (own, other) = (fields.next()?, fields.next()?);
    let state = fields.next()?;
    let uid = fields.nth(3)?;
    let inode = fields.nth(1)?;
    if state != ESTABLISHED || inode == "0" {
        return None;
    }
    let socket = Socket {
        uid: uid.parse().ok()?,
        inode: inode.parse().ok()?,
    };
    Some(((address(own)?, address(other)?), socket))
}

fn canonical(address: SocketAddr) -> End {
    (address.ip().to_canonical(), address.port())
}

/// `0100007F:1F90`: words of four bytes in the machine's order, then the port.
fn address(text: &str) -> Option<End> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let word = u32::from_str_radix(ip.get(8 * at..8 * at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some((ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(state: &str, uid: u32, inode: u32) -> String {
        let loopback = u32::from_ne_bytes([127, 0, 0, 1]);
        format!(
            "   0: {loopback:08X}:9C40 {loopback:08X}:1E2A {state} 00000000:00000000 00:00000000 00000000 {uid:>5}        0 {inode} 1 0000000000000000 20 4 30 10 -1"
        )
    }

    #[test]
    fn the_owner_of_an_open_connection_is_read_and_of_no_other() {
        let own = ("127.0.0.1".parse().unwrap(), 40000);
        let other = ("127.0.0.1".parse().unwrap(), 7722);
        let expected = Socket {
            uid: 1000,
            inode: 5,
        };
        assert_eq!(socket(&line("01", 1000, 5)), Some(((own, other), expected)));
        // Closed by its process: listed as root's.
        assert_eq!(socket(&line("05", 0, 0)), None);
        assert_eq!(socket(&line("01", 0, 0)), None);
        assert_eq!(socket(""), None);
    }

    #[test]
    fn ipv4_in_an_ipv6_socket_is_ipv4() {
        let words = [0, 0, 0xffff_u32.to_be(), u32::from_ne_bytes([127, 0, 0, 1])];
        let text: String = words.iter().map(|word| format!("{word:08X}")).collect();
        let expected = ("127.0.0.1".parse().unwrap(), 80);
        assert_eq!(address(&format!("{text}:0050")), Some(expected));
        assert_eq!(address("xx"), None);
        assert_eq!(address("0100:0050"), None);
    }

    #[test]
    fn the_same_user_and_root_may() {
        let rows = [
            (1000, 1000, Peer::Ours),
            (0, 1000, Peer::Ours),
            (1001, 1000, Peer::Foreign),
            (1000, 0, Peer::Foreign),
        ];
        for (uid, own, expected) in rows {
            assert_eq!(judge(uid, own), expected, "{uid} {own}");
        }
    }

    #[tokio::test]
    async fn a_connection_of_this_process_is_ours() {
        let peers = Peers::start();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let client = tokio::net::TcpStream::connect(local).await.unwrap();
        let (_server, peer) = listener.accept().await.unwrap();
        let (one, two) = tokio::join!(peers.look_up(peer, local), peers.look_up(peer, local));
        assert_eq!([one, two], [Peer::Ours; 2]);
        drop(client);
        // Whoever has gone is nobody.
        assert_eq!(peers.look_up(peer, local).await, Peer::Foreign);
    }
}
