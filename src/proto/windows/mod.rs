//! The receive windows of a connection: what the peer is told of the credit that
//! the stack grants.
//!
//! The stack is configured with windows that are as large as they may ever be, and
//! grants accordingly. The peer is told of less: its view and the stack's are the
//! two sides of a [`Ledger`], and what lies between is a reserve. From there
//!
//! - a window is replenished as the application consumes, if a layer says what it
//!   does, so that what has come and is not consumed stays within it (rule W2);
//!   otherwise as DATA comes;
//! - a window [grows](window) with what the connection carries in a round trip
//!   (rule W3), as far as the [`WindowBudget`] allows;
//! - a new stream starts with what others on the connection came to.
//!
//! The peer is never told of more than the stack has granted (rule C1), so the
//! stack remains the judge. Of a stream that is not known here both views differ by
//! what they started with, and all else passes, which is always right.
//!
//! A peer that sends more than it was told of breaks the protocol (RFC 9113, section
//! 6.9.1), which the stack cannot see: [`Windows::data`] says so.
//!
//! Time is what [`Windows::tick`] said last.

pub(crate) mod estimate;
mod ping;
mod record;
pub(crate) mod window;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::estimate::Estimate;
use self::ping::Pings;
use self::record::{DEFAULT_WINDOW, Due, Record};
use self::window::Window;
use super::credit::{Ledger, MAX_WINDOW};
use super::head::{Flags, FrameType, Head, StreamId};
use super::stream_map::StreamMap;
use super::stream_state::StreamState;
use crate::flow_control::FlowControl;

/// With how many times a stream's floor a connection's window starts.
const STREAMS: u32 = 4;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Windows {
    is_server: bool,
    limits: FlowControl,
    now: Duration,
    estimate: Estimate,
    pings: Pings,
    connection: Connection,
    records: StreamMap<Record>,
    /// The window of a new stream: what the stack grants, and what the peer is
    /// told.
    initial: (i64, i64),
    /// SETTINGS of the stack that the peer has not acknowledged.
    unacknowledged: VecDeque<Settings>,
    /// The window that the largest stream has come to.
    learned: u32,
    /// What the streams have of the budget.
    held: u64,
    /// Streams of which the peer is to be told something.
    due: VecDeque<StreamId>,
    /// `WINDOW_UPDATE`s of the stack that go out as they are.
    passing: VecDeque<(StreamId, u32)>,
    /// The highest stream that a client's stack has opened.
    last_opened: u32,
    /// The highest stream of the peer's that the stack heeds.
    last_heeded: u32,
    /// Something went to the peer that was not followed: it may have more credit
    /// than is known here.
    is_vague: bool,
    /// The highest stream that got credit while it was not known.
    last_passed: u32,
    /// The peer ends the connection.
    ends: bool,
    /// Layers may find the streams.
    has_handles: bool,
    /// Streams whose peer waits, and it is not known yet if a layer watches.
    asking: Vec<StreamId>,
    figures: Figures,
}

/// The connection's own window.
#[derive(Debug)]
struct Connection {
    ledger: Ledger,
    window: Window,
    received: u64,
    is_stopped: bool,
}

/// SETTINGS on their way.
#[derive(Debug)]
struct Settings {
    sent: Duration,
    /// The window of new streams that they ask for, and the one that the peer sees.
    initial: Option<(i64, i64)>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    unconsumed: u64,
    stops: u64,
}

/// What [`ConnectionStats`](crate::ConnectionStats) shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowStats {
    pub(crate) round_trip: Option<Duration>,
    pub(crate) window: i64,
    pub(crate) reserve: i64,
    pub(crate) product: u64,
    pub(crate) unconsumed: u64,
    pub(crate) stops: u64,
    pub(crate) budget: u64,
}

impl Windows {
    /// `key` is a random number, for the map of the streams.
    pub(crate) fn new(is_server: bool, limits: FlowControl, key: u64) -> Self {
        let floor = limits.initial.saturating_mul(STREAMS);
        let floor = floor.min(limits.connection).max(limits.initial);
        Self {
            is_server,
            now: Duration::ZERO,
            estimate: Estimate::default(),
            pings: Pings::new(limits.pings),
            connection: Connection {
                ledger: Ledger::new(DEFAULT_WINDOW, DEFAULT_WINDOW),
                window: Window::new(floor, limits.connection),
                received: 0,
                is_stopped: false,
            },
            records: StreamMap::with_key(key),
            initial: (DEFAULT_WINDOW, DEFAULT_WINDOW),
            unacknowledged: VecDeque::new(),
            learned: limits.initial,
            held: 0,
            due: VecDeque::new(),
            passing: VecDeque::new(),
            last_opened: 0,
            last_heeded: u32::MAX,
            is_vague: false,
            last_passed: 0,
            ends: false,
            has_handles: false,
            asking: Vec::new(),
            figures: Figures::default(),
            limits,
        }
    }

