//! What other tasks may ask of a connection.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::oneshot;

use super::stats::{ConnectionStats, SharedStats};
use super::stream_table::StreamTable;
use crate::proto::frame::{Frame, FrameError};
use crate::proto::head::{FrameType, StreamId};
use crate::proto::priority::Priority;
use crate::sync::{AtomicBool, Mutex, MutexGuard};
#[cfg(feature = "tls")]
use crate::tls::HandshakeInfo;

/// Frames that may wait to be sent, for each connection.
const MAX_FRAMES: usize = 64;

/// PINGs that may wait to be sent or to be acknowledged, for each connection.
const MAX_PINGS: usize = 32;

/// Octets of payload that may wait to be sent, for each connection.
const MAX_OCTETS: usize = 64 * 1024;

/// A handle on a connection, for other tasks than the one that drives it.
///
/// It is cheap to clone, and does not keep the connection alive.
#[derive(Clone)]
pub struct ConnectionHandle {
    shared: Arc<Shared>,
}

impl ConnectionHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Which end of the connection this is.
    pub(super) fn is_client(&self) -> bool {
        self.shared.is_client
    }

    /// What has gone over the connection so far. Still answers once the
    /// connection is gone.
    #[must_use]
    pub fn stats(&self) -> ConnectionStats {
        self.shared.stats.load()
    }

    /// What its TLS handshake came to; none if it has no TLS, or if TLS was not
    /// set up by this crate.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn handshake(&self) -> Option<&HandshakeInfo> {
        self.shared.handshake.get()
    }

    /// Whether the connection is gone: nothing can be sent any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.requests.lock().closed
    }

    /// Sends frames between those of the HTTP/2 stack: PING, `PRIORITY_UPDATE`,
    /// ORIGIN, ALTSVC and types that RFC 9113 does not define. They are sent in
    /// this order, all of them or none, at the next boundary between frames, and
    /// not before the stack's first SETTINGS.
    ///
    /// A PING's acknowledgement does not reach the stack.
    ///
    /// # Errors
    ///
    /// - [`HandleError::NotAllowed`] for a type whose state the stack owns, and
    ///   for the acknowledgement of a PING;
    /// - [`HandleError::NotClient`] for a `PRIORITY_UPDATE` of a server;
    /// - [`HandleError::Frame`] for a malformed frame, or one of over 16,384
    ///   octets, which not every peer takes;
    /// - [`HandleError::Full`] if 64 frames or 64 KiB wait already, or if 32 PINGs
    ///   are not acknowledged;
    /// - [`HandleError::NotHttp2`] if the connection speaks something else;
    /// - [`HandleError::Closed`] once the connection is gone.
    pub fn send_frames(&self, frames: impl IntoIterator<Item = Frame>) -> Result<(), HandleError> {
        let frames: Vec<Frame> = frames.into_iter().collect();
        for frame in &frames {
            check(frame, self.shared.is_client)?;
        }
        self.shared.request(frames.into_iter().map(Request::from))
    }

    /// Gives a stream another priority: sends `PRIORITY_UPDATE` (RFC 9218, section
    /// 7.1). For a client, whose streams need not be open yet. The priority that
    /// the request's `priority` field asked for, or an earlier update, does not
    /// hold any more.
    ///
    /// A server that does not know the frame ignores it.
    ///
    /// # Errors
    ///
    /// - [`HandleError::NotClient`] on a server, which must not send it: the
    ///   client would end the connection;
    /// - [`HandleError::Frame`] for stream 0;
    /// - otherwise as for [`ConnectionHandle::send_frames`].
    pub fn set_priority(&self, stream: StreamId, priority: Priority) -> Result<(), HandleError> {
        self.send_frames([Frame::priority_update(stream, priority)])?;
        if let Some(state) = self.shared.find_stream(stream) {
            state.set_priority(priority);
        }
        Ok(())
    }

    /// Sends a PING with a random payload and returns the time until its
    /// acknowledgement, which does not reach the stack.
    ///
    /// There is no timeout: wrap the future in one, if the peer may be silent.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the acknowledgement is still taken out.
    ///
    /// # Errors
    ///
    /// As for [`ConnectionHandle::send_frames`];
    /// [`HandleError::Closed`] also if the connection ends before the peer
    /// answers.
    pub fn ping(
        &self,
    ) -> impl Future<Output = Result<Duration, HandleError>> + Send + 'static + use<> {
        let (answer, round_trip) = oneshot::channel();
        let payload = RandomState::new().hash_one(0_u8).to_be_bytes();
        let sent = self.shared.request([Request {
            frame: Frame::ping(payload),
            answer: Some(answer),
        }]);
        async move {
            sent?;
            round_trip.await.map_err(|_| HandleError::Closed)
        }
    }
}

