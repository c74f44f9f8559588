//! Renders the table as `docs/design/connection-states.md` and compares.

use std::fmt::Write;
use std::path::Path;

use super::fixture::EventKind;
use super::rows::{ROWS, Row};
use super::words::words;
use crate::actors::session::connection_state::StateName;
use crate::limits;

const FILE: &str = "docs/design/connection-states.md";

const HEAD: &str = "\
<!-- Generated from src/actors/session/connection_state/tests/rows.rs. To rewrite the file:
     UPDATE_DOCS=1 cargo test --lib connection_state -->

# States of a connection

A session owns one connection, and the connection is in one of six states. `ConnectionMachine::on` takes an event,
changes the state and returns effects, which the session's actor carries out in their order. The function is pure, and
the tables below are the rows of its test: every event in every state.

Three rules hold in every table:

- Tasks (dials, the watch on a link, timers) send events with the generation of their dial. An event of another
  generation changes nothing and is counted as late; a link that arrives late is closed.
- Every change of state publishes a change event (session, from, to, cause, time) before the other effects. The log
  and the metrics subscribe to these events.
- A row without a condition is the rule. A row with conditions is an exception, and all of its conditions hold.
";

const fn meaning(state: StateName) -> &'static str {
    match state {
        StateName::Connecting => {
            "A dial is under way. Holds the dial task, the callers that wait, the parameters on trial and the outage."
        }
        StateName::Ready => {
            "The link is up. Holds the link and, until the link has proved itself, the outage before it."
        }
        StateName::Backoff => {
            "The link is down and the session dials by itself. Holds the outage, the time of the next dial and the error."
        }
        StateName::Dormant => {
            "The link has been down for long; a call dials. Holds the outage and the error."
        }
        StateName::Failed => {
            "Dialling again cannot help (refused login, changed host key); `ssh_connect` and `ssh_reconnect` dial. Holds the error."
        }
        StateName::Saved => "Known, not connected and not dialling; a call dials.",
    }
}

/// The rules of an outage, with the numbers of `limits.rs`.
fn outages() -> String {
    format!(
        "\nAn *outage* lasts from the loss of a link until a later link has been up for {}. Its delays are random parts of\n\
         intervals that double from {} to {}. A session whose outage has lasted {} dials only when a call needs the\n\
         host.\n",
        words(limits::LINK_PROVEN_AFTER),
        words(limits::BACKOFF_INITIAL),
        words(limits::BACKOFF_MAX),
        words(limits::DORMANT_AFTER),
    )
}

fn render() -> String {
    let mut text = HEAD.to_owned();
    text.push_str(&outages());
    text.push_str("\n## States\n\n| State | Meaning |\n|---|---|\n");
    for state in StateName::ALL {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(text, "| `{state}` | {} |", meaning(state));
    }
    for event in EventKind::ALL {
        let (name, words) = event.words();
        let _ = write!(
            text,
            "\n## {name}\n\n{words}\n\n| State | Condition | Next state | Effects |\n|---|---|---|---|\n"
        );
        for row in ROWS.iter().filter(|row| row.event == event) {
            let _ = writeln!(text, "{}", line(row));
        }
    }
    text
}

fn line(row: &Row) -> String {
    let states: Vec<_> = row
        .states
        .iter()
        .map(|state| format!("`{state}`"))
        .collect();
    let states = if row.states.len() == StateName::ALL.len() {
        "any".to_owned()
    } else {
        states.join(", ")
    };
    let given: Vec<_> = row.given.iter().map(|given| given.words()).collect();
    let to = row.to.map_or("stays".to_owned(), |to| format!("`{to}`"));
    let effects = if row.effects.is_empty() {
        "none".to_owned()
    } else {
        row.effects.join("; ")
    };
    format!("| {states} | {} | {to} | {effects} |", given.join(", "))
}

#[test]
fn the_documentation_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let expected = render();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &expected).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{FILE} does not show the table of connection states; rewrite it with UPDATE_DOCS=1 cargo test --lib connection_state"
    );
}
