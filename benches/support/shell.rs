//! A command in the session's shell: `ssh_shell :` against `ssh` over a ControlMaster socket.

use serde_json::json;

use super::Measured;
use super::lab::{self, FAR, Lab, NEAR, ROUND_TRIP};
use super::mcp::Server;
use super::samples::Samples;
use super::table::{Row, Target};

const NEAR_ROUNDS: usize = 300;
const FAR_ROUNDS: usize = 40;
/// Rounds before the first that counts.
const WARM_UP: usize = 5;
/// The command.
const COMMAND: &str = ":";

/// On loopback.
pub(crate) fn loopback(lab: &mut Lab) -> Measured<Vec<Row>> {
    let (ours, theirs) = alternate(lab, NEAR, NEAR_ROUNDS)?;
    let ratio = ours.over(&theirs);
    Ok(vec![Row {
        work: "`ssh_shell :` through stdio, whole call; `ssh` over a ControlMaster socket, process start included".to_owned(),
        ours: ours.in_millis(),
        theirs: Some(theirs.in_millis()),
        ratio: Some(ratio),
        target: Target::at_most(ratio, 0.05, "×"),
    }])
}

/// Behind a link of 50 ms.
pub(crate) fn far(lab: &mut Lab) -> Measured<Vec<Row>> {
    let (ours, theirs) = alternate(lab, FAR, FAR_ROUNDS)?;
    Ok(vec![Row {
        work: format!("the same at {} ms RTT", ROUND_TRIP.as_millis()),
        ours: ours.in_units(ROUND_TRIP, "RTT"),
        theirs: Some(theirs.in_units(ROUND_TRIP, "RTT")),
        ratio: Some(ours.over(&theirs)),
        target: Target::at_most(
            ours.median().as_secs_f64() / ROUND_TRIP.as_secs_f64(),
            1.1,
            "RTT",
        ),
    }])
}

fn alternate(lab: &mut Lab, host: &str, rounds: usize) -> Measured<(Samples, Samples)> {
    let mut server = Server::start(lab)?;
    server.call("ssh_connect", json!({"host": host}))?;
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for round in 0..WARM_UP + rounds {
        let our_time = server.timed("ssh_shell", json!({"session": host, "command": COMMAND}))?;
        let their_time = lab::timed(lab.ssh_multiplexed(host, COMMAND)?)?;
        if round >= WARM_UP {
            ours.push(our_time);
            theirs.push(their_time);
        }
    }
    Ok((ours, theirs))
}
