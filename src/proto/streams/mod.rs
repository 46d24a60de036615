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

mod layers;
mod peer;
mod queue;
mod receive;
mod stack;
mod tells;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use self::queue::StreamQueue;
use super::credit::Ledger;
use super::head::{Head, StreamId};
use super::lane::{Lane, Next};
use super::priority::Priority;
use super::scheduler::Scheduler;
use super::stream_map::StreamMap;
use super::stream_set::StreamSet;
use super::stream_state::StreamState;
use super::windows::Windows;

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
const FRAME_OVERHEAD: u64 = 128;

/// The payload of `RST_STREAM` that says that nothing went wrong.
const NO_ERROR: [u8; 4] = [0; 4];

/// That of one that says that the peer makes too much work.
const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 0xb];

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
    /// Sums over the records.
    sums: Sums,
    /// Streams that the stack is to be told more credit of.
    to_tell: VecDeque<StreamId>,
    /// Streams that the stack is to be told the end of.
    to_reset: Vec<StreamId>,
    /// Streams that were given up. What the stack said of one before it knew is
    /// dropped.
    given_up: StreamSet,
    /// The highest stream that the peer has opened.
    last_opened: u32,
    /// Streams that the peer has reset, as far as the stack may not know yet, and
    /// those that a client's stack has.
    reset: StreamSet,
    /// Priorities of streams that are not open yet.
    idle: BTreeMap<StreamId, Priority>,
    /// Streams with a [`StreamState`] that have ended.
    closed: Vec<StreamId>,
    /// The other direction: what the peer may send, if that is managed here.
    pub(in crate::proto) windows: Option<Box<Windows>>,
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
    /// the stack knows it, and what it sends shows it.
    is_late: bool,
    /// The stack sends nothing more.
    ended: bool,
    is_to_tell: bool,
    /// What of the sums is its part.
    part: Sums,
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
            lane: Lane::of_server(is_server),
            scheduler: Scheduler::default().keyed(key),
            connection: Ledger::new(DEFAULT_WINDOW, DEFAULT_WINDOW),
            initial: (DEFAULT_WINDOW, DEFAULT_WINDOW),
            unacknowledged: (VecDeque::new(), 0),
            queueing: false,
            senders: 0,
            sums: Sums::default(),
            to_tell: VecDeque::new(),
            to_reset: Vec::new(),
            given_up: StreamSet::default(),
            last_opened: 0,
            reset: StreamSet::default(),
            idle: BTreeMap::new(),
            closed: Vec::new(),
            windows: None,
        }
    }

    /// Manages what the peer may send, too.
    pub(crate) fn with_windows(mut self, windows: Option<Windows>) -> Self {
        self.windows = windows.map(Box::new);
        self
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

    /// How many streams are known.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The task sleeps: memory that is not in use goes back.
    pub(crate) fn rest(&mut self) {
        self.records.rest();
        self.lane.rest();
        if let Some(windows) = &mut self.windows {
            windows.rest();
        }
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
        self.sums.overdrawn > 0
    }

    /// Whether a stream was given up, and the stack does not know: what it says of it
    /// meanwhile must not go out, so it has to be queued.
    pub(crate) fn has_given_up(&self) -> bool {
        !self.to_reset.is_empty()
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

/// How records come and go.
impl Streams {
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
        self.recount(stream);
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
        self.sums.replace(record.part, Sums::default());
        if record.state.is_some() {
            self.close(stream);
        }
    }

    /// The stack sends no more on the stream: its handles are told when the peer
    /// does not, either.
    fn close(&mut self, stream: StreamId) {
        let windows = self.windows.as_mut();
        if !windows.is_some_and(|windows| windows.close_later(stream)) {
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
            self.recount(stream);
        }
        self.records.get_or_default(stream)
    }

    /// Brings the sums in line with the stream's credit.
    fn recount(&mut self, stream: StreamId) {
        if let Some(record) = self.records.get_mut(stream) {
            record.recount(self.bounds.stream, &mut self.sums);
        }
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

/// What is summed up over streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    /// Streams of which the stack may send more than the peer takes.
    overdrawn: usize,
    /// Octets that they have at hand beyond what each may have queued.
    shared: i64,
    /// Octets queued of streams that the peer's credit went by.
    late: i64,
}

impl Sums {
    /// What was `before` is `now`.
    fn replace(&mut self, before: Self, now: Self) {
        self.overdrawn = self.overdrawn + now.overdrawn - before.overdrawn;
        self.shared += now.shared - before.shared;
        self.late += now.late - before.late;
    }
}

impl Record {
    /// Brings its part of the sums in line with its credit. `each` is what a stream may
    /// have queued.
    fn recount(&mut self, each: u32, sums: &mut Sums) {
        let now = Sums {
            overdrawn: usize::from(self.ledger.withheld() < 0),
            shared: (self.ledger.at_hand() - i64::from(each)).max(0),
            late: i64::from(self.is_late) * self.ledger.queued(),
        };
        sums.replace(self.part, now);
        self.part = now;
    }

    /// What the peer takes of what is queued, as long as SETTINGS that have changed
    /// the window by so much are not acknowledged: the larger of both windows.
    /// That may be less than is queued, as an acknowledgement does not wait for
    /// DATA.
    fn window(&self, unacknowledged: i64) -> usize {
        usize::try_from(self.ledger.granted() - unacknowledged.min(0)).unwrap_or(0)
    }

    /// Whether something is queued, or the stream is over: only then does it change
    /// anything for the schedule what its window is.
    fn waits(&self) -> bool {
        self.ended || !self.queue.is_empty()
    }

    /// The stack has sent so much.
    fn take(&mut self, octets: u32) {
        self.ledger.queue(octets);
        let more = -self.ledger.told();
        if self.is_late && more > 0 {
            // It never sends what it was not told of.
            self.ledger.grant(more as u32);
            self.ledger.tell(more as u32);
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

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
