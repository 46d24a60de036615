//! The whole transport over an IO that takes and gives what it likes.

mod mock;

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::mock::{Alarm, Manners, Mock, run};
use super::*;
use crate::proto::frame::PREFACE;
use crate::proto::head::{Flags, FrameType};
use crate::proto::testing::{Raw, chunks, frames, meaning, parse};
use crate::{BufferPool, Frame, PoolConfig, StreamId};

const TOLD: u32 = 1 << 20;

fn settings(parameters: &[(u16, u32)]) -> Raw {
    let payload = parameters
        .iter()
        .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()));
    raw(FrameType::SETTINGS, Flags::NONE, 0, payload.collect())
}

fn raw(kind: FrameType, flags: Flags, stream: u32, payload: Vec<u8>) -> Raw {
    Raw {
        kind,
        flags,
        stream,
        payload,
    }
}

fn encode(frames: &[Raw]) -> Vec<u8> {
    let mut octets = Vec::new();
    for frame in frames {
        frame.encode(&mut octets);
    }
    octets
}

/// A stack in miniature. As h2 does, it reads until there is nothing, then
/// writes what it has in chunks, flushing when the dice say so and at the end.
struct Stack {
    io: Transport<Mock>,
    outbound: Bytes,
    /// Sizes of the slices of each write, used in turn.
    chunks: Vec<usize>,
    turn: usize,
    /// Flushes after each chunk whose bit is set.
    flushes: u32,
    /// Nothing was written since the last flush was answered.
    flushed: bool,
    seen: Vec<u8>,
    /// Reads so much before it is done.
    until_seen: usize,
    space: Vec<u8>,
}

impl Stack {
    fn new(io: Transport<Mock>, outbound: Vec<u8>, chunks: Vec<usize>, flushes: u32) -> Self {
        Self {
            io,
            outbound: outbound.into(),
            chunks,
            turn: 0,
            flushes,
            flushed: true,
            seen: Vec::new(),
            until_seen: 0,
            space: vec![0; 9_000],
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut buf = ReadBuf::new(&mut self.space);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf)? {
                Poll::Ready(()) if buf.filled().is_empty() => break,
                Poll::Ready(()) => self.seen.extend(buf.filled()),
                Poll::Pending => break,
            }
        }
        while !self.outbound.is_empty() {
            let chunk = self.chunks[self.turn % self.chunks.len()].min(self.outbound.len());
            let (head, tail) = self.outbound[..chunk].split_at(chunk.min(256));
            let slices = [IoSlice::new(head), IoSlice::new(tail)];
            let n = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices))?;
            assert!(0 < n && n <= chunk);
            let _ = self.outbound.split_to(n);
            self.turn += 1;
            self.flushed = false;
            if self.flushes >> (self.turn % 32) & 1 == 1 {
                ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            }
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.flushed = true;
        }
        match self.seen.len() >= self.until_seen {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn shut_down(&mut self, mock: &Mock) {
        run(mock, |cx| Pin::new(&mut self.io).poll_shutdown(cx)).expect("no error");
    }
}

fn manners() -> impl Strategy<Value = Manners> {
    let most = prop_oneof![Just(1_usize), 1..20_usize, 1..20_000_usize, Just(1 << 24)];
    (any::<u64>(), 0..14_u64, most, any::<bool>()).prop_map(|(seed, pending, most, vectored)| {
        Manners {
            seed,
            pending,
            most,
            vectored,
        }
    })
}

fn config(pool: &BufferPool) -> impl Strategy<Value = Config> + use<> {
    let pool = pool.clone();
    (
        any::<bool>(),
        any::<bool>(),
        1_000..100_000_usize,
        1_000..300_000_usize,
        any::<bool>(),
    )
        .prop_map(move |(defer, records, batch, read, grow)| {
            let mut config = Config::default()
                .pool(pool.clone())
                .stack_frame_size(TOLD)
                .defer_flush(defer)
                .batch(batch, if grow { batch * 4 } else { batch })
                .read_ahead(read.min(50_000), read);
            config.tls_records = records;
            config
        })
}

