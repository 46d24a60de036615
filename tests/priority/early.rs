//! Responses that are complete before their requests are.

use std::convert::Infallible;

use framewright::{Config, FrameType, Transport};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::bounded;
use crate::common::Pattern;
use crate::raw::{Log, Peer, get};
use crate::server::{Server, slow};

/// A server answers an upload that it does not read, while a download fills the
/// link: h2 sends the whole response and then `RST_STREAM` with `NO_ERROR` (RFC
/// 9113, section 8.1), which must not cost what of the response still waits.
async fn answer_early(schedule: bool) {
    let server = Server::accept(Some(slow()), move |tcp| async move {
        let io = Transport::server(tcp, Config::default().schedule(schedule));
        let service = service_fn(|request: Request<Incoming>| async move {
            let is_upload = request.method() == Method::POST;
            let octets = if is_upload { 100_000 } else { 3_000_000 };
            // The request's body is dropped here.
            Ok::<_, Infallible>(Response::new(Pattern::new(1, octets, 16_384)))
        });
        let _ = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(io), service)
            .await;
    })
    .await;
    let mut peer = Peer::generous(server.address).await;
    peer.send(&get(1, "/", &[])).await;
    let mut log = Log::default();
    peer.until(&mut log, |log| log.octets(1) > 200_000).await;
    // POST, with a body that goes on: `get` with another method and no END_STREAM.
    let mut post = get(3, "/", &[]);
    post[4] = 0x4;
    post[9] = 0x83;
    peer.send(&post).await;
    let (mut octets, mut ended) = (0, false);
    let reset = loop {
        let received = peer.next().await.expect("more");
        if received.stream() != 3 {
            continue;
        }
        if received.is(FrameType::DATA) {
            octets += received.payload.len();
            ended |= received.ends_stream();
        }
        if received.is(FrameType::RST_STREAM) {
            break received.payload;
        }
    };
    assert_eq!(reset[..], [0; 4], "NO_ERROR");
    assert!(
        ended && octets == 100_000,
        "{octets} octets, ended: {ended}"
    );
}

#[tokio::test]
async fn o4_a_complete_response_outlives_the_reset_behind_it() {
    bounded(answer_early(true)).await;
}

#[tokio::test]
async fn o4_it_does_without_scheduling_too() {
    bounded(answer_early(false)).await;
}
