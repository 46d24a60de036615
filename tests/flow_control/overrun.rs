//! Peers that send more than they were told of: what the stack has granted and the
//! transport keeps in reserve is not theirs.

use bytes::Bytes;
use framewright::FrameType;
use http::Request;
use tokio::net::TcpListener;

use crate::audit::Stack;
use crate::bounded;
use crate::common::{self, full, pattern};
use crate::ends::{CONNECTION, Client, End, Handler, Server, pattern_digest, until};
use crate::raw::frame;
use crate::sender::{Sender, ok, post};

const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME: usize = 16_384;

/// Fewer octets than hyper has granted, but more than the peer was told.
fn too_much(stream: u32) -> Vec<u8> {
    frame(FrameType::DATA, 0, stream, &[7; FRAME]).repeat(64)
}

/// Never reads a body, and never answers.
fn stuck() -> Handler {
    Handler::new(|request: Request<_>| async move {
        let _request = request;
        std::future::pending().await
    })
}

#[tokio::test]
async fn a_client_that_ignores_the_window_of_its_stream() {
    for schedule in [true, false] {
        let (end, budget) = End::managed();
        let end = End { schedule, ..end };
        bounded(async {
            let server = Server::start(end, stuck()).await;
            let mut sender = Sender::client(server.address, Stack::known()).await;
            let mut others = Sender::client(server.address, Stack::known()).await;
            sender.open(1, &post(1, "/", None)).await;
            // It is told of no more, as nothing is read.
            let body: Bytes = pattern(1, 8 << 20).into();
            let sent = sender.fill(1, &body).await;
            assert!(sent < 1 << 20, "{sent}");
            sender.send(&too_much(1)).await;
            assert_eq!(sender.refused().await, FLOW_CONTROL_ERROR);
            // Another connection has nothing to do with it.
            others.open(1, &post(1, "/", None)).await;
            others.round_trip().await;
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

#[tokio::test]
async fn a_client_that_ignores_the_window_of_the_connection() {
    let (end, budget) = End::managed();
    bounded(async {
        let server = Server::start(end, stuck()).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        // Each stream has credit for its part; all of it is more than what the stack
        // takes of a connection on which nothing is read.
        let streams = || (1..=255).step_by(2);
        for stream in streams() {
            sender.open(stream, &post(stream, "/", None)).await;
        }
        sender.round_trip().await;
        let frames = CONNECTION as usize / FRAME + 1;
        for stream in streams().flat_map(|stream| [stream; 15]).take(frames) {
            let data = frame(FrameType::DATA, 0, stream, &[7; FRAME]);
            sender.send(&data).await;
        }
        assert_eq!(sender.refused().await, FLOW_CONTROL_ERROR);
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}

#[tokio::test]
async fn a_server_that_ignores_the_window_of_a_response() {
    let (end, budget) = End::managed();
    bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let sending = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client");
            let mut sender = Sender::server(tcp, Stack::known()).await;
            sender.until(|me| me.begun == [1]).await;
            sender.open(1, &ok(1, None)).await;
            sender.send(&too_much(1)).await;
            sender.refused().await
        });
        let client = Client::connect(&end, address).await;
        let response = client.get("/").await;
        // What was allowed may be there; what was not is an error.
        common::read(response.into_body())
            .await
            .expect_err("the connection is refused");
        assert_eq!(sending.await.expect("no panic"), FLOW_CONTROL_ERROR);
        until(|| client.is_closed()).await;
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}

/// A peer may use its credit to the last octet, and send empty frames after that.
#[tokio::test]
async fn a_client_that_uses_all_that_it_was_told_of() {
    let (end, _) = End::managed();
    bounded(async {
        let handler = Handler::new(async |request: Request<_>| {
            let (seen, _) = common::read(request.into_body()).await.expect("whole");
            http::Response::new(full(format!("{} {} false", seen.0, seen.1)))
        });
        let server = Server::start(end, handler).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        for (stream, octets) in [(1, 2_000_000), (3, 10_000_000)] {
            sender.upload(stream, 5, octets).await;
            assert_eq!(pattern_digest(5, octets).0, octets);
        }
    })
    .await;
}
