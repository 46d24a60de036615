//! A connection in memory, whose ends fail where they are told to.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The faults that were injected, in all of this process.
static INJECTED: AtomicU64 = AtomicU64::new(0);

/// Counts faults that other means than a [`Wire`] have injected.
pub(crate) fn count_faults(n: u64) {
    INJECTED.fetch_add(n, Ordering::Relaxed);
}

/// Says how many faults there were, for the documents to quote.
pub(crate) fn report(test: &str, runs: u64) {
    let total = INJECTED.load(Ordering::Relaxed);
    eprintln!("{test}: {runs} runs; faults injected so far: {total}");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Client, Self::Server];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The read after so many octets fails.
    Read,
    /// The write after so many octets fails.
    Write,
    /// That write takes nothing.
    WriteZero,
    /// After so many octets there is an end, and no more.
    Eof,
    /// Each write from there on fails in the same way.
    WriteOn,
    /// The flush after so many flushes fails.
    Flush,
    /// Shutting down fails.
    Shutdown,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Read,
        Self::Write,
        Self::WriteZero,
        Self::Eof,
        Self::WriteOn,
        Self::Flush,
        Self::Shutdown,
    ];
}

/// Where something goes wrong, and what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) side: Side,
    pub(crate) kind: Kind,
    pub(crate) at: u64,
}

/// The socket's own error.
#[derive(Debug)]
pub(crate) struct Marker(u64);

impl Marker {
    /// How it reads, in whichever error carries it.
    pub(crate) fn text(at: u64) -> String {
        Self(at).to_string()
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<the socket's own error at {}>", self.0)
    }
}

impl std::error::Error for Marker {}

fn marked(at: u64) -> io::Error {
    io::Error::new(io::ErrorKind::HostUnreachable, Marker(at))
}

/// How a wire takes octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All of them.
    Roomy,
    /// As many as a socket.
    Modest,
    /// A few at a time, as it is always nearly full.
    Narrow,
    /// A few at a time, and each call is `Pending` once before.
    Choppy,
}

impl Shape {
    pub(crate) const ALL: [Self; 3] = [Self::Roomy, Self::Narrow, Self::Choppy];

    fn capacity(self) -> usize {
        match self {
            Self::Roomy => 1 << 20,
            Self::Modest => 64 << 10,
            Self::Narrow => 61,
            Self::Choppy => 4_096,
        }
    }

    fn most(self) -> usize {
        match self {
            Self::Choppy => 97,
            _ => usize::MAX,
        }
    }
}

#[derive(Default)]
struct Pipe {
    octets: VecDeque<u8>,
    written: u64,
    read: u64,
    /// Nothing more is written.
    ended: bool,
    /// Nobody reads any more.
    deaf: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        let wakers = [self.reader.take(), self.writer.take()];
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

struct State {
    shape: Shape,
    /// From the client, and from the server.
    pipes: [Pipe; 2],
    fault: Option<Fault>,
    /// The fault has come about.
    fired: bool,
    flushes: [u64; 2],
    shutdowns: [u64; 2],
    /// Which ends are dropped.
    dropped: [bool; 2],
}

/// What the test sees of the connection.
#[derive(Clone)]
pub(crate) struct Wire {
    state: Arc<Mutex<State>>,
}

/// What a clean run has come to: octets and calls, of the client and the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) octets: [u64; 2],
    pub(crate) flushes: [u64; 2],
    pub(crate) shutdowns: [u64; 2],
}

impl Extent {
    /// Where a fault of this kind may be at this end.
    pub(crate) fn of(&self, side: Side, kind: Kind) -> u64 {
        let (this, that) = (side as usize, 1 - side as usize);
        match kind {
            Kind::Read | Kind::Eof => self.octets[that],
            Kind::Write | Kind::WriteOn | Kind::WriteZero => self.octets[this],
            Kind::Flush => self.flushes[this],
            Kind::Shutdown => self.shutdowns[this],
        }
    }
}

impl Wire {
    /// A connection, with its client's end and its server's.
    pub(crate) fn new(shape: Shape, fault: Option<Fault>) -> (Self, End, End) {
        let state = Arc::new(Mutex::new(State {
            shape,
            pipes: Default::default(),
            fault,
            fired: false,
            flushes: [0; 2],
            shutdowns: [0; 2],
            dropped: [false; 2],
        }));
        let end = |side| End {
            side,
            state: Arc::clone(&state),
            paused: [false; 2],
        };
        let (client, server) = (end(Side::Client), end(Side::Server));
        (Self { state }, client, server)
    }

    pub(crate) fn extent(&self) -> Extent {
        let state = self.state.lock();
        Extent {
            octets: [state.pipes[0].written, state.pipes[1].written],
            flushes: state.flushes,
            shutdowns: state.shutdowns,
        }
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.state.lock().fired
    }

