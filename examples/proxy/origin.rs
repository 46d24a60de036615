//! The origin inside the proxy, so that there is something to forward to. The
//! proxy reaches it over a real connection.

use std::{
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRAILER},
};
use tokio::time::sleep;

use crate::{
    body::{BoxError, Inbound, Outgoing, text},
    files, page,
    serve::{Handler, Peer},
};

const WELCOME: &str = "\
This is the origin inside the proxy example of framewright. To try:

  /bytes/N       N octets, streamed
  /echo          sends a request body back, trailers too
  /slow?ms=MS    answers after MS milliseconds
  /files/        a few files, with ranges
  /page          a page with pictures, of more urgency than
  /download      20 MB; with ?u=N of the urgency N
";

/// 64 KiB, the size in which `/bytes` is streamed.
const CHUNK: usize = 64 << 10;
const MAX_BYTES: u64 = 16 << 30;
const MAX_SLOW: u64 = 60_000;

/// The embedded origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin;

impl Handler for Origin {
    async fn call(&self, _peer: Peer, request: Request<Inbound>) -> Response<Outgoing> {
        if request.uri().path() == "/echo" {
            return echo(request);
        }
        let method = request.method().clone();
        if method != Method::GET && method != Method::HEAD {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD, please\n");
            refusal
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let response = get(&request).await;
        if method == Method::HEAD {
            return without_body(response);
        }
        response
    }
}

async fn get(request: &Request<Inbound>) -> Response<Outgoing> {
    let path = request.uri().path();
    if path == "/" {
        return text(StatusCode::OK, WELCOME);
    }
    if let Some(path) = path.strip_prefix("/files/") {
        return files::get(path, request.headers());
    }
    if let Some(octets) = path.strip_prefix("/bytes/") {
        return match octets.parse() {
            Ok(octets) if octets <= MAX_BYTES => bytes(octets),
            _ => text(
                StatusCode::BAD_REQUEST,
                format!("a number up to {MAX_BYTES}, please\n"),
            ),
        };
    }
    if path == "/page" {
        return page::html();
    }
    if let Some(name) = path.strip_prefix("/page/") {
        return page::image(name);
    }
    if path == "/download" {
        return page::download(request.uri().query());
    }
    if path == "/slow" {
        let query = request.uri().query().unwrap_or_default();
        let ms = query.split('&').find_map(|pair| pair.strip_prefix("ms="));
        return match ms.map_or(Ok(1000), str::parse) {
            Ok(ms) if ms <= MAX_SLOW => {
                sleep(Duration::from_millis(ms)).await;
                text(StatusCode::OK, format!("This took {ms} milliseconds.\n"))
            }
            _ => text(
                StatusCode::BAD_REQUEST,
                format!("ms up to {MAX_SLOW}, please\n"),
            ),
        };
    }
    text(
        StatusCode::NOT_FOUND,
        "no such page; / says what there is\n",
    )
}

/// The request body goes back as it comes.
fn echo(request: Request<Inbound>) -> Response<Outgoing> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(body.map_err(Into::into).boxed_unsync());
    // Over HTTP/1.1, hyper sends those trailers that `trailer` announces.
    for name in [CONTENT_TYPE, CONTENT_LENGTH, TRAILER] {
        for value in head.headers.get_all(&name) {
            response.headers_mut().append(&name, value.clone());
        }
    }
    response
}

pub(crate) fn bytes(octets: u64) -> Response<Outgoing> {
    let mut response = Response::new(Pattern { left: octets }.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(octets));
    let binary = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, binary);
    response
}

/// The same fields as with the body, its length above all.
fn without_body(response: Response<Outgoing>) -> Response<Outgoing> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let none = http_body_util::Empty::new().map_err(|e| match e {});
    Response::from_parts(head, none.boxed_unsync())
}

/// Octet `i` is `i % 65536 % 251`.
struct Pattern {
    left: u64,
}

fn chunk() -> Bytes {
    static OCTETS: OnceLock<Bytes> = OnceLock::new();
    let octets = OCTETS.get_or_init(|| (0..CHUNK).map(|i| (i % 251) as u8).collect());
    octets.clone()
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut chunk = chunk();
        if self.left < CHUNK as u64 {
            chunk.truncate(self.left as usize);
        }
        self.left -= chunk.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
