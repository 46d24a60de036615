//! One reader that does not read, among a hundred that do.

use http::Request;
use http_body_util::BodyExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bounded;
use crate::common::{self, Digest, Pattern};
use crate::ends::{Client, End, Handler, INITIAL, Server, pattern_digest, quiet, stream_of, text};

const ACTIVE: u64 = 100;
const OCTETS: u64 = 600_000;
const STALLED: u64 = 20_000_000;

async fn downloads(schedule: bool, tls: bool) {
    let (end, budget) = End::managed();
    let end = End { schedule, ..end };
    let tls = tls.then(crate::ends::Tls::new);
    let server = Server::with_tls(End::unmanaged(), Handler::common(), tls.clone()).await;
    let client = Client::with_tls(&end, server.address, tls.as_ref()).await;
    let path = format!("/bytes?seed=1000&len={STALLED}&chunk=50000");
    let stalled = client.get(&path).await;
    let stream = stream_of(&stalled);
    let mut body = stalled.into_body();
    // It reads a little, and stops.
    let mut digest = Digest::default();
    let frame = body.frame().await.expect("some").expect("no error");
    digest.update(frame.data_ref().expect("DATA"));

    let mut active = JoinSet::new();
    for seed in 0..ACTIVE {
        let client = client.clone();
        active.spawn(async move { client.download(seed, OCTETS).await });
    }
    while let Some(done) = active.join_next().await {
        done.expect("whole");
        let stats = stream.stats();
        assert!(stats.unconsumed_octets <= stats.receive_window, "{stats:?}");
    }
    let stats = quiet(|| stream.stats()).await;
    assert!(stats.unconsumed_octets <= stats.receive_window, "{stats:?}");
    assert!(stats.received_octets < STALLED, "{stats:?}");
    // What it has read is not enough for it to be measured, and to grow by that.
    assert_eq!(stats.receive_window, INITIAL, "{stats:?}");
    let connection = client.connection.stats();
    assert_eq!(connection.unconsumed_octets, stats.unconsumed_octets);
    assert!(connection.window_stops > 0, "{connection:?}");

    while let Some(frame) = body.frame().await {
        digest.update(frame.expect("no error").data_ref().expect("DATA"));
    }
    assert_eq!(digest.finish(), pattern_digest(1000, STALLED));
    drop((client, body));
    crate::ends::until(|| budget.used() == 0).await;
}

#[tokio::test]
async fn a_response_that_is_not_read() {
    bounded(downloads(true, false)).await;
}

#[tokio::test]
async fn a_response_that_is_not_read_with_no_schedule_over_tls() {
    bounded(downloads(false, true)).await;
}

/// `/held` waits before it reads.
fn held(release: watch::Receiver<bool>) -> Handler {
    Handler::new(move |request: Request<_>| {
        let mut release = release.clone();
        async move {
            let (mut head, body) = request.into_parts();
            if head.uri.path() == "/held" {
                let _ = release.wait_for(|released| *released).await;
                head.uri = "/digest".parse().expect("a path");
            }
            let request = Request::from_parts(head, body);
            let answer = common::answer(request).await;
            answer.unwrap_or_else(|never| match never {})
        }
    })
}

async fn uploads(schedule: bool, tls: bool) {
    let (end, budget) = End::managed();
    let end = End { schedule, ..end };
    let tls = tls.then(crate::ends::Tls::new);
    let (release, released) = watch::channel(false);
    let server = Server::with_tls(end, held(released), tls.clone()).await;
    let client = Client::with_tls(&End::unmanaged(), server.address, tls.as_ref()).await;
    let stalled = {
        let client = client.clone();
        tokio::spawn(async move {
            let body = Pattern::new(1000, STALLED, 50_000).boxed();
            let request = Request::post("http://test/held").body(body);
            let response = client.send(request.expect("good")).await;
            text(response.expect("a response")).await
        })
    };
    let stream = server.stream(0).await;

    let mut active = JoinSet::new();
    for seed in 0..ACTIVE {
        let client = client.clone();
        active.spawn(async move { client.upload("/digest", seed, OCTETS).await });
    }
    while let Some(done) = active.join_next().await {
        done.expect("whole");
        let stats = stream.stats();
        assert!(stats.unconsumed_octets <= stats.receive_window, "{stats:?}");
    }
    let stats = quiet(|| stream.stats()).await;
    assert_eq!(stats.receive_window, INITIAL, "{stats:?}");
    assert_eq!(stats.unconsumed_octets, INITIAL, "{stats:?}");
    assert_eq!(stats.received_octets, INITIAL, "{stats:?}");
    let connection = server.connections()[0].stats();
    assert_eq!(connection.unconsumed_octets, INITIAL, "{connection:?}");

    release.send_replace(true);
    let (len, hash) = pattern_digest(1000, STALLED);
    let said = stalled.await.expect("no panic");
    assert_eq!(said, format!("{len} {hash} false"));
    drop(client);
    crate::ends::until(|| budget.used() == 0).await;
}

#[tokio::test]
async fn a_request_that_is_not_read() {
    bounded(uploads(true, false)).await;
}

#[tokio::test]
async fn a_request_that_is_not_read_with_no_schedule_over_tls() {
    bounded(uploads(false, true)).await;
}
