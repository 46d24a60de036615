//! An IO and an executor that give nothing away: the IO takes what it likes and
//! is `Pending` when it likes, and the executor polls only who was woken.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How a mock behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) seed: u64,
    /// A call is `Pending` in this many of 16 cases.
    pub(crate) pending: u64,
    /// Octets that a call takes or gives at most.
    pub(crate) most: usize,
    pub(crate) vectored: bool,
}

#[derive(Debug)]
pub(crate) struct State {
    manners: Manners,
    random: u64,
    /// What was written.
    pub(crate) wire: Vec<u8>,
    /// What will be read.
    pub(crate) inbound: VecDeque<u8>,
    pub(crate) eof: bool,
    pub(crate) shut_down: bool,
    /// Writes fail from this many octets on.
    pub(crate) fail_at: Option<usize>,
    /// Writes take nothing from this many octets on.
    pub(crate) stuck_at: Option<usize>,
    /// Write calls that took octets.
    pub(crate) writes: usize,
    /// The front of what a write was offered that was `Pending`.
    offered: Vec<u8>,
    /// Whether the next write has to start with that.
    pub(crate) is_strict: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Octets of an offer that are remembered.
const REMEMBERED: usize = 2_000;

impl State {
    pub(crate) fn manners_mut(&mut self) -> &mut Manners {
        &mut self.manners
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below.max(1)
    }

    /// As an IO that has encrypted what it was offered would, insists on the same
    /// octets after it was `Pending`.
    fn is_offered(&mut self, bufs: &[IoSlice<'_>], is_pending: bool) {
        let mut front = Vec::new();
        for buf in bufs {
            front.extend(&buf[..buf.len().min(REMEMBERED - front.len())]);
        }
        let both = self.offered.len().min(front.len());
        assert!(
            !self.is_strict || self.offered[..both] == front[..both] || std::thread::panicking(),
            "other octets are offered than before"
        );
        self.offered = if is_pending { front } else { Vec::new() };
    }

    fn is_reluctant(&mut self) -> bool {
        let pending = self.manners.pending;
        self.random(16) < pending
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Mock(pub(crate) Arc<Mutex<State>>);

impl Mock {
    pub(crate) fn new(manners: Manners) -> Self {
        Self(Arc::new(Mutex::new(State {
            manners,
            random: manners.seed | 1,
            wire: Vec::new(),
            inbound: VecDeque::new(),
            eof: false,
            shut_down: false,
            fail_at: None,
            stuck_at: None,
            writes: 0,
            offered: Vec::new(),
            is_strict: true,
            reader: None,
            writer: None,
        })))
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The peer sends.
    pub(crate) fn deliver(&self, octets: &[u8]) {
        self.state().inbound.extend(octets);
    }

    /// From now on a call is `Pending` in this many of 16 cases.
    pub(crate) fn set_pending(&self, pending: u64) {
        self.state().manners.pending = pending;
    }

    /// Drops the wakers of those who wait.
    pub(crate) fn forget_wakers(&self) {
        let mut state = self.state();
        let wakers = (state.reader.take(), state.writer.take());
        drop(state);
        drop(wakers);
    }

    /// The socket becomes ready, for those who asked: wakes one who waits.
    /// Returns whether there was one.
    pub(crate) fn become_ready(&self) -> bool {
        let mut state = self.state();
        let has_input = !state.inbound.is_empty() || state.eof;
        let waker = match state.writer.take() {
            Some(writer) => Some(writer),
            None if has_input => state.reader.take(),
            None => None,
        };
        drop(state);
        waker.map(Waker::wake).is_some()
    }
}

impl AsyncRead for Mock {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if (state.inbound.is_empty() && !state.eof) || state.is_reluctant() {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = state.manners.most as u64;
        let n = state.random(most) as usize + 1;
        let n = n.min(buf.remaining()).min(state.inbound.len());
        let octets: Vec<u8> = state.inbound.drain(..n).collect();
        buf.put_slice(&octets);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Mock {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        assert!(!state.shut_down, "written to after shutdown");
        let is_reluctant = state.is_reluctant();
        state.is_offered(bufs, is_reluctant);
        if is_reluctant {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.fail_at.is_some_and(|at| state.wire.len() >= at) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if state.stuck_at.is_some_and(|at| state.wire.len() >= at) {
            return Poll::Ready(Ok(0));
        }
        let most = state.manners.most as u64;
        let mut left = state.random(most) as usize + 1;
        if let Some(at) = state.fail_at {
            left = left.min(at - state.wire.len());
        }
        let vectored = state.manners.vectored;
        let mut taken = 0;
        for buf in bufs {
            let n = buf.len().min(left);
            state.wire.extend(&buf[..n]);
            left -= n;
            taken += n;
            if !vectored && taken > 0 {
                break;
            }
        }
        state.writes += usize::from(taken > 0);
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.state().manners.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.is_reluctant() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().shut_down = true;
        Poll::Ready(Ok(()))
    }
}

/// An IO whose writes are a function of what they are given. It has nothing to
/// read, and takes one slice at a time.
pub(crate) struct Told<S> {
    pub(crate) state: S,
    write: fn(&mut S, &[u8]) -> Poll<io::Result<usize>>,
}

impl<S> Told<S> {
    pub(crate) fn new(state: S, write: fn(&mut S, &[u8]) -> Poll<io::Result<usize>>) -> Self {
        Self { state, write }
    }
}

impl<S: Unpin> AsyncRead for Told<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl<S: Unpin> AsyncWrite for Told<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if std::thread::panicking() {
            // The last attempt of a transport in a test that has failed.
            return Poll::Pending;
        }
        let me = &mut *self;
        (me.write)(&mut me.state, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Counts the wakes of one task.
#[derive(Debug, Default)]
pub(crate) struct Alarm(pub(crate) AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls a task until it is done, but only when it was woken, and lets the
/// socket become ready only when there is nobody else to run.
pub(crate) fn run<T>(mock: &Mock, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let mut cx = Context::from_waker(&waker);
    let mut seen = 0;
    loop {
        if let Poll::Ready(done) = poll(&mut cx) {
            return done;
        }
        if alarm.0.load(Ordering::SeqCst) == seen {
            assert!(
                mock.become_ready(),
                "a wake-up is lost: nobody will ever poll"
            );
        }
        seen = alarm.0.load(Ordering::SeqCst);
    }
}
