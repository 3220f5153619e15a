//! Calls that were made and whose answers nobody waits for yet.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

pub type Asked<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call not yet made. However often it is nudged, it never gives way to others by itself.
pub fn call<T>(question: impl Future<Output = T> + Send + 'static) -> Asked<T> {
    Box::pin(tokio::task::unconstrained(question))
}

/// Lets the call go as far as it can now; its answer, if that is there.
pub fn nudge<T>(call: &mut Asked<T>) -> Option<T> {
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// Asks, and does not wait for the answer.
pub fn asked<T>(question: impl Future<Output = T> + Send + 'static) -> Asked<T> {
    let mut call = call(question);
    assert!(nudge(&mut call).is_none(), "nobody is that fast");
    call
}
