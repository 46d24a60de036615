//! What went out, counted.

use crate::proto::counts::FrameCounts;
use crate::proto::head::{Flags, FrameType, Head};

/// What was written, for the statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) octets: u64,
    pub(super) calls: u64,
    pub(super) deferred_flushes: u64,
    pub(super) largest_batch: u64,
    pub(super) congestions: u64,
}

/// What is known of the frames that went by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) frames: FrameCounts,
    /// Since the last batch there was one that no flush may be deferred for.
    pub(super) urgent: bool,
    /// SETTINGS that the stack has acknowledged since somebody asked.
    pub(super) settings_acks: u32,
}

impl Seen {
    pub(super) fn note(&mut self, head: Head) {
        self.frames.add(head.kind);
        let is_ack = head.flags.contains(Flags::ACK);
        self.urgent |= match head.kind {
            FrameType::SETTINGS | FrameType::GOAWAY => true,
            FrameType::PING => is_ack,
            _ => false,
        };
        self.settings_acks += u32::from(head.kind == FrameType::SETTINGS && is_ack);
    }
}
