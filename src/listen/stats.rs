//! What a listener counts, and how many connections it lets in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::task::{Context, Waker};

use crate::sync::{AtomicUsize, Mutex};

/// What a listener has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerStats {
    /// Connections taken from the kernel.
    pub accepted: u64,
    /// Connections that are open now, those in their handshakes included: what
    /// [`max_connections`](crate::ListenerBuilder::max_connections) is about. Not
    /// the one that waits for the place of an old handshake.
    pub open: usize,
    /// Connections that are in their handshakes now, or have not said yet what
    /// they speak.
    pub handshaking: usize,
    /// TLS handshakes that made a new session.
    pub full_handshakes: u64,
    /// TLS handshakes that resumed an earlier session.
    pub resumed_handshakes: u64,
    /// TLS handshakes that failed. What breaks after a handshake is in
    /// [`closed_early`](Self::closed_early).
    pub failed_handshakes: u64,
    /// Connections whose TLS handshake took too long.
    pub timed_out: u64,
    /// Connections that did not say in time what they speak.
    pub preface_timeouts: u64,
    /// Connections that ended before the client had said what it speaks. It closed
    /// them, as the probes of load balancers do; or, after TLS or in clear text, it
    /// sent an alert or a record that cannot be decrypted, or was out of reach.
    pub closed_early: u64,
    /// Connections that were closed in their handshakes, in favour of new ones.
    pub evicted: u64,
    /// Errors of the listening socket, such as too few file descriptors.
    pub accept_errors: u64,
}

/// A handle on a listener, for other tasks than the one that accepts.
///
/// It is cheap to clone, and keeps nothing open.
#[derive(Clone, Debug)]
pub struct ListenerHandle {
    shared: Arc<Shared>,
}

impl ListenerHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What the listener has done so far. Still answers once it is gone; the
    /// connections that it made are counted as open until they are dropped.
    #[must_use]
    pub fn stats(&self) -> ListenerStats {
        let shared = &*self.shared;
        ListenerStats {
            accepted: shared.accepted.load(Relaxed),
            open: shared.open.load(Relaxed),
            handshaking: shared.handshaking.load(Relaxed),
            full_handshakes: shared.full_handshakes.load(Relaxed),
            resumed_handshakes: shared.resumed_handshakes.load(Relaxed),
            failed_handshakes: shared.failed_handshakes.load(Relaxed),
            timed_out: shared.timed_out.load(Relaxed),
            preface_timeouts: shared.preface_timeouts.load(Relaxed),
            closed_early: shared.closed_early.load(Relaxed),
            evicted: shared.evicted.load(Relaxed),
            accept_errors: shared.accept_errors.load(Relaxed),
        }
    }
}

/// What a listener, its handshakes and its connections share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) accepted: AtomicU64,
    pub(super) full_handshakes: AtomicU64,
    pub(super) resumed_handshakes: AtomicU64,
    pub(super) failed_handshakes: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) preface_timeouts: AtomicU64,
    pub(super) closed_early: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) accept_errors: AtomicU64,
    handshaking: AtomicUsize,
    open: AtomicUsize,
    /// The task that waits until fewer are open.
    waiting: Mutex<Option<Waker>>,
}

impl Shared {
    /// Whether fewer than `max` connections are open. If not, the task is woken
    /// when one is closed.
    pub(super) fn has_room(&self, max: usize, cx: &Context<'_>) -> bool {
        self.is_below(max) || self.is_below_or_wakes(max, cx)
    }

    fn is_below(&self, max: usize) -> bool {
        self.open.load(SeqCst) < max
    }

    /// Takes the waker first and looks then. A slot counts down first and looks
    /// for a waker then. So of the two, one sees what the other has done; the other
    /// way round, a connection that is closed between the look and the waker would
    /// wake nobody.
    fn is_below_or_wakes(&self, max: usize, cx: &Context<'_>) -> bool {
        let old = self.waiting.lock().replace(cx.waker().clone());
        drop(old);
        self.is_below(max)
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Counts a connection as open.
#[derive(Debug)]
pub(super) struct Slot(Arc<Shared>);

impl Slot {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
        let waiting = self.0.waiting.lock().take();
        if let Some(task) = waiting {
            task.wake();
        }
    }
}

/// Counts a connection as being in its handshake.
#[derive(Debug)]
pub(super) struct Handshaking(Arc<Shared>);

impl Handshaking {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.handshaking.fetch_add(1, Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Handshaking {
    fn drop(&mut self) {
        self.0.handshaking.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, SeqCst);
        }
    }

    #[test]
    fn a_connection_that_closes_while_one_looks_for_room_is_not_missed() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        let shared = Arc::default();
        let slot = Slot::new(&shared);
        // Closed between the look and the waker: nobody is there to be woken, so it
        // has to be seen.
        assert!(!shared.is_below(1));
        drop(slot);
        assert!(shared.is_below_or_wakes(1, &cx));
        assert!(!woken.0.load(SeqCst));

        // Closed after that: what was looked at is stale, so it has to wake.
        let slot = Slot::new(&shared);
        assert!(!shared.has_room(1, &cx));
        drop(slot);
        assert!(woken.0.load(SeqCst));
        assert!(shared.has_room(1, &cx));
    }
}
