//! Connecting and reconnecting through the handle: the session dials, then the store is written.

use super::deliver::LookUp;
use super::handle::{SupervisorHandle, crashed};
use crate::actors::error::SessionError;
use crate::actors::report::ConnectReport;
use crate::actors::request::ConnectRequest;
use crate::actors::rpc::call;
use crate::actors::session::message::SessionMessage;
use crate::error::Fate;
use crate::store::{SessionName, SessionSpec, StoreError, UtcTime};

impl SupervisorHandle {
    /// Connects a named session, or confirms that it is up.
    pub async fn connect(&self, request: ConnectRequest) -> Result<ConnectReport, SessionError> {
        let name = request.name.clone();
        let (spec, make_default) = (request.spec.clone(), request.make_default);
        let client = self.client().await;
        let content = self.load_store().await;
        let known = content.is_ok_and(|content| content.sessions.contains_key(&name));
        let report = self.ask_to_connect(&request, known).await?;
        if make_default {
            client.choose(name.clone());
        }
        client.connected(name);
        Ok(self.finish_connect(report, Some(spec), make_default).await)
    }

    /// Drops a session's link and dials anew.
    pub async fn reconnect(
        &self,
        name: Option<SessionName>,
    ) -> Result<ConnectReport, SessionError> {
        let name = self.name_or_default(name).await?;
        let actor = self.find_or_start_saved(&name).await?;
        let answer = call(&actor, |reply| SessionMessage::Reconnect { reply }).await;
        let report = answer.map_err(|_| crashed(&name, Fate::NotSent))??;
        Ok(self.finish_connect(report, None, false).await)
    }

    /// Connects a known session as saved; the client's default stays.
    pub(super) async fn connect_in_place(
        &self,
        request: &ConnectRequest,
    ) -> Result<ConnectReport, SessionError> {
        let report = self.ask_to_connect(request, true).await?;
        Ok(self.finish_connect(report, None, false).await)
    }

    /// Asks the session to connect, started if there is none.
    async fn ask_to_connect(
        &self,
        request: &ConnectRequest,
        known: bool,
    ) -> Result<ConnectReport, SessionError> {
        let name = &request.name;
        let message = |reply, taken| SessionMessage::Connect {
            request: Box::new(request.clone()),
            taken,
            reply,
        };
        let spec = &request.spec;
        let look_up = LookUp::Start { spec, known };
        self.deliver(name, look_up, message, Fate::NotSent).await
    }

    async fn finish_connect(
        &self,
        mut report: ConnectReport,
        given: Option<SessionSpec>,
        make_default: bool,
    ) -> ConnectReport {
        if let Err(error) = self.save_connected(&report, given, make_default).await {
            report
                .notes
                .push(format!("the session works but is not saved: {error}"));
        }
        let default = self.default_session().await;
        report.is_default = default.as_ref() == Some(&report.session);
        report
    }

    /// Saves a session that has just connected. The session becomes the stored default if asked, or if a client
    /// connects the session and there is no stored default.
    async fn save_connected(
        &self,
        report: &ConnectReport,
        given: Option<SessionSpec>,
        make_default: bool,
    ) -> Result<(), StoreError> {
        let (name, auth, reused) = (
            report.session.clone(),
            report.auth_kind.clone(),
            report.reused,
        );
        self.update_store(move |content| {
            let connects = given.is_some();
            let spec = given.or_else(|| content.sessions.get(&name).cloned());
            if let (Some(mut spec), false) = (spec, reused) {
                spec.auth = auth;
                spec.last_connected_at = Some(UtcTime::now());
                content.remember(name.clone(), spec);
            }
            if make_default || connects && content.default.is_none() {
                content.set_default(&name);
            }
        })
        .await
    }
}
