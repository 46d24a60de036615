//! Where the octets of a DATA region come from.

use std::ops::Range;

use bytes::Bytes;

use crate::{BufferPool, PooledBuf};

/// Octets that can be sent as DATA by region, as
/// [`FrameWriter::push_data_region`](crate::FrameWriter::push_data_region)
/// does.
///
/// Sources that hold [`Bytes`] hand out slices of them; nothing is copied.
/// Plain memory is copied once, into pooled buffers. A ring or a mapped file
/// can implement this too, as long as what it hands out owns its octets.
pub trait DataSource {
    /// Octets in the source.
    fn size(&self) -> u64;

    /// Hands the octets of `range`, which lies in the source, to `out`: in
    /// order, in slices of any size. Buffers to copy into are to come from
    /// `pool`.
    fn slices(&self, range: Range<u64>, pool: &BufferPool, out: &mut dyn FnMut(Bytes));
}

impl DataSource for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn slices(&self, range: Range<u64>, _: &BufferPool, out: &mut dyn FnMut(Bytes)) {
        // The range lies in memory.
        out(self.slice(range.start as usize..range.end as usize));
    }
}

/// The chunks one after the other.
impl DataSource for [Bytes] {
    fn size(&self) -> u64 {
        self.iter().map(|chunk| chunk.len() as u64).sum()
    }

    fn slices(&self, range: Range<u64>, _: &BufferPool, out: &mut dyn FnMut(Bytes)) {
        let mut at = 0;
        for chunk in self {
            let length = chunk.len() as u64;
            let from = range.start.saturating_sub(at).min(length);
            let to = range.end.saturating_sub(at).min(length);
            if from < to {
                out(chunk.slice(from as usize..to as usize));
            }
            at += length;
            if at >= range.end {
                break;
            }
        }
    }
}

/// The chunks one after the other.
impl DataSource for Vec<Bytes> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn slices(&self, range: Range<u64>, pool: &BufferPool, out: &mut dyn FnMut(Bytes)) {
        self.as_slice().slices(range, pool, out);
    }
}

/// The chunks one after the other.
impl<const N: usize> DataSource for [Bytes; N] {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn slices(&self, range: Range<u64>, pool: &BufferPool, out: &mut dyn FnMut(Bytes)) {
        self.as_slice().slices(range, pool, out);
    }
}

/// Octets of one pooled buffer that a copy takes.
const COPY: usize = 64 << 10;

/// Copied once, into pooled buffers.
impl DataSource for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn slices(&self, range: Range<u64>, pool: &BufferPool, out: &mut dyn FnMut(Bytes)) {
        let mut rest = &self[range.start as usize..range.end as usize];
        while !rest.is_empty() {
            let mut buffer = pool.acquire(rest.len().min(COPY));
            let taken = buffer.append(rest);
            rest = &rest[taken..];
            out(buffer.freeze());
        }
    }
}

/// Copied once, into pooled buffers.
impl<const N: usize> DataSource for [u8; N] {
    fn size(&self) -> u64 {
        N as u64
    }

    fn slices(&self, range: Range<u64>, pool: &BufferPool, out: &mut dyn FnMut(Bytes)) {
        self.as_slice().slices(range, pool, out);
    }
}

/// Copied once, into pooled buffers.
impl DataSource for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn slices(&self, range: Range<u64>, pool: &BufferPool, out: &mut dyn FnMut(Bytes)) {
        self.as_slice().slices(range, pool, out);
    }
}

/// Copied once, since the buffer stays with its owner;
/// [freeze](PooledBuf::freeze) it and nothing is copied.
impl DataSource for PooledBuf {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn slices(&self, range: Range<u64>, pool: &BufferPool, out: &mut dyn FnMut(Bytes)) {
        self[..].slices(range, pool, out);
    }
}
