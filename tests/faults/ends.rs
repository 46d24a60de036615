//! Both ends of a connection on hyper, as it is or over a transport, with all
//! that may be left behind in view.

use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use framewright::layer::{
    ClientFlowControlLayer, ClientPriorityLayer, FlowControlLayer, PriorityLayer,
};
use framewright::{
    BufferPool, Config, ConnectionHandle, FlowControl, FlowHint, PoolConfig, StreamHandle,
    Transport, WindowBudget,
};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;
use tower_service::Service;

pub(crate) use crate::common::BoxError;
use crate::common::{self, Dispatch, ServiceBody};
use crate::executor::{self, Executor};

pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

pub(crate) type BoxIo = Box<dyn Io>;

/// What is between hyper and the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Nothing.
    Bare,
    /// The transport, as it comes.
    Default,
    /// The transport with all it has, and the layers.
    Loaded,
}

/// What connections share, and may fail to give back.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) pool: BufferPool,
    pub(crate) budget: WindowBudget,
    connections: Arc<Mutex<Vec<ConnectionHandle>>>,
    streams: Arc<Mutex<Vec<StreamHandle>>>,
    /// What was there to be lost, at the most: octets of the budget, and how often
    /// streams competed.
    pub(crate) stakes: Arc<Mutex<(u64, u64)>>,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            pool: BufferPool::new(PoolConfig::default()),
            budget: WindowBudget::new(64 << 20),
            connections: Arc::default(),
            streams: Arc::default(),
            stakes: Arc::default(),
        }
    }

    pub(crate) fn flow(&self) -> FlowControl {
        FlowControl::default().budget(self.budget.clone())
    }

    pub(crate) fn config(&self) -> Config {
        let config = Config::default().pool(self.pool.clone());
        match self.setup {
            Setup::Loaded => config.stream_handles(true).flow_control(self.flow()),
            _ => config,
        }
    }

    /// The server's end.
    pub(crate) fn server_io<IO: Io + 'static>(&self, io: IO) -> BoxIo {
        match self.setup {
            Setup::Bare => Box::new(io),
            _ => {
                let io = Transport::server(io, self.config());
                self.watch(io.handle());
                Box::new(io)
            }
        }
    }

    /// The client's end.
    pub(crate) fn client_io<IO: Io + 'static>(&self, io: IO) -> BoxIo {
        match self.setup {
            Setup::Bare => Box::new(io),
            _ => {
                let io = Transport::client(io, self.config());
                self.watch(io.handle());
                Box::new(io)
            }
        }
    }

    pub(crate) fn watch(&self, connection: ConnectionHandle) {
        self.connections.lock().push(connection);
    }

    pub(crate) fn note_stream(&self, extensions: &http::Extensions) {
        if let Some(stream) = extensions.get::<StreamHandle>() {
            self.streams.lock().push(stream.clone());
        }
    }

    /// Notes what there is to be lost.
    pub(crate) fn look(&self) {
        let mut stakes = self.stakes.lock();
        stakes.0 = stakes.0.max(self.budget.used());
    }

    pub(crate) fn connections(&self) -> Vec<ConnectionHandle> {
        self.connections.lock().clone()
    }

    pub(crate) fn streams(&self) -> Vec<StreamHandle> {
        self.streams.lock().clone()
    }

    /// All connections have ended: nothing of them may be left.
    pub(crate) fn check(&self, about: &dyn Display) {
        assert_eq!(self.pool.stats().outstanding, 0, "buffers, {about}");
        assert_eq!(self.budget.used(), 0, "the budget, {about}");
        for connection in self.connections.lock().drain(..) {
            assert!(connection.is_closed(), "the handle, {about}");
            let stats = connection.stats();
            self.stakes.lock().1 += stats.congestions;
            assert_eq!(stats.queued_octets, 0, "octets queued, {about}");
            assert_eq!(stats.unconsumed_octets, 0, "unconsumed, {about}");
            assert_eq!(stats.window_budget, 0, "budget as told, {about}");
        }
        for stream in self.streams.lock().drain(..) {
            let stats = stream.stats();
            assert!(stats.closed, "the stream's handle, {about}");
            assert_eq!(stats.queued_octets, 0, "octets of a stream, {about}");
        }
    }
}

/// The service of all tests, and some that panic.
#[derive(Clone)]
pub(crate) struct Handler(pub(crate) World);

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
        self.0.note_stream(request.extensions());
        let request = request.map(|body| body.map_err(Into::into).boxed());
        if request.uri().path() == "/panic/call" {
            executor::made_to_panic();
        }
        Box::pin(answer(request))
    }
}

