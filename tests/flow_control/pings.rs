//! PINGs that measure, as a peer sees them that punishes too many: grpc-go closes
//! a connection at the third that comes within five minutes of the one before, if
//! it has sent neither DATA nor HEADERS in between.

use std::time::Duration;

use bytes::Bytes;
use framewright::FrameType;
use tokio::net::TcpListener;

use crate::audit::Stack;
use crate::bounded;
use crate::common::{self, pattern};
use crate::ends::{Client, End, Handler, Server, pattern_digest};
use crate::raw::frame;
use crate::sender::{Sender, ok, post};

const OCTETS: u64 = 20_000_000;

/// Bursts with pauses: an upload, a pause in which nothing comes, and so on. The
/// strikes are counted by the audit.
async fn bursts(sender: &mut Sender) {
    let mut body: Bytes = pattern(1, OCTETS).into();
    for octets in [
        1, 100, 20_000, 1_000_000, 3, 4_000_000, 50, 50, 50, 2_000_000,
    ] {
        sender.part(1, &mut body, octets).await;
        // What is measured ends in this time; nothing new may begin.
        sender.linger(Duration::from_millis(200)).await;
        let before = sender.audit.pings.count;
        sender.linger(Duration::from_millis(400)).await;
        let after = sender.audit.pings.count;
        assert!(
            after - before <= 1,
            "{} while nothing comes",
            after - before
        );
    }
    sender.bodies([(1, body)]).await;
}

#[tokio::test]
async fn a_strict_client() {
    for layer in [true, false] {
        let (end, _) = End::managed();
        let end = End { layer, ..end };
        bounded(async {
            let server = Server::start(end, Handler::common()).await;
            let mut sender = Sender::client(server.address, Stack::known()).await;
            sender.open(1, &post(1, "/digest", None)).await;
            bursts(&mut sender).await;
            sender.digested(1, 1, OCTETS).await;
            // Idle, and then a little every now and then.
            sender.linger(Duration::from_secs(2)).await;
            for i in 1..=10 {
                sender.upload(2 * i + 1, 1, 10).await;
                sender.linger(Duration::from_millis(150)).await;
            }
            assert!(sender.audit.pings.count > 0, "none at all");
            println!("{:?}", sender.audit.pings);
        })
        .await;
    }
}

#[tokio::test]
async fn a_strict_server() {
    for layer in [true, false] {
        let (end, _) = End::managed();
        let end = End { layer, ..end };
        bounded(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let sending = tokio::spawn(async move {
                let (tcp, _) = listener.accept().await.expect("a client");
                let mut sender = Sender::server(tcp, Stack::known()).await;
                sender.until(|me| me.begun == [1]).await;
                sender.open(1, &ok(1, None)).await;
                bursts(&mut sender).await;
                sender.linger(Duration::from_secs(2)).await;
                assert!(sender.audit.pings.count > 0, "none at all");
                println!("{:?}", sender.audit.pings);
            });
            let client = Client::connect(&end, address).await;
            let response = client.get("/").await;
            let (seen, _) = common::read(response.into_body()).await.expect("whole");
            assert_eq!(seen, pattern_digest(1, OCTETS));
            // What this end sends is no excuse for PINGs.
            sending.await.expect("no panic");
        })
        .await;
    }
}

#[tokio::test]
async fn one_that_is_not_answered_is_the_last() {
    bounded(async {
        let (end, _) = End::managed();
        let server = Server::start(end, Handler::common()).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        sender.answers = false;
        for i in 0..4 {
            sender.upload(2 * i + 1, 1, OCTETS / 2).await;
            sender.linger(Duration::from_millis(500)).await;
        }
        assert!(sender.audit.pings.count <= 1, "{:?}", sender.audit.pings);
    })
    .await;
}

#[tokio::test]
async fn none_if_they_are_turned_off() {
    bounded(async {
        let (end, budget) = End::managed();
        let flow = framewright::FlowControl::default()
            .budget(budget)
            .pings(false);
        let end = End {
            flow: Some(flow),
            ..end
        };
        let server = Server::start(end, Handler::common()).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        for i in 0..4 {
            sender.upload(2 * i + 1, 1, OCTETS / 2).await;
        }
        assert_eq!(sender.audit.pings.count, 0);
        // The acknowledgement of SETTINGS told.
        let stats = server.connections()[0].stats();
        assert!(stats.round_trip.is_some(), "{stats:?}");
    })
    .await;
}

/// The audit fails at a PING after GOAWAY. The peer's:
#[tokio::test]
async fn none_after_the_peer_s_goaway() {
    bounded(async {
        let (end, _) = End::managed();
        let server = Server::start(end, Handler::common()).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        sender.open(1, &post(1, "/digest", None)).await;
        let mut body: Bytes = pattern(1, OCTETS).into();
        sender.part(1, &mut body, 1_000).await;
        sender.send(&frame(FrameType::GOAWAY, 0, 0, &[0; 8])).await;
        sender.round_trip().await;
        sender.audit.goaway();
        sender.bodies([(1, body)]).await;
        sender.digested(1, 1, OCTETS).await;
    })
    .await;
}

/// And this end's.
#[tokio::test]
async fn none_after_our_goaway() {
    bounded(async {
        let (end, _) = End::managed();
        let server = Server::start(end, Handler::common()).await;
        let mut sender = Sender::client(server.address, Stack::known()).await;
        sender.open(1, &post(1, "/digest", None)).await;
        let mut body: Bytes = pattern(1, OCTETS).into();
        sender.part(1, &mut body, 1_000).await;
        server.stream(0).await;
        server.shut_down();
        // hyper's first GOAWAY; the second follows the PING between them.
        sender.until(|me| me.audit.is_going_away()).await;
        sender.bodies([(1, body)]).await;
        sender.digested(1, 1, OCTETS).await;
    })
    .await;
}

/// Acknowledgements of these PINGs are not the stack's business, and those of its
/// own and of the user's still come through.
#[tokio::test]
async fn acknowledgements_go_to_whom_they_belong() {
    bounded(async {
        let (end, _) = End::managed();
        let end = End {
            adaptive: true,
            ..end
        };
        let server = Server::start(end.clone(), Handler::common()).await;
        let client = Client::connect(&end, server.address).await;
        let transfers = async {
            for seed in 0..4 {
                tokio::join!(
                    client.download(seed, OCTETS / 4),
                    client.upload("/digest", seed, OCTETS / 4)
                );
            }
        };
        let user = async {
            let there = server.connection().await;
            for _ in 0..50 {
                let here = &client.connection;
                here.ping().await.expect("answered");
                there.ping().await.expect("answered");
            }
        };
        tokio::join!(transfers, user);
        assert!(!client.is_closed());
        let response = client.get("/bytes?len=3").await;
        common::read(response.into_body()).await.expect("whole");
    })
    .await;
}
