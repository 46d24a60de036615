//! An IO that takes and gives a few octets at a time, and is `Pending` for no
//! reason now and then.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Debug)]
pub(crate) struct Stingy<IO> {
    io: IO,
    /// Octets that a call takes or gives at most.
    most: usize,
    /// `Pending` in this many of 16 calls.
    pending: u64,
    random: u64,
}

impl<IO> Stingy<IO> {
    pub(crate) fn new(io: IO, most: usize, pending: u64) -> Self {
        Self {
            io,
            most,
            pending,
            random: 0x2545_f491_4f6c_dd1d,
        }
    }

    /// Whether this call is `Pending`. The waker is woken, as a socket would.
    fn is_reluctant(&mut self, cx: &Context<'_>) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let reluctant = self.random % 16 < self.pending;
        if reluctant {
            cx.waker().wake_by_ref();
        }
        reluctant
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Stingy<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_reluctant(cx) {
            return Poll::Pending;
        }
        let mut space = [0; 4096];
        let most = self.most.min(buf.remaining()).min(space.len());
        let mut part = ReadBuf::new(&mut space[..most]);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut part);
        buf.put_slice(part.filled());
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Stingy<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_reluctant(cx) {
            return Poll::Pending;
        }
        let most = self.most.min(buf.len());
        Pin::new(&mut self.io).poll_write(cx, &buf[..most])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let flat: Vec<u8> = bufs.iter().flat_map(|buf| buf.to_vec()).collect();
        self.poll_write(cx, &flat)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_reluctant(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
