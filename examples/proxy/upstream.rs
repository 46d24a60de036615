//! The client side: hyper-util's pooled client over framewright.
//!
//! HTTP/2: one shared connection, dialled again when it is gone; a request
//! beyond the peer's stream limit waits for a free stream. HTTP/1.1: as many
//! connections as there are requests at once, kept alive between them. A request
//! is sent once; only one that never left a dead pooled connection goes again.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{Request, Uri};
use hyper_util::{
    client::legacy::{Client, ResponseFuture},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{
    body::RequestBody,
    target::Target,
    wire::{Wire, Wiring},
};

/// TCP and TLS together. Within it a lost SYN is sent again twice.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Less than what common servers keep an idle connection for.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);
const MAX_IDLE: usize = 256;
/// How often a busy HTTP/2 connection is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// An upstream and the connections to it.
#[derive(Clone)]
pub(crate) struct Upstream {
    target: Target,
    client: Client<Dialer, RequestBody>,
    http2: Arc<AtomicBool>,
}

impl Upstream {
    /// `h2c` asks for HTTP/2 with prior knowledge where `tls` is `None`.
    pub(crate) fn new(
        target: Target,
        wiring: Wiring,
        tls: Option<TlsConnector>,
        h2c: bool,
    ) -> Result<Self, String> {
        let h2c = h2c && tls.is_none();
        let http2 = Arc::new(AtomicBool::new(h2c));
        let tls = match tls {
            None => None,
            Some(connector) => {
                let name = ServerName::try_from(target.host().to_owned())
                    .map_err(|_| format!("{:?} cannot be in a certificate", target.host()))?;
                Some((connector, name))
            }
        };
        let dialer = Dialer(Arc::new(Dialling {
            host: target.host().to_owned(),
            port: target.port(),
            wiring,
            tls,
            h2c,
            http2: Arc::clone(&http2),
        }));
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE)
            .http2_only(h2c)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .build(dialer);
        Ok(Self {
            target,
            client,
            http2,
        })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Whether the latest connection speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Relaxed)
    }

    pub(crate) fn send(&self, request: Request<RequestBody>) -> ResponseFuture {
        self.client.request(request)
    }
}

/// The connector, as hyper-util's client calls it.
#[derive(Clone)]
struct Dialer(Arc<Dialling>);

struct Dialling {
    host: String,
    port: u16,
    wiring: Wiring,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    h2c: bool,
    http2: Arc<AtomicBool>,
}

impl Dialling {
    async fn dial(&self) -> io::Result<Wire> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let tls = self.tls.as_ref().map(|(tls, name)| (tls, name.clone()));
        let wire = self.wiring.connect(tcp, tls).await?;
        self.http2.store(self.h2c || wire.is_http2(), Relaxed);
        Ok(wire)
    }
}

impl tower_service::Service<Uri> for Dialer {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let dialling = Arc::clone(&self.0);
        Box::pin(async move {
            timeout(CONNECT_TIMEOUT, dialling.dial())
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time"))?
                .map(TokioIo::new)
        })
    }
}
