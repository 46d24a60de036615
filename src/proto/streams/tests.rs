//! The core of the outbound side without IO, against a naive model of the
//! stack, of the queues and of the peer.

pub(crate) mod ends;
mod naive;
mod rules;
mod told;

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use self::ends::{Event, Peer, Splitter, Stack, raw, settings, update};
use self::naive::{Expected, Feed, Oracle};
use super::*;
use crate::PoolConfig;
use crate::fuzzing::Source;
use crate::pool::BufferPool;
use crate::proto::head::{Flags, FrameType};
use crate::proto::inbound::{Inbound, Run, tell};
use crate::proto::intake::Intake;
use crate::proto::outbound::{Outbound, Wire};
use crate::proto::staged::Staged;
use crate::proto::stream_state::Say;
use crate::proto::testing::{Event as Seen, Raw, meaning, parse};

const BOUNDS: Bounds = Bounds {
    schedule: true,
    stream: 64 << 10,
    connection: 4 << 20,
};

fn id(stream: u32) -> StreamId {
    StreamId::new(stream).unwrap()
}

struct Model {
    streams: Streams,
    intake: Intake,
    outbound: Outbound,
    inbound: Inbound,
    staged: Staged,
    pool: BufferPool,
    queueing: bool,
    /// Octets of a piece of DATA at most, as for TLS records.
    largest: usize,
    stack: Stack,
    peer: Peer,
    oracle: Oracle,
    feed: Feed,
    delivering: Splitter,
    relaying: Splitter,
    arriving: Splitter,
    wire: Vec<u8>,
}

impl Model {
    fn new(is_server: bool, records: bool) -> Self {
        let pool = BufferPool::new(PoolConfig::default());
        Self {
            streams: Streams::new(is_server, BOUNDS, 7),
            intake: Intake::default(),
            outbound: Outbound::new(),
            inbound: Inbound::new(1 << 20, u32::MAX, None),
            staged: Staged::new(pool.clone()),
            pool,
            queueing: false,
            largest: if records { 16_375 } else { 16_384 },
            stack: Stack::new(is_server),
            peer: Peer::new(),
            oracle: Oracle::new(is_server),
            feed: Feed::default(),
            delivering: Splitter::default(),
            relaying: Splitter::default(),
            arriving: Splitter::default(),
            wire: Vec::new(),
        }
    }

    /// The next octets of the peer reach the transport.
    fn deliver(&mut self, n: usize) {
        let n = n.min(self.peer.outbox.len());
        let chunk: Vec<u8> = self.peer.outbox.drain(..n).collect();
        let events = self.delivering.push(&chunk);
        self.oracle.delivered(&events);
        let mut runs = VecDeque::new();
        self.inbound
            .process(&chunk, 0, &mut runs, &mut self.streams);
        self.outbound.set_limit(self.inbound.peer_limit());
        self.hand_over(&runs, &chunk);
    }

    /// The stack is told of credit, as it is before it reads.
    fn tell(&mut self) {
        if self.inbound.at_boundary() {
            let mut runs = VecDeque::new();
            tell(&mut self.streams, &mut runs);
            assert!(!self.streams.has_tells());
            self.hand_over(&runs, &[]);
        }
    }

    fn hand_over(&mut self, runs: &VecDeque<Run>, chunk: &[u8]) {
        for run in runs {
            let octets = match run {
                Run::Pass(range) => &chunk[range.clone()],
                Run::Octets(octets) => octets,
                Run::Pause => continue,
            };
            let events = self.relaying.push(octets);
            let most = if self.queueing {
                i64::from(BOUNDS.stream)
            } else {
                UNCONGESTED
            };
            self.oracle.relayed(&events, most);
            self.stack.inbox.extend(octets);
        }
    }

    fn set_queueing(&mut self, queueing: bool) {
        self.queueing = queueing;
        self.streams.set_queueing(queueing);
    }

    /// Frames may be written in place again, just as in the transport.
    fn may_stop_queueing(&self) -> bool {
        self.streams.is_empty()
            && self.intake.is_empty()
            && !self.streams.is_overdrawn()
            && self.outbound.at_stack_boundary()
    }

