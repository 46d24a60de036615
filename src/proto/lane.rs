//! The frames that are not DATA, in the order in which they go out.

use std::collections::VecDeque;

use super::head::{Flags, FrameType, Head, StreamId};

/// A frame of the lane, or a whole header block. What its octets are kept in is
/// its user's choice.
#[derive(Debug)]
pub(crate) struct LaneFrame<P> {
    /// The first head.
    pub(crate) head: Head,
    pub(crate) payload: P,
    /// A header block whose own stream had something queued when it came.
    pub(crate) fenced: bool,
    /// What it counts against the bound.
    pub(crate) cost: u64,
}

/// Whether frames of this type hold a header block.
pub(crate) fn is_block(kind: FrameType) -> bool {
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
///   credit on all of its streams. So do those of streams that the peer has opened
///   ([`Lane::of_server`]).
#[derive(Debug)]
pub(crate) struct Lane<P> {
    ordered: VecDeque<(u64, LaneFrame<P>)>,
    /// What may go around a fenced block.
    around: VecDeque<(u64, LaneFrame<P>)>,
    next: u64,
    cost: u64,
    /// Fenced header blocks.
    fences: usize,
    /// The peer opens the streams with odd numbers.
    is_server: bool,
}

/// What the lane has to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// [`Lane::pop`] gives it.
    Frame,
    /// A fenced header block of this stream: [`Lane::pop`] gives it, but DATA
    /// of the stream goes before it.
    Fenced(StreamId),
}

impl<P> Default for Lane<P> {
    fn default() -> Self {
        Self {
            ordered: VecDeque::new(),
            around: VecDeque::new(),
            next: 0,
            cost: 0,
            fences: 0,
            is_server: false,
        }
    }
}

impl<P> Lane<P> {
    /// One of a server's, whose peer opens streams: credit for them waits for no
    /// header block.
    pub(crate) fn of_server(is_server: bool) -> Self {
        Self {
            is_server,
            ..Self::default()
        }
    }

    /// What waits here, counted against the bound.
    pub(crate) fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether a fenced header block waits.
    pub(crate) fn has_fence(&self) -> bool {
        self.fences > 0
    }

    /// Gives memory back that is not in use.
    pub(crate) fn rest(&mut self) {
        for lane in [&mut self.ordered, &mut self.around] {
            if lane.is_empty() {
                *lane = VecDeque::new();
            }
        }
    }

    pub(crate) fn push(&mut self, frame: LaneFrame<P>) {
        self.cost += frame.cost;
        self.fences += usize::from(frame.fenced);
        let seq = self.next;
        self.next += 1;
        let around = match frame.head.kind {
            FrameType::PING => true,
            FrameType::WINDOW_UPDATE => {
                let stream = frame.head.stream;
                let is_peers = self.is_server && !stream.get().is_multiple_of(2);
                stream.is_connection() || is_peers
            }
            _ => false,
        };
        let lane = if around {
            &mut self.around
        } else {
            &mut self.ordered
        };
        lane.push_back((seq, frame));
    }

    /// Puts a frame behind all of a stream's that keep their order.
    pub(crate) fn push_behind(&mut self, stream: StreamId, frame: LaneFrame<P>) {
        let is_of_stream = |(_, other): &(u64, LaneFrame<P>)| other.head.stream == stream;
        let Some(last) = self.ordered.iter().rposition(is_of_stream) else {
            return self.push(frame);
        };
        self.cost += frame.cost;
        self.fences += usize::from(frame.fenced);
        let seq = self.ordered[last].0;
        self.ordered.insert(last + 1, (seq, frame));
    }

    pub(crate) fn next(&self) -> Next {
        match (self.ordered.front(), self.around.front()) {
            (None, None) => Next::Nothing,
            (Some((_, frame)), None) if frame.fenced => Next::Fenced(frame.head.stream),
            _ => Next::Frame,
        }
    }

    /// Takes out what is next.
    pub(crate) fn pop(&mut self) -> Option<LaneFrame<P>> {
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
        self.cost -= frame.cost;
        self.fences -= usize::from(frame.fenced);
        Some(frame)
    }

    /// Takes `END_STREAM` off the stream's header blocks.
    pub(crate) fn clear_end_stream(&mut self, stream: StreamId) {
        for (_, frame) in &mut self.ordered {
            if frame.head.stream == stream && frame.head.kind == FrameType::HEADERS {
                frame.head.flags = frame.head.flags.without(Flags::END_STREAM);
            }
        }
    }
}
