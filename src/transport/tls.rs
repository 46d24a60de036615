//! The transport over tokio-rustls.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::Transport;
use super::socket::{Socket, find_known};
use crate::config::Config;
use crate::connect::ReadAhead;
use crate::tls::{HandshakeInfo, verification};

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> Transport<server::TlsStream<ReadAhead<IO>>> {
    /// Accepts a TLS connection on `io`, with read-ahead below TLS and whole
    /// records above it.
    ///
    /// There is no timeout: wrap the future in one.
    ///
    /// # Errors
    ///
    /// Those of the IO and of the handshake.
    pub async fn accept_tls(acceptor: &TlsAcceptor, io: IO, config: Config) -> io::Result<Self> {
        let mut io = ReadAhead::new(io, &config);
        // A client may connect long before it says anything. That is no part of
        // the handshake, so the clock starts with its first octet.
        let first = first_octet(&mut io).await?;
        let began = Instant::now();
        let accepted = acceptor.accept_with(io, |session| {
            // Far less than the buffer holds, and no message that could fail.
            let fed = session.read_tls(&mut &first[..]);
            debug_assert!(matches!(fed, Ok(1)), "{fed:?}");
        });
        let mut tls = accepted.await?;
        let (_, session) = tls.get_mut();
        session.set_buffer_limit(Some(buffer_limit(&config)));
        let took = began.elapsed();
        let info = HandshakeInfo::new(session, session.server_name(), None, took);
        let mut transport = Self::server(tls, config.over_tls(true));
        transport.inner.socket = Socket::of_tls(|tls: &server::TlsStream<ReadAhead<IO>>| {
            find_known(tls.get_ref().0.get_ref())
        });
        transport.inner.shared.handshaken(info);
        Ok(transport)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> Transport<client::TlsStream<ReadAhead<IO>>> {
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
        let mut transport = Self::client(tls, config.over_tls(true));
        transport.inner.socket = Socket::of_tls(|tls: &client::TlsStream<ReadAhead<IO>>| {
            find_known(tls.get_ref().0.get_ref())
        });
        transport.inner.shared.handshaken(info);
        Ok(transport)
    }
}

/// The first octet that the other end sends. A record has more, so a session that
/// is handed this one has nothing to answer yet.
async fn first_octet<IO: AsyncRead + Unpin>(io: &mut IO) -> io::Result<[u8; 1]> {
    let mut octet = [0];
    let mut read = ReadBuf::new(&mut octet);
    poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut read)).await?;
    match read.filled().is_empty() {
        true => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "closed before the TLS handshake",
        )),
        false => Ok(octet),
    }
}

/// rustls takes this much before it has written any of it, so that a batch is
/// encrypted in one go. Its own limit cuts a batch at 64 KiB.
fn buffer_limit(config: &Config) -> usize {
    config.batch_max
}
