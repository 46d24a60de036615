//! Bodies that are not read to their end, by those that have them.

use std::sync::Arc;

use bytes::Bytes;
use framewright::StreamHandle;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};

use crate::audit::Stack;
use crate::bounded;
use crate::common::{self, ServiceBody, full, pattern};
use crate::ends::{Client, End, Handler, INITIAL, Server, pattern_digest, quiet, stream_of, until};
use crate::sender::{Sender, post};

const OCTETS: u64 = 20_000_000;

/// Reads until at least so much has come.
async fn part(body: &mut ServiceBody, octets: usize) {
    let mut seen = 0;
    while seen < octets {
        let frame = body.frame().await.expect("more").expect("no error");
        seen += frame.data_ref().map_or(0, Bytes::len);
    }
}

#[tokio::test]
async fn a_response_that_is_dropped_half_way() {
    let (end, budget) = End::managed();
    bounded(async {
        let server = Server::start(End::unmanaged(), Handler::common()).await;
        let client = Client::connect(&end, server.address).await;
        for i in 0..20 {
            let path = format!("/bytes?len={OCTETS}&chunk=50000");
            let response = client.get(&path).await;
            let stream = stream_of(&response);
            let mut body = response.into_body();
            part(&mut body, i * 500_000).await;
            drop(body);
            until(|| stream.stats().unconsumed_octets == 0).await;
        }
        client.download(1, OCTETS).await;
        let stats = client.connection.stats();
        assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}

/// Holds so many responses that nobody polls.
async fn hold(client: &Client, count: usize) -> Vec<(StreamHandle, Response<ServiceBody>)> {
    let mut held = Vec::new();
    for _ in 0..count {
        let path = format!("/bytes?len={OCTETS}&chunk=50000");
        let response = client.get(&path).await;
        held.push((stream_of(&response), response));
    }
    held
}

/// They hold their windows, and nothing else, for as long as they are there.
#[tokio::test]
async fn responses_that_are_never_polled() {
    let (end, budget) = End::managed();
    bounded(async {
        let server = Server::start(End::unmanaged(), Handler::common()).await;
        let client = Client::connect(&end, server.address).await;
        let held = hold(&client, 10).await;
        client.download(1, OCTETS / 4).await;
        for (stream, _) in &held {
            let stats = quiet(|| stream.stats()).await;
            assert_eq!(stats.receive_window, INITIAL, "{stats:?}");
            assert_eq!(stats.unconsumed_octets, INITIAL, "{stats:?}");
        }
        let stats = client.connection.stats();
        assert_eq!(stats.unconsumed_octets, 10 * INITIAL, "{stats:?}");
        drop(held);
        client.download(1, OCTETS).await;
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}

/// As many as the connection has room for at their floors: the others still go on.
#[tokio::test]
async fn many_responses_that_are_never_polled() {
    let (end, budget) = End::managed();
    bounded(async {
        let server = Server::start(End::unmanaged(), Handler::common()).await;
        let client = Client::connect(&end, server.address).await;
        let held = hold(&client, 80).await;
        client.download(1, OCTETS).await;
        let stats = client.connection.stats();
        assert!(stats.unconsumed_octets <= 80 * INITIAL, "{stats:?}");
        drop(held);
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}

/// Streams start with what others came to, and still leave something for those that
/// come after them.
#[tokio::test]
async fn responses_that_are_never_polled_once_windows_have_grown() {
    let (end, budget) = End::managed();
    bounded(async {
        let server = Server::start(End::unmanaged(), Handler::common()).await;
        let client = Client::connect(&end, server.address).await;
        client.download(1, 2 * OCTETS).await;
        let mut held = Vec::new();
        for _ in 0..10 {
            held.extend(hold(&client, 1).await);
            client.download(1, OCTETS / 10).await;
        }
        drop(held);
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}

#[tokio::test]
async fn a_request_that_is_dropped_half_way() {
    let (end, budget) = End::managed();
    bounded(async {
        let handler = Handler::new(async |mut request: Request<ServiceBody>| {
            if request.uri().path() == "/digest" {
                let answer = common::answer(request).await;
                return answer.unwrap_or_else(|never| match never {});
            }
            part(request.body_mut(), 700_000).await;
            Response::new(full(String::new()))
        });
        let server = Server::start(end, handler).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        let body: Bytes = pattern(1, OCTETS).into();
        for i in 0..20 {
            let id = 2 * i + 1;
            sender.open(id, &post(id, "/half", None)).await;
            // Until the server has had enough of it.
            sender.bodies([(id, body.clone())]).await;
            sender.until(|me| me.reset.contains(&id)).await;
        }
        sender.upload(41, 1, OCTETS).await;
        let stats = server.connections()[0].stats();
        assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}

#[tokio::test]
async fn a_request_that_is_never_polled() {
    let (end, budget) = End::managed();
    bounded(async {
        let (held, mut keep) = mpsc::unbounded_channel();
        let handler = Handler::new(move |request: Request<ServiceBody>| {
            let held = held.clone();
            async move {
                if request.uri().path() == "/digest" {
                    let answer = common::answer(request).await;
                    return answer.unwrap_or_else(|never| match never {});
                }
                held.send(request.into_body()).expect("kept");
                Response::new(full(String::new()))
            }
        });
        let server = Server::start(end, handler).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        sender.round_trip().await;
        let body: Bytes = pattern(1, OCTETS).into();
        for id in [1, 3, 5] {
            sender.open(id, &post(id, "/never", None)).await;
            assert_eq!(sender.fill(id, &body).await as u64, INITIAL);
            sender.until(|me| me.ended.contains(&id)).await;
        }
        sender.upload(7, 1, OCTETS).await;
        let stats = server.connections()[0].stats();
        assert_eq!(stats.unconsumed_octets, 3 * INITIAL, "{stats:?}");
        // They are let go, and the rest is not wanted any more.
        while keep.try_recv().is_ok() {}
        sender.until(|me| me.reset.len() == 3).await;
        sender.upload(9, 1, OCTETS).await;
        let stats = server.connections()[0].stats();
        assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}

/// "The server can send a complete response before the client has sent an entire
/// request" (RFC 9113, section 8.1): here it goes on reading.
#[tokio::test]
async fn a_response_that_is_over_before_the_request() {
    for layer in [true, false] {
        let (end, budget) = End::managed();
        let end = End { layer, ..end };
        bounded(async {
            let (read, was_read) = oneshot::channel();
            let read = Arc::new(std::sync::Mutex::new(Some(read)));
            let handler = Handler::new(move |request: Request<ServiceBody>| {
                let read = read.lock().expect("no panic").take().expect("once");
                async move {
                    tokio::spawn(async move {
                        let seen = common::read(request.into_body()).await.expect("whole");
                        read.send(seen).expect("waited for");
                    });
                    Response::new(full(String::from("early")))
                }
            });
            let server = Server::start(end, handler).await;
            let mut sender = Sender::client(server.address, Stack::known()).await;
            sender.open(1, &post(1, "/", None)).await;
            sender.until(|me| me.ended.contains(&1)).await;
            assert_eq!(&sender.came[&1][..], b"early");
            sender.bodies([(1, pattern(1, OCTETS).into())]).await;
            let (seen, _) = was_read.await.expect("no panic");
            assert_eq!(seen, pattern_digest(1, OCTETS));
            assert!(sender.reset.is_empty());
            sender.round_trip().await;
            let stats = server.connections()[0].stats();
            assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

/// One body that comes to its end as the other does, both with trailers, and both
/// read slowly.
#[tokio::test]
async fn both_ways_on_one_stream() {
    let (end, budget) = End::managed();
    bounded(async {
        let server = Server::start(end.clone(), Handler::common()).await;
        let client = Client::connect(&end, server.address).await;
        tokio::join!(
            client.upload("/echo", 1, OCTETS),
            client.upload("/echo", 2, OCTETS),
            client.upload("/echo", 3, 10),
        );
    })
    .await;
    bounded(until(|| budget.used() == 0)).await;
}
