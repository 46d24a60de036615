//! A connection that a listener has made.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::server::TlsStream;

use super::Protocol;
use super::stats::Slot;
use crate::connect::ReadAhead;
use crate::maybe_tls::{MaybeTls, either};
use crate::tls::HandshakeInfo;
use crate::transport::Transport;
use crate::transport::handle::ConnectionHandle;

/// A connection that a [`Listener`](crate::Listener) has made: a
/// [`Transport`](crate::Transport) over TCP or over TLS, whose handshake is done
/// and whose protocol is known.
///
/// It implements tokio's [`AsyncRead`] and [`AsyncWrite`]; for hyper, wrap it in
/// hyper-util's `TokioIo`, which axum and tonic do themselves. It is two words,
/// so it is cheap to move. The listener counts it as open until it is dropped.
pub struct ServerStream {
    io: Io,
}

/// Two transports instead of one over either: the IO of TLS is a kilooctet
/// larger, and a transport is a pointer already.
type Io = MaybeTls<Transport<Socket>, Transport<TlsStream<ReadAhead<Socket>>>>;

impl ServerStream {
    pub(super) fn tcp(io: Transport<Socket>) -> Self {
        Self {
            io: MaybeTls::Plain(io),
        }
    }

    pub(super) fn tls(io: Transport<TlsStream<ReadAhead<Socket>>>) -> Self {
        Self {
            io: MaybeTls::Tls(io),
        }
    }

    /// Waits for what the client speaks. `None` if it left first.
    pub(super) async fn sniff(&mut self) -> io::Result<Option<bool>> {
        either!(&mut self.io, io => io.sniff().await)
    }

    fn socket(&self) -> &Socket {
        match &self.io {
            MaybeTls::Plain(io) => io.get_ref(),
            MaybeTls::Tls(io) => io.get_ref().get_ref().0.get_ref(),
        }
    }

    #[cfg(test)]
    pub(super) fn tcp_stream(&self) -> &TcpStream {
        &self.socket().tcp
    }

    /// The same, as the transport finds it.
    #[cfg(test)]
    pub(super) fn tcp_below(&self) -> Option<&TcpStream> {
        either!(&self.io, io => io.tcp_below())
    }

    /// A handle on the connection, for other tasks.
    #[must_use]
    pub fn handle(&self) -> ConnectionHandle {
        either!(&self.io, io => io.handle())
    }

    /// What its TLS handshake came to; none if it has no TLS.
    #[must_use]
    pub fn handshake(&self) -> Option<HandshakeInfo> {
        self.handle().handshake().cloned()
    }

    /// What the client speaks, by its first octets (RFC 9113, section 3.4). A
    /// client that speaks neither is taken for HTTP/1.1, whose servers refuse it.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match either!(&self.io, io => io.speaks_http2()) {
            true => Protocol::Http2,
            false => Protocol::Http1,
        }
    }

    /// The client's address.
    #[must_use]
    pub fn remote_addr(&self) -> SocketAddr {
        self.socket().peer
    }

    /// The address that the client connected to.
    ///
    /// # Errors
    ///
    /// Those of `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().tcp.local_addr()
    }

    /// The client's certificates, its own first, if it showed any and the TLS
    /// configuration asks for them.
    #[must_use]
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match &self.io {
            MaybeTls::Plain(_) => None,
            MaybeTls::Tls(io) => io.get_ref().get_ref().1.peer_certificates(),
        }
    }

    /// All of the above, for those who handle requests.
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        ConnectionInfo {
            handle: self.handle(),
            protocol: self.protocol(),
            remote_addr: self.remote_addr(),
            local_addr: self.local_addr().ok(),
            peer_certificates: self.peer_certificates().map(Arc::from),
        }
    }
}

impl fmt::Debug for ServerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStream")
            .field("remote_addr", &self.remote_addr())
            .field("protocol", &self.protocol())
            .field("tls", &matches!(self.io, MaybeTls::Tls(_)))
            .finish_non_exhaustive()
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for ServerStream {
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

/// Whom a request comes from, and over which connection.
///
/// axum has it as `ConnectInfo<ConnectionInfo>`, tonic in the extensions of each
/// request; see [`Listener`](crate::Listener).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// A handle on the connection.
    pub handle: ConnectionHandle,
    /// What the client speaks.
    pub protocol: Protocol,
    /// The client's address.
    pub remote_addr: SocketAddr,
    /// The address that the client connected to, if the operating system says.
    pub local_addr: Option<SocketAddr>,
    /// The client's certificates, its own first, if it showed any.
    pub peer_certificates: Option<Arc<[CertificateDer<'static>]>>,
}

impl ConnectionInfo {
    /// What the TLS handshake came to; none if there is no TLS.
    #[must_use]
    pub fn handshake(&self) -> Option<&HandshakeInfo> {
        self.handle.handshake()
    }
}

/// The TCP connection at the bottom.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) tcp: TcpStream,
    pub(super) peer: SocketAddr,
    /// After the TCP connection, so that it is closed when the slot is free.
    pub(super) _slot: Slot,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
