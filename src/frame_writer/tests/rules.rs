//! One rule at a time.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::{
    octets, stream,
    wire::{
        CONTINUATION, DATA, END_STREAM, HEADERS, Mock, PADDED, PING, Parsed, RST_STREAM, SETTINGS,
        Step, WINDOW_UPDATE, outline, parse,
    },
    writer,
};
use crate::{
    BufferPool, DataSource, EndStream, Flags, Frame, FrameError, FrameType, FrameWriter,
    FrameWriterConfig, Padding, Priority, StreamId,
};

fn flush_fails(writer: &FrameWriter, io: &mut Mock) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(
        writer.poll_flush_to(&mut cx, io),
        Poll::Ready(Err(_))
    ));
}

fn flush(writer: &FrameWriter, io: &mut Mock) -> Poll<()> {
    let mut cx = Context::from_waker(Waker::noop());
    writer.poll_flush_to(&mut cx, io).map(|result| {
        result.unwrap();
    })
}

fn written(writer: &FrameWriter) -> Vec<Parsed> {
    let mut io = Mock::default();
    assert!(flush(writer, &mut io).is_ready());
    parse(&io.wire)
}

fn data(writer: &FrameWriter, id: u32, length: usize, end: EndStream) {
    writer.push_data(stream(id), [octets(length)], end).unwrap();
}

fn headers(writer: &FrameWriter, id: u32, length: usize, end: EndStream) {
    writer
        .push_headers(stream(id), octets(length), end)
        .unwrap();
}

#[test]
fn o3_trailers_wait_for_their_data_which_goes_first_of_all() {
    let writer = writer();
    writer.set_priority(stream(3), Priority::new(0));
    data(&writer, 1, 20_000, EndStream::No);
    data(&writer, 3, 10, EndStream::No);
    headers(&writer, 1, 20, EndStream::Yes);
    headers(&writer, 5, 30, EndStream::Yes);
    writer.push(Frame::settings_ack()).unwrap();
    writer.push(Frame::window_update(stream(5), 9)).unwrap();
    writer.push(Frame::ping([0; 8])).unwrap();
    writer.push(Frame::window_update(stream(0), 9)).unwrap();
    assert_eq!(
        outline(&written(&writer)),
        [
            (PING, 0, 8),
            (WINDOW_UPDATE, 0, 4),
            (DATA, 1, 16_384),
            (DATA, 1, 3_616),
            (HEADERS, 1, 20),
            (HEADERS, 5, 30),
            (SETTINGS, 0, 0),
            (WINDOW_UPDATE, 5, 4),
            (DATA, 3, 10),
        ]
    );
}

#[test]
fn o4_a_reset_finishes_the_frame_that_is_begun_and_drops_the_rest() {
    let writer = writer();
    data(&writer, 1, 100_000, EndStream::No);
    data(&writer, 3, 300, EndStream::Yes);
    let mut io = Mock::new([Step::Take(100), Step::Pending]);
    assert!(flush(&writer, &mut io).is_pending());
    writer.push(Frame::rst_stream(stream(1), 8)).unwrap();
    assert!(flush(&writer, &mut io).is_ready());
    assert_eq!(
        outline(&parse(&io.wire)),
        [(DATA, 1, 16_384), (RST_STREAM, 1, 4), (DATA, 3, 300)]
    );
    let push = writer.push_data(stream(1), [octets(1)], EndStream::No);
    assert_eq!(push, Err(FrameError::StreamEnded(stream(1))));
}

#[test]
fn o4_frames_that_are_cut_but_not_begun_are_dropped_too() {
    let config = FrameWriterConfig::new().batch_octets(200_000, 200_000);
    let writer = FrameWriter::with_config(BufferPool::default(), &config).unwrap();
    data(&writer, 1, 100_000, EndStream::Yes);
    data(&writer, 3, 300, EndStream::Yes);
    let mut io = Mock::new([Step::Take(100), Step::Fail]);
    flush_fails(&writer, &mut io);
    assert_eq!(writer.cancel(stream(1)), 100_000 - 16_384);
    assert_eq!(writer.cancel(stream(1)), 0);
    assert!(flush(&writer, &mut io).is_ready());
    assert_eq!(
        outline(&parse(&io.wire)),
        [(DATA, 1, 16_384), (DATA, 3, 300)]
    );
}

