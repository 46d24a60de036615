//! Buffers that are used again.
//!
//! A buffer goes back, in this order, to a small cache of the thread that drops
//! it ([`local`]), to the shelf of its class that all threads share
//! ([`shelf`]), or to the allocator. What the caches and shelves keep together
//! is bounded at every instant; what is never needed for a while is freed.

mod buf;
mod class;
mod config;
mod local;
mod shared;
mod shelf;
mod stats;

#[cfg(all(test, framewright_loom))]
mod loom_tests;
#[cfg(all(test, not(framewright_loom)))]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

pub use buf::PooledBuf;
pub use config::PoolConfig;
pub use stats::PoolStats;

use shared::Shared;

/// A pool of buffers in a few sizes: a cheap handle, to be cloned freely.
///
/// Why: an HTTP/2 transport needs a buffer for every read and every batch of
/// small frames, and none at all while a connection is idle. With a pool the
/// connections of a process share the few buffers that are in use at a time,
/// and none of them is allocated, zeroed or faulted in again.
///
/// # Sizes
///
/// A request is served from the smallest class of [`BufferPool::CLASSES`] that
/// holds it. One over the largest class gets an allocation of exactly its size
/// that is freed and not kept when it is dropped
/// ([`PoolStats::one_offs`]).
///
/// # Threads
///
/// Handles and buffers may be sent anywhere; a buffer goes back to the thread
/// that drops it. Each thread keeps a few buffers for itself
/// ([`PoolConfig::max_per_thread`]); the others lie on lock-free shelves that
/// all threads share. [`acquire`](Self::acquire) and the drop of a buffer wait
/// for no lock, but for the first use of a pool by a thread and the rare idle
/// check below. When a thread ends, its buffers go to the shelves. A thread
/// keeps buffers of at most 8 pools for itself, and uses the shelves of any
/// more.
///
/// # What is kept, and for how long
///
/// - [`PoolConfig::max_retained`] octets at most, at every instant.
/// - A buffer that was not needed for [`PoolConfig::idle_time`] or longer is
///   freed at the next check. There is no background thread: each thread
///   that returns buffers looks at the clock every 256 returns, and whoever
///   wants it sooner calls [`trim_idle`](Self::trim_idle). So a pool that
///   nobody uses at all keeps what it has.
/// - [`trim`](Self::trim) frees everything that nobody holds.
/// - When the last handle of a pool is dropped, everything that it keeps is
///   freed, wherever it lies; buffers that are still held stay valid and are
///   freed when they are dropped.
#[derive(Clone)]
pub struct BufferPool {
    handle: Arc<Handle>,
}

impl BufferPool {
    /// Octets of capacity of each class of buffers, smallest first: 1 KiB and
    /// 4 KiB, and 16 KiB, 64 KiB, 256 KiB and 1 MiB with room for the heads of
    /// frames and TLS records that stand around so much payload.
    pub const CLASSES: [usize; class::CLASSES] = class::SIZES;

    /// A pool of its own.
    ///
    /// For the one that the whole process shares, call
    /// [`BufferPool::default`].
    #[must_use]
    pub fn new(config: PoolConfig) -> Self {
        Self {
            handle: Arc::new(Handle(Arc::new(Shared::new(config)))),
        }
    }

    /// An empty buffer that can hold at least `min_octets`, of the class that
    /// fits best; 0 asks for the smallest.
    ///
    /// Its capacity is all of the class: fill it, if there is anything to fill
    /// it with.
    #[inline]
    #[must_use]
    pub fn acquire(&self, min_octets: usize) -> PooledBuf {
        self.handle.0.acquire(min_octets)
    }

    /// What the pool has counted up to now. Visits every thread that uses the
    /// pool: for metrics, not for a hot path.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.handle.0.stats()
    }

    /// Frees every buffer that nobody holds now, those that other threads keep
    /// for themselves included. A buffer that comes back while this runs may
    /// stay.
    pub fn trim(&self) {
        self.handle.0.trim();
    }

    /// Frees the buffers that were not needed since the last check, unless that
    /// was less than [`PoolConfig::idle_time`] ago.
    ///
    /// A check notes for each class, and for each thread, the fewest buffers
    /// that lay unused at any moment since the check before: so many were not
    /// needed, and are freed. A buffer is thus freed between one and two
    /// idle times after its last use, if checks come often enough.
    ///
    /// Cheap when there is nothing to do: it reads the clock. Call it where
    /// the load ebbs, as when a connection goes idle.
    pub fn trim_idle(&self) {
        self.handle.0.check();
    }
}

/// The pool that the whole process shares, with the default configuration.
impl Default for BufferPool {
    fn default() -> Self {
        static SHARED: OnceLock<BufferPool> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::new(PoolConfig::default()))
            .clone()
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("config", &self.handle.0.config)
            .field("stats", &self.stats())
            .finish()
    }
}

/// What all clones of a handle share. Buffers do not hold it, so it tells when
/// the last handle is gone.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}
