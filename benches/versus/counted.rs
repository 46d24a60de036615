//! Counts the calls that reach the socket, and the octets that come from it.
//!
//! The wrapper stands directly around the `TcpStream`, below TLS and below
//! framewright, on both sides. It counts the calls that were answered `Ready`:
//! each is exactly one `read`, `write` or `writev`. tokio answers `Pending`
//! mostly from its cached readiness, without a system call; the exception, a
//! call that finds the socket not ready after all (`EAGAIN`), is not counted,
//! so the true number of system calls is a little higher, on both sides alike.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

static READS: AtomicU64 = AtomicU64::new(0);
static WRITES: AtomicU64 = AtomicU64::new(0);
static RECEIVED: AtomicU64 = AtomicU64::new(0);

/// Read calls of this process so far.
pub(crate) fn reads() -> u64 {
    READS.load(Relaxed)
}

/// Octets that this process has read so far.
pub(crate) fn received() -> u64 {
    RECEIVED.load(Relaxed)
}

/// Write calls of this process so far.
pub(crate) fn writes() -> u64 {
    WRITES.load(Relaxed)
}

fn count<T>(counter: &AtomicU64, answer: Poll<T>) -> Poll<T> {
    if answer.is_ready() {
        counter.fetch_add(1, Relaxed);
    }
    answer
}

/// A socket whose calls are counted.
#[derive(Debug)]
pub(crate) struct Counted(pub(crate) TcpStream);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let answer = count(&READS, Pin::new(&mut self.0).poll_read(cx, buf));
        RECEIVED.fetch_add((buf.filled().len() - before) as u64, Relaxed);
        answer
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        count(&WRITES, Pin::new(&mut self.0).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        count(&WRITES, Pin::new(&mut self.0).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
