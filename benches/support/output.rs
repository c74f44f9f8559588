//! A command that prints 64 MB: its cost in memory, and its effect on the other sessions.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::Measured;
use super::lab::{Lab, NEAR};
use super::mcp::{COMMAND_META, Server};
use super::samples::{Samples, millis};
use super::table::{Row, Target};

/// Prints [`FLOOD_BYTES`].
const FLOOD: &str = "head -c 67108864 /dev/zero | tr '\\0' x";
const FLOOD_BYTES: u64 = 64 * 1024 * 1024;
const ROUNDS: usize = 16;
/// How long [`minute`] lasts, on each side.
const MINUTE: Duration = Duration::from_secs(60);
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// The load carried by our server, then by `ssh`, while another session of ours runs `true` over and over.
pub(crate) fn flood(lab: &mut Lab) -> Measured<Vec<Row>> {
    let mut server = Server::start(lab)?;
    for name in ["loaded", "other"] {
        server.call("ssh_connect", json!({"host": NEAR, "name": name}))?;
        server.exec(name, "true")?;
    }
    let before = server.memory("VmRSS")?;
    server.reset_peak()?;
    let (mut under_ours, mut under_theirs) = (Samples::default(), Samples::default());
    let mut peak = 0;
    for round in 0..ROUNDS {
        carried_by_us(&mut server, &mut under_ours)?;
        if round == 0 {
            peak = server.memory("VmHWM")?;
        }
        carried_by_ssh(lab, &mut server, &mut under_theirs)?;
    }
    let grown = peak.saturating_sub(before) as f64 / MEGABYTE;
    let after = server.memory("VmHWM")?.saturating_sub(before) as f64 / MEGABYTE;
    Ok(vec![
        Row {
            work: "64 MB of output from one command: resident growth at its peak".to_owned(),
            ours: format!("{grown:.1} MB ({after:.1} MB after {ROUNDS} such commands)"),
            theirs: None,
            ratio: None,
            target: Target::at_most(grown, 16.0, "MB"),
        },
        beside(&under_ours, &under_theirs),
    ])
}

/// A minute of `yes` carried by our server as a job, then by `ssh`, while another session of ours runs `true`.
pub(crate) fn minute(lab: &mut Lab) -> Measured<Vec<Row>> {
    let mut server = Server::start(lab)?;
    for name in ["loaded", "other"] {
        server.call("ssh_connect", json!({"host": NEAR, "name": name}))?;
        server.exec(name, "true")?;
    }
    let before = server.memory("VmRSS")?;
    server.reset_peak()?;
    let arguments = json!({"session": "loaded", "command": "exec yes", "waitMs": 0});
    let job = server.call("ssh_exec", arguments)?["_meta"][COMMAND_META]["job"].clone();
    let under_ours = for_a_minute(&mut server)?;
    let grown = server.memory("VmHWM")?.saturating_sub(before) as f64 / MEGABYTE;
    let look = server.call("ssh_output", json!({"job": job, "offsetBytes": -4}))?;
    let flooded = look["_meta"][COMMAND_META]["stdoutBytes"]
        .as_f64()
        .ok_or("no count")?
        / MEGABYTE;
    server.call("ssh_input", json!({"job": job, "signal": "KILL"}))?;
    let mut load = lab.ssh(NEAR, "exec yes").spawn()?;
    let under_theirs = for_a_minute(&mut server);
    load.kill()?;
    load.wait()?;
    let (under_theirs, minute) = (under_theirs?, MINUTE.as_secs());
    Ok(vec![
        Row {
            work: format!("`yes` for {minute} s as a job: resident growth at its peak"),
            ours: format!("{grown:.1} MB ({flooded:.0} MB of output)"),
            theirs: None,
            ratio: None,
            target: Target::at_most(grown, 16.0, "MB"),
        },
        beside(&under_ours, &under_theirs),
    ])
}

fn for_a_minute(server: &mut Server) -> Measured<Samples> {
    let mut samples = Samples::default();
    let start = Instant::now();
    while start.elapsed() < MINUTE {
        samples.push(server.exec("other", "true")?);
    }
    Ok(samples)
}

fn beside(under_ours: &Samples, under_theirs: &Samples) -> Row {
    let describe = |samples: &Samples| {
        format!(
            "p99 {:.2} ms (median {:.2}, {} calls)",
            millis(samples.percentile(99)),
            millis(samples.median()),
            samples.len()
        )
    };
    let p99 = |samples: &Samples| samples.percentile(99).as_secs_f64();
    let ratio = p99(under_ours) / p99(under_theirs);
    Row {
        work: "`ssh_exec true` on another session meanwhile, with the load carried by us; by `ssh`"
            .to_owned(),
        ours: describe(under_ours),
        theirs: Some(describe(under_theirs)),
        ratio: Some(ratio),
        target: Target::at_most(ratio, 1.5, "×"),
    }
}

fn carried_by_us(server: &mut Server, samples: &mut Samples) -> Measured<()> {
    let load = server.begin("ssh_exec", json!({"session": "loaded", "command": FLOOD}))?;
    while !server.has_finished(load) {
        samples.push(server.exec("other", "true")?);
    }
    let result = server.finish(load)?;
    let printed = &result["_meta"][COMMAND_META]["stdoutBytes"];
    if *printed != FLOOD_BYTES {
        return Err(format!("{printed} bytes arrived").into());
    }
    Ok(())
}

fn carried_by_ssh(lab: &Lab, server: &mut Server, samples: &mut Samples) -> Measured<()> {
    // A word on stderr tells that the connection is up: only the load itself is to be compared.
    let mut ssh = lab.ssh(NEAR, &format!("echo go >&2; {FLOOD}"));
    let mut load = ssh.stderr(Stdio::piped()).spawn()?;
    let stderr = load.stderr.take().ok_or("no pipe")?;
    BufReader::new(stderr).read_line(&mut String::new())?;
    let status = loop {
        if let Some(status) = load.try_wait()? {
            break status;
        }
        samples.push(server.exec("other", "true")?);
    };
    if !status.success() {
        return Err(format!("{ssh:?}: {status}").into());
    }
    Ok(())
}
