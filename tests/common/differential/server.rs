//! A server of hyper's, whose handler writes down what it gets.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use framewright::layer::{FlowControlLayer, PriorityLayer};
use framewright::{FlowControl, Transport};
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::rt::{Read, Write as IoWrite};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_layer::Layer;
use tower_service::Service;

use super::{Below, Case, Log, Stack};
use crate::common::{Pattern, ServiceBody, full};

/// The transport's field, which the layers take out.
pub(super) const TAG: &str = "framewright-stream";

pub(super) fn start(io: DuplexStream, case: &Case, below: Below, flow: &FlowControl, log: Log) {
    let app = App {
        log: log.clone(),
        requests: Arc::default(),
    };
    let serving = Serving {
        is_auto: matches!(case.stack, Stack::Auto),
        extended: case.extended,
        flow: flow.clone(),
        log,
    };
    let config = below.config(flow);
    match below {
        Below::Bare => serving.start(TokioIo::new(io), app),
        Below::Transport => serving.start(TokioIo::new(Transport::server(io, config)), app),
        Below::Loaded => {
            let app = PriorityLayer::new().layer(FlowControlLayer::new().layer(app));
            serving.start(TokioIo::new(Transport::server(io, config)), app);
        }
    }
}

struct Serving {
    is_auto: bool,
    extended: bool,
    flow: FlowControl,
    log: Log,
}

impl Serving {
    fn start<IO, S>(self, io: IO, service: S)
    where
        IO: Read + IoWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<ServiceBody>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        tokio::spawn(async move {
            let service = TowerToHyperService::new(service);
            if self.is_auto {
                let mut builder =
                    hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                self.flow.apply(&mut builder);
                builder.http1().auto_date_header(false);
                builder.http2().auto_date_header(false);
                let ended = builder.serve_connection(io, service).await;
                self.ended(ended.err().map(|error| chain(&*error)));
            } else {
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                self.flow.apply(&mut builder);
                builder.auto_date_header(false);
                if self.extended {
                    builder.enable_connect_protocol();
                }
                let ended = builder.serve_connection(io, service).await;
                self.ended(ended.err().map(|error| chain(&error)));
            }
        });
    }

    fn ended(&self, error: Option<String>) {
        let text = error.unwrap_or_else(|| String::from("without an error"));
        self.log.add(0, format!("ended: {text}"));
    }
}

/// An error, its causes, and what it says in terms of HTTP/2.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            let _ = write!(text, " [{:?}, remote {}]", h2.reason(), h2.is_remote());
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            let _ = write!(text, " [{:?}]", io.kind());
        }
        at = error.source();
        if let Some(cause) = at {
            let _ = write!(text, ": {cause}");
        }
    }
    text
}

/// The fields but for the transport's own, of which nobody above the layers may
/// hear, be it made by a peer or not (rule T2).
pub(super) fn fields(fields: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in fields.iter().filter(|(name, _)| *name != TAG) {
        let _ = write!(text, " {name}={value:?}");
    }
    text
}

/// Reads a body to its end and writes it down. Its length.
pub(super) async fn read<B>(mut body: B, which: usize, log: &Log) -> usize
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    let mut octets = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => octets.extend_from_slice(&data),
            Ok(Err(frame)) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                log.add(which, format!("trailers{}", fields(&trailers)));
            }
            Err(error) => {
                log.add(which, format!("body failed: {}", chain(&error)));
                return octets.len();
            }
        }
    }
    let (len, hash) = crate::common::digest(&octets);
    let front = octets[..octets.len().min(40)].escape_ascii();
    log.add(which, format!("body of {len} ({hash:x}): {front}"));
    len as usize
}

/// Writes down what it gets. The path says what it answers.
#[derive(Clone)]
struct App {
    log: Log,
    requests: Arc<AtomicUsize>,
}

/// Writes down that a handler was given up.
struct Guard(Log, usize, bool);

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.2 {
            self.0.add(self.1, "the handler was dropped");
        }
    }
}

impl App {
    async fn answer<B>(self, mut request: Request<B>, which: usize) -> Response<ServiceBody>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Error + 'static,
    {
        let log = &self.log;
        let mut guard = Guard(log.clone(), which, false);
        let protocol = request.extensions().get::<hyper::ext::Protocol>();
        log.add(
            which,
            format!(
                "{} {:?} {:?}{}{}",
                request.method(),
                request.uri(),
                request.version(),
                protocol.map_or_else(String::new, |name| format!(" {name:?}")),
                fields(request.headers()),
            ),
        );
        if request.method() == Method::CONNECT {
            tokio::spawn(tunnel(hyper::upgrade::on(&mut request), which, log.clone()));
            guard.2 = true;
            return Response::new(full(String::new()));
        }
        let response = match request.uri().path() {
            // Never answers, and reads nothing.
            "/hang" => std::future::pending().await,
            // Answers, and does not care for the body.
            "/early" => Response::new(full(String::from("early"))),
            "/large" => Response::new(Pattern::new(7, 100_000, 20_000).boxed()),
            "/trailers" => {
                let mut body = Pattern::new(7, 100, 40);
                body.trailer = true;
                Response::new(body.boxed())
            }
            "/empty" => Response::new(full(String::new())),
            "/fails" => {
                let mut body = Pattern::new(7, 100, 40);
                body.fail_at = Some(20);
                Response::new(body.boxed())
            }
            _ => {
                let octets = read(request.into_body(), which, log).await;
                Response::new(full(format!("got {octets}")))
            }
        };
        guard.2 = true;
        response
    }
}

/// Echoes what comes through a tunnel.
async fn tunnel(upgrade: hyper::upgrade::OnUpgrade, which: usize, log: Log) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return log.add(which, format!("no tunnel: {}", chain(&error))),
    };
    let mut io = TokioIo::new(upgraded);
    let mut octets = [0; 1000];
    loop {
        match io.read(&mut octets).await {
            Ok(0) => {
                let ended = io.shutdown().await.is_ok();
                return log.add(which, format!("the tunnel has ended, {ended}"));
            }
            Ok(n) => {
                log.add(which, format!("tunnel: {}", octets[..n].escape_ascii()));
                if let Err(error) = io.write_all(&octets[..n]).await {
                    return log.add(which, format!("the tunnel is shut: {}", chain(&error)));
                }
            }
            Err(error) => return log.add(which, format!("the tunnel failed: {}", chain(&error))),
        }
    }
}

impl<B> Service<Request<B>> for App
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Error + 'static,
{
    type Response = Response<ServiceBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let which = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let app = self.clone();
        Box::pin(async move { Ok(app.answer(request, which).await) })
    }
}
