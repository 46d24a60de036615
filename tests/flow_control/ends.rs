//! Both ends of a connection on hyper, each with windows that the transport
//! manages, or without.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use framewright::layer::{ClientFlowControlLayer, FlowControlLayer};
use framewright::{
    Config, ConnectionHandle, FlowControl, FlowHint, StreamHandle, StreamStats, Transport,
    WindowBudget,
};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tower_layer::Layer;
use tower_service::Service;

use crate::common::{self, BoxError, Dispatch, ServiceBody};
use crate::pki::{self, Authority};

/// What the stacks grant, which is what windows may grow to.
pub(crate) const STREAM: u32 = 16 << 20;
pub(crate) const CONNECTION: u32 = 24 << 20;
/// What windows start with.
pub(crate) const INITIAL: u64 = 256 << 10;

/// How an end treats what comes.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Manages windows, if at all.
    pub(crate) flow: Option<FlowControl>,
    /// Whether a layer says what is consumed.
    pub(crate) layer: bool,
    pub(crate) schedule: bool,
    /// The stack changes its windows in mid-connection, as it sees fit.
    pub(crate) adaptive: bool,
}

impl End {
    /// Windows are managed, and a layer is there, under a budget of its own.
    pub(crate) fn managed() -> (Self, WindowBudget) {
        let budget = WindowBudget::new(64 << 20);
        (Self::under(&budget), budget)
    }

    pub(crate) fn under(budget: &WindowBudget) -> Self {
        Self {
            flow: Some(FlowControl::default().budget(budget.clone())),
            layer: true,
            schedule: true,
            adaptive: false,
        }
    }

    /// The transport passes on what the stack grants.
    pub(crate) fn unmanaged() -> Self {
        Self {
            flow: None,
            layer: false,
            schedule: true,
            adaptive: false,
        }
    }

    fn config(&self) -> Config {
        Config::default()
            .schedule(self.schedule)
            .stream_handles(self.layer)
            .flow_control(self.flow.clone())
    }
}

