//! Sockets that take little, stall and fail.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    octets, stream,
    wire::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Mock, PADDED, Step, outline, parse,
    },
    writer,
};
use crate::fuzzing::Source;
use crate::{
    BufferPool, EndStream, Frame, FrameWriter, FrameWriterConfig, Padding, PoolConfig, Priority,
};

#[derive(Clone, Debug)]
enum Op {
    Data(u32, Vec<usize>),
    Padded(u32, usize, u16),
    Headers(u32, usize),
    Ping,
    SetPriority(u32, u8, bool),
    Limit(u32),
    End(u32),
    Cancel(u32),
    /// Polls of one flush, which is then dropped.
    Flush(usize),
    /// Calls of `poll_flush_to`.
    Poll(usize),
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..300usize, 1 => 0..60_000usize]
}

fn op() -> impl Strategy<Value = Op> {
    let id = || 1..6u32;
    prop_oneof![
        6 => (id(), prop::collection::vec(length(), 0..4)).prop_map(|(s, l)| Op::Data(s, l)),
        2 => (id(), length(), 0..256u16).prop_map(|(s, l, p)| Op::Padded(s, l, p)),
        3 => (id(), length()).prop_map(|(s, l)| Op::Headers(s, l)),
        2 => Just(Op::Ping),
        1 => (id(), 0..8u8, any::<bool>()).prop_map(|(s, u, i)| Op::SetPriority(s, u, i)),
        1 => (16_384..70_000u32).prop_map(Op::Limit),
        1 => id().prop_map(Op::End),
        1 => id().prop_map(Op::Cancel),
        4 => (0..5usize).prop_map(Op::Flush),
        2 => (1..5usize).prop_map(Op::Poll),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..20usize).prop_map(Step::Take),
        3 => (1..40_000usize).prop_map(Step::Take),
        1 => Just(Step::Take(usize::MAX)),
        3 => Just(Step::Pending),
        1 => Just(Step::Fail),
        1 => Just(Step::Zero),
    ]
}

/// What was pushed, and what is to be seen on the wire.
#[derive(Default)]
struct Pushed {
    data: BTreeMap<u32, Vec<u8>>,
    /// Per stream, octets of DATA that flow control counts.
    flow: BTreeMap<u32, u64>,
    padding: BTreeMap<u32, Vec<usize>>,
    dropped: BTreeMap<u32, u64>,
    ended: BTreeMap<u32, bool>,
    blocks: Vec<(u32, Bytes)>,
    pings: Vec<Bytes>,
    memory: Vec<Bytes>,
    largest: usize,
}

#[derive(Default)]
struct Sums {
    frames: u64,
    octets: u64,
    calls: u64,
}

impl Sums {
    fn add(&mut self, poll: &Poll<Result<crate::FlushReport, crate::FlushError>>) {
        let report = match poll {
            Poll::Pending => return,
            Poll::Ready(Ok(report)) => *report,
            Poll::Ready(Err(error)) => {
                let kind = error.io_error().unwrap().kind();
                assert!([ErrorKind::WriteZero, ErrorKind::ConnectionReset].contains(&kind));
                error.report()
            }
        };
        self.frames += report.frames;
        self.octets += report.octets;
        self.calls += report.write_calls;
    }
}