    /// Layers may find the streams, and watch them.
    pub(crate) fn with_handles(mut self, has_handles: bool) -> Self {
        self.has_handles = has_handles;
        self
    }

    /// Time goes on: it is so long now since any fixed moment.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    pub(crate) fn stats(&self) -> WindowStats {
        let ledger = &self.connection.ledger;
        WindowStats {
            round_trip: self.estimate.round_trip(),
            window: ledger.told(),
            reserve: ledger.withheld(),
            product: self.estimate.product(),
            unconsumed: self.figures.unconsumed,
            stops: self.figures.stops,
            budget: self.held,
        }
    }

    /// The task sleeps: memory that is not in use goes back.
    pub(crate) fn rest(&mut self) {
        self.records.rest();
        if self.due.is_empty() {
            self.due = VecDeque::new();
        }
        if self.passing.is_empty() {
            self.passing = VecDeque::new();
        }
    }
}

/// What comes from the stack.
impl Windows {
    /// A frame goes out.
    pub(crate) fn sends(&mut self, head: Head) {
        match head.kind {
            FrameType::HEADERS if !self.is_server => self.requests(head.stream),
            FrameType::SETTINGS if !head.flags.contains(Flags::ACK) => {
                let sent = self.now;
                self.unacknowledged.push_back(Settings {
                    sent,
                    initial: None,
                });
            }
            FrameType::GOAWAY => self.pings.stop(),
            _ => {}
        }
    }

    /// Something of the stack went out without being looked at, which may be credit.
    pub(crate) fn overlooked(&mut self) {
        self.is_vague = true;
    }

    /// A client's stack sends HEADERS: if they open the stream, it may start with
    /// more than a floor.
    fn requests(&mut self, stream: StreamId) {
        if stream.get() > self.last_opened {
            self.last_opened = stream.get();
            if self.start() > self.limits.initial {
                self.open(stream);
                if let Some(record) = self.records.get_mut(stream) {
                    record.set_silent(true);
                }
            }
        }
    }

    /// The SETTINGS that go out ask for this window of new streams, and the peer
    /// sees the other.
    pub(crate) fn asks_for(&mut self, granted: u32, told: u32) {
        if let Some(settings) = self.unacknowledged.back_mut() {
            settings.initial = Some((granted.into(), told.into()));
        }
    }

    /// The stack heeds no stream of the peer's beyond this one from now on, and says
    /// nothing more of those (RFC 9113, section 6.8). Returns those that are known.
    pub(crate) fn heeds_until(&mut self, last: StreamId) -> Vec<StreamId> {
        self.last_heeded = self.last_heeded.min(last.get());
        let mut streams = self.in_order();
        streams.retain(|stream| !self.is_heeded(*stream));
        streams
    }

    fn is_heeded(&self, stream: StreamId) -> bool {
        let is_peers = stream.get().is_multiple_of(2) != self.is_server;
        !is_peers || stream.get() <= self.last_heeded
    }

    /// The stack grants credit, of which the peer is not told yet.
    pub(crate) fn granted(&mut self, stream: StreamId, increment: u32) {
        if stream.is_connection() {
            self.connection.ledger.grant(increment);
            return;
        }
        match self.records.get_mut(stream) {
            Some(record) => {
                record.ledger_mut().grant(increment);
                self.consider(stream);
            }
            None => {
                self.last_passed = self.last_passed.max(stream.get());
                self.passing.push_back((stream, increment));
            }
        }
    }

    /// The window that a new stream should start with.
    fn start(&self) -> u32 {
        let streams = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let share = self.learned / streams.saturating_add(1);
        match share >= self.limits.initial.saturating_mul(2) {
            true => share,
            false => self.limits.initial,
        }
    }
}

/// What comes from the peer.
impl Windows {
    /// SETTINGS are acknowledged: both go by them from here on.
    pub(crate) fn acknowledged(&mut self) {
        let Some(settings) = self.unacknowledged.pop_front() else {
            return;
        };
        self.estimate
            .answered(self.now.saturating_sub(settings.sent));
        let Some((granted, told)) = settings.initial else {
            return;
        };
        let (was_granted, was_told) = self.initial;
        self.initial = (granted, told);
        let ceiling = self.ceiling();
        for (_, record) in self.records.iter_mut() {
            record.set_ceiling(ceiling);
            let ledger = record.ledger_mut();
            ledger.adjust(granted - was_granted, told - was_told);
        }
        for stream in self.in_order() {
            self.consider(stream);
        }
    }

    fn in_order(&self) -> Vec<StreamId> {
        let mut streams: Vec<StreamId> = self.records.iter().map(|(stream, _)| stream).collect();
        streams.sort_unstable();
        streams
    }

