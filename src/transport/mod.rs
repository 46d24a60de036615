//! The transport: the thin async shell around the core.

pub(crate) mod handle;
mod own_frames;
mod plan;
mod read;
mod socket;
pub(crate) mod stats;
pub(crate) mod stream_handle;
pub(crate) mod stream_table;
mod tally;
#[cfg(feature = "tls")]
mod tls;
mod write;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use self::handle::{ConnectionHandle, Shared};
use self::read::{ReadSide, Reading};
use self::socket::Socket;
use self::stats::ConnectionStats;
use self::write::WriteSide;
use crate::config::Config;
use crate::proto::preface::{Preface, Verdict};
use crate::proto::streams::{Bounds, Streams};
use crate::proto::windows::Windows;

/// A frame-aware IO object between an HTTP/2 stack and a socket.
///
/// It implements tokio's [`AsyncRead`] and [`AsyncWrite`], so it goes wherever a
/// `TcpStream` or a `TlsStream` goes; for hyper, wrap it in hyper-util's
/// `TokioIo`. What it does to the octets:
///
/// - Frames are gathered into few, large writes. Large DATA is written from
///   where it is, with vectored writes, cut to the peer's frame size on the way.
/// - Reads are large, and handed over in the pieces that the stack asks for.
/// - A flush may be answered a moment early ([`Config::defer_flush`]).
/// - While streams compete for a socket that is full, frames are queued by stream
///   and go out by priority ([`Config::schedule`]). All flushes are answered then.
/// - A server's first SETTINGS frame says one thing more
///   ([`Config::no_rfc7540_priorities`]).
///
/// A connection that does not start with the HTTP/2 preface (RFC 9113, section
/// 3.4) passes through unchanged for its whole life, so HTTP/1.1 and upgraded
/// connections may share a listener with HTTP/2.
///
/// # Driving
///
/// One task polls it, reads and writes alike, whenever it is woken, and reads
/// until that is `Pending` in every poll in which it flushes, as hyper does with
/// a connection: octets of a deferred flush are written from within `poll_read`. A program that polls a connection only now
/// and then, such as a loop around the `accept` of the `h2` crate that awaits
/// something else in between, has to turn deferring off
/// ([`Config::defer_flush`]). Each `Pending` has registered the task's waker.
///
/// # Errors
///
/// Those of the IO below, as they are, and [`io::ErrorKind::WriteZero`] if it
/// takes no octets. A write that fails after its flush was answered is reported
/// by the next call of any kind.
///
/// # Memory
///
/// At most [`Config::batch`] and [`Config::queue`] of octets to write and
/// [`Config::read_ahead`] of octets read; an idle connection holds no buffer. Dropping it makes one
/// attempt, which does not block, to write what a deferred flush left; that
/// polls the IO below with a waker that does nothing.
///
/// # Example
///
/// ```no_run
/// # async fn run(tcp: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// use framewright::{Config, Transport};
/// use hyper_util::rt::{TokioExecutor, TokioIo};
///
/// let io = Transport::server(tcp, Config::default());
/// let connection = io.handle();
/// let service = hyper::service::service_fn(|_| async {
///     Ok::<_, std::convert::Infallible>(hyper::Response::new(String::from("hello")))
/// });
/// hyper::server::conn::http2::Builder::new(TokioExecutor::new())
///     .serve_connection(TokioIo::new(io), service)
///     .await?;
/// println!("{:?}", connection.stats());
/// # Ok(())
/// # }
/// ```
pub struct Transport<IO: AsyncRead + AsyncWrite + Unpin> {
    /// One pointer, because hyper's client moves its IO type, as one variant of
    /// an enum, into and out of a task for each request.
    inner: Box<Inner<IO>>,
}

struct Inner<IO: AsyncRead + AsyncWrite + Unpin> {
    io: IO,
    socket: Socket<IO>,
    /// What the outbound octets are. Inbound, [`ReadSide::reading`] says it.
    mode: Mode,
    read: ReadSide,
    write: WriteSide,
    /// What both sides know of the streams.
    streams: Streams,
    /// The task has woken itself, so that the stack reads what it is to be told.
    told: bool,
    /// The octets that had been written when streams last competed.
    competed: u64,
    pings: Vec<Ping>,
    /// The payload of a PING that measures the round trip for the windows.
    probe: Option<[u8; 8]>,
    /// The windows' time counts from here.
    began: Instant,
    shared: Arc<Shared>,
    /// The task that the handles wake.
    task: Option<Waker>,
    /// An error of a write, for the stack's next call.
    error: Option<io::Error>,
    /// What the published statistics include: calls, and octets that wait.
    published: (u64, u64),
}

/// A random number, another for each `which`.
fn random(which: u8) -> u64 {
    RandomState::new().hash_one(which)
}

