//! A buffer on loan.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;

use super::local::Entry;
use super::shared::Shared;

/// A buffer of a [`BufferPool`](super::BufferPool): empty when it is acquired,
/// filled from the front, and back in the pool when it is dropped.
///
/// It dereferences to the octets that are filled. The spare room behind them
/// is initialised, but to no particular value: it may hold what an earlier
/// holder left there, so write before you [`advance`](Self::advance).
///
/// # Example
///
/// ```
/// use framewright::BufferPool;
///
/// let mut buf = BufferPool::default().acquire(16);
/// buf.spare_mut()[..4].copy_from_slice(b"fram");
/// buf.advance(4);
/// assert_eq!(buf.append(b"ewright"), 7);
/// assert_eq!(&buf[..], b"framewright");
///
/// let frozen = buf.freeze();
/// assert_eq!(&frozen.slice(5..)[..], b"wright");
/// ```
pub struct PooledBuf {
    octets: Box<[u8]>,
    /// Octets that are filled; never over `octets.len()`.
    len: usize,
    /// `None` only while it is dropped.
    home: Option<Arc<Shared>>,
}

impl PooledBuf {
    #[inline]
    pub(super) fn new(entry: Entry) -> Self {
        Self {
            octets: entry.octets,
            len: 0,
            home: Some(entry.home),
        }
    }

    /// Octets that it can hold; at least what was asked for.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.octets.len()
    }

    /// Octets that it can hold beyond those that are filled.
    #[inline]
    #[must_use]
    pub fn spare(&self) -> usize {
        self.octets.len() - self.len
    }

    /// What is not filled yet, to be written into; then call
    /// [`advance`](Self::advance). Empty when the buffer is full.
    #[inline]
    pub fn spare_mut(&mut self) -> &mut [u8] {
        &mut self.octets[self.len..]
    }

    /// Counts the next `n` octets as filled.
    ///
    /// # Panics
    ///
    /// If `n` is over [`spare`](Self::spare).
    #[inline]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.spare(), "advanced past the end of the buffer");
        self.len += n;
    }

    /// Appends as many of `octets` as fit, and says how many.
    #[inline]
    pub fn append(&mut self, octets: &[u8]) -> usize {
        let n = octets.len().min(self.spare());
        self.octets[self.len..self.len + n].copy_from_slice(&octets[..n]);
        self.len += n;
        n
    }

    /// Forgets what it holds; the capacity stays.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The filled octets, to be sliced and shared without a copy. The buffer
    /// goes back to the pool when the last slice is dropped, on whatever
    /// thread that is; an empty one goes back right away.
    ///
    /// A small slice keeps the whole buffer out of the pool: copy what is to
    /// be kept for long. One small allocation is made for the shared owner.
    #[must_use]
    pub fn freeze(self) -> Bytes {
        if self.is_empty() {
            Bytes::new()
        } else {
            Bytes::from_owner(self)
        }
    }
}

impl Drop for PooledBuf {
    #[inline]
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            Shared::release(Entry {
                octets: std::mem::take(&mut self.octets),
                home,
            });
        }
    }
}

impl AsRef<[u8]> for PooledBuf {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for PooledBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

impl DerefMut for PooledBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.octets[..self.len]
    }
}

/// Shows sizes and no contents, which may be anyone's secret.
impl fmt::Debug for PooledBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledBuf")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