#[test]
fn o4_frames_that_a_write_was_offered_and_will_be_again_are_begun() {
    // A writer such as OpenSSL has encrypted them when it says `Pending`.
    let writer = writer();
    data(&writer, 1, 3_000, EndStream::No);
    data(&writer, 3, 300, EndStream::Yes);
    let mut io = Mock::new([Step::Pending]);
    assert!(flush(&writer, &mut io).is_pending());
    data(&writer, 5, 9, EndStream::Yes);
    assert_eq!(writer.cancel(stream(1)), 0);
    assert_eq!(writer.cancel(stream(5)), 9);
    assert!(flush(&writer, &mut io).is_ready());
    let frames = outline(&parse(&io.wire));
    assert_eq!(frames, [(DATA, 1, 3_000), (DATA, 3, 300)]);
}

/// Octets whose owner uses the writer as they are dropped, as a proxy does that
/// gives credit back.
struct Credit(std::sync::Arc<FrameWriter>, Vec<u8>);

impl AsRef<[u8]> for Credit {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        let _ = self.0.push(Frame::window_update(stream(0), 1));
    }
}

/// A waker whose task uses the writer as it is dropped.
struct Task(std::sync::Arc<FrameWriter>);

impl std::task::Wake for Task {
    fn wake(self: std::sync::Arc<Self>) {}
}

impl Drop for Task {
    fn drop(&mut self) {
        let _ = self.0.is_empty();
    }
}

#[test]
fn what_is_dropped_may_use_the_writer() {
    use std::{future::Future, pin::pin, sync::Arc};

    type Act = fn(&Arc<FrameWriter>, &dyn Fn(usize) -> Bytes);
    let acts: [Act; 8] = [
        |w, credit| {
            w.push_data(stream(1), [credit(100)], EndStream::No)
                .unwrap();
            assert_eq!(w.cancel(stream(1)), 100);
        },
        |w, credit| {
            w.push_data(stream(1), [credit(100)], EndStream::No)
                .unwrap();
            w.push(Frame::rst_stream(stream(1), 8)).unwrap();
        },
        |w, credit| {
            w.push_data(stream(1), [credit(100)], EndStream::No)
                .unwrap();
            let mut io = Mock::new([Step::Take(3), Step::Fail]);
            flush_fails(w, &mut io);
            w.cancel(stream(1));
            w.discard().unwrap();
        },
        |w, credit| {
            let refused = w.push_data(stream(1), [credit(20_000)], EndStream::No);
            assert!(refused.is_err());
        },
        |w, credit| {
            let frame = Frame::data(stream(1), credit(20_000), EndStream::No);
            assert!(w.push(frame).is_err());
        },
        |w, credit| {
            let frame = Frame::extension(FrameType(0xbe), Flags::NONE, stream(0), credit(10));
            w.push(frame).unwrap();
            assert!(flush(w, &mut Mock::new([])).is_ready());
        },
        |w, credit| {
            w.push(Frame::headers(stream(1), credit(0), EndStream::Yes))
                .unwrap();
            assert!(flush(w, &mut Mock::new([])).is_ready());
        },
        |w, credit| {
            w.push_data(stream(1), [credit(9_000)], EndStream::No)
                .unwrap();
            let mut ready = pin!(w.ready());
            for waker in [
                Waker::from(Arc::new(Task(w.clone()))),
                Waker::noop().clone(),
            ] {
                let mut cx = Context::from_waker(&waker);
                assert!(ready.as_mut().poll(&mut cx).is_pending());
            }
            w.discard().unwrap();
        },
    ];
    for (n, act) in acts.into_iter().enumerate() {
        let (done, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let config = FrameWriterConfig::default().max_queued_octets(10_000);
            let writer = FrameWriter::with_config(BufferPool::default(), &config).unwrap();
            let writer = Arc::new(writer);
            let credit = |octets| Bytes::from_owner(Credit(writer.clone(), vec![1; octets]));
            act(&writer, &credit);
            done.send(()).unwrap();
        });
        let bound = std::time::Duration::from_secs(30);
        assert!(
            wait.recv_timeout(bound).is_ok(),
            "a deadlock, or a panic, in act {n}"
        );
    }
}