fn run(ops: Vec<Op>, plan: Vec<Step>, plain: bool) {
    let pool = BufferPool::new(PoolConfig::default());
    let writer = FrameWriter::new(pool.clone());
    let mut pushed = Pushed {
        largest: 16_384,
        ..Pushed::default()
    };
    let mut io = Mock::new(plan);
    io.plain = plain;
    let mut sums = Sums::default();
    // Only whole flushes can be summed up: a dropped one reports nothing.
    let mut lost = false;
    let mut cx = Context::from_waker(Waker::noop());
    for op in ops {
        match op {
            Op::Data(id, lengths) => {
                let chunks: Vec<_> = lengths.into_iter().map(octets).collect();
                let result = writer.push_data(stream(id), chunks.clone(), EndStream::No);
                if result.is_ok() {
                    let whole = chunks.concat();
                    pushed.data.entry(id).or_default().extend_from_slice(&whole);
                    *pushed.flow.entry(id).or_default() += whole.len() as u64;
                    pushed.memory.extend(chunks);
                } else {
                    assert!(pushed.ended.contains_key(&id));
                }
            }
            Op::Padded(id, length, padding) => {
                let source = octets(length);
                let (at, to) = (0, length as u64);
                let with = Padding::Octets(padding);
                let id_ = stream(id);
                if writer
                    .push_data_region(id_, &source, at, to, with, EndStream::No)
                    .is_ok()
                {
                    pushed
                        .data
                        .entry(id)
                        .or_default()
                        .extend_from_slice(&source);
                    *pushed.flow.entry(id).or_default() += to + u64::from(padding) + 1;
                    pushed.padding.entry(id).or_default().push(padding.into());
                    pushed.memory.push(source);
                }
            }
            Op::Headers(id, length) => {
                let block = octets(length);
                if writer
                    .push_headers(stream(id), block.clone(), EndStream::No)
                    .is_ok()
                {
                    pushed.blocks.push((id, block));
                }
            }
            Op::Ping => {
                let payload = octets(8);
                writer
                    .push(Frame::ping(payload[..].try_into().unwrap()))
                    .unwrap();
                pushed.pings.push(payload);
            }
            Op::SetPriority(id, urgency, incremental) => {
                let priority = Priority::new(urgency).incremental(incremental);
                writer.set_priority(stream(id), priority);
            }
            Op::Limit(limit) => {
                writer.set_max_frame_size(limit).unwrap();
                pushed.largest = pushed.largest.max(limit as usize);
            }
            Op::End(id) => {
                if writer.push_data(stream(id), [], EndStream::Yes).is_ok() {
                    pushed.ended.insert(id, true);
                }
            }
            Op::Cancel(id) => {
                let before = writer.queued_octets();
                let dropped = writer.cancel(stream(id));
                *pushed.dropped.entry(id).or_default() += dropped;
                if writer.queued_octets() < before {
                    pushed.ended.insert(id, false);
                }
            }
            Op::Flush(polls) => {
                let mut flush = Box::pin(writer.flush_to(&mut io));
                let mut done = polls == 0;
                for _ in 0..polls {
                    let poll = flush.as_mut().poll(&mut cx);
                    sums.add(&poll);
                    if poll.is_ready() {
                        done = true;
                        break;
                    }
                }
                lost |= !done;
            }
            Op::Poll(polls) => {
                for _ in 0..polls {
                    let poll = writer.poll_flush_to(&mut cx, &mut io);
                    sums.add(&poll);
                    if poll.is_ready() {
                        break;
                    }
                }
            }
        }
    }
    // Whatever is left of the plan, the socket recovers.
    loop {
        let poll = writer.poll_flush_to(&mut cx, &mut io);
        sums.add(&poll);
        if matches!(poll, Poll::Ready(Ok(_))) {
            break;
        }
    }
    assert!(writer.is_empty());
    assert_eq!(writer.queued_octets(), 0);
    if !lost {
        assert_eq!(sums.octets, io.wire.len() as u64);
        assert_eq!(sums.calls, io.calls);
        assert_eq!(sums.frames, parse(&io.wire).len() as u64);
    }
    check(&pushed, &io);
}

