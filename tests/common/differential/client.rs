//! A client of hyper's, and what it makes of what comes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use framewright::layer::{ClientFlowControlLayer, ClientPriorityLayer};
use framewright::{FlowControl, Transport};
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_layer::Layer;
use tower_service::Service;

use super::server::{chain, fields, read};
use super::{Below, Log};
use crate::common::{self, Pattern};

/// A request's body.
type Sent = BoxBody<Bytes, io::Error>;

/// A request of the client, on the next stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Get,
    Head,
    /// With five octets.
    Post,
    /// With 100,000 octets, and trailers.
    Upload,
    /// With a body that never ends.
    Open,
    /// Whose body fails.
    Fails,
    /// A tunnel.
    Connect,
    /// Takes a response, and drops its body unread.
    Unread,
}

/// Opens a connection and sends requests. The connection is to live as long as what
/// this returns.
pub(super) fn start(
    io: DuplexStream,
    asks: &'static [Ask],
    below: Below,
    flow: &FlowControl,
    log: Log,
) -> Box<dyn std::any::Any> {
    let (keep, kept) = tokio::sync::oneshot::channel::<()>();
    let config = below.config(flow);
    let flow = flow.clone();
    tokio::spawn(async move {
        match below {
            Below::Bare => open(TokioIo::new(io), asks, false, flow, log, kept).await,
            _ => {
                let io = TokioIo::new(Transport::client(io, config));
                open(io, asks, below == Below::Loaded, flow, log, kept).await;
            }
        }
    });
    Box::new(keep)
}

async fn open<IO: Read + Write + Unpin + Send + 'static>(
    io: IO,
    asks: &'static [Ask],
    is_loaded: bool,
    flow: FlowControl,
    log: Log,
    kept: tokio::sync::oneshot::Receiver<()>,
) {
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    flow.apply(&mut builder);
    let (sender, connection) = match builder.handshake::<_, Sent>(io).await {
        Ok(opened) => opened,
        Err(error) => return log.add(0, format!("no connection: {}", chain(&error))),
    };
    let connection_log = log.clone();
    tokio::spawn(async move {
        let error = connection.await.err().map(|error| chain(&error));
        let text = error.unwrap_or_else(|| String::from("without an error"));
        connection_log.add(0, format!("ended: {text}"));
    });
    for (which, ask) in asks.iter().enumerate() {
        let (sender, log) = (Requests(sender.clone()), log.clone());
        if is_loaded {
            let sender = ClientFlowControlLayer::new().layer(sender);
            let sender = ClientPriorityLayer::new().layer(sender);
            tokio::spawn(request(sender, *ask, which + 1, log));
        } else {
            tokio::spawn(request(sender, *ask, which + 1, log));
        }
    }
    let _ = kept.await;
    drop(sender);
}

/// The connection as a service.
struct Requests(SendRequest<Sent>);

impl Service<Request<Sent>> for Requests {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Sent>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// A body that gives a little, and then nothing.
struct Unending(Option<Bytes>);

impl Body for Unending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.0.take() {
            Some(octets) => Poll::Ready(Some(Ok(Frame::data(octets)))),
            None => Poll::Pending,
        }
    }
}

fn full(text: &'static str) -> Sent {
    common::full(text.into()).map_err(io::Error::other).boxed()
}

fn message(ask: Ask) -> Request<Sent> {
    let (method, body) = match ask {
        Ask::Get | Ask::Unread => (Method::GET, full("")),
        Ask::Head => (Method::HEAD, full("")),
        Ask::Post => (Method::POST, full("hello")),
        Ask::Upload => {
            let mut body = Pattern::new(3, 100_000, 20_000);
            body.trailer = true;
            (Method::POST, body.map_err(io::Error::other).boxed())
        }
        Ask::Open => {
            let body = Unending(Some(Bytes::from_static(b"more to come")));
            (Method::POST, body.boxed())
        }
        Ask::Fails => {
            let mut body = Pattern::new(3, 100, 40);
            body.fail_at = Some(20);
            (Method::POST, body.map_err(io::Error::other).boxed())
        }
        Ask::Connect => (Method::CONNECT, full("")),
    };
    let uri = match ask {
        Ask::Connect => "test:443",
        _ => "http://test/",
    };
    let request = Request::builder().method(method).uri(uri);
    request.body(body).expect("a request")
}

async fn request<S, B>(mut sender: S, ask: Ask, which: usize, log: Log)
where
    S: Service<Request<Sent>, Response = Response<B>, Error = hyper::Error>,
    B: Body<Data = Bytes, Error = hyper::Error> + Send + 'static,
{
    let ready = std::future::poll_fn(|cx| sender.poll_ready(cx)).await;
    let response = match ready {
        Ok(()) => sender.call(message(ask)).await,
        Err(error) => Err(error),
    };
    drop(sender);
    let mut response = match response {
        Ok(response) => response,
        Err(error) => return log.add(which, format!("no response: {}", chain(&error))),
    };
    log.add(
        which,
        format!(
            "{} {:?}{}",
            response.status(),
            response.version(),
            fields(response.headers()),
        ),
    );
    match ask {
        Ask::Connect if response.status().is_success() => {
            let upgrade = hyper::upgrade::on(&mut response);
            tunnel(upgrade, which, &log).await;
        }
        Ask::Unread => drop(response),
        _ => {
            let body: UnsyncBoxBody<_, _> = response.into_body().boxed_unsync();
            read(body, which, &log).await;
        }
    }
}

/// Says something through a tunnel, and hears what there is.
async fn tunnel(upgrade: hyper::upgrade::OnUpgrade, which: usize, log: &Log) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return log.add(which, format!("no tunnel: {}", chain(&error))),
    };
    let mut io = TokioIo::new(upgraded);
    let mut octets = Vec::new();
    let said = io
        .write_all(b"through")
        .await
        .map_err(|error| chain(&error));
    let heard = io
        .read_to_end(&mut octets)
        .await
        .map_err(|error| chain(&error));
    let text = octets.escape_ascii();
    log.add(which, format!("tunnel: {said:?}, {heard:?}: {text}"));
}
