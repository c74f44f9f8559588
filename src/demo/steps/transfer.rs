//! A file to the host and back.

use std::fs;

use serde_json::json;

use super::outcome::{Missed, Outcome, Seen, all, expect, reads};
use crate::demo::stage::Stage;

/// Bytes of the file: several blocks.
const SIZE: usize = 1_000_000;

/// Uploads a file, downloads it again, and compares all three.
pub(super) async fn there_and_back(stage: &Stage) -> Outcome {
    let content: Vec<u8> = (0..SIZE).map(|byte| (byte * byte / 7) as u8).collect();
    let (here, back) = (
        stage.directory().join("here"),
        stage.directory().join("back"),
    );
    let failed = |error: std::io::Error| Missed {
        expected: "files in the directory of the demo".to_owned(),
        got: error.to_string(),
    };
    fs::write(&here, &content).map_err(failed)?;
    let arguments = json!({"localPath": here, "remotePath": "there", "verify": "sha256"});
    let up = stage.client.call("ssh_upload", arguments).await?;
    expect(!up.is_error(), "an upload", || all(&up))?;
    let arguments = json!({"localPath": back, "remotePath": "there", "verify": "sha256"});
    let down = stage.client.call("ssh_download", arguments).await?;
    expect(!down.is_error(), "a download", || all(&down))?;
    for path in [stage.remote.join("there"), back] {
        let arrived = fs::read(&path).map_err(failed)?;
        expect(arrived == content, "the same bytes", || {
            format!("{} bytes in {}", arrived.len(), path.display())
        })?;
    }
    Ok(Seen {
        said: format!("{SIZE} bytes went to the host and came back, and their sha256 is the same"),
        reads: reads(&up).into_iter().chain(reads(&down)).collect(),
    })
}
