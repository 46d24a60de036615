//! A connection with TLS or without, behind one type.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection with TLS or without.
#[derive(Debug)]
pub(crate) enum MaybeTls<P, S> {
    Plain(P),
    Tls(S),
}

/// Calls the same method of whichever it is.
macro_rules! either {
    ($me:expr, $io:ident => $call:expr) => {
        match $me {
            $crate::maybe_tls::MaybeTls::Plain($io) => $call,
            $crate::maybe_tls::MaybeTls::Tls($io) => $call,
        }
    };
}
pub(crate) use either;

impl<P: AsyncRead + Unpin, S: AsyncRead + Unpin> AsyncRead for MaybeTls<P, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(&mut *self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl<P: AsyncWrite + Unpin, S: AsyncWrite + Unpin> AsyncWrite for MaybeTls<P, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(&mut *self, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(&mut *self, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        either!(self, io => io.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut *self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut *self, io => Pin::new(io).poll_shutdown(cx))
    }
}
