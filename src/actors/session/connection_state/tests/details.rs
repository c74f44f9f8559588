//! Properties of transitions that the table's words do not show.

use std::time::Duration;

use super::fixture::{
    EventKind, GENERATION, Given, Numbers, event, key, lost, machine, now, parameters, spec,
};
use crate::actors::error::SessionError;
use crate::actors::session::connection_state::event::{Answer, DialPlan, Effect, Event};
use crate::actors::session::connection_state::{ConnectionMachine, Past, StateName};
use crate::limits;
use crate::ssh::credentials::{Credentials, Secret};
use crate::store::AuthKind;

fn on(machine: &mut ConnectionMachine<Numbers>, kind: EventKind) -> Vec<Effect<Numbers>> {
    machine.on(event(kind, &[]).0, now())
}

fn plan(effects: Vec<Effect<Numbers>>) -> DialPlan {
    let plan = effects.into_iter().find_map(|effect| match effect {
        Effect::StartDial(plan) => Some(*plan),
        _ => None,
    });
    plan.expect("no dial")
}

fn connect(machine: &mut ConnectionMachine<Numbers>, host: &str) -> DialPlan {
    let event = Event::Connect {
        parameters: Box::new(parameters(host)),
        caller: "connect",
    };
    plan(machine.on(event, now()))
}

fn with_password(machine: &mut ConnectionMachine<Numbers>) {
    machine.parameters.spec.auth = AuthKind::Password;
    machine.parameters.credentials = Credentials {
        password: Some(Secret::new("secret".into())),
        passphrase: None,
    };
}

#[test]
fn every_dial_and_every_deliberate_end_begins_a_generation() {
    for (state, kind) in [
        (StateName::Saved, EventKind::CallWaits),
        (StateName::Saved, EventKind::Connect),
        (StateName::Ready, EventKind::Reconnect),
        (StateName::Backoff, EventKind::RetryDue),
        (StateName::Ready, EventKind::Disconnect),
        (StateName::Connecting, EventKind::ShutDown),
    ] {
        let mut machine = machine(state, &[], now());
        on(&mut machine, kind);
        assert!(machine.generation > GENERATION, "{kind:?} in {state}");
    }
}

#[test]
fn the_timer_of_a_backoff_belongs_to_the_generation_that_failed() {
    let mut machine = machine(StateName::Connecting, &[], now());
    let effects = on(&mut machine, EventKind::DialFailed);
    let timer = effects.iter().find_map(|effect| match effect {
        Effect::StartTimer { generation, .. } => Some(*generation),
        _ => None,
    });
    assert_eq!(timer, Some(machine.generation));
}

#[test]
fn a_new_connect_dials_without_the_pin_and_a_redial_with_it() {
    let mut saved = machine(StateName::Saved, &[], now());
    saved.pin = Some(key());
    assert_eq!(connect(&mut saved, "web").pin, None);

    let mut saved = machine(StateName::Saved, &[], now());
    saved.pin = Some(key());
    assert_eq!(plan(on(&mut saved, EventKind::CallWaits)).pin, Some(key()));
}

#[test]
fn a_connect_without_secrets_to_the_same_target_takes_those_of_the_session() {
    let mut machine = machine(StateName::Dormant, &[], now());
    with_password(&mut machine);
    let own = machine.parameters.clone();
    let plan = connect(&mut machine, "web");
    assert_eq!(plan.parameters.credentials, own.credentials);
    assert_eq!(plan.parameters.spec.auth, AuthKind::Password);
}

#[test]
fn a_connect_to_another_target_does_not_get_the_secrets_of_the_session() {
    let mut machine = machine(StateName::Dormant, &[], now());
    with_password(&mut machine);
    let plan = connect(&mut machine, "other");
    assert_eq!(plan.parameters.credentials, Credentials::default());
}

#[test]
fn parameters_on_trial_are_adopted_only_after_their_dial_has_succeeded() {
    let given = [Given::TrialFrom(StateName::Dormant)];
    let mut failed = machine(StateName::Connecting, &given, now());
    on(&mut failed, EventKind::DialFailed);
    assert_eq!(failed.spec(), &spec("web"));
    assert_eq!(failed.last_error(), Some(lost().to_string()));

    let mut succeeded = machine(StateName::Connecting, &given, now());
    on(&mut succeeded, EventKind::DialSucceeded);
    assert_eq!(succeeded.spec(), &spec("tried"));
    assert_eq!(succeeded.last_error(), None);
    assert_eq!(succeeded.pin, Some(key()));
}

