//! Who is at the other end of a loopback connection: the uid, as the kernel lists it.
//!
//! Only on Linux. Elsewhere nothing tells, and a token is the way to keep other users out.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What is known of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// It runs under our uid, or as root, or cannot be told on this system.
    Ours,
    /// It is somebody else, or was not found among the open connections.
    Foreign,
}

/// The tables of TCP connections, both of which may list one: an IPv6 socket can carry IPv4.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// Column `st` of a connection that both ends hold open.
const ESTABLISHED: &str = "01";

/// Looks up who has opened a connection from `peer` to `local`.
pub(super) async fn look_up(peer: SocketAddr, local: SocketAddr) -> Peer {
    if !cfg!(target_os = "linux") || !peer.ip().to_canonical().is_loopback() {
        return Peer::Ours;
    }
    for table in TABLES {
        // A table that is missing (no IPv6) lists nothing.
        let text = tokio::fs::read_to_string(table).await.unwrap_or_default();
        if let Some(uid) = owner(&text, peer, local) {
            return judge(uid, rustix::process::geteuid().as_raw());
        }
    }
    Peer::Foreign
}

const fn judge(uid: u32, own: u32) -> Peer {
    if uid == own || uid == 0 {
        Peer::Ours
    } else {
        Peer::Foreign
    }
}

/// The uid of the socket whose own end is `peer` and whose other end is `local`.
///
/// Only of an established connection: a socket that its process has closed is listed under uid 0 for a while,
/// and would pass for root with what it has sent before.
fn owner(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (own, other) = (fields.next()?, fields.next()?);
        let state = fields.next()?;
        let uid = fields.nth(3)?;
        let inode = fields.nth(1)?;
        let is_it = address(own)? == canonical(peer)
            && address(other)? == canonical(local)
            && state == ESTABLISHED
            && inode != "0";
        is_it.then(|| uid.parse().ok()).flatten()
    })
}

fn canonical(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

/// `0100007F:1F90`: words of four bytes in the machine's order, then the port.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..ip.len()).step_by(8) {
        let word = u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
        _ => return None,
    };
    Some((ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn table(state: &str, uid: u32, inode: u32) -> String {
        let loopback = u32::from_ne_bytes([127, 0, 0, 1]);
        format!(
            "{HEAD}   0: {loopback:08X}:9C40 {loopback:08X}:1E2A {state} 00000000:00000000 00:00000000 00000000 {uid:>5}        0 {inode} 1 0000000000000000 20 4 30 10 -1\n"
        )
    }

    #[test]
    fn the_owner_of_an_open_connection_is_found_and_of_no_other() {
        let peer = "127.0.0.1:40000".parse().unwrap();
        let local = "127.0.0.1:7722".parse().unwrap();
        let other = "127.0.0.1:40001".parse().unwrap();
        assert_eq!(owner(&table("01", 1000, 5), peer, local), Some(1000));
        assert_eq!(owner(&table("01", 1000, 5), other, local), None);
        assert_eq!(owner(&table("01", 1000, 5), local, peer), None);
        // Closed by its process: listed as root's.
        assert_eq!(owner(&table("05", 0, 0), peer, local), None);
        assert_eq!(owner(&table("01", 0, 0), peer, local), None);
        assert_eq!(owner("", peer, local), None);
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
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let client = tokio::net::TcpStream::connect(local).await.unwrap();
        let (_server, peer) = listener.accept().await.unwrap();
        assert_eq!(look_up(peer, local).await, Peer::Ours);
        drop(client);
        // Whoever has gone is nobody.
        assert_eq!(look_up(peer, local).await, Peer::Foreign);
    }
}
