//! The streams of a connection: what they may send, and what waits.
//!
//! For each stream that the stack may still send DATA on there is a record: how
//! urgent it is, its [`Ledger`], and, while the socket is full, a queue of its
//! DATA. From these follow two things:
//!
//! - **which frame goes next** ([`Streams::next`]): RFC 9218 over the queues,
//!   with everything that is not DATA ahead of them in a [`Lane`] (rules O1 to O4,
//!   P2);
//! - **how much credit the stack is told of** ([`Streams::tell`]): as much as the
//!   stream's queue has room for, and never more than the peer has granted (rules
//!   C2, P3). DATA that cannot go yet then stays with the application, and does
//!   not stand in the stack's own queue ahead of what can.
//!
//! While the socket takes what it is given nothing is queued, and the records
//! only count ([`Streams::note`]).

mod queue;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use self::queue::{Front, StreamQueue};
use super::credit::{Ledger, MAX_WINDOW};
use super::head::{Flags, FrameType, Head, StreamId};
use super::lane::{Lane, LaneFrame, Next, is_block};
use super::priority::Priority;
use super::scheduler::Scheduler;
use super::staged::Staged;
use super::stream_map::StreamMap;
use super::stream_set::StreamSet;
use super::stream_state::{Say, StreamState};
use crate::pool::BufferPool;

/// The window of a stream before SETTINGS say otherwise (RFC 9113, section 6.9.2).
const DEFAULT_WINDOW: i64 = 65_535;

/// Credit that the streams share, as long as nothing is congested.
const UNCONGESTED: i64 = 4 << 20;

/// The least that a stream is told at a time when very many compete.
const LEAST_SHARE: i64 = 16 << 10;

/// Streams that are known by their request alone. A peer may open many before
/// the stack refuses them.
const MAX_OPENED: usize = 512;

/// Streams that are not open yet whose priority is kept (rule P5). More than a
/// server allows to be open would be of no use.
const MAX_IDLE: usize = 256;

/// What a frame takes in the lane beside its octets, roughly.
const FRAME_OVERHEAD: u64 = 64;

/// The payload of `RST_STREAM` that says that nothing went wrong.
const NO_ERROR: [u8; 4] = [0; 4];

/// What of a connection's streams is bounded, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Whether anything is held back and queued at all.
    pub(crate) schedule: bool,
    /// Octets that a stream may have queued.
    pub(crate) stream: u32,
    /// Octets that a connection may have queued, frames that are not DATA too.
    pub(crate) connection: usize,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Streams {
    is_server: bool,
    bounds: Bounds,
    records: StreamMap<Record>,
    lane: Lane<Vec<u8>>,
    /// Exactly the streams whose queue starts with DATA that the peer takes now.
    scheduler: Scheduler,
    connection: Ledger,
    /// The window of a new stream: what the peer has said, and what the stack
    /// was told.
    initial: (i64, i64),
    /// By how much each SETTINGS of the peer has changed that, as far as its
    /// acknowledgement is not on the wire; and the sum.
    unacknowledged: (VecDeque<i64>, i64),
    /// Whether frames are queued now, and not written where they are.
    queueing: bool,
    /// Streams that send DATA.
    senders: usize,
    /// Streams of which the stack may send more than the peer takes.
    overdrawn: usize,
    /// Streams that the stack is to be told more credit of.
    to_tell: VecDeque<StreamId>,
    /// The highest stream that the peer has opened.
    last_opened: u32,
    /// Streams that the peer has reset, as far as the stack may not know yet, and
    /// those that a client's stack has.
    reset: StreamSet,
    /// Priorities of streams that are not open yet.
    idle: BTreeMap<StreamId, Priority>,
    /// Streams with a [`StreamState`] that have ended.
    closed: Vec<StreamId>,
}

#[derive(Debug, Default)]
struct Record {
    ledger: Ledger,
    queue: StreamQueue,
    priority: Priority,
    /// A `PRIORITY_UPDATE` has said what the priority is.
    is_updated: bool,
    /// The peer's signals do not count.
    distrusts: bool,
    /// The stack has sent DATA.
    sends: bool,
    /// There was no record before: the peer's credit may have gone by, so only
    /// the stack knows it.
    is_late: bool,
    /// The stack sends nothing more.
    ended: bool,
    is_to_tell: bool,
    is_overdrawn: bool,
    /// `RST_STREAM` that goes out behind the end of the stream.
    late_reset: Option<(Head, Vec<u8>)>,
    /// Octets of DATA that were written.
    sent: u64,
    state: Option<Arc<StreamState>>,
}

