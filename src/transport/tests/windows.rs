//! Managed receive windows over any socket: with a stack that grants, a peer that
//! sends as much as it may, and an application that consumes when it likes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::model::manners;
use super::stream_table::expect_watchers;
use super::*;
use crate::proto::windows::tests as naive;
use crate::{FlowControl, FlowHint, WindowBudget};

/// What a client sends on a stream, and what the server answers.
#[derive(Clone, Debug)]
struct Work {
    upload: usize,
    padding: Option<u8>,
    download: usize,
    /// A layer watches, from the moment on that it gets to it.
    watched: Option<Option<FlowHint>>,
    /// The application wants no more once it has got so much.
    enough: Option<u64>,
    /// The server's stack resets the stream then.
    resets: bool,
}

/// A server's stack, and the application above it.
struct Server {
    io: Transport<Mock>,
    stack: naive::Stack,
    outbox: Vec<u8>,
    chunk: usize,
    /// Octets of the preface that are still to come.
    preface: usize,
    answered: BTreeSet<u32>,
    watched: BTreeMap<u32, bool>,
    space: Vec<u8>,
}

impl Server {
    fn new(io: Transport<Mock>, chunk: usize) -> Self {
        let mut stack = naive::Stack {
            connection: (24 << 20),
            initial: 65_535,
            ..naive::Stack::default()
        };
        stack.asked.push_back(Some(16 << 20));
        let outbox = encode(&[settings(&[(4, 16 << 20)])]);
        Self {
            io,
            stack,
            outbox,
            chunk,
            preface: PREFACE.len(),
            answered: BTreeSet::new(),
            watched: BTreeMap::new(),
            space: vec![0; 9_000],
        }
    }

    /// As h2 does: reads until there is nothing, then writes what it has, and
    /// flushes.
    fn poll(&mut self, cx: &mut Context<'_>, works: &[Work]) -> Poll<io::Result<()>> {
        loop {
            let mut buf = ReadBuf::new(&mut self.space);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf)? {
                Poll::Ready(()) if buf.filled().is_empty() => break,
                Poll::Ready(()) => {
                    let preface = buf.filled().len().min(self.preface);
                    if preface > 0 && preface == self.preface {
                        // h2 shakes hands first.
                        let grant = ((24_u32 << 20) - 65_535).to_be_bytes().to_vec();
                        let grant = raw(FrameType::WINDOW_UPDATE, Flags::NONE, 0, grant);
                        self.outbox.extend(encode(&[grant]));
                    }
                    self.preface -= preface;
                    self.stack.read(&buf.filled()[preface..]);
                }
                Poll::Pending => break,
            }
        }
        self.answer(works);
        let grants = self.stack.grant();
        self.outbox.extend(encode(&grants));
        while !self.outbox.is_empty() {
            let chunk = self.outbox.len().min(self.chunk);
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.outbox[..chunk]))?;
            self.outbox.drain(..n);
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        Poll::Pending
    }

    /// Responses, and layers that find their streams.
    fn answer(&mut self, works: &[Work]) {
        for (i, work) in works.iter().enumerate() {
            let stream = 2 * i as u32 + 1;
            if !self.stack.streams.contains_key(&stream) {
                continue;
            }
            let state = self.io.inner.shared.find_stream(id(stream));
            if let (Some(hint), Some(state)) = (work.watched, state)
                && !self.watched.contains_key(&stream)
            {
                // What came before that is consumed.
                state.watch(None, hint);
                let came = state.received();
                let left = self.stack.unconsumed.get(&stream).copied().unwrap_or(0);
                let _ = state.consume(came.saturating_sub(left));
                self.io.inner.shared.note_consumed(id(stream));
                self.watched.insert(stream, true);
            }
            if self.answered.insert(stream) {
                let flags = Flags::END_HEADERS;
                let mut frames = vec![raw(FrameType::HEADERS, flags, stream, vec![0x88])];
                for piece in vec![3; work.download].chunks(60_000) {
                    let data = raw(FrameType::DATA, Flags::NONE, stream, piece.to_vec());
                    frames.push(data);
                }
                self.outbox.extend(encode(&frames));
            }
        }
    }

    /// The application consumes some. Whether there was anything.
    fn consume(&mut self, works: &[Work], dice: u64, wake: &Waker) -> bool {
        let streams: Vec<u32> = self
            .stack
            .unconsumed
            .iter()
            .filter(|(_, octets)| **octets > 0)
            .map(|(stream, _)| *stream)
            .collect();
        let Some(&stream) = streams.get(dice as usize % streams.len().max(1)) else {
            return false;
        };
        let octets = self.stack.consume(stream, 1 + dice % 100_000);
        let work = &works[stream as usize / 2];
        let shared = &self.io.inner.shared;
        if let (Some(true), Some(state)) =
            (self.watched.get(&stream), shared.find_stream(id(stream)))
        {
            if state.consume(octets) {
                shared.note_consumed(id(stream));
            }
            if work
                .enough
                .is_some_and(|enough| state.consumed() >= Some(enough))
            {
                self.watched.insert(stream, false);
                if state.unwatch() {
                    shared.note_consumed(id(stream));
                }
            }
        }
        if work.resets
            && work.enough.is_some()
            && self.watched.get(&stream) == Some(&false)
            && self.stack.streams.remove(&stream).is_some()
        {
            self.stack.unclaimed.remove(&stream);
            self.stack.drop_content(stream);
            let reset = raw(FrameType::RST_STREAM, Flags::NONE, stream, vec![0; 4]);
            self.outbox.extend(encode(&[reset]));
            wake.wake_by_ref();
        }
        // h2 wakes its connection for what it has to grant.
        let grants = self.stack.grant();
        if !grants.is_empty() {
            self.outbox.extend(encode(&grants));
            wake.wake_by_ref();
        }
        true
    }
}

