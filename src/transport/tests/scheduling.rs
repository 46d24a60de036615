//! Streams that compete for a socket that is full, and peers that take little.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::model::manners;
use super::*;
use crate::proto::credit::MAX_WINDOW;
use crate::proto::streams::tests::ends::{Event, Peer, Splitter, Stack, settings, update};

/// What the stack has to send on a stream.
#[derive(Clone, Debug)]
struct Work {
    body: usize,
    padding: Option<u8>,
    trailers: bool,
    /// It is reset once so much of the body is left.
    reset: Option<(usize, u32)>,
}

/// A stack that does as h2 does: in every poll it reads until there is nothing,
/// then writes frame by frame as far as its windows go, and flushes.
struct H2 {
    io: Transport<Mock>,
    stack: Stack,
    work: BTreeMap<u32, Work>,
    /// Who was last.
    turn: u32,
    largest: usize,
    chunks: Vec<usize>,
    writes: usize,
    flushed: bool,
    /// Flushes in every poll, and not only after a write.
    always_flushes: bool,
    /// Octets of the preface that are still to come.
    preface: usize,
    space: Vec<u8>,
}

impl H2 {
    fn new(io: Transport<Mock>, chunks: Vec<usize>) -> Self {
        let mut stack = Stack::new(true);
        stack.write(settings(&[]));
        Self {
            io,
            stack,
            work: BTreeMap::new(),
            turn: 0,
            largest: 100_000,
            chunks,
            writes: 0,
            flushed: true,
            always_flushes: false,
            preface: PREFACE.len(),
            space: vec![0; 9_000],
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut buf = ReadBuf::new(&mut self.space);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf)? {
                Poll::Ready(()) if buf.filled().is_empty() => break,
                Poll::Ready(()) => {
                    let preface = buf.filled().len().min(self.preface);
                    self.preface -= preface;
                    self.stack.inbox.extend(&buf.filled()[preface..]);
                }
                Poll::Pending => break,
            }
        }
        self.stack.read(usize::MAX);
        loop {
            while !self.stack.outbox.is_empty() {
                let chunk = self.chunks[self.writes % self.chunks.len()];
                let octets = self.stack.outbox.make_contiguous();
                let octets = &octets[..chunk.min(octets.len())];
                let (head, tail) = octets.split_at(octets.len().min(256));
                let slices = [IoSlice::new(head), IoSlice::new(tail)];
                let n = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices))?;
                assert!(0 < n && n <= octets.len());
                self.stack.outbox.drain(..n);
                self.writes += 1;
                self.flushed = false;
            }
            if !self.produce() {
                break;
            }
            if self.writes.is_multiple_of(3) {
                ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            }
        }
        if !self.flushed || self.always_flushes {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Pending
    }

    /// Writes the next frame. Whether there is one.
    fn produce(&mut self) -> bool {
        let streams: Vec<u32> = self.stack.streams.keys().copied().collect();
        let after = streams.partition_point(|stream| *stream <= self.turn);
        let in_turn = streams[after..].iter().chain(&streams[..after]).copied();
        for stream in in_turn {
            let sending = &self.stack.streams[&stream];
            let work = self.work.get_mut(&stream).expect("work for each request");
            let overhead = work.padding.map_or(0, |padding| usize::from(padding) + 1);
            let window = sending.window.min(self.stack.connection).max(0) as usize;
            let n = work
                .body
                .min(self.largest)
                .min(window.saturating_sub(overhead));
            if let Some((left, code)) = work.reset
                && work.body <= left
                && sending.answered
                && (code != 0 || sending.ended)
            {
                self.stack.reset(stream, code);
            } else if sending.ended {
                if work.reset.is_none() {
                    self.stack.streams.remove(&stream);
                }
                continue;
            } else if !sending.answered {
                self.stack.headers(stream, work.body % 500, false, stream);
            } else if n > 0 {
                work.body -= n;
                let end = work.body == 0 && !work.trailers;
                self.stack.data(stream, n, work.padding, end);
            } else if work.body == 0 && work.trailers {
                self.stack.headers(stream, 20, true, 2);
            } else if work.body == 0 {
                self.stack.data(stream, 0, None, true);
            } else {
                continue;
            }
            self.turn = stream;
            return true;
        }
        false
    }
}

