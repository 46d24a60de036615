//! The transport: the thin async shell around the core.

pub(crate) mod handle;
pub(crate) mod stats;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Config, ConnectionHandle};

/// The transport.
#[derive(Debug)]
pub struct Transport<IO> {
    io: IO,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Transport<IO> {
    /// The server's end of a connection.
    pub fn server(io: IO, _config: Config) -> Self {
        Self { io }
    }

    /// The client's end of a connection.
    pub fn client(io: IO, _config: Config) -> Self {
        Self { io }
    }

    /// A handle on the connection, which can be cloned and sent anywhere.
    pub fn handle(&self) -> ConnectionHandle {
        ConnectionHandle {}
    }

    /// The IO below.
    pub fn get_ref(&self) -> &IO {
        &self.io
    }
}

#[cfg(feature = "tls")]
mod tls {
    use std::io;
    use tokio::io::{AsyncRead, AsyncWrite};
    use tokio_rustls::{TlsAcceptor, TlsConnector, client, rustls::pki_types::ServerName, server};

    use crate::{Config, ReadAhead, Transport};

    impl<IO: AsyncRead + AsyncWrite + Unpin> Transport<server::TlsStream<ReadAhead<IO>>> {
        /// Accepts a TLS connection.
        ///
        /// # Errors
        ///
        /// Those of the handshake.
        pub async fn accept_tls(
            acceptor: &TlsAcceptor,
            io: IO,
            config: Config,
        ) -> io::Result<Self> {
            let tls = acceptor
                .accept(ReadAhead::new(io, config.pool.clone()))
                .await?;
            Ok(Self::server(tls, config))
        }
    }

    impl<IO: AsyncRead + AsyncWrite + Unpin> Transport<client::TlsStream<ReadAhead<IO>>> {
        /// Makes a TLS connection.
        ///
        /// # Errors
        ///
        /// Those of the handshake.
        pub async fn connect_tls(
            connector: &TlsConnector,
            name: ServerName<'static>,
            io: IO,
            config: Config,
        ) -> io::Result<Self> {
            let tls = connector
                .connect(name, ReadAhead::new(io, config.pool.clone()))
                .await?;
            Ok(Self::client(tls, config))
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Transport<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Transport<IO> {
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
        bufs: &[io::IoSlice<'_>],
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
