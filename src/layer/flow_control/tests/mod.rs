mod body;
mod layers;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use super::*;
use crate::layer::stream::TAG;
use crate::layer::testing::{Fake, call, call_service, connection, stream};
use crate::layer::{ClientPriorityLayer, PriorityLayer};
use crate::proto::priority::Priority;
use crate::proto::stream_state::{Say, StreamState};
use crate::transport::handle::Shared;

type PolledOf<D, E> = Poll<Option<Result<Frame<D>, E>>>;
type Polled = PolledOf<Bytes, &'static str>;

/// A body that does what it is told, poll by poll.
#[derive(Debug, Default)]
struct Script {
    polls: VecDeque<Polled>,
    hint: SizeHint,
    is_end: bool,
}

impl Script {
    /// With DATA of these lengths, and its end.
    fn data(lengths: impl IntoIterator<Item = usize>) -> Self {
        let frames = lengths.into_iter().map(|length| {
            let data = Bytes::from(vec![7; length]);
            Poll::Ready(Some(Ok(Frame::data(data))))
        });
        Self {
            polls: frames.collect(),
            ..Self::default()
        }
    }

    fn then(mut self, poll: Polled) -> Self {
        self.polls.push_back(poll);
        self
    }

    fn length(mut self, octets: u64) -> Self {
        self.hint = SizeHint::with_exact(octets);
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
        self.get_mut()
            .polls
            .pop_front()
            .unwrap_or(Poll::Ready(None))
    }

    fn is_end_stream(&self) -> bool {
        self.is_end
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

fn poll<B: Body + Unpin>(body: &mut B) -> PolledOf<B::Data, B::Error> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// The length of the frame of DATA that comes next.
fn next_length<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> usize {
    match poll(body) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().map_or(0, |data| data.len()),
        _ => panic!("no frame"),
    }
}

/// What a connection sees of a stream that is watched: what is consumed, and
/// whether it was told to look.
fn look(shared: &Shared, state: &StreamState) -> (Option<u64>, bool) {
    let told = shared.next_consumed();
    assert!(told.is_none_or(|id| id == stream(1)));
    assert_eq!(shared.next_consumed(), None, "nothing is said twice");
    (state.consumed(), told.is_some())
}

fn tagged<B>(body: B, tag: &HeaderValue) -> Request<B> {
    Request::builder().header(&TAG, tag).body(body).unwrap()
}

fn answer<B>(body: B, tag: &HeaderValue) -> Response<B> {
    Response::builder().header(&TAG, tag).body(body).unwrap()
}

/// A request's body as a handler gets it.
fn request_body<B: Body>(layer: &FlowControlLayer, request: Request<B>) -> FlowControlBody<B> {
    let request = call(layer, request, |request| Ok(Response::new(request)));
    request.unwrap().into_body().into_body()
}
