//! How a frame writer behaves.

use std::num::NonZeroU32;

use crate::proto::frame::DEFAULT_MAX_FRAME_SIZE;

/// How a [`FrameWriter`](crate::FrameWriter) behaves.
#[derive(Clone, Debug)]
pub struct FrameWriterConfig {
    pub(super) max_frame_size: u32,
    pub(super) batch: (usize, usize),
    pub(super) max_queued: u64,
    pub(super) relief_every: Option<NonZeroU32>,
}

impl FrameWriterConfig {
    /// The configuration with every value at its default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_frame_size: DEFAULT_MAX_FRAME_SIZE,
            batch: (16 << 10, 256 << 10),
            max_queued: 64 << 20,
            relief_every: None,
        }
    }

    /// The peer's `SETTINGS_MAX_FRAME_SIZE`, in octets, from 16,384 to
    /// 2^24 - 1 (RFC 9113, section 6.5.2).
    ///
    /// # Default
    ///
    /// 16,384, which holds until the peer's SETTINGS say more.
    #[must_use]
    pub fn max_frame_size(mut self, octets: u32) -> Self {
        self.max_frame_size = octets;
        self
    }

    /// Octets that are gathered for one write call: `least` at first and under
    /// congestion, up to `most` while the socket takes whole batches. The frame
    /// that reaches the size is still taken whole.
    ///
    /// Frames are chosen when a batch is filled, so a large `least` makes
    /// priorities take effect later, and a small `most` costs write calls.
    ///
    /// # Default
    ///
    /// 16 KiB and 256 KiB.
    #[must_use]
    pub fn batch_octets(mut self, least: usize, most: usize) -> Self {
        self.batch = (least.max(1), most.max(least.max(1)));
        self
    }

    /// Octets that may wait in the writer. Every frame counts with its head of
    /// 9 octets; DATA that will be merged or cut counts one head.
    ///
    /// A push that would exceed this is refused, with nothing queued: DATA if
    /// everything that waits would exceed it; any other frame only if the
    /// frames that are not DATA would. A backlog of DATA thus never keeps a
    /// PING acknowledgement, a reset or trailers out.
    ///
    /// It counts octets of the wire. The records of the queue come on top: about
    /// 32 octets a chunk and a few hundred a stream.
    ///
    /// # Default
    ///
    /// 64 MiB.
    #[must_use]
    pub fn max_queued_octets(mut self, octets: u64) -> Self {
        self.max_queued = octets;
        self
    }

    /// Gives one DATA frame in `frames` to a less urgent stream: to the urgency
    /// that has waited longest. Without it, a stream waits for as long as a
    /// more urgent one has DATA queued. 0 is taken for never, 1 for 2.
    ///
    /// # Default
    ///
    /// Never.
    #[must_use]
    pub fn relieve_every(mut self, frames: u32) -> Self {
        self.relief_every = NonZeroU32::new(frames).map(|frames| frames.max(TWO));
        self
    }
}

const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

impl Default for FrameWriterConfig {
    fn default() -> Self {
        Self::new()
    }
}
