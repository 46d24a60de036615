//! What a peer can make the queues hold by windows that it gives and takes away.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use framewright::{Config, ConnectionHandle, FrameType, Transport};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::bounded;
use crate::raw::{
    ACK, END_HEADERS, INITIAL_WINDOW_SIZE, Log, Peer, Received, frame, get, settings, string,
    window_update,
};
use crate::server::Server;

const MAX: u32 = (1 << 31) - 1;

/// A request that h2 refuses with a stream error: a field of the connection's.
fn malformed(stream: u32) -> Vec<u8> {
    get(stream, "/bytes?len=1", &[("connection", "close")])
}

async fn until(peer: &mut Peer, what: impl Fn(&Received) -> bool) -> Vec<Received> {
    let mut all = Vec::new();
    let read = async {
        while let Some(received) = peer.next().await {
            let is_it = what(&received);
            all.push(received);
            if is_it {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), read).await;
    all
}

fn show(all: &[Received]) -> String {
    let all = all
        .iter()
        .filter(|r| !(r.is_ack() && r.is(FrameType::SETTINGS)));
    let line = |r: &Received| {
        format!(
            "{:?} {} {:?}",
            r.head.kind,
            r.stream(),
            &r.payload[..r.payload.len().min(8)]
        )
    };
    all.map(line).collect::<Vec<_>>().join("; ")
}

/// SETTINGS make the window of a stream overflow that the stack has reset by then.
#[tokio::test]
async fn f2_an_overflow_by_settings_of_a_stream_that_the_stack_resets_ends_the_connection() {
    bounded(async {
        let server = Server::start(Config::default(), None, 0).await;
        let mut peer = Peer::connect(server.address, &[]).await;
        let attack = [
            malformed(1),
            window_update(1, MAX - 65_535),
            settings(&[(INITIAL_WINDOW_SIZE, 65_536)]),
        ];
        peer.send(&attack.concat()).await;
        let seen = until(&mut peer, |r| r.is(FrameType::GOAWAY)).await;
        // The stack cannot tell which window it is: that of the connection is as good.
        let goaway = seen.iter().find(|r| r.is(FrameType::GOAWAY));
        let goaway = goaway.unwrap_or_else(|| panic!("{}", show(&seen)));
        assert_eq!(goaway.payload[4..8], [0, 0, 0, 3], "FLOW_CONTROL_ERROR");
    })
    .await;
}

/// Octets, then as many more once the gate is open, and trailers.
struct Held {
    parts: Vec<usize>,
    gate: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    trailers: Option<HeaderMap>,
    // The request's, unread.
    _body: Incoming,
}

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.parts.len() < 2
            && let Some(gate) = &mut self.gate
        {
            ready!(gate.as_mut().poll(cx));
            self.gate = None;
        }
        let part = self.parts.pop().map(|n| Frame::data(vec![7; n].into()));
        let frame = part.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }
}

/// Answers `/a/b` with `a` octets, `b` more once there is a permit, and trailers.
fn answer(request: Request<Incoming>, gate: Arc<Semaphore>) -> Response<Held> {
    let parts = request.uri().path().split('/').skip(1);
    let parts: Vec<usize> = parts.map(|n| n.parse().expect("a number")).collect();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().expect("good"));
    Response::new(Held {
        parts: parts.into_iter().rev().collect(),
        gate: Some(Box::pin(async move {
            gate.acquire().await.expect("never closed").forget();
        })),
        trailers: Some(trailers),
        _body: request.into_body(),
    })
}

/// A server of such answers.
struct Holding {
    server: Server,
    gate: Arc<Semaphore>,
    handles: Arc<Mutex<Vec<ConnectionHandle>>>,
}

impl Holding {
    async fn start(config: Config) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let handles: Arc<Mutex<Vec<ConnectionHandle>>> = Arc::default();
        let (opened, kept) = (Arc::clone(&gate), Arc::clone(&handles));
        let server = Server::accept(None, move |tcp: TcpStream| {
            let io = Transport::server(tcp, config.clone());
            kept.lock().expect("no panic").push(io.handle());
            let gate = Arc::clone(&opened);
            async move {
                let service = service_fn(move |request| {
                    let response = answer(request, Arc::clone(&gate));
                    async { Ok::<_, Infallible>(response) }
                });
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(io), service)
                    .await;
            }
        })
        .await;
        Self {
            server,
            gate,
            handles,
        }
    }

    /// What is queued, once it is more than so much, and stays the same.
    async fn queued(&self, peer: &mut Peer, log: &mut Log, least: u64) -> u64 {
        let mut before = 0;
        loop {
            // The handlers' tasks have their turn.
            tokio::time::sleep(Duration::from_millis(50)).await;
            peer.round_trip(log).await;
            let queued = self.handles.lock().expect("no panic")[0]
                .stats()
                .queued_octets;
            if queued > least && queued == before {
                return queued;
            }
            before = queued;
        }
    }
}

