//! Private keys, recognised by the first line of the file.

/// Bytes of a file that are enough for [`is_private_key`].
pub const KEY_HEAD_BYTES: usize = 128;

/// The first lines of formats other than PEM and SSH2.
const KEY_HEADS: &[&[u8]] = &[b"PuTTY-User-Key-File-", b"SSH PRIVATE KEY FILE FORMAT"];
/// The end of a PEM header line.
const PEM_WORDS: &[u8] = b"PRIVATE KEY-----";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether the beginning of a file is that of a private key.
pub fn is_private_key(head: &[u8]) -> bool {
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| !line.trim_ascii().is_empty() && *line != BYTE_ORDER_MARK);
    let line = line.unwrap_or_default().trim_ascii();
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let is_pem = line.starts_with(b"-----BEGIN ")
        && line
            .windows(PEM_WORDS.len())
            .any(|window| window == PEM_WORDS);
    let is_ssh2 = line.starts_with(b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY");
    is_pem || is_ssh2 || KEY_HEADS.iter().any(|key| line.starts_with(key))
}

#[cfg(test)]
mod tests {
    use super::is_private_key;

    #[test]
    fn private_keys_are_known_by_their_beginning() {
        let keys: [&[u8]; 7] = [
            b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED",
            b"\n  -----BEGIN PRIVATE KEY-----\r\n",
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
            b"PuTTY-User-Key-File-3: ssh-ed25519",
            b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
            b"\xef\xbb\xbf-----BEGIN EC PRIVATE KEY-----\n",
        ];
        for key in keys {
            assert!(is_private_key(key), "{}", String::from_utf8_lossy(key));
        }
        let others: [&[u8]; 4] = [
            b"",
            b"ssh-ed25519 AAAA me@here",
            b"-----BEGIN CERTIFICATE-----\n",
            b"how to make a -----BEGIN PRIVATE KEY----- line\n",
        ];
        for other in others {
            assert!(!is_private_key(other), "{}", String::from_utf8_lossy(other));
        }
    }
}
