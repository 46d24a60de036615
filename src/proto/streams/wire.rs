//! What goes to the wire.

use super::queue::Front;
use super::stack::lane_frame;
use super::tells::reset_head;
use super::{ENHANCE_YOUR_CALM, Streams};
use crate::proto::head::{Flags, FrameType, Head, StreamId};
use crate::proto::lane::Next;
use crate::proto::staged::Staged;

impl Streams {
    /// Appends the next wire frame, or header block, to `out`: DATA in frames of
    /// at most `limit` octets. Calls `seen` for each head. `false` if nothing may
    /// go now.
    pub(crate) fn next(
        &mut self,
        limit: usize,
        out: &mut Staged,
        mut seen: impl FnMut(Head),
    ) -> bool {
        match self.lane.next() {
            Next::Fenced(stream) if matches!(self.front(stream), Front::Data(_)) => {
                // It goes first of all, if the peer takes it.
                if self.is_sendable(stream) {
                    return self.serve(stream, false, limit, out, seen);
                }
            }
            Next::Nothing => {}
            Next::Frame | Next::Fenced(_) => {
                if let Some(frame) = self.lane.pop() {
                    let mut octets = frame.payload;
                    if let Some(first) = octets.first_chunk_mut() {
                        // Its flags may have changed since, its length has not.
                        let length = Head::decode(first).length;
                        *first = Head {
                            length,
                            ..frame.head
                        }
                        .encode();
                    }
                    for_each_head(&octets, &mut seen);
                    out.append(&octets);
                    if frame.fenced {
                        self.block_written(frame.head.stream);
                    }
                    if frame.head.kind == FrameType::SETTINGS
                        && frame.head.flags.contains(Flags::ACK)
                    {
                        self.acknowledge();
                    }
                }
                return true;
            }
        }
        match self.scheduler.next() {
            Some(stream) => self.serve(stream, true, limit, out, seen),
            None => false,
        }
    }

    fn serve(
        &mut self,
        stream: StreamId,
        in_turn: bool,
        limit: usize,
        out: &mut Staged,
        mut seen: impl FnMut(Head),
    ) -> bool {
        let Some(record) = self.records.get_mut(stream) else {
            debug_assert!(false, "a stream is scheduled that has no record");
            self.scheduler.remove(stream);
            return false;
        };
        let limit = limit.min(record.window(self.unacknowledged.1));
        let Some(head) = record.queue.cut(stream, limit, out) else {
            return false;
        };
        seen(head);
        record.ledger.sent(head.length);
        record.count(head.length);
        record.recount(self.bounds.stream, &mut self.sums);
        self.connection.sent(head.length);
        if in_turn {
            self.scheduler.served(stream, head.length as usize);
        }
        self.settle(stream);
        self.consider(stream);
        true
    }

    /// Gives up the stream whose trailers stand before all else that waits, because
    /// the peer does not take its DATA, if that is much: of frames, or of DATA that
    /// nothing else bounds. Whether there was one.
    ///
    /// The stack cannot be stopped there: it has to read on for the credit that ends
    /// the wait. So it would go on with answers to whatever the peer sends, and all
    /// of that would pile up behind a stream that the peer alone can set free.
    pub(crate) fn give_up(&mut self) -> bool {
        let Next::Fenced(stream) = self.lane.next() else {
            return false;
        };
        let bound = self.bounds.connection as u64;
        let is_much = self.lane.cost() >= bound / 2 || self.sums.late.unsigned_abs() >= bound / 2;
        let is_stuck = matches!(self.front(stream), Front::Data(_)) && !self.is_sendable(stream);
        if !is_much || !is_stuck {
            return false;
        }
        self.note_reset(stream);
        self.reset.insert(stream);
        self.given_up.insert(stream);
        if let Some(record) = self.records.get_mut(stream) {
            record.late_reset = None;
        }
        self.drop_stream(stream);
        // The trailers have to go, as the peer's HPACK decoder is to see them, but they
        // must not make it take what it has for all there is.
        self.lane.clear_end_stream(stream);
        let head = reset_head(stream);
        let octets = [&head.encode()[..], &ENHANCE_YOUR_CALM].concat();
        self.lane
            .push_behind(stream, lane_frame(head, octets, false));
        self.receives_no_more(stream, false);
        self.to_reset.push(stream);
        true
    }

    fn front(&self, stream: StreamId) -> Front {
        self.records
            .get(stream)
            .map_or(Front::Nothing, |record| record.queue.front())
    }

    /// Whether the stream has DATA in front, and the peer takes it.
    fn is_sendable(&self, stream: StreamId) -> bool {
        self.records
            .get(stream)
            .is_some_and(|record| match record.queue.front() {
                Front::Data(least) => record.window(self.unacknowledged.1) >= least,
                Front::Block | Front::Nothing => false,
            })
    }

    fn block_written(&mut self, stream: StreamId) {
        if let Some(record) = self.records.get_mut(stream) {
            record.queue.pop_block();
        }
        self.settle(stream);
    }

    /// Brings the scheduler and the records in line with what stands first in the
    /// stream's queue now.
    pub(super) fn settle(&mut self, stream: StreamId) {
        let Some(record) = self.records.get_mut(stream) else {
            return;
        };
        let priority = record.priority;
        if record.queue.is_empty() && record.ended {
            let late_reset = record.late_reset.take();
            self.forget(stream);
            if let Some((head, octets)) = late_reset {
                self.push(head, octets, false);
            }
        } else if self.is_sendable(stream) {
            self.scheduler.insert(stream, priority);
        } else {
            self.scheduler.remove(stream);
        }
    }
}

/// Calls `seen` for each frame of a header block.
fn for_each_head(mut octets: &[u8], mut seen: impl FnMut(Head)) {
    while let Some(head) = octets.first_chunk().map(Head::decode) {
        seen(head);
        let whole = Head::LEN + head.length as usize;
        octets = octets.get(whole..).unwrap_or_default();
    }
}
