//! The server side: accept, handshake, serve, drain.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    activity::{Activity, Counted},
    body::{BoxError, Outgoing},
    complain,
    stats::Endpoint,
    wire::{Wire, Wiring},
};

/// How often a client with requests in flight is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What a header section may hold.
const MAX_HEADER_LIST: u32 = 64 << 10;
const ACCEPT_BACKOFF: Duration = Duration::from_millis(20);
const MAX_ACCEPT_BACKOFF: Duration = Duration::from_secs(1);

/// What answers requests.
pub(crate) trait Handler: Clone + Send + Sync + 'static {
    fn call(
        &self,
        peer: Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Outgoing>> + Send;
}

/// Whom a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) scheme: &'static str,
}

/// How a server treats its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: u32,
    pub(crate) handshake: Duration,
    pub(crate) idle: Duration,
}

/// A server on one listener.
#[derive(Clone)]
pub(crate) struct Server<H> {
    pub(crate) handler: H,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) wiring: Wiring,
    pub(crate) limits: Limits,
    pub(crate) endpoint: Arc<Endpoint>,
}

impl<H: Handler> Server<H> {
    /// Serves until `draining` turns true or its sender is gone. Every
    /// connection holds a clone, so the sender sees when the last one has ended.
    pub(crate) async fn run(self, listener: TcpListener, mut draining: watch::Receiver<bool>) {
        let slots = Arc::new(Semaphore::new(self.limits.connections as usize));
        let mut backoff = ACCEPT_BACKOFF;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = draining.wait_for(|draining| *draining) => return,
                accepted = accept(&listener, &slots) => accepted,
            };
            match accepted {
                Ok((tcp, address, slot)) => {
                    backoff = ACCEPT_BACKOFF;
                    let server = self.clone();
                    tokio::spawn(server.connection(tcp, address, slot, draining.clone()));
                }
                // The peer gave up between SYN and accept: its affair alone.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Most likely no file descriptor is free. To ask again at once
                // would only burn a core; connections that end free some.
                Err(error) => {
                    self.endpoint.error("accept");
                    complain(&format!("accept: {error}"));
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(MAX_ACCEPT_BACKOFF);
                }
            }
        }
    }

    async fn connection(
        self,
        tcp: TcpStream,
        address: SocketAddr,
        _slot: OwnedSemaphorePermit,
        mut draining: watch::Receiver<bool>,
    ) {
        let _open = Counted::new(&self.endpoint, |endpoint| &endpoint.open);
        self.endpoint.accepted.fetch_add(1, Relaxed);
        let handshake = timeout(
            self.limits.handshake,
            self.wiring.accept(tcp, self.tls.as_ref()),
        );
        let wire = tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining) => return,
            wire = handshake => wire,
        };
        match wire {
            Ok(Ok(wire)) => self.exchange(wire, address, draining).await,
            Ok(Err(_)) => self.endpoint.error("handshake failed"),
            Err(_) => self.endpoint.error("handshake timed out"),
        }
    }

    async fn exchange(&self, wire: Wire, address: SocketAddr, mut draining: watch::Receiver<bool>) {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let peer = Peer { address, scheme };
        let activity = Activity::new(&self.endpoint);
        let service = service_fn(|request: Request<Incoming>| {
            let answering = activity.begin();
            let handler = self.handler.clone();
            async move {
                let response = handler.call(peer, request).await;
                answering.response(response.status());
                Ok::<_, Infallible>(response.map(|body| answering.follow(body)))
            }
        });

        let builder = self.builder();
        let connection = builder.serve_connection(TokioIo::new(wire), service);
        tokio::pin!(connection);
        // Either ends the connection gracefully: GOAWAY or `connection: close`,
        // and what is in flight finishes.
        tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining) => connection.as_mut().graceful_shutdown(),
            () = activity.idle(self.limits.idle) => connection.as_mut().graceful_shutdown(),
            ended = connection.as_mut() => return self.ended(&ended),
        }
        let ended = connection.await;
        self.ended(&ended);
    }

    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.handshake);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(KEEP_ALIVE);
        builder
    }

    fn ended(&self, ended: &Result<(), BoxError>) {
        // A client that goes away without a word is no event; what it breaks
        // off is counted with its request.
        if ended.is_err() {
            self.endpoint.error("connection ended early");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (tcp, address) = listener.accept().await?;
    Ok((tcp, address, slot))
}
