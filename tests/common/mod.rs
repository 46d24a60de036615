//! What the tests with real peers share: a service with checkable bodies, and
//! connections with the transport on either end, over any IO.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::convert::Infallible;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The octet at `at` of the body that belongs to `seed`.
fn octet(seed: u64, at: u64) -> u8 {
    let x = (at / 8 + 1).wrapping_mul(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15));
    (x >> (8 * (at % 8))) as u8
}

pub fn pattern(seed: u64, len: u64) -> Vec<u8> {
    part(seed, 0, len)
}

/// The octets of a pattern from `at` on, for bodies that are made as they go.
pub fn part(seed: u64, at: u64, len: u64) -> Vec<u8> {
    (at..at + len).map(|at| octet(seed, at)).collect()
}

/// A hash of octets that does not depend on how they were cut.
#[derive(Default)]
pub struct Digest {
    hasher: DefaultHasher,
    part: Vec<u8>,
    pub len: u64,
}

impl Digest {
    pub fn update(&mut self, mut octets: &[u8]) {
        self.len += octets.len() as u64;
        const BLOCK: usize = 4096;
        if !self.part.is_empty() {
            let n = octets.len().min(BLOCK - self.part.len());
            self.part.extend(&octets[..n]);
            octets = &octets[n..];
            if self.part.len() < BLOCK {
                return;
            }
            self.hasher.write(&self.part);
            self.part.clear();
        }
        let mut blocks = octets.chunks_exact(BLOCK);
        for block in &mut blocks {
            self.hasher.write(block);
        }
        self.part.extend(blocks.remainder());
    }

    pub fn finish(mut self) -> (u64, u64) {
        self.hasher.write(&self.part);
        (self.len, self.hasher.finish())
    }
}

pub fn digest(octets: &[u8]) -> (u64, u64) {
    let mut digest = Digest::default();
    digest.update(octets);
    digest.finish()
}

/// A body of the pattern, in chunks, with a trailer or an error at its end.
pub struct Pattern {
    pub octets: Bytes,
    pub chunk: usize,
    pub trailer: bool,
    /// Fails once fewer octets than this are left.
    pub fail_at: Option<usize>,
}

impl Pattern {
    pub fn new(seed: u64, len: u64, chunk: usize) -> Self {
        Self {
            octets: pattern(seed, len).into(),
            chunk,
            trailer: false,
            fail_at: None,
        }
    }
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.fail_at.is_some_and(|at| self.octets.len() <= at) {
            return Poll::Ready(Some(Err("this body was made to fail".into())));
        }
        if !self.octets.is_empty() {
            let n = self.chunk.min(self.octets.len());
            return Poll::Ready(Some(Ok(Frame::data(self.octets.split_to(n)))));
        }
        if std::mem::take(&mut self.trailer) {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-trailer", HeaderValue::from_static("here"));
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        match self.fail_at {
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(self.octets.len() as u64),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.octets.is_empty() && !self.trailer && self.fail_at.is_none()
    }
}

pub type ServiceBody = http_body_util::combinators::BoxBody<Bytes, BoxError>;

fn parameter<B>(request: &Request<B>, name: &str) -> Option<u64> {
    let query = request.uri().query()?;
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(name))?;
    pair.strip_prefix('=')?.parse().ok()
}

/// The service of every test server.
///
/// - `GET /bytes?len=&seed=&chunk=[&trailer=1][&fail=N]`: a pattern
/// - `POST /echo`: the body, and its trailers
/// - `POST /digest`: the digest of the body
pub async fn service(request: Request<Incoming>) -> Result<Response<ServiceBody>, Infallible> {
    answer(request).await
}

/// The same for the body of any layer.
pub async fn answer<B>(request: Request<B>) -> Result<Response<ServiceBody>, Infallible>
where
    B: Body<Data = Bytes, Error: Into<BoxError> + Display> + Send + Sync + Unpin + 'static,
{
    let of = |name| parameter(&request, name);
    let body = match (request.method(), request.uri().path()) {
        (&Method::GET, "/bytes") => {
            let seed = of("seed").unwrap_or(0);
            let len = of("len").unwrap_or(0);
            let mut body = Pattern::new(seed, len, of("chunk").unwrap_or(65_536) as usize);
            body.trailer = of("trailer").is_some();
            body.fail_at = of("fail").map(|n| n as usize);
            body.boxed()
        }
        (&Method::POST, "/echo") => request.into_body().map_err(Into::into).boxed(),
        (&Method::POST, "/digest") => {
            let result = match read(request.into_body()).await {
                Ok(((len, hash), trailers)) => format!("{len} {hash} {}", trailers.is_some()),
                Err(error) => format!("failed: {error}"),
            };
            full(result)
        }
        _ => {
            let mut response = Response::new(full(String::from("no such thing")));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    Ok(Response::new(body))
}

pub fn full(text: String) -> ServiceBody {
    http_body_util::Full::from(text)
        .map_err(|never| match never {})
        .boxed()
}

/// Reads a body to its end: its digest, and its trailers.
pub async fn read<B>(mut body: B) -> Result<((u64, u64), Option<HeaderMap>), B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut digest = Digest::default();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => digest.update(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((digest.finish(), trailers))
}

/// Serves one connection, HTTP/1.1 or HTTP/2.
pub async fn serve<IO>(io: IO) -> Result<(), BoxError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder.http2().max_pending_accept_reset_streams(1_000);
    builder
        .serve_connection(TokioIo::new(io), hyper::service::service_fn(service))
        .await
}

/// Serves one HTTP/2 connection with hyper's own builder, whose first octets go
/// out before the preface has come in.
pub async fn serve_http2<IO>(io: IO) -> hyper::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(1_000)
        .max_pending_accept_reset_streams(1_000)
        .serve_connection(TokioIo::new(io), hyper::service::service_fn(service))
        .await
}

