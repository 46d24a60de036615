//! The queued DATA of one stream.

use std::collections::VecDeque;

use crate::pool::{BufferPool, PooledBuf};
use crate::proto::cut::{MIN_PIECE, data_piece};
use crate::proto::head::{Flags, FrameType, Head, StreamId};
use crate::proto::staged::Staged;

/// A buffer of a stream that has much to send: as long as the usual wire frame,
/// so that whole buffers can go on without a copy.
const CHUNK: usize = 16 * 1024;

/// The first buffer of a stream that has little to send.
const SMALL: usize = 2 * 1024;

/// A cut at the end of a buffer is worth a smaller frame, but not a tiny one.
const WORTH_A_FRAME: usize = 4 * 1024;

/// The DATA of one stream that waits, and where its header blocks stand in it.
#[derive(Debug, Default)]
pub(super) struct StreamQueue {
    /// The octets, oldest first. No buffer is empty.
    bufs: VecDeque<PooledBuf>,
    /// Octets of the front buffer that are gone.
    start: usize,
    parts: VecDeque<Part>,
}

#[derive(Debug)]
enum Part {
    Data {
        octets: usize,
        /// The length of the padding. Its octets are zero (RFC 9113, section 6.1).
        padding: Option<u8>,
        end: bool,
    },
    /// A header block of the stream, in the lane: what follows waits for it.
    Block,
}

/// What stands first in a [`StreamQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    Nothing,
    /// DATA, the next frame of which takes at least so much of the window: none
    /// if it is empty.
    Data(usize),
    Block,
}

/// What flow control counts of padding: its length too.
fn overhead(padding: Option<u8>) -> usize {
    padding.map_or(0, |padding| 1 + usize::from(padding))
}

