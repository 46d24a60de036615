//! Models of tasks that push while another one flushes.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use loom::thread;

use crate::sync::model::{block_on, check};
use crate::{BufferPool, EndStream, Frame, FrameWriter, FrameWriterConfig, StreamId};

const STREAM: u32 = 1;

/// DATA of 30 octets and of one, with their heads.
const FULL: u64 = 39 + 10;

/// A writer that is full: with more than half of what it takes on one stream.
fn full() -> Arc<FrameWriter> {
    let config = FrameWriterConfig::new().max_queued_octets(FULL);
    let pool = BufferPool::default();
    let writer = FrameWriter::with_config(pool, &config).expect("the configuration is valid");
    push(&writer, STREAM, 30);
    push(&writer, STREAM + 2, 1);
    assert_eq!(writer.queued_octets(), FULL);
    Arc::new(writer)
}

fn push(writer: &FrameWriter, stream: u32, octets: usize) {
    let stream = StreamId::new(stream).expect("it is one");
    let pushed = writer.push_data(stream, [Bytes::from(vec![7; octets])], EndStream::No);
    pushed.expect("there is room");
}

fn flush(writer: &FrameWriter, io: &mut Vec<u8>) {
    block_on(writer.flush_to(io)).expect("no other flush is under way");
}

#[test]
fn one_who_waits_for_room_is_woken() {
    check(Some(3), || {
        let writer = full();
        let waiting = {
            let writer = Arc::clone(&writer);
            thread::spawn(move || {
                block_on(writer.ready());
                push(&writer, STREAM + 4, 1);
            })
        };
        let mut io = Vec::new();
        flush(&writer, &mut io);
        waiting.join().expect("the thread does not panic");
        flush(&writer, &mut io);
        assert_eq!(io.len() as u64, FULL + 10);
        assert!(writer.shared.lock().is_at_rest());
    });
}

#[test]
fn one_who_waits_for_room_is_woken_by_whatever_makes_it() {
    type Change = fn(&FrameWriter);
    let changes: [Change; 4] = [
        |writer| {
            writer.cancel(StreamId::new(STREAM).expect("it is one"));
        },
        |writer| {
            let stream = StreamId::new(STREAM).expect("it is one");
            let reset = Frame::rst_stream(stream, 8);
            writer.push(reset).expect("a reset is always taken");
        },
        |writer| {
            writer.discard().expect("no flush is under way");
        },
        |writer| {
            writer.take_queued().expect("no flush is under way");
        },
    ];
    for change in changes {
        check(None, move || {
            let writer = full();
            let waiting = {
                let writer = Arc::clone(&writer);
                thread::spawn(move || block_on(writer.ready()))
            };
            change(&writer);
            waiting.join().expect("the thread does not panic");
        });
    }
}

#[test]
fn one_who_waits_no_more_takes_no_wake_up_from_another() {
    check(Some(2), || {
        let writer = full();
        let threads = [false, true].map(|gives_up| {
            let writer = Arc::clone(&writer);
            thread::spawn(move || {
                let mut ready = writer.ready();
                if gives_up {
                    let mut ready = std::pin::pin!(ready);
                    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                    let _ = ready.as_mut().poll(&mut cx);
                } else {
                    block_on(&mut ready);
                }
            })
        });
        flush(&writer, &mut Vec::new());
        for thread in threads {
            thread.join().expect("the thread does not panic");
        }
        assert!(writer.shared.lock().is_at_rest());
    });
}

#[test]
fn of_two_flushes_one_may_be_refused_and_nothing_is_written_twice() {
    check(Some(3), || {
        // One frame to a write call, between which another flush might come.
        let config = FrameWriterConfig::new().batch_octets(1, 1);
        let writer = FrameWriter::with_config(BufferPool::default(), &config);
        let writer = Arc::new(writer.expect("the configuration is valid"));
        push(&writer, STREAM, 1);
        push(&writer, STREAM + 2, 1);
        let flush = |writer: &FrameWriter| {
            let mut io = Vec::new();
            let flushed = block_on(writer.flush_to(&mut io));
            (flushed.map_err(|error| error.is_under_way()), io)
        };
        let other = {
            let writer = Arc::clone(&writer);
            thread::spawn(move || flush(&writer))
        };
        let flushes = [
            flush(&writer),
            other.join().expect("the thread does not panic"),
        ];
        let mut octets = flushes.each_ref().map(|(_, io)| io.len());
        octets.sort_unstable();
        assert_eq!(octets, [0, 2 * 10]);
        assert!(flushes.iter().any(|(flushed, _)| flushed.is_ok()));
        for (flushed, io) in flushes {
            assert!(flushed.is_ok() || flushed == Err(true) && io.is_empty());
        }
        assert!(writer.is_empty());
    });
}

#[test]
fn nothing_is_lost_that_is_pushed_during_a_flush() {
    check(Some(3), || {
        let writer = Arc::new(FrameWriter::new(BufferPool::default()));
        push(&writer, STREAM, 1);
        let pushing = {
            let writer = Arc::clone(&writer);
            thread::spawn(move || {
                for stream in [STREAM + 2, STREAM + 4] {
                    push(&writer, stream, 1);
                }
            })
        };
        let mut io = Vec::new();
        flush(&writer, &mut io);
        pushing.join().expect("the thread does not panic");
        flush(&writer, &mut io);
        assert_eq!(io.len(), 3 * 10);
        assert!(writer.is_empty());
    });
}
