//! The server side: accept, serve, drain.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use framewright::{
    FlowControl, Listener,
    layer::{FlowControlLayer, PriorityLayer},
};
use hyper::{Request, Response, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    activity::{Activity, Followed},
    body::{BoxError, Inbound, Outgoing},
    complain,
    listen::Inlet,
    stats::Endpoint,
};

/// How often a client with requests in flight is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What a header section may hold.
const MAX_HEADER_LIST: u32 = 64 << 10;

/// What answers requests.
pub(crate) trait Handler: Clone + Send + Sync + 'static {
    fn call(
        &self,
        peer: Peer,
        request: Request<Inbound>,
    ) -> impl Future<Output = Response<Outgoing>> + Send;
}

/// Whom a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) scheme: &'static str,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, tls: bool) -> Self {
        let scheme = if tls { "https" } else { "http" };
        Self { address, scheme }
    }
}

/// How a server treats its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: u32,
    pub(crate) handshake: Duration,
    pub(crate) idle: Duration,
}

/// What serves the connections of an [`Inlet`].
#[derive(Clone)]
pub(crate) struct Server<H> {
    pub(crate) handler: H,
    pub(crate) limits: Limits,
    pub(crate) endpoint: Arc<Endpoint>,
    /// Whether responses are sent by their priorities.
    pub(crate) prioritizes: bool,
    /// How receive windows are managed, if they are.
    pub(crate) flow: Option<FlowControl>,
}

impl<H: Handler> Server<H> {
    /// Serves until `draining` turns true or its sender is gone. Every
    /// connection holds a clone, so the sender sees when the last one has ended.
    pub(crate) async fn run(self, inlet: Inlet, draining: watch::Receiver<bool>) {
        match inlet {
            Inlet::Framewright(listener) => self.run_framewright(listener, draining).await,
            Inlet::Stock(listener) => self.run_stock(listener, draining).await,
        }
    }

    async fn run_framewright(self, mut listener: Listener, mut draining: watch::Receiver<bool>) {
        self.endpoint.listens(listener.handle());
        loop {
            let accepted = tokio::select! {
                biased;
                _ = draining.wait_for(|draining| *draining) => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => return complain(&format!("accept: {error}")),
            };
            let (server, draining) = (self.clone(), draining.clone());
            tokio::spawn(async move {
                // To the end: what the transport does last is counted.
                let _registration = server.endpoint.transports.register(stream.handle());
                let peer = Peer::new(address, stream.handshake().is_some());
                server.exchange(stream, peer, draining).await;
            });
        }
    }

    /// Serves one connection to its end.
    pub(crate) async fn exchange(
        &self,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: Peer,
        draining: watch::Receiver<bool>,
    ) {
        let activity = Arc::new(Activity::new(&self.endpoint));
        let handler = self.handler.clone();
        let answer = {
            let activity = Arc::clone(&activity);
            move |request: Request<Inbound>| {
                let answering = activity.begin();
                let handler = handler.clone();
                async move {
                    let response = handler.call(peer, request).await;
                    answering.response(response.status());
                    Ok::<_, Infallible>(response.map(|body| answering.follow(body)))
                }
            }
        };
        let io = TokioIo::new(io);
        // It does nothing where windows are not managed.
        let service = FlowControlLayer::new().layer(ServiceFn(answer));
        if self.prioritizes {
            let service = PriorityLayer::new().layer(service);
            self.drive(io, service, &activity, draining).await;
        } else {
            self.drive(io, service, &activity, draining).await;
        }
    }

    /// Drives one connection to its end.
    async fn drive<S, F>(
        &self,
        io: TokioIo<impl AsyncRead + AsyncWrite + Send + Unpin + 'static>,
        service: S,
        activity: &Activity,
        mut draining: watch::Receiver<bool>,
    ) where
        S: Service<
                Request<Incoming>,
                Response = Response<Followed>,
                Error = Infallible,
                Future = F,
            >,
        S: Clone + Send + 'static,
        F: Future<Output = Result<Response<Followed>, Infallible>> + Send + 'static,
    {
        let builder = self.builder();
        let connection = builder.serve_connection(io, TowerToHyperService::new(service));
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
        if let Some(flow) = &self.flow {
            flow.apply(&mut builder);
        }
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

/// A closure as a tower service, so that layers can go round it.
#[derive(Clone)]
struct ServiceFn<F>(F);

impl<F, Q, A, R, E> Service<Q> for ServiceFn<F>
where
    F: FnMut(Q) -> A,
    A: Future<Output = Result<R, E>>,
{
    type Response = R;
    type Error = E;
    type Future = A;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Q) -> A {
        (self.0)(request)
    }
}
