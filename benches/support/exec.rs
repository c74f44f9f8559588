//! A command on a connection that is up, against `ssh` over a ControlMaster socket.

use serde_json::json;

use super::Measured;
use super::lab::{self, FAR, Lab, NEAR, ROUND_TRIP};
use super::mcp::Server;
use super::samples::Samples;
use super::table::{Row, Target};

/// Turns of each side, and calls in a row in one turn: the first call right behind the other side's turn finds the
/// caches of the processor full of that, and pays for it (see p90).
#[derive(Clone, Copy)]
struct Turns {
    turns: usize,
    calls: usize,
}

const NEAR_TURNS: Turns = Turns {
    turns: 4,
    calls: 100,
};
const FAR_TURNS: Turns = Turns {
    turns: 4,
    calls: 10,
};

/// `ssh_exec true` on loopback.
pub(crate) fn loopback(lab: &mut Lab) -> Measured<Vec<Row>> {
    let what = "warm `ssh_exec true`";
    near(lab, what, 0.35, ("ssh_exec", "true"))
}

/// The same behind a link of 50 ms.
pub(crate) fn far(lab: &mut Lab) -> Measured<Vec<Row>> {
    behind_a_link(lab, 1.3, ("ssh_exec", "true"))
}

/// A tool and its command against `ssh`, on loopback.
pub(super) fn near(
    lab: &mut Lab,
    what: &str,
    bound: f64,
    call: (&str, &str),
) -> Measured<Vec<Row>> {
    let (ours, theirs) = alternate(lab, NEAR, NEAR_TURNS, call)?;
    let ratio = ours.over(&theirs);
    Ok(vec![Row {
        work: format!(
            "{what} through stdio, whole call; `ssh` over a ControlMaster socket, process start included"
        ),
        ours: ours.in_millis(),
        theirs: Some(theirs.in_millis()),
        ratio: Some(ratio),
        target: Target::at_most(ratio, bound, "×"),
    }])
}

/// The same behind a link, in round trips.
pub(super) fn behind_a_link(lab: &mut Lab, bound: f64, call: (&str, &str)) -> Measured<Vec<Row>> {
    let (ours, theirs) = alternate(lab, FAR, FAR_TURNS, call)?;
    let trips = ours.median().as_secs_f64() / ROUND_TRIP.as_secs_f64();
    Ok(vec![Row {
        work: format!("the same at {} ms RTT", ROUND_TRIP.as_millis()),
        ours: ours.in_units(ROUND_TRIP, "RTT"),
        theirs: Some(theirs.in_units(ROUND_TRIP, "RTT")),
        ratio: Some(ours.over(&theirs)),
        target: Target::at_most(trips, bound, "RTT"),
    }])
}

fn alternate(
    lab: &mut Lab,
    host: &str,
    turns: Turns,
    (tool, command): (&str, &str),
) -> Measured<(Samples, Samples)> {
    let mut server = Server::start(lab)?;
    server.call("ssh_connect", json!({"host": host}))?;
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    // Work that is done once is done now.
    server.timed(tool, json!({"session": host, "command": command}))?;
    lab::timed(lab.ssh_multiplexed(host, command)?)?;
    for _ in 0..turns.turns {
        for _ in 0..turns.calls {
            ours.push(server.timed(tool, json!({"session": host, "command": command}))?);
        }
        for _ in 0..turns.calls {
            theirs.push(lab::timed(lab.ssh_multiplexed(host, command)?)?);
        }
    }
    Ok((ours, theirs))
}
