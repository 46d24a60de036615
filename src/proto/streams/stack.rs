//! What comes from the stack.

use super::{FRAME_OVERHEAD, NO_ERROR, Streams};
use crate::pool::BufferPool;
use crate::proto::head::{Flags, FrameType, Head, StreamId};
use crate::proto::lane::{LaneFrame, is_block};

impl Streams {
    /// A frame went out, or is about to, ahead of all that waits.
    pub(crate) fn note(&mut self, head: Head) {
        self.sends(head);
        let ends = head.flags.contains(Flags::END_STREAM);
        match head.kind {
            FrameType::DATA => {
                self.connection.queue(head.length);
                self.connection.sent(head.length);
                if !self.records.contains(head.stream) && (ends || self.reset.contains(head.stream))
                {
                    return;
                }
                let record = self.sender(head.stream);
                record.take(head.length);
                record.ledger.sent(head.length);
                record.count(head.length);
                if ends {
                    self.forget(head.stream);
                } else {
                    self.recount(head.stream);
                    self.consider(head.stream);
                }
            }
            FrameType::HEADERS if ends => self.forget(head.stream),
            FrameType::HEADERS if !self.is_server => {
                self.record(head.stream);
            }
            FrameType::RST_STREAM => {
                self.stack_resets(head.stream);
            }
            FrameType::SETTINGS if head.flags.contains(Flags::ACK) => self.acknowledge(),
            _ => {}
        }
    }

    /// Queues DATA: octets of one frame of the stack, the last of them if `end`.
    /// A padded frame has to be whole.
    pub(crate) fn take_data(
        &mut self,
        stream: StreamId,
        octets: &[u8],
        padding: Option<u8>,
        end: bool,
        pool: &BufferPool,
    ) {
        let flow = octets.len() as u32 + padding.map_or(0, |padding| 1 + u32::from(padding));
        self.connection.queue(flow);
        if self.reset.contains(stream) {
            // The peer has closed it, which the stack learns in a moment.
            self.connection.dropped(flow);
            return;
        }
        let record = self.sender(stream);
        record.take(flow);
        record.queue.push(octets, padding, end, pool);
        record.ended |= end;
        record.show();
        self.recount(stream);
        self.settle(stream);
        self.consider(stream);
    }

    /// Queues a frame that is not DATA, or a whole header block: `octets` as they
    /// are on the wire, `head` the first head of them.
    pub(crate) fn take_frame(&mut self, head: Head, octets: Vec<u8>) {
        let stream = head.stream;
        let is_of_stream = matches!(head.kind, FrameType::RST_STREAM | FrameType::WINDOW_UPDATE);
        if is_of_stream && self.given_up.contains(stream) {
            // For the peer it is closed.
            return;
        }
        if head.kind == FrameType::RST_STREAM {
            if octets[Head::LEN..] == NO_ERROR
                && let Some(record) = self.records.get_mut(stream)
                && record.ended
            {
                // The stack has sent all it has, and wants no more of the peer
                // (RFC 9113, section 8.1).
                record.late_reset = Some((head, octets));
                self.note_reset(stream);
                return;
            }
            if self.stack_resets(stream) {
                // Trailers that wait must not make the peer take what it has
                // for all there is.
                self.lane.clear_end_stream(stream);
            }
        }
        if head.kind == FrameType::DATA {
            // Part of a frame that was begun before there was a queue.
            self.note(head);
        }
        let mut fenced = false;
        if is_block(head.kind) {
            let ends = head.kind == FrameType::HEADERS && head.flags.contains(Flags::END_STREAM);
            let has_fence = self.lane.has_fence();
            let opens = head.kind == FrameType::HEADERS && !ends && !self.reset.contains(stream);
            if opens && (has_fence || !self.is_server) {
                let is_late = self.is_server && !self.knows(stream);
                self.record(stream).is_late |= is_late;
            }
            if let Some(record) = self.records.get_mut(stream) {
                record.ended |= ends;
                // Behind a fence it waits, and so must what comes behind it.
                fenced = !record.queue.is_empty() || has_fence;
                if fenced {
                    record.queue.push_block();
                } else if ends {
                    self.forget(stream);
                }
            }
        }
        self.push(head, octets, fenced);
    }

    pub(super) fn push(&mut self, head: Head, octets: Vec<u8>, fenced: bool) {
        self.lane.push(lane_frame(head, octets, fenced));
    }
}

pub(super) fn lane_frame(head: Head, payload: Vec<u8>, fenced: bool) -> LaneFrame<Vec<u8>> {
    LaneFrame {
        head,
        cost: payload.len() as u64 + FRAME_OVERHEAD,
        payload,
        fenced,
    }
}