/// Something that the peer does once so much has come.
#[derive(Clone, Debug)]
enum Act {
    Settings(u32, u32),
    Reset(u32),
    Priority(u32, u8, bool),
    Request(Work),
    Ping,
}

/// The other end of the mock.
struct Far {
    mock: Mock,
    peer: Peer,
    arriving: Splitter,
    seen: usize,
    /// What is still to do, the last first.
    acts: Vec<(usize, Act)>,
    requested: BTreeSet<u32>,
    ended: BTreeSet<u32>,
    /// Grants as it receives, and not only when nothing else happens.
    grants: bool,
}

impl Far {
    fn new(mock: &Mock, mut acts: Vec<(usize, Act)>, grants: bool) -> Self {
        acts.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        mock.deliver(PREFACE);
        let mut peer = Peer::new();
        peer.send(&settings(&[(5, 16_384)]));
        Self {
            mock: mock.clone(),
            peer,
            arriving: Splitter::default(),
            seen: 0,
            acts,
            requested: BTreeSet::new(),
            ended: BTreeSet::new(),
            grants,
        }
    }

    /// Reads, and does what is due.
    fn step(&mut self, work: &mut BTreeMap<u32, Work>) {
        let octets = self.mock.state().wire[self.seen..].to_vec();
        self.seen += octets.len();
        for event in self.arriving.push(&octets) {
            if let Event::Frame(frame) = event {
                self.peer.receives(&frame);
                let ends = matches!(frame.kind, FrameType::DATA | FrameType::HEADERS)
                    && frame.flags.contains(Flags::END_STREAM);
                if ends || frame.kind == FrameType::RST_STREAM {
                    self.ended.insert(frame.stream);
                }
            }
        }
        while self.acts.last().is_some_and(|(at, _)| *at <= self.seen) {
            self.act(work);
        }
        if self.grants {
            self.grant();
        }
        self.send();
    }

    fn act(&mut self, work: &mut BTreeMap<u32, Work>) {
        let Some((_, act)) = self.acts.pop() else {
            return;
        };
        let peer = &mut self.peer;
        match act {
            Act::Settings(window, limit) => peer.send(&settings(&[(4, window), (5, limit)])),
            Act::Ping => peer.send(&raw(FrameType::PING, Flags::ACK, 0, vec![5; 8])),
            Act::Reset(stream) => {
                if self.requested.contains(&stream) && !peer.reset.contains(&stream) {
                    peer.send(&raw(FrameType::RST_STREAM, Flags::NONE, stream, vec![0; 4]));
                }
            }
            Act::Priority(stream, urgency, incremental) => {
                let field = crate::Priority::new(urgency).incremental(incremental);
                let id = (stream | 1).to_be_bytes();
                let payload = [&id[..], field.to_string().as_bytes()].concat();
                peer.send(&raw(FrameType::PRIORITY_UPDATE, Flags::NONE, 0, payload));
            }
            Act::Request(mut asked) => {
                // Padding that no window may ever hold would wait for ever.
                asked.padding = asked.padding.filter(|_| asked.body > 0);
                let flags = Flags::END_HEADERS.with(Flags::END_STREAM);
                peer.send(&raw(FrameType::HEADERS, flags, peer.next, vec![0x82]));
                self.requested.insert(peer.next);
                work.insert(peer.next, asked);
                peer.next += 2;
            }
        }
    }

    fn grant(&mut self) {
        // It does not count on what is not acknowledged: that may have to wait for
        // DATA, which waits for the peer.
        let asked = self.peer.asked.iter().map(|(window, _)| *window);
        let initial = asked.min().unwrap_or(0);
        for stream in &self.requested {
            let granted = self.peer.streams.get(stream).copied().unwrap_or(0);
            if !self.ended.contains(stream) && initial + granted < 30_000 {
                self.peer.send(&update(*stream, 50_000));
            }
        }
        if self.peer.connection < 30_000 {
            self.peer.send(&update(0, 100_000));
        }
    }

    fn send(&mut self) {
        let octets: Vec<u8> = self.peer.outbox.drain(..).collect();
        self.mock.deliver(&octets);
    }

