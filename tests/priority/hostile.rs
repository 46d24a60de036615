//! `PRIORITY_UPDATE` as nobody should send it, and more of it than anybody needs.
//!
//! "Servers should be ready" for all of that (RFC 9218, section 13, has it that
//! state "can be ignored" where it grows too large); the transport itself never
//! ends a connection that its HTTP/2 stack would go on with.

use framewright::{Config, FrameType};

use crate::bounded;
use crate::common::pattern;
use crate::raw::{Log, Peer, frame, get, update};
use crate::server::Server;

/// Whether a request on `stream` is still answered, whole.
async fn works(peer: &mut Peer, log: &mut Log, stream: u32) {
    peer.round_trip(log).await;
    peer.send(&get(stream, "/bytes?seed=4&len=200000", &[]))
        .await;
    peer.finish(log, &[stream]).await;
    assert!(log.bodies[&stream] == pattern(4, 200_000));
}

#[tokio::test]
async fn rfc9218_7_1_malformed_updates_do_no_harm() {
    let update = FrameType::PRIORITY_UPDATE;
    for malformed in [
        // Of stream 0, with the reserved bit too; no identifier, half of one.
        frame(update, 0, 0, b"\0\0\0\0u=0"),
        frame(update, 0, 0, b"\x80\0\0\0u=0"),
        frame(update, 0, 0, b""),
        frame(update, 0, 0, b"\0\0\0"),
        // On a stream: that is idle, open, and of neither end.
        frame(update, 0, 9, b"\0\0\0\x03u=0"),
        frame(update, 0, 1, b"\0\0\0\x01u=0"),
        frame(update, 0, 2, b"\0\0\0\x01u=0"),
        // No text, much of it, a stream of the server's; flags that it has not.
        frame(update, 0, 0, b"\0\0\0\x03\xff\xfe\0"),
        frame(update, 0, 0, &[b'\x01'; 16_000]),
        frame(update, 0, 0, b"\0\0\0\x02u=0"),
        frame(update, 0xff, 0, b"\0\0\0\x03u=0"),
    ] {
        bounded(async {
            let server = Server::start(Config::default(), None, 0).await;
            let mut peer = Peer::generous(server.address).await;
            let mut log = Log::default();
            peer.send(&malformed).await;
            works(&mut peer, &mut log, 1).await;
            // And while a stream is open.
            peer.send(&get(3, "/bytes?len=1000000", &[])).await;
            peer.send(&malformed).await;
            works(&mut peer, &mut log, 5).await;
            peer.finish(&mut log, &[3]).await;
        })
        .await;
    }
}

/// Sends updates a hundred at a time, and reads what comes meanwhile.
async fn flood(peer: &mut Peer, log: &mut Log, stream: impl Fn(u32) -> u32) {
    for batch in 0..1_000 {
        let updates = (0..100).map(|i| {
            let i = batch * 100 + i;
            update(stream(i), &format!("u={}, i=?{}", i % 8, i / 8 % 2))
        });
        peer.send(&updates.collect::<Vec<_>>().concat()).await;
        if batch % 100 == 0 {
            peer.round_trip(log).await;
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_updates_for_idle_streams() {
    bounded(async {
        let server = Server::start(Config::default(), None, 0).await;
        let (mut peer, mut log) = (Peer::generous(server.address).await, Log::default());
        flood(&mut peer, &mut log, |i| 2 * i + 1).await;
        works(&mut peer, &mut log, 1).await;
        works(&mut peer, &mut log, 199_999).await;
    })
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_updates_for_closed_streams() {
    bounded(async {
        let server = Server::start(Config::default(), None, 0).await;
        let (mut peer, mut log) = (Peer::generous(server.address).await, Log::default());
        for stream in [1, 3, 5, 1_001] {
            works(&mut peer, &mut log, stream).await;
        }
        // Those between are closed too, since a later one was opened.
        flood(&mut peer, &mut log, |i| 2 * (i % 500) + 1).await;
        works(&mut peer, &mut log, 1_003).await;
    })
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_updates_for_streams_far_ahead() {
    bounded(async {
        let server = Server::start(Config::default(), None, 0).await;
        let (mut peer, mut log) = (Peer::generous(server.address).await, Log::default());
        flood(&mut peer, &mut log, |i| (u32::MAX >> 1) - 2 * i).await;
        works(&mut peer, &mut log, 1).await;
        works(&mut peer, &mut log, 3).await;
    })
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_updates_for_streams_that_are_open() {
    bounded(async {
        let server = Server::start(Config::default(), None, 0).await;
        let (mut peer, mut log) = (Peer::generous(server.address).await, Log::default());
        for stream in [1, 3, 5, 7] {
            let path = format!("/bytes?seed={stream}&len=5000000");
            peer.send(&get(stream, &path, &[])).await;
        }
        flood(&mut peer, &mut log, |i| 2 * (i % 4) + 1).await;
        peer.finish(&mut log, &[1, 3, 5, 7]).await;
        for (stream, body) in &log.bodies {
            assert!(*body == pattern(u64::from(*stream), 5_000_000));
        }
    })
    .await;
}