async fn answer(request: Request<ServiceBody>) -> Result<Response<ServiceBody>, Infallible> {
    match request.uri().path() {
        "/panic/future" => executor::made_to_panic(),
        "/panic/body" => Ok(Response::new(Panics { left: 2 }.boxed())),
        "/panic/reading" => {
            let mut body = request.into_body();
            let _ = body.frame().await;
            executor::made_to_panic()
        }
        _ => common::answer(request).await,
    }
}

/// A pattern of no known length that comes bit by bit, so that windows have time to
/// grow.
struct Slow {
    pattern: common::Pattern,
    rests: bool,
}

impl Body for Slow {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        self.rests = !self.rests;
        if self.rests {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.pattern).poll_frame(cx)
    }
}

/// A body that panics after some DATA.
pub(crate) struct Panics {
    pub(crate) left: u32,
}

impl Body for Panics {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            executor::made_to_panic();
        }
        self.left -= 1;
        let octets = Bytes::from_static(&[7; 300]);
        Poll::Ready(Some(Ok(http_body::Frame::data(octets))))
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(world: World, exec: Exec, io: BoxIo) -> hyper::Result<()> {
    let mut builder = hyper::server::conn::http2::Builder::new(exec);
    let handler = Handler(world.clone());
    let io = TokioIo::new(io);
    if world.setup == Setup::Loaded {
        world.flow().apply(&mut builder);
        // From the start each stream takes of the budget what it may.
        let bulk = FlowControlLayer::new().classify(|_| Some(FlowHint::Bulk));
        let service = bulk.layer(PriorityLayer::new().layer(handler));
        let service = TowerToHyperService::new(service);
        builder.serve_connection(io, service).await
    } else {
        let service = TowerToHyperService::new(handler);
        builder.serve_connection(io, service).await
    }
}

/// Who runs the tasks.
#[derive(Clone)]
pub(crate) enum Exec {
    Hand(Executor),
    Tokio,
}

impl<F> hyper::rt::Executor<F> for Exec
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        match self {
            Self::Hand(executor) => executor.execute(future),
            Self::Tokio => drop(tokio::spawn(future)),
        }
    }
}

/// A client's connection.
#[derive(Clone)]
pub(crate) struct Client {
    sender: Dispatch,
    world: World,
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

impl Client {
    pub(crate) async fn connect(
        world: &World,
        exec: Exec,
        io: BoxIo,
    ) -> hyper::Result<(Self, Driver)> {
        let mut builder = hyper::client::conn::http2::Builder::new(exec);
        if world.setup == Setup::Loaded {
            world.flow().apply(&mut builder);
        }
        let (sender, driver) = builder.handshake(TokioIo::new(io)).await?;
        let world = world.clone();
        let sender = Dispatch(sender);
        Ok((Self { sender, world }, Box::pin(driver)))
    }

    /// Sends a request.
    pub(crate) async fn send(
        &self,
        request: Request<ServiceBody>,
    ) -> hyper::Result<Response<ServiceBody>> {
        let mut sender = self.sender.clone();
        std::future::poll_fn(|cx| sender.poll_ready(cx)).await?;
        if self.world.setup == Setup::Loaded {
            let bulk = ClientFlowControlLayer::new().classify(|_| Some(FlowHint::Bulk));
            let mut layered = ClientPriorityLayer::new().layer(bulk.layer(sender));
            let response = layered.call(request).await?;
            self.world.note_stream(response.extensions());
            Ok(response.map(|body| body.map_err(Into::into).boxed()))
        } else {
            let response = sender.call(request).await?;
            Ok(response.map(|body| body.map_err(Into::into).boxed()))
        }
    }

    pub(crate) async fn get(&self, path: &str) -> hyper::Result<Response<ServiceBody>> {
        let request = Request::get(format!("http://test{path}"));
        self.send(request.body(common::full(String::new())).expect("good"))
            .await
    }

    /// Downloads a pattern with a trailer, and checks it.
    pub(crate) async fn download(&self, seed: u64, len: u64) -> Result<(), BoxError> {
        let path = format!("/bytes?seed={seed}&len={len}&chunk=130&trailer=1");
        let (seen, trailers) = common::read(self.get(&path).await?.into_body()).await?;
        assert_eq!(seen, common::digest(&common::pattern(seed, len)));
        assert!(trailers.is_some(), "a body that is cut short looks whole");
        Ok(())
    }

