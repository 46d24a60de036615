//! Large reads for a reader that asks for little.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::Config;
use crate::pool::{BufferPool, PooledBuf};

/// Reads ahead of a reader that asks for little at a time, such as rustls, which
/// asks for 4 KiB. Goes between the socket and TLS; writes pass as they are.
///
/// # Memory
///
/// One pooled buffer ([`Config::read_ahead`]) while there are octets that the
/// reader has not taken; none while there are not.
#[derive(Debug)]
pub struct ReadAhead<IO> {
    io: IO,
    pool: BufferPool,
    buf: Option<PooledBuf>,
    /// Octets of `buf` that the reader has taken.
    taken: usize,
    /// Octets to read at a time, between the bounds.
    size: usize,
    min: usize,
    max: usize,
}

impl<IO> ReadAhead<IO> {
    /// Reads ahead on `io`, with the pool and the sizes of `config`.
    pub fn new(io: IO, config: &Config) -> Self {
        Self {
            io,
            pool: config.pool.clone(),
            buf: None,
            taken: 0,
            size: config.read_min,
            min: config.read_min,
            max: config.read_max,
        }
    }

    /// The IO below.
    pub fn get_ref(&self) -> &IO {
        &self.io
    }

    /// The IO below. To read from it loses octets.
    pub fn get_mut(&mut self) -> &mut IO {
        &mut self.io
    }

    /// Hands over what was read ahead. Gives the buffer back with the last.
    fn serve(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let Some(buf) = &self.buf else { return false };
        let rest = &buf[self.taken..];
        let n = rest.len().min(out.remaining());
        out.put_slice(&rest[..n]);
        self.taken += n;
        if self.taken == buf.len() {
            self.taken = 0;
            self.buf = None;
        }
        true
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for ReadAhead<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self;
        if out.remaining() == 0 || me.serve(out) {
            return Poll::Ready(Ok(()));
        }
        if out.remaining() >= me.size {
            return Pin::new(&mut me.io).poll_read(cx, out);
        }
        let mut buf = me.pool.acquire(me.size);
        let mut read = ReadBuf::new(buf.spare_mut());
        ready!(Pin::new(&mut me.io).poll_read(cx, &mut read))?;
        let n = read.filled().len();
        buf.advance(n);
        if n == buf.capacity() {
            me.size = (me.size * 4).min(me.max);
        } else if n < me.size / 4 {
            me.size = (me.size / 4).max(me.min);
        }
        if n > 0 {
            me.buf = Some(buf);
            me.serve(out);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for ReadAhead<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_below_takes_several_slices_or_not() {
        let (vectored, _) = tokio::io::duplex(1);
        assert!(ReadAhead::new(vectored, &Config::default()).is_write_vectored());
        let plain = tokio_test::io::Builder::new().build();
        assert!(!ReadAhead::new(plain, &Config::default()).is_write_vectored());
    }
}
