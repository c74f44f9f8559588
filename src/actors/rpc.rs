//! Questions to an actor, with an answer for every way in which it can fail to answer.

use std::time::Duration;

use ractor::{ActorRef, Message, RpcReplyPort};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The actor is gone, dropped the question, or did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The message could not be delivered: nothing happened.
    NotDelivered,
    /// The actor ended with the question in its hands.
    NoAnswer,
}

/// Asks and waits for as long as the actor lives. Only for questions that the actor bounds itself.
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

/// Asks and waits for a bounded time.
pub(crate) async fn call_within<M: Message, T: Send + 'static>(
    actor: &ActorRef<M>,
    limit: Duration,
    message: impl FnOnce(RpcReplyPort<T>) -> M,
) -> Result<T, CallError> {
    timeout(limit, call(actor, message))
        .await
        .unwrap_or(Err(CallError::NoAnswer))
}
