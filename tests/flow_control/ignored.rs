//! Requests that a server ignores, because it has said goodbye while they waited at
//! the client (RFC 9113, section 6.8).

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use framewright::{FrameType, WindowBudget};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, DuplexStream, ReadBuf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::bounded;
use crate::common::{self, BoxError, ServiceBody, digest, pattern};
use crate::ends::{CONNECTION, Client, End, stream_of, text, until};

/// Octets that a wire holds.
const WIRE: usize = 4 << 10;
/// Octets of an upload: more than fits into the wire, and less than the stack is told
/// that it may send of a stream.
const UPLOAD: u64 = 30_000;

/// The window of a new stream as long as nothing is known.
const FLOOR: u32 = 65_535;
/// The requests that wait.
const STREAMS: u32 = 4;
/// They share what was learned, if each has twice the floor of it.
const LEARNED: u32 = 2 * STREAMS * FLOOR;

/// Whether octets are read.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    fn open(&self) {
        let mut gate = self.0.lock();
        gate.0 = true;
        if let Some(reader) = gate.1.take() {
            reader.wake();
        }
    }

    fn shut(&self) {
        self.0.lock().0 = false;
    }
}

struct Gated<R>(R, Gate);

impl<R: AsyncRead + Unpin> AsyncRead for Gated<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self(io, gate) = self.get_mut();
        let mut gate = gate.0.lock();
        if !gate.0 {
            gate.1 = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(io).poll_read(cx, buf)
    }
}

/// A body of what it is sent.
struct Fed(mpsc::UnboundedReceiver<Frame<Bytes>>);

impl Body for Fed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// A server of hyper alone, which reads while its gate is open. It shuts down
/// gracefully when it is told to.
struct Server {
    gate: Gate,
    /// Lets it answer a request for `/held`.
    release: Arc<Notify>,
    shut_down: oneshot::Sender<()>,
    ended: JoinHandle<hyper::Result<()>>,
}