/// A bidirectional stream is given up. What the peer has sent of its body before it
/// hears of that must not end the connection.
#[tokio::test]
async fn b3_octets_of_an_upload_that_cross_the_reset_of_what_is_given_up_do_no_harm() {
    bounded(async {
        let held = Holding::start(Config::default().queue(64 << 10, 64 << 10)).await;
        let address = held.server.address;
        let mut peer = Peer::connect(address, &[(INITIAL_WINDOW_SIZE, 1 << 20)]).await;
        let post = {
            let mut block = vec![0x83, 0x86, 0x04];
            string(&mut block, "/60000/1000");
            block.push(0x01);
            string(&mut block, "test");
            frame(FrameType::HEADERS, END_HEADERS, 1, &block)
        };
        peer.send(&post).await;
        let mut log = Log::default();
        peer.until(&mut log, |log| log.octets(1) == 60_000).await;
        // What the stack was told of is taken away.
        peer.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)])).await;
        peer.round_trip(&mut log).await;
        held.gate.add_permits(1);
        held.queued(&mut peer, &mut log, 1_000).await;
        let mut seen = Vec::new();
        // SETTINGS, until it is given up.
        let empty = settings(&[]);
        for _ in 0..200 {
            peer.send(&empty.repeat(10)).await;
            let read = async {
                while let Some(received) = peer.next().await {
                    let is_it = received.is(FrameType::RST_STREAM);
                    seen.push(received);
                    if is_it {
                        return;
                    }
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(5), read).await;
            if seen.iter().any(|r| r.is(FrameType::RST_STREAM)) {
                break;
            }
        }
        assert!(seen.iter().any(|r| r.is(FrameType::RST_STREAM)), "given up");
        // These were on their way.
        peer.send(&frame(FrameType::DATA, 0, 1, &[1; 100]).repeat(3))
            .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        peer.send(&frame(FrameType::PING, 0, 0, b"roundtri")).await;
        let seen = until(&mut peer, |r| {
            r.is(FrameType::GOAWAY) || r.is(FrameType::PING) && r.head.flags.0 & ACK != 0
        })
        .await;
        assert!(
            !seen.iter().any(|r| r.is(FrameType::GOAWAY)),
            "{}",
            show(&seen)
        );
    })
    .await;
}

/// Each of many streams is told of all that it may have; then SETTINGS take the window
/// away.
#[tokio::test]
async fn b3_the_queues_keep_their_bound_when_settings_take_all_windows_away() {
    bounded(async {
        const STREAMS: u32 = 50;
        let held = Holding::start(Config::default()).await;
        let address = held.server.address;
        let mut peer = Peer::connect(address, &[(INITIAL_WINDOW_SIZE, 8 << 20)]).await;
        peer.send(&window_update(0, MAX - 65_535)).await;
        let mut log = Log::default();
        for i in 0..STREAMS {
            peer.send(&get(2 * i + 1, "/1000000/8000000", &[])).await;
        }
        let all = |log: &Log| (0..STREAMS).all(|i| log.octets(2 * i + 1) == 1_000_000);
        peer.until(&mut log, all).await;
        peer.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)])).await;
        peer.round_trip(&mut log).await;
        held.gate.add_permits(STREAMS as usize);
        // Much was taken away: of 64 KiB of each, and what they share.
        let queued = held.queued(&mut peer, &mut log, 1 << 20).await;
        assert!(queued < 8 << 20, "queued {queued}");
    })
    .await;
}

/// More streams than are known by their request alone, most of which the stack refuses:
/// one that is not known is answered behind trailers that wait.
#[tokio::test]
async fn b3_the_queues_keep_their_bound_behind_trailers_after_a_burst_of_bad_requests() {
    bounded(async {
        let held = Holding::start(Config::default()).await;
        let address = held.server.address;
        let mut peer = Peer::connect(address, &[(INITIAL_WINDOW_SIZE, 8 << 20)]).await;
        peer.send(&window_update(0, MAX - 65_535)).await;
        peer.send(&get(1, "/60000/50000", &[])).await;
        let mut log = Log::default();
        peer.until(&mut log, |log| log.octets(1) == 60_000).await;
        peer.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)])).await;
        peer.round_trip(&mut log).await;
        held.gate.add_permits(2);
        held.queued(&mut peer, &mut log, 40_000).await;
        // Frames of a type that nobody knows, so that much is read at once.
        let mut burst = frame(FrameType(0xfe), 0, 0, &[0; 16_000]).repeat(40);
        for i in 1..=900 {
            burst.extend(malformed(2 * i + 1));
        }
        burst.extend(get(1_803, "/1/100000000", &[]));
        burst.extend(window_update(1_803, 1 << 30));
        peer.send(&burst).await;
        let (mut left, mut most) = (100_000_001, 0);
        while left > 0 {
            let received = peer.next().await.expect("DATA");
            if received.is(FrameType::DATA) && received.stream() == 1_803 {
                left -= received.payload.len();
                let handles = held.handles.lock().expect("no panic");
                most = most.max(handles[0].stats().queued_octets);
            }
        }
        assert!((40_000..16 << 20).contains(&most), "queued {most}");
    })
    .await;
}
