//! The victim as a server.

use std::convert::Infallible;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use framewright::{FlowControlLayer, PriorityLayer, Transport};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use super::{Count, Held, Kind, flow, say};

/// The field that only the transport's own tags have.
const TAG: &str = "framewright-stream";

/// Serves on a port that it says.
pub(crate) async fn start(kind: Kind) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.expect("a connection");
            tcp.set_nodelay(true).expect("open");
            tokio::spawn(serve(kind, tcp));
        }
    });
    say(&format!("port {port}"));
}

async fn serve(kind: Kind, tcp: TcpStream) {
    let _held = Count::Connections.hold();
    // The same for all kinds.
    let mut builder = Builder::new(TokioExecutor::new());
    flow().apply(&mut builder);
    let plain = TowerToHyperService::new(Handler);
    let _ = match (kind, kind.config()) {
        (Kind::Loaded, Some(config)) => {
            let service = PriorityLayer::new().layer(FlowControlLayer::new().layer(Handler));
            let io = TokioIo::new(Transport::server(tcp, config));
            builder
                .serve_connection(io, TowerToHyperService::new(service))
                .await
        }
        (_, Some(config)) => {
            let io = TokioIo::new(Transport::server(tcp, config));
            builder.serve_connection(io, plain).await
        }
        (_, None) => builder.serve_connection(TokioIo::new(tcp), plain).await,
    };
}

/// - `/bytes?N`: so many octets
/// - `/late?N`: so many octets, and trailers a while later
/// - `/read`: reads the request's body, and says how long it was
/// - `/ignore`: never reads it, and never answers
#[derive(Clone)]
struct Handler;

impl<B> Service<Request<B>> for Handler
where
    B: Body<Data = Bytes, Error: Display> + Send + Unpin + 'static,
{
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let held = Count::Handlers.hold();
        Count::Requests.add(1);
        let forged = request.headers().get_all(TAG).iter().count();
        Count::Forged.add(forged as u64);
        Box::pin(async move {
            let length = request.uri().query().and_then(|query| query.parse().ok());
            let length = length.unwrap_or(0);
            let (length, is_late) = match request.uri().path() {
                "/late" => (length, true),
                "/read" => (drain(request.into_body()).await, false),
                "/ignore" => {
                    let _body = request.into_body();
                    std::future::pending().await
                }
                _ => (length, false),
            };
            Ok(Response::new(Answer {
                left: length,
                late: is_late.then(|| Box::pin(tokio::time::sleep(LATE))),
                _held: held,
            }))
        })
    }
}

/// Long enough that DATA before it is on its way.
const LATE: Duration = Duration::from_millis(250);

/// Reads a body. Returns its octets, or none if it broke off.
async fn drain<B: Body<Data = Bytes> + Unpin>(mut body: B) -> u64 {
    let mut octets = 0;
    while let Some(Ok(frame)) = body.frame().await {
        octets += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    octets.min(1000)
}

/// A body that takes no memory.
pub(crate) struct Answer {
    left: u64,
    /// When to send trailers.
    late: Option<Pin<Box<Sleep>>>,
    _held: Held,
}

static OCTETS: [u8; 64 << 10] = [b'x'; 64 << 10];

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left > 0 {
            let n = self.left.min(OCTETS.len() as u64);
            self.left -= n;
            let data = Bytes::from_static(&OCTETS[..n as usize]);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let Some(late) = &mut self.late else {
            return Poll::Ready(None);
        };
        ready!(late.as_mut().poll(cx));
        self.late = None;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-trailer", HeaderValue::from_static("here"));
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.late.is_none()
    }
}
