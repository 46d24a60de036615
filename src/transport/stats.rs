//! Statistics.

use crate::FrameType;

/// Frames by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    counts: [u64; 14],
}

impl FrameCounts {
    /// Frames of this type; all unknown types are counted together.
    #[must_use]
    pub fn get(&self, _kind: FrameType) -> u64 {
        0
    }

    /// Frames of every type.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Every type that was seen, with its count. Unknown types are `None`.
    pub fn iter(&self) -> impl Iterator<Item = (Option<FrameType>, u64)> + '_ {
        std::iter::empty()
    }
}

/// What has gone over a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Frames to the peer.
    pub outbound_frames: FrameCounts,
    /// Frames from the peer.
    pub inbound_frames: FrameCounts,
    /// Octets to the peer.
    pub outbound_octets: u64,
    /// Octets from the peer.
    pub inbound_octets: u64,
    /// Write calls to the IO below.
    pub write_calls: u64,
    /// Read calls to the IO below.
    pub read_calls: u64,
    /// Flushes that were answered without a write call.
    pub deferred_flushes: u64,
    /// Octets in the largest single write.
    pub largest_batch: u64,
}

impl ConnectionStats {
    /// Frames a write call, on average.
    #[must_use]
    pub fn frames_per_write(&self) -> f64 {
        0.0
    }
}