fn check(pushed: &Pushed, io: &Mock) {
    let frames = parse(&io.wire);
    let mut data: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let mut flow: BTreeMap<u32, u64> = BTreeMap::new();
    let mut padding: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut ended: BTreeMap<u32, bool> = BTreeMap::new();
    let mut blocks: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut pings = Vec::new();
    let mut open = false;
    for frame in &frames {
        assert!(frame.payload.len() <= pushed.largest);
        assert_eq!(open, frame.kind == CONTINUATION, "contiguous");
        match frame.kind {
            DATA => {
                assert!(!ended.contains_key(&frame.stream), "DATA after the end");
                let (octets, padded) = frame.data();
                data.entry(frame.stream)
                    .or_default()
                    .extend_from_slice(octets);
                *flow.entry(frame.stream).or_default() += frame.payload.len() as u64;
                padding.entry(frame.stream).or_default().extend(padded);
                if frame.flags & END_STREAM != 0 {
                    ended.insert(frame.stream, true);
                }
            }
            HEADERS => {
                assert!(!ended.contains_key(&frame.stream));
                blocks.push((frame.stream, frame.payload.clone()));
                open = frame.flags & END_HEADERS == 0;
            }
            CONTINUATION => {
                let last = blocks.last_mut().unwrap();
                assert_eq!(last.0, frame.stream);
                last.1.extend_from_slice(&frame.payload);
                open = frame.flags & END_HEADERS == 0;
            }
            _ => pings.push(Bytes::from(frame.payload.clone())),
        }
    }
    assert!(!open);
    assert_eq!(pings, pushed.pings);
    let expected: Vec<_> = pushed
        .blocks
        .iter()
        .map(|(s, b)| (*s, b.to_vec()))
        .collect();
    assert_eq!(blocks, expected);
    for (id, all) in &pushed.data {
        let sent = data.remove(id).unwrap_or_default();
        let flow = flow.remove(id).unwrap_or_default();
        let dropped = pushed.dropped.get(id).copied().unwrap_or_default();
        assert_eq!(flow + dropped, pushed.flow[id], "all is sent or given back");
        assert!(all.starts_with(&sent));
        if pushed.ended.get(id) != Some(&false) {
            assert_eq!(sent.len(), all.len());
            let padding = padding.remove(id).unwrap_or_default();
            assert_eq!(padding, pushed.padding.get(id).cloned().unwrap_or_default());
        }
    }
    assert!(data.values().all(Vec::is_empty));
    for (id, whole) in &pushed.ended {
        assert_eq!(ended.contains_key(id), *whole);
    }
    if !io.plain {
        check_no_copy(pushed, io);
    }
}

/// Every octet of DATA was read by the socket from the memory that was pushed.
fn check_no_copy(pushed: &Pushed, io: &Mock) {
    let mut memory: BTreeMap<usize, usize> = BTreeMap::new();
    for chunk in pushed.memory.iter().filter(|chunk| !chunk.is_empty()) {
        memory.insert(chunk.as_ptr() as usize, chunk.len());
    }
    // Positions on the wire that hold DATA and no padding.
    let (mut regions, mut at) = (Vec::new(), 0);
    for frame in parse(&io.wire) {
        let padded = usize::from(frame.kind == DATA && frame.flags & PADDED != 0);
        if frame.kind == DATA {
            let from = at + 9 + padded;
            let length = frame.data().0.len();
            regions.extend((length > 0).then_some(from..from + length));
        }
        at += 9 + frame.payload.len();
    }
    let mut seen = 0;
    for &(address, length, at) in &io.slices {
        let first = regions.partition_point(|region| region.end <= at);
        let inside = |region: &std::ops::Range<usize>| region.start < at + length;
        if !regions.get(first).is_some_and(inside) {
            continue;
        }
        assert!(regions[first].start <= at && at + length <= regions[first].end);
        let (&start, &size) = memory.range(..=address).next_back().unwrap();
        assert!(address + length <= start + size, "DATA was copied");
        seen += length;
    }
    let total: usize = regions.iter().map(ExactSizeIterator::len).sum();
    assert_eq!(seen, total);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn survives_any_socket(
        ops in prop::collection::vec(op(), 1..40),
        plan in prop::collection::vec(step(), 0..120),
        plain in prop::bool::weighted(0.3),
    ) {
        run(ops, plan, plain);
    }
}

