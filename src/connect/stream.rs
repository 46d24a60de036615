//! What a connector yields.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::ReadAhead;
use crate::maybe_tls::{MaybeTls, either};
use crate::tls::HandshakeInfo;
use crate::transport::Transport;
use crate::transport::handle::ConnectionHandle;

/// Two transports instead of one over either: the IO of TLS is a kilooctet
/// larger, and a transport is a pointer already.
pub(super) type Io<T> =
    MaybeTls<Transport<TokioIo<T>>, Transport<TlsStream<ReadAhead<TokioIo<T>>>>>;

/// A client's end of a connection that a [`Connector`](crate::Connector) made:
/// a [`Transport`] over the dialer's IO, with or without TLS.
///
/// It goes into hyper as it is, because it implements [`hyper::rt::Read`] and
/// [`hyper::rt::Write`]; hyper-util's client learns from it whether ALPN chose
/// HTTP/2, and puts its [`ConnectionHandle`] and [`HandshakeInfo`] into the
/// extensions of each response, next to what the dialer puts there.
pub struct ClientStream<T: Read + Write + Unpin> {
    /// Two words, because hyper's client moves its IO around for each request.
    io: TokioIo<Io<T>>,
}

impl<T: Read + Write + Unpin> ClientStream<T> {
    pub(super) fn new(io: Io<T>) -> Self {
        let io = TokioIo::new(io);
        Self { io }
    }

    /// A handle on the connection, for other tasks.
    pub fn handle(&self) -> ConnectionHandle {
        either!(self.io.inner(), io => io.handle())
    }

    /// What the TLS handshake came to; none without TLS.
    pub fn handshake(&self) -> Option<HandshakeInfo> {
        self.handle().handshake().cloned()
    }

    /// The dialer's IO. To read from it or to write to it loses octets.
    pub fn get_ref(&self) -> &T {
        match self.io.inner() {
            MaybeTls::Plain(io) => io.get_ref().inner(),
            MaybeTls::Tls(io) => io.get_ref().get_ref().0.get_ref().inner(),
        }
    }

    /// The TLS session; none without TLS.
    pub fn tls(&self) -> Option<&tokio_rustls::rustls::ClientConnection> {
        match self.io.inner() {
            MaybeTls::Plain(_) => None,
            MaybeTls::Tls(io) => Some(io.get_ref().get_ref().1),
        }
    }
}

impl<T: Read + Write + Unpin + Connection> Connection for ClientStream<T> {
    fn connected(&self) -> Connected {
        let handle = self.handle();
        let mut connected = self.get_ref().connected();
        if let Some(handshake) = handle.handshake() {
            if handshake.is_http2() {
                connected = connected.negotiated_h2();
            }
            connected = connected.extra(handshake.clone());
        }
        connected.extra(handle)
    }
}

impl<T: Read + Write + Unpin> fmt::Debug for ClientStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientStream")
            .field("handshake", &self.handshake())
            .finish_non_exhaustive()
    }
}

impl<T: Read + Write + Unpin> Read for ClientStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Read::poll_read(Pin::new(&mut self.io), cx, buf)
    }
}

impl<T: Read + Write + Unpin> Write for ClientStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Write::poll_write(Pin::new(&mut self.io), cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Write::poll_write_vectored(Pin::new(&mut self.io), cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        Write::is_write_vectored(&self.io)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_flush(Pin::new(&mut self.io), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_shutdown(Pin::new(&mut self.io), cx)
    }
}

impl<T: Read + Write + Unpin> AsyncRead for ClientStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(self.io.inner_mut()), cx, buf)
    }
}

impl<T: Read + Write + Unpin> AsyncWrite for ClientStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(self.io.inner_mut()), cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(Pin::new(self.io.inner_mut()), cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        AsyncWrite::is_write_vectored(self.io.inner())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(self.io.inner_mut()), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(self.io.inner_mut()), cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig};
    use tower_service::Service;

    use super::*;
    use crate::connect::Connector;

    #[tokio::test]
    async fn the_transport_finds_the_socket() {
        let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let mut connector = Connector::builder()
            .provider(Arc::new(ring::default_provider()))
            .with_roots(roots)
            .build()
            .unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for scheme in ["http", "https"] {
            let uri = format!("{scheme}://localhost:{}", address.port());
            let connecting = connector.call(uri.parse().unwrap());
            let accepting = async {
                let (tcp, _) = listener.accept().await.unwrap();
                match scheme {
                    "https" => drop(acceptor.accept(tcp).await.unwrap()),
                    _ => drop(tcp),
                }
            };
            let (stream, ()) = tokio::join!(connecting, accepting);
            let stream = stream.unwrap();
            let tcp = either!(stream.io.inner(), io => io.tcp_below());
            let expected = stream.get_ref().inner();
            assert!(std::ptr::eq(tcp.expect("TCP below"), expected));
        }
    }
}
