//! Requests to an actor that need an answer, with an error for every way in which the answer can fail to come.

use std::time::Duration;

use ractor::{ActorRef, Message, RpcReplyPort};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::error::SessionError;

/// The port of a caller.
pub(crate) type Reply<R> = RpcReplyPort<Result<R, SessionError>>;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The message could not be delivered: nothing happened.
    NotDelivered,
    /// The actor ended before replying, dropped the reply port, or did not answer in time.
    NoAnswer,
}

/// Sends a request and waits for as long as the actor lives. Only for requests whose answers the actor bounds itself.
pub(crate) async fn call<M: Message, T: Send + 'static>(
    actor: &ActorRef<M>,
    message: impl FnOnce(RpcReplyPort<T>) -> M,
) -> Result<T, CallError> {
    let (reply, answer) = oneshot::channel();
    actor
        .send_message(message(reply.into()))
        .map_err(|_| CallError::NotDelivered)?;
    answer.await.map_err(|_| CallError::NoAnswer)
}

/// Sends a request and waits for a bounded time.
pub(crate) async fn call_within<M: Message, T: Send + 'static>(
    actor: &ActorRef<M>,
    limit: Duration,
    message: impl FnOnce(RpcReplyPort<T>) -> M,
) -> Result<T, CallError> {
    timeout(limit, call(actor, message))
        .await
        .unwrap_or(Err(CallError::NoAnswer))
}
