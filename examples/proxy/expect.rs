//! `expect: 100-continue` from end to end (RFC 9110, section 10.1.1).
//!
//! hyper's HTTP/1.1 server writes `100 Continue` when its body is first asked
//! for. So the proxy asks for the body when the upstream has said
//! `100 Continue`, and never does when the upstream answers at once: then the
//! client keeps its body, as the expectation is there for.
//!
//! This needs a client and an upstream of HTTP/1.1. hyper neither sends nor
//! reports 1xx responses over HTTP/2; there the upstream's flow control is the
//! gate, and the expectation is not forwarded.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    HeaderMap, Request, StatusCode, Version,
    header::{EXPECT, HeaderValue},
};
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep},
};

use crate::body::BoxError;

/// A client "SHOULD NOT wait for an indefinite period"; curl waits this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the client waits for a `100 Continue` that hyper can send.
pub(crate) fn wants_continue(headers: &HeaderMap, version: Version) -> bool {
    let expects = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    version == Version::HTTP_11 && headers.get(EXPECT).is_some_and(expects)
}

/// Makes the gate before a request body, and what opens it.
pub(crate) fn gate() -> (Gate, Opener) {
    let (open, opened) = oneshot::channel();
    let answered = Arc::new(AtomicBool::new(false));
    let gate = Gate {
        opened,
        patience: Box::pin(sleep(PATIENCE)),
        answered: Arc::clone(&answered),
    };
    let opener = Opener {
        open: Arc::new(Mutex::new(Some(open))),
        answered,
    };
    (gate, opener)
}

/// Holds a request body back.
pub(crate) struct Gate {
    opened: oneshot::Receiver<()>,
    patience: Pin<Box<Sleep>>,
    answered: Arc<AtomicBool>,
}

impl Future for Gate {
    type Output = Result<(), BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.opened).poll(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            // The response is over and the body was never wanted. hyper then
            // gives the connection up, on which a body is still owed.
            Poll::Ready(Err(_)) => return Poll::Ready(Err("the body was not wanted".into())),
            Poll::Pending => {}
        }
        if !self.answered.load(Relaxed) && self.patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

/// Opens a [`Gate`]; to be dropped when the response is over.
pub(crate) struct Opener {
    open: Arc<Mutex<Option<oneshot::Sender<()>>>>,
    answered: Arc<AtomicBool>,
}

impl Opener {
    /// Opens the gate when the upstream answers `request` with `100 Continue`.
    pub(crate) fn listen<B>(&self, request: &mut Request<B>) {
        // Weak, for the request outlives the opener when the client is gone.
        let open = Arc::downgrade(&self.open);
        hyper::ext::on_informational(request, move |response| {
            if response.status() == StatusCode::CONTINUE
                && let Some(open) = open.upgrade()
                && let Some(open) = open.lock().unwrap_or_else(PoisonError::into_inner).take()
            {
                let _ = open.send(());
            }
        });
    }

    /// The final response is here: the gate, if still shut, stays so.
    pub(crate) fn answered(&self) {
        self.answered.store(true, Relaxed);
    }
}
