//! The frames that are not DATA, in the order in which they go out.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    BufferPool, Flags, FrameType, Head, StreamId,
    proto::{batch::Batch, cut::header_block},
};

/// A frame of the lane.
#[derive(Debug)]
pub(super) struct LaneFrame {
    pub(super) head: Head,
    pub(super) payload: Bytes,
    /// A header block whose own stream had something queued when it came.
    pub(super) fenced: bool,
}

impl LaneFrame {
    /// What it counts against the bound.
    pub(super) fn cost(&self) -> u64 {
        self.head.wire_len()
    }

    /// Writes the frame; a header block over the limit as several.
    pub(super) fn write(self, limit: usize, out: &mut Batch, pool: &BufferPool) {
        if !is_block(self.head.kind) {
            out.begin(pool, self.head);
            out.put_payload(pool, self.payload);
            return;
        }
        // Of an empty block no piece would keep the owner of the octets.
        out.retire(self.payload.clone());
        for piece in header_block(self.head, self.payload, limit) {
            out.begin(pool, piece.head);
            out.put_octets(pool, &piece.prefix);
            out.put_payload(pool, piece.fragment);
            out.put_payload(pool, piece.padding);
        }
    }
}

/// Whether frames of this type hold a header block.
pub(super) fn is_block(kind: FrameType) -> bool {
    matches!(kind, FrameType::HEADERS | FrameType::PUSH_PROMISE)
}

/// Everything that is not DATA, in the order of the pushes (O3), which is the
/// order of the header blocks (O2).
///
/// While a fenced header block stands first, what comes behind it waits, with
/// one exception: PING, its acknowledgement and the connection's
/// `WINDOW_UPDATE` go around it.
///
/// - Header blocks must wait: the peer's HPACK decoder reads them in the order
///   in which they were encoded.
/// - A SETTINGS acknowledgement must wait: blocks encoded before it may use a
///   dynamic table that the peer takes away with it (RFC 7541, section 4.2).
///   Other SETTINGS and GOAWAY stay in order with it.
/// - A frame of a stream must wait: it may be of a stream whose header block
///   waits too, and which is idle until then.
/// - PING and the connection's `WINDOW_UPDATE` are tied to none of these, and
///   late ones do harm: a peer takes the connection for dead, or runs out of
///   credit on all of its streams.
#[derive(Debug, Default)]
pub(super) struct Lane {
    ordered: VecDeque<(u64, LaneFrame)>,
    /// What may go around a fenced block.
    around: VecDeque<(u64, LaneFrame)>,
    next: u64,
    cost: u64,
}

/// What the lane has to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// [`Lane::pop`] gives it.
    Frame,
    /// A fenced header block of this stream: [`Lane::pop`] gives it, but DATA
    /// of the stream goes before it.
    Fenced(StreamId),
}

impl Lane {
    /// What waits here, counted against the bound.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    pub(super) fn push(&mut self, frame: LaneFrame) {
        self.cost += frame.cost();
        let seq = self.next;
        self.next += 1;
        let around = match frame.head.kind {
            FrameType::PING => true,
            FrameType::WINDOW_UPDATE => frame.head.stream.is_connection(),
            _ => false,
        };
        let lane = if around {
            &mut self.around
        } else {
            &mut self.ordered
        };
        lane.push_back((seq, frame));
    }

    pub(super) fn next(&self) -> Next {
        match (self.ordered.front(), self.around.front()) {
            (None, None) => Next::Nothing,
            (Some((_, frame)), None) if frame.fenced => Next::Fenced(frame.head.stream),
            _ => Next::Frame,
        }
    }

    /// Takes out what is next.
    pub(super) fn pop(&mut self) -> Option<LaneFrame> {
        let around = match (self.ordered.front(), self.around.front()) {
            (Some((first, frame)), Some((second, _))) => frame.fenced || second < first,
            (None, _) => true,
            (_, None) => false,
        };
        let lane = if around {
            &mut self.around
        } else {
            &mut self.ordered
        };
        let (_, frame) = lane.pop_front()?;
        self.cost -= frame.cost();
        Some(frame)
    }

    /// Takes `END_STREAM` off the stream's header blocks.
    pub(super) fn clear_end_stream(&mut self, stream: StreamId) {
        for (_, frame) in &mut self.ordered {
            if frame.head.stream == stream && frame.head.kind == FrameType::HEADERS {
                frame.head.flags = frame.head.flags.without(Flags::END_STREAM);
            }
        }
    }
}
