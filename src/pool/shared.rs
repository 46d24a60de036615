//! What the handles and the buffers of one pool share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64 as StaticU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::PooledBuf;
use super::class::{CLASSES, SIZES, class_for};
use super::config::PoolConfig;
use super::local::{self, Entry, ThreadCache};
use super::shelf::{Budget, Shelf};
use super::stats::{PoolStats, SharedTally, Tally};
use crate::sync::{AtomicBool, AtomicU64, Mutex};

/// Models of those who use a pool have it allocate: the thread-local of the caches
/// would be one for all threads of a model, and outlive it.
const IN_MODEL: bool = cfg!(all(test, framewright_loom));

/// The state of a pool.
///
/// Kept alive by its handles and by its buffers: those that are held, and those
/// in thread caches. The latter make a cycle through `threads`, which
/// [`Shared::close`] breaks when the last handle is dropped.
#[derive(Debug)]
pub(super) struct Shared {
    /// No other pool of this process has it, ever.
    pub(super) id: u64,
    pub(super) config: PoolConfig,
    pub(super) budget: Budget,
    shelves: [Shelf; CLASSES],
    /// The caches of the threads that use this pool. Its lock is taken before
    /// that of a cache, never after.
    threads: Mutex<Vec<Arc<ThreadCache>>>,
    /// Whether the last handle is gone: nothing is kept any more.
    closed: AtomicBool,
    tally: SharedTally,
    made: Instant,
    /// Milliseconds from `made` to the last check of what is idle.
    checked: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: PoolConfig) -> Self {
        // Not one of the model checker's, which live for one run of a model.
        static NEXT_ID: StaticU64 = StaticU64::new(0);
        let capacities = config.shelves;
        Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            budget: Budget::new(config.max_retained),
            shelves: std::array::from_fn(|class| Shelf::new(capacities[class], SIZES[class])),
            threads: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            tally: SharedTally::new(),
            made: Instant::now(),
            checked: AtomicU64::new(0),
            config,
        }
    }

    /// A buffer of at least `octets`.
    #[inline]
    pub(super) fn acquire(self: &Arc<Self>, octets: usize) -> PooledBuf {
        let class = class_for(octets);
        if IN_MODEL {
            return self.allocate(class.map_or(octets, |class| SIZES[class]));
        }
        let mut taken = None;
        // Written out, and each buffer moved once: a copy on the stack costs
        // as much here as the lock.
        let counted = local::with(self.id, |local| {
            if let Some(class) = class {
                if let Some(entry) = local.take(class) {
                    taken = Some(entry);
                } else {
                    taken = self.take_shared(class);
                }
            }
            local.tally.serve(taken.is_some(), octets, class);
        });
        if counted.is_none() {
            taken = self.find_alone(octets, class);
        }
        if let Some(entry) = taken {
            PooledBuf::new(entry)
        } else {
            self.allocate(class.map_or(octets, |class| SIZES[class]))
        }
    }

    /// Takes a buffer back.
    #[inline]
    pub(super) fn release(entry: Entry) {
        if IN_MODEL {
            return;
        }
        let id = entry.home.id;
        let mut entry = Some(entry);
        let due = local::with(id, |local| local.put(&mut entry));
        if let Some(entry) = entry {
            Self::release_shared(entry, due.is_some());
        }
        if let Some(Some(home)) = due {
            home.check();
        }
    }

    /// Takes back a buffer that has no place in a thread cache.
    #[cold]
    fn release_shared(Entry { octets, home }: Entry, counted: bool) {
        if !counted {
            let mut tally = Tally::default();
            tally.put(octets.len());
            home.tally.add(&tally);
            local::register(&home);
        }
        home.put_shared(octets);
    }

    /// Frees every buffer that nobody holds.
    pub(super) fn trim(&self) {
        let mut freed = Vec::new();
        for cache in self.threads.lock().iter() {
            cache.state.lock().drain(&self.budget, &mut freed);
        }
        let kept: usize = self.shelves.iter().map(|s| s.trim(&self.budget)).sum();
        self.free(freed, kept);
    }

    /// Frees what was never needed since the last check, if that is
    /// `idle_time` ago.
    pub(super) fn check(&self) {
        let idle = self.config.idle_time.as_millis();
        let now = self.made.elapsed().as_millis() as u64;
        let checked = self.checked.load(Relaxed);
        if u128::from(now.saturating_sub(checked)) < idle
            || self
                .checked
                .compare_exchange(checked, now, Relaxed, Relaxed)
                .is_err()
        {
            return;
        }
        let mut freed = Vec::new();
        for cache in self.threads.lock().iter() {
            cache.state.lock().drain_idle(&self.budget, &mut freed);
        }
        let kept = self.shelves.iter().map(|s| s.trim_idle(&self.budget));
        self.free(freed, kept.sum());
    }

    pub(super) fn stats(&self) -> PoolStats {
        // The lock keeps a thread that ends from being counted twice.
        let threads = self.threads.lock();
        let mut tally = self.tally.load();
        let mut retained: usize = self.shelves.iter().map(Shelf::len).sum();
        // First of all what is reserved, which is within the bound at every
        // instant; the credit that is taken off can only make it less.
        let mut octets = self.budget.reserved();
        for cache in threads.iter() {
            let local = cache.state.lock();
            tally.add(&local.tally);
            retained += local.len();
            octets = octets.saturating_sub(local.credit());
        }
        PoolStats {
            retained: retained as u64,
            retained_octets: octets as u64,
            ..tally.stats()
        }
    }

    /// Octets that are kept, counted one buffer at a time.
    #[cfg(all(test, not(framewright_loom)))]
    pub(super) fn walk(&self) -> usize {
        let threads = self.threads.lock();
        let cached = threads.iter().map(|cache| cache.state.lock().walk());
        let shelves = self.shelves.iter().zip(SIZES);
        cached.sum::<usize>() + shelves.map(|(s, size)| s.len() * size).sum::<usize>()
    }

    /// Frees what is kept and keeps nothing from now on: the last handle is
    /// gone. Buffers that are still held are freed as they come back.
    pub(super) fn close(&self) {
        let mut freed = Vec::new();
        let mut threads = self.threads.lock();
        // Under the lock, so that no cache is enrolled after this.
        self.closed.store(true, SeqCst);
        for cache in threads.drain(..) {
            cache.state.lock().close(&self.budget, &mut freed);
        }
        drop(threads);
        self.free(freed, 0);
        self.clear_shelves();
    }

    /// Adds the cache of a thread, unless the pool is closed.
    pub(super) fn enroll(&self, cache: &Arc<ThreadCache>) -> bool {
        let mut threads = self.threads.lock();
        let open = !self.closed.load(SeqCst);
        if open {
            threads.push(Arc::clone(cache));
        }
        open
    }

    /// Takes over what the cache of a thread that ends keeps, and what it
    /// counted.
    pub(super) fn retire(&self, cache: &Arc<ThreadCache>) {
        let mut left = Vec::new();
        let mut threads = self.threads.lock();
        let Some(at) = threads.iter().position(|other| Arc::ptr_eq(other, cache)) else {
            return; // The pool was closed.
        };
        threads.swap_remove(at);
        let mut local = cache.state.lock();
        local.close(&self.budget, &mut left);
        self.tally.add(&local.tally);
        drop(local);
        for entry in left {
            if let Some(class) = class_for(entry.octets.len()) {
                let put = self.shelves[class].put_reserved(&self.budget, entry.octets);
                self.after_put(put.is_ok());
            }
        }
    }

    /// Serves a thread that has no cache, or cannot use it now.
    #[cold]
    fn find_alone(self: &Arc<Self>, octets: usize, class: Option<usize>) -> Option<Entry> {
        let entry = class.and_then(|class| self.take_shared(class));
        let mut tally = Tally::default();
        tally.serve(entry.is_some(), octets, class);
        self.tally.add(&tally);
        local::register(self);
        entry
    }

    fn take_shared(self: &Arc<Self>, class: usize) -> Option<Entry> {
        let octets = self.shelves[class].take(&self.budget)?;
        Some(Entry {
            octets,
            home: Arc::clone(self),
        })
    }

    /// Puts a buffer whose return is counted on its shelf, or frees it.
    pub(super) fn put_shared(&self, octets: Box<[u8]>) {
        let put = match class_for(octets.len()) {
            Some(class) => self.shelves[class].put(&self.budget, octets),
            None => Err(octets),
        };
        self.after_put(put.is_ok());
    }

    fn after_put(&self, kept: bool) {
        if !kept {
            self.tally.add(&Tally {
                discarded: 1,
                ..Tally::default()
            });
        } else if self.closed.load(SeqCst) {
            // The pool may have been closed, and its shelves cleared, between
            // the decision to put and the put. One of the two sees the other.
            self.clear_shelves();
        }
    }

    fn clear_shelves(&self) {
        for shelf in &self.shelves {
            while shelf.take(&self.budget).is_some() {}
        }
    }

    /// Frees buffers that were drained from thread caches, and counts them and
    /// `others`. No lock is held: the allocator may take its time.
    fn free(&self, entries: Vec<Entry>, others: usize) {
        let trims = (entries.len() + others) as u64;
        for entry in entries {
            let octets = entry.octets.len();
            drop(entry);
            self.budget.give_back(octets);
        }
        self.tally.add(&Tally {
            trims,
            ..Tally::default()
        });
    }

    #[cold]
    fn allocate(self: &Arc<Self>, octets: usize) -> PooledBuf {
        PooledBuf::new(Entry {
            octets: vec![0; octets].into(),
            home: Arc::clone(self),
        })
    }
}
