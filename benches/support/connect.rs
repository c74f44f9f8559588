//! From nothing to the end of a first command: connect, key exchange, authentication, exec.

use serde_json::json;

use super::Measured;
use super::lab::{self, Lab, NEAR};
use super::mcp::Server;
use super::samples::Samples;
use super::table::{Row, Target};

const ROUNDS: usize = 40;
/// Rounds before the first that counts.
const WARM_UP: usize = 2;

/// On loopback, a new session in a running server against a new `ssh`: the wait of either user.
pub(crate) fn loopback(lab: &mut Lab) -> Measured<Vec<Row>> {
    let mut server = Server::start(lab)?;
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for round in 0..WARM_UP + ROUNDS {
        let our_time = first_command(&mut server, &format!("new-{round}"))?;
        let their_time = lab::timed(lab.ssh(NEAR, "true"))?;
        if round >= WARM_UP {
            ours.push(our_time);
            theirs.push(their_time);
        }
    }
    let ratio = ours.over(&theirs);
    Ok(vec![Row {
        work: "connect + auth + first command: `ssh_connect` and `ssh_exec true` in a running server, `ssh -G` and saving the session included; `ssh host true`, process start included".to_owned(),
        ours: ours.in_millis(),
        theirs: Some(theirs.in_millis()),
        ratio: Some(ratio),
        target: Target::at_most(ratio, 0.35, "×"),
    }])
}

fn first_command(server: &mut Server, name: &str) -> Measured<std::time::Duration> {
    let connect = server.timed("ssh_connect", json!({"host": NEAR, "name": name}))?;
    let exec = server.exec(name, "true")?;
    server.call("ssh_disconnect", json!({"session": name, "forget": true}))?;
    Ok(connect + exec)
}
