//! Octets that wait for the next write.

use std::collections::VecDeque;

use crate::pool::{BufferPool, PooledBuf};

/// The first buffer of a batch: enough for many small frames.
const FIRST: usize = 4 * 1024;

/// The largest buffer of a batch.
const LARGEST: usize = 256 * 1024;

/// Copied octets in pooled buffers, in order. Holds no buffer while empty.
#[derive(Debug)]
pub(crate) struct Staged {
    pool: BufferPool,
    /// None of them is empty.
    bufs: VecDeque<PooledBuf>,
    /// Octets of the front buffer that are written already.
    written: usize,
    /// Octets in all buffers that are not written.
    len: usize,
    /// Octets that were ever appended.
    appended: u64,
    /// Whether the last buffer is one of a batch's own, each larger than the
    /// one before it.
    grows: bool,
}

impl Staged {
    pub(crate) fn new(pool: BufferPool) -> Self {
        Self {
            pool,
            bufs: VecDeque::new(),
            written: 0,
            len: 0,
            appended: 0,
            grows: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the next octet goes, counted from the first that ever was.
    pub(crate) fn position(&self) -> u64 {
        self.appended
    }

    pub(crate) fn append(&mut self, mut octets: &[u8]) {
        self.len += octets.len();
        self.appended += octets.len() as u64;
        if let Some(last) = self.bufs.back_mut() {
            let n = last.append(octets);
            octets = &octets[n..];
        }
        while !octets.is_empty() {
            // Each buffer of a batch is larger than the one before it, so that
            // a batch is a handful of buffers. A batch that is never quite
            // written goes on for ever, so there is a largest.
            let size = match self.bufs.back() {
                Some(last) if self.grows => (last.capacity() * 4).min(LARGEST),
                _ => FIRST,
            };
            self.grows = true;
            let mut buf = self.pool.acquire(size);
            let n = buf.append(octets);
            octets = &octets[n..];
            self.bufs.push_back(buf);
        }
    }

    /// Appends a buffer as it is, with no copy.
    pub(crate) fn append_buf(&mut self, buf: Option<PooledBuf>) {
        if let Some(buf) = buf.filter(|buf| !buf.is_empty()) {
            self.len += buf.len();
            self.appended += buf.len() as u64;
            self.bufs.push_back(buf);
            self.grows = false;
        }
    }

    /// Puts other octets in the place of those at `position`. Returns `false`,
    /// with nothing changed, if the first of them is written already.
    pub(crate) fn replace(&mut self, position: u64, octets: &[u8]) -> bool {
        let unwritten_from = self.appended - self.len as u64;
        let Some(at) = position.checked_sub(unwritten_from) else {
            return false;
        };
        let mut at = at as usize + self.written;
        let mut octets = octets.iter();
        for buf in &mut self.bufs {
            if let Some(rest) = buf.get_mut(at..) {
                for (old, new) in rest.iter_mut().zip(&mut octets) {
                    *old = *new;
                }
            }
            at = at.saturating_sub(buf.len());
        }
        true
    }

    /// The octets, oldest first, in at most as many slices as `out` takes.
    /// Returns how many slices it filled, and how many octets are in them.
    pub(crate) fn slices<'a>(&'a self, out: &mut [&'a [u8]]) -> (usize, usize) {
        let mut octets = 0;
        let mut count = 0;
        let mut skip = self.written;
        for (slot, buf) in out.iter_mut().zip(&self.bufs) {
            let unwritten = &buf[skip..];
            *slot = unwritten;
            octets += unwritten.len();
            count += 1;
            skip = 0;
        }
        (count, octets)
    }

    /// Up to `n` octets are written. Returns how many of them were ours.
    pub(crate) fn advance(&mut self, n: usize) -> usize {
        let ours = n.min(self.len);
        self.len -= ours;
        self.written += ours;
        while let Some(front) = self.bufs.front() {
            if self.written < front.len() {
                break;
            }
            self.written -= front.len();
            self.bufs.pop_front();
        }
        if self.bufs.is_empty() {
            // An idle connection gives its memory back.
            self.bufs = VecDeque::new();
        }
        ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolConfig;

    #[test]
    fn octets_are_replaced_until_they_are_written() {
        let pool = BufferPool::new(PoolConfig::default());
        let mut staged = Staged::new(pool);
        let mut expected = Vec::new();
        for i in 0..3_000_u32 {
            staged.append(&i.to_be_bytes());
            expected.extend(i.to_be_bytes());
        }
        assert!(staged.bufs.len() > 1, "some places lie across buffers");
        staged.advance(5_001);
        for at in (0..expected.len() - 9).step_by(7) {
            let replaced = staged.replace(at as u64, &[at as u8; 9]);
            assert_eq!(replaced, at >= 5_001);
            if replaced {
                expected[at..at + 9].fill(at as u8);
            }
        }
        let mut slices: [&[u8]; 8] = [&[]; 8];
        let (count, _) = staged.slices(&mut slices);
        assert!(slices[..count].concat() == expected[5_001..]);
    }

    #[test]
    fn octets_come_out_in_order_whatever_is_taken_at_a_time() {
        let pool = BufferPool::new(PoolConfig::default());
        for step in [1, 7, 4096, 100_000] {
            let mut staged = Staged::new(pool.clone());
            let mut expected = Vec::new();
            for i in 0..300_usize {
                let chunk = vec![i as u8; i * 3 % 1000 + 1];
                staged.append(&chunk);
                expected.extend(chunk);
            }
            assert_eq!(staged.len(), expected.len());
            let mut taken: Vec<u8> = Vec::new();
            while !staged.is_empty() {
                let mut slices: [&[u8]; 4] = [&[]; 4];
                let (count, octets) = staged.slices(&mut slices);
                let flat = slices[..count].concat();
                assert_eq!(flat.len(), octets);
                let n = step.min(octets);
                taken.extend(&flat[..n]);
                assert_eq!(staged.advance(n), n);
            }
            assert_eq!(taken, expected);
            assert_eq!(pool.stats().outstanding, 0);
        }
    }
}