    /// Nobody else has anything to do. Whether it has.
    fn idle(&mut self, work: &mut BTreeMap<u32, Work>) -> bool {
        while self.peer.outbox.is_empty() && !self.acts.is_empty() {
            self.act(work);
        }
        if !self.is_done() {
            self.grant();
        }
        let acts = !self.peer.outbox.is_empty();
        self.send();
        acts
    }

    fn is_done(&self) -> bool {
        let over = |stream| self.ended.contains(stream) || self.peer.reset.contains(stream);
        self.acts.is_empty() && self.requested.iter().all(over) && self.peer.asked.len() == 1
    }
}

/// Runs both until all is over, or until so much is on the wire. Who is not woken
/// is not polled, and who is has something to do.
fn connect(h2: &mut H2, far: &mut Far, until: usize) {
    let polls = Polls::new();
    let mut cx = polls.context();
    let (mut woken, mut progress, mut in_vain) = (0, 0, 0);
    loop {
        if let Poll::Ready(result) = h2.poll(&mut cx) {
            result.unwrap();
        }
        far.step(&mut h2.work);
        let state = far.mock.state();
        let now = state.wire.len() * 2 + h2.writes + h2.io.inner.read.received().octets as usize;
        if state.wire.len() >= until {
            return;
        }
        drop(state);
        in_vain = if now > progress { 0 } else { in_vain + 1 };
        progress = now;
        assert!(in_vain < 3_000, "it is polled in vain");
        if polls.wakes() == woken && !far.mock.become_ready() {
            if !far.idle(&mut h2.work) {
                assert!(far.is_done(), "a wake-up is lost");
                return;
            }
            assert!(far.mock.become_ready(), "nobody waits for the peer");
        }
        woken = polls.wakes();
    }
}

fn work(most: usize) -> impl Strategy<Value = Work> {
    (
        prop_oneof![0..300_usize, 0..20_000_usize, 0..=most],
        prop::option::weighted(0.1, any::<u8>()),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.15, (0..=most, prop_oneof![Just(0_u32), Just(8)])),
    )
        .prop_map(move |(body, padding, trailers, reset)| Work {
            body: body.min(most),
            padding,
            trailers,
            reset,
        })
}

/// A few requests, and then all kinds of things.
fn acts(most: usize) -> impl Strategy<Value = Vec<(usize, Act)>> {
    let windows = prop_oneof![Just(0_u32), Just(400), Just(65_535), Just(1 << 20)];
    let limits = prop_oneof![Just(16_384_u32), Just(50_000)];
    let stream = || (0..8_u32).prop_map(|n| 2 * n + 1);
    let act = prop_oneof![
        3 => work(most).prop_map(Act::Request),
        3 => (windows, limits).prop_map(|(window, limit)| Act::Settings(window, limit)),
        1 => stream().prop_map(Act::Reset),
        2 => (stream(), 0..8_u8, any::<bool>()).prop_map(|(s, u, i)| Act::Priority(s, u, i)),
        1 => Just(Act::Ping),
    ];
    let first = prop::collection::vec(work(most).prop_map(|work| (0, Act::Request(work))), 2..6);
    let later = prop::collection::vec((0..most * 4, act), 0..12);
    (first, later).prop_map(|(first, later)| [first, later].concat())
}

fn config() -> impl Strategy<Value = Config> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    let sizes = (1_000..100_000_usize, 1_000..100_000_usize, 1..10_u32);
    (switches, sizes).prop_map(|((defer, records, small), (batch, read, turn))| {
        let connection = if small { 64 << 10 } else { 4 << 20 };
        Config::default()
            .pool(BufferPool::new(PoolConfig::default()))
            .no_rfc7540_priorities(false)
            .stack_frame_size(1 << 20)
            .defer_flush(defer)
            .batch(batch, batch * 4)
            .read_ahead(read.min(50_000), read)
            .turn(turn)
            .queue(64 << 10, connection)
            .over_tls(records)
    })
}