#[test]
fn an_end_that_is_queued_is_never_forgotten() {
    let writer = writer();
    data(&writer, 1, 10, EndStream::Yes);
    for n in 1..4_200 {
        writer
            .push(Frame::rst_stream(stream(1 + 4 * n), 8))
            .unwrap();
    }
    let push = writer.push_data(stream(1), [octets(10)], EndStream::No);
    assert_eq!(push, Err(FrameError::StreamEnded(stream(1))));
}

#[test]
fn trailers_of_a_cancelled_stream_do_not_end_it() {
    let writer = writer();
    data(&writer, 1, 100, EndStream::No);
    headers(&writer, 1, 20, EndStream::Yes);
    writer.push(Frame::rst_stream(stream(1), 8)).unwrap();
    let frames = written(&writer);
    assert_eq!(outline(&frames), [(HEADERS, 1, 20), (RST_STREAM, 1, 4)]);
    assert_eq!(frames[0].flags & END_STREAM, 0);
}

#[test]
fn trailers_in_the_batch_keep_the_data_before_them() {
    let writer = writer();
    data(&writer, 1, 100, EndStream::No);
    headers(&writer, 1, 20, EndStream::Yes);
    let mut io = Mock::new([Step::Pending]);
    assert!(flush(&writer, &mut io).is_pending());
    assert_eq!(writer.cancel(stream(1)), 0);
    assert!(flush(&writer, &mut io).is_ready());
    assert_eq!(
        outline(&parse(&io.wire)),
        [(DATA, 1, 100), (HEADERS, 1, 20)]
    );
}

#[test]
fn a_new_limit_holds_for_what_is_not_cut() {
    let writer = writer();
    data(&writer, 1, 50_000, EndStream::Yes);
    headers(&writer, 3, 50_000, EndStream::No);
    writer.set_max_frame_size(30_000).unwrap();
    assert_eq!(
        outline(&written(&writer)),
        [
            (HEADERS, 3, 30_000),
            (CONTINUATION, 3, 20_000),
            (DATA, 1, 30_000),
            (DATA, 1, 20_000)
        ]
    );
    for limit in [0, 16_383, 1 << 24] {
        let refused = writer.set_max_frame_size(limit);
        assert_eq!(refused, Err(FrameError::MaxFrameSize(limit)));
    }
    assert_eq!(writer.max_frame_size(), 30_000);
}

#[test]
fn padding_goes_on_the_last_piece_and_the_flow_stays_the_same() {
    let writer = writer();
    let body = octets(40_000);
    let padding = Padding::Octets(200);
    writer
        .push_data_region(stream(1), &body, 0, 40_000, padding, EndStream::Yes)
        .unwrap();
    let frames = written(&writer);
    let flow: usize = frames.iter().map(|frame| frame.payload.len()).sum();
    assert_eq!(flow, 40_201);
    let flags: Vec<_> = frames.iter().map(|frame| frame.flags).collect();
    assert_eq!(flags, [0, 0, PADDED | END_STREAM]);
    let all: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.data().0.to_vec())
        .collect();
    assert_eq!(all, body);
    assert_eq!(frames[2].data().1, Some(200));
}

#[test]
fn regions_come_from_any_source() {
    let body = octets(1_000);
    let chunks: Vec<Bytes> = [0..10, 10..10, 10..900, 900..1_000]
        .map(|range| body.slice(range))
        .into();
    let mut pooled = BufferPool::default().acquire(1_000);
    pooled.append(&body);
    let sources: [(&dyn DataSource, bool); 4] = [
        (&body, true),
        (&chunks, true),
        (&body.to_vec(), false),
        (&pooled, false),
    ];
    for (source, shared) in sources {
        let writer = writer();
        let region = |offset, length| {
            let none = Padding::None;
            writer.push_data_region(stream(1), source, offset, length, none, EndStream::No)
        };
        for (offset, length) in [(1_001, 0), (0, 1_001), (u64::MAX, 2), (2, u64::MAX)] {
            assert!(matches!(
                region(offset, length),
                Err(FrameError::RegionOutside { size: 1_000, .. })
            ));
        }
        assert!(writer.is_empty());
        region(5, 990).unwrap();
        region(1_000, 0).unwrap();
        let mut io = Mock::default();
        assert!(flush(&writer, &mut io).is_ready());
        assert_eq!(parse(&io.wire)[0].payload, body[5..995]);
        let memory = body.as_ptr_range();
        let memory = memory.start as usize..memory.end as usize;
        let heads = io.slices.iter().filter(|(at, ..)| !memory.contains(at));
        assert_eq!(heads.count() == 1, shared);
    }
}

