//! The rules of the wire, one by one.

use super::*;

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
    let stats = io.inner.stats();
    assert_eq!(stats.deferred_flushes, 6);
    assert_eq!(stats.largest_batch, 5 * 509);
}

#[test]
fn f4_what_an_io_was_offered_is_not_joined_when_more_comes() {
    // It takes one slice at a time, and insists on what it was offered.
    let mock = Mock::new(Manners {
        vectored: false,
        ..POLITE
    });
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    let mut octets = [data(100), data(200)].concat();
    mock.set_pending(16);
    assert!(polls.write(&mut io, &octets).is_pending());
    // The rest of a head is to come, so this has to be copied.
    octets.extend(&data(300)[..5]);
    mock.set_pending(0);
    let Poll::Ready(Ok(n)) = polls.write(&mut io, &octets) else {
        panic!("it is taken")
    };
    assert_eq!(n, octets.len());
    octets.extend(&data(300)[5..]);
    assert!(polls.write(&mut io, &octets[n..]).is_ready());
    polls.flush_for_good(&mut io);
    assert_eq!(mock.state().wire, octets);
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
    // After a flush, more is expected.
    assert!(polls.write(&mut io, &data_on(7, 1)).is_ready());
    assert!(polls.flush(&mut io).is_ready());
    mock.state().wire.clear();
    for chunk in octets.chunks(1_000) {
        assert!(polls.write(&mut io, chunk).is_ready());
    }
    polls.flush_for_good(&mut io);
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
    assert_eq!(io.inner.stats().outbound_frames.get(FrameType::DATA), 9);
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
    let config = Config::default().batch(10_000, 40_000);
    let mut io = started(&Mock::new(POLITE), config);
    let polls = Polls::new();
    // Two flushes in a row: from now on more is expected.
    for _ in 0..2 {
        assert!(polls.write(&mut io, &data(10)).is_ready());
        assert!(polls.flush(&mut io).is_ready());
    }
    io.inner.io = Mock::new(Manners {
        pending: 16,
        ..POLITE
    });
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
