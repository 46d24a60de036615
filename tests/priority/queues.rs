//! What a peer can make the queues hold by windows that it gives and takes away.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use framewright::{Config, ConnectionHandle, FrameType, Transport};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::bounded;
use crate::common;
use crate::raw::{
    ACK, END_HEADERS, INITIAL_WINDOW_SIZE, Peer, Received, frame, get, settings, string,
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

/// A body with trailers.
fn answer() -> Response<http_body_util::combinators::BoxBody<Bytes, Infallible>> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let body = Full::new(Bytes::from(vec![7; 1_000]));
    Response::new(body.with_trailers(async { Some(Ok(trailers)) }).boxed())
}

/// Answers at once, and keeps the request's body as it is.
async fn keeps_body(
    request: Request<Incoming>,
    kept: Arc<Mutex<Vec<Incoming>>>,
) -> Result<Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, Infallible> {
    kept.lock().unwrap().push(request.into_body());
    Ok(answer())
}

/// A bidirectional stream is given up. What the peer has sent of its body before it
/// hears of that must not end the connection.
#[tokio::test]
async fn b3_octets_of_an_upload_that_cross_the_reset_of_what_is_given_up_do_no_harm() {
    bounded(async {
        let server = Server::accept(None, |tcp: TcpStream| {
            let io = Transport::server(tcp, Config::default().queue(64 << 10, 64 << 10));
            let kept = Arc::default();
            async move {
                let service = service_fn(move |request| keeps_body(request, Arc::clone(&kept)));
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(io), service)
                    .await;
            }
        })
        .await;
        let mut peer = Peer::connect(server.address, &[(INITIAL_WINDOW_SIZE, 1 << 20)]).await;
        let post = {
            let mut block = vec![0x83, 0x86, 0x04];
            string(&mut block, "/bidi");
            block.push(0x01);
            string(&mut block, "test");
            frame(FrameType::HEADERS, END_HEADERS, 1, &block)
        };
        let empty = settings(&[]);
        let front = [
            post,
            window_update(1, 1),
            // One octet is left of what the stack was told is a megabyte.
            settings(&[(INITIAL_WINDOW_SIZE, 0)]),
        ];
        peer.send(&front.concat()).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut seen = Vec::new();
        // SETTINGS, until it is given up.
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

/// Each of many streams is told of all that one may have while none sends; then
/// SETTINGS take the window away.
#[tokio::test]
async fn b3_the_queues_keep_their_bound_when_settings_take_all_windows_away() {
    bounded(async {
        const STREAMS: u32 = 50;
        let handles: Arc<Mutex<Vec<ConnectionHandle>>> = Arc::default();
        let mine = Arc::clone(&handles);
        let gate = Arc::new(tokio::sync::Barrier::new(STREAMS as usize));
        let server = Server::accept(None, move |tcp: TcpStream| {
            let io = Transport::server(tcp, Config::default());
            mine.lock().unwrap().push(io.handle());
            let gate = Arc::clone(&gate);
            async move {
                let service = service_fn(move |mut request: Request<Incoming>| {
                    let gate = Arc::clone(&gate);
                    async move {
                        crate::server::wait(&mut request, &gate).await;
                        common::service(request).await
                    }
                });
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(io), service)
                    .await;
            }
        })
        .await;
        let mut peer = Peer::connect(server.address, &[(INITIAL_WINDOW_SIZE, 8 << 20)]).await;
        peer.send(&window_update(0, MAX - 65_535)).await;
        for i in 0..STREAMS - 1 {
            peer.send(&get(2 * i + 1, "/gated?len=8000000", &[])).await;
            peer.send(&window_update(2 * i + 1, 1)).await;
        }
        peer.send(&settings(&[(INITIAL_WINDOW_SIZE, 0)])).await;
        peer.send(&get(2 * STREAMS - 1, "/gated?len=1", &[])).await;
        let (mut most, mut read) = (0, 0);
        for _ in 0..60 {
            let slice = async {
                while let Some(received) = peer.next().await {
                    if received.is(FrameType::DATA) {
                        read += received.payload.len() as u64;
                    }
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(50), slice).await;
            // Statistics are those of the last read or write call.
            peer.send(&frame(FrameType::PING, 0, 0, b"roundtri")).await;
            let stats = handles.lock().unwrap()[0].stats();
            most = most.max(stats.queued_octets);
        }
        // 64 KiB of each, and what they share.
        assert!(most < 8 << 20, "queued {most}, read {read}");
        assert!(most > 1 << 20, "queued {most}: nothing was taken away");
    })
    .await;
}
