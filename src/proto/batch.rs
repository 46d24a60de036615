//! Wire octets on their way to the socket.
//!
//! A [`Batch`] is filled with whole frames, offered to the socket as
//! [`IoSlice`]s, and [advanced](Batch::advance) by what the socket took. It
//! stands at the exact octet, so that writing can stop and go on anywhere.
//!
//! Payloads are held as [`Bytes`] and never copied. Frame heads and other small
//! pieces go one after the other into one pooled buffer, so that a run of
//! small frames is one slice.

use std::{collections::VecDeque, io::IoSlice, mem};

use bytes::Bytes;

use super::head::{Flags, FrameType, Head, StreamId};
use crate::pool::{BufferPool, PooledBuf};

#[cfg(test)]
mod tests;

/// Octets that a segment can hold by itself: a head, and with it the payload
/// of a PING.
const INLINE: usize = 22;

/// Octets of the buffer for heads and small payloads.
const SCRATCH: usize = 16 << 10;

/// Copying so few octets costs less than one more slice for the kernel to walk.
const SMALL_PAYLOAD: usize = 512;

/// Whole frames as segments of octets; the first frame may have gone out in
/// part.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// No segment is empty.
    segments: VecDeque<Segment>,
    /// The frames that are not out whole, in order.
    frames: VecDeque<Mark>,
    /// `Segment::Pooled` points into it. Held only while such a segment waits.
    scratch: Option<PooledBuf>,
    /// Segments that point into `scratch`.
    pooled: usize,
    /// Octets that have gone out, ever.
    start: u64,
    /// Octets that were put in, ever.
    end: u64,
    /// The position behind what a write was offered and did not take yet. A
    /// writer may have encrypted it: the next write has to start with the same.
    offered: u64,
    /// Octets that are of no more use. Dropping them may run code of the user,
    /// so it is for the caller to say where.
    garbage: Vec<Bytes>,
}

#[derive(Debug)]
enum Segment {
    Inline {
        start: u8,
        end: u8,
        octets: [u8; INLINE],
    },
    Pooled {
        start: u32,
        end: u32,
    },
    Shared(Bytes),
}

/// A frame of the batch.
#[derive(Clone, Copy, Debug)]
struct Mark {
    head: Head,
    /// The position behind its last octet.
    end: u64,
}

impl Mark {
    fn start(self) -> u64 {
        self.end - self.head.wire_len()
    }
}

