mod client;
mod server;

use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::*;
use crate::layer::stream::TAG;
use crate::layer::testing::{Fake, call, connection, stream, value};
use crate::proto::priority::Priority;
use crate::proto::stream_state::Say;
use crate::transport::handle::Shared;
use crate::transport::stream_handle::StreamHandle;

/// All that was said since the last time.
fn says(shared: &Shared) -> Vec<Say> {
    let says = std::iter::from_fn(|| shared.next_say());
    says.map(|(id, say)| {
        assert_eq!(id, stream(1));
        say
    })
    .collect()
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