/// A socket and, as slow ones have little to do, the octets of a body.
fn socket() -> impl Strategy<Value = (Manners, usize)> {
    manners().prop_map(|manners| {
        let most = match manners.most {
            0..100 => 700,
            100..5_000 => 40_000,
            _ => 150_000,
        };
        (manners, most)
    })
}

fn chunks() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1 << 20]),
        prop::collection::vec(1..300_usize, 1..20),
        prop::collection::vec(1..40_000_usize, 1..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn b3_streams_that_compete_all_arrive(
        ((manners, most), acts) in socket().prop_flat_map(|socket| (Just(socket), acts(socket.1))),
        config in config(),
        chunks in chunks(),
        always_flushes in any::<bool>(),
        grants in any::<bool>(),
    ) {
        let pool = config.pool.clone();
        let mock = Mock::new(manners);
        let mut h2 = H2::new(Transport::server(mock.clone(), config), chunks);
        h2.always_flushes = always_flushes;
        h2.largest = most.max(500);
        let mut far = Far::new(&mock, acts, grants);
        far.send();
        connect(&mut h2, &mut far, usize::MAX);

        let streams = &h2.io.inner.streams;
        prop_assert!(streams.is_empty() && !streams.has_tells() && !streams.has_streams());
        prop_assert_eq!(h2.stack.connection, far.peer.connection, "C5");
        prop_assert!(h2.stack.connection <= MAX_WINDOW);
        prop_assert_eq!(pool.stats().outstanding, 0, "B5");
        run(&mock, |cx| Pin::new(&mut h2.io).poll_shutdown(cx)).unwrap();
        compare(&mock.state().wire, &h2.stack.written, &far.peer.reset);
        let handle = h2.io.handle();
        prop_assert_eq!(handle.stats().queued_octets, 0);
    }

    #[test]
    fn b2_shutdown_drains_what_is_queued_and_drop_leaks_nothing(
        ((manners, most), works) in socket().prop_flat_map(|socket| {
            (Just(socket), prop::collection::vec(work(socket.1), 2..8))
        }),
        config in config(),
        chunks in chunks(),
        until in 0..100_000_usize,
        drops in any::<bool>(),
    ) {
        let pool = config.pool.clone();
        let mock = Mock::new(manners);
        let mut h2 = H2::new(Transport::server(mock.clone(), config), chunks);
        h2.largest = most.max(500);
        let requests = works.into_iter().map(|work| (0, Act::Request(work)));
        let mut far = Far::new(&mock, requests.collect(), true);
        far.peer.send(&settings(&[(4, 1 << 20)]));
        far.peer.send(&update(0, 1 << 24));
        far.send();
        connect(&mut h2, &mut far, until.min(2 * most));
        let mut written = h2.stack.written.clone();
        let taken = written.len() - frames_in(&h2.stack);
        // It takes what it likes, and does so at once.
        if !drops && h2.stack.outbox.is_empty() {
            run(&mock, |cx| Pin::new(&mut h2.io).poll_shutdown(cx)).unwrap();
            prop_assert!(mock.state().shut_down);
            compare(&mock.state().wire, &written, &BTreeSet::new());
        } else {
            written.truncate(taken);
        }
        drop(h2);
        prop_assert_eq!(pool.stats().outstanding, 0);
    }
}

/// Frames that the transport has not taken in full: at most one, as the stack
/// writes one after the other.
fn frames_in(stack: &Stack) -> usize {
    usize::from(!stack.outbox.is_empty())
}

/// All that was written came, but for what was reset.
fn compare(wire: &[u8], written: &[Raw], reset: &BTreeSet<u32>) {
    let (came, wrote) = (meaning(&parse(wire)), meaning(written));
    assert!(came.blocks == wrote.blocks, "O2");
    let is_reset = |frame: &&Raw| frame.kind == FrameType::RST_STREAM && frame.payload != [0; 4];
    let resets: Vec<u32> = wrote
        .others
        .iter()
        .filter(is_reset)
        .map(|f| f.stream)
        .collect();
    assert_eq!(came.others.len(), wrote.others.len());
    for (stream, events) in &wrote.streams {
        if *stream > 0 && !resets.contains(stream) && !reset.contains(stream) {
            assert!(came.streams[stream] == *events, "stream {stream}");
        }
    }
}
