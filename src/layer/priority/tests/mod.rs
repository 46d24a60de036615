mod client;
mod server;

use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::*;
use crate::proto::head::StreamId;
use crate::proto::priority::Priority;
use crate::proto::stream_state::{Say, StreamState};
use crate::transport::handle::Shared;

fn stream(id: u32) -> StreamId {
    StreamId::new(id).unwrap()
}

/// What the field of a tag says.
fn value(field: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(&field[3 + tag::NAME.len()..]).unwrap()
}

/// A connection with stream 1 open, and the tag of that.
fn connection(is_client: bool) -> (Arc<Shared>, Arc<StreamState>, HeaderValue) {
    let shared = Shared::new(is_client, true);
    let state = shared.open_stream(stream(1));
    let tag = value(&shared.tagger().unwrap().field(stream(1)));
    (shared, state, tag)
}

/// All that was said since the last time.
fn says(shared: &Shared) -> Vec<Say> {
    let says = std::iter::from_fn(|| shared.next_say());
    says.map(|(id, say)| {
        assert_eq!(id, stream(1));
        say
    })
    .collect()
}

/// A service that answers at once; not ready if it says so.
#[derive(Clone, Debug)]
struct Fake<F> {
    answer: F,
    is_ready: bool,
}

impl<F, B, R> Service<Request<B>> for Fake<F>
where
    F: FnMut(Request<B>) -> Result<Response<R>, &'static str>,
{
    type Response = Response<R>;
    type Error = &'static str;
    type Future = Ready<Result<Response<R>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        match self.is_ready {
            true => Poll::Ready(Err("not any more")),
            false => Poll::Pending,
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready((self.answer)(request))
    }
}

/// A call through a layer.
fn call<L, S, F, B, R>(layer: &L, request: Request<B>, answer: F) -> Result<Response<R>, S::Error>
where
    L: Layer<Fake<F>, Service = S>,
    S: Service<Request<B>, Response = Response<R>>,
{
    let mut service = layer.layer(Fake {
        answer,
        is_ready: true,
    });
    let future = pin!(service.call(request));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the service answers at once"),
    }
}

type Answer = fn(Request<()>) -> Result<Response<()>, &'static str>;

/// A layer's service is ready when the service inside is, and fails as it does.
fn assert_transparent<L>(layer: &L)
where
    L: Layer<Fake<Answer>>,
    L::Service: Service<Request<()>, Response = Response<()>, Error = &'static str>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let answer: Answer = |_| Err("it failed");
    let polled = [false, true].map(|is_ready| {
        let mut service = layer.layer(Fake { answer, is_ready });
        service.poll_ready(&mut cx)
    });
    assert_eq!(polled, [Poll::Pending, Poll::Ready(Err("not any more"))]);
    assert_eq!(
        call(layer, Request::new(()), answer).err(),
        Some("it failed")
    );
}

/// What tonic asks of a layer and of a client's service is there.
#[tokio::test]
async fn tonic_takes_both_layers() {
    let (_, health) = tonic_health::server::health_reporter();
    let server = tonic::transport::Server::builder().layer(PriorityLayer::new());
    drop({ server }.add_service(health));
    let channel = tonic::transport::Endpoint::from_static("http://[::1]:1").connect_lazy();
    let channel = ClientPriorityLayer::new().layer(channel);
    let client = tonic_health::pb::health_client::HealthClient::new(channel);
    drop(client.clone());
}

#[test]
fn a_printed_priority_is_a_field() {
    for urgency in 0..8 {
        for incremental in [false, true] {
            let priority = Priority::new(urgency).incremental(incremental);
            let mut headers = HeaderMap::new();
            set_priority_field(&mut headers, priority);
            assert_eq!(headers[&PRIORITY], priority.to_string());
            set_priority_field(&mut headers, PriorityField::from(priority));
            assert_eq!(headers.len(), 1);
            assert_eq!(Priority::from(priority_field(&headers)), priority);
        }
    }
}
