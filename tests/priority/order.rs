//! Who goes first (RFC 9218, section 10), as `PRIORITY_UPDATE` has it.
//!
//! A download of urgency 7 fills the link first, so that what is asked for then
//! meets a full socket. Responses are held until the last request has come.

use framewright::{Config, FrameType, Priority, StreamId, Transport};
use http::Request;
use http_body_util::BodyExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bounded;
use crate::common::{self, Sender, full, pattern};
use crate::raw::{Log, NO_RFC7540_PRIORITIES, Peer, get, update};
use crate::server::{Server, slow};

/// The stream that fills the link.
pub(crate) const PLUG: u32 = 1;

/// A client whose link is full of [`PLUG`].
pub(crate) async fn plugged(server: &Server) -> (Peer, Log) {
    let mut peer = Peer::generous(server.address).await;
    let plug = get(PLUG, "/bytes?len=8000000", &[("priority", "u=7")]);
    peer.send(&[update(PLUG, "u=7"), plug].concat()).await;
    let mut log = Log::default();
    peer.until(&mut log, |log| log.octets(PLUG) > 100_000).await;
    (peer, log)
}

/// Where stream `id` asks for so many octets, held until all have asked.
pub(crate) fn gated(id: u32, octets: usize) -> String {
    format!("/gated?seed={id}&len={octets}&chunk=16384")
}

/// Asks for `octets` on each stream, with the priority that a `PRIORITY_UPDATE`
/// says if there is one, and receives them all.
async fn transfer(streams: &[(u32, &str)], octets: usize) -> Log {
    let server = Server::start(Config::default(), Some(slow()), streams.len()).await;
    let (mut peer, mut log) = plugged(&server).await;
    let mut requests = Vec::new();
    for (id, field) in streams {
        if !field.is_empty() {
            requests.extend(update(*id, field));
        }
        requests.extend(get(*id, &gated(*id, octets), &[]));
    }
    let (before, ids) = (log.frames.len(), ids(streams));
    peer.send(&requests).await;
    peer.finish(&mut log, &ids).await;
    for id in &ids {
        assert!(log.bodies[id] == pattern(u64::from(*id), octets as u64));
    }
    give_way(&log, before, &ids);
    log
}

pub(crate) fn ids<T>(streams: &[(u32, T)]) -> Vec<u32> {
    streams.iter().map(|(id, _)| *id).collect()
}

/// From the first frame of `streams` to the last, [`PLUG`] gets next to nothing:
/// what it gets when a queue has run dry before its stream was asked for more.
pub(crate) fn give_way(log: &Log, before: usize, streams: &[u32]) {
    let mine = |(id, _): &(u32, usize)| streams.contains(id);
    let since = &log.frames[before..];
    let first = since.iter().position(mine).expect("a frame");
    let last = since.iter().rposition(mine).expect("a frame");
    let (mut own, mut plug) = (0, 0);
    for frame in &since[first..last] {
        *(if mine(frame) { &mut own } else { &mut plug }) += frame.1;
    }
    assert!(plug <= own, "{plug} octets beside {own}");
}

#[tokio::test]
async fn rfc9218_10_lower_urgency_goes_first() {
    let streams = [
        (3, "u=6"),
        (5, "u=2"),
        (7, "u=5"),
        (9, "u=0"),
        (11, ""),
        (13, "u=1, i"),
    ];
    let log = bounded(transfer(&streams, 150_000)).await;
    assert_eq!(log.order_of_halves(&ids(&streams)), [9, 13, 5, 11, 7, 3]);
}

#[tokio::test]
async fn rfc9218_10_the_same_urgency_goes_in_stream_order() {
    let streams = [(3, ""), (5, "u=3"), (7, ""), (9, "u=3, i=?0"), (11, "")];
    let log = bounded(transfer(&streams, 150_000)).await;
    // A stream whose handler is late leaves its turn to the next one, so how much
    // of that comes early is a matter of the machine. The order is not.
    assert_eq!(log.order_of_halves(&ids(&streams)), ids(&streams));
}