impl Batch {
    /// Octets that wait.
    pub(crate) fn octets(&self) -> u64 {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Slices that it takes to offer all of it.
    pub(crate) fn slice_count(&self) -> usize {
        self.segments.len()
    }

    /// Begins a frame; as many octets of payload as the head says are to
    /// follow, with the `put` methods.
    pub(crate) fn begin(&mut self, pool: &BufferPool, head: Head) {
        debug_assert!(self.frames.back().is_none_or(|mark| mark.end == self.end));
        let end = self.end + head.wire_len();
        self.frames.push_back(Mark { head, end });
        self.put_octets(pool, &head.encode());
    }

    /// Puts a few octets, at most 22, by copying them.
    pub(crate) fn put_octets(&mut self, pool: &BufferPool, octets: &[u8]) {
        if octets.is_empty() || self.put_scratch(pool, octets) {
            return;
        }
        let mut copy = [0; INLINE];
        copy[..octets.len()].copy_from_slice(octets);
        self.end += octets.len() as u64;
        self.segments.push_back(Segment::Inline {
            start: 0,
            end: octets.len() as u8,
            octets: copy,
        });
    }

    /// Puts the payload of a frame that is not DATA: copied if it is small.
    pub(crate) fn put_payload(&mut self, pool: &BufferPool, payload: Bytes) {
        let small = (1..=SMALL_PAYLOAD).contains(&payload.len());
        if small && self.put_scratch(pool, &payload) {
            self.retire(payload);
        } else {
            self.put_bytes(payload);
        }
    }

    /// Puts octets without copying them.
    pub(crate) fn put_bytes(&mut self, octets: Bytes) {
        if octets.is_empty() {
            self.retire(octets);
        } else {
            self.end += octets.len() as u64;
            self.segments.push_back(Segment::Shared(octets));
        }
    }

    /// Keeps octets until it does no harm to drop them.
    pub(crate) fn retire(&mut self, octets: Bytes) {
        self.garbage.push(octets);
    }

    /// Takes out what is of no more use, to be dropped where that does no harm.
    pub(crate) fn take_garbage(&mut self) -> Vec<Bytes> {
        mem::take(&mut self.garbage)
    }

    /// A write was offered the first `octets`, and will be again.
    pub(crate) fn offered(&mut self, octets: usize) {
        self.offered = self.start + octets as u64;
    }

    fn put_scratch(&mut self, pool: &BufferPool, octets: &[u8]) -> bool {
        let scratch = self.scratch.get_or_insert_with(|| pool.acquire(SCRATCH));
        let from = scratch.len();
        if scratch.capacity() - from < octets.len() {
            return false;
        }
        scratch.append(octets);
        self.end += octets.len() as u64;
        let (from, to) = (from as u32, scratch.len() as u32);
        match self.segments.back_mut() {
            Some(Segment::Pooled { end, .. }) if *end == from => *end = to,
            _ => {
                self.pooled += 1;
                let segment = Segment::Pooled {
                    start: from,
                    end: to,
                };
                self.segments.push_back(segment);
            }
        }
        true
    }

    /// Fills `slices` from the first octet that waits, and says how many slices
    /// it filled and how many octets they hold.
    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> (usize, usize) {
        let (mut count, mut octets) = (0, 0);
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            let segment = segment.as_slice(self.scratch.as_ref());
            *slice = IoSlice::new(segment);
            count += 1;
            octets += segment.len();
        }
        (count, octets)
    }

    /// The first segment.
    pub(crate) fn first(&self) -> &[u8] {
        self.segments
            .front()
            .map_or(&[], |segment| segment.as_slice(self.scratch.as_ref()))
    }

    /// Counts the first `octets` as gone, and says how many frames are out with
    /// them that were not before.
    ///
    /// # Panics
    ///
    /// If so many do not wait.
    pub(crate) fn advance(&mut self, octets: usize) -> u64 {
        self.start += octets as u64;
        self.offered = self.start;
        assert!(
            self.start <= self.end,
            "more octets are gone than were there"
        );
        self.consume(octets);
        let mut frames = 0;
        while self
            .frames
            .front()
            .is_some_and(|mark| mark.end <= self.start)
        {
            self.frames.pop_front();
            frames += 1;
        }
        frames
    }

    /// Takes the first octets off the segments.
    fn consume(&mut self, mut octets: usize) {
        while octets > 0 {
            let Some(segment) = self.segments.front_mut() else {
                break;
            };
            let length = segment.len();
            if length > octets {
                segment.split_to(octets);
                break;
            }
            octets -= length;
            if let Some(Segment::Pooled { .. }) = self.segments.pop_front() {
                self.pooled -= 1;
            }
        }
        self.settle_scratch();
    }

    /// Nothing points into the buffer: it starts anew, or goes back to the
    /// pool.
    fn settle_scratch(&mut self) {
        if self.pooled == 0 {
            if self.segments.is_empty() {
                self.scratch = None;
            } else if let Some(scratch) = &mut self.scratch {
                scratch.clear();
            }
        }
    }

    /// Copies the first segments into one, of at most `octets`, for a socket
    /// that takes one slice at a time. Nothing is copied if the first segment
    /// is large.
    pub(crate) fn coalesce(&mut self, pool: &BufferPool, octets: usize) {
        if self.segments.len() < 2 || self.first().len() >= octets / 2 {
            return;
        }
        let wanted = self.octets().min(octets as u64) as usize;
        let mut buffer = pool.acquire(wanted);
        for segment in &self.segments {
            let segment = segment.as_slice(self.scratch.as_ref());
            let room = wanted - buffer.len();
            let length = segment.len().min(room);
            buffer.append(&segment[..length]);
            if length == room {
                break;
            }
        }
        self.consume(buffer.len());
        self.segments.push_front(Segment::Shared(buffer.freeze()));
    }

