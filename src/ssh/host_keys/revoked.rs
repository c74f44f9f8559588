//! Reading the files of RevokedHostKeys, which list a key on each line, without host names.

use super::file::{self, Opened};
use super::key_text;
use super::refusal::{FileLine, HostKeyRefusal};
use russh::keys::ssh_key::public::KeyData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The first line of a key revocation list in OpenSSH's binary format.
const KRL_MAGIC: &[u8] = b"SSHKRL\n";

/// Reads every list. As in OpenSSH, a missing list or a damaged line refuses every host key, because the
/// unreadable part may revoke the presented key.
pub(super) fn load(paths: &[PathBuf]) -> Result<Vec<(FileLine, KeyData)>, HostKeyRefusal> {
    let mut keys = Vec::new();
    for path in paths {
        read(path, &mut keys)?;
    }
    Ok(keys)
}

/// Appends the keys of a list.
fn read(path: &Path, keys: &mut Vec<(FileLine, KeyData)>) -> Result<(), HostKeyRefusal> {
    let unusable = |reason: String| HostKeyRefusal::revoked_list(path, reason);
    let file = match file::open(path).map_err(|error| unusable(error.to_string()))? {
        Opened::File(file) => file,
        Opened::Null => return Ok(()),
        Opened::Missing => return Err(unusable("the file does not exist".to_owned())),
    };
    let (shared, mut problem): (Arc<Path>, _) = (path.into(), None);
    file::for_each_line(&file, |number, line| {
        let parsed = match parse(number, line) {
            Ok(None) => return,
            Ok(Some(key)) => key,
            Err(reason) => {
                problem.get_or_insert(reason);
                return;
            }
        };
        keys.push((FileLine::new(Arc::clone(&shared), number), parsed));
    })
    .map_err(|error| unusable(error.to_string()))?;
    problem.map_or(Ok(()), |reason| Err(unusable(reason)))
}

/// The key of a line; `None` for an empty line or a comment.
fn parse(number: usize, line: &[u8]) -> Result<Option<KeyData>, String> {
    if number == 1 && line == KRL_MAGIC.trim_ascii_end() {
        return Err(
            "the file is a binary key revocation list; only a text file with a key on each line is supported"
                .to_owned(),
        );
    }
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    match key_text::parse(line) {
        Ok(key) => Ok(Some(key.into_key())),
        Err(reason) => Err(format!("line {number} cannot be parsed: {reason}")),
    }
}