#[test]
fn the_name_stands_for_the_target_on_trial() {
    let given = [Given::TrialFrom(StateName::Saved)];
    let mut machine = machine(StateName::Connecting, &given, now());
    let event = Event::Connect {
        parameters: Box::new(parameters("web")),
        caller: "late",
    };
    let effects = machine.on(event, now());
    let [Effect::AnswerCallers { callers, answer }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(callers, &["late"]);
    let Answer::Refused(SessionError::NameTaken { target, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(target, "tried");
}

#[test]
fn only_a_link_after_the_first_is_a_reconnect() {
    for (given, reconnects) in [
        (&[Given::NewName][..], 0),
        (&[Given::NotUpYet], 0),
        (&[], 1),
    ] {
        let mut machine = machine(StateName::Connecting, given, now());
        on(&mut machine, EventKind::DialSucceeded);
        assert_eq!(machine.reconnects(), reconnects, "{given:?}");
    }
}

#[test]
fn attempts_are_counted_over_the_dials_of_an_outage() {
    let mut machine = machine(StateName::Ready, &[Given::ProvenLink], now());
    on(&mut machine, EventKind::ConnectionLost);
    assert_eq!(machine.attempts(), Some(0));
    for attempt in 1..4 {
        let retry = Event::RetryDue {
            generation: machine.generation,
        };
        machine.on(retry, now());
        assert_eq!(machine.attempts(), Some(attempt));
        let failed = Event::Dialed {
            generation: machine.generation,
            result: Err(lost()),
            took: Duration::ZERO,
        };
        machine.on(failed, now());
        assert_eq!(machine.attempts(), Some(attempt));
    }
    connect(&mut machine, "web");
    assert_eq!(machine.attempts(), Some(4), "a connect is an attempt too");
}

#[test]
fn a_failed_connect_leaves_the_time_of_the_next_attempt() {
    let now = now();
    let given = [Given::TrialFrom(StateName::Backoff)];
    let mut machine = machine(StateName::Connecting, &given, now);
    machine.on(event(EventKind::DialFailed, &given).0, now);
    assert_eq!(
        machine.next_attempt_in(now),
        Some(Duration::from_secs(5)),
        "five seconds, as in the state before"
    );
}

#[test]
fn a_reconnect_forgets_the_outage() {
    let mut machine = machine(StateName::Backoff, &[Given::DownForLong], now());
    on(&mut machine, EventKind::Reconnect);
    assert_eq!(machine.attempts(), None);
    let failed = Event::Dialed {
        generation: machine.generation,
        result: Err(lost()),
        took: Duration::ZERO,
    };
    machine.on(failed, now());
    assert_eq!(machine.state(), StateName::Backoff);
}

#[test]
fn a_delay_is_a_part_of_the_first_interval_after_a_proven_link() {
    let now = now();
    let given = [Given::DownForLong, Given::ProvenLink];
    let mut machine = machine(StateName::Ready, &given, now);
    machine.on(event(EventKind::ConnectionLost, &given).0, now);
    assert_eq!(machine.next_attempt_in(now), Some(limits::BACKOFF_INITIAL));
}

#[test]
fn a_disconnect_forgets_the_password_and_a_shutdown_does_not() {
    let mut disconnected = machine(StateName::Ready, &[], now());
    with_password(&mut disconnected);
    on(&mut disconnected, EventKind::Disconnect);
    assert_eq!(disconnected.parameters.credentials, Credentials::default());
    assert_eq!(disconnected.past, Past::Saved);

    let mut shut_down = machine(StateName::Ready, &[], now());
    with_password(&mut shut_down);
    on(&mut shut_down, EventKind::ShutDown);
    assert!(shut_down.parameters.credentials.password.is_some());
}

#[test]
fn changes_form_a_chain_through_the_life_of_a_session() {
    let mut machine = machine(StateName::Saved, &[], now());
    let mut state = StateName::Saved;
    for kind in [
        EventKind::CallWaits,
        EventKind::DialSucceeded,
        EventKind::ConnectionLost,
        EventKind::RetryDue,
        EventKind::DialFailed,
        EventKind::Connect,
        EventKind::DialSucceeded,
        EventKind::Reconnect,
        EventKind::Disconnect,
    ] {
        let mut event = event(kind, &[]).0;
        if let Event::Dialed { generation, .. }
        | Event::ConnectionLost { generation, .. }
        | Event::RetryDue { generation } = &mut event
        {
            *generation = machine.generation;
        }
        let effects = machine.on(event, now());
        let Some(Effect::Changed(change)) = effects.first() else {
            panic!("{kind:?}: {effects:?}");
        };
        assert_eq!(change.from, state, "{kind:?}");
        assert_eq!(change.generation, machine.generation, "{kind:?}");
        state = change.to;
    }
    assert_eq!(state, StateName::Saved);
}

#[test]
fn a_handle_of_a_dial_is_kept_until_the_dial_ends() {
    let mut machine = machine(StateName::Saved, &[], now());
    on(&mut machine, EventKind::CallWaits);
    machine.attach_dial(3);
    let effects = on(&mut machine, EventKind::Disconnect);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::AbortDial(3))),
        "{effects:?}"
    );
}
