//! Connections as a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::{Listener, ServerStream};

/// The connections of a [`Listener`] as a stream, which has no end. Made by
/// [`Listener::into_stream`]; the items are those of [`Listener::accept`].
#[derive(Debug)]
pub struct Incoming {
    listener: Listener,
}

impl Incoming {
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener }
    }

    /// The listener.
    #[must_use]
    pub fn get_ref(&self) -> &Listener {
        &self.listener
    }

    /// The listener. No connection is lost on the way.
    #[must_use]
    pub fn into_inner(self) -> Listener {
        self.listener
    }
}

impl Stream for Incoming {
    type Item = io::Result<ServerStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = self.listener.poll_accept(cx);
        accepted.map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}
