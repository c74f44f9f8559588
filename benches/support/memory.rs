//! Resident memory of a server that does nothing, alone and with sessions.

use std::time::Duration;

use serde_json::json;

use super::Measured;
use super::lab::{Lab, NEAR};
use super::mcp::Server;
use super::table::{Row, Target};

const SESSIONS: u64 = 100;
/// Sessions before those that are counted: they bring in the code and the buffers that all of them share.
const FIRST_SESSIONS: u64 = 5;
/// Time for the background work of a connect: the spare channel, threads that end.
const SETTLE: Duration = Duration::from_secs(1);

const MEGABYTE: f64 = 1024.0 * 1024.0;
const KILOBYTE: f64 = 1024.0;

/// Memory of the server at rest, and of each idle session.
pub(crate) fn idle(lab: &mut Lab) -> Measured<Vec<Row>> {
    let mut server = Server::start(lab)?;
    lab.pause(SETTLE);
    let at_rest = server.memory("VmRSS")?;
    for session in 0..FIRST_SESSIONS {
        connect(&mut server, &format!("first-{session}"))?;
    }
    lab.pause(SETTLE);
    let with_some = server.memory("VmRSS")?;
    for session in 0..SESSIONS {
        connect(&mut server, &format!("idle-{session}"))?;
    }
    lab.pause(SETTLE);
    let with_all = server.memory("VmRSS")?;
    let each = with_all.saturating_sub(with_some) as f64 / SESSIONS as f64;
    Ok(vec![
        row(
            "memory of the server at rest",
            at_rest as f64,
            MEGABYTE,
            12.0,
            "MB",
        ),
        row(
            &format!(
                "memory of each idle session, over {SESSIONS} of them after the first {FIRST_SESSIONS}"
            ),
            each,
            KILOBYTE,
            96.0,
            "KB",
        ),
    ])
}

fn connect(server: &mut Server, name: &str) -> Measured<()> {
    server.call("ssh_connect", json!({"host": NEAR, "name": name}))?;
    Ok(())
}

fn row(work: &str, bytes: f64, unit: f64, at_most: f64, name: &'static str) -> Row {
    Row {
        work: work.to_owned(),
        ours: format!("{:.1} {name}", bytes / unit),
        theirs: None,
        ratio: None,
        target: Target::at_most(bytes / unit, at_most, name),
    }
}