impl Streams {
    /// `key` is a random number, for the map of the streams.
    pub(crate) fn new(is_server: bool, bounds: Bounds, key: u64) -> Self {
        Self {
            is_server,
            bounds,
            records: StreamMap::with_key(key),
            lane: Lane::default(),
            scheduler: Scheduler::default().keyed(key),
            connection: Ledger::new(DEFAULT_WINDOW, DEFAULT_WINDOW),
            initial: (DEFAULT_WINDOW, DEFAULT_WINDOW),
            unacknowledged: (VecDeque::new(), 0),
            queueing: false,
            senders: 0,
            overdrawn: 0,
            to_tell: VecDeque::new(),
            last_opened: 0,
            reset: StreamSet::default(),
            idle: BTreeMap::new(),
            closed: Vec::new(),
        }
    }

    /// Whether streams are, or are about to be, in each other's way: one sends
    /// what does not fit into one frame, and there are others.
    pub(crate) fn are_in_the_way(&self) -> bool {
        self.compete() && (self.queueing || self.senders > 0)
    }

    /// Whether any stream may send.
    pub(crate) fn has_streams(&self) -> bool {
        !self.records.is_empty()
    }

    /// The task sleeps: memory that is not in use goes back.
    pub(crate) fn rest(&mut self) {
        self.records.rest();
        self.lane.rest();
        if self.to_tell.is_empty() {
            self.to_tell = VecDeque::new();
        }
    }

    pub(crate) fn is_server(&self) -> bool {
        self.is_server
    }

    /// Whether there is a record of the stream.
    pub(crate) fn knows(&self, stream: StreamId) -> bool {
        self.records.contains(stream)
    }

    /// Whether streams compete for the socket.
    pub(crate) fn compete(&self) -> bool {
        self.bounds.schedule && self.records.len() >= 2
    }

    /// Whether the stack may send more than the peer takes: then frames cannot be
    /// written where they are.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.overdrawn > 0
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        // A frame of DATA may have no octets.
        self.lane.next() == Next::Nothing
            && self.connection.queued() == 0
            && self.scheduler.next().is_none()
    }

    /// Octets that wait.
    pub(crate) fn queued(&self) -> u64 {
        self.connection.queued().unsigned_abs() + self.lane.cost()
    }

    /// Octets of frames that wait and are not DATA.
    pub(crate) fn queued_frames(&self) -> usize {
        self.lane.cost() as usize
    }

    /// Whether the bound is reached.
    pub(crate) fn is_full(&self) -> bool {
        self.queued() >= self.bounds.connection as u64
    }

    /// From now on frames are queued, or are not.
    pub(crate) fn set_queueing(&mut self, queueing: bool) {
        debug_assert!(queueing || self.is_empty());
        self.queueing = queueing;
    }
}

/// What comes from the peer.
impl Streams {
    /// A header block starts. Whether it opens the stream.
    pub(crate) fn opens(&mut self, stream: StreamId) -> bool {
        let number = stream.get();
        if !self.is_server || number.is_multiple_of(2) || number <= self.last_opened {
            return false;
        }
        self.last_opened = number;
        let priority = self.idle.remove(&stream);
        while self
            .idle
            .first_key_value()
            .is_some_and(|(&id, _)| id < stream)
        {
            // RFC 9113, section 5.1.1: these are closed now.
            self.idle.pop_first();
        }
        if self.records.len() < MAX_OPENED {
            let record = self.record(stream);
            if let Some(priority) = priority {
                record.priority = priority;
                record.is_updated = true;
            }
        }
        true
    }

    /// The peer has reset the stream: drops what waits (rule O4).
    pub(crate) fn reset(&mut self, stream: StreamId) {
        // There may be no record yet, and there shall be none any more.
        self.reset.insert(stream);
        self.drop_stream(stream);
    }

    /// The peer grants credit. Whether the stack shall not see it, because it is
    /// told when there is room.
    pub(crate) fn window_update(&mut self, stream: StreamId, increment: u32) -> bool {
        if stream.is_connection() {
            self.connection.grant(increment);
            self.connection.tell(increment);
            return false;
        }
        let Some(record) = self.records.get_mut(stream) else {
            return false;
        };
        let overflows = record.ledger.granted() + i64::from(increment) > MAX_WINDOW;
        record.ledger.grant(increment);
        if !self.bounds.schedule || increment == 0 || overflows {
            // The stack is the judge of these (rule F2).
            record.ledger.tell(increment);
        }
        let passes = !self.bounds.schedule || increment == 0 || overflows;
        self.check_overdrawn(stream);
        self.settle(stream);
        self.consider(stream);
        !passes
    }

    /// SETTINGS of the peer start.
    pub(crate) fn settings(&mut self) {
        self.unacknowledged.0.push_back(0);
    }