    /// Whether nothing owns the ends any more.
    pub(crate) fn is_released(&self) -> bool {
        self.state.lock().dropped == [true; 2]
    }
}

/// One end of a connection.
pub(crate) struct End {
    side: Side,
    state: Arc<Mutex<State>>,
    /// The next read, or write, goes on.
    paused: [bool; 2],
}

/// What a call comes to before it touches the octets.
enum Check {
    /// It may move so many octets.
    Most(usize),
    Zero,
    Fails(io::Error),
}

impl State {
    fn check(&mut self, side: Side, kinds: &[Kind], moved: u64) -> Check {
        let Some(fault) = self.fault else {
            return Check::Most(self.shape.most());
        };
        if fault.side != side || !kinds.contains(&fault.kind) {
            return Check::Most(self.shape.most());
        }
        if moved < fault.at {
            let left = (fault.at - moved).min(usize::MAX as u64) as usize;
            return Check::Most(left.min(self.shape.most()));
        }
        let is_first = !std::mem::replace(&mut self.fired, true);
        if is_first {
            count_faults(1);
        }
        match fault.kind {
            Kind::Eof | Kind::WriteZero => Check::Zero,
            Kind::WriteOn => Check::Fails(marked(fault.at)),
            // A socket tells its error once.
            _ if is_first => Check::Fails(marked(fault.at)),
            Kind::Read => Check::Zero,
            _ => Check::Fails(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl End {
    fn pauses(&mut self, shape: Shape, which: usize, cx: &Context<'_>) -> bool {
        if shape != Shape::Choppy {
            return false;
        }
        self.paused[which] = !self.paused[which];
        if self.paused[which] {
            cx.waker().wake_by_ref();
        }
        self.paused[which]
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let state = Arc::clone(&self.state);
        let mut state = state.lock();
        let side = self.side;
        let from = 1 - side as usize;
        if !state.pipes[from].octets.is_empty() && self.pauses(state.shape, 0, cx) {
            return Poll::Pending;
        }
        let moved = state.pipes[from].read;
        let most = match state.check(side, &[Kind::Read, Kind::Eof], moved) {
            Check::Most(most) => most,
            Check::Zero => return Poll::Ready(Ok(())),
            Check::Fails(error) => return Poll::Ready(Err(error)),
        };
        let pipe = &mut state.pipes[from];
        if pipe.octets.is_empty() {
            if pipe.ended {
                return Poll::Ready(Ok(()));
            }
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = pipe.octets.len().min(most).min(buf.remaining());
        let (front, back) = pipe.octets.as_slices();
        let first = front.len().min(n);
        buf.put_slice(&front[..first]);
        buf.put_slice(&back[..n - first]);
        pipe.octets.drain(..n);
        pipe.read += n as u64;
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
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
        let state = Arc::clone(&self.state);
        let mut state = state.lock();
        if self.pauses(state.shape, 1, cx) {
            return Poll::Pending;
        }
        let side = self.side;
        let moved = state.pipes[side as usize].written;
        let kinds = [Kind::Write, Kind::WriteOn, Kind::WriteZero];
        let most = match state.check(side, &kinds, moved) {
            Check::Most(most) => most,
            Check::Zero => return Poll::Ready(Ok(0)),
            Check::Fails(error) => return Poll::Ready(Err(error)),
        };
        let capacity = state.shape.capacity();
        let pipe = &mut state.pipes[side as usize];
        if pipe.deaf || pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = capacity - pipe.octets.len();
        if room == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut left = most.min(room);
        let mut taken = 0;
        for buf in bufs {
            let n = buf.len().min(left);
            pipe.octets.extend(&buf[..n]);
            left -= n;
            taken += n;
        }
        pipe.written += taken as u64;
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock();
        let flushes = state.flushes[self.side as usize];
        if let Check::Fails(error) = state.check(self.side, &[Kind::Flush], flushes) {
            return Poll::Ready(Err(error));
        }
        state.flushes[self.side as usize] += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock();
        let shutdowns = state.shutdowns[self.side as usize];
        let result = match state.check(self.side, &[Kind::Shutdown], shutdowns) {
            Check::Fails(error) => Err(error),
            _ => Ok(()),
        };
        state.shutdowns[self.side as usize] += 1;
        let pipe = &mut state.pipes[self.side as usize];
        pipe.ended = true;
        pipe.wake();
        Poll::Ready(result)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        let this = self.side as usize;
        state.dropped[this] = true;
        state.pipes[this].ended = true;
        state.pipes[1 - this].deaf = true;
        for pipe in &mut state.pipes {
            pipe.wake();
        }
    }
}