#[test]
fn what_is_refused_is_not_queued() {
    let writer = writer();
    let body = octets(10);
    let padding = Padding::Octets(256);
    assert_eq!(
        writer.push_data_region(stream(1), &body, 0, 1, padding, EndStream::No),
        Err(FrameError::PaddingTooLong(256))
    );
    let zero = StreamId::CONNECTION;
    assert_eq!(
        writer.push_data(zero, [body.clone()], EndStream::No),
        Err(FrameError::NeedsStream(FrameType::DATA))
    );
    assert_eq!(
        writer.push_headers(zero, body.clone(), EndStream::No),
        Err(FrameError::NeedsStream(FrameType::HEADERS))
    );
    let extension = Frame::extension(FrameType(0xbe), Flags::NONE, zero, vec![0; 16_385]);
    assert!(matches!(
        writer.push(extension),
        Err(FrameError::OverLimit { length: 16_385, .. })
    ));
    assert!(writer.is_empty());
    headers(&writer, 1, 10, EndStream::Yes);
    let queued = writer.queued_octets();
    let ended = Err(FrameError::StreamEnded(stream(1)));
    assert_eq!(
        writer.push_data(stream(1), [body.clone()], EndStream::No),
        ended
    );
    assert_eq!(writer.push_headers(stream(1), body, EndStream::No), ended);
    assert_eq!(writer.queued_octets(), queued);
    assert_eq!(written(&writer).len(), 1);
    assert_eq!(writer.push_data(stream(1), [], EndStream::Yes), ended);
}

#[test]
fn a_source_that_lies_is_refused() {
    struct Liar;
    impl DataSource for Liar {
        fn size(&self) -> u64 {
            100
        }
        fn slices(&self, _: std::ops::Range<u64>, _: &BufferPool, out: &mut dyn FnMut(Bytes)) {
            out(Bytes::from_static(b"short"));
        }
    }
    let writer = writer();
    let refused = writer.push_data_region(stream(1), &Liar, 0, 50, Padding::None, EndStream::No);
    assert_eq!(
        refused,
        Err(FrameError::SourceLength {
            asked: 50,
            given: 5
        })
    );
    assert!(writer.is_empty());
}

#[test]
fn a_flush_ends_though_pushes_do_not() {
    /// Pushes more at every write.
    struct Pusher<'a>(&'a FrameWriter, u64);
    impl tokio::io::AsyncWrite for Pusher<'_> {
        fn poll_write(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            self.1 += octets.len() as u64;
            let chunk = Bytes::from(vec![0; octets.len()]);
            self.0.push_data(stream(1), [chunk], EndStream::No).unwrap();
            Poll::Ready(Ok(octets.len()))
        }
        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let config = FrameWriterConfig::new().max_queued_octets(1 << 20);
    let writer = FrameWriter::with_config(BufferPool::default(), &config).unwrap();
    data(&writer, 1, 1_000, EndStream::No);
    let mut io = Pusher(&writer, 0);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(writer.poll_flush_to(&mut cx, &mut io).is_ready());
    assert!(io.1 >= 1 << 20);
    assert!(!writer.is_empty());
}

#[test]
fn the_writer_is_shared_and_flushes_in_any_task() {
    fn shared<T: Send + Sync>(_: &T) {}
    fn sent<T: Send>(_: &T) {}
    let writer = writer();
    shared(&writer);
    sent(&writer.flush_to(&mut Vec::new()));
    sent(&writer.ready());
}
