//! What goes on in a connection: its requests in flight, from head to the end of
//! the response body, and since when there are none.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    StatusCode,
    body::{Body, Frame, SizeHint},
};
use tokio::time::{Instant, sleep_until};

use crate::{
    body::{BoxError, Outgoing},
    stats::Endpoint,
};

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    endpoint: Arc<Endpoint>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    since: Instant,
}

impl Activity {
    pub(crate) fn new(endpoint: &Arc<Endpoint>) -> Self {
        Self {
            endpoint: Arc::clone(endpoint),
            state: Arc::new(Mutex::new(State {
                in_flight: 0,
                since: Instant::now(),
            })),
        }
    }

    /// A request has come.
    pub(crate) fn begin(&self) -> Answering {
        lock(&self.state).in_flight += 1;
        self.endpoint.requests.fetch_add(1, Relaxed);
        self.endpoint.in_flight.fetch_add(1, Relaxed);
        Answering {
            endpoint: Arc::clone(&self.endpoint),
            state: Arc::clone(&self.state),
        }
    }

    /// Waits until there has been no request for `limit`.
    pub(crate) async fn idle(&self, limit: Duration) {
        loop {
            let until = {
                let state = lock(&self.state);
                let now = Instant::now();
                let since = if state.in_flight > 0 {
                    now
                } else {
                    state.since
                };
                if since + limit <= now {
                    return;
                }
                since + limit
            };
            sleep_until(until).await;
        }
    }
}

/// A request that is being answered; to be kept to the end of the response.
#[derive(Debug)]
pub(crate) struct Answering {
    endpoint: Arc<Endpoint>,
    state: Arc<Mutex<State>>,
}

impl Answering {
    pub(crate) fn response(&self, status: StatusCode) {
        self.endpoint.response(status);
    }

    /// Keeps count of this body to its end.
    pub(crate) fn follow(self, body: Outgoing) -> Followed {
        Followed {
            body,
            answering: self,
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.in_flight -= 1;
        state.since = Instant::now();
        self.endpoint.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A response body whose octets are counted.
#[derive(Debug)]
pub(crate) struct Followed {
    body: Outgoing,
    answering: Answering,
}

impl Body for Followed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let octets = &self.answering.endpoint.response_octets;
            octets.fetch_add(data.len() as u64, Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
