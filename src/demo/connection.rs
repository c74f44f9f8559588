//! A connection of the embedded server: authentication, and the opening of channels.

use std::collections::HashSet;
use std::sync::Arc;

use russh::keys::PublicKey;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, MethodKind, MethodSet, Pty};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::channel::{self, ChannelContext};
use super::server::{ServerOptions, Shared};

/// russh's handler of a connection.
pub(super) struct Connection {
    options: Arc<ServerOptions>,
    shared: Arc<Shared>,
    /// A permit for each open session channel.
    sessions: Arc<Semaphore>,
    /// Channels that have had their exec request.
    used: HashSet<ChannelId>,
    /// Cancelled when the connection is gone.
    closed: CancellationToken,
}

impl Connection {
    /// A connection before authentication.
    pub(super) fn new(
        options: Arc<ServerOptions>,
        shared: Arc<Shared>,
        closed: CancellationToken,
    ) -> Self {
        let sessions = Arc::new(Semaphore::new(options.max_sessions));
        Self {
            options,
            shared,
            sessions,
            used: HashSet::new(),
            closed,
        }
    }

    /// Answers a credential, after the configured delay.
    async fn verdict(&self, accepted: bool) -> Auth {
        tokio::time::sleep(self.options.auth_delay).await;
        if accepted {
            Auth::Accept
        } else {
            self.refuse()
        }
    }

    /// Refuses a credential and leaves every method open, as sshd does.
    fn refuse(&self) -> Auth {
        Auth::Reject {
            proceed_with_methods: Some(methods(&self.options)),
            partial_success: false,
        }
    }

    /// Compares keys without their comments.
    fn is_authorized(&self, key: &PublicKey) -> bool {
        key.key_data() == self.options.authorized_key.key_data()
    }
}

/// The methods that a server with these options offers.
pub(super) fn methods(options: &ServerOptions) -> MethodSet {
    let mut methods = MethodSet::from(&[MethodKind::PublicKey][..]);
    if options.password.is_some() {
        methods.push(MethodKind::Password);
    }
    if options.keyboard_interactive.is_some() {
        methods.push(MethodKind::KeyboardInteractive);
    }
    methods
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.options.banner.clone())
    }

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, Self::Error> {
        Ok(self.refuse())
    }

    async fn auth_publickey_offered(
        &mut self,
        _user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        // Counted here and not when the signature follows: a key is a single attempt.
        self.shared.counters.auth_attempt();
        let accepted = self.is_authorized(offer.public_key);
        Ok(self.verdict(accepted).await)
    }

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let accepted = self.is_authorized(key.public_key);
        Ok(self.verdict(accepted).await)
    }

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, Self::Error> {
        self.shared.counters.auth_attempt();
        let accepted = self.options.password.as_deref() == Some(password);
        Ok(self.verdict(accepted).await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(answer) = &self.options.keyboard_interactive else {
            return Ok(self.refuse());
        };
        let Some(mut response) = response else {
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![("Password: ".into(), false)].into(),
            });
        };
        self.shared.counters.auth_attempt();
        let accepted = response
            .next()
            .is_some_and(|given| given == answer.as_bytes());
        Ok(self.verdict(accepted).await)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Ok(permit) = Arc::clone(&self.sessions).try_acquire_owned() else {
            // The code that sshd answers with above MaxSessions.
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        };
        self.shared.counters.channel();
        reply.accept().await;
        let context = ChannelContext {
            handle: session.handle(),
            runner: Arc::clone(&self.shared.runner),
            tasks: self.shared.tasks.clone(),
            closed: self.closed.child_token(),
        };
        self.shared.tasks.spawn(async move {
            channel::serve(channel, context).await;
            drop(permit);
        });
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        // Answered here, in the order of the requests; the channel's task gets the command itself.
        if self.used.insert(channel) {
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.used.remove(&channel);
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.shared.runner.has_subsystem(name) && self.used.insert(channel) {
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
