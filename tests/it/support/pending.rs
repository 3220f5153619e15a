//! Calls that a test starts without waiting for their answers.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

pub type PendingCall<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Returns a call that has not been polled. Outside tokio's cooperative budget, so that it yields only where
/// it has to wait.
pub fn pending<T>(call: impl Future<Output = T> + Send + 'static) -> PendingCall<T> {
    Box::pin(tokio::task::unconstrained(call))
}

/// Polls the call once; returns its answer if it is ready.
pub fn poll_once<T>(call: &mut PendingCall<T>) -> Option<T> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// Submits the call by polling it once; it must not be ready yet.
pub fn submit<T>(call: impl Future<Output = T> + Send + 'static) -> PendingCall<T> {
    let mut call = pending(call);
    assert!(poll_once(&mut call).is_none(), "answered at the first poll");
    call
}