    /// Whether a header block that ends the stream waits.
    pub(crate) fn ends_with_headers(&self, stream: StreamId) -> bool {
        self.frames.iter().any(|mark| {
            mark.head.stream == stream
                && mark.head.kind == FrameType::HEADERS
                && mark.head.flags.contains(Flags::END_STREAM)
        })
    }

    /// Drops the DATA frames of a stream of which no octet is out or was offered
    /// to a write, and says how many frames and octets of payload that were.
    pub(crate) fn drop_data(&mut self, stream: StreamId) -> (usize, u64) {
        let start = self.start;
        let begun = start.max(self.offered);
        let drops = |mark: &Mark| {
            mark.head.kind == FrameType::DATA && mark.head.stream == stream && mark.start() >= begun
        };
        if !self.frames.iter().any(drops) {
            return (0, 0);
        }
        let mut old = mem::take(&mut self.segments);
        let (mut frames, mut payload) = (0, 0);
        let mut end = self.start;
        let marks = mem::take(&mut self.frames);
        for mut mark in marks {
            let mut left = mark.end - mark.start().max(start);
            let keep = !drops(&mark);
            if keep {
                end += left;
                mark.end = end;
                self.frames.push_back(mark);
            } else {
                frames += 1;
                payload += u64::from(mark.head.length);
            }
            while left > 0 {
                let Some(mut segment) = old.pop_front() else {
                    break;
                };
                if segment.len() as u64 > left {
                    let front = segment.split_to(left as usize);
                    old.push_front(mem::replace(&mut segment, front));
                }
                left -= segment.len() as u64;
                match segment {
                    segment if keep => self.segments.push_back(segment),
                    Segment::Shared(octets) => self.garbage.push(octets),
                    _ => {}
                }
            }
        }
        self.end = end;
        self.pooled = self
            .segments
            .iter()
            .filter(|segment| matches!(segment, Segment::Pooled { .. }))
            .count();
        self.settle_scratch();
        (frames, payload)
    }

    /// Takes out everything that waits, in order.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        let scratch = self.scratch.take().map(PooledBuf::freeze);
        let segments = mem::take(&mut self.segments);
        self.frames.clear();
        self.pooled = 0;
        self.start = self.end;
        segments
            .into_iter()
            .map(|segment| match (segment, &scratch) {
                (Segment::Shared(octets), _) => octets,
                (Segment::Pooled { start, end }, Some(scratch)) => {
                    scratch.slice(start as usize..end as usize)
                }
                (segment, _) => Bytes::copy_from_slice(segment.as_slice(None)),
            })
            .collect()
    }
}

impl Segment {
    fn as_slice<'a>(&'a self, scratch: Option<&'a PooledBuf>) -> &'a [u8] {
        match self {
            Self::Inline { start, end, octets } => &octets[usize::from(*start)..usize::from(*end)],
            Self::Pooled { start, end } => {
                scratch.map_or(&[], |scratch| &scratch[*start as usize..*end as usize])
            }
            Self::Shared(octets) => octets,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Inline { start, end, .. } => usize::from(end - start),
            Self::Pooled { start, end } => (end - start) as usize,
            Self::Shared(octets) => octets.len(),
        }
    }

    /// Takes the first octets, fewer than all, off into a segment of their own.
    fn split_to(&mut self, at: usize) -> Self {
        match self {
            Self::Inline { start, octets, .. } => {
                let from = *start;
                *start += at as u8;
                Self::Inline {
                    start: from,
                    end: *start,
                    octets: *octets,
                }
            }
            Self::Pooled { start, .. } => {
                let from = *start;
                *start += at as u32;
                Self::Pooled {
                    start: from,
                    end: *start,
                }
            }
            Self::Shared(octets) => Self::Shared(octets.split_to(at)),
        }
    }
}
