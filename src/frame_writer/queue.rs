//! What waits to be written, and the order in which it goes.
//!
//! The queue is pure: it takes whole frames, and gives one wire frame (or one
//! header block) at a time, chosen at that moment.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    config::FrameWriterConfig,
    data::{Data, DataQueue, Front},
};
use crate::{
    BufferPool, Flags, Frame, FrameError, FrameType, Head, Priority, StreamId,
    proto::{
        batch::Batch,
        cut::header_block,
        frame::DEFAULT_MAX_FRAME_SIZE,
        lane::{Lane, LaneFrame, Next, is_block},
        scheduler::Scheduler,
        stream_set::StreamSet,
    },
};

/// Priorities that are kept of streams; beyond it the lowest stream is
/// forgotten, since a peer may name streams that never come.
const MAX_PRIORITIES: usize = 16_384;

/// All that waits and is not yet cut.
#[derive(Debug)]
pub(super) struct Queue {
    /// The peer's `SETTINGS_MAX_FRAME_SIZE`.
    limit: u32,
    /// The bound on DATA with everything else, and on everything else alone.
    bound: u64,
    /// Octets that are cut and not yet written, for the bound.
    pub(super) in_flight: u64,
    lane: Lane<Bytes>,
    /// Streams with DATA, or with a fenced header block in the lane.
    streams: BTreeMap<StreamId, DataQueue>,
    /// The sum over `streams`.
    data_cost: u64,
    /// Exactly the streams whose queue starts with DATA.
    scheduler: Scheduler,
    /// Priorities other than the default, of streams that are not done.
    priorities: BTreeMap<StreamId, Priority>,
    /// Streams for which `END_STREAM` or `RST_STREAM` was given.
    ended: StreamSet,
}

impl Queue {
    /// A queue with a key from a random source, as streams may be many.
    pub(super) fn new(config: &FrameWriterConfig, key: u64) -> Result<Self, FrameError> {
        let mut queue = Self {
            limit: DEFAULT_MAX_FRAME_SIZE,
            bound: config.max_queued,
            in_flight: 0,
            lane: Lane::default(),
            streams: BTreeMap::new(),
            data_cost: 0,
            scheduler: match config.relief_every {
                Some(every) => Scheduler::with_relief(every),
                None => Scheduler::default(),
            }
            .keyed(key),
            priorities: BTreeMap::new(),
            ended: StreamSet::default(),
        };
        queue.set_max_frame_size(config.max_frame_size)?;
        Ok(queue)
    }

    pub(super) fn max_frame_size(&self) -> u32 {
        self.limit
    }

    pub(super) fn set_max_frame_size(&mut self, limit: u32) -> Result<(), FrameError> {
        if !(DEFAULT_MAX_FRAME_SIZE..=Head::MAX_LENGTH).contains(&limit) {
            return Err(FrameError::MaxFrameSize(limit));
        }
        self.limit = limit;
        Ok(())
    }

    pub(super) fn bound(&self) -> u64 {
        self.bound
    }

    /// Octets that wait, those in flight too.
    pub(super) fn octets(&self) -> u64 {
        self.lane.cost() + self.data_cost + self.in_flight
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lane.next() == Next::Nothing && self.streams.is_empty()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_empty()
            && self.scheduler.is_empty()
            && self.priorities.is_empty()
            && self.octets() == 0
    }

    /// Queues any frame. On an error, nothing is changed.
    pub(super) fn push(&mut self, frame: Frame) -> Result<(), FrameError> {
        let kind = frame.kind();
        if kind == FrameType::CONTINUATION
            || is_block(kind) && !frame.flags().contains(Flags::END_HEADERS)
        {
            return Err(FrameError::HeaderBlockInPieces);
        }
        let head = frame.validate()?;
        if kind == FrameType::DATA {
            return self.push_data_frame(head, frame.into_payload());
        }
        if is_block(kind) {
            self.check_open(head.stream)?;
        } else if head.length > self.limit {
            return Err(FrameError::OverLimit {
                kind,
                length: head.length as usize,
                limit: self.limit,
            });
        }
        check_room(self.lane.cost(), head.wire_len(), self.bound)?;
        let mut fenced = false;
        if is_block(kind)
            && let Some(data) = self.streams.get_mut(&head.stream)
        {
            data.push_block();
            fenced = true;
        }
        self.lane.push(LaneFrame {
            head,
            payload: frame.into_payload(),
            fenced,
            cost: head.wire_len(),
        });
        if kind == FrameType::HEADERS && head.flags.contains(Flags::END_STREAM) {
            self.end(head.stream);
        }
        Ok(())
    }

    fn push_data_frame(&mut self, head: Head, mut payload: Bytes) -> Result<(), FrameError> {
        let mut padding = None;
        if head.flags.contains(Flags::PADDED) {
            // The frame is valid: the length is there, and as much padding.
            let length = usize::from(payload.split_to(1)[0]);
            padding = Some(payload.split_off(payload.len() - length));
        }
        let slices = [payload].into_iter().filter(|slice| !slice.is_empty());
        let end = head.flags.contains(Flags::END_STREAM);
        self.push_data(head.stream, Data::new(slices.collect(), padding, end))
    }

    /// Queues DATA of any length. On an error, nothing is changed.
    pub(super) fn push_data(&mut self, stream: StreamId, data: Data) -> Result<(), FrameError> {
        self.check_data(stream, data.flow() as u64)?;
        let ends = data.ends();
        let queue = self.streams.entry(stream).or_default();
        let before = queue.cost();
        let waited = queue.front() == Front::Data;
        queue.push(data);
        self.data_cost += queue.cost() - before;
        if !waited && queue.front() == Front::Data {
            self.scheduler.insert(stream, self.priority(stream));
        }
        if ends {
            self.end(stream);
        }
        Ok(())
    }

