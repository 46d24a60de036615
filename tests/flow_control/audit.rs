//! What a peer was told, checked against what it may be told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use framewright::FrameType;

use crate::raw::{INITIAL_WINDOW_SIZE, Received};

/// The largest window (RFC 9113, section 6.9.1).
const LARGEST: i64 = (1 << 31) - 1;
/// The payloads of h2's own PINGs: for hyper's adaptive windows, and before a
/// graceful GOAWAY.
const OF_THE_STACK: [[u8; 8]; 2] = [
    [0x3b, 0x7c, 0xdb, 0x7a, 0x0b, 0x87, 0x16, 0xb4],
    [0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54],
];
/// PINGs of its own that may come at once, and one more that was on its way when
/// the clock was read.
const AT_ONCE: u64 = 4 + 1;
/// What grpc-go forgives.
const STRIKES: u32 = 2;

/// The most that the stack at the other end grants, of a stream and of the
/// connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    pub(crate) stream: i64,
    pub(crate) connection: i64,
}

impl Stack {
    /// As those of `ends`.
    pub(crate) fn known() -> Self {
        Self {
            stream: i64::from(crate::ends::STREAM),
            connection: i64::from(crate::ends::CONNECTION),
        }
    }

    /// It changes its windows as it sees fit.
    pub(crate) fn unknown() -> Self {
        Self {
            stream: LARGEST,
            connection: LARGEST,
        }
    }
}

/// The ledger of a peer that sends.
#[derive(Debug)]
pub(crate) struct Audit {
    stack: Stack,
    initial: i64,
    connection: i64,
    /// Of streams that are open at the peer's end.
    streams: BTreeMap<u32, Window>,
    /// Those that the peer has ended or reset, and the other end may not know of.
    ended: BTreeSet<u32>,
    /// All up to these that are not open are known to be over.
    settled: BTreeSet<u32>,
    goaway: bool,
    pub(crate) pings: Pings,
    /// `WINDOW_UPDATE`s: of the connection, and of streams.
    pub(crate) updates: (u64, u64),
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    credit: i64,
    /// All that was ever granted, the initial window included.
    granted: i64,
}

/// The PINGs that came, without those of the stack.
#[derive(Debug)]
pub(crate) struct Pings {
    since: Instant,
    pub(crate) count: u64,
    /// A `WINDOW_UPDATE` of the connection came after the latest.
    behind_update: bool,
    /// As grpc-go counts: the peer has sent DATA or HEADERS after the latest.
    sent: bool,
    latest: Option<Instant>,
    strikes: u32,
}

impl Audit {
    pub(crate) fn new(stack: Stack) -> Self {
        Self {
            stack,
            initial: 65_535,
            connection: 65_535,
            streams: BTreeMap::new(),
            ended: BTreeSet::new(),
            settled: BTreeSet::new(),
            goaway: false,
            pings: Pings {
                since: Instant::now(),
                count: 0,
                behind_update: false,
                sent: false,
                latest: None,
                strikes: 0,
            },
            updates: (0, 0),
        }
    }

    /// Octets that may go out on a stream now.
    pub(crate) fn credit(&self, stream: u32) -> usize {
        let stream = self.streams.get(&stream).map_or(0, |window| window.credit);
        stream.min(self.connection).max(0) as usize
    }

    /// All that a stream that is open was ever granted.
    pub(crate) fn granted(&self, stream: u32) -> i64 {
        self.streams[&stream].granted
    }

    pub(crate) fn initial(&self) -> i64 {
        self.initial
    }

    pub(crate) fn opened(&mut self, stream: u32) {
        let window = Window {
            credit: self.initial,
            granted: self.initial,
        };
        self.streams.insert(stream, window);
        self.pings.sent = true;
    }

    /// The peer has sent DATA.
    pub(crate) fn sent(&mut self, stream: u32, octets: usize) {
        self.connection -= octets as i64;
        self.streams.get_mut(&stream).expect("open").credit -= octets as i64;
        self.pings.sent = true;
    }

    /// The peer has ended a stream, or reset it, or has seen it reset.
    pub(crate) fn ended(&mut self, stream: u32) {
        self.streams.remove(&stream);
        self.ended.insert(stream);
    }

    /// Those that have ended so far: once the other end has answered what was sent
    /// after that, they go to [`Self::settle`].
    pub(crate) fn ended_so_far(&self) -> BTreeSet<u32> {
        self.ended.clone()
    }

    pub(crate) fn settle(&mut self, streams: &BTreeSet<u32>) {
        self.settled.extend(streams);
    }

    /// A GOAWAY was sent or came.
    pub(crate) fn goaway(&mut self) {
        self.goaway = true;
    }

    pub(crate) fn is_going_away(&self) -> bool {
        self.goaway
    }

    pub(crate) fn check(&mut self, received: &Received) {
        if received.is(FrameType::WINDOW_UPDATE) {
            let octets = received.payload[..].try_into().expect("four octets");
            self.update(received.stream(), i64::from(u32::from_be_bytes(octets)));
        } else if received.is(FrameType::SETTINGS) && !received.is_ack() {
            for parameter in received.payload.chunks(6) {
                if parameter[..2] == INITIAL_WINDOW_SIZE.to_be_bytes() {
                    let value = parameter[2..].try_into().expect("four octets");
                    self.resize(i64::from(u32::from_be_bytes(value)));
                }
            }
        } else if received.is(FrameType::PING) && !received.is_ack() {
            if !OF_THE_STACK.iter().any(|own| *own == received.payload[..]) {
                assert!(!self.goaway, "a PING after GOAWAY");
                self.pings.came();
            }
        } else if received.is(FrameType::GOAWAY) {
            self.goaway = true;
        }
    }

    fn update(&mut self, stream: u32, octets: i64) {
        assert!((1..=LARGEST).contains(&octets), "{octets} for {stream}");
        if stream == 0 {
            self.updates.0 += 1;
            self.connection += octets;
            self.pings.behind_update = true;
            let most = self.stack.connection;
            assert!(self.connection <= most, "{} of {most}", self.connection);
            return;
        }
        self.updates.1 += 1;
        assert!(!self.settled.contains(&stream), "{stream} is over");
        if let Some(window) = self.streams.get_mut(&stream) {
            window.credit += octets;
            window.granted += octets;
            let most = self.stack.stream;
            assert!(window.credit <= most, "{} of {most}", window.credit);
        } else {
            assert!(self.ended.contains(&stream), "{stream} is idle");
        }
    }

    fn resize(&mut self, initial: i64) {
        assert!(initial <= self.stack.stream, "{initial}");
        let change = initial - self.initial;
        self.initial = initial;
        for window in self.streams.values_mut() {
            window.credit += change;
            window.granted += change;
            assert!(window.credit <= self.stack.stream, "{window:?}");
        }
    }
}

impl Pings {
    fn came(&mut self) {
        self.count += 1;
        let now = Instant::now();
        let most = AT_ONCE + self.since.elapsed().as_secs();
        assert!(self.count <= most, "{} PINGs of {most}", self.count);
        let behind = std::mem::take(&mut self.behind_update);
        assert!(behind, "a PING with no WINDOW_UPDATE of the connection");
        // `handlePing` of grpc-go's server, with its default of five minutes: no
        // test takes as long.
        if std::mem::take(&mut self.sent) {
            self.strikes = 0;
        } else if self.latest.is_some() {
            self.strikes += 1;
            assert!(self.strikes <= STRIKES, "too many pings");
        }
        self.latest = Some(now);
    }
}