fn server(io: DuplexStream, most_streams: u32) -> Server {
    let gate = Gate::default();
    let release = Arc::<Notify>::default();
    let (read, write) = tokio::io::split(io);
    let io = TokioIo::new(tokio::io::join(Gated(read, gate.clone()), write));
    let released = Arc::clone(&release);
    let service = service_fn(move |request: Request<Incoming>| {
        let released = Arc::clone(&released);
        async move {
            if request.uri().path() == "/held" {
                released.notified().await;
            }
            common::service(request).await
        }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(most_streams)
        .serve_connection(io, service);
    let (shut_down, told) = oneshot::channel();
    let ended = tokio::spawn(async move {
        tokio::pin!(connection);
        tokio::select! {
            _ = told => connection.as_mut().graceful_shutdown(),
            ended = connection.as_mut() => return ended,
        }
        connection.await
    });
    Server {
        gate,
        release,
        shut_down,
        ended,
    }
}

/// A server, and a client whose new streams start with more than the floor.
async fn connect(budget: &WindowBudget, most_streams: u32) -> (Server, Client) {
    let mut end = End::under(budget);
    // The one round trip that is measured is that of SETTINGS.
    end.flow = end.flow.map(|flow| {
        let flow = flow.pings(false).initial_window(FLOOR);
        flow.ceilings(2 * LEARNED, CONNECTION)
    });
    let (near, far) = tokio::io::duplex(WIRE);
    let server = server(far, most_streams);
    let client = Client::over_io(&end, near).await;
    // It is long, so that windows grow on a slow machine, too.
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.gate.open();
    learn(&client).await;
    (server, client)
}

impl Client {
    /// Sends a request, and waits until all of it is queued that may be.
    async fn queue(&self, request: Request<ServiceBody>) -> Reply {
        let client = self.clone();
        let reply = tokio::spawn(async move { client.send(request).await });
        rest().await;
        reply
    }
}

/// Lets all tasks go on for as long as they can: they wait for each other alone, not
/// for time, nor for sockets.
async fn rest() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

type Reply = JoinHandle<hyper::Result<Response<ServiceBody>>>;

/// An upload that goes on until the sender is dropped.
fn upload(seed: u64) -> (mpsc::UnboundedSender<Frame<Bytes>>, Request<ServiceBody>) {
    let (feed, fed) = mpsc::unbounded_channel();
    let octets = pattern(seed, UPLOAD).into();
    feed.send(Frame::data(octets)).expect("not dropped");
    let request = Request::post("http://test/digest").body(Fed(fed).boxed());
    (feed, request.expect("good"))
}

fn get(path: &str) -> Request<ServiceBody> {
    let request = Request::get(format!("http://test{path}"));
    request.body(common::full(String::new())).expect("good")
}

/// Downloads until windows have come to so much that each of [`STREAMS`] new ones
/// starts with more than the floor.
async fn learn(client: &Client) {
    let mut size = 0;
    while size < u64::from(LEARNED) {
        let path = format!("/bytes?len={}", 4 * LEARNED);
        let response = client.send(get(&path)).await.expect("a response");
        size = stream_of(&response).stats().receive_window;
        common::read(response.into_body()).await.expect("whole");
    }
}

async fn digested(reply: Reply, seed: u64, trailers: bool) {
    let response = reply.await.expect("no panic").expect("a response");
    let (len, hash) = digest(&pattern(seed, UPLOAD));
    assert_eq!(text(response).await, format!("{len} {hash} {trailers}"));
}

/// The request may be sent again, whatever it asks for (section 8.7): the server has
/// told that it did not act on it, and there is nothing else wrong.
async fn ignored(reply: Reply) {
    let error = reply.await.expect("no panic").expect_err("no response");
    let h2 = error.source().and_then(|e| e.downcast_ref::<h2::Error>());
    let is_ignored = h2.is_some_and(|h2| {
        h2.is_go_away() && h2.is_remote() && h2.reason() == Some(h2::Reason::NO_ERROR)
    });
    assert!(is_ignored, "{error:?}");
}

/// Requests wait behind trailers, around which the acknowledgement of the server's
/// PING goes. By that it decides which streams it still heeds, so of the others it must
/// not hear anything that ends the connection, and with it the uploads.
#[tokio::test]
async fn rfc9113_6_8_requests_that_wait_behind_trailers() {
    let budget = WindowBudget::new(64 << 20);
    bounded(async {
        let (server, client) = connect(&budget, 100).await;

        // From now on nothing arrives.
        server.gate.shut();
        let (ends, request) = upload(1);
        let one = client.queue(request).await;
        let (trailed, request) = upload(2);
        let two = client.queue(request).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-trailer", HeaderValue::from_static("here"));
        trailed
            .send(Frame::trailers(trailers))
            .expect("not dropped");
        rest().await;
        let three = client.queue(get("/bytes?len=100000")).await;
        let four = client.queue(get("/bytes?len=100000")).await;
        server.shut_down.send(()).expect("it runs");
        rest().await;
        let stats = client.connection.stats();
        assert_eq!(stats.inbound_frames.get(FrameType::PING), 1, "{stats:?}");

        server.gate.open();
        drop(ends);
        server.ended.await.expect("no panic").expect("no error");
        digested(one, 1, false).await;
        digested(two, 2, true).await;
        ignored(three).await;
        ignored(four).await;
        until(|| client.is_closed()).await;
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}

/// A request waits in the stack until there are fewer streams, which is when the
/// acknowledgement is on its way already.
#[tokio::test]
async fn rfc9113_6_8_a_request_that_waits_for_a_stream_to_end() {
    let budget = WindowBudget::new(64 << 20);
    bounded(async {
        let (server, client) = connect(&budget, 2).await;
        let (ends, request) = upload(1);
        let one = client.queue(request).await;
        let two = client.queue(get("/held")).await;
        let three = client.queue(get("/bytes?len=100000")).await;

        server.gate.shut();
        let before = client.connection.stats().outbound_frames;
        server.shut_down.send(()).expect("it runs");
        rest().await;
        server.release.notify_one();
        rest().await;
        let stats = client.connection.stats();
        assert_eq!(stats.inbound_frames.get(FrameType::PING), 1, "{stats:?}");
        // It has gone out after all.
        let [before, now] =
            [before, stats.outbound_frames].map(|frames| frames.get(FrameType::HEADERS));
        assert_eq!(now, before + 1, "{stats:?}");

        server.gate.open();
        drop(ends);
        server.ended.await.expect("no panic").expect("no error");
        digested(one, 1, false).await;
        let response = two.await.expect("no panic").expect("a response");
        assert_eq!(response.status(), 404);
        drop(response);
        // hyper does not tell of a request that waits in it at a goodbye why it ends.
        three.await.expect("no panic").expect_err("no response");
        until(|| client.is_closed()).await;
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}
