pub(crate) mod io;
#[cfg(framewright_loom)]
mod loom_tests;
pub(crate) mod model;
mod rules;
mod wire;

use bytes::Bytes;

use crate::{BufferPool, FrameWriter, StreamId};

fn stream(id: u32) -> StreamId {
    StreamId::new(id).unwrap()
}

fn writer() -> FrameWriter {
    FrameWriter::new(BufferPool::default())
}

/// Octets that are different from those of any other call nearby.
fn octets(length: usize) -> Bytes {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let mut state = NEXT
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(2_654_435_761);
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}