/// Octets that go out with no competition before the kernel's queue may be long
/// again: what competes tends to come back.
const COMPETED: u64 = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// A client's outbound octets are, so far, the front of the preface.
    Client(Preface),
    /// A server's peer has not sent the whole preface yet.
    Server,
    /// Frames.
    Http2,
    /// Something else, for life.
    Through,
}

/// A PING of our own on its way.
#[derive(Debug)]
struct Ping {
    payload: [u8; 8],
    sent: Instant,
    answer: oneshot::Sender<Duration>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin + 'static> Transport<IO> {
    /// The server's end of a connection.
    #[expect(clippy::needless_pass_by_value, reason = "as builders are handed over")]
    pub fn server(io: IO, config: Config) -> Self {
        Self::new(io, &config, Mode::Server, Reading::Preface)
    }

    /// The client's end of a connection.
    #[expect(clippy::needless_pass_by_value, reason = "as builders are handed over")]
    pub fn client(io: IO, config: Config) -> Self {
        let mode = Mode::Client(Preface::default());
        Self::new(io, &config, mode, Reading::Through)
    }

    fn new(io: IO, config: &Config, mode: Mode, reading: Reading) -> Self {
        let is_server = mode == Mode::Server;
        let bounds = Bounds {
            schedule: config.schedule,
            stream: config.stream_queue,
            connection: config.connection_queue,
        };
        let windows = config.flow_control.clone();
        let windows = windows.map(|flow| {
            Windows::new(is_server, flow, random(1)).with_handles(config.stream_handles)
        });
        let shared = Shared::new(!is_server, config.stream_handles);
        let inner = Inner {
            socket: Socket::of(&io),
            io,
            mode,
            read: ReadSide::new(config, reading, shared.tagger()),
            write: WriteSide::new(config, is_server),
            streams: Streams::new(is_server, bounds, random(0)).with_windows(windows),
            began: Instant::now(),
            probe: None,
            told: false,
            competed: 0,
            pings: Vec::new(),
            shared,
            task: None,
            error: None,
            published: (0, 0),
        };
        Self {
            inner: Box::new(inner),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Transport<IO> {
    /// A handle on the connection, for other tasks.
    pub fn handle(&self) -> ConnectionHandle {
        self.inner.shared.stats.publish(&self.inner.stats());
        ConnectionHandle::new(Arc::clone(&self.inner.shared))
    }

    /// Waits until a client has said what it speaks, before anything is read
    /// from this transport: whether that is HTTP/2, by the whole preface
    /// (RFC 9113, section 3.4). `None` if it left before it had said so. The
    /// octets are handed over afterwards. Cancel-safe.
    #[cfg(any(test, feature = "listener"))]
    pub(crate) async fn sniff(&mut self) -> io::Result<Option<bool>> {
        std::future::poll_fn(|cx| self.inner.poll_sniff(cx)).await
    }

    /// Whether the octets so far are those of HTTP/2.
    #[cfg(feature = "listener")]
    pub(crate) fn speaks_http2(&self) -> bool {
        self.inner.mode == Mode::Http2
    }

    /// The IO below.
    pub fn get_ref(&self) -> &IO {
        &self.inner.io
    }

    /// The IO below. To read from it or to write to it loses octets.
    pub fn get_mut(&mut self) -> &mut IO {
        &mut self.inner.io
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Inner<IO> {
    /// It is settled that the connection does not speak HTTP/2.
    fn go_through(&mut self) {
        self.mode = Mode::Through;
        self.read.set_reading(Reading::Through);
        self.write.forget_frames();
        self.shared.not_http2();
        tracing::trace!("not HTTP/2: passing octets through");
    }

    #[cfg(any(test, feature = "listener"))]
    fn poll_sniff(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<bool>>> {
        let result = self.read.poll_sniff(&mut self.io, cx, &mut self.streams);
        self.after_read();
        ready!(self.noted(result))?;
        Poll::Ready(Ok(match self.read.reading() {
            Reading::Preface => None,
            Reading::Frames => Some(true),
            Reading::Through => Some(false),
        }))
    }

    /// Acts on what the last read has taught.
    fn after_read(&mut self) {
        match (self.mode, self.read.reading()) {
            (Mode::Server, Reading::Frames) => self.mode = Mode::Http2,
            (Mode::Server, Reading::Through) => self.go_through(),
            // The preface has to come first.
            (Mode::Client(_), _) if self.read.received().octets > 0 => self.go_through(),
            _ => {}
        }
        let inbound = self.read.inbound_mut();
        self.write.set_limit(inbound.peer_limit());
        while let Some(stream) = inbound.next_tagged() {
            self.streams.attach(stream, self.shared.open_stream(stream));
        }
        while let Some(stream) = inbound.next_ended() {
            self.shared.close_stream(stream);
        }
        while let Some(payload) = inbound.take_acked() {
            if self.probe == Some(payload) {
                self.probe = None;
                self.streams.ping_acknowledged();
                continue;
            }
            self.shared.ping_acknowledged();
            if let Some(at) = self.pings.iter().position(|ping| ping.payload == payload) {
                let ping = self.pings.swap_remove(at);
                // Nobody may be waiting any more.
                let _ = ping.answer.send(ping.sent.elapsed());
            }
        }
        if self.read.is_eof() {
            // No acknowledgement can come any more.
            self.pings.clear();
        }
    }

    /// Keeps the queues below short while streams compete, and for a while after
    /// that.
    fn tune_socket(&mut self) {
        let written = self.write.written().octets;
        if self.streams.are_in_the_way() {
            self.competed = written;
            self.write.set_short(true);
            self.socket.compete(&self.io);
        } else if !self.streams.has_streams() || written - self.competed > COMPETED {
            self.write.set_short(false);
            self.socket.restore(&self.io);
        }
    }

    /// Before the task sleeps: writes what a deferred flush left, and what
    /// handles asked for. An error here is one that the stack has to see.
    fn poll_before_sleep(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.write.sleeps();
        self.streams.rest();
        // First, so that what is said from now on wakes this task.
        self.register(cx);
        self.settle_streams();
        if self.streams.ask_layers() {
            cx.waker().wake_by_ref();
        }
        if self.write.is_blocked() {
            // The stack is woken to write on, and all else comes after that.
            return Ok(());
        }
        // Twice, because there may have been more requests than room for them.
        for _ in 0..2 {
            self.stage_requests();
            if !self.write.is_flush_owed() {
                return Ok(());
            }
            match self.poll_push(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        // A busy handle does not keep the task for itself.
        if self.shared.has_requests() {
            cx.waker().wake_by_ref();
        }
        self.wake_for_updates(cx);
        Ok(())
    }

    /// Writes what there is, as far as it may go.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write.is_queueing() {
            return self.write.poll_drain_and_flush(&mut self.io, cx);
        }
        let polled = self.write.poll_pump(&mut self.io, cx, &mut self.streams);
        self.tune_socket();
        polled
    }

    /// Sees to it that the stack reads, if it is to be told something.
    fn wake_for_tells(&mut self, cx: &mut Context<'_>) {
        if self.streams.has_tells() && !self.told && self.read.takes_tells() {
            self.told = true;
            cx.waker().wake_by_ref();
        }
    }

    /// Tells the handles which task to wake, if it is another than before.
    fn register(&mut self, cx: &Context<'_>) {
        let is_known = |task: &Waker| task.will_wake(cx.waker());
        if !self.task.as_ref().is_some_and(is_known) {
            self.task = Some(cx.waker().clone());
            self.shared.register(cx.waker().clone());
        }
    }

    /// The error that a call which had no use for it has met.
    fn take_error(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }

    fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tick();
        match self.mode {
            Mode::Http2 => {
                self.take_error()?;
                self.settle_streams();
                let may_change = self.socket.may_change_offer();
                self.write.set_may_change_offer(may_change);
                let (io, streams) = (&mut self.io, &mut self.streams);
                let taken = ready!(self.write.poll_write(io, cx, bufs, streams))?;
                self.tune_socket();
                let acks = self.write.take_settings_acks();
                if acks > 0 {
                    let inbound = self.read.inbound_mut();
                    inbound.acknowledged(acks);
                    self.write.set_limit(inbound.peer_limit());
                }
                self.stage_requests();
                self.wake_for_tells(cx);
                Poll::Ready(Ok(taken))
            }
            Mode::Through => self.write.poll_write_through(&mut self.io, cx, bufs),
            Mode::Server => self
                .write
                .poll_write_early(&mut self.io, cx, bufs, &mut self.streams),
            Mode::Client(preface) => self.poll_write_preface(cx, bufs, preface),
        }
    }

    /// Writes a client's first octets, and learns from them what it speaks.
    fn poll_write_preface(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        mut preface: Preface,
    ) -> Poll<io::Result<usize>> {
        let Some(first) = bufs.iter().find(|buf| !buf.is_empty()) else {
            return Poll::Ready(Ok(0));
        };
        let (n, verdict) = preface.peek(first);
        if verdict == Verdict::Other {
            self.go_through();
            return self.write.poll_write_through(&mut self.io, cx, bufs);
        }
        let front = [IoSlice::new(&first[..n])];
        let n = ready!(self.write.poll_write_through(&mut self.io, cx, &front))?;
        self.mode = match preface.consume(n) {
            Verdict::Http2 => {
                self.read.set_reading(Reading::Frames);
                Mode::Http2
            }
            _ => Mode::Client(preface),
        };
        Poll::Ready(Ok(n))
    }

    /// The figures of this connection as they are.
    fn stats(&self) -> ConnectionStats {
        let (written, received) = (self.write.written(), self.read.received());
        let windows = self.streams.window_stats();
        ConnectionStats {
            outbound_frames: *self.write.frames(),
            inbound_frames: *self.read.inbound().counts(),
            outbound_octets: written.octets,
            inbound_octets: received.octets,
            write_calls: written.calls,
            read_calls: received.calls,
            deferred_flushes: written.deferred_flushes,
            largest_batch: written.largest_batch,
            queued_octets: self.streams.queued(),
            congestions: written.congestions,
            round_trip: windows.and_then(|windows| windows.round_trip),
            receive_window: windows.map_or(0, |windows| windows.window),
            receive_reserve: windows.map_or(0, |windows| windows.reserve),
            bandwidth_delay_product: windows.map_or(0, |windows| windows.product),
            unconsumed_octets: windows.map_or(0, |windows| windows.unconsumed),
            window_stops: windows.map_or(0, |windows| windows.stops),
            window_budget: windows.map_or(0, |windows| windows.budget),
        }
    }

    /// Shows the handles the figures, if there are any handles, and if there was
    /// a call since the last time or something was queued.
    fn publish(&mut self) {
        if Arc::strong_count(&self.shared) == 1 {
            return;
        }
        let written = self.write.written();
        let calls = written.calls
            + written.deferred_flushes
            + written.congestions
            + self.read.received().calls;
        let now = (calls, self.streams.queued());
        if now != self.published {
            self.published = now;
            self.shared.stats.publish(&self.stats());
        }
    }

    /// Passes a result on; after an error there is no connection any more.
    fn noted<T>(&mut self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.publish();
        if let Poll::Ready(Err(error)) = &result {
            tracing::debug!(%error, "the IO below has failed");
            self.pings.clear();
            self.shared.close();
        }
        result
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = &mut *self.inner;
        me.told = false;
        me.tick();
        let mut result = me.read.poll_read(&mut me.io, cx, buf, &mut me.streams);
        me.after_read();
        if me.mode == Mode::Http2 {
            if result.is_pending() {
                if let Err(error) = me.take_error().and_then(|()| me.poll_before_sleep(cx)) {
                    result = Poll::Ready(Err(error));
                } else if me.read.serve_tells(buf, &mut me.streams) {
                    result = Poll::Ready(Ok(()));
                }
            } else if me.read.is_eof() {
                // The end is what the stack has to see now; an error of the other
                // direction, at its next call.
                me.error = me.poll_before_sleep(cx).err().or(me.error.take());
            } else {
                me.push_updates(cx);
            }
        } else if result.is_pending() && me.mode != Mode::Through {
            me.register(cx);
        }
        me.noted(result)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.inner.poll_write_slices(cx, bufs);
        self.inner.noted(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self.inner;
        let result = if me.mode == Mode::Http2 {
            me.stage_requests();
            match me.take_error() {
                Ok(()) => {
                    me.settle_streams();
                    let polled = me.write.poll_flush(&mut me.io, cx, &mut me.streams);
                    me.tune_socket();
                    me.wake_for_tells(cx);
                    me.wake_for_updates(cx);
                    polled
                }
                Err(error) => Poll::Ready(Err(error)),
            }
        } else {
            me.write.poll_drain_and_flush(&mut me.io, cx)
        };
        me.noted(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self.inner;
        me.shared.close();
        me.pings.clear();
        if me.mode == Mode::Http2 {
            me.take_error()?;
            if me.write.is_queueing() {
                // What the peer does not take by now is lost, as nobody reads on.
                let pumped = me.poll_push(cx);
                ready!(me.noted(pumped))?;
            }
            me.write.finish();
        }
        if me.mode == Mode::Http2 || me.write.has_staged() {
            let drained = me.write.poll_drain_and_flush(&mut me.io, cx);
            ready!(me.noted(drained))?;
        }
        let result = Pin::new(&mut me.io).poll_shutdown(cx);
        me.noted(result)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Drop for Inner<IO> {
    fn drop(&mut self) {
        // One attempt. There is nobody left to tell of its failure.
        let mut cx = Context::from_waker(Waker::noop());
        if self.write.is_queueing() {
            let _ = self.poll_push(&mut cx);
        }
        if self.mode == Mode::Http2 {
            self.write.finish();
        }
        if self.write.has_staged() || self.write.is_flush_owed() {
            let _ = self.write.poll_drain_and_flush(&mut self.io, &mut cx);
        }
        self.shared.stats.publish(&self.stats().at_the_end());
        self.shared.close();
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + fmt::Debug> fmt::Debug for Transport<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("io", &self.inner.io)
            .field("mode", &self.inner.mode)
            .finish_non_exhaustive()
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
