//! What the receive windows of many connections may come to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::sync::AtomicU64;

/// A bound on what receive windows take beyond their floors, shared by any number
/// of connections.
///
/// Every stream may always have its floor, the window that it starts with
/// ([`FlowControl::initial_window`](crate::FlowControl::initial_window)). What a
/// window grows beyond that is taken from the budget, and goes back when the
/// stream has ended and its octets are consumed, or when the window shrinks. So
/// with a [`FlowControlLayer`](crate::layer::FlowControlLayer) the octets that
/// peers may send and those that have come and are not consumed are never more
/// than the budget and the floors of the streams that are open, but for what came
/// before the layer had found its stream. A peer that sends more than it was told of
/// loses its connection.
///
/// What a connection takes leaves at least as much free as it has then. So one alone
/// takes up to half of the budget, those that grow side by side come to about equal
/// shares, and there is always something for one that starts to grow: if each takes
/// all it can at once, a half of what the one before has left. Where there is too little, a window
/// stays as it is, and asks again as its octets are consumed. Nothing waits for
/// the budget, so nothing can deadlock.
///
/// Clones share one budget.
#[derive(Clone)]
pub struct WindowBudget {
    shared: Arc<Shared>,
}

struct Shared {
    octets: u64,
    used: AtomicU64,
}

impl WindowBudget {
    /// A budget of its own, of so many octets. With 0 no window grows.
    #[must_use]
    pub fn new(octets: u64) -> Self {
        let used = AtomicU64::new(0);
        let shared = Arc::new(Shared { octets, used });
        Self { shared }
    }

    /// The octets that windows may take.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.shared.octets
    }

    /// The octets that windows have taken, of all connections that share it.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// Takes up to `octets` for one that has `held` already, and leaves as much as
    /// it has then. Returns what it took.
    pub(crate) fn take(&self, octets: u64, held: u64) -> u64 {
        let mut used = self.used();
        loop {
            let free = self.octets().saturating_sub(used);
            let taken = octets.min(free.saturating_sub(held) / 2);
            if taken == 0 {
                return 0;
            }
            let (before, after) = (Ordering::Relaxed, Ordering::Relaxed);
            match self
                .shared
                .used
                .compare_exchange_weak(used, used + taken, before, after)
            {
                Ok(_) => return taken,
                Err(now) => used = now,
            }
        }
    }

    /// Gives octets back.
    pub(crate) fn give(&self, octets: u64) {
        let before = self.shared.used.fetch_sub(octets, Ordering::Relaxed);
        debug_assert!(before >= octets, "more is given back than was taken");
    }
}

impl Default for WindowBudget {
    /// The budget that the whole process shares: 256 MiB.
    fn default() -> Self {
        static SHARED: std::sync::OnceLock<WindowBudget> = std::sync::OnceLock::new();
        SHARED.get_or_init(|| Self::new(256 << 20)).clone()
    }
}

impl fmt::Debug for WindowBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WindowBudget")
            .field("octets", &self.octets())
            .field("used", &self.used())
            .finish()
    }
}

/// What one holds of a budget. It goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: WindowBudget,
    octets: u64,
}

impl Share {
    pub(crate) fn none(budget: WindowBudget) -> Self {
        Self { budget, octets: 0 }
    }

    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Takes up to `octets` more, for a connection that holds `held` in all.
    /// Returns what it took.
    pub(crate) fn grow(&mut self, octets: u64, held: u64) -> u64 {
        let taken = self.budget.take(octets, held);
        self.octets += taken;
        taken
    }

    /// Gives back what is beyond `octets`. Returns how much that was.
    pub(crate) fn shrink_to(&mut self, octets: u64) -> u64 {
        let surplus = self.octets.saturating_sub(octets);
        if surplus > 0 {
            self.octets -= surplus;
            self.budget.give(surplus);
        }
        surplus
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(all(test, framewright_loom))]
mod loom_tests;
#[cfg(test)]
mod tests;
