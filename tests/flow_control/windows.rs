//! What a peer with its own frames is granted, to the octet: a client that
//! uploads, and a server that is downloaded from.

use bytes::Bytes;
use tokio::net::TcpListener;

use crate::audit::Stack;
use crate::bounded;
use crate::common::{self, pattern};
use crate::ends::{
    CONNECTION, Client, End, Handler, INITIAL, STREAM, Server, pattern_digest, until,
};
use crate::sender::{Padding, Sender, ok, post};

const OCTETS: u64 = 30_000_000;

/// A few bodies at once, and then more, with everything checked.
async fn uploads(end: End, stack: Stack) {
    let server = Server::start(end, Handler::common()).await;
    let mut sender = Sender::client(server.address, stack).await;
    for seed in 0..3 {
        let ids: Vec<_> = (0..4).map(|i| 8 * seed as u32 + 2 * i + 1).collect();
        let body: Bytes = pattern(seed, OCTETS / 4).into();
        for id in &ids {
            sender.open(*id, &post(*id, "/digest", None)).await;
        }
        sender
            .bodies(ids.iter().map(|id| (*id, body.clone())))
            .await;
        for id in ids {
            sender.digested(id, seed, OCTETS / 4).await;
        }
        sender.round_trip().await;
    }
    assert!(sender.reset.is_empty());
    sender.round_trip().await;
}

#[tokio::test]
async fn rfc9113_6_9_what_a_server_grants() {
    for (layer, schedule) in [(true, true), (true, false), (false, true), (false, false)] {
        let (end, budget) = End::managed();
        let end = End {
            layer,
            schedule,
            ..end
        };
        bounded(uploads(end, Stack::known())).await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

#[tokio::test]
async fn rfc9113_6_9_what_a_server_with_an_adaptive_stack_grants() {
    for layer in [true, false] {
        let (end, _) = End::managed();
        let end = End {
            layer,
            adaptive: true,
            ..end
        };
        bounded(uploads(end, Stack::unknown())).await;
    }
}

/// The same as a server.
async fn downloads(end: End, stack: Stack) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let sending = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a client");
        let mut sender = Sender::server(tcp, stack).await;
        for round in 0..3 {
            let many = 4 * (round + 1);
            sender.until(|me| me.begun.len() == many).await;
            let ids = sender.begun[many - 4..].to_vec();
            let body: Bytes = pattern(round as u64, OCTETS / 4).into();
            for id in &ids {
                sender.open(*id, &ok(*id, None)).await;
            }
            sender
                .bodies(ids.iter().map(|id| (*id, body.clone())))
                .await;
            sender.round_trip().await;
        }
        assert!(sender.reset.is_empty());
    });
    let client = Client::connect(&end, address).await;
    for seed in 0..3 {
        let get = async || {
            let body = client.get("/").await.into_body();
            let (seen, _) = common::read(body).await.expect("whole");
            assert_eq!(seen, pattern_digest(seed, OCTETS / 4));
        };
        tokio::join!(get(), get(), get(), get());
    }
    sending.await.expect("no panic");
}