    /// Sends a pattern with a trailer, and gets it back.
    pub(crate) async fn echo(&self, seed: u64, len: u64) -> Result<(), BoxError> {
        let mut pattern = common::Pattern::new(seed, len, 130);
        pattern.trailer = true;
        let body = Slow {
            pattern,
            rests: false,
        };
        let request = Request::post("http://test/echo").body(body.boxed());
        let response = self.send(request.expect("good")).await?;
        let (seen, trailers) = common::read(response.into_body()).await?;
        assert_eq!(seen, common::digest(&common::pattern(seed, len)));
        assert!(trailers.is_some(), "a body that is cut short looks whole");
        Ok(())
    }

    /// Starts a download and drops it in mid-flight.
    async fn abandon(&self, len: u64) -> Result<(), BoxError> {
        let path = format!("/bytes?len={len}&chunk=100");
        let mut body = self.get(&path).await?.into_body();
        body.frame().await.ok_or("no body")??;
        Ok(())
    }

    /// Downloads what the server breaks off: a reset.
    async fn broken_off(&self, len: u64) -> Result<(), BoxError> {
        let path = format!("/bytes?len={len}&chunk=100&fail={}", len / 2);
        let response = self.get(&path).await;
        let error: BoxError = match response {
            Ok(response) => common::read(response.into_body())
                .await
                .expect_err("a stream that was reset looks whole"),
            Err(error) => error.into(),
        };
        // Of the stream alone.
        match h2_error(&*error) {
            Some(h2) if h2.is_reset() && h2.is_remote() => Ok(()),
            _ => Err(error),
        }
    }
}

fn h2_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a h2::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(h2) = error.downcast_ref() {
            return Some(h2);
        }
        next = error.source();
    }
    None
}

/// What somebody has come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Fine,
    /// There is no connection any more.
    Gone,
    /// Nobody waited for it.
    Dropped,
    /// The socket's own error.
    Marked,
    /// Another error of the IO.
    Io(io::ErrorKind),
    Other(String),
}

impl Outcome {
    pub(crate) fn of<T, E: Into<BoxError>>(result: Result<T, E>, marker: &str) -> Self {
        let Err(error) = result else {
            return Self::Fine;
        };
        let error: BoxError = error.into();
        let error: &(dyn std::error::Error + 'static) = &*error;
        if let Some(h2) = h2_error(error) {
            return match h2.get_io() {
                Some(io) if io.to_string() == marker => {
                    assert_eq!(io.kind(), io::ErrorKind::HostUnreachable, "its kind");
                    Self::Marked
                }
                Some(io) => Self::Io(io.kind()),
                None => Self::Other(h2.to_string()),
            };
        }
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return match io.to_string() == marker {
                    true => Self::Marked,
                    false => Self::Io(io.kind()),
                };
            }
            next = error.source();
        }
        match error.to_string() {
            // Both mean that the connection was gone before the request had gone.
            text if text == "channel closed" || text == "operation was canceled" => Self::Gone,
            text => Self::Other(text),
        }
    }
}

/// How many steps a conversation has.
pub(crate) const STEPS: usize = 6;

/// A conversation with all that HTTP/2 has: what each step has come to. `len` is
/// that of bodies. One step may be dropped after so many polls.
pub(crate) async fn converse(
    client: &Client,
    len: u64,
    marker: &str,
    cut: Option<(usize, usize)>,
) -> Vec<Outcome> {
    let step =
        async |step, done: Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + '_>>| {
            let polls = cut
                .filter(|cut| cut.0 == step)
                .map_or(usize::MAX, |cut| cut.1);
            match executor::cut(done, polls).await {
                Some(result) => Outcome::of(result, marker),
                None => Outcome::Dropped,
            }
        };
    let (first, second) = tokio::join!(
        step(0, Box::pin(client.download(1, len))),
        step(1, Box::pin(client.echo(2, len)))
    );
    let third = step(2, Box::pin(client.broken_off(2 * len))).await;
    let fourth = step(3, Box::pin(client.abandon(2 * len))).await;
    let (fifth, sixth) = tokio::join!(
        step(4, Box::pin(client.echo(3, len / 2))),
        step(5, Box::pin(client.download(4, len / 2)))
    );
    vec![first, second, third, fourth, fifth, sixth]
}
