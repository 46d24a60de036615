//! Dials, shakes hands, and wraps.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_service::Service;

use super::builder::ConnectorBuilder;
use super::error::ConnectError;
use super::stats::{ConnectorStats, Tally};
use super::stream::ClientStream;
use crate::config::Config;
use crate::maybe_tls::MaybeTls;
use crate::tls::{CachingVerifier, HandshakeInfo, TicketStore};
use crate::transport::Transport;

/// Connects to `http` and `https` URIs, with a [`Transport`] on top: a tower
/// [`Service`] that goes wherever hyper-util's `HttpConnector` or `hyper-rustls`
/// goes.
///
/// - **Below** is a dialer, itself a `Service<Uri>`: by default hyper-util's
///   [`HttpConnector`] with `TCP_NODELAY`, keep-alive after a minute and happy
///   eyeballs (RFC 8305); any other with [`ConnectorBuilder::dialer`].
/// - **TLS** resumes sessions from a bounded [`TicketStore`], verifies a chain
///   that it has seen lately from a [`CachingVerifier`], and offers `h2` and
///   `http/1.1` by ALPN. 0-RTT is off: what is sent early can be replayed.
/// - **Above** hyper-util's client learns from [`ClientStream`] which protocol
///   was chosen, and each response carries a
///   [`ConnectionHandle`](crate::ConnectionHandle) and, over TLS, a
///   [`HandshakeInfo`](crate::HandshakeInfo) in its extensions.
///
/// Cheap to clone. Clones share tickets, verifications and buffers; two
/// connectors from two builders share neither tickets nor verifications, unless
/// both were given the same configuration or verifier.
///
/// hyper-util's client cannot know that a server speaks HTTP/2 before it has said
/// so, and makes a connection for each request until then. Where all servers do,
/// [`ConnectorBuilder::http2_only`] here and `http2_only(true)` there make it one.
///
/// # Panics
///
/// A connect panics outside a tokio runtime with IO and time.
///
/// # Errors
///
/// [`ConnectError`], which names the host and says whose fault it was.
///
/// # Example
///
/// ```no_run
/// # #[cfg(all(feature = "native-roots", feature = "ring"))]
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use framewright::{Connector, HandshakeInfo};
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
///
/// let connector = Connector::builder().with_native_roots().build()?;
/// let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector.clone());
/// let response = client.get("https://example.com/".parse()?).await?;
/// println!("{:?}", response.extensions().get::<HandshakeInfo>());
/// println!("{:?}", connector.tickets().map(|tickets| tickets.stats()));
/// # Ok(())
/// # }
/// ```
pub struct Connector<D = HttpConnector> {
    dialer: D,
    shared: Arc<Shared>,
}

/// What the clones of a connector share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) tickets: Option<TicketStore>,
    pub(super) verifier: Option<Arc<CachingVerifier>>,
    pub(super) config: Config,
    /// In place of the URI's host.
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) http2_only: bool,
    pub(super) connect_timeout: Duration,
    pub(super) handshake_timeout: Duration,
    pub(super) tally: Tally,
}

impl Connector {
    /// A builder: over TCP, and without TLS until it is told what to trust.
    pub fn builder() -> ConnectorBuilder {
        ConnectorBuilder::new()
    }
}

impl<D> Connector<D> {
    pub(super) fn new(dialer: D, shared: Shared) -> Self {
        let shared = Arc::new(shared);
        Self { dialer, shared }
    }

    /// The configuration of TLS; none without TLS. It resumes and verifies as
    /// this connector does wherever else it is used.
    #[must_use]
    pub fn tls_config(&self) -> Option<&Arc<ClientConfig>> {
        self.shared.tls.as_ref()
    }

    /// The sessions that can be resumed; none without TLS, or with a whole
    /// `ClientConfig` of the caller, which has its own.
    #[must_use]
    pub fn tickets(&self) -> Option<&TicketStore> {
        self.shared.tickets.as_ref()
    }

    /// What this connector and its clones have done so far.
    #[must_use]
    pub fn stats(&self) -> ConnectorStats {
        self.shared.tally.stats()
    }

    /// The verifications that are remembered; none where [`Connector::tickets`]
    /// is none.
    #[must_use]
    pub fn verifier(&self) -> Option<&CachingVerifier> {
        self.shared.verifier.as_deref()
    }
}

