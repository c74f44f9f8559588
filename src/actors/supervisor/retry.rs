//! `retryForMs`: tries to connect again until the host is up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::handle::{ANSWER_TIMEOUT, SupervisorHandle};
use crate::actors::error::SessionError;
use crate::actors::report::ConnectReport;
use crate::actors::request::ConnectRequest;
use crate::actors::rpc::call_within;
use crate::actors::session::StateName;
use crate::actors::session::message::SessionMessage;
use crate::limits;
use crate::ssh::credentials::Credentials;
use crate::store::SessionName;

/// The time in which a connect is tried again, and the news of the tries.
#[derive(Debug, Clone, Default)]
pub struct Retry {
    /// Time in which a try may begin; zero allows a single try.
    pub within: Duration,
    /// The failed tries so far.
    pub failures: RetryWatch,
}

/// The failed tries of a call, for reports of progress.
#[derive(Debug, Clone, Default)]
pub struct RetryWatch(Arc<Mutex<Option<Failures>>>);

/// The failed tries so far.
#[derive(Debug, Clone)]
pub struct Failures {
    /// Number of failed tries.
    pub tries: u32,
    /// Failure of the last try.
    pub last: SessionError,
}

impl RetryWatch {
    /// The failed tries; none before the first failure.
    pub fn get(&self) -> Option<Failures> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, failures: Failures) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failures);
    }
}

impl SupervisorHandle {
    /// [`Self::connect`], tried again after failures that may pass.
    pub async fn connect_within(
        &self,
        request: ConnectRequest,
        retry: Retry,
    ) -> Result<ConnectReport, SessionError> {
        let mut tries = Tries::begin(retry);
        loop {
            let tried = tries.bounded(self.connect(request.clone())).await;
            if let Some(result) = tries.end_or_wait(tried).await {
                return result;
            }
        }
    }

    /// [`Self::reconnect`], tried again after failures that may pass.
    pub async fn reconnect_within(
        &self,
        name: Option<SessionName>,
        retry: Retry,
    ) -> Result<ConnectReport, SessionError> {
        let name = self.name_or_default(name).await?;
        let mut tries = Tries::begin(retry);
        loop {
            // The session also dials by itself; a link that is up by now must not be dropped again.
            let is_up = tries.failed > 0 && self.state_of(&name).await == Some(StateName::Ready);
            let tried = if is_up {
                self.confirm(&name).await
            } else {
                tries.bounded(self.reconnect(Some(name.clone()))).await
            };
            if let Some(result) = tries.end_or_wait(tried).await {
                return result;
            }
        }
    }
}

impl SupervisorHandle {
    /// The state of a session that runs.
    async fn state_of(&self, name: &SessionName) -> Option<StateName> {
        let actor = self.find_or_start_saved(name).await.ok()?;
        let asked = call_within(&actor, ANSWER_TIMEOUT, |reply| SessionMessage::GetStatus {
            reply,
        });
        Some(asked.await.ok()?.state)
    }

    /// Reports a link that is up, without dropping the link.
    async fn confirm(&self, name: &SessionName) -> Result<ConnectReport, SessionError> {
        let request = ConnectRequest {
            name: name.clone(),
            spec: self.saved_spec(name).await?,
            credentials: Credentials::default(),
            make_default: false,
            connect_timeout: None,
        };
        self.connect_in_place(&request).await
    }
}

/// The tries of a call.
struct Tries {
    retry: Retry,
    begun: Instant,
    /// Wait before the next try.
    wait: Duration,
    /// Number of failed tries.
    failed: u32,
}

impl Tries {
    fn begin(retry: Retry) -> Self {
        Self {
            retry,
            begun: Instant::now(),
            wait: limits::RETRY_WAIT_INITIAL,
            failed: 0,
        }
    }

    /// A try that began in time may take longer, but not so long that clients give the call up.
    async fn bounded(
        &self,
        attempt: impl Future<Output = Result<ConnectReport, SessionError>>,
    ) -> Result<ConnectReport, SessionError> {
        if self.retry.within.is_zero() {
            return attempt.await;
        }
        let deadline = self.begun + limits::RETRY_CALL_MAX;
        let ended = timeout_at(deadline, attempt).await;
        ended.unwrap_or_else(|_| Err(SessionError::TryAbandoned(self.begun.elapsed())))
    }

    /// The result of the call, unless another try is due; then waits until the time of that try.
    async fn end_or_wait(
        &mut self,
        tried: Result<ConnectReport, SessionError>,
    ) -> Option<Result<ConnectReport, SessionError>> {
        let last = match tried {
            Ok(report) => return Some(Ok(report)),
            Err(error) => error,
        };
        self.failed += 1;
        let is_over = self.begun.elapsed() + self.wait >= self.retry.within;
        if is_over || !last.is_retryable() {
            return Some(Err(self.counted(last)));
        }
        self.retry.failures.set(Failures {
            tries: self.failed,
            last,
        });
        sleep(self.wait).await;
        self.wait = (self.wait * 2).min(limits::RETRY_WAIT_MAX);
        None
    }

    /// The error of the last try; after several tries the error counts them.
    fn counted(&self, last: SessionError) -> SessionError {
        if self.failed == 1 {
            return last;
        }
        SessionError::Retried {
            last: Box::new(last),
            tries: self.failed,
            within: self.begun.elapsed(),
        }
    }
}