impl fmt::Debug for ConnectionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionHandle")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Why a connection did not do what its handle was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The connection has ended, or is about to; or the stream has that was asked
    /// for.
    #[error("the connection or the stream is closed")]
    Closed,
    /// The HTTP/2 stack keeps state behind frames of this type, and would not
    /// know of one that it did not send.
    #[error("{0} frames belong to the HTTP/2 stack above, which keeps state behind them")]
    NotAllowed(FrameType),
    /// The acknowledgement of a PING is the HTTP/2 stack's to send.
    #[error("the acknowledgement of a PING belongs to the HTTP/2 stack above")]
    PingAck,
    /// The frame is one that only clients send, and this is the server's end.
    #[error("PRIORITY_UPDATE is a client's to send, and this is the server's end")]
    NotClient,
    /// The frame is malformed.
    #[error("the frame cannot be sent")]
    Frame(#[from] FrameError),
    /// The connection does not start with the HTTP/2 preface, so it has no
    /// frames.
    #[error("the connection does not speak HTTP/2")]
    NotHttp2,
    /// Too much waits to be sent. Try again later.
    #[error("too many frames wait to be sent on this connection")]
    Full,
}

fn check(frame: &Frame, is_client: bool) -> Result<(), HandleError> {
    use crate::proto::frame::DEFAULT_MAX_FRAME_SIZE;
    use crate::proto::head::Flags;

    let kind = frame.kind();
    if kind == FrameType::PING && frame.flags().contains(Flags::ACK) {
        return Err(HandleError::PingAck);
    }
    if kind == FrameType::PRIORITY_UPDATE && !is_client {
        return Err(HandleError::NotClient);
    }
    if kind.is_core() && kind != FrameType::PING {
        return Err(HandleError::NotAllowed(kind));
    }
    let head = frame.validate()?;
    if head.length > DEFAULT_MAX_FRAME_SIZE {
        return Err(HandleError::Frame(FrameError::OverLimit {
            kind,
            length: frame.payload().len(),
            limit: DEFAULT_MAX_FRAME_SIZE,
        }));
    }
    Ok(())
}

/// A frame to send, and where to report the round trip.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) frame: Frame,
    pub(super) answer: Option<oneshot::Sender<Duration>>,
}

impl From<Frame> for Request {
    fn from(frame: Frame) -> Self {
        Self {
            frame,
            answer: None,
        }
    }
}

/// What a connection and its handles share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(super) stats: SharedStats,
    /// The streams, if the layers above get handles on them.
    pub(super) streams: Option<StreamTable>,
    /// Which end of the connection this is.
    is_client: bool,
    #[cfg(feature = "tls")]
    handshake: std::sync::OnceLock<HandshakeInfo>,
    /// Whether there are requests, so that the connection need not lock to see.
    pending: AtomicBool,
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    /// At most [`MAX_FRAMES`] and [`MAX_OCTETS`].
    queue: VecDeque<Request>,
    octets: usize,
    /// PINGs in the queue and on their way, at most [`MAX_PINGS`].
    pings: usize,
    /// The task that drives the connection.
    task: Option<Waker>,
    not_http2: bool,
    closed: bool,
}

