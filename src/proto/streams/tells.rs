//! What the stack is told of the peer's credit.

use super::{LEAST_SHARE, Streams, UNCONGESTED};
use crate::proto::credit::MAX_WINDOW;
use crate::proto::head::{Flags, FrameType, Head, StreamId};

/// What the stack is told why.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

impl Streams {
    /// Whether [`Streams::tell`] has something to say.
    pub(crate) fn has_tells(&self) -> bool {
        !self.to_tell.is_empty() || !self.to_reset.is_empty() || self.connection.withheld() > 0
    }

    /// Appends the `WINDOW_UPDATE` frames that the stack shall see: of streams
    /// that have room, and of the connection for what was dropped (rule C4); and the
    /// ends of streams that were given up, as if the peer had reset them.
    pub(crate) fn tell(&mut self, out: &mut Vec<u8>) {
        for stream in std::mem::take(&mut self.to_reset) {
            out.extend(reset_head(stream).encode());
            out.extend(CANCEL);
        }
        let target = self.target();
        while let Some(stream) = self.to_tell.pop_front() {
            let Some(record) = self.records.get_mut(stream) else {
                continue;
            };
            record.is_to_tell = false;
            let wanted = target - record.ledger.at_hand();
            let more = wanted.min(record.ledger.withheld());
            if more > 0 && !record.ended {
                record.ledger.tell(more as u32);
                window_update(stream, more as u32, out);
            }
        }
        let refund = self.connection.withheld().min(MAX_WINDOW);
        if refund > 0 {
            self.connection.tell(refund as u32);
            window_update(StreamId::CONNECTION, refund as u32, out);
        }
    }

    /// What a stream may have at hand: known to the stack, or queued.
    fn target(&self) -> i64 {
        let senders = self.senders.max(1) as i64;
        let stream = i64::from(self.bounds.stream);
        if self.queueing {
            let share = self.bounds.connection as i64 / 2 / senders;
            share.clamp(LEAST_SHARE, stream)
        } else {
            (UNCONGESTED / senders).max(stream)
        }
    }

    /// Notes the stream if it has run low, and there is more.
    pub(super) fn consider(&mut self, stream: StreamId) {
        let target = self.target();
        let Some(record) = self.records.get_mut(stream) else {
            return;
        };
        let is_low = record.ledger.at_hand() < target / 2;
        if is_low && record.ledger.withheld() > 0 && !record.ended && !record.is_to_tell {
            record.is_to_tell = true;
            self.to_tell.push_back(stream);
        }
    }

    pub(super) fn check_overdrawn(&mut self, stream: StreamId) {
        if let Some(record) = self.records.get_mut(stream) {
            let is_overdrawn = record.ledger.withheld() < 0;
            self.overdrawn += usize::from(is_overdrawn);
            self.overdrawn -= usize::from(record.is_overdrawn);
            record.is_overdrawn = is_overdrawn;
        }
    }
}

/// The head of `RST_STREAM`.
pub(super) fn reset_head(stream: StreamId) -> Head {
    Head {
        length: 4,
        kind: FrameType::RST_STREAM,
        flags: Flags::NONE,
        stream,
    }
}

fn window_update(stream: StreamId, increment: u32, out: &mut Vec<u8>) {
    let head = Head {
        length: 4,
        kind: FrameType::WINDOW_UPDATE,
        flags: Flags::NONE,
        stream,
    };
    out.extend(head.encode());
    out.extend(increment.to_be_bytes());
}