/// The peer's part: once it has seen all, it answers.
fn answer_once_seen(mock: &Mock, octets: usize, answer: &mut Option<Vec<u8>>) {
    let seen = mock.state().wire.len();
    if seen >= octets
        && let Some(answer) = answer.take()
    {
        mock.deliver(&answer);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn b3_every_octet_arrives_with_no_wake_that_was_not_asked_for(
        outbound in frames(TOLD as usize / 4),
        inbound in frames(20_000),
        limit in prop_oneof![Just(16_384_u32), 16_384..60_000_u32],
        chunks in chunks(),
        flushes in any::<u32>(),
        manners in manners(),
        config in config(&BufferPool::new(PoolConfig::default())),
        is_server in any::<bool>(),
    ) {
        // Slow sockets have little to do.
        let budget = match manners.most {
            0..100 => 4_000,
            100..5_000 => 200_000,
            _ => usize::MAX,
        };
        let mut outbound = [vec![settings(&[])], outbound].concat();
        while outbound.len() > 1 && encode(&outbound).len() > budget {
            outbound.truncate(outbound.len() / 2);
        }
        // A header block that lost its end is completed.
        if outbound.last().is_some_and(|f| {
            f.kind != FrameType::DATA && meaning_is_open(&outbound) && f.stream != 0
        }) {
            let stream = outbound.last().unwrap().stream;
            outbound.push(raw(FrameType::CONTINUATION, Flags::END_HEADERS, stream, vec![1]));
        }
        let pool = config.pool.clone();
        let mock = Mock::new(manners);
        let peer_settings = encode(&[settings(&[(5, limit)])]);
        let preface: &[u8] = PREFACE;
        let (io, outbound_octets, peer_first) = if is_server {
            let first = [preface, &peer_settings].concat();
            (Transport::server(mock.clone(), config), encode(&outbound), first)
        } else {
            let octets = [preface, &encode(&outbound)].concat();
            (Transport::client(mock.clone(), config), octets, peer_settings)
        };
        let front = if is_server { 0 } else { preface.len() };

        // First the stack's SETTINGS and the peer's, then everything else: the
        // stack knows the frame size by then.
        let first = front + encode(&outbound[..1]).len();
        let peer_last = encode(&inbound);
        let told = encode(&[settings(&[(5, TOLD.max(limit))])]);
        let preface_seen = peer_first.len() - encode(&[settings(&[(5, 0)])]).len();
        let mut stack = Stack::new(io, outbound_octets[..first].to_vec(), chunks, flushes);
        stack.until_seen = preface_seen + told.len();
        let mut answer = Some(peer_first);
        run(&mock, |cx| {
            let polled = stack.poll(cx);
            answer_once_seen(&mock, first, &mut answer);
            polled
        }).unwrap();

        stack.outbound = outbound_octets[first..].to_vec().into();
        stack.until_seen += peer_last.len();
        // The wire may lack the padding of header blocks, and the heads of DATA
        // that was joined.
        let saved = outbound.len() * 256;
        let at_least = outbound_octets.len().saturating_sub(saved).max(first);
        let mut answer = Some(peer_last.clone());
        run(&mock, |cx| {
            let polled = stack.poll(cx);
            answer_once_seen(&mock, at_least, &mut answer);
            polled
        }).unwrap();
        prop_assert!(stack.seen[..preface_seen] == preface[..preface_seen]);
        let seen = &stack.seen[preface_seen..];
        prop_assert!(seen[..told.len()] == told);
        prop_assert_eq!(seen.len(), told.len() + peer_last.len());

        stack.shut_down(&mock);
        let handle = stack.io.handle();
        drop(stack);
        prop_assert_eq!(pool.stats().outstanding, 0);
        let state = mock.state();
        prop_assert!(state.wire[..front] == preface[..front]);
        let wire = parse(&state.wire[front..]);
        for frame in &wire {
            prop_assert!(frame.payload.len() <= limit as usize, "{:?}", frame.kind);
        }
        let (seen, sent) = (meaning(&wire), meaning(&outbound));
        prop_assert!(seen.blocks == sent.blocks && seen.others == sent.others);
        prop_assert!(seen.streams == sent.streams);
        let stats = handle.stats();
        prop_assert_eq!(stats.outbound_frames.total(), wire.len() as u64);
        prop_assert_eq!(stats.outbound_octets, state.wire.len() as u64);
        prop_assert_eq!(stats.write_calls, state.writes as u64);
    }

    #[test]
    fn f1_what_is_not_http2_passes_both_ways(
        outbound in proptest::collection::vec(any::<u8>(), 1..3_000),
        inbound in proptest::collection::vec(any::<u8>(), 1..3_000),
        preface in 0..PREFACE.len(),
        chunks in chunks(),
        flushes in any::<u32>(),
        manners in manners(),
        config in config(&BufferPool::new(PoolConfig::default())),
        is_server in any::<bool>(),
    ) {
        // As much of the preface as can be without being one.
        let spoil = |octets: &[u8]| {
            let mut spoilt = PREFACE[..preface].to_vec();
            spoilt.push(PREFACE[preface] ^ 1);
            spoilt.extend(octets);
            spoilt
        };
        let (outbound, inbound) = if is_server {
            (outbound, spoil(&inbound))
        } else {
            (spoil(&outbound), inbound)
        };
        let mock = Mock::new(manners);
        mock.deliver(&inbound);
        let io = match is_server {
            true => Transport::server(mock.clone(), config),
            false => Transport::client(mock.clone(), config),
        };
        let handle = io.handle();
        let mut stack = Stack::new(io, outbound.clone(), chunks, flushes);
        stack.until_seen = inbound.len();
        run(&mock, |cx| stack.poll(cx)).unwrap();
        prop_assert!(stack.seen == inbound);
        prop_assert!(mock.state().wire == outbound, "a flush is a flush");
        prop_assert_eq!(handle.send_frames([Frame::ping([0; 8])]), Err(HandleError::NotHttp2));
    }

    #[test]
    fn b2_an_error_reaches_the_stack_wherever_it_strikes(
        at in 0..150_000_usize,
        chunks in chunks(),
        flushes in any::<u32>(),
        manners in manners(),
        config in config(&BufferPool::new(PoolConfig::default())),
    ) {
        let manners = Manners { most: manners.most.max(500), ..manners };
        let pool = config.pool.clone();
        let mock = Mock::new(manners);
        mock.state().fail_at = Some(at);
        let body = raw(FrameType::DATA, Flags::NONE, 1, vec![7; 150_000]);
        let octets = [&PREFACE[..], &encode(&[settings(&[]), body])].concat();
        let io = Transport::client(mock.clone(), config);
        let handle = io.handle();
        let mut stack = Stack::new(io, octets, chunks, flushes);
        // It waits for an answer that never comes: only the error ends this.
        stack.until_seen = 1;
        let error = run(&mock, |cx| stack.poll(cx)).unwrap_err();
        prop_assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        prop_assert!(handle.is_closed());
        drop(stack);
        prop_assert_eq!(pool.stats().outstanding, 0);
    }
}

/// Whether the last header block has no end.
fn meaning_is_open(frames: &[Raw]) -> bool {
    let block = |f: &&Raw| {
        matches!(
            f.kind,
            FrameType::HEADERS | FrameType::PUSH_PROMISE | FrameType::CONTINUATION
        )
    };
    let last = frames.iter().rev().find(block);
    last.is_some_and(|f| !f.flags.contains(Flags::END_HEADERS))
}

use super::handle::HandleError;

const POLITE: Manners = Manners {
    seed: 1,
    pending: 0,
    most: 1 << 24,
    vectored: true,
};

/// A client's transport that has sent its preface and SETTINGS, and has the
/// peer's SETTINGS.
fn started(mock: &Mock, config: Config) -> Transport<Mock> {
    let octets = [&PREFACE[..], &encode(&[settings(&[])])].concat();
    let io = Transport::client(mock.clone(), config);
    let mut stack = Stack::new(io, octets, vec![100], 0);
    run(mock, |cx| stack.poll(cx)).unwrap();
    mock.deliver(&encode(&[settings(&[(5, 16_384)])]));
    stack.until_seen = 15;
    run(mock, |cx| stack.poll(cx)).unwrap();
    mock.state().wire.clear();
    mock.state().writes = 0;
    stack.io
}

struct Polls {
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl Polls {
    fn new() -> Self {
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        Self { alarm, waker }
    }

    fn wakes(&self) -> usize {
        self.alarm.0.load(Ordering::SeqCst)
    }

    fn write(&self, io: &mut Transport<Mock>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(io).poll_write(&mut Context::from_waker(&self.waker), octets)
    }

    fn flush(&self, io: &mut Transport<Mock>) -> Poll<io::Result<()>> {
        Pin::new(io).poll_flush(&mut Context::from_waker(&self.waker))
    }

    fn read(&self, io: &mut Transport<Mock>) -> Poll<io::Result<()>> {
        let mut space = [0; 100];
        let mut buf = ReadBuf::new(&mut space);
        Pin::new(io).poll_read(&mut Context::from_waker(&self.waker), &mut buf)
    }
}

fn data(octets: usize) -> Vec<u8> {
    data_on(1, octets)
}

fn data_on(stream: u32, octets: usize) -> Vec<u8> {
    encode(&[raw(FrameType::DATA, Flags::NONE, stream, vec![1; octets])])
}

#[test]
fn b1_a_deferred_flush_wakes_its_task_once_and_goes_out_before_it_sleeps() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    assert!(polls.read(&mut io).is_pending());
    // The first flush in a row goes out at once: it might be alone.
    assert!(polls.write(&mut io, &data(500)).is_ready());
    assert!(polls.flush(&mut io).is_ready());
    assert_eq!((mock.state().writes, polls.wakes()), (1, 0));
    // From the second on they are gathered, with one wake for all.
    for stream in 2..7 {
        assert!(polls.write(&mut io, &data_on(stream, 500)).is_ready());
        assert!(polls.flush(&mut io).is_ready());
    }
    assert_eq!((mock.state().writes, polls.wakes()), (1, 1));
    assert!(polls.read(&mut io).is_pending());
    assert_eq!((mock.state().writes, polls.wakes()), (2, 1));
    assert_eq!(mock.state().wire.len(), 6 * 509);
    // The next batch has a wake of its own.
    assert!(polls.write(&mut io, &data(500)).is_ready());
    assert!(polls.flush(&mut io).is_ready());
    assert_eq!((mock.state().writes, polls.wakes()), (2, 2));
    // A flush with nothing new is meant.
    assert!(polls.flush(&mut io).is_ready());
    assert_eq!(mock.state().writes, 3);
    let stats = io.stats();
    assert_eq!(stats.deferred_flushes, 6);
    assert_eq!(stats.largest_batch, 5 * 509);
}

#[test]
fn f4_small_data_of_one_stream_is_joined_up_to_the_limit() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    let of = |stream, n, flags| raw(FrameType::DATA, flags, stream, vec![n as u8; n]);
    let end = Flags::END_STREAM;
    let mut padded = of(3, 50, Flags::PADDED);
    padded.payload[0] = 2;
    let sent = [
        of(1, 100, Flags::NONE),
        of(1, 200, Flags::NONE),
        of(1, 0, end),
        of(3, 9_000, Flags::NONE),
        of(3, 7_384, Flags::NONE),
        of(3, 1, Flags::NONE),
        padded,
        of(3, 1, Flags::NONE),
        of(5, 1, Flags::NONE),
        of(3, 1, end),
        raw(FrameType::PING, Flags::NONE, 0, vec![0; 8]),
        of(5, 1, end),
    ];
    let octets = encode(&sent);
    for chunk in octets.chunks(1_000) {
        assert!(polls.write(&mut io, chunk).is_ready());
    }
    assert!(polls.flush(&mut io).is_ready());
    let wire = parse(&mock.state().wire);
    let seen: Vec<_> = wire
        .iter()
        .map(|f| (f.stream, f.payload.len(), f.flags))
        .collect();
    let none = Flags::NONE;
    let expected = [
        (1, 300, end),
        (3, 16_384, none),
        (3, 1, none),
        (3, 50, Flags::PADDED),
        (3, 1, none),
        (5, 1, none),
        (3, 1, end),
        (0, 8, none),
        (5, 1, end),
    ];
    assert_eq!(seen, expected);
    assert!(meaning(&wire) == meaning(&sent));
    assert_eq!(io.stats().outbound_frames.get(FrameType::DATA), 8);
}