    /// The peer's SETTINGS say what the window of new streams is; existing ones
    /// change by the difference (RFC 9113, section 6.9.2). Returns what the stack
    /// shall be told instead.
    pub(crate) fn set_initial_window(&mut self, window: u32) -> u32 {
        let granted = i64::from(window);
        let told = match self.bounds.schedule {
            true => granted.min(i64::from(self.bounds.stream)),
            false => granted,
        };
        self.move_initial_window(granted, told);
        told as u32
    }

    fn move_initial_window(&mut self, granted: i64, told: i64) {
        let (was_granted, was_told) = self.initial;
        if (granted, told) == self.initial {
            return;
        }
        self.initial = (granted, told);
        let (changes, sum) = &mut self.unacknowledged;
        if let Some(last) = changes.back_mut() {
            *last += granted - was_granted;
            *sum += granted - was_granted;
        }
        for (_, record) in self.records.iter_mut() {
            record.ledger.adjust(granted - was_granted, told - was_told);
        }
        for stream in self.in_order() {
            self.check_overdrawn(stream);
            self.settle(stream);
            self.consider(stream);
        }
    }

    /// The acknowledgement of SETTINGS goes out: the peer goes by them from there
    /// on.
    fn acknowledge(&mut self) {
        let (changes, sum) = &mut self.unacknowledged;
        let change = changes.pop_front().unwrap_or(0);
        if change != 0 {
            *sum -= change;
            for stream in self.in_order() {
                self.settle(stream);
            }
        }
    }

    /// All streams, the lowest first, so that their turns do not depend on chance.
    fn in_order(&self) -> Vec<StreamId> {
        let mut streams: Vec<StreamId> = self.records.iter().map(|(stream, _)| stream).collect();
        streams.sort_unstable();
        streams
    }

    /// The same, of SETTINGS that the stack sees as they are.
    pub(crate) fn pass_initial_window(&mut self, window: u32) {
        self.move_initial_window(i64::from(window), i64::from(window));
    }

    /// A `PRIORITY_UPDATE` (rule P5).
    pub(crate) fn priority_update(&mut self, stream: StreamId, priority: Priority) {
        if !self.is_server {
            return;
        }
        match self.records.get_mut(stream) {
            Some(record) => {
                record.is_updated = true;
                if !record.distrusts {
                    self.set_priority(stream, priority);
                }
            }
            None if !stream.get().is_multiple_of(2) && stream.get() > self.last_opened => {
                self.idle.insert(stream, priority);
                if self.idle.len() > MAX_IDLE {
                    // The one that opens last, if ever.
                    self.idle.pop_last();
                }
            }
            None => {}
        }
    }
}

/// What the layers above say.
impl Streams {
    /// Shows what becomes of the stream to `state`.
    ///
    /// On a server it is closed when nothing of the response is left to be sent. A
    /// client's are closed by what comes.
    pub(crate) fn attach(&mut self, stream: StreamId, state: Arc<StreamState>) {
        if !self.is_server {
            return;
        }
        match self.records.get_mut(stream) {
            Some(record) => {
                state.set_priority(record.priority);
                record.state = Some(state);
            }
            None => self.closed.push(stream),
        }
    }

    /// A stream that has ended since the last call, of those that were attached,
    /// or that the stack has reset.
    pub(crate) fn next_closed(&mut self) -> Option<StreamId> {
        self.closed.pop()
    }

    pub(crate) fn say(&mut self, stream: StreamId, say: Say) {
        let Some(record) = self.records.get_mut(stream) else {
            return;
        };
        let priority = match say {
            Say::Own(priority) => priority,
            Say::Field(priority) if !record.is_updated && !record.distrusts => priority,
            Say::Distrust if record.is_updated => Priority::default(),
            Say::Field(_) | Say::Distrust => record.priority,
        };
        record.distrusts |= say == Say::Distrust;
        self.set_priority(stream, priority);
    }

    fn set_priority(&mut self, stream: StreamId, priority: Priority) {
        if let Some(record) = self.records.get_mut(stream) {
            record.priority = priority;
            if let Some(state) = &record.state {
                state.set_priority(priority);
            }
            self.scheduler.set_priority(stream, priority);
        }
    }
}