/// Either end's certificates, or none.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Tls {
    pub(crate) fn new() -> Self {
        Self::of(&Authority::new())
    }

    pub(crate) fn of(authority: &Authority) -> Self {
        let server = authority.leaf(&["localhost"]).server(&["h2"]);
        let client = pki::stock_client(authority.roots(), &["h2"]);
        Self {
            acceptor: Arc::new(server).into(),
            connector: Arc::new(client).into(),
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Response<ServiceBody>> + Send>>;

/// What answers, whatever layers are around it.
#[derive(Clone)]
pub(crate) struct Handler {
    answer: Arc<dyn Fn(Request<ServiceBody>) -> Answer + Send + Sync>,
    /// What is known of the requests' bodies in advance.
    hint: Option<FlowHint>,
    streams: Arc<Mutex<Vec<StreamHandle>>>,
}

impl Handler {
    pub(crate) fn new<F>(answer: impl Fn(Request<ServiceBody>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<ServiceBody>> + Send + 'static,
    {
        Self {
            answer: Arc::new(move |request| Box::pin(answer(request))),
            hint: None,
            streams: Arc::default(),
        }
    }

    /// The service of all tests.
    pub(crate) fn common() -> Self {
        Self::new(async |request| match common::answer(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        })
    }

    pub(crate) fn hint(mut self, hint: FlowHint) -> Self {
        self.hint = Some(hint);
        self
    }
}

impl<B> Service<Request<B>> for Handler
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    type Response = Response<ServiceBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(stream) = request.extensions().get::<StreamHandle>() {
            self.streams.lock().expect("no panic").push(stream.clone());
        }
        let answer = (self.answer)(request.map(|body| body.map_err(Into::into).boxed()));
        Box::pin(async { Ok(answer.await) })
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<Mutex<Vec<ConnectionHandle>>>,
    streams: Arc<Mutex<Vec<StreamHandle>>>,
    shutdown: watch::Sender<bool>,
}

impl Server {
    pub(crate) async fn start(end: End, handler: Handler) -> Self {
        Self::with_tls(end, handler, None).await
    }

    pub(crate) async fn with_tls(end: End, handler: Handler, tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (shutdown, told) = watch::channel(false);
        let server = Self {
            address: listener.local_addr().expect("an address"),
            connections: Arc::default(),
            streams: Arc::clone(&handler.streams),
            shutdown,
        };
        let connections = Arc::clone(&server.connections);
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                tcp.set_nodelay(true).expect("open");
                let (end, handler) = (end.clone(), handler.clone());
                let (tls, told) = (tls.clone(), told.clone());
                let connections = Arc::clone(&connections);
                let keep = move |handle| connections.lock().expect("no panic").push(handle);
                tokio::spawn(async move {
                    match tls {
                        None => {
                            let io = Transport::server(tcp, end.config());
                            keep(io.handle());
                            serve(io, &end, handler, told).await;
                        }
                        Some(tls) => {
                            let io = Transport::accept_tls(&tls.acceptor, tcp, end.config());
                            let io = io.await.expect("a handshake");
                            keep(io.handle());
                            serve(io, &end, handler, told).await;
                        }
                    }
                });
            }
        });
        server
    }

    /// Its connections, the oldest first.
    pub(crate) fn connections(&self) -> Vec<ConnectionHandle> {
        self.connections.lock().expect("no panic").clone()
    }

    /// Its first connection, which may be on its way.
    pub(crate) async fn connection(&self) -> ConnectionHandle {
        until(|| !self.connections().is_empty()).await;
        self.connections()[0].clone()
    }

    /// Its requests' streams, as far as a layer has told, the oldest first.
    pub(crate) fn streams(&self) -> Vec<StreamHandle> {
        self.streams.lock().expect("no panic").clone()
    }

    /// Waits for the stream of a request that is on its way.
    pub(crate) async fn stream(&self, at: usize) -> StreamHandle {
        loop {
            if let Some(stream) = self.streams().get(at) {
                return stream.clone();
            }
            pause().await;
        }
    }

    /// Ends all connections gracefully.
    pub(crate) fn shut_down(&self) {
        self.shutdown.send_replace(true);
    }
}

/// Clients here go away without a goodbye, so how it ends is no news.
async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    end: &End,
    handler: Handler,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(1_000)
        .max_pending_accept_reset_streams(10_000)
        .max_local_error_reset_streams(None)
        .initial_stream_window_size(STREAM)
        .initial_connection_window_size(CONNECTION);
    if end.adaptive {
        builder.adaptive_window(true);
    }
    let (io, hint) = (TokioIo::new(io), handler.hint);
    macro_rules! drive {
        ($service:expr) => {{
            let service = TowerToHyperService::new($service);
            let connection = builder.serve_connection(io, service);
            tokio::pin!(connection);
            tokio::select! {
                _ = shutdown.wait_for(|told| *told) => connection.as_mut().graceful_shutdown(),
                _ = connection.as_mut() => return,
            }
            let _ = connection.await;
        }};
    }
    if end.layer {
        let layer = FlowControlLayer::new().classify(move |_| hint);
        drive!(layer.layer(handler));
    } else {
        drive!(handler);
    }
}

/// A client's connection.
#[derive(Clone)]
pub(crate) struct Client {
    sender: Dispatch,
    layer: bool,
    pub(crate) connection: ConnectionHandle,
    driver: Arc<JoinHandle<hyper::Result<()>>>,
}

impl Client {
    pub(crate) async fn connect(end: &End, address: SocketAddr) -> Self {
        Self::with_tls(end, address, None).await
    }

    pub(crate) async fn with_tls(end: &End, address: SocketAddr, tls: Option<&Tls>) -> Self {
        let tcp = TcpStream::connect(address).await.expect("connect");
        tcp.set_nodelay(true).expect("open");
        match tls {
            None => Self::over(end, Transport::client(tcp, end.config())).await,
            Some(tls) => {
                let name = ServerName::try_from("localhost").expect("a name");
                let io = Transport::connect_tls(&tls.connector, name, tcp, end.config());
                Self::over(end, io.await.expect("a handshake")).await
            }
        }
    }

