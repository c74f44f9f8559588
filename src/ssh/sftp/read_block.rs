//! Reads a block of a file completely, although a server may answer with less.

use bytes::Bytes;

use super::client::Sftp;
use super::error::SftpError;
use super::in_flight::Pending;
use super::wire::Handle;

/// Waits for a block of `wanted` bytes at `offset`, whose first request is `pending`. A server may answer with fewer
/// bytes; the rest is requested again. `None` if the file ends before the block.
pub(crate) async fn read_full_block(
    sftp: &Sftp,
    handle: &Handle,
    offset: u64,
    wanted: u64,
    pending: Pending,
) -> Result<Option<Vec<Bytes>>, SftpError> {
    let mut pieces = Vec::new();
    let mut have = 0;
    let mut answer = pending.data().await?;
    loop {
        let Some(more) = answer else { return Ok(None) };
        let length: usize = more.iter().map(Bytes::len).sum();
        have += length as u64;
        if length == 0 || have > wanted {
            return Err(SftpError::Protocol(format!(
                "{length} bytes where {wanted} were asked for"
            )));
        }
        pieces.extend(more);
        if have == wanted {
            return Ok(Some(pieces));
        }
        let next = sftp.read(handle, offset + have, wanted - have).await?;
        answer = next.data().await?;
    }
}
