//! The queued DATA of one stream.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    BufferPool, Flags, FrameType, Head, StreamId,
    proto::{batch::Batch, cut::data_piece},
};

/// What one push of DATA hands over.
#[derive(Debug)]
pub(super) struct Data {
    slices: VecDeque<Bytes>,
    /// Octets in `slices`.
    octets: usize,
    padding: Option<Bytes>,
    end: bool,
}

impl Data {
    pub(super) fn new(slices: VecDeque<Bytes>, padding: Option<Bytes>, end: bool) -> Self {
        let octets = slices.iter().map(Bytes::len).sum();
        Self {
            slices,
            octets,
            padding,
            end,
        }
    }

    /// Octets that flow control counts: the padding and its length too.
    ///
    /// > The entire DATA frame payload is included in flow control
    /// > (RFC 9113, section 6.1).
    pub(super) fn flow(&self) -> usize {
        self.octets + self.overhead()
    }

    pub(super) fn ends(&self) -> bool {
        self.end
    }

    fn overhead(&self) -> usize {
        self.padding.as_ref().map_or(0, |padding| 1 + padding.len())
    }
}

/// The queued DATA of one stream, and where its header blocks stand in it.
#[derive(Debug, Default)]
pub(super) struct DataQueue {
    parts: VecDeque<Part>,
    /// What the parts count against the bound.
    cost: u64,
}

#[derive(Debug)]
enum Part {
    Data(Data),
    /// A header block of the stream, in the lane: what follows waits for it.
    Block,
}

/// What stands first in a [`DataQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    Nothing,
    Data,
    Block,
}

/// A DATA part counts its octets and one head against the bound.
fn cost(data: &Data) -> u64 {
    (Head::LEN + data.flow()) as u64
}

impl DataQueue {
    pub(super) fn front(&self) -> Front {
        match self.parts.front() {
            None => Front::Nothing,
            Some(Part::Data(_)) => Front::Data,
            Some(Part::Block) => Front::Block,
        }
    }

    /// What waits here, counted against the bound.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// Queues DATA. It joins what stands last, so that small pushes share a
    /// wire frame, unless one of the two is padded.
    pub(super) fn push(&mut self, data: Data) {
        if let Some(Part::Data(last)) = self.parts.back_mut()
            && last.padding.is_none()
            && data.padding.is_none()
        {
            debug_assert!(!last.end);
            self.cost += data.octets as u64;
            last.slices.extend(data.slices);
            last.octets += data.octets;
            last.end |= data.end;
        } else {
            self.cost += cost(&data);
            self.parts.push_back(Part::Data(data));
        }
    }

    /// What is pushed from now on waits for a header block.
    pub(super) fn push_block(&mut self) {
        self.parts.push_back(Part::Block);
    }

    /// The header block that stands first was sent.
    pub(super) fn pop_block(&mut self) {
        if self.front() == Front::Block {
            self.parts.pop_front();
        }
    }

    /// Whether the stream's last DATA is queued here.
    pub(super) fn ends(&self) -> bool {
        matches!(self.parts.back(), Some(Part::Data(data)) if data.end)
    }

    /// Drops all DATA into `garbage`, and says how many pushes and
    /// flow-controlled octets that were. Header blocks keep their place.
    pub(super) fn drop_data(&mut self, garbage: &mut Vec<Bytes>) -> (usize, u64) {
        let (mut pushes, mut octets) = (0, 0);
        self.parts.retain_mut(|part| match part {
            Part::Data(data) => {
                pushes += 1;
                octets += data.flow() as u64;
                garbage.extend(data.slices.drain(..));
                garbage.extend(data.padding.take());
                false
            }
            Part::Block => true,
        });
        self.cost = 0;
        (pushes, octets)
    }

    /// Cuts one frame off the DATA that stands first, and says how long its
    /// payload is.
    ///
    /// Padding goes on the last piece: the whole that flow control counts is
    /// then what it would have been in one frame.
    pub(super) fn cut(
        &mut self,
        stream: StreamId,
        limit: usize,
        out: &mut Batch,
        pool: &BufferPool,
    ) -> usize {
        let Some(Part::Data(data)) = self.parts.front_mut() else {
            return 0;
        };
        let whole = data.flow();
        let piece = data_piece(whole, limit);
        let last = piece == whole;
        let mut flags = Flags::NONE;
        if last && data.end {
            flags = flags.with(Flags::END_STREAM);
        }
        if last && data.padding.is_some() {
            flags = flags.with(Flags::PADDED);
        }
        out.begin(
            pool,
            Head {
                length: piece as u32,
                kind: FrameType::DATA,
                flags,
                stream,
            },
        );
        if last {
            let before = cost(data);
            if let Some(padding) = &data.padding {
                out.put_octets(pool, &[padding.len() as u8]);
            }
            for slice in data.slices.drain(..) {
                out.put_bytes(slice);
            }
            if let Some(padding) = data.padding.take() {
                out.put_payload(pool, padding);
            }
            self.cost -= before;
            self.parts.pop_front();
        } else {
            // No more than `octets`: the piece that is left has 256 at least,
            // and padding with its length has 256 at most.
            let mut left = piece;
            while let Some(mut slice) = data.slices.pop_front() {
                if slice.len() > left {
                    out.put_bytes(slice.split_to(left));
                    data.slices.push_front(slice);
                    break;
                }
                left -= slice.len();
                out.put_bytes(slice);
                if left == 0 {
                    break;
                }
            }
            data.octets -= piece;
            self.cost -= piece as u64;
        }
        piece
    }
}