/// What comes from the stack.
impl Streams {
    /// A frame went out, or is about to, ahead of all that waits.
    pub(crate) fn note(&mut self, head: Head) {
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
                record.ledger.queue(head.length);
                record.ledger.sent(head.length);
                record.count(head.length);
                if ends {
                    self.forget(head.stream);
                } else {
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
        record.ledger.queue(flow);
        record.queue.push(octets, padding, end, pool);
        record.ended |= end;
        record.show();
        self.settle(stream);
        self.consider(stream);
    }

    /// Queues a frame that is not DATA, or a whole header block: `octets` as they
    /// are on the wire, `head` the first head of them.
    pub(crate) fn take_frame(&mut self, head: Head, octets: Vec<u8>) {
        let stream = head.stream;
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
                self.record(stream);
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

    fn push(&mut self, head: Head, octets: Vec<u8>, fenced: bool) {
        let cost = octets.len() as u64 + FRAME_OVERHEAD;
        self.lane.push(LaneFrame {
            head,
            payload: octets,
            fenced,
            cost,
        });
    }
}

/// What goes to the wire.
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
        self.connection.sent(head.length);
        if in_turn {
            self.scheduler.served(stream, head.length as usize);
        }
        self.settle(stream);
        self.consider(stream);
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
    fn settle(&mut self, stream: StreamId) {
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

    /// Whether DATA was dropped.
    fn stack_resets(&mut self, stream: StreamId) -> bool {
        self.note_reset(stream);
        self.drop_stream(stream)
    }

    fn note_reset(&mut self, stream: StreamId) {
        if !self.is_server {
            self.closed.push(stream);
            self.reset.insert(stream);
        }
    }

    /// Whether either side has reset the stream, as far as the other may not know
    /// yet. The resets of a server's stack are not remembered.
    pub(crate) fn is_reset(&self, stream: StreamId) -> bool {
        self.reset.contains(stream)
    }

    /// Drops what waits of the stream. It sends no more. Whether there was any
    /// DATA.
    fn drop_stream(&mut self, stream: StreamId) -> bool {
        let Some(record) = self.records.get_mut(stream) else {
            return false;
        };
        let dropped = record.queue.drop_data();
        let octets = dropped.unwrap_or(0) as u32;
        record.ledger.dropped(octets);
        record.ended = true;
        self.connection.dropped(octets);
        self.scheduler.remove(stream);
        self.settle(stream);
        dropped.is_some()
    }

    /// Nothing of the stream is left to be sent.
    fn forget(&mut self, stream: StreamId) {
        let Some(record) = self.records.remove(stream) else {
            return;
        };
        self.scheduler.remove(stream);
        self.senders -= usize::from(record.sends);
        self.overdrawn -= usize::from(record.is_overdrawn);
        if record.state.is_some() {
            self.closed.push(stream);
        }
    }

    /// The record of a stream that the stack may send on.
    fn record(&mut self, stream: StreamId) -> &mut Record {
        if !self.records.contains(stream) {
            let (granted, told) = self.initial;
            let record = Record {
                ledger: Ledger::new(granted, told),
                ..Record::default()
            };
            self.records.insert(stream, record);
        }
        self.records.get_or_default(stream)
    }

    /// The record of a stream that the stack sends DATA on.
    fn sender(&mut self, stream: StreamId) -> &mut Record {
        let is_late = !self.records.contains(stream);
        let is_new = !self.record(stream).sends;
        self.senders += usize::from(is_new);
        let record = self.record(stream);
        record.sends = true;
        record.is_late |= is_late;
        record
    }
}

/// What the stack is told of the peer's credit.
impl Streams {
    /// Whether [`Streams::tell`] has something to say.
    pub(crate) fn has_tells(&self) -> bool {
        !self.to_tell.is_empty() || self.connection.withheld() > 0
    }

    /// Appends the `WINDOW_UPDATE` frames that the stack shall see: of streams
    /// that have room, and of the connection for what was dropped (rule C4).
    pub(crate) fn tell(&mut self, out: &mut Vec<u8>) {
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
    fn consider(&mut self, stream: StreamId) {
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

    fn check_overdrawn(&mut self, stream: StreamId) {
        if let Some(record) = self.records.get_mut(stream) {
            let is_overdrawn = record.ledger.withheld() < 0;
            self.overdrawn += usize::from(is_overdrawn);
            self.overdrawn -= usize::from(record.is_overdrawn);
            record.is_overdrawn = is_overdrawn;
        }
    }
}

impl Record {
    /// What the peer takes of what is queued, as long as SETTINGS that have changed
    /// the window by so much are not acknowledged: the larger of both windows.
    /// That may be less than is queued, as an acknowledgement does not wait for
    /// DATA.
    fn window(&self, unacknowledged: i64) -> usize {
        match self.is_late {
            true => usize::MAX,
            false => usize::try_from(self.ledger.granted() - unacknowledged.min(0)).unwrap_or(0),
        }
    }

    /// So much of it was written.
    fn count(&mut self, octets: u32) {
        self.sent += u64::from(octets);
        self.show();
    }

    fn show(&self) {
        if let Some(state) = &self.state {
            state.set_octets(self.sent, self.ledger.queued().unsigned_abs());
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

#[cfg(test)]
pub(crate) mod tests;