fn id(stream: u32) -> StreamId {
    StreamId::new(stream).unwrap()
}

/// The client at the other end of the mock.
struct Client {
    mock: Mock,
    peer: naive::Peer,
    left: BTreeMap<u32, (usize, Option<u8>)>,
    seen: usize,
}

impl Client {
    fn new(mock: &Mock, works: &[Work]) -> Self {
        let mut client = Self {
            mock: mock.clone(),
            peer: naive::Peer {
                connection: 65_535,
                initial: 65_535,
                ..naive::Peer::default()
            },
            left: BTreeMap::new(),
            seen: 0,
        };
        mock.deliver(PREFACE);
        client.peer.send(&settings(&[(4, (1 << 31) - 1)]));
        let grant = (1_u32 << 30).to_be_bytes().to_vec();
        client
            .peer
            .send(&raw(FrameType::WINDOW_UPDATE, Flags::NONE, 0, grant));
        for (i, work) in works.iter().enumerate() {
            let stream = 2 * i as u32 + 1;
            let block = raw(FrameType::HEADERS, Flags::END_HEADERS, stream, vec![0x82]);
            client.peer.send(&block);
            client.peer.streams.insert(stream, 65_535);
            client.left.insert(stream, (work.upload, work.padding));
        }
        client
    }

    /// Reads what came, and sends what it may.
    fn step(&mut self) {
        let octets = self.mock.state().wire[self.seen..].to_vec();
        self.seen += octets.len();
        self.peer.read(&octets);
        for stream in self.left.keys().copied().collect::<Vec<u32>>() {
            let (mut left, padding) = self.left[&stream];
            if !self.peer.streams.contains_key(&stream) {
                self.left.remove(&stream);
                continue;
            }
            while left > 0 {
                let sent = self.peer.data(stream, left, padding, false);
                left -= sent;
                if sent == 0 {
                    break;
                }
            }
            self.left.insert(stream, (left, padding));
            if left == 0 {
                self.peer.data(stream, 0, None, true);
                self.left.remove(&stream);
            }
        }
        let octets = std::mem::take(&mut self.peer.outbox);
        self.mock.deliver(&octets);
    }
}

fn work() -> impl Strategy<Value = Work> {
    (
        prop_oneof![0..3_000_usize, 0..600_000_usize],
        prop::option::weighted(0.15, any::<u8>()),
        prop_oneof![3 => Just(0_usize), 1 => 0..200_000_usize],
        prop::option::weighted(
            0.7,
            prop_oneof![
                4 => Just(None),
                1 => Just(Some(FlowHint::Bulk)),
                1 => Just(Some(FlowHint::Interactive)),
            ],
        ),
        prop::option::weighted(0.2, 0..300_000_u64),
        any::<bool>(),
    )
        .prop_map(
            |(upload, padding, download, watched, enough, resets)| Work {
                upload,
                padding,
                download,
                watched,
                enough,
                resets,
            },
        )
}

fn config() -> impl Strategy<Value = Config> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    let sizes = (1_000..100_000_usize, 1_000..100_000_usize);
    let initial = prop_oneof![Just(65_535_u32), Just(262_144)];
    (switches, sizes, initial, 0..4_000_000_u64).prop_map(
        |((defer, records, schedule), (batch, read), initial, budget)| {
            let budget = WindowBudget::new(budget);
            Config::default()
                .pool(BufferPool::new(PoolConfig::default()))
                .defer_flush(defer)
                .batch(batch, batch * 4)
                .read_ahead(read.min(50_000), read)
                .schedule(schedule)
                .stream_handles(true)
                .over_tls(records)
                .flow_control(
                    FlowControl::default()
                        .initial_window(initial)
                        .budget(budget),
                )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn w2_b3_uploads_arrive_whoever_consumes_whatever_the_socket_does(
        mut manners in manners(),
        works in prop::collection::vec(work(), 1..5),
        config in config(),
        chunk in prop_oneof![Just(usize::MAX), 1..40_000_usize],
        seed: u64,
    ) {
        // Slow sockets have little to do.
        manners.most = manners.most.max(500);
        let budget = config.flow_control.as_ref().unwrap().budget.clone();
        expect_watchers();
        let mock = Mock::new(manners);
        let mut server = Server::new(Transport::server(mock.clone(), config), chunk);
        let mut client = Client::new(&mock, &works);
        let polls = Polls::new();
        let mut cx = polls.context();
        let (mut woken, mut dice) = (0, seed | 1);
        loop {
            if let Poll::Ready(result) = server.poll(&mut cx, &works) {
                result.unwrap();
            }
            client.step();
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if dice >> 62 == 0 {
                server.consume(&works, dice >> 20, &polls.waker);
            }
            // Who is not woken is not polled.
            while polls.wakes() == woken && !mock.become_ready() {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if !server.consume(&works, dice >> 20, &polls.waker) {
                    break;
                }
            }
            if polls.wakes() == woken {
                break;
            }
            woken = polls.wakes();
        }
        prop_assert!(client.left.is_empty(), "it waits for credit: {:?}", client.left);
        let inner = &server.io.inner;
        let stats = inner.stats();
        prop_assert_eq!(stats.unconsumed_octets, 0);
        prop_assert_eq!(stats.window_budget, 0);
        prop_assert_eq!(stats.receive_window, client.peer.connection);
        prop_assert_eq!(
            stats.receive_window + stats.receive_reserve,
            server.stack.connection
        );
        drop(server);
        prop_assert_eq!(budget.used(), 0);
    }
}
