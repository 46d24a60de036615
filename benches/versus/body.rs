//! The response body: slices of one static buffer, so that making octets costs
//! nothing and what is measured is moving them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// What a file server would read at a time.
const CHUNK: usize = 64 << 10;

static OCTETS: [u8; CHUNK] = [b'f'; CHUNK];

/// A body of so many octets, at most [`CHUNK`] a frame.
#[derive(Debug)]
pub(crate) struct Chunks {
    left: u64,
}

impl Chunks {
    pub(crate) fn new(octets: u64) -> Self {
        Self { left: octets }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = self.left.min(CHUNK as u64);
        self.left -= chunk;
        let octets = Bytes::from_static(&OCTETS[..chunk as usize]);
        Poll::Ready(Some(Ok(Frame::data(octets))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
