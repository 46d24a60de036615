//! The octet stream under hyper: framewright round the socket or, with
//! `--stock`, the socket itself. All else is the same for both.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use framewright::{Config, Transport};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, rustls::pki_types::ServerName};

use crate::stats::{Registration, Transports};

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection, ready for hyper.
pub(crate) struct Wire {
    // Before the registration: what the transport does last is counted.
    io: Box<dyn Io>,
    _registration: Option<Registration>,
    http2: bool,
}

/// Makes wires, all of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Wiring {
    stock: bool,
    config: Config,
    transports: Arc<Transports>,
}

impl Wiring {
    pub(crate) fn new(stock: bool, transports: Arc<Transports>) -> Self {
        Self {
            stock,
            config: Config::default(),
            transports,
        }
    }

    /// The server's end of `tcp`.
    pub(crate) async fn accept(
        &self,
        tcp: TcpStream,
        tls: Option<&TlsAcceptor>,
    ) -> io::Result<Wire> {
        tcp.set_nodelay(true)?;
        let config = self.config.clone();
        Ok(match (tls, self.stock) {
            (None, true) => Wire::bare(tcp, false),
            (None, false) => self.wrapped(Transport::server(tcp, config), false),
            (Some(tls), true) => Wire::bare(tls.accept(tcp).await?, false),
            (Some(tls), false) => {
                self.wrapped(Transport::accept_tls(tls, tcp, config).await?, false)
            }
        })
    }

    /// The client's end of `tcp`.
    pub(crate) async fn connect(
        &self,
        tcp: TcpStream,
        tls: Option<(&TlsConnector, ServerName<'static>)>,
    ) -> io::Result<Wire> {
        tcp.set_nodelay(true)?;
        let config = self.config.clone();
        Ok(match (tls, self.stock) {
            (None, true) => Wire::bare(tcp, false),
            (None, false) => self.wrapped(Transport::client(tcp, config), false),
            (Some((tls, name)), true) => {
                let io = tls.connect(name, tcp).await?;
                let http2 = io.get_ref().1.alpn_protocol() == Some(b"h2");
                Wire::bare(io, http2)
            }
            (Some((tls, name)), false) => {
                let io = Transport::connect_tls(tls, name, tcp, config).await?;
                let http2 = io.get_ref().get_ref().1.alpn_protocol() == Some(b"h2");
                self.wrapped(io, http2)
            }
        })
    }

    fn wrapped<IO>(&self, io: Transport<IO>, http2: bool) -> Wire
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let registration = self.transports.register(io.handle());
        Wire {
            io: Box::new(io),
            _registration: Some(registration),
            http2,
        }
    }
}

impl Wire {
    fn bare(io: impl Io + 'static, http2: bool) -> Self {
        Self {
            io: Box::new(io),
            _registration: None,
            http2,
        }
    }

    /// Whether ALPN chose HTTP/2, at a client's end.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        if self.http2 {
            Connected::new().negotiated_h2()
        } else {
            Connected::new()
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
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
