//! Carries out the effects of the connection state machine.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::Instant;

use super::connection_state::event::{Answer, Effect, Event, NewLink};
use super::dial_task;
use super::live_link::LiveLink;
use super::session_state::{SessionPorts, SessionState};
use crate::actors::report::ConnectReport;
use crate::actors::saved_session::auth_kind;
use crate::actors::session::message::ConnectReply;
use crate::actors::supervisor::message::SupervisorMessage;
use crate::ssh::connection::Connection;
use crate::ssh::error::SshError;
use crate::store::SessionName;

/// The end of a dial, as an event of the state machine.
pub(super) fn dialed(
    generation: u64,
    result: Result<Arc<Connection>, SshError>,
    took: Duration,
) -> Event<SessionPorts> {
    let result = result.map(|connection| {
        let facts = connection.facts();
        NewLink {
            auth: auth_kind(facts.auth),
            host_key: facts.public_key.clone(),
            link: LiveLink::new(generation, connection),
        }
    });
    Event::Dialed {
        generation,
        result,
        took,
    }
}

impl SessionState {
    /// Gives an event to the state machine and carries out the effects. Boxed, because every idle session keeps room
    /// for the largest future that its handler awaits.
    pub(super) fn advance(&mut self, event: Event<SessionPorts>) -> BoxFuture<'_, ()> {
        let effects = self.connection.on(event, Instant::now());
        Box::pin(async move {
            for effect in effects {
                self.carry_out(effect).await;
            }
        })
    }

    async fn carry_out(&mut self, effect: Effect<SessionPorts>) {
        match effect {
            Effect::Changed(change) => self.subscribers.publish(&change),
            Effect::StartDial(plan) => {
                let dial = dial_task::start(*plan, self.dialer.clone(), self.myself.clone());
                self.connection.attach_dial(dial);
            }
            Effect::AbortDial(dial) => dial.abort(),
            Effect::StartTimer { generation, at } => {
                dial_task::start_timer(at, generation, self.myself.clone());
            }
            Effect::WatchLink { generation, link } => {
                dial_task::watch(&link, generation, self.myself.clone());
            }
            Effect::TellEstablished { spec, pin } => {
                self.work.shell.set_target(&spec);
                let name = self.connection.name().clone();
                let established = SupervisorMessage::Established {
                    name,
                    spec,
                    pin: *pin,
                };
                // A supervisor that is gone restarts nothing.
                let _ = self.supervisor.send_message(established);
            }
            Effect::AnswerCallers { callers, answer } => self.answer(callers, &answer),
            Effect::ServeQueue { link } => {
                self.work.link_came_up(&link);
                self.work.start_waiting(Some(&link)).await;
            }
            Effect::FailQueue(error) => self.work.refuse_waiting(&error),
            Effect::SendAllAway(error) => self.work.send_all_away(&error),
            Effect::CloseLink(link) => {
                tokio::spawn(async move { link.connection.close().await });
            }
            Effect::HangUp { link, goodbye } => self.hang_up(link, goodbye),
            Effect::Vanish => self.myself.stop(None),
            Effect::ReportLate { late_events } => {
                tracing::debug!(session = %self.connection.name(), late_events, "late event ignored");
            }
        }
    }

    fn answer(&mut self, callers: Vec<ConnectReply>, answer: &Answer<SessionPorts>) {
        let ended_jobs = std::mem::take(&mut self.ended_by_reconnect);
        for caller in callers {
            let answer = match answer {
                Answer::Up { link, reused, took } => Ok(ConnectReport {
                    ended_jobs: ended_jobs.clone(),
                    ..report(self.connection.name(), link, *reused, *took)
                }),
                Answer::Refused(error) => Err(error.clone()),
            };
            // A caller that is gone needs no answer.
            let _ = caller.send(answer);
        }
    }
}

fn report(
    session: &SessionName,
    link: &LiveLink,
    reused: bool,
    connect_time: Duration,
) -> ConnectReport {
    let facts = link.connection.facts();
    ConnectReport {
        session: session.clone(),
        host: facts.host.clone(),
        port: facts.port,
        username: facts.username.clone(),
        is_default: false,
        reused,
        auth: facts.auth.as_str(),
        auth_kind: auth_kind(facts.auth),
        host_key: facts.host_key.clone(),
        server_version: facts.server_version.clone(),
        ended_jobs: Vec::new(),
        connect_time,
        notes: facts.notes.clone(),
    }
}