/// As above, with operations and a socket that a fuzzer makes.
pub(crate) fn fuzz(mut source: Source<'_>) {
    let plain = source.draw(&prop::bool::weighted(0.3));
    let of_op = (op(), prop::collection::vec(step(), 0..4));
    let (ops, steps): (Vec<_>, Vec<_>) = source.each(80, &of_op).into_iter().unzip();
    run(ops, steps.concat(), plain);
}

#[test]
fn f4_cut_pieces_are_not_small_and_small_pushes_are_merged() {
    let writer = writer();
    for _ in 0..100 {
        writer
            .push_data(stream(1), [octets(100)], EndStream::No)
            .unwrap();
    }
    writer
        .push_data(stream(1), [octets(6_385)], EndStream::Yes)
        .unwrap();
    let mut io = Mock::default();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(writer.poll_flush_to(&mut cx, &mut io).is_ready());
    let frames = parse(&io.wire);
    assert_eq!(outline(&frames), [(DATA, 1, 16_129), (DATA, 1, 256)]);
    assert_eq!((frames[0].flags, frames[1].flags), (0, END_STREAM));
}

#[test]
fn many_frames_share_a_write_call() {
    let writer = writer();
    for id in 0..1000 {
        let id = stream(2 * id + 1);
        writer.push_headers(id, octets(50), EndStream::Yes).unwrap();
    }
    let mut io = Mock::default();
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(report)) = writer.poll_flush_to(&mut cx, &mut io) else {
        panic!("the socket takes everything");
    };
    assert_eq!(report.frames, 1000);
    assert!(report.write_calls <= 4, "{} calls", report.write_calls);
}

#[test]
fn b5_an_idle_writer_holds_nothing() {
    let pool = BufferPool::new(PoolConfig::default());
    let writer = FrameWriter::new(pool);
    let plain = vec![1; 100_000];
    let whole = plain.len() as u64;
    for id in [1, 3] {
        let id = stream(id);
        writer.push_headers(id, octets(40), EndStream::No).unwrap();
        writer.set_priority(id, Priority::new(1));
        writer
            .push_data_region(id, &plain, 0, whole, Padding::None, EndStream::Yes)
            .unwrap();
    }
    let mut io = Mock::new([Step::Take(5), Step::Pending, Step::Take(70_000)]);
    let mut cx = Context::from_waker(Waker::noop());
    while writer.poll_flush_to(&mut cx, &mut io).is_pending() {}
    assert_eq!(writer.pool.stats().outstanding, 0);
    assert!(writer.shared.lock().is_at_rest());
}

#[tokio::test]
async fn a_second_flush_is_refused_and_a_dropped_one_gives_way() {
    let writer = writer();
    writer.push(Frame::ping([1; 8])).unwrap();
    let mut first_io = Mock::new([Step::Take(3), Step::Pending]);
    let mut second_io = Mock::default();
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = Box::pin(writer.flush_to(&mut first_io));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let error = writer.flush_to(&mut second_io).await.unwrap_err();
    assert!(error.is_under_way());
    assert!(std::error::Error::source(&error).is_none());
    assert!(matches!(
        writer.poll_flush_to(&mut cx, &mut second_io),
        Poll::Ready(Err(_))
    ));
    drop(first);
    assert_eq!(writer.queued_octets(), 14);
    let report = writer.flush_to(&mut first_io).await.unwrap();
    assert_eq!(
        (report.frames, report.octets, report.write_calls),
        (1, 14, 1)
    );
    assert_eq!(parse(&first_io.wire).len(), 1);
    assert!(second_io.wire.is_empty());
}

