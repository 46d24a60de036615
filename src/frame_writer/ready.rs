//! Waiting for room.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::FrameWriter;

/// The future of [`FrameWriter::ready`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Ready<'a> {
    writer: &'a FrameWriter,
    /// Its number among those that wait.
    waiter: Option<u64>,
}

impl<'a> Ready<'a> {
    pub(super) fn new(writer: &'a FrameWriter) -> Self {
        Self {
            writer,
            waiter: None,
        }
    }
}

impl Future for Ready<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let waker = cx.waker().clone();
        let mut shared = this.writer.shared.lock();
        let (poll, old) = shared.poll_ready(&mut this.waiter, waker);
        drop(shared);
        drop(old);
        poll
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        if self.waiter.is_some() {
            let mut shared = self.writer.shared.lock();
            let old = shared.forget(&mut self.waiter);
            drop(shared);
            drop(old);
        }
    }
}