impl<D: Clone> Clone for Connector<D> {
    fn clone(&self) -> Self {
        Self {
            dialer: self.dialer.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<D: fmt::Debug> fmt::Debug for Connector<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("dialer", &self.dialer)
            .field("tickets", &self.shared.tickets)
            .field("verifier", &self.shared.verifier)
            .finish_non_exhaustive()
    }
}

impl<D> Service<Uri> for Connector<D>
where
    D: Service<Uri>,
    D::Response: Read + Write + Unpin + Send + 'static,
    D::Error: Into<Box<dyn Error + Send + Sync>>,
    D::Future: Send + 'static,
{
    type Response = ClientStream<D::Response>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.dialer
            .poll_ready(cx)
            .map_err(|source| ConnectError::Dial {
                host: "any host".into(),
                source: source.into(),
            })
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let target = match Target::new(&uri, &self.shared) {
            Ok(target) => target,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        let dialing = self.dialer.call(uri);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let connected = shared.connect(dialing, target).await;
            match &connected {
                Ok(stream) => shared.tally.connected(stream.handle().handshake()),
                Err(error) => shared.tally.failed(error),
            }
            connected
        })
    }
}

/// Where to, as far as errors and TLS need it.
struct Target {
    /// Host and port, for errors.
    host: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    fn new(uri: &Uri, shared: &Shared) -> Result<Self, ConnectError> {
        let wrong = |why| ConnectError::Uri {
            target: shown(uri),
            why,
        };
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(_) => return Err(wrong("its scheme is neither http nor https")),
            None => return Err(wrong("it has no scheme")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        let host = host_and_port(authority);
        let tls = match (is_tls, &shared.tls) {
            (false, _) => None,
            (true, None) => return Err(ConnectError::NoTls { host }),
            (true, Some(config)) => {
                let name = match &shared.server_name {
                    Some(name) => name.clone(),
                    None => server_name(authority.host())?,
                };
                Some((TlsConnector::from(Arc::clone(config)), name))
            }
        };
        Ok(Self { host, tls })
    }
}

/// Without user information, which has no place in an error.
fn host_and_port(authority: &Authority) -> String {
    match authority.port_u16() {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    }
}

/// As much of `uri` as an error may show.
fn shown(uri: &Uri) -> String {
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{}", host_and_port(authority)),
        (None, Some(authority)) => host_and_port(authority),
        _ => "a URI with no host".into(),
    }
}

/// The name that a certificate has to have for `host` of a URI, where an IPv6
/// address stands in brackets.
fn server_name(host: &str) -> Result<ServerName<'static>, ConnectError> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| ConnectError::ServerName {
        host: host.to_owned(),
    })
}

impl Shared {
    async fn connect<T, E>(
        &self,
        dialing: impl Future<Output = Result<T, E>>,
        target: Target,
    ) -> Result<ClientStream<T>, ConnectError>
    where
        T: Read + Write + Unpin + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let Target { host, tls } = target;
        let mut timer = pin!(sleep(self.connect_timeout));
        let io = match within(timer.as_mut(), pin!(dialing)).await {
            Some(Ok(io)) => TokioIo::new(io),
            Some(Err(source)) => {
                let source = source.into();
                return Err(ConnectError::Dial { host, source });
            }
            None => {
                let limit = self.connect_timeout;
                return Err(ConnectError::DialTimeout { host, limit });
            }
        };
        let config = self.config.clone();
        let Some((connector, name)) = tls else {
            let io = Transport::client(io, config);
            return Ok(ClientStream::new(MaybeTls::Plain(io)));
        };

        let offered = &connector.config().alpn_protocols;
        let deadline = Instant::now().checked_add(self.handshake_timeout);
        timer.as_mut().reset(deadline.unwrap_or_else(far_future));
        let handshake = pin!(Transport::connect_tls(&connector, name, io, config));
        let io = match within(timer, handshake).await {
            Some(Ok(io)) => io,
            Some(Err(error)) => return Err(ConnectError::handshake(host, error, offered)),
            None => {
                let limit = self.handshake_timeout;
                return Err(ConnectError::HandshakeTimeout { host, limit });
            }
        };
        let stream = ClientStream::new(MaybeTls::Tls(io));
        // A server without ALPN speaks HTTP/1.1.
        if self.http2_only
            && !stream
                .handle()
                .handshake()
                .is_some_and(HandshakeInfo::is_http2)
        {
            return Err(ConnectError::no_common_protocol(host, offered));
        }
        tracing::debug!(host, handshake = ?stream.handle().handshake(), "connected");
        Ok(stream)
    }
}

/// What comes of `future`, unless `timer` ends first. One timer does for all
/// steps of a connect, and neither future is moved: that of TLS is large.
async fn within<F: Future>(
    mut timer: Pin<&mut Sleep>,
    mut future: Pin<&mut F>,
) -> Option<F::Output> {
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        // A future that is never idle uses up what tokio lets a task do in a
        // poll, and then the timer says nothing either.
        if timer.as_mut().poll(cx).is_ready() || Instant::now() >= timer.deadline() {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

/// For a limit beyond all times.
fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(86_400 * 365 * 30)
}