    /// What a stream's window may grow to: no more than the stack grants, which
    /// would only take budget from others.
    fn ceiling(&self) -> u32 {
        let granted = u32::try_from(self.initial.0).unwrap_or(0);
        self.limits.stream.min(granted)
    }

    /// DATA is about to come on this stream.
    pub(crate) fn open(&mut self, stream: StreamId) {
        if self.records.contains(stream) || !self.is_heeded(stream) {
            return;
        }
        let start = self.start();
        let limits = &self.limits;
        let window = Window::new(limits.initial, self.ceiling());
        let budget = limits.budget.clone();
        let mut record = Record::new(self.initial, window, budget, self.has_handles);
        if stream.get() <= self.last_passed {
            record.set_vague();
        }
        self.records.insert(stream, record);
        if start > self.limits.initial {
            self.resize(stream, start);
            self.consider(stream);
        }
    }

    /// The head of a DATA frame has come. `false` if the peer must not have sent it:
    /// "The sender MUST NOT send a flow-controlled frame with a length that exceeds
    /// the space available in either of the flow-control windows advertised by the
    /// receiver" (RFC 9113, section 6.9.1).
    pub(crate) fn data(&mut self, stream: StreamId, length: u32) -> bool {
        let has = |told: i64| length == 0 || i64::from(length) <= told;
        let mut is_allowed = has(self.connection.ledger.told());
        let more = self.unacknowledged_window();
        self.estimate.received(length, self.now);
        self.pings.data();
        let connection = &mut self.connection;
        connection.ledger.queue(length);
        connection.ledger.sent(length);
        connection.received += u64::from(length);
        let stops = connection.ledger.told() <= 0;
        self.figures.stops += u64::from(stops && !connection.is_stopped);
        connection.is_stopped = stops;
        let (received, now) = (connection.received, self.now);
        let wanted = connection
            .window
            .wanted(received, now, &self.estimate, true);
        // It does not shrink: what it lets in is in the streams' windows.
        let size = wanted.max(connection.window.size());
        connection.window.set_size(size);
        if let Some(record) = self.records.get_mut(stream) {
            record.set_silent(false);
            is_allowed &= record.told().is_none_or(|told| has(told + more));
            self.figures.stops += u64::from(record.received(length));
            self.consider(stream);
        }
        is_allowed || self.is_vague
    }

    /// How much more a peer takes a stream's window for, if it goes by SETTINGS that
    /// it has not acknowledged (RFC 9113, section 6.5.3). Of these the stack is the
    /// judge.
    fn unacknowledged_window(&self) -> i64 {
        let asked = self.unacknowledged.iter().filter_map(|s| s.initial);
        let most = asked.map(|(_, told)| told).max();
        most.map_or(0, |most| (most - self.initial.1).max(0))
    }

    /// So many octets of the last DATA frame of the stream are padding: nobody
    /// consumes them.
    pub(crate) fn padding(&mut self, stream: StreamId, octets: u32) {
        if let Some(record) = self.records.get_mut(stream) {
            record.padding(octets);
            self.consider(stream);
        }
    }

    /// No more comes on the stream. Whether its handles were to be told.
    pub(crate) fn ended(&mut self, stream: StreamId) -> bool {
        self.forget(stream, true)
    }

    /// The stream was reset, by whichever side. Whether its handles were to be told.
    pub(crate) fn reset(&mut self, stream: StreamId) -> bool {
        self.passing.retain(|(other, _)| *other != stream);
        self.forget(stream, false)
    }

    /// The peer has said something on the stream.
    pub(crate) fn heard(&mut self, stream: StreamId) {
        if let Some(record) = self.records.get_mut(stream)
            && record.set_silent(false)
        {
            self.consider(stream);
        }
    }

    /// The peer ends the connection.
    pub(crate) fn goaway(&mut self) {
        self.ends = true;
        self.pings.stop();
    }

    fn forget(&mut self, stream: StreamId, keeps: bool) -> bool {
        let Some(record) = self.records.remove(stream) else {
            return false;
        };
        self.held -= record.share();
        self.figures.unconsumed -= record.unconsumed();
        record.close(keeps)
    }
}

/// What the layers above say.
impl Windows {
    /// Shows what becomes of the stream to `state`, and heeds what is said there.
    pub(crate) fn attach(&mut self, stream: StreamId, state: &Arc<StreamState>) {
        if let Some(record) = self.records.get_mut(stream) {
            record.attach(state);
            self.consider(stream);
        }
    }

    /// The other direction of the stream has ended: its handles are told once this
    /// one has. `false` if it has already.
    pub(crate) fn close_later(&mut self, stream: StreamId) -> bool {
        let record = self.records.get_mut(stream);
        record.map(Record::close_later).is_some()
    }

