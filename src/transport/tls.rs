//! The transport over tokio-rustls.

use std::io;

use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::Transport;
use crate::config::Config;
use crate::connect::ReadAhead;
use crate::tls::{HandshakeInfo, verification};

impl<IO: AsyncRead + AsyncWrite + Unpin> Transport<server::TlsStream<ReadAhead<IO>>> {
    /// Accepts a TLS connection on `io`, with read-ahead below TLS and whole
    /// records above it.
    ///
    /// There is no timeout: wrap the future in one.
    ///
    /// # Errors
    ///
    /// Those of the IO and of the handshake.
    pub async fn accept_tls(acceptor: &TlsAcceptor, io: IO, config: Config) -> io::Result<Self> {
        let began = Instant::now();
        let io = ReadAhead::new(io, &config);
        let mut tls = acceptor.accept(io).await?;
        let (_, session) = tls.get_mut();
        session.set_buffer_limit(Some(buffer_limit(&config)));
        let took = began.elapsed();
        let info = HandshakeInfo::new(session, session.server_name(), None, took);
        let transport = Self::server(tls, config.over_tls(true));
        transport.inner.shared.handshaken(info);
        Ok(transport)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Transport<client::TlsStream<ReadAhead<IO>>> {
    /// Makes a TLS connection to `name` on `io`, with read-ahead below TLS and
    /// whole records above it.
    ///
    /// There is no timeout: wrap the future in one.
    ///
    /// # Errors
    ///
    /// Those of the IO and of the handshake.
    pub async fn connect_tls(
        connector: &TlsConnector,
        name: ServerName<'static>,
        io: IO,
        config: Config,
    ) -> io::Result<Self> {
        let began = Instant::now();
        let io = ReadAhead::new(io, &config);
        let (tls, cached) = verification::observe(connector.connect(name, io)).await;
        let mut tls = tls?;
        let (_, session) = tls.get_mut();
        session.set_buffer_limit(Some(buffer_limit(&config)));
        let info = HandshakeInfo::new(session, None, cached, began.elapsed());
        let transport = Self::client(tls, config.over_tls(true));
        transport.inner.shared.handshaken(info);
        Ok(transport)
    }
}

/// rustls takes this much before it has written any of it, so that a batch is
/// encrypted in one go. Its own limit cuts a batch at 64 KiB.
fn buffer_limit(config: &Config) -> usize {
    config.batch_max
}