#[test]
fn b1_settings_ping_ack_and_goaway_are_never_deferred() {
    let ack = |kind| raw(kind, Flags::ACK, 0, vec![0; 8]);
    for urgent in [
        settings(&[(4, 5)]),
        raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]),
        ack(FrameType::PING),
        raw(FrameType::GOAWAY, Flags::NONE, 0, vec![0; 8]),
    ] {
        let mock = Mock::new(POLITE);
        let mut io = started(&mock, Config::default());
        let polls = Polls::new();
        for _ in 0..2 {
            let _ = polls.write(&mut io, &data(10));
            let _ = polls.flush(&mut io);
        }
        assert!(mock.state().wire.len() < 38, "deferring");
        let _ = polls.write(&mut io, &encode(std::slice::from_ref(&urgent)));
        assert!(polls.flush(&mut io).is_ready());
        let wire = parse(&mock.state().wire);
        assert_eq!(wire.last(), Some(&urgent));
    }
}

#[test]
fn b2_a_dropped_transport_makes_one_last_attempt() {
    let mock = Mock::new(POLITE);
    let pool = BufferPool::new(PoolConfig::default());
    let mut io = started(&mock, Config::default().pool(pool.clone()));
    let polls = Polls::new();
    for stream in 1..4 {
        let _ = polls.write(&mut io, &data_on(stream, 100));
        let _ = polls.flush(&mut io);
    }
    assert!(mock.state().wire.len() < 3 * 109, "deferring");
    let handle = io.handle();
    drop(io);
    assert_eq!(mock.state().wire.len(), 3 * 109);
    assert!(handle.is_closed());
    assert_eq!(handle.stats().outbound_frames.get(FrameType::DATA), 3);
    assert_eq!(pool.stats().outstanding, 0);
}

