//! The body that says what is consumed of it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::flow_control::FlowHint;
use crate::transport::stream_handle::StreamHandle;

pin_project! {
    /// The body that a [`FlowControlLayer`](super::FlowControlLayer) gives a request
    /// and a [`ClientFlowControlLayer`](super::ClientFlowControlLayer) a response.
    ///
    /// It is the body inside, frame by frame. Each frame of DATA counts as consumed
    /// when it is handed over, so one that takes it out of this body and keeps it
    /// is not held to a window any more. Once the body has ended or failed, or is
    /// dropped, nothing that comes waits to be consumed.
    ///
    /// Where a message has no stream, over HTTP/1.1 or another transport, and where
    /// its body is empty, it does nothing.
    #[derive(Debug)]
    pub struct FlowControlBody<B> {
        #[pin]
        inner: B,
        watch: Watch,
    }
}

/// A stream that is watched, until this is dropped.
#[derive(Debug)]
struct Watch(Option<StreamHandle>);

impl Watch {
    fn consumed(&self, octets: usize) {
        if let Some(stream) = &self.0
            && octets > 0
        {
            stream.consumed(octets as u64);
        }
    }

    fn end(&mut self) {
        if let Some(stream) = self.0.take() {
            stream.unwatch();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

impl<B: Body> FlowControlBody<B> {
    /// The body of a message that came on a stream, if it is known. An empty one
    /// has nothing to watch.
    pub(super) fn new(inner: B, stream: Option<StreamHandle>, hint: Option<FlowHint>) -> Self {
        let stream = stream.filter(|_| !inner.is_end_stream());
        if let Some(stream) = &stream {
            stream.watch(inner.size_hint().exact(), hint);
        }
        Self {
            inner,
            watch: Watch(stream),
        }
    }
}

impl<B> FlowControlBody<B> {
    /// The body inside.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The body inside. What is taken out of it here does not count as consumed.
    pub fn get_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// The body inside. From now on nothing that comes waits to be consumed.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Body> Body for FlowControlBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let me = self.project();
        let frame = ready!(me.inner.poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => me
                .watch
                .consumed(frame.data_ref().map_or(0, Buf::remaining)),
            Some(Err(_)) | None => me.watch.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