impl Shared {
    /// Of a new connection. With `stream_handles` the layers above find it, for
    /// as long as it is open.
    pub(crate) fn new(is_client: bool, stream_handles: bool) -> Arc<Self> {
        let shared = Arc::new(Self {
            is_client,
            streams: stream_handles.then(StreamTable::new),
            ..Self::default()
        });
        if let Some(streams) = &shared.streams {
            streams.register(&shared);
        }
        shared
    }

    /// Says what the TLS handshake came to, once.
    #[cfg(feature = "tls")]
    pub(super) fn handshaken(&self, info: Option<HandshakeInfo>) {
        if let Some(info) = info {
            let _ = self.handshake.set(info);
        }
    }

    fn request(&self, new: impl IntoIterator<Item = Request>) -> Result<(), HandleError> {
        let new: Vec<Request> = new.into_iter().collect();
        let octets: usize = new.iter().map(|r| r.frame.payload().len()).sum();
        let is_ping = |r: &&Request| r.frame.kind() == FrameType::PING;
        let pings = new.iter().filter(is_ping).count();
        let mut requests = self.requests.lock();
        if requests.closed {
            return Err(HandleError::Closed);
        }
        if requests.not_http2 {
            return Err(HandleError::NotHttp2);
        }
        if requests.queue.len() + new.len() > MAX_FRAMES
            || requests.octets + octets > MAX_OCTETS
            || requests.pings + pings > MAX_PINGS
        {
            return Err(HandleError::Full);
        }
        requests.octets += octets;
        requests.pings += pings;
        requests.queue.extend(new);
        self.pending.store(true, Ordering::Release);
        wake(requests);
        Ok(())
    }

    /// Wakes the task that drives the connection.
    pub(super) fn wake(&self) {
        wake(self.requests.lock());
    }

    /// Remembers the task to wake for a request, from now on.
    pub(super) fn register(&self, task: Waker) {
        let old = self.requests.lock().task.replace(task);
        // What a waker owns may use a handle: it is dropped without the lock.
        drop(old);
    }

    /// Whether [`Shared::next`] may have something.
    pub(super) fn has_requests(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// The next request.
    pub(super) fn next(&self) -> Option<Request> {
        let mut requests = self.requests.lock();
        let next = requests.queue.pop_front();
        if let Some(next) = &next {
            requests.octets -= next.frame.payload().len();
        }
        self.pending
            .store(!requests.queue.is_empty(), Ordering::Release);
        next
    }

    /// The next frame, for tests of the layers.
    #[cfg(all(test, feature = "layer"))]
    pub(crate) fn next_frame(&self) -> Option<Frame> {
        self.next().map(|request| request.frame)
    }

    /// A PING that was sent is acknowledged.
    pub(super) fn ping_acknowledged(&self) {
        let mut requests = self.requests.lock();
        requests.pings = requests.pings.saturating_sub(1);
    }

    /// The connection turned out to speak something else.
    pub(super) fn not_http2(&self) {
        let mut requests = self.requests.lock();
        requests.not_http2 = true;
        self.forget(requests);
    }

    /// The connection is gone.
    pub(crate) fn close(&self) {
        let mut requests = self.requests.lock();
        requests.closed = true;
        self.forget(requests);
    }

    fn forget(&self, mut requests: MutexGuard<'_, Requests>) {
        let queue = std::mem::take(&mut requests.queue);
        let task = requests.task.take();
        requests.octets = 0;
        self.pending.store(false, Ordering::Release);
        drop(requests);
        // Dropped without the lock: answers wake other tasks, and what a waker
        // owns may use a handle.
        drop((queue, task));
        if let Some(streams) = &self.streams {
            streams.close();
        }
    }
}

/// Wakes the task, without the lock.
fn wake(requests: MutexGuard<'_, Requests>) {
    let task = requests.task.clone();
    drop(requests);
    if let Some(task) = task {
        task.wake();
    }
}