#[test]
fn b3_what_is_buffered_is_bounded() {
    let mock = Mock::new(Manners {
        pending: 16,
        ..POLITE
    });
    let config = Config::default().batch(10_000, 40_000);
    let mut io = started(&Mock::new(POLITE), config);
    io.io = mock;
    let polls = Polls::new();
    let mut taken = 0;
    while let Poll::Ready(n) = polls.write(&mut io, &data(1_000)) {
        taken += n.unwrap();
        let _ = polls.flush(&mut io);
        let _ = polls.read(&mut io);
        assert!(taken <= 40_000 + 1_009);
    }
    assert!(taken >= 8_000);
}

#[test]
fn f5_large_data_goes_out_in_place_in_one_write() {
    // The slices that reach the socket are the stack's own octets.
    struct Spy(Mock, Vec<(*const u8, usize)>);
    impl AsyncRead for Spy {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }
    impl AsyncWrite for Spy {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, buf)
        }
        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.1 = bufs.iter().map(|b| (b.as_ptr(), b.len())).collect();
            Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
        }
        fn is_write_vectored(&self) -> bool {
            true
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    let mock = Mock::new(POLITE);
    let mut io = Transport::client(Spy(mock.clone(), Vec::new()), Config::default());
    let polls = Polls::new();
    let mut cx = Context::from_waker(&polls.waker);
    let start = [&PREFACE[..], &encode(&[settings(&[])])].concat();
    for part in [&start[..24], &start[24..]] {
        assert!(Pin::new(&mut io).poll_write(&mut cx, part).is_ready());
    }
    assert!(Pin::new(&mut io).poll_flush(&mut cx).is_ready());
    let frame = data(200_000);
    let slices = [IoSlice::new(&frame[..256]), IoSlice::new(&frame[256..])];
    let Poll::Ready(Ok(taken)) = Pin::new(&mut io).poll_write_vectored(&mut cx, &slices) else {
        panic!("the mock takes all");
    };
    assert_eq!(taken, frame.len());
    let range = frame.as_ptr_range();
    let payload = io.get_ref().1.iter().filter(|(at, _)| range.contains(at));
    assert_eq!(payload.map(|(_, n)| n).sum::<usize>(), 200_000);
    let wire = parse(&mock.state().wire[start.len()..]);
    assert_eq!(wire.len(), 13);
    assert!(wire.iter().all(|f| f.payload.len() <= 16_384));
}

