//! Connections to the upstream: framewright's connector or, with `--stock`, a
//! bare one.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use framewright::{ClientStream, Connector, tls::PeerVerification};
use hyper::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::{client::legacy::connect::Connection, rt::TokioIo};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::rustls::HandshakeKind;
use tower_service::Service;

use crate::{
    args::Args,
    body::{BoxError, Chain},
    complain,
    stats::Stats,
    stock,
    tls::provider,
    wire::Wire,
};

type Dialing = Pin<Box<dyn Future<Output = Result<Wire, BoxError>> + Send>>;

/// The connector, as hyper-util's client calls it.
#[derive(Clone)]
pub(crate) struct Dialer {
    connector: Either,
    shared: Arc<Shared>,
}

#[derive(Clone)]
enum Either {
    Framewright(Connector),
    Stock(stock::Connector),
}

struct Shared {
    stats: Arc<Stats>,
    /// For TCP and TLS together.
    stock_timeout: Duration,
    /// Whether the latest connection chose HTTP/2.
    http2: AtomicBool,
    /// What the latest attempt failed with, which need not be said again.
    complaint: Mutex<Option<String>>,
}

impl Dialer {
    pub(crate) fn new(
        connector: Connector,
        args: &Args,
        stats: &Arc<Stats>,
    ) -> Result<Self, String> {
        let shared = Arc::new(Shared {
            stats: Arc::clone(stats),
            stock_timeout: 2 * args.connect_timeout,
            http2: AtomicBool::new(false),
            complaint: Mutex::default(),
        });
        stats.tls.connects(connector.clone());
        let connector = match args.stock {
            true => Either::Stock(stock::connector(connector.tls_config())?),
            false => Either::Framewright(connector),
        };
        Ok(Self { connector, shared })
    }

    /// Whether the latest connection chose HTTP/2, by ALPN.
    pub(crate) fn chose_http2(&self) -> bool {
        self.shared.http2.load(Relaxed)
    }
}

/// A connector to an http:// upstream.
pub(crate) fn clear(args: &Args) -> Result<Connector, String> {
    let builder = Connector::builder()
        .config(args.transport())
        .connect_timeout(args.connect_timeout);
    builder.build().map_err(|e| Chain(&e).to_string())
}

/// A connector to an https:// upstream that the certificates of the command line
/// vouch for, or those of the system.
pub(crate) fn with_tls(args: &Args) -> Result<Connector, String> {
    let ca = args.upstream_ca.as_ref();
    let builder = Connector::builder()
        .config(args.transport())
        .provider(provider())
        .connect_timeout(args.connect_timeout)
        .handshake_timeout(args.connect_timeout);
    let builder = match ca {
        None => builder.with_native_roots(),
        Some(file) => builder.with_roots_file(file),
    };
    builder.build().map_err(|e| match ca {
        None => format!("{}; give --upstream-ca FILE", Chain(&e)),
        Some(_) => Chain(&e).to_string(),
    })
}

impl Service<Uri> for Dialer {
    type Response = Wire;
    type Error = BoxError;
    type Future = Dialing;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut self.connector {
            Either::Framewright(connector) => connector.poll_ready(cx).map_err(Into::into),
            Either::Stock(connector) => connector.poll_ready(cx),
        }
    }

    fn call(&mut self, uri: Uri) -> Dialing {
        let shared = Arc::clone(&self.shared);
        match &mut self.connector {
            Either::Framewright(connector) => {
                let dialing = connector.call(uri);
                Box::pin(async move {
                    let dialed = dialing.await.map_err(Into::into);
                    shared.dialed(dialed.map(|stream| shared.framewright(stream)))
                })
            }
            Either::Stock(connector) => {
                let dialing = timeout(shared.stock_timeout, connector.call(uri));
                Box::pin(async move {
                    let late = || io::Error::new(io::ErrorKind::TimedOut, "no connection in time");
                    let dialed = dialing.await.unwrap_or_else(|_| Err(late().into()));
                    shared.dialed(dialed.map(|stream| shared.stock(stream)))
                })
            }
        }
    }
}

impl Shared {
    fn dialed(&self, dialed: Result<Wire, BoxError>) -> Result<Wire, BoxError> {
        let why = dialed.as_ref().err().map(|e| Chain(&**e).to_string());
        if let Ok(wire) = &dialed {
            let chose_http2 = wire.connected().is_negotiated_h2();
            self.http2.store(chose_http2, Relaxed);
        }
        let mut complaint = self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_new = *complaint != why;
        complaint.clone_from(&why);
        drop(complaint);
        if let Some(why) = why
            && is_new
        {
            complain(&format!("upstream: {why}"));
        }
        dialed
    }

    fn framewright(&self, stream: ClientStream<TokioIo<TcpStream>>) -> Wire {
        if let Some(handshake) = stream.handshake() {
            let cached = handshake.verification == PeerVerification::Cached;
            self.stats.tls.connected(handshake.resumed, cached);
        }
        let registration = self.stats.upstream.register(stream.handle());
        Wire::new(stream, Some(registration))
    }

    fn stock(&self, stream: MaybeHttpsStream<TokioIo<TcpStream>>) -> Wire {
        if let MaybeHttpsStream::Https(tls) = &stream {
            let kind = tls.inner().get_ref().1.handshake_kind();
            self.stats
                .tls
                .connected(kind == Some(HandshakeKind::Resumed), false);
        }
        Wire::new(stream, None)
    }
}