    /// Whether so many flow-controlled octets of DATA can be queued now.
    pub(super) fn check_data(&self, stream: StreamId, octets: u64) -> Result<(), FrameError> {
        if stream.is_connection() {
            return Err(FrameError::NeedsStream(FrameType::DATA));
        }
        self.check_open(stream)?;
        let length = octets.saturating_add(Head::LEN as u64);
        check_room(self.octets(), length, self.bound)
    }

    fn check_open(&self, stream: StreamId) -> Result<(), FrameError> {
        // The set may have forgotten an end that is still queued.
        let ends = self.streams.get(&stream).is_some_and(DataQueue::ends);
        if ends || self.ended.contains(stream) {
            return Err(FrameError::StreamEnded(stream));
        }
        Ok(())
    }

    fn end(&mut self, stream: StreamId) {
        self.ended.insert(stream);
        self.forget_if_done(stream);
    }

    fn forget_if_done(&mut self, stream: StreamId) {
        if self.ended.contains(stream) && !self.streams.contains_key(&stream) {
            self.priorities.remove(&stream);
        }
    }

    fn priority(&self, stream: StreamId) -> Priority {
        self.priorities.get(&stream).copied().unwrap_or_default()
    }

    pub(super) fn set_priority(&mut self, stream: StreamId, priority: Priority) {
        if stream.is_connection() {
            return;
        }
        if priority == Priority::default() {
            self.priorities.remove(&stream);
        } else {
            self.priorities.insert(stream, priority);
            if self.priorities.len() > MAX_PRIORITIES {
                self.priorities.pop_first();
            }
        }
        self.scheduler.set_priority(stream, priority);
        self.forget_if_done(stream);
    }

    /// Drops the stream's DATA, and says how many pushes and flow-controlled
    /// octets that were.
    pub(super) fn drop_data(&mut self, stream: StreamId, garbage: &mut Vec<Bytes>) -> (usize, u64) {
        let Some(data) = self.streams.get_mut(&stream) else {
            return (0, 0);
        };
        let before = data.cost();
        let dropped = data.drop_data(garbage);
        self.data_cost -= before;
        self.settle(stream, false);
        dropped
    }

    /// DATA of the stream was dropped, or it is reset: it takes no more, and
    /// trailers that wait do not make the peer take what it has for whole.
    pub(super) fn abandon(&mut self, stream: StreamId, dropped: bool) {
        if dropped {
            self.lane.clear_end_stream(stream);
        }
        self.end(stream);
    }

    /// Writes the next frame, or the next header block, and says whether there
    /// was one.
    pub(super) fn write_next(&mut self, out: &mut Batch, pool: &BufferPool) -> bool {
        let (stream, fenced) = match self.lane.next() {
            // O3: "which then goes first of all".
            Next::Fenced(stream) if self.front(stream) == Front::Data => (stream, true),
            Next::Nothing => match self.scheduler.next() {
                Some(stream) => (stream, false),
                None => return false,
            },
            Next::Frame | Next::Fenced(_) => {
                if let Some(frame) = self.lane.pop() {
                    let stream = frame.fenced.then_some(frame.head.stream);
                    write_lane_frame(frame, self.limit as usize, out, pool);
                    if let Some(stream) = stream {
                        self.block_written(stream);
                    }
                }
                return true;
            }
        };
        let Some(data) = self.streams.get_mut(&stream) else {
            debug_assert!(false, "a stream is scheduled that has no queue");
            self.scheduler.remove(stream);
            return false;
        };
        let before = data.cost();
        let octets = data.cut(stream, self.limit as usize, out, pool);
        self.data_cost -= before - data.cost();
        if !fenced {
            self.scheduler.served(stream, octets);
        }
        self.settle(stream, true);
        true
    }

    fn front(&self, stream: StreamId) -> Front {
        self.streams
            .get(&stream)
            .map_or(Front::Nothing, DataQueue::front)
    }

    fn block_written(&mut self, stream: StreamId) {
        if let Some(data) = self.streams.get_mut(&stream) {
            data.pop_block();
        }
        self.settle(stream, false);
    }

    /// Brings the scheduler and the records in line with what stands first in
    /// the stream's queue now. `waited` says that it is scheduled already.
    fn settle(&mut self, stream: StreamId, waited: bool) {
        match self.front(stream) {
            Front::Data if waited => {}
            Front::Data => self.scheduler.insert(stream, self.priority(stream)),
            Front::Block => self.scheduler.remove(stream),
            Front::Nothing => {
                self.scheduler.remove(stream);
                self.streams.remove(&stream);
                self.forget_if_done(stream);
            }
        }
    }
}

/// Writes a frame of the lane; a header block over the limit as several.
fn write_lane_frame(frame: LaneFrame<Bytes>, limit: usize, out: &mut Batch, pool: &BufferPool) {
    if !is_block(frame.head.kind) {
        out.begin(pool, frame.head);
        out.put_payload(pool, frame.payload);
        return;
    }
    // Of an empty block no piece would keep the owner of the octets.
    out.retire(frame.payload.clone());
    for piece in header_block(frame.head, frame.payload, limit) {
        out.begin(pool, piece.head);
        out.put_octets(pool, &piece.prefix);
        out.put_payload(pool, piece.fragment);
        out.put_payload(pool, piece.padding);
    }
}

fn check_room(queued: u64, length: u64, bound: u64) -> Result<(), FrameError> {
    if queued.saturating_add(length) > bound {
        return Err(FrameError::QueueFull {
            length,
            queued,
            bound,
        });
    }
    Ok(())
}