#[tokio::test]
async fn a_failed_flush_says_what_went_out_and_keeps_the_rest() {
    let writer = writer();
    for byte in 0..3 {
        writer.push(Frame::ping([byte; 8])).unwrap();
    }
    let mut io = Mock::new([Step::Take(20), Step::Fail]);
    let error = writer.flush_to(&mut io).await.unwrap_err();
    let report = error.report();
    assert_eq!(
        (report.frames, report.octets, report.write_calls),
        (1, 20, 1)
    );
    let source = std::error::Error::source(&error).unwrap();
    let source = source.downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), ErrorKind::ConnectionReset);
    assert_eq!(io::Error::from(error).kind(), ErrorKind::ConnectionReset);
    assert_eq!(writer.queued_octets(), 31);
    let rest = writer.take_queued().unwrap().concat();
    assert_eq!(parse(&[&io.wire[..], &rest].concat()).len(), 3);
    assert!(writer.is_empty());

    writer.push(Frame::ping([9; 8])).unwrap();
    let mut io = Mock::new([Step::Zero]);
    let error = writer.flush_to(&mut io).await.unwrap_err();
    assert_eq!(error.io_error().unwrap().kind(), ErrorKind::WriteZero);
    assert_eq!(writer.discard().unwrap(), 17);
    assert!(writer.is_empty());
}

#[tokio::test]
async fn room_is_waited_for_and_data_does_not_keep_control_out() {
    let config = FrameWriterConfig::new().max_queued_octets(10_000);
    let writer = FrameWriter::with_config(BufferPool::default(), &config).unwrap();
    let push = |length| writer.push_data(stream(1), [octets(length)], EndStream::No);
    assert!(push(9_992).is_err());
    push(9_991).unwrap();
    assert!(matches!(
        push(1),
        Err(crate::FrameError::QueueFull { queued: 10_000, .. })
    ));
    writer.push(Frame::ping([0; 8])).unwrap();
    let block = octets(9_000);
    writer
        .push_headers(stream(3), block, EndStream::No)
        .unwrap();
    assert!(
        writer
            .push_headers(stream(5), octets(1_000), EndStream::No)
            .is_err()
    );
    let mut ready = tokio_test::task::spawn(writer.ready());
    assert!(ready.poll().is_pending());
    let mut io = Vec::new();
    writer.flush_to(&mut io).await.unwrap();
    assert!(ready.is_woken());
    assert!(ready.poll().is_ready());
    push(5_000).unwrap();
    let mut ready = tokio_test::task::spawn(writer.ready());
    assert!(ready.poll().is_pending());
    assert_eq!(writer.cancel(stream(1)), 5_000);
    assert!(ready.is_woken() && ready.poll().is_ready());
    assert!(parse(&io).len() == 3);
}

#[cfg(test)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_push_while_one_flushes() {
    const TASKS: u32 = 64;
    const FRAMES: u32 = 200;
    let writer = Arc::new(writer());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move {
                let id = stream(2 * task + 1);
                writer.push_headers(id, octets(30), EndStream::No).unwrap();
                for i in 0..FRAMES {
                    let end = i + 1 == FRAMES;
                    let end = if end { EndStream::Yes } else { EndStream::No };
                    let chunk = Bytes::copy_from_slice(&i.to_be_bytes());
                    writer.push_data(id, [chunk], end).unwrap();
                    if i % 16 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    let mut wire = Vec::new();
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) || !writer.is_empty() {
        writer.flush_to(&mut wire).await.unwrap();
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    writer.flush_to(&mut wire).await.unwrap();
    let mut data: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let mut ends = 0;
    for frame in parse(&wire) {
        if frame.kind == DATA {
            data.entry(frame.stream).or_default().extend(&frame.payload);
            ends += u32::from(frame.flags & END_STREAM);
        }
    }
    let all: Vec<u8> = (0..FRAMES).flat_map(u32::to_be_bytes).collect();
    assert_eq!(ends, TASKS);
    assert_eq!(data.len(), TASKS as usize);
    assert!(data.values().all(|sent| *sent == all));
}
