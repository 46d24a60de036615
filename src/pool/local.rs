//! The buffers and counters that a thread keeps for itself.
//!
//! A [`ThreadCache`] is reached through a thread-local by its thread and
//! through the pool's register by whoever trims, counts or closes the pool. So
//! it has a lock, which its thread only ever *tries*: when another one looks in
//! at that moment, the thread goes to the shared shelves instead and waits for
//! nothing. Lock and unlock touch a cache line that no other thread writes.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use super::class::{SIZES, class_for};
use super::shared::Shared;
use super::shelf::Budget;
use super::stats::Tally;
use crate::sync::OwnerLock;

/// Classes that threads keep for themselves: up to 64 KiB. The cost of a
/// shared shelf is nothing beside that of filling a larger buffer.
pub(super) const LOCAL_CLASSES: usize = 4;

/// Buffers that a thread keeps of each class. A batch of 16 KiB frames that
/// one connection has under way fits.
const SLOTS: [usize; LOCAL_CLASSES] = [8, 8, 8, 2];

/// Pools that one thread keeps a cache for.
const MAX_POOLS: usize = 8;

/// Returns of a buffer between two looks at the clock.
const CHECK_EVERY: u32 = 256;

/// A free buffer in a thread cache, or on its way there.
///
/// It keeps its reference to the pool, so that taking it from the cache
/// touches no counter that threads share.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) octets: Box<[u8]>,
    pub(super) home: Arc<Shared>,
}

/// What one thread keeps of one pool.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct ThreadCache {
    id: u64,
    pool: Weak<Shared>,
    pub(super) state: OwnerLock<Local>,
}

#[derive(Debug)]
pub(super) struct Local {
    /// Whether the pool is gone, or the thread: nothing is kept any more.
    closed: bool,
    returns: u32,
    stacks: [Vec<Entry>; LOCAL_CLASSES],
    /// The fewest buffers in each stack since the last check.
    low: [usize; LOCAL_CLASSES],
    /// Octets in the stacks; never over `reserved`.
    used: usize,
    /// Octets of the pool's budget that this thread holds; never over `limit`.
    /// It stays when a buffer is taken, so that the return needs no new one.
    reserved: usize,
    limit: usize,
    pub(super) tally: Tally,
}

impl ThreadCache {
    pub(super) fn new(pool: &Arc<Shared>) -> Self {
        Self {
            id: pool.id,
            pool: Arc::downgrade(pool),
            state: OwnerLock::new(Local {
                closed: false,
                returns: 0,
                stacks: SLOTS.map(Vec::with_capacity),
                low: [0; LOCAL_CLASSES],
                used: 0,
                reserved: 0,
                limit: pool.config.per_thread(),
                tally: Tally::default(),
            }),
        }
    }
}

impl Local {
    /// Takes a buffer of `class` from the stacks, uncounted.
    #[inline]
    pub(super) fn take(&mut self, class: usize) -> Option<Entry> {
        let stack = self.stacks.get_mut(class)?;
        let entry = stack.pop();
        self.low[class] = self.low[class].min(stack.len());
        if entry.is_some() {
            self.used -= SIZES[class];
        }
        entry
    }

    /// Counts the return of a buffer, and takes it out of `entry` if there is a
    /// place for it here. Returns the pool if a check of what is idle is due.
    #[inline]
    pub(super) fn put(&mut self, entry: &mut Option<Entry>) -> Option<Arc<Shared>> {
        let returned = entry.as_ref()?;
        let octets = returned.octets.len();
        self.tally.put(octets);
        self.returns = self.returns.wrapping_add(1);
        let due = if self.returns.is_multiple_of(CHECK_EVERY) {
            Some(Arc::clone(&returned.home))
        } else {
            None
        };
        if let Some(class) = class_for(octets)
            && self.has_place(class, &returned.home.budget)
            && let Some(stack) = self.stacks.get_mut(class)
            && let Some(entry) = entry.take()
        {
            stack.push(entry);
            self.used += octets;
            debug_assert!(self.used <= self.reserved);
        }
        due
    }