#[tokio::test]
async fn rfc9113_6_9_what_a_client_grants() {
    for (layer, schedule) in [(true, true), (true, false), (false, true), (false, false)] {
        let (end, budget) = End::managed();
        let end = End {
            layer,
            schedule,
            ..end
        };
        bounded(downloads(end, Stack::known())).await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

#[tokio::test]
async fn rfc9113_6_9_what_a_client_with_an_adaptive_stack_grants() {
    for layer in [true, false] {
        let (end, _) = End::managed();
        let end = End {
            layer,
            adaptive: true,
            ..end
        };
        bounded(downloads(end, Stack::unknown())).await;
    }
}

/// Takes requests, and reads their bodies when it is told to.
fn held(release: &tokio::sync::watch::Receiver<bool>) -> Handler {
    let release = release.clone();
    Handler::new(move |request| {
        let mut release = release.clone();
        async move {
            let _ = release.wait_for(|released| *released).await;
            match common::answer(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    })
}

#[tokio::test]
async fn nobody_is_granted_more_than_the_window_of_what_is_not_read() {
    bounded(async {
        let (end, budget) = End::managed();
        let (release, released) = tokio::sync::watch::channel(false);
        let server = Server::start(end, held(&released)).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        sender.round_trip().await;
        assert_eq!(sender.audit.initial(), INITIAL as i64);
        sender.open(1, &post(1, "/digest", None)).await;
        let mut body: Bytes = pattern(1, OCTETS).into();
        let filled = sender.fill(1, &body).await;
        assert_eq!(filled as u64, INITIAL);
        assert_eq!(sender.audit.granted(1), INITIAL as i64);
        let stats = server.stream(0).await.stats();
        assert_eq!(stats.received_octets, INITIAL);
        assert_eq!(stats.unconsumed_octets, INITIAL);
        assert_eq!(stats.receive_window, INITIAL);
        let connection = server.connections()[0].stats();
        assert_eq!(connection.unconsumed_octets, INITIAL);
        assert!(connection.window_stops > 0, "{connection:?}");
        assert_eq!(budget.used(), 0);

        // Another one goes past it.
        release.send_replace(true);
        sender.upload(3, 3, 5_000_000).await;
        let rest = body.split_off(filled);
        sender.bodies([(1, rest)]).await;
        sender.digested(1, 1, OCTETS).await;
    })
    .await;
}

/// With no layer nobody knows what is read, and the stack's own bounds hold.
#[tokio::test]
async fn what_nobody_watches_is_bounded_by_the_stack() {
    bounded(async {
        let (end, _) = End::managed();
        let end = End {
            layer: false,
            ..end
        };
        let (release, released) = tokio::sync::watch::channel(false);
        let server = Server::start(end, held(&released)).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        sender.round_trip().await;
        sender.open(1, &post(1, "/digest", None)).await;
        let mut body: Bytes = pattern(1, OCTETS).into();
        let first = sender.fill(1, &body).await;
        // Replenished, so it gets all that the stack has granted.
        assert_eq!(first, STREAM as usize);
        assert_eq!(sender.audit.granted(1), i64::from(STREAM));
        sender.open(3, &post(3, "/digest", None)).await;
        let second = sender.fill(3, &body).await;
        assert_eq!(first + second, CONNECTION as usize);

        release.send_replace(true);
        let other = body.clone().split_off(second);
        let rest = body.split_off(first);
        sender.bodies([(1, rest), (3, other)]).await;
        sender.digested(1, 1, OCTETS).await;
        sender.digested(3, 1, OCTETS).await;
    })
    .await;
}

/// What is padding goes back, whoever counts it: many times a window of it.
#[tokio::test]
async fn rfc9113_6_9_1_padding_is_not_lost() {
    for (layer, schedule) in [(true, true), (true, false), (false, true)] {
        let (end, budget) = End::managed();
        let end = End {
            layer,
            schedule,
            ..end
        };
        bounded(async {
            let server = Server::start(end, Handler::common()).await;
            let mut sender = Sender::client(server.address, Stack::known()).await;
            sender.round_trip().await;
            for (id, content, padding) in [(1, 300, 255), (3, 2_000, 255), (5, 5_000, 0)] {
                let octets = 10_000 * content.min(500) as u64;
                sender.open(id, &post(id, "/digest", None)).await;
                let body = pattern(u64::from(id), octets).into();
                let how = Padding { content, padding };
                sender.padded(id, body, how).await;
                sender.digested(id, u64::from(id), octets).await;
            }
            sender.upload(9, 9, OCTETS).await;
            let stats = server.connections()[0].stats();
            assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
            drop(sender);
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

#[tokio::test]
async fn rfc9113_8_1_1_a_length_that_is_known() {
    for layer in [true, false] {
        let (end, budget) = End::managed();
        let end = End { layer, ..end };
        bounded(async {
            let server = Server::start(end, Handler::common()).await;
            let mut sender = Sender::client(server.address, Stack::known()).await;
            sender.round_trip().await;
            let lengths = [0, 1, 1_000, INITIAL, INITIAL + 1, 3 * INITIAL, OCTETS];
            for (id, octets) in (1..).step_by(2).zip(lengths) {
                let head = post(id, "/digest", Some(octets as usize));
                sender.open(id, &head).await;
                let body = pattern(7, octets).into();
                sender.bodies([(id, body)]).await;
                sender.digested(id, 7, octets).await;
                sender.round_trip().await;
            }
        })
        .await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

/// Each part waits for the one before it to come back.
#[tokio::test]
async fn trickles_are_never_stuck() {
    bounded(async {
        let (end, _) = End::managed();
        let echo = Handler::new(async |request: http::Request<_>| {
            http::Response::new(request.into_body())
        });
        let server = Server::start(end, echo).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        sender.round_trip().await;
        sender.open(1, &post(1, "/echo", None)).await;
        let mut body: Bytes = pattern(1, 2_000_000).into();
        let mut sent = 0;
        while !body.is_empty() {
            let octets = body.len().min(997);
            sender.part(1, &mut body, octets).await;
            sent += octets;
            sender
                .until(|me| me.came.get(&1).is_some_and(|came| came.len() == sent))
                .await;
        }
        sender.end(1).await;
        sender.until(|me| me.ended.contains(&1)).await;
        assert!(sender.came[&1] == pattern(1, 2_000_000));
    })
    .await;
}
