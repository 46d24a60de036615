//! How a transport behaves.

use crate::pool::BufferPool;

/// How a [`Transport`](crate::Transport) behaves.
///
/// The defaults suit servers and clients, on TCP and on TLS.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) pool: BufferPool,
}

impl Config {
    /// The configuration with every value at its default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pool: BufferPool::default(),
        }
    }

    /// Takes buffers from `pool`.
    ///
    /// # Default
    ///
    /// [`BufferPool::default`], the one that the whole process shares.
    #[must_use]
    pub fn pool(mut self, pool: BufferPool) -> Self {
        self.pool = pool;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