pub type Sender = SendRequest<ServiceBody>;

/// hyper's client as a tower service.
#[derive(Clone)]
pub struct Dispatch(pub Sender);

impl Service<Request<ServiceBody>> for Dispatch {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ServiceBody>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// A client on `io`, and the task that drives it.
pub async fn client<IO>(io: IO) -> (Sender, tokio::task::JoinHandle<hyper::Result<()>>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_reset_streams(1_000)
        .handshake(TokioIo::new(io))
        .await
        .expect("handshake");
    (sender, tokio::spawn(connection))
}

/// Downloads a pattern and checks every octet of it.
pub async fn download(
    sender: &mut Sender,
    seed: u64,
    len: u64,
    chunk: u64,
) -> Result<(), BoxError> {
    let uri = format!("http://test/bytes?seed={seed}&len={len}&chunk={chunk}&trailer=1");
    let request = Request::get(uri).body(full(String::new()))?;
    let response = sender.send_request(request).await?;
    assert_eq!(response.status(), 200);
    let (seen, trailers) = read(response.into_body()).await?;
    assert_eq!(
        seen,
        digest(&pattern(seed, len)),
        "seed {seed}, {len} octets"
    );
    assert_eq!(trailers.expect("trailers")["x-trailer"], "here");
    Ok(())
}

/// Sends a pattern, with a trailer, and lets the server check or echo it.
pub async fn upload(
    sender: &mut Sender,
    path: &str,
    seed: u64,
    len: u64,
    chunk: usize,
) -> Result<(), BoxError> {
    let mut body = Pattern::new(seed, len, chunk);
    body.trailer = true;
    let request = Request::post(format!("http://test{path}")).body(body.boxed())?;
    let response = sender.send_request(request).await?;
    assert_eq!(response.status(), 200);
    let expected = digest(&pattern(seed, len));
    if path == "/echo" {
        let (seen, trailers) = read(response.into_body()).await?;
        assert_eq!(seen, expected, "seed {seed}, {len} octets");
        assert!(trailers.is_some());
    } else {
        let seen = response.into_body().collect().await?.to_bytes();
        let (len, hash) = expected;
        assert_eq!(seen, format!("{len} {hash} true"));
    }
    Ok(())
}

/// Starts a download and drops it in mid-flight.
pub async fn abandon(sender: &mut Sender, len: u64, after: usize) -> Result<(), BoxError> {
    let uri = format!("http://test/bytes?len={len}&chunk=20000");
    let response = sender
        .send_request(Request::get(uri).body(full(String::new()))?)
        .await?;
    let mut body = response.into_body();
    let mut seen = 0;
    while seen < after {
        match body.frame().await {
            Some(frame) => seen += frame?.data_ref().map_or(0, Bytes::len),
            None => break,
        }
    }
    Ok(())
}

/// Downloads a body that the server breaks off.
pub async fn broken_off(sender: &mut Sender, len: u64) -> Result<(), BoxError> {
    let uri = format!("http://test/bytes?len={len}&chunk=9000&fail={}", len / 2);
    let request = Request::get(uri).body(full(String::new()))?;
    // The reset may overtake a response that nobody has looked at yet.
    if let Ok(response) = sender.send_request(request).await {
        let result = read(response.into_body()).await;
        assert!(result.is_err(), "a reset stream must not look complete");
    }
    Ok(())
}

/// Sends a body that breaks off on the client's side.
pub async fn give_up(sender: &mut Sender, len: u64) -> Result<(), BoxError> {
    let mut body = Pattern::new(1, len, 7_000);
    body.fail_at = Some(len as usize / 2);
    let request = Request::post("http://test/digest").body(body.boxed())?;
    // The reset may reach the server before or after its response.
    let _ = sender.send_request(request).await;
    Ok(())
}
