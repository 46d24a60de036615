//! How the connection that runs a handshake learns where its verification came
//! from. rustls verifies within the poll that feeds it, on the same thread.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;

thread_local! {
    /// Whether the last verification of this poll came from a cache.
    static CACHED: Cell<Option<bool>> = const { Cell::new(None) };
}

/// A verifier says that it answered, and whether from its cache.
pub(super) fn report(cached: bool) {
    CACHED.set(Some(cached));
}

/// Runs a handshake, and says whether its last verification came from a cache;
/// `None` if no verifier of ours was asked.
pub(crate) async fn observe<F: Future>(handshake: F) -> (F::Output, Option<bool>) {
    let mut handshake = pin!(handshake);
    let mut cached = None;
    let output = poll_fn(|cx| {
        CACHED.set(None);
        let poll = handshake.as_mut().poll(cx);
        cached = CACHED.take().or(cached);
        poll
    })
    .await;
    (output, cached)
}
