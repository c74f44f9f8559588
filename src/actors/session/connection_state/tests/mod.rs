//! The table test: every event in every state, from which `docs/design/connection-states.md` is generated.

mod details;
mod document;
mod fixture;
mod rows;
mod words;

use tokio::time::Instant;

use self::fixture::{EventKind, Given, Numbers, event, holds, machine, now};
use self::rows::{ROWS, Row};
use self::words::label;
use super::event::Effect;
use super::state_name::StateName;

/// Reads the change out of the effects. A change comes first, and only when the state changes.
fn change(
    effects: Vec<Effect<Numbers>>,
    now: Instant,
) -> (Option<(StateName, StateName)>, Vec<Effect<Numbers>>) {
    let mut effects = effects.into_iter().peekable();
    let change = match effects.next_if(|effect| matches!(effect, Effect::Changed(_))) {
        Some(Effect::Changed(change)) => {
            assert_eq!((change.session.as_str(), change.at), ("web", now));
            Some((change.from, change.to))
        }
        _ => None,
    };
    (change, effects.collect())
}

fn check(row: &Row, from: StateName) {
    let at = format!("{:?} in {from} given {:?}", row.event, row.given);
    let now = now();
    let mut machine = machine(from, row.given, now);
    let (event, new_callers) = event(row.event, row.given);
    let callers_before = holds(&machine) + new_callers;
    let (change, effects) = change(machine.on(event, now), now);

    let to = row.to.unwrap_or(from);
    assert_eq!(machine.state(), to, "{at}");
    assert_eq!(change, (from != to).then_some((from, to)), "{at}");
    let labels: Vec<_> = effects.iter().map(label).collect();
    assert_eq!(labels, row.effects, "{at}");
    let answered: usize = effects
        .iter()
        .map(|effect| match effect {
            Effect::AnswerCallers { callers, .. } => callers.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(
        answered + holds(&machine),
        callers_before,
        "a caller is lost: {at}"
    );
}

#[test]
fn every_row_of_the_table_holds() {
    for row in ROWS {
        for from in row.states {
            check(row, *from);
        }
    }
}

#[test]
fn the_table_has_a_row_for_every_event_in_every_state() {
    for event in EventKind::ALL {
        for state in StateName::ALL {
            let plain = |row: &&Row| {
                row.event == event && row.states.contains(&state) && row.given.is_empty()
            };
            let rows = ROWS.iter().filter(plain).count();
            assert_eq!(rows, 1, "unconditional rows for {event:?} in {state}");
        }
    }
}

#[test]
fn an_event_of_another_generation_changes_nothing_in_any_state() {
    for event_kind in EventKind::ALL {
        for state in StateName::ALL {
            let now = now();
            let (event, _) = event(event_kind, &[Given::OldGeneration]);
            if event.generation().is_none() {
                continue;
            }
            let mut machine = machine(state, &[], now);
            let effects = machine.on(event, now);
            let labels: Vec<_> = effects.iter().map(label).collect();
            let expected = match event_kind {
                EventKind::DialSucceeded => vec!["count as late", "close the new link"],
                _ => vec!["count as late"],
            };
            assert_eq!(labels, expected, "{event_kind:?} in {state}");
            assert_eq!((machine.state(), machine.late_events), (state, 1));
        }
    }
}
