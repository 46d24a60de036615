//! How a pool behaves.

use std::time::Duration;

use super::class::{CLASSES, class_for};

/// How a [`BufferPool`](super::BufferPool) behaves.
///
/// # Example
///
/// ```
/// use framewright::{BufferPool, PoolConfig};
///
/// let config = PoolConfig::default()
///     .max_retained(8 << 20)
///     .shelf_capacity(16 << 10, 256);
/// let pool = BufferPool::new(config);
/// assert_eq!(pool.stats().retained_octets, 0);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Octets that the pool keeps at most for later use, in all its shelves
    /// and thread caches together. A bound at every instant. 0 keeps nothing.
    ///
    /// Default: 64 MiB.
    pub max_retained: usize,

    /// Octets of `max_retained` that one thread may keep for itself, so that
    /// it meets no other thread when it takes a buffer and gives it back. Only
    /// buffers of the four smaller classes are kept so. Never more than a
    /// sixteenth of `max_retained`, so that few threads cannot take all of
    /// it. 0 shares every buffer.
    ///
    /// Default: 256 KiB.
    pub max_per_thread: usize,

    /// How long a kept buffer may go unneeded until it is freed; see
    /// [`BufferPool::trim_idle`](super::BufferPool::trim_idle).
    ///
    /// Default: 10 seconds.
    pub idle_time: Duration,

    /// Buffers that the shared shelf of each class holds at most, in the order
    /// of [`BufferPool::CLASSES`](super::BufferPool::CLASSES).
    pub(super) shelves: [usize; CLASSES],
}

impl PoolConfig {
    /// Sets [`max_retained`](Self::max_retained), in octets.
    #[must_use]
    pub fn max_retained(mut self, octets: usize) -> Self {
        self.max_retained = octets;
        self
    }

    /// Sets [`max_per_thread`](Self::max_per_thread), in octets.
    #[must_use]
    pub fn max_per_thread(mut self, octets: usize) -> Self {
        self.max_per_thread = octets;
        self
    }

    /// Sets [`idle_time`](Self::idle_time).
    #[must_use]
    pub fn idle_time(mut self, time: Duration) -> Self {
        self.idle_time = time;
        self
    }

    /// Sets how many buffers the shared shelf keeps at most of the class that
    /// serves requests for `octets`. A slot takes 24 octets, used or not.
    ///
    /// # Defaults
    ///
    /// 1,024 buffers of each class up to 16 KiB, 256 of 64 KiB, 64 of 256 KiB
    /// and 16 of 1 MiB.
    ///
    /// # Panics
    ///
    /// If `octets` is over the largest class.
    #[must_use]
    pub fn shelf_capacity(mut self, octets: usize, buffers: usize) -> Self {
        let Some(class) = class_for(octets) else {
            panic!("no class of buffers holds {octets} octets");
        };
        self.shelves[class] = buffers;
        self
    }

    /// What one thread may keep, after the clamp.
    pub(super) fn per_thread(&self) -> usize {
        self.max_per_thread.min(self.max_retained / 16)
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_retained: 64 << 20,
            max_per_thread: 256 << 10,
            idle_time: Duration::from_secs(10),
            // No shelf alone takes much more than a quarter of the default bound.
            shelves: [1024, 1024, 1024, 256, 64, 16],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::SIZES;
    use super::*;

    #[test]
    fn defaults_are_what_the_docs_say() {
        let config = PoolConfig::default();
        for (size, buffers) in SIZES.into_iter().zip(config.shelves) {
            assert!(size * buffers < 17 << 20);
        }
        assert_eq!(config.per_thread(), 256 << 10);
        assert_eq!(config.max_retained(1 << 20).per_thread(), 64 << 10);
    }

    #[test]
    #[should_panic(expected = "no class of buffers holds")]
    fn there_is_no_shelf_over_the_largest_class() {
        let _ = PoolConfig::default().shelf_capacity(2 << 20, 1);
    }
}
