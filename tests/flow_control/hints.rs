//! What the transport is told of a body in advance.

use framewright::{FlowHint, StreamHandle};
use http::Request;
use http_body_util::BodyExt;
use tokio::sync::watch;

use crate::audit::Stack;
use crate::bounded;
use crate::common::{self, full, pattern};
use crate::ends::{
    Client, End, Handler, INITIAL, STREAM, Server, pattern_digest, quiet, stream_of, until,
};
use crate::sender::{Sender, post};

const OCTETS: u64 = 40_000_000;

/// A download with a hint, read in the end: its window before anything was read, and
/// the largest after that.
async fn download(hint: Option<FlowHint>) -> (u64, u64) {
    let (end, budget) = End::managed();
    let server = Server::start(End::unmanaged(), Handler::common()).await;
    let client = Client::connect(&end, server.address).await;
    let path = format!("http://test/bytes?seed=1&len={OCTETS}&chunk=50000");
    let mut request = Request::get(path);
    if let Some(hint) = hint {
        request = request.extension(hint);
    }
    let request = request.body(full(String::new())).expect("good");
    let response = client.send(request).await.expect("a response");
    let stream = stream_of(&response);
    let before = quiet(|| stream.stats()).await;
    assert!(before.unconsumed_octets <= before.receive_window);
    let mut body = response.into_body();
    let (mut digest, mut largest) = (common::Digest::default(), 0);
    while let Some(frame) = body.frame().await {
        digest.update(frame.expect("no error").data_ref().expect("DATA"));
        let stats = stream.stats();
        largest = largest.max(stats.receive_window);
    }
    assert_eq!(digest.finish(), pattern_digest(1, OCTETS));
    drop((body, client));
    until(|| budget.used() == 0).await;
    (before.receive_window, largest)
}

#[tokio::test]
async fn a_response_of_which_nothing_is_known() {
    let (before, largest) = bounded(download(None)).await;
    assert_eq!(before, INITIAL);
    assert!(largest <= u64::from(STREAM), "{largest}");
}

#[tokio::test]
async fn a_bulk_response() {
    let (before, largest) = bounded(download(Some(FlowHint::Bulk))).await;
    assert!(before > INITIAL, "{before}");
    assert!(before <= u64::from(STREAM), "{before}");
    assert!(largest <= u64::from(STREAM), "{largest}");
}

#[tokio::test]
async fn an_interactive_response() {
    let (before, largest) = bounded(download(Some(FlowHint::Interactive))).await;
    assert_eq!((before, largest), (INITIAL, INITIAL));
}

/// A raw client's upload to a handler that waits: how much it gets rid of before
/// that reads.
async fn upload(hint: Option<FlowHint>, length: Option<u64>) -> (u64, StreamHandle) {
    let (end, budget) = End::managed();
    let (release, released) = watch::channel(false);
    let mut handler = Handler::new(move |request| {
        let mut release = released.clone();
        async move {
            let _ = release.wait_for(|released| *released).await;
            let answer = common::answer(request).await;
            answer.unwrap_or_else(|never| match never {})
        }
    });
    if let Some(hint) = hint {
        handler = handler.hint(hint);
    }
    let server = Server::start(end, handler).await;
    let mut sender = Sender::client(server.address, Stack::known()).await;
    sender.round_trip().await;
    let octets = length.unwrap_or(OCTETS);
    let head = post(1, "/digest", length.map(|length| length as usize));
    sender.open(1, &head).await;
    let stream = server.stream(0).await;
    let mut body: bytes::Bytes = pattern(1, octets).into();
    let filled = sender.fill(1, &body).await;
    sender.round_trip().await;
    let stats = stream.stats();
    assert_eq!(stats.received_octets, filled as u64);
    assert!(filled as u64 <= stats.receive_window, "{stats:?}");
    release.send_replace(true);
    let rest = body.split_off(filled);
    sender.bodies([(1, rest)]).await;
    sender.digested(1, 1, octets).await;
    drop(sender);
    until(|| budget.used() == 0).await;
    (filled as u64, stream)
}

#[tokio::test]
async fn requests() {
    bounded(async {
        let (filled, _) = upload(None, None).await;
        assert_eq!(filled, INITIAL);
        let (filled, _) = upload(Some(FlowHint::Interactive), None).await;
        assert_eq!(filled, INITIAL);
        let (filled, _) = upload(Some(FlowHint::Bulk), None).await;
        assert!(filled > INITIAL, "{filled}");
        assert!(filled <= u64::from(STREAM), "{filled}");
    })
    .await;
}

/// The length bounds what is granted, with a hint and without.
#[tokio::test]
async fn requests_with_a_length() {
    bounded(async {
        for hint in [None, Some(FlowHint::Bulk)] {
            let (filled, _) = upload(hint, Some(100_000)).await;
            assert_eq!(filled, 100_000);
            let (filled, _) = upload(hint, Some(INITIAL)).await;
            assert_eq!(filled, INITIAL);
        }
        let (filled, stream) = upload(Some(FlowHint::Bulk), Some(1_000_000)).await;
        assert_eq!(filled, 1_000_000);
        until(|| stream.stats().closed).await;
        let stats = stream.stats();
        assert_eq!(stats.received_octets, 1_000_000, "{stats:?}");
        assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
    })
    .await;
}