    /// The transport takes the next octets of the stack.
    fn take(&mut self, n: usize) {
        if self.streams.is_overdrawn() && !self.queueing {
            self.set_queueing(true);
        }
        let n = n.min(self.stack.outbox.len());
        let octets: Vec<u8> = self.stack.outbox.drain(..n).collect();
        let (missing, limit) = (self.arriving.missing(), self.outbound.limit() as usize);
        let mut acks = 0;
        if self.queueing {
            self.intake.take(
                &octets,
                &mut self.outbound,
                &mut self.streams,
                &mut self.staged,
                &self.pool,
                |head| acks += is_ack(head),
            );
        } else {
            let mut input = &octets[..];
            loop {
                let (n, wire) = self.outbound.next(input, usize::MAX);
                let (consumed, rest) = input.split_at(n);
                input = rest;
                match wire {
                    Some(Wire::Head(lead)) => {
                        self.streams.note(lead.head);
                        acks += is_ack(lead.head);
                        self.staged.append(lead.octets());
                    }
                    Some(Wire::Payload(n)) => self.staged.append(&consumed[consumed.len() - n..]),
                    None if n == 0 => break,
                    _ => {}
                }
            }
        }
        let in_place = !self.queueing;
        for event in self.drain() {
            if let Event::Head(head, length) = event
                && in_place
            {
                assert!(self.oracle.limits.iter().all(|limit| length <= *limit));
                self.oracle.noted(&head, length);
            }
        }
        self.feed
            .push(&octets, self.queueing, missing, limit, &mut self.oracle);
        self.acknowledge(acks);
    }

    /// The socket takes one frame, or a header block. Whether there was one.
    fn pump(&mut self) -> bool {
        if !self.queueing || self.intake.blocks_staging(&self.outbound) {
            return false;
        }
        let expected = self.oracle.expected();
        let limit = self.largest.min(self.outbound.limit() as usize);
        let mut acks = 0;
        let mut heads = 0;
        let more = self.streams.next(limit, &mut self.staged, |head| {
            acks += is_ack(head);
            heads += 1;
        });
        assert_eq!(more, expected != Expected::Nothing, "{expected:?}");
        let events = self.drain();
        let frames: Vec<Raw> = events
            .into_iter()
            .filter_map(|event| match event {
                Event::Frame(frame) => Some(frame),
                Event::Head(..) => None,
            })
            .collect();
        assert!(self.arriving.is_between_frames());
        assert_eq!(heads, frames.len());
        self.oracle.emitted(expected, &frames, limit);
        self.acknowledge(acks);
        more
    }

    /// All that is staged reaches the peer.
    fn drain(&mut self) -> Vec<Event> {
        let mut octets = Vec::new();
        while !self.staged.is_empty() {
            let mut slices: [&[u8]; 8] = [&[]; 8];
            let (count, n) = self.staged.slices(&mut slices);
            octets.extend(slices[..count].concat());
            self.staged.advance(n);
        }
        self.wire.extend(&octets);
        let events = self.arriving.push(&octets);
        for event in &events {
            if let Event::Frame(frame) = event {
                self.peer.receives(frame);
            }
        }
        events
    }

    fn acknowledge(&mut self, acks: u32) {
        self.inbound.acknowledged(acks);
        self.outbound.set_limit(self.inbound.peer_limit());
        for _ in 0..acks {
            self.oracle.acknowledged();
        }
    }

    /// The ledgers are what they should be.
    fn check(&self) {
        let (real, naive) = (&self.streams, &self.oracle);
        assert_eq!(real.records.len(), naive.streams.len());
        let (mut sums, mut senders) = (Sums::default(), 0);
        let each = i64::from(real.bounds.stream);
        for (id, stream) in &naive.streams {
            let record = real.records.get(StreamId::from_wire(*id)).unwrap();
            let totals = stream.totals;
            let ledger = record.ledger;
            assert_eq!(ledger.granted(), totals.window(), "{id}: {totals:?}");
            assert_eq!(ledger.told(), totals.told - totals.taken);
            assert_eq!(ledger.queued(), stream.queued());
            sums.overdrawn += usize::from(ledger.withheld() < 0);
            sums.shared += (ledger.at_hand() - each).max(0);
            sums.late += i64::from(record.is_late) * ledger.queued();
            senders += usize::from(record.sends);
        }
        assert_eq!((real.sums, real.senders), (sums, senders));
        let totals = naive.connection;
        assert_eq!(real.connection.granted(), totals.window());
        assert_eq!(real.connection.told(), totals.told - totals.taken);
        let queued = naive.streams.values().map(naive::Stream::queued).sum();
        assert_eq!(real.connection.queued(), queued);
        assert_eq!(real.is_empty(), naive.is_empty());
    }