#[tokio::test]
async fn rfc9218_10_incremental_streams_share() {
    let streams = [(3, "i"), (5, "u=3, i"), (7, "i"), (9, "i"), (11, "i=?1")];
    let log = bounded(transfer(&streams, 150_000)).await;
    let first = log.order(&ids(&streams))[0];
    for id in ids(&streams) {
        let octets = log.octets_at_end_of(id, first);
        assert!(octets > 30_000, "{octets} of {id} at the end of {first}");
    }
}

#[tokio::test]
async fn rfc9218_10_neither_kind_holds_up_the_other() {
    let streams = [(3, ""), (5, "i"), (7, "")];
    let log = bounded(transfer(&streams, 300_000)).await;
    let order = log.order(&ids(&streams));
    let seven = order.iter().position(|id| *id == 7);
    assert_eq!(seven, Some(2), "{order:?}");
    let (first, other) = if order[0] == 3 { (3, 5) } else { (5, 3) };
    let octets = log.octets_at_end_of(other, first);
    assert!(octets > 30_000, "{octets} of {other} at the end of {first}");
}

/// Receives a part of stream 3, which goes before 5, says `updates`, and returns
/// who ends first then.
async fn changed_in_mid_transfer(updates: &[(u32, &str)]) -> Vec<u32> {
    let server = Server::start(Config::default(), Some(slow()), 2).await;
    let (mut peer, mut log) = plugged(&server).await;
    let requests = [
        update(3, "u=1"),
        get(3, &gated(3, 800_000), &[]),
        update(5, "u=5"),
        get(5, &gated(5, 400_000), &[]),
    ];
    peer.send(&requests.concat()).await;
    peer.until(&mut log, |log| log.octets(3) > 100_000).await;
    assert!(log.octets(5) < 50_000, "5 has to wait");
    for (stream, field) in updates {
        peer.send(&update(*stream, field)).await;
    }
    peer.finish(&mut log, &[3, 5]).await;
    assert!(log.bodies[&3] == pattern(3, 800_000));
    assert!(log.bodies[&5] == pattern(5, 400_000));
    log.order(&[3, 5])
}

#[tokio::test]
async fn rfc9218_6_a_stream_may_become_more_urgent_in_mid_transfer() {
    let order = bounded(changed_in_mid_transfer(&[(5, "u=0")])).await;
    assert_eq!(order, [5, 3]);
}

#[tokio::test]
async fn rfc9218_6_a_stream_may_become_less_urgent_in_mid_transfer() {
    let order = bounded(changed_in_mid_transfer(&[(3, "u=6")])).await;
    assert_eq!(order, [5, 3]);
}

#[tokio::test]
async fn rfc9218_6_the_latest_update_counts() {
    let updates = [(5, "u=0"), (3, "u=7"), (5, "u=4"), (3, "u=2")];
    let order = bounded(changed_in_mid_transfer(&updates)).await;
    assert_eq!(order, [3, 5]);
}

#[tokio::test]
async fn rfc9218_7_1_an_update_for_an_idle_stream_is_kept() {
    bounded(async {
        let streams = [3, 5, 7, 9];
        let server = Server::start(Config::default(), Some(slow()), streams.len()).await;
        let (mut peer, mut log) = plugged(&server).await;
        // Some time before; and the later one for 9 counts.
        for (id, field) in [(9, "u=6"), (3, "u=2"), (7, "u=5"), (9, "u=1"), (5, "u=0")] {
            peer.send(&update(id, field)).await;
        }
        peer.round_trip(&mut log).await;
        for id in streams {
            peer.send(&get(id, &gated(id, 150_000), &[])).await;
        }
        peer.finish(&mut log, &streams).await;
        assert_eq!(log.order_of_halves(&streams), [5, 9, 3, 7]);
    })
    .await;
}

