//! What the tests of the layers share.

use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::header::HeaderValue;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::proto::head::StreamId;
use crate::proto::stream_state::StreamState;
use crate::proto::tag;
use crate::transport::handle::Shared;

pub(crate) fn stream(id: u32) -> StreamId {
    StreamId::new(id).unwrap()
}

/// What the field of a tag says.
pub(crate) fn value(field: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(&field[3 + tag::NAME.len()..]).unwrap()
}

/// A connection with stream 1 open, and the tag of that.
pub(crate) fn connection(is_client: bool) -> (Arc<Shared>, Arc<StreamState>, HeaderValue) {
    let shared = Shared::new(is_client, true);
    let state = shared.open_stream(stream(1));
    let tag = value(&shared.tagger().unwrap().field(stream(1)));
    (shared, state, tag)
}

/// A service that answers at once; not ready if it says so.
#[derive(Clone, Debug)]
pub(crate) struct Fake<F> {
    pub(crate) answer: F,
    pub(crate) is_ready: bool,
}

impl<F> Fake<F> {
    pub(crate) fn new(answer: F) -> Self {
        let is_ready = true;
        Self { answer, is_ready }
    }
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

/// A call of a service that answers at once.
pub(crate) fn call_service<S, B>(
    service: &mut S,
    request: Request<B>,
) -> Result<S::Response, S::Error>
where
    S: Service<Request<B>>,
{
    let future = pin!(service.call(request));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the service answers at once"),
    }
}

/// A call through a layer.
pub(crate) fn call<L, S, F, B>(
    layer: &L,
    request: Request<B>,
    answer: F,
) -> Result<S::Response, S::Error>
where
    L: Layer<Fake<F>, Service = S>,
    S: Service<Request<B>>,
{
    call_service(&mut layer.layer(Fake::new(answer)), request)
}