#[test]
fn frames_of_handles_wait_for_the_stacks_settings_and_for_boundaries() {
    let mock = Mock::new(POLITE);
    let mut io = Transport::client(mock.clone(), Config::default());
    let handle = io.handle();
    let stream = StreamId::new(1).unwrap();
    let update = Frame::priority_update(stream, "u=1");
    handle.send_frames([update.clone()]).unwrap();
    let polls = Polls::new();
    assert!(polls.read(&mut io).is_pending());
    let _ = polls.write(&mut io, PREFACE);
    assert!(polls.flush(&mut io).is_ready());
    assert!(polls.read(&mut io).is_pending());
    assert_eq!(mock.state().wire, PREFACE);
    let octets = encode(&[settings(&[])]);
    let _ = polls.write(&mut io, &octets);
    assert!(polls.flush(&mut io).is_ready());
    let kinds = |mock: &Mock| -> Vec<FrameType> {
        parse(&mock.state().wire[24..])
            .iter()
            .map(|f| f.kind)
            .collect()
    };
    let expected = [FrameType::SETTINGS, FrameType::PRIORITY_UPDATE];
    assert_eq!(kinds(&mock), expected);

    // Within a frame and within a header block they wait.
    let block = [
        raw(FrameType::HEADERS, Flags::NONE, 1, vec![1; 100]),
        raw(FrameType::CONTINUATION, Flags::END_HEADERS, 1, vec![1; 100]),
    ];
    let octets = encode(&block);
    let wakes = polls.wakes();
    assert!(polls.read(&mut io).is_pending());
    for part in octets.chunks(50) {
        handle.send_frames([update.clone()]).unwrap();
        let _ = polls.write(&mut io, part);
        assert!(polls.flush(&mut io).is_ready());
        assert!(polls.read(&mut io).is_pending());
    }
    assert!(polls.wakes() > wakes, "the task is told of requests");
    let kinds = kinds(&mock);
    assert_eq!(kinds[2..4], [FrameType::HEADERS, FrameType::CONTINUATION]);
    assert_eq!(kinds.len(), 4 + octets.chunks(50).count());
}
