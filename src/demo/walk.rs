//! `demo`: the walk-through of the product, step by step, in plain words.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::stage::{Closed, Stage, tail};
use super::steps;
use super::steps::outcome::{Missed, Outcome, Seen};
use crate::terminal_report::{Mark, Report};

/// Sets the stage, performs the steps, and takes everything down again, also when a signal arrives in between.
pub async fn walk_through() -> ExitCode {
    let report = Report::stdout();
    let stage = match Stage::set_up().await {
        Ok(stage) => stage,
        Err(error) => {
            report.marked(Mark::Bad, &format!("the demo cannot begin: {error}"));
            return ExitCode::FAILURE;
        }
    };
    report.line(&introduction(&stage));
    let walked = tokio::select! {
        passed = walk(&stage, &report) => passed,
        () = interrupted() => {
            report.marked(Mark::Bad, "interrupted");
            false
        }
    };
    let log = if walked { Vec::new() } else { tail(&stage.log) };
    let ended = end(stage, &report).await;
    for line in log {
        report.line(&format!("    server log: {line}"));
    }
    if walked && ended {
        report.line("\nevery step succeeded");
        ExitCode::SUCCESS
    } else {
        report.line("\nnot every step succeeded");
        ExitCode::FAILURE
    }
}

fn introduction(stage: &Stage) -> String {
    format!(
        "An SSH server on {} and the MCP server of this program, which a small MCP client calls as an agent \
         would.\nNothing leaves this machine; all files are in {} until the end.\n",
        stage.host.listening.address,
        stage.directory().display()
    )
}

/// Performs all steps; true if every step succeeded.
async fn walk(stage: &Stage, report: &Report) -> bool {
    let mut passed = true;
    for step in steps::ALL {
        let started = Instant::now();
        let outcome = (step.run)(stage).await;
        let failed = outcome.is_err();
        tell(report, step.name, started, outcome);
        passed &= !failed;
        if failed && step.is_foundation {
            break;
        }
    }
    passed
}

/// Takes the stage down, and reports that as a step.
async fn end(stage: Stage, report: &Report) -> bool {
    let started = Instant::now();
    let outcome = match stage.close().await {
        Ok(closed) => ended_well(&closed),
        Err(error) => Err(error.into()),
    };
    let passed = outcome.is_ok();
    tell(report, "end", started, outcome);
    passed
}

fn ended_well(closed: &Closed) -> Outcome {
    let Closed { status, took, left } = closed;
    if !status.success() || left.is_some() {
        let left = left.as_deref().unwrap_or("nothing");
        return Err(Missed {
            expected: "exit status 0 and nothing left behind".to_owned(),
            got: format!("{status}; left behind: {left}"),
        });
    }
    Ok(Seen {
        said: format!(
            "the MCP server ended {} ms after its input, with exit status 0; all files are removed",
            took.as_millis()
        ),
        reads: Vec::new(),
    })
}

/// Prints a step.
fn tell(report: &Report, name: &str, started: Instant, outcome: Outcome) {
    let head = format!("{name} ({} ms)", started.elapsed().as_millis());
    match outcome {
        Ok(seen) => {
            report.marked(Mark::Good, &format!("{head}: {}", seen.said));
            for line in seen.reads {
                report.line(&format!("    {line}"));
            }
        }
        Err(missed) => {
            report.marked(Mark::Bad, &format!("{head}: expected {}", missed.expected));
            report.line(&format!("    got: {}", missed.got));
        }
    }
}

/// Waits for SIGINT, SIGTERM or SIGHUP, whose default action would leave the hosts' commands behind.
async fn interrupted() {
    let listen = |kind| signal(kind).ok();
    let mut signals = [
        listen(SignalKind::interrupt()),
        listen(SignalKind::terminate()),
        listen(SignalKind::hangup()),
    ];
    let [interrupt, terminate, hangup] = &mut signals;
    tokio::select! {
        () = received(interrupt) => {}
        () = received(terminate) => {}
        () = received(hangup) => {}
    }
}

async fn received(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