    /// Goes by what is consumed by now, of one stream.
    pub(crate) fn consider(&mut self, stream: StreamId) {
        while self.look(stream) == Due::Again {}
    }

    fn look(&mut self, stream: StreamId) -> Due {
        let Some(record) = self.records.get_mut(stream) else {
            return Due::Later;
        };
        let before = record.unconsumed();
        let (wanted, size) = (record.look(self.now, &self.estimate), record.size());
        let is_seen = record.hint().is_none();
        self.figures.unconsumed = self.figures.unconsumed - before + record.unconsumed();
        let grown = self.resize(stream, wanted);
        if is_seen && grown > size {
            self.learned = self.learned.max(grown);
        }
        let Some(record) = self.records.get_mut(stream) else {
            return Due::Later;
        };
        if record.asks(self.now) && !record.set_asking(true) {
            self.asking.push(stream);
        }
        let due = record.due(record.may_open(&self.estimate));
        if due == Due::Now && !record.set_due(true) {
            self.due.push_back(stream);
        }
        due
    }

    /// Changes a stream's window as far as the budget goes, and the connection's
    /// credit: all together do not take more than three quarters of that, and none
    /// more than eight ninths of what is left, two thirds of all at first. So where
    /// nobody reads, there is still something for other streams. Returns what it is
    /// then.
    fn resize(&mut self, stream: StreamId, wanted: u32) -> u32 {
        let Some(record) = self.records.get_mut(stream) else {
            return 0;
        };
        let before = record.share();
        let most = u64::from(self.limits.connection / 4 * 3);
        let room = most.saturating_sub(self.held) / 9 * 8;
        record.resize(wanted, self.held, room);
        self.held = self.held - before + record.share();
        let size = record.size();
        // So that no stream has all of the connection's credit (rule W3).
        let least = size.saturating_add(size / 2);
        let window = &mut self.connection.window;
        window.set_size(window.size().max(least));
        size
    }
}

/// Questions to the layers above.
impl Windows {
    /// Whether a peer waits, and it is not known yet if a layer watches its stream:
    /// then [`Windows::ask`] has to be called again soon, whatever happens.
    pub(crate) fn has_questions(&self) -> bool {
        !self.asking.is_empty()
    }

    /// Looks whether that is known by now.
    pub(crate) fn ask(&mut self) {
        for stream in std::mem::take(&mut self.asking) {
            if let Some(record) = self.records.get_mut(stream) {
                record.polled();
            }
            self.consider(stream);
        }
    }
}

/// What the peer is told.
impl Windows {
    /// Whether [`Windows::next_update`] has something.
    pub(crate) fn has_updates(&self) -> bool {
        !self.due.is_empty() || !self.passing.is_empty() || self.connection_update() > 0
    }

    /// The next `WINDOW_UPDATE` that goes to the peer.
    ///
    /// If `follows`, it goes out right behind what the stack has written. Only then
    /// is the peer told of a stream on which it has said nothing yet, and not after it
    /// has sent GOAWAY: it may ignore the request by then (RFC 9113, section 6.8), and
    /// h2 takes an update of such a stream for one of an idle stream, which ends the
    /// connection.
    pub(crate) fn next_update(&mut self, follows: bool) -> Option<(StreamId, u32)> {
        if let Some(passing) = self.passing.pop_front() {
            return Some(passing);
        }
        let more = self.connection_update();
        if more > 0 {
            self.connection.ledger.tell(more);
            self.connection.is_stopped = false;
            self.pings.updated(self.now);
            return Some((StreamId::CONNECTION, more));
        }
        while let Some(stream) = self.due.pop_front() {
            let Some(record) = self.records.get_mut(stream) else {
                continue;
            };
            record.set_due(false);
            if record.is_silent() && (self.ends || !follows) {
                continue;
            }
            let more = record.tell();
            // It may wait for what is consumed from now on.
            self.consider(stream);
            if more > 0 {
                return Some((stream, more));
            }
        }
        None
    }

    /// Whether a PING should go out now, behind a `WINDOW_UPDATE` of the
    /// connection. It has if this says so.
    pub(crate) fn takes_ping(&mut self) -> bool {
        self.pings.take(self.now)
    }

    /// That PING is acknowledged.
    pub(crate) fn ping_acknowledged(&mut self) {
        if let Some(sent) = self.pings.acknowledged() {
            self.estimate.answered(self.now.saturating_sub(sent));
        }
    }

    /// How much more of the connection's credit the peer is told of now.
    fn connection_update(&self) -> u32 {
        let Connection { ledger, window, .. } = &self.connection;
        let missing = i64::from(window.size()) - ledger.told();
        let more = missing.min(ledger.withheld()).min(MAX_WINDOW);
        match missing >= i64::from(window.worth_an_update()) {
            true => u32::try_from(more).unwrap_or(0),
            false => 0,
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