    /// Over an IO of any kind.
    pub(crate) async fn over_io<IO>(end: &End, io: IO) -> Self
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self::over(end, Transport::client(io, end.config())).await
    }

    async fn over<IO>(end: &End, io: Transport<IO>) -> Self
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = io.handle();
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .max_concurrent_reset_streams(10_000)
            .max_local_error_reset_streams(None)
            .initial_stream_window_size(STREAM)
            .initial_connection_window_size(CONNECTION);
        if end.adaptive {
            builder.adaptive_window(true);
        }
        let handshake = builder.handshake(TokioIo::new(io)).await;
        let (sender, driver) = handshake.expect("a handshake");
        Self {
            sender: Dispatch(sender),
            layer: end.layer,
            connection,
            driver: Arc::new(tokio::spawn(driver)),
        }
    }

    /// Sends a request; its response, and its stream if there is a layer.
    pub(crate) async fn send(
        &self,
        request: Request<ServiceBody>,
    ) -> hyper::Result<Response<ServiceBody>> {
        let mut sender = self.sender.clone();
        std::future::poll_fn(|cx| sender.poll_ready(cx)).await?;
        if self.layer {
            let mut layered = ClientFlowControlLayer::new().layer(sender);
            let response = layered.call(request).await?;
            Ok(response.map(|body| body.map_err(Into::into).boxed()))
        } else {
            let response = sender.call(request).await?;
            Ok(response.map(|body| body.map_err(Into::into).boxed()))
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response<ServiceBody> {
        let request = Request::get(format!("http://test{path}"));
        let request = request.body(common::full(String::new())).expect("good");
        self.send(request).await.expect("a response")
    }

    /// Downloads a pattern with a trailer, and checks every octet of it.
    pub(crate) async fn download(&self, seed: u64, len: u64) {
        let path = format!("/bytes?seed={seed}&len={len}&chunk=50000&trailer=1");
        let (seen, trailers) = common::read(self.get(&path).await.into_body())
            .await
            .expect("whole");
        assert_eq!(seen, pattern_digest(seed, len), "seed {seed}");
        assert_eq!(trailers.expect("trailers")["x-trailer"], "here");
    }

    /// Sends a pattern with a trailer, and lets the server check or echo it.
    pub(crate) async fn upload(&self, path: &str, seed: u64, len: u64) {
        let mut body = common::Pattern::new(seed, len, 50_000);
        body.trailer = true;
        let request = Request::post(format!("http://test{path}")).body(body.boxed());
        let response = self.send(request.expect("good")).await.expect("a response");
        let expected = pattern_digest(seed, len);
        if path == "/echo" {
            let (seen, trailers) = common::read(response.into_body()).await.expect("whole");
            assert_eq!(seen, expected, "seed {seed}");
            assert!(trailers.is_some());
        } else {
            let seen = text(response).await;
            assert_eq!(seen, format!("{} {} true", expected.0, expected.1));
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }
}

/// The whole body of a response as text.
pub(crate) async fn text(response: Response<ServiceBody>) -> String {
    let seen = response.into_body().collect().await.expect("whole");
    String::from_utf8(seen.to_bytes().to_vec()).expect("UTF-8")
}

/// The stream of a response, as the layer has told.
pub(crate) fn stream_of(response: &Response<ServiceBody>) -> StreamHandle {
    let stream = response.extensions().get::<StreamHandle>();
    stream.expect("a handle").clone()
}

/// What [`common::digest`] makes of a pattern.
pub(crate) fn pattern_digest(seed: u64, len: u64) -> (u64, u64) {
    common::digest(&common::pattern(seed, len))
}

/// For what is asked again and again.
pub(crate) async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
}

/// Waits until this holds.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        pause().await;
    }
}

/// Waits until nothing has come for a while.
pub(crate) async fn quiet(stats: impl Fn() -> StreamStats) -> StreamStats {
    let mut before = stats();
    let mut same = 0;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let now = stats();
        same = if now == before { same + 1 } else { 0 };
        before = now;
        if same == 10 {
            return now;
        }
    }
}