    fn act(&mut self, (op, a, b): Op) {
        let (n, size) = (usize::from(a), sizes(b));
        let (stack, peer) = (&mut self.stack, &mut self.peer);
        match op {
            0..6 if stack.is_server => {
                peer.next += 2 * u32::from(a % 3 / 2);
                let flags = Flags::END_HEADERS.with(Flags::END_STREAM);
                peer.send(&raw(FrameType::HEADERS, flags, peer.next, vec![0x82]));
                peer.next += 2;
            }
            0..6 => {
                stack.open(peer.next);
                stack.headers(peer.next, size % 100, b % 7 == 0, b >> 3);
                peer.next += 2;
            }
            6..14 => {
                if let Some(stream) = stack.pick(n, |s| !s.answered) {
                    stack.headers(stream, size / 3, b % 11 == 0, b >> 4);
                }
            }
            14..40 => {
                if let Some(stream) = stack.pick(n, |s| s.answered && !s.ended) {
                    let padding = (b % 13 == 0).then_some((b >> 8) as u8);
                    let size = if padding.is_some() {
                        size % 16_000
                    } else {
                        size
                    };
                    stack.data(stream, size, padding, b % 9 == 0);
                }
            }
            40..43 => {
                if let Some(stream) = stack.pick(n, |s| s.answered && !s.ended) {
                    stack.headers(stream, size / 3, true, b >> 4);
                }
            }
            43..45 => {
                if let Some(stream) = stack.pick(n, |s| s.answered) {
                    stack.reset(stream, [0, 8][b as usize % 2]);
                }
            }
            45..48 => {
                let payload = b.to_be_bytes().repeat(2);
                stack.write(match a % 4 {
                    0 => raw(FrameType::PING, Flags::NONE, 0, payload),
                    1 => raw(FrameType::GOAWAY, Flags::NONE, 0, payload),
                    2 => update(0, b % 1000 + 1),
                    _ => raw(FrameType(0xbe), Flags::NONE, 0, payload),
                });
            }
            48..62 => self.take(sizes(b / 3) + 1),
            62..76 => {
                for _ in 0..=a % 6 {
                    self.pump();
                }
            }
            76..84 => {
                let streams: Vec<u32> = self.oracle.streams.keys().copied().collect();
                let stream = streams.get(n % (streams.len() + 2)).copied();
                peer.send(&update(stream.unwrap_or(0), size as u32 + 1));
            }
            84..87 => {
                let windows = [0, 300, 5_000, 65_535, 100_000, 1 << 20];
                let limits = [16_384, 16_385, 20_000, 60_000];
                let mut parameters = vec![(4, windows[n % 6]), (5, limits[b as usize % 4])];
                if b % 3 == 0 {
                    parameters.remove(b as usize / 3 % 2);
                }
                let mut frame = settings(&parameters);
                if b % 16 == 5 {
                    // Too many to be held: the stack sees them as they are.
                    let others = settings(&vec![(9, 4); 2_731]);
                    frame.payload.splice(0..0, others.payload);
                }
                peer.send(&frame);
            }
            87..89 => {
                let streams: Vec<u32> = self.oracle.streams.keys().copied().collect();
                if let Some(stream) = streams.get(n % streams.len().max(1)) {
                    let code = vec![0, 0, 0, 8];
                    peer.send(&raw(FrameType::RST_STREAM, Flags::NONE, *stream, code));
                }
            }
            89..92 if stack.is_server => {
                let stream = (u32::from(a) % (peer.next + 6)) | 1;
                let field = format!("u={}{}", b % 3, [", i", ""][b as usize / 3 % 2]);
                let payload = [&stream.to_be_bytes()[..], field.as_bytes()].concat();
                peer.send(&raw(FrameType::PRIORITY_UPDATE, Flags::NONE, 0, payload));
            }
            92..94 => {
                let priority = Priority::new((b % 3) as u8).incremental(b % 2 == 0);
                let say = match b / 6 % 5 {
                    0 => Say::Distrust,
                    1 | 2 => Say::Own(priority),
                    _ => Say::Field(priority),
                };
                let stream = (u32::from(a) % (peer.next + 1)) | 1;
                self.streams.say(id(stream), say);
                self.oracle.say(stream, say);
            }
            94..104 => self.deliver(if a % 4 == 0 { n % 20 + 1 } else { usize::MAX }),
            104..114 => self
                .stack
                .read(if a % 4 == 0 { n % 20 } else { usize::MAX }),
            114..118 => self.tell(),
            _ if !self.queueing => self.set_queueing(true),
            _ => {
                if self.may_stop_queueing() {
                    self.set_queueing(false);
                }
            }
        }
        self.check();
    }

