//! What a caching verifier counts.

/// Counters of a [`CachingVerifier`](super::CachingVerifier), since it was made.
///
/// `hits + misses` is the number of chains that it was asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifierStats {
    /// Questions that were answered from the cache, after a wait or not.
    pub hits: u64,
    /// Questions that went to the verifier within.
    pub misses: u64,
    /// Misses that the verifier within answered with an error.
    pub failures: u64,
    /// Questions that waited for another thread that was verifying the same,
    /// whatever came of it.
    pub waited: u64,
    /// Lookups that found an entry which is no longer good, or which is from
    /// later than now because the clock was turned back.
    pub expired: u64,
    /// Entries that were dropped to make room: those not used for longest.
    pub evicted: u64,
    /// Entries that were dropped by
    /// [`invalidate_all`](super::CachingVerifier::invalidate_all).
    pub invalidated: u64,
    /// Entries that are there now. One that is no longer good stays until it is
    /// asked for or has to make room.
    pub entries: u64,
}
