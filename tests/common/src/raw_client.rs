//! A bare russh client, to look at a server without the product in between.
//!
//! Its waits are bounded for a paused clock; on real time put `bounded` around them.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_ssh_sessions::demo::Exit;
use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Sig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::virtually_bounded;

/// Default login name.
pub const USER: &str = "tester";

/// Messages of the server before authentication.
#[derive(Debug, Default)]
struct Greeting {
    host_key: Option<PublicKey>,
    banner: Option<String>,
}

/// Accepts and records every host key.
#[derive(Debug)]
pub struct Handler(Arc<Mutex<Greeting>>);

impl client::Handler for Handler {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = key {
            self.0.lock().unwrap().host_key = Some(key.clone());
        }
        Ok(true)
    }

    async fn auth_banner(
        &mut self,
        text: &str,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        self.0.lock().unwrap().banner = Some(text.to_owned());
        Ok(())
    }
}

/// A connection.
pub struct RawClient {
    /// russh's own handle.
    pub handle: client::Handle<Handler>,
    greeting: Arc<Mutex<Greeting>>,
}

impl fmt::Debug for RawClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // russh's handle has no text.
        formatter.debug_struct("RawClient").finish_non_exhaustive()
    }
}

impl RawClient {
    /// Exchanges keys and logs nobody in.
    pub async fn handshake<S>(stream: S) -> Result<Self, russh::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let greeting = Arc::new(Mutex::new(Greeting::default()));
        let handler = Handler(Arc::clone(&greeting));
        let connecting = client::connect_stream(Arc::default(), stream, handler);
        let handle = virtually_bounded("a handshake", connecting).await?;
        Ok(Self { handle, greeting })
    }

    /// Exchanges keys and logs in as [`USER`]; panics when the key is refused.
    pub async fn connect<S>(stream: S, key: PrivateKey) -> Result<Self, russh::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut client = Self::handshake(stream).await?;
        assert!(client.offer_key(USER, key).await?, "the key was refused");
        Ok(client)
    }

    /// Whether the server lets this key in.
    pub async fn offer_key(&mut self, user: &str, key: PrivateKey) -> Result<bool, russh::Error> {
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        Ok(self
            .handle
            .authenticate_publickey(user, key)
            .await?
            .success())
    }

    /// Whether the server accepts this password, and the answer of the server.
    pub async fn offer_password(
        &mut self,
        user: &str,
        password: &str,
    ) -> Result<AuthResult, russh::Error> {
        self.handle.authenticate_password(user, password).await
    }

    /// Whether the server lets this answer to its prompts in.
    pub async fn offer_answer(&mut self, user: &str, answer: &str) -> Result<bool, russh::Error> {
        let mut response = self
            .handle
            .authenticate_keyboard_interactive_start(user, None)
            .await?;
        loop {
            let prompts = match response {
                KeyboardInteractiveAuthResponse::Success => return Ok(true),
                KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
            };
            let answers = prompts.iter().map(|_| answer.to_owned()).collect();
            response = self
                .handle
                .authenticate_keyboard_interactive_respond(answers)
                .await?;
        }
    }

    /// The key that the server proved itself with.
    pub fn host_key(&self) -> PublicKey {
        self.greeting
            .lock()
            .unwrap()
            .host_key
            .clone()
            .expect("a host key")
    }

    /// The banner that the server sent.
    pub fn banner(&self) -> Option<String> {
        self.greeting.lock().unwrap().banner.clone()
    }

    /// Opens a channel and asks for a command.
    pub async fn exec(&self, command: &str) -> Result<RawExec, russh::Error> {
        let started = Instant::now();
        let opening = self.handle.channel_open_session();
        let channel = virtually_bounded("a channel", opening).await?;
        channel.exec(true, command).await?;
        Ok(RawExec { channel, started })
    }

    /// Runs a command to the close of its channel.
    pub async fn run(&self, command: &str) -> Result<RawOutput, russh::Error> {
        Ok(self.exec(command).await?.finish().await)
    }
}

/// A command under way.
#[derive(Debug)]
pub struct RawExec {
    /// russh's own channel.
    pub channel: Channel<client::Msg>,
    started: Instant,
}

/// Everything that came from a command, with the time of each event since the channel was asked for.
#[derive(Debug, Default)]
pub struct RawOutput {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// The exit, unless the connection was lost before.
    pub exit: Option<Exit>,
    /// Names of the messages in their order, those that follow their like left out.
    pub order: Vec<&'static str>,
    /// When the exit arrived.
    pub exit_after: Duration,
    /// When the channel was closed.
    pub close_after: Duration,
}

impl RawExec {
    /// Sends a signal.
    pub async fn signal(&self, signal: Sig) {
        self.channel
            .signal(signal)
            .await
            .expect("a live connection");
    }

    /// Collects everything until the channel is closed.
    pub async fn finish(mut self) -> RawOutput {
        let mut output = RawOutput::default();
        while let Some(message) = virtually_bounded("the close", self.channel.wait()).await {
            let after = self.started.elapsed();
            let name = output.take(message, after);
            if output.order.last() != Some(&name) && !name.is_empty() {
                output.order.push(name);
            }
        }
        output.close_after = self.started.elapsed();
        output
    }
}

impl RawOutput {
    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text")
    }

    /// Records a message and returns its name.
    fn take(&mut self, message: ChannelMsg, after: Duration) -> &'static str {
        match message {
            ChannelMsg::Data { data } => {
                self.stdout.extend_from_slice(&data);
                "stdout"
            }
            ChannelMsg::ExtendedData { data, .. } => {
                self.stderr.extend_from_slice(&data);
                "stderr"
            }
            ChannelMsg::ExitStatus { exit_status } => {
                (self.exit, self.exit_after) = (Some(Exit::Status(exit_status)), after);
                "exit"
            }
            ChannelMsg::ExitSignal {
                signal_name,
                core_dumped,
                ..
            } => {
                let name = match signal_name {
                    Sig::Custom(name) => name,
                    known => format!("{known:?}"),
                };
                (self.exit, self.exit_after) = (Some(Exit::Signal { name, core_dumped }), after);
                "exit"
            }
            ChannelMsg::Success => "success",
            ChannelMsg::Failure => "failure",
            ChannelMsg::Eof => "eof",
            ChannelMsg::Close => "close",
            _ => "",
        }
    }
}