#[tokio::test]
async fn rfc9218_7_1_an_update_for_a_closed_stream_is_ignored() {
    bounded(async {
        let streams = [5, 7, 9, 11];
        let server = Server::start(Config::default(), Some(slow()), streams.len()).await;
        let (mut peer, mut log) = plugged(&server).await;
        peer.send(&get(3, "/bytes?len=10", &[])).await;
        peer.finish(&mut log, &[3]).await;
        for (id, field) in streams.into_iter().zip(["u=2", "u=4", "u=0", "u=3"]) {
            let updates = [update(3, "u=0"), update(id, field), update(3, "u=7")];
            peer.send(&updates.concat()).await;
            peer.send(&get(id, &gated(id, 150_000), &[])).await;
        }
        peer.finish(&mut log, &streams).await;
        assert_eq!(log.order_of_halves(&streams), [9, 5, 11, 7]);
    })
    .await;
}

/// "If failure is detected, [...] ignoring" it leaves the default, urgency 3 and
/// not incremental (RFC 9218, section 4), whatever it was before.
#[tokio::test]
async fn rfc9218_4_a_bad_field_is_as_good_as_none() {
    let streams = [
        (3, "u=4"),
        (5, "u=0;;, !"),
        (7, "u=9"),
        (9, "u=2"),
        (11, "U=0"),
    ];
    let log = bounded(transfer(&streams, 150_000)).await;
    assert_eq!(log.order_of_halves(&ids(&streams)), [9, 5, 7, 11, 3]);
}

#[tokio::test]
async fn rfc9218_2_1_a_server_says_that_old_priorities_are_ignored() {
    let server = Server::start(Config::default(), None, 0).await;
    let mut peer = Peer::generous(server.address).await;
    let first = bounded(peer.next()).await.expect("a frame");
    assert!(first.is(FrameType::SETTINGS) && !first.is_ack());
    let parameter = NO_RFC7540_PRIORITIES.to_be_bytes();
    let said = [&parameter[..], &1_u32.to_be_bytes()].concat();
    assert!(
        first.payload.chunks(6).any(|chunk| chunk == said),
        "{first:?}"
    );
}

/// Requests a body and returns its stream once it is whole; says how much is there.
async fn body(mut sender: Sender, id: u32, octets: u64, seen: watch::Sender<usize>) -> u32 {
    let uri = format!("http://test{}", gated(id, octets as usize));
    let request = Request::get(uri).body(full(String::new())).expect("good");
    let response = sender.send_request(request).await.expect("answered");
    let (mut body, mut all) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.expect("more");
        all.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        seen.send_replace(all.len());
    }
    assert!(all == pattern(u64::from(id), octets));
    id
}

/// As above, with hyper's client over framewright's transport, whose handle sends
/// the frame.
#[tokio::test]
async fn rfc9218_7_1_a_handle_changes_the_priority_in_mid_transfer() {
    bounded(async {
        let server = Server::start(Config::default(), Some(slow()), 2).await;
        let tcp = TcpStream::connect(server.address).await.expect("connect");
        let io = Transport::client(tcp, Config::default());
        let handle = io.handle();
        let (sender, _connection) = common::client(io).await;

        let mut tasks = JoinSet::new();
        let (first_seen, mut first) = watch::channel(0);
        let (second_seen, second) = watch::channel(0);
        // hyper numbers its streams in the order of its requests.
        for (id, seen) in [(1, first_seen), (3, second_seen)] {
            tasks.spawn(body(sender.clone(), id, 800_000, seen));
            tokio::task::yield_now().await;
        }
        let enough = first.wait_for(|seen| *seen > 200_000).await;
        enough.map(drop).expect("no panic");
        assert!(*second.borrow() < 150_000, "3 has to wait");
        let stream = StreamId::new(3).expect("31 bits");
        let urgent = Priority::new(0);
        handle.set_priority(stream, urgent).expect("a client may");
        let done = tasks.join_next().await.expect("two");
        assert_eq!(done.expect("no panic"), 3);
        let done = tasks.join_next().await.expect("one more");
        assert_eq!(done.expect("no panic"), 1);
    })
    .await;
}