    #[inline]
    fn has_place(&mut self, class: usize, budget: &Budget) -> bool {
        let Some(stack) = self.stacks.get(class) else {
            return false;
        };
        if self.closed || stack.len() >= SLOTS[class] {
            return false;
        }
        let needed = self.used + SIZES[class];
        if needed > self.reserved {
            if needed > self.limit || !budget.try_reserve(needed - self.reserved) {
                return false;
            }
            self.reserved = needed;
        }
        true
    }

    /// Octets that are kept here, counted one buffer at a time.
    #[cfg(all(test, not(framewright_loom)))]
    pub(super) fn walk(&self) -> usize {
        let entries = self.stacks.iter().flatten();
        entries.map(|entry| entry.octets.len()).sum()
    }

    /// A limit that the small pool of a model would not give.
    #[cfg(all(test, framewright_loom))]
    pub(super) fn limit_for_model(&mut self, octets: usize) {
        self.limit = octets;
    }

    /// Octets that are reserved but hold no buffer.
    pub(super) fn credit(&self) -> usize {
        self.reserved - self.used
    }

    /// Buffers that are kept here.
    pub(super) fn len(&self) -> usize {
        self.stacks.iter().map(Vec::len).sum()
    }

    /// Moves all buffers to `out`; their octets stay reserved, for the caller
    /// to give back. What was reserved without a buffer is given back here.
    pub(super) fn drain(&mut self, budget: &Budget, out: &mut Vec<Entry>) {
        for (stack, low) in self.stacks.iter_mut().zip(&mut self.low) {
            out.append(stack);
            *low = 0;
        }
        self.give_back_credit(budget);
        self.reserved = 0;
        self.used = 0;
    }

    /// As [`Local::drain`], for the buffers that were never needed since the
    /// last check.
    pub(super) fn drain_idle(&mut self, budget: &Budget, out: &mut Vec<Entry>) {
        for (class, stack) in self.stacks.iter_mut().enumerate() {
            // The oldest lie at the bottom: the top is warm.
            let idle = self.low[class].min(stack.len());
            out.extend(stack.drain(..idle));
            self.low[class] = stack.len();
            self.used -= idle * SIZES[class];
            self.reserved -= idle * SIZES[class];
        }
        self.give_back_credit(budget);
    }

    /// As [`Local::drain`], and keeps nothing from now on.
    pub(super) fn close(&mut self, budget: &Budget, out: &mut Vec<Entry>) {
        self.closed = true;
        self.drain(budget, out);
    }

    fn give_back_credit(&mut self, budget: &Budget) {
        budget.give_back(self.credit());
        self.reserved = self.used;
    }
}

/// The caches of this thread, one for each pool that it uses.
struct Caches(Vec<Arc<ThreadCache>>);

thread_local! {
    static CACHES: RefCell<Caches> = const { RefCell::new(Caches(Vec::new())) };
}

impl Drop for Caches {
    fn drop(&mut self) {
        for cache in self.0.drain(..) {
            if let Some(pool) = cache.pool.upgrade() {
                pool.retire(&cache);
            }
        }
    }
}

/// Calls `f` with what this thread keeps of the pool `id`. Returns `None`, and
/// does not call `f`, if it keeps nothing, if another thread is looking at it
/// now, or if this thread is ending.
#[inline]
pub(super) fn with<R>(id: u64, f: impl FnOnce(&mut Local) -> R) -> Option<R> {
    let called = CACHES.try_with(|caches| {
        let caches = caches.try_borrow().ok()?;
        let cache = caches.0.iter().find(|cache| cache.id == id)?;
        let mut local = cache.state.try_lock()?;
        Some(f(&mut local))
    });
    called.ok().flatten()
}

/// Gives this thread a cache for `pool`, from its next use on.
#[cold]
pub(super) fn register(pool: &Arc<Shared>) {
    // Not while the thread ends, and not from within `with`.
    let _ = CACHES.try_with(|caches| {
        let Ok(mut caches) = caches.try_borrow_mut() else {
            return;
        };
        if caches.0.iter().any(|cache| cache.id == pool.id) {
            return;
        }
        caches.0.retain(|cache| cache.pool.strong_count() > 0);
        if caches.0.len() < MAX_POOLS {
            let cache = Arc::new(ThreadCache::new(pool));
            if pool.enroll(&cache) {
                caches.0.push(cache);
            }
        }
    });
}
