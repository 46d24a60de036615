use std::{collections::VecDeque, io::IoSlice};

use bytes::Bytes;
use proptest::prelude::*;

use super::{Batch, INLINE, SCRATCH, Segment};
use crate::{BufferPool, Flags, FrameType, Head, StreamId};

#[derive(Clone, Debug)]
enum Op {
    Frame {
        data: bool,
        stream: u32,
        pieces: Vec<usize>,
    },
    Advance(usize),
    Coalesce(usize),
    Drop(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let piece = prop_oneof![0..3usize, 0..40usize, 0..2000usize];
    prop_oneof![
        4 => (any::<bool>(), 1..4u32, prop::collection::vec(piece, 0..4))
            .prop_map(|(data, stream, pieces)| Op::Frame { data, stream, pieces }),
        3 => prop_oneof![0..4usize, 0..3000usize].prop_map(Op::Advance),
        1 => (1..3000usize).prop_map(Op::Coalesce),
        1 => (1..4u32).prop_map(Op::Drop),
    ]
}

struct NaiveFrame {
    head: Head,
    started: bool,
    left: VecDeque<u8>,
}

fn offered(batch: &Batch, slots: usize) -> Vec<u8> {
    let mut slices = vec![IoSlice::new(&[]); slots];
    let (count, octets) = batch.fill(&mut slices);
    let all: Vec<u8> = slices[..count].iter().flat_map(|s| s.to_vec()).collect();
    assert_eq!(all.len(), octets);
    assert!(slices[..count].iter().all(|slice| !slice.is_empty()));
    all
}

proptest! {
    #[test]
    fn holds_what_a_plain_queue_of_octets_holds(ops in prop::collection::vec(op(), 0..60)) {
        let pool = BufferPool::default();
        let mut batch = Batch::default();
        let mut naive: VecDeque<NaiveFrame> = VecDeque::new();
        let mut next = 0u8;
        for op in ops {
            match op {
                Op::Frame { data, stream, pieces } => {
                    let head = Head {
                        length: pieces.iter().sum::<usize>() as u32,
                        kind: if data { FrameType::DATA } else { FrameType(0xbe) },
                        flags: Flags::NONE,
                        stream: StreamId::new(stream).unwrap(),
                    };
                    batch.begin(&pool, head);
                    let mut left: VecDeque<u8> = head.encode().into();
                    for (i, piece) in pieces.into_iter().enumerate() {
                        next = next.wrapping_add(1);
                        let octets = Bytes::from(vec![next; piece]);
                        left.extend(&octets);
                        match i % 3 {
                            _ if data => batch.put_bytes(octets),
                            0 if piece <= INLINE => batch.put_octets(&pool, &octets),
                            _ => batch.put_payload(&pool, octets),
                        }
                    }
                    naive.push_back(NaiveFrame { head, started: false, left });
                }
                Op::Advance(most) => {
                    let mut octets = most.min(batch.octets() as usize);
                    let frames = batch.advance(octets);
                    let mut done = 0;
                    while octets > 0 {
                        let frame = naive.front_mut().unwrap();
                        let n = octets.min(frame.left.len());
                        frame.started = true;
                        frame.left.drain(..n);
                        octets -= n;
                        if frame.left.is_empty() {
                            naive.pop_front();
                            done += 1;
                        }
                    }
                    prop_assert_eq!(frames, done);
                }
                Op::Coalesce(octets) => batch.coalesce(&pool, octets),
                Op::Drop(stream) => {
                    let mut dropped = (0, 0);
                    naive.retain(|frame| {
                        let keep = frame.started
                            || frame.head.kind != FrameType::DATA
                            || frame.head.stream.get() != stream;
                        if !keep {
                            dropped.0 += 1;
                            dropped.1 += u64::from(frame.head.length);
                        }
                        keep
                    });
                    prop_assert_eq!(batch.drop_data(StreamId::new(stream).unwrap()), dropped);
                }
            }
            let expected: Vec<u8> = naive.iter().flat_map(|f| f.left.iter().copied()).collect();
            prop_assert_eq!(batch.octets(), expected.len() as u64);
            prop_assert_eq!(batch.is_empty(), expected.is_empty());
            prop_assert_eq!(offered(&batch, batch.slice_count()), &expected[..]);
            let some = offered(&batch, 2);
            prop_assert_eq!(&some[..], &expected[..some.len()]);
            prop_assert!(expected.starts_with(batch.first()));
            // An empty batch holds no buffer.
            prop_assert!(!expected.is_empty() || batch.scratch.is_none());
        }
        let expected: Vec<u8> = naive.into_iter().flat_map(|f| f.left).collect();
        prop_assert_eq!(batch.take().concat(), expected);
        prop_assert!(batch.is_empty() && batch.scratch.is_none());
    }
}

#[test]
fn small_frames_are_one_slice_and_data_is_not_copied() {
    let pool = BufferPool::default();
    let mut batch = Batch::default();
    let stream = StreamId::new(1).unwrap();
    let head = |kind, length| Head {
        length,
        kind,
        flags: Flags::NONE,
        stream,
    };
    for _ in 0..20 {
        batch.begin(&pool, head(FrameType::HEADERS, 100));
        batch.put_payload(&pool, Bytes::from_static(&[7; 100]));
    }
    assert_eq!(batch.slice_count(), 1);
    let data = Bytes::from(vec![1; 10]);
    batch.begin(&pool, head(FrameType::DATA, 10));
    batch.put_bytes(data.clone());
    assert_eq!(batch.slice_count(), 2);
    let mut slices = [IoSlice::new(&[]); 2];
    batch.fill(&mut slices);
    assert_eq!(slices[1].as_ptr(), data.as_ptr());
}

#[test]
fn a_batch_that_is_never_empty_uses_its_buffer_again() {
    let pool = BufferPool::default();
    let mut batch = Batch::default();
    let head = Head {
        length: 1000,
        kind: FrameType::DATA,
        flags: Flags::NONE,
        stream: StreamId::new(1).unwrap(),
    };
    for _ in 0..SCRATCH {
        batch.begin(&pool, head);
        batch.put_bytes(Bytes::from_static(&[0; 1000]));
        batch.advance(if batch.octets() > 1009 { 1009 } else { 500 });
        let inline = |segment: &Segment| matches!(segment, Segment::Inline { .. });
        assert!(batch.segments.len() < 8);
        assert!(!batch.segments.iter().any(inline));
    }
}