    /// Everything ends well: the stack ends its streams, and the peer takes it
    /// all.
    fn finish(&mut self) {
        for _ in 0..1_000 {
            self.deliver(usize::MAX);
            self.tell();
            self.stack.read(usize::MAX);
            while let Some(stream) = self.stack.pick(0, |s| !s.ended) {
                match self.stack.streams[&stream].answered {
                    true => self.stack.data(stream, 0, None, true),
                    false => self.stack.headers(stream, 5, true, 0),
                }
            }
            self.take(usize::MAX);
            while self.pump() {}
            self.check();
            if self.queueing && self.may_stop_queueing() {
                self.set_queueing(false);
            }
            for (stream, sends) in &self.oracle.streams {
                if sends.totals.window() < 70_000 {
                    self.peer.send(&update(*stream, 100_000));
                }
            }
            if self.oracle.connection.window() < 100_000 {
                self.peer.send(&update(0, 100_000));
            }
            let buffers = [&self.stack.inbox, &self.stack.outbox, &self.peer.outbox];
            let is_quiet = buffers.iter().all(|octets| octets.is_empty());
            if is_quiet && self.oracle.is_empty() && !self.streams.has_tells() {
                break;
            }
        }
        self.check();
        assert!(self.streams.is_empty() && !self.streams.has_tells());
        assert_eq!(
            self.streams.records.len(),
            0,
            "nothing is left of what has ended"
        );
        assert_eq!(self.stack.connection, self.oracle.connection.window());
        assert_eq!(self.pool.stats().outstanding, 0);
        self.streams.rest();
        self.check_wire();
    }

    /// What came is what the stack wrote, but for what was dropped.
    fn check_wire(&self) {
        let came = meaning(&parse(&self.wire));
        let wrote = meaning(&self.stack.written);
        assert!(came.blocks == wrote.blocks, "O2");
        let is_reset = |frame: &&Raw| frame.kind == FrameType::RST_STREAM;
        let resets = wrote.others.iter().filter(is_reset);
        let mut resets: BTreeSet<u32> = resets.map(|frame| frame.stream).collect();
        resets.extend(&self.oracle.reset);
        let in_order = |frames: &[Raw], ordered: bool| -> Vec<Raw> {
            let goes_around =
                |frame: &Raw| matches!(frame.kind, FrameType::PING | FrameType::WINDOW_UPDATE);
            let some = frames.iter().filter(|frame| {
                goes_around(frame) != ordered && frame.kind != FrameType::RST_STREAM
            });
            some.cloned().collect()
        };
        for ordered in [true, false] {
            assert!(in_order(&came.others, ordered) == in_order(&wrote.others, ordered));
        }
        for (stream, events) in &wrote.streams {
            if *stream > 0 && !resets.contains(stream) {
                assert!(came.streams[stream] == *events, "O1: of stream {stream}");
            }
        }
        for (stream, events) in &came.streams {
            let ends = events.iter().filter(|event| **event == Seen::EndStream);
            assert!(ends.count() <= 1, "F4: of stream {stream}");
        }
    }
}

fn is_ack(head: Head) -> u32 {
    u32::from(head.kind == FrameType::SETTINGS && head.flags.contains(Flags::ACK))
}

fn sizes(n: u32) -> usize {
    let m = (n >> 3) as usize;
    match n % 8 {
        0..3 => m % 300,
        3..6 => m % 20_000,
        _ => m % 90_000,
    }
}

type Op = (u8, u16, u32);

fn op() -> impl Strategy<Value = Op> {
    (0..124_u8, any::<u16>(), any::<u32>())
}

fn check(is_server: bool, records: bool, ops: Vec<Op>) {
    let mut model = Model::new(is_server, records);
    for op in ops {
        model.act(op);
    }
    model.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn all_that_is_queued_goes_as_the_rules_say(
        is_server in prop::bool::weighted(0.7),
        records in any::<bool>(),
        ops in prop::collection::vec(op(), 0..250),
    ) {
        check(is_server, records, ops);
    }
}

/// As above, with operations that a fuzzer makes.
pub(crate) fn fuzz(mut source: Source<'_>) {
    let [bits] = source.octets();
    let mut ops = Vec::new();
    while !source.is_empty() && ops.len() < 300 {
        let [op, a, b, c, d, e, f] = source.octets();
        let (a, b) = (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
        ops.push((op % 124, a, b));
    }
    check(bits & 1 == 0, bits & 2 == 0, ops);
}