impl StreamQueue {
    pub(super) fn front(&self) -> Front {
        match self.parts.front() {
            None => Front::Nothing,
            Some(Part::Data {
                octets: 0, padding, ..
            }) => Front::Data(overhead(*padding)),
            Some(Part::Data { .. }) => Front::Data(1),
            Some(Part::Block) => Front::Block,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Queues a copy of `octets`. They join what stands last, so that small
    /// frames share one on the wire, unless one of the two is padded.
    pub(super) fn push(
        &mut self,
        octets: &[u8],
        padding: Option<u8>,
        end: bool,
        pool: &BufferPool,
    ) {
        if let Some(Part::Data {
            octets: before,
            padding: None,
            end: ends,
        }) = self.parts.back_mut()
            && padding.is_none()
            && !*ends
        {
            *before += octets.len();
            *ends = end;
        } else {
            self.parts.push_back(Part::Data {
                octets: octets.len(),
                padding,
                end,
            });
        }
        self.copy(octets, pool);
    }

    fn copy(&mut self, mut octets: &[u8], pool: &BufferPool) {
        if let Some(last) = self.bufs.back_mut() {
            octets = &octets[last.append(octets)..];
        }
        while !octets.is_empty() {
            let little = self.bufs.is_empty() && octets.len() <= SMALL;
            let mut buf = pool.acquire(if little { SMALL } else { CHUNK });
            // Pools may lend more than was asked for.
            let n = octets.len().min(CHUNK);
            octets = &octets[buf.append(&octets[..n])..];
            self.bufs.push_back(buf);
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

    /// Drops all DATA, if there is any, and says how many flow-controlled octets
    /// that were. Header blocks keep their place.
    pub(super) fn drop_data(&mut self) -> Option<usize> {
        let mut dropped = None;
        self.parts.retain(|part| match part {
            Part::Data {
                octets, padding, ..
            } => {
                *dropped.get_or_insert(0) += octets + overhead(*padding);
                false
            }
            Part::Block => true,
        });
        self.bufs.clear();
        self.start = 0;
        dropped
    }

    /// Cuts one frame off the DATA that stands first, of at most `limit` octets
    /// of payload (no less than [`Front::Data`] says), and returns its head. Padding goes on the last piece: the
    /// whole that flow control counts is then what it would have been in one
    /// frame.
    pub(super) fn cut(&mut self, stream: StreamId, limit: usize, out: &mut Staged) -> Option<Head> {
        let Some(&mut Part::Data {
            ref mut octets,
            padding,
            end,
        }) = self.parts.front_mut()
        else {
            return None;
        };
        let whole = *octets + overhead(padding);
        let mut piece = if limit >= 2 * MIN_PIECE {
            data_piece(whole, limit)
        } else {
            // A closing window leaves no choice.
            whole.min(limit)
        };
        if piece < whole {
            // Padding cannot be cut.
            piece = piece.min(*octets);
        }
        let in_front = self.bufs.front().map_or(0, |buf| buf.len() - self.start);
        if (WORTH_A_FRAME..piece).contains(&in_front)
            && (in_front == *octets && padding.is_none() || whole - in_front >= MIN_PIECE)
        {
            piece = in_front;
        }
        let last = piece == whole;
        let mut flags = Flags::NONE;
        if last && end {
            flags = flags.with(Flags::END_STREAM);
        }
        if last && padding.is_some() {
            flags = flags.with(Flags::PADDED);
        }
        let head = Head {
            length: piece as u32,
            kind: FrameType::DATA,
            flags,
            stream,
        };
        let padding = padding.filter(|_| last);
        let plain = piece - overhead(padding);
        *octets -= plain;
        if last {
            self.parts.pop_front();
        }
        out.append(&head.encode());
        out.append(padding.as_slice());
        self.transfer(plain, out);
        out.append(&[0; 255][..padding.map_or(0, usize::from)]);
        Some(head)
    }

    /// Hands over the first octets: a whole buffer as it is.
    fn transfer(&mut self, mut octets: usize, out: &mut Staged) {
        while octets > 0 {
            let Some(front) = self.bufs.front() else {
                debug_assert!(false, "parts and buffers differ");
                return;
            };
            let rest = &front[self.start..];
            if rest.len() > octets {
                out.append(&rest[..octets]);
                self.start += octets;
                return;
            }
            octets -= rest.len();
            if self.start == 0 && rest.len() >= WORTH_A_FRAME {
                out.append_buf(self.bufs.pop_front());
            } else {
                out.append(rest);
                self.bufs.pop_front();
            }
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> StreamId {
        StreamId::new(1).unwrap()
    }

    /// Cuts everything, and returns the frames.
    fn drain(queue: &mut StreamQueue, limit: usize, pool: &BufferPool) -> Vec<(Head, Vec<u8>)> {
        let mut frames = Vec::new();
        while let Front::Data(_) = queue.front() {
            let mut staged = Staged::new(pool.clone());
            let head = queue.cut(id(), limit, &mut staged).unwrap();
            let mut slices: [&[u8]; 8] = [&[]; 8];
            let (count, _) = staged.slices(&mut slices);
            let octets = slices[..count].concat();
            assert_eq!(octets.len() as u64, head.wire_len());
            assert_eq!(octets[..Head::LEN], head.encode());
            frames.push((head, octets[Head::LEN..].to_vec()));
        }
        frames
    }

    proptest! {
        #[test]
        fn f4_octets_and_padding_come_out_whole_however_they_are_cut(
            pushes in prop::collection::vec((0..40_000usize, prop::option::weighted(0.2, any::<u8>())), 1..8),
            limit in prop_oneof![Just(16_384usize), Just(16_375), 512..20_000usize],
        ) {
            let pool = BufferPool::new(crate::PoolConfig::default());
            let mut queue = StreamQueue::default();
            let mut expected = Vec::new();
            let mut flow = 0;
            for (i, (octets, padding)) in pushes.iter().enumerate() {
                let octets: Vec<u8> = (0..*octets).map(|n| (n * 7 + i) as u8).collect();
                queue.push(&octets, *padding, i + 1 == pushes.len(), &pool);
                flow += octets.len() + overhead(*padding);
                expected.extend(octets);
            }
            let frames = drain(&mut queue, limit, &pool);
            let mut octets = Vec::new();
            let last = frames.len() - 1;
            for (i, (head, payload)) in frames.iter().enumerate() {
                prop_assert!(payload.len() <= limit);
                flow -= payload.len();
                prop_assert_eq!(head.flags.contains(Flags::END_STREAM), i == last);
                let mut payload = &payload[..];
                if head.flags.contains(Flags::PADDED) {
                    let padding = usize::from(payload[0]);
                    prop_assert!(payload[payload.len() - padding..].iter().all(|&octet| octet == 0));
                    payload = &payload[1..payload.len() - padding];
                }
                octets.extend_from_slice(payload);
            }
            prop_assert_eq!(flow, 0);
            prop_assert!(octets == expected);
            prop_assert!(queue.is_empty() && queue.bufs.is_empty());
            prop_assert_eq!(pool.stats().outstanding, 0);
        }

        #[test]
        fn f4_no_piece_is_small_unless_the_whole_is(
            pushes in prop::collection::vec(0..40_000usize, 1..5),
        ) {
            let pool = BufferPool::new(crate::PoolConfig::default());
            let mut queue = StreamQueue::default();
            for octets in &pushes {
                queue.push(&vec![1; *octets], None, false, &pool);
            }
            let whole: usize = pushes.iter().sum();
            for (head, _) in drain(&mut queue, 16_384, &pool) {
                prop_assert!(head.length as usize >= MIN_PIECE.min(whole));
            }
        }
    }

    #[test]
    fn whole_buffers_go_on_without_a_copy() {
        let pool = BufferPool::new(crate::PoolConfig::default());
        let mut queue = StreamQueue::default();
        queue.push(&[7; 3 * CHUNK], None, true, &pool);
        let address = queue.bufs[0].as_ptr();
        let mut staged = Staged::new(pool);
        let head = queue.cut(id(), CHUNK, &mut staged).unwrap();
        assert_eq!(head.length as usize, CHUNK);
        let mut slices: [&[u8]; 8] = [&[]; 8];
        assert_eq!(staged.slices(&mut slices).0, 2);
        assert_eq!(slices[1].as_ptr(), address);
    }

    #[test]
    fn o4_header_blocks_outlive_dropped_data() {
        let pool = BufferPool::new(crate::PoolConfig::default());
        let mut queue = StreamQueue::default();
        queue.push(&[7; 100], Some(9), false, &pool);
        queue.push(&[7; 50], None, false, &pool);
        queue.push_block();
        assert_eq!(queue.front(), Front::Data(1));
        assert_eq!(queue.drop_data(), Some(160));
        assert_eq!(queue.drop_data(), None);
        assert_eq!(queue.front(), Front::Block);
        queue.pop_block();
        assert!(queue.is_empty());
        assert_eq!(pool.stats().outstanding, 0);
    }
}
