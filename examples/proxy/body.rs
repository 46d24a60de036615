//! Bodies on their way through the proxy.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use framewright::layer::FlowControlBody;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{CONTENT_TYPE, HeaderValue},
};
use tokio::time::{Instant, sleep_until};

use crate::{expect::Gate, fields, stats::Endpoint};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What comes in, of a request or of a response: what is read of it opens the
/// window that it came through.
pub(crate) type Inbound = FlowControlBody<Incoming>;

/// What a handler answers with.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, BoxError>;

/// A short plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Outgoing> {
    let mut response = Response::new(
        Full::new(text.into())
            .map_err(|e| match e {})
            .boxed_unsync(),
    );
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// The body of a request, passed on as the upstream takes it: frame by frame,
/// trailers included, nothing kept.
pub(crate) struct RequestBody {
    inner: Inbound,
    progress: Arc<Progress>,
    gate: Option<Gate>,
    endpoint: Arc<Endpoint>,
}

impl RequestBody {
    pub(crate) fn new(
        inner: Inbound,
        progress: Arc<Progress>,
        gate: Option<Gate>,
        endpoint: Arc<Endpoint>,
    ) -> Self {
        Self {
            inner,
            progress,
            gate,
            endpoint,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(gate) = &mut self.gate {
            ready!(Pin::new(gate).poll(cx))?;
            self.gate = None;
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        self.progress.set(match &polled {
            Poll::Pending => Turn::Client,
            Poll::Ready(Some(Err(_))) => Turn::ClientFailed,
            Poll::Ready(_) => Turn::Upstream,
        });
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let octets = &self.endpoint.request_octets;
            octets.fetch_add(data.len() as u64, Relaxed);
        }
        polled.map(|next| Some(next?.map(onward).map_err(Into::into)))
    }

    // hyper asks these two to tell "no body" from "an empty body", and a known
    // length from a chunked body.
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A frame of a body as it is for the next hop: trailers follow the rules of
/// fields.
pub(crate) fn onward(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        fields::remove_hop_by_hop(trailers);
    }
    frame
}

/// Whose turn it is before the response head comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The upstream has all that there is.
    Upstream,
    /// The upstream would take more, and the client has not sent it.
    Client,
    /// The client broke its body off.
    ClientFailed,
}

/// How a request gets on, seen from its body.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<(Turn, Instant)>);

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((Turn::Upstream, Instant::now())))
    }

    pub(crate) fn turn(&self) -> Turn {
        self.get().0
    }

    /// Waits until nothing has moved for `limit`, and says whose turn it was.
    pub(crate) async fn stalled(&self, limit: Duration) -> Turn {
        loop {
            let (turn, since) = self.get();
            if since.elapsed() >= limit {
                return turn;
            }
            sleep_until(since + limit).await;
        }
    }

    fn get(&self) -> (Turn, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, turn: Turn) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Being asked again while waiting for the client moves nothing.
        if turn == Turn::Upstream || last.0 != turn {
            *last = (turn, Instant::now());
        }
    }
}

/// An error and what caused it, on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            // Many a wrapper says again what its source says.
            let text = error.to_string();
            if !last.contains(&text) {
                write!(f, ": {text}")?;
            }
            last = text;
            source = error.source();
        }
        Ok(())
    }
}
