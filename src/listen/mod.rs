//! Connections for servers.

mod acceptor;
#[cfg(feature = "axum")]
mod axum;
mod builder;
mod handshake;
mod incoming;
#[cfg(all(test, framewright_loom))]
mod loom_tests;
mod stats;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(feature = "tonic")]
mod tonic;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::net::TcpListener;

use self::acceptor::Acceptor;
pub use self::builder::{IntoTcpListener, ListenError, ListenerBuilder};
pub use self::incoming::Incoming;
pub use self::stats::{ListenerHandle, ListenerStats};
pub use self::stream::{ConnectionInfo, ServerStream};

/// Accepts connections for servers, over TCP or over TLS.
///
/// It hands over a connection once its TLS handshake is done and its client has
/// said what it speaks. Until then each is in a task of its own, so handshakes
/// use all cores, and a client that is slow or silent holds nobody up. How long
/// that may take is bounded, and so is how many there may be: see
/// [`ListenerBuilder`].
///
/// # A loop of your own
///
/// ```no_run
/// # async fn run(tls: tokio_rustls::rustls::ServerConfig) -> Result<(), Box<dyn std::error::Error>> {
/// use framewright::Listener;
/// use hyper_util::rt::{TokioExecutor, TokioIo};
/// use hyper_util::server::conn::auto;
///
/// let service = hyper::service::service_fn(|_| async {
///     Ok::<_, std::convert::Infallible>(hyper::Response::new(String::from("hello")))
/// });
/// let mut listener = Listener::builder().tls(tls).bind("[::]:443").await?;
/// loop {
///     let (stream, _address) = listener.accept().await?;
///     tokio::spawn(async move {
///         let server = auto::Builder::new(TokioExecutor::new());
///         server.serve_connection(TokioIo::new(stream), service).await
///     });
/// }
/// # }
/// ```
#[cfg_attr(
    feature = "axum",
    doc = r#"
# axum

With the feature `axum`, `axum::serve` takes it.
[`ConnectionHandle`](crate::ConnectionHandle) and [`ConnectionInfo`] are
connection infos, as below.

```no_run
# async fn run(tls: tokio_rustls::rustls::ServerConfig) -> Result<(), Box<dyn std::error::Error>> {
use axum::{Router, extract::ConnectInfo, routing::get};
use framewright::{ConnectionInfo, Listener};

async fn hello(ConnectInfo(info): ConnectInfo<ConnectionInfo>) -> String {
    format!("hello, {}", info.remote_addr)
}

let router = Router::new().route("/", get(hello));
let listener = Listener::builder().tls(tls).bind("[::]:443").await?;
axum::serve(listener, router.into_make_service_with_connect_info::<ConnectionInfo>()).await?;
# Ok(())
# }
```

`ConnectInfo<SocketAddr>` does not compile with it as it stands: the trait and
the address are both foreign here, so only axum may bring them together (the
orphan rule), and it does so for its own listeners. `tap_io` makes one of this,
for services whose handlers want the address and nothing else:

```no_run
# async fn run(router: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
# use std::net::SocketAddr;
# use framewright::Listener;
use axum::serve::ListenerExt;

let listener = Listener::builder().bind("[::]:80").await?.tap_io(|_| {});
axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?;
# Ok(())
# }
```
"#
)]
#[cfg_attr(
    feature = "tonic",
    doc = r#"
# tonic

With the feature `tonic`, its server takes [`Listener::into_stream`], and
[`ConnectionInfo`] is in the extensions of each request.

```no_run
# async fn run(tls: tokio_rustls::rustls::ServerConfig) -> Result<(), Box<dyn std::error::Error>> {
use framewright::Listener;

let (_reporter, health) = tonic_health::server::health_reporter();
let listener = Listener::builder().tls(tls).http2_only().bind("[::]:443").await?;
tonic::transport::Server::builder()
    .add_service(health)
    .serve_with_incoming(listener.into_stream())
    .await?;
# Ok(())
# }
```

The client's certificates are there too. tonic's `Request::peer_certs` never has
them: it looks for a type of tonic's own TLS, which nobody else can make.

```
use framewright::ConnectionInfo;
use tonic::{Request, Status};

fn authenticated(request: Request<()>) -> Result<Request<()>, Status> {
    let info = request.extensions().get::<ConnectionInfo>();
    match info.and_then(|info| info.peer_certificates.as_deref()) {
        Some([certificate, ..]) if is_known(certificate) => Ok(request),
        _ => Err(Status::unauthenticated("a certificate is needed")),
    }
}
# fn is_known(_der: &[u8]) -> bool { true }
```
"#
)]
///
/// # What is logged
///
/// With `tracing`: at level debug each handshake that fails, with the client's
/// address and the reason; as a warning each error of the listening socket. Such
/// an error is waited out for 20 milliseconds, then for twice as long up to a
/// second. [`ListenerHandle`] has the figures.
///
/// # To stop
///
/// Drop it: the socket is closed, and handshakes are broken off. Connections
/// that it handed over live on.
pub struct Listener {
    acceptor: Acceptor<TcpListener>,
}

impl Listener {
    /// Sets a listener up.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::new()
    }

    /// The next connection, and the client's address.
    ///
    /// Handshakes go on in between, but only here are new connections accepted.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// None at present: what the socket reports is waited out. It is a `Result`
    /// so that it may stand where that of a `TcpListener` did.
    pub async fn accept(&mut self) -> io::Result<(ServerStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// [`Listener::accept`] for those who poll. One task at a time.
    ///
    /// # Errors
    ///
    /// As for [`Listener::accept`].
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(ServerStream, SocketAddr)>> {
        self.acceptor.poll_accept(cx).map(|stream| {
            let address = stream.remote_addr();
            Ok((stream, address))
        })
    }

    /// The connections as a stream, as tonic's server takes them. It has no end.
    #[must_use]
    pub fn into_stream(self) -> Incoming {
        Incoming::new(self)
    }

    /// A handle on the listener, for other tasks.
    #[must_use]
    pub fn handle(&self) -> ListenerHandle {
        ListenerHandle::new(Arc::clone(self.acceptor.shared()))
    }

    /// The address that it listens on, with the port that was found if none was
    /// asked for.
    ///
    /// # Errors
    ///
    /// Those of `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.source().local_addr()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("socket", self.acceptor.source())
            .field("stats", &self.handle().stats())
            .finish_non_exhaustive()
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113).
    Http2,
}

impl Protocol {
    /// Its name in ALPN (RFC 7301).
    fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        })
    }
}
