//! What a pool counts.

use std::sync::atomic::Ordering::Relaxed;

use super::class::SIZES;
use crate::sync::AtomicU64;

/// Counters of a [`BufferPool`](super::BufferPool), since it was made.
///
/// They are sums over threads that go on meanwhile. Read while no thread takes
/// or returns a buffer they agree exactly:
///
/// - `hits + misses` is the number of buffers that were ever asked for;
/// - `misses == outstanding + retained + trims + discarded`.
///
/// `retained_octets` is never over [`PoolConfig::max_retained`], whenever it
/// is read.
///
/// [`PoolConfig::max_retained`]: super::PoolConfig::max_retained
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Requests that were served with a buffer used before.
    pub hits: u64,
    /// Requests that took a new allocation, `one_offs` included.
    pub misses: u64,
    /// Requests over the largest class, whose buffers are never kept.
    pub one_offs: u64,
    /// Buffers that are held now, frozen ones included.
    pub outstanding: u64,
    /// Octets of capacity of the buffers that are held now.
    pub outstanding_octets: u64,
    /// Buffers that are kept now for later use.
    pub retained: u64,
    /// Octets of the buffers that are kept now for later use.
    pub retained_octets: u64,
    /// Kept buffers that were freed by trimming.
    pub trims: u64,
    /// Buffers that were freed when they came back, because no place was left
    /// for them or because they were one-offs.
    pub discarded: u64,
}

/// The part of the counters that one thread keeps for itself.
///
/// A buffer may be returned by another thread than the one that took it, so the
/// gauges of one thread may be negative: only their sum is meaningful.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) one_offs: u64,
    pub(super) discarded: u64,
    pub(super) trims: u64,
    pub(super) outstanding: i64,
    pub(super) outstanding_octets: i64,
}

impl Tally {
    /// Counts a request for `octets`, and whether it was a hit.
    #[inline]
    pub(super) fn serve(&mut self, hit: bool, octets: usize, class: Option<usize>) {
        self.hits += u64::from(hit);
        self.misses += u64::from(!hit);
        self.one_offs += u64::from(class.is_none());
        self.outstanding += 1;
        self.outstanding_octets += class.map_or(octets, |class| SIZES[class]) as i64;
    }

    /// Counts the return of a buffer of `octets`.
    #[inline]
    pub(super) fn put(&mut self, octets: usize) {
        self.outstanding -= 1;
        self.outstanding_octets -= octets as i64;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.one_offs += other.one_offs;
        self.discarded += other.discarded;
        self.trims += other.trims;
        self.outstanding += other.outstanding;
        self.outstanding_octets += other.outstanding_octets;
    }

    /// The public counters, without what is retained.
    pub(super) fn stats(&self) -> PoolStats {
        PoolStats {
            hits: self.hits,
            misses: self.misses,
            one_offs: self.one_offs,
            // A buffer that moved between threads under way may have been
            // counted only where it came back.
            outstanding: self.outstanding.try_into().unwrap_or(0),
            outstanding_octets: self.outstanding_octets.try_into().unwrap_or(0),
            trims: self.trims,
            discarded: self.discarded,
            ..PoolStats::default()
        }
    }
}

/// A tally that all threads share: of those that ended, and of the moments when
/// a thread could not use its own.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct SharedTally {
    hits: AtomicU64,
    misses: AtomicU64,
    one_offs: AtomicU64,
    discarded: AtomicU64,
    trims: AtomicU64,
    /// Two's complement, as the next one.
    outstanding: AtomicU64,
    outstanding_octets: AtomicU64,
}

impl SharedTally {
    // Not derived: the model checker's atomics have no `Default`.
    pub(super) fn new() -> Self {
        Self {
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            one_offs: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
            trims: AtomicU64::new(0),
            outstanding: AtomicU64::new(0),
            outstanding_octets: AtomicU64::new(0),
        }
    }

    pub(super) fn add(&self, tally: &Tally) {
        for (total, n) in [
            (&self.hits, tally.hits),
            (&self.misses, tally.misses),
            (&self.one_offs, tally.one_offs),
            (&self.discarded, tally.discarded),
            (&self.trims, tally.trims),
            (&self.outstanding, tally.outstanding as u64),
            (&self.outstanding_octets, tally.outstanding_octets as u64),
        ] {
            if n != 0 {
                total.fetch_add(n, Relaxed);
            }
        }
    }

    pub(super) fn load(&self) -> Tally {
        Tally {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            one_offs: self.one_offs.load(Relaxed),
            discarded: self.discarded.load(Relaxed),
            trims: self.trims.load(Relaxed),
            outstanding: self.outstanding.load(Relaxed) as i64,
            outstanding_octets: self.outstanding_octets.load(Relaxed) as i64,
        }
    }
}
