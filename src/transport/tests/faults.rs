//! What a hostile peer, a slow socket or an unusual stack may do.

use super::mock::Told;
use super::*;

/// A socket that takes just as many octets as it is told to, and counts flushes.
struct Metered {
    mock: Mock,
    takes: usize,
    flushes: usize,
    /// So many flushes are `Pending` first.
    reluctant: usize,
}

impl Metered {
    fn new(mock: &Mock) -> Self {
        Self {
            mock: mock.clone(),
            takes: usize::MAX,
            flushes: 0,
            reluctant: 0,
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.mock).poll_read(cx, buf)
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut octets: Vec<u8> = bufs.iter().flat_map(|buf| buf.to_vec()).collect();
        octets.truncate(self.takes);
        self.takes -= octets.len();
        if octets.is_empty() {
            return Poll::Pending;
        }
        self.mock.state().wire.extend(&octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reluctant > 0 {
            self.reluctant -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn f5_a_write_may_stop_at_any_octet() {
    let frames = [
        raw(FrameType::HEADERS, Flags::END_HEADERS, 1, vec![9; 20_000]),
        raw(FrameType::DATA, Flags::END_STREAM, 1, vec![7; 16_385]),
    ];
    let octets = encode(&frames);
    let whole = octets.len() + 2 * Head::LEN;
    let edges = (0..40).chain(16_380..16_440).chain(20_010..20_060);
    for stop in edges.chain(36_300..whole) {
        for ahead in [false, true] {
            let mock = Mock::new(POLITE);
            let config = Config::default().batch(1_024, 1_024);
            let mut io = started_on(Metered::new(&mock), &mock, config);
            let polls = Polls::new();
            if ahead {
                // Something is staged already.
                assert!(polls.write(&mut io, &data_on(3, 1)).is_ready());
                assert!(polls.flush(&mut io).is_ready());
                assert!(polls.write(&mut io, &data_on(3, 1)).is_ready());
                mock.state().wire.clear();
            }
            io.get_mut().takes = stop;
            let mut at = 0;
            while at < octets.len() {
                match polls.write(&mut io, &octets[at..]) {
                    Poll::Ready(n) => at += n.unwrap(),
                    Poll::Pending => io.get_mut().takes = usize::MAX,
                }
            }
            io.get_mut().takes = usize::MAX;
            polls.flush_for_good(&mut io);
            let mut wire = parse(&mock.state().wire);
            wire.retain(|frame| frame.stream != 3);
            assert!(meaning(&wire) == meaning(&frames), "stopped at {stop}");
            assert!(wire.iter().all(|f| f.payload.len() <= 16_384));
        }
    }
}

#[test]
fn f5_a_raised_limit_waits_for_the_stacks_acknowledgement() {
    let mock = Mock::new(Manners { most: 1, ..POLITE });
    let mut io = started(&mock, Config::default().batch(1_024, 1_024));
    let polls = Polls::new();
    let write = |io: &mut Transport<Mock>, octets: &[u8]| {
        let mut at = 0;
        while at < octets.len() {
            let Poll::Ready(Ok(n)) = polls.write(io, &octets[at..]) else {
                panic!("the mock takes one octet")
            };
            at += n;
        }
    };
    let large = data(200_000);
    write(&mut io, &large[..20_000]);
    mock.deliver(&encode(&[settings(&[(5, 1 << 20)])]));
    assert!(polls.read(&mut io).is_ready());
    write(&mut io, &large[20_000..]);
    let largest = |mock: &Mock| {
        let frames = parse(&mock.state().wire);
        frames.iter().map(|f| f.payload.len()).max()
    };
    polls.flush_for_good(&mut io);
    assert_eq!(largest(&mock), Some(16_384));
    let ack = raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]);
    // One for the first SETTINGS, one for this.
    write(&mut io, &encode(&[ack.clone(), ack]));
    write(&mut io, &large);
    polls.flush_for_good(&mut io);
    assert_eq!(largest(&mock), Some(200_000));
}

#[test]
fn b3_staged_buffers_do_not_grow_with_what_a_slow_socket_has_taken() {
    let mock = Mock::new(POLITE);
    let pool = BufferPool::new(PoolConfig::default());
    let config = Config::default().pool(pool.clone()).schedule(false);
    let mut io = started_on(Metered::new(&mock), &mock, config);
    let polls = Polls::new();
    io.get_mut().takes = 0;
    let mut most = 0;
    for _ in 0..30_000 {
        // The stack writes while it may, and the peer takes a little when full.
        if polls.write(&mut io, &data(1_000)).is_pending() {
            io.get_mut().takes = 20_000;
            mock.state().wire.clear();
        }
        let _ = polls.flush(&mut io);
        most = most.max(pool.stats().outstanding_octets);
    }
    assert!(most < 1 << 20, "{most} octets of buffers");
}

#[test]
fn b5_no_buffer_is_held_between_reads_whatever_the_connection_speaks() {
    let pool = BufferPool::new(PoolConfig::default());
    let polls = Polls::new();
    for records in [false, true] {
        let config = Config::default().pool(pool.clone()).over_tls(records);
        let mock = Mock::new(POLITE);
        let mut client = started(&mock, config.clone());
        assert!(polls.read(&mut client).is_pending());
        for first in [&b"GET / HTTP/1.1\r\n\r\n"[..], PREFACE] {
            let mock = Mock::new(POLITE);
            let mut server = Transport::server(mock.clone(), config.clone());
            for octets in [first, &encode(&[settings(&[])])] {
                mock.deliver(octets);
                while polls.read(&mut server).is_ready() {}
            }
            assert_eq!(pool.stats().outstanding, 0, "{records} {first:?}");
        }
    }
}

#[test]
fn reads_are_small_again_after_a_burst_and_runs_are_given_back() {
    let mock = Mock::new(POLITE);
    let pool = BufferPool::new(PoolConfig::default());
    let mut io = started(&mock, Config::default().pool(pool.clone()));
    let polls = Polls::new();
    mock.deliver(&data(2_000_000));
    while polls.read(&mut io).is_ready() {}
    mock.deliver(&encode(&vec![settings(&[]); 40_000]));
    while polls.read(&mut io).is_ready() {}
    for _ in 0..50 {
        mock.deliver(&data(10));
        while polls.read(&mut io).is_ready() {}
    }
    let (size, runs) = io.inner.read.memory();
    assert_eq!(size, 16 * 1024);
    assert!(runs <= 64, "{runs} runs");
}

#[test]
fn b2_a_flush_that_was_answered_is_seen_through_to_the_io_below() {
    let mock = Mock::new(POLITE);
    let mut io = started_on(Metered::new(&mock), &mock, Config::default());
    let polls = Polls::new();
    for _ in 0..2 {
        assert!(polls.write(&mut io, &data(100)).is_ready());
        assert!(polls.flush(&mut io).is_ready());
    }
    assert!(io.inner.write.has_staged(), "deferring");
    io.get_mut().reluctant = 1;
    io.get_mut().flushes = 0;
    for _ in 0..3 {
        assert!(polls.read(&mut io).is_pending());
    }
    assert_eq!(io.get_ref().flushes, 1);
    // A flush of the stack is passed on even if it wrote nothing: TLS may have
    // something of its own to send.
    assert!(polls.flush(&mut io).is_ready());
    assert_eq!(io.get_ref().flushes, 2);
}

/// Two small frames are flushed, of which the second is deferred: the task has woken
/// itself for it.
fn defer_one(polls: &Polls, io: &mut Transport<Metered>) {
    for _ in 0..2 {
        assert!(polls.write(io, &data_on(3, 1)).is_ready());
        assert!(polls.flush(io).is_ready());
    }
    assert_eq!(polls.wakes(), 1);
    assert!(io.inner.write.has_staged(), "deferring");
}

#[test]
fn b2_a_flush_behind_the_tail_of_a_head_wakes_the_task_anew() {
    let mock = Mock::new(POLITE);
    let config = Config::default().batch(1_024, 1_024);
    let mut io = started_on(Metered::new(&mock), &mock, config);
    let polls = Polls::new();
    defer_one(&polls, &mut io);
    // The batch goes out with the first frame, and with a part of the next head.
    let (frame, large) = (9 + 16_384, data(40_000));
    io.get_mut().takes = 10 + frame + 4;
    assert!(matches!(polls.write(&mut io, &large), Poll::Ready(Ok(n)) if n == frame));
    assert!(io.inner.write.has_staged(), "the tail of the head");
    // That was what the task has woken itself for. This is another flush.
    assert!(polls.flush(&mut io).is_ready());
    assert!(io.inner.write.has_staged(), "deferring");
    assert_eq!(polls.wakes(), 2);
    io.get_mut().takes = usize::MAX;
    assert!(polls.read(&mut io).is_pending());
    assert!(!io.inner.write.has_staged());
}

#[test]
fn b2_a_flush_after_a_sleep_wakes_the_task_anew() {
    let mock = Mock::new(POLITE);
    let config = Config::default().batch(1_024, 1_024);
    let mut io = started_on(Metered::new(&mock), &mock, config);
    let polls = Polls::new();
    defer_one(&polls, &mut io);
    let large = data(40_000);
    io.get_mut().takes = 0;
    assert!(polls.write(&mut io, &large).is_pending());
    // It sleeps with all of that, as the write has to come again first.
    assert!(polls.read(&mut io).is_pending());
    assert_eq!(polls.wakes(), 1);
    io.get_mut().takes = usize::MAX;
    // Now it is less than a head, of which nothing can be written.
    assert!(matches!(
        polls.write(&mut io, &large[..5]),
        Poll::Ready(Ok(5))
    ));
    assert!(polls.flush(&mut io).is_ready());
    assert!(io.inner.write.has_staged(), "deferring");
    assert_eq!(polls.wakes(), 2);
    assert!(polls.read(&mut io).is_pending());
    assert!(!io.inner.write.has_staged());
}

#[test]
fn b2_what_is_copied_in_place_of_a_write_that_was_blocked_blocks_no_more() {
    let mock = Mock::new(Manners {
        vectored: false,
        ..POLITE
    });
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    mock.set_pending(16);
    let first = data(100);
    assert!(polls.write(&mut io, &first).is_pending());
    assert!(io.inner.write.is_blocked());
    // The stack has more by now, which cannot go as it is: it is too large.
    let more = [first, data(20_000)].concat();
    mock.set_pending(0);
    assert!(matches!(polls.write(&mut io, &more), Poll::Ready(Ok(n)) if n == more.len()));
    assert!(polls.flush(&mut io).is_ready());
    // A flush that is deferred is seen to before the task sleeps.
    assert!(polls.write(&mut io, &data(100)).is_ready());
    assert!(polls.flush(&mut io).is_ready());
    assert!(io.inner.write.has_staged(), "deferring");
    assert!(polls.read(&mut io).is_pending());
    assert!(!io.inner.write.has_staged());
    let wire = parse(&mock.state().wire);
    let sent = [more, data(100)].concat();
    assert!(meaning(&wire) == meaning(&parse(&sent)));
}

#[test]
fn b2_the_end_of_the_wire_is_not_hidden_by_an_error_of_the_other_direction() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    for _ in 0..2 {
        assert!(polls.write(&mut io, &data(100)).is_ready());
        assert!(polls.flush(&mut io).is_ready());
    }
    // The peer's last frame, its FIN and its RST are there when we look again.
    mock.deliver(&data(10));
    let written = mock.state().wire.len();
    mock.state().eof = true;
    mock.state().fail_at = Some(written);
    let mut space = [0; 100];
    for expected in [19, 0, 0] {
        let mut buf = ReadBuf::new(&mut space);
        let polled = Pin::new(&mut io).poll_read(&mut polls.context(), &mut buf);
        assert!(matches!(polled, Poll::Ready(Ok(()))));
        assert_eq!(buf.filled().len(), expected);
    }
    assert!(matches!(polls.flush(&mut io), Poll::Ready(Err(_))));
}

#[test]
fn f2_a_wire_that_breaks_off_in_a_head_is_handed_over_at_its_end() {
    for records in [false, true] {
        let mock = Mock::new(POLITE);
        let config = Config::default().over_tls(records);
        let mut io = started(&mock, config);
        mock.deliver(&settings_octets()[..12]);
        let polls = Polls::new();
        assert!(polls.read(&mut io).is_pending());
        mock.state().eof = true;
        let mut space = [0; 100];
        let mut buf = ReadBuf::new(&mut space);
        assert!(
            Pin::new(&mut io)
                .poll_read(&mut polls.context(), &mut buf)
                .is_ready()
        );
        assert_eq!(buf.filled(), &settings_octets()[..12]);
    }
}

fn settings_octets() -> Vec<u8> {
    encode(&[settings(&[(5, 20_000)])])
}

#[test]
fn f2_what_was_taken_is_written_at_the_end_whole_frames_or_not() {
    let octets = data(10);
    for by_drop in [false, true] {
        let mock = Mock::new(POLITE);
        let mut io = started(&mock, Config::default());
        let polls = Polls::new();
        assert!(polls.write(&mut io, &octets[..5]).is_ready());
        assert!(polls.flush(&mut io).is_ready());
        if !by_drop {
            assert!(
                Pin::new(&mut io)
                    .poll_shutdown(&mut polls.context())
                    .is_ready()
            );
        }
        drop(io);
        assert_eq!(mock.state().wire, octets[..5]);
    }
}

#[test]
fn frames_are_not_counted_where_there_are_none() {
    let mock = Mock::new(POLITE);
    let mut io = Transport::server(mock.clone(), Config::default());
    let polls = Polls::new();
    let answer = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n";
    assert!(polls.write(&mut io, answer).is_ready());
    mock.deliver(b"GET / HTTP/1.1\r\n\r\n");
    assert!(polls.read(&mut io).is_ready());
    assert_eq!(io.handle().stats().outbound_frames.total(), 0);
    assert_eq!(io.handle().stats().outbound_octets, answer.len() as u64);
}

#[test]
fn b1_an_io_that_takes_nothing_is_an_error() {
    for polls_write in [true, false] {
        let mock = Mock::new(POLITE);
        let mut io = started(&mock, Config::default());
        let polls = Polls::new();
        for _ in 0..2 {
            assert!(polls.write(&mut io, &data(10)).is_ready());
            assert!(polls.flush(&mut io).is_ready());
        }
        let taken = mock.state().wire.len();
        mock.state().stuck_at = Some(taken);
        let error = match polls_write {
            true => polls.write(&mut io, &data(300_000)).map_ok(|_| ()),
            false => polls.read(&mut io),
        };
        let Poll::Ready(Err(error)) = error else {
            panic!("no error")
        };
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}

#[test]
fn b4_lone_events_are_not_deferred_while_the_peer_is_silent() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    for _ in 0..100 {
        assert!(polls.read(&mut io).is_pending());
        assert!(polls.write(&mut io, &data(100)).is_ready());
        assert!(polls.flush(&mut io).is_ready());
    }
    assert_eq!((io.inner.stats().deferred_flushes, polls.wakes()), (0, 0));
    assert_eq!(mock.state().writes, 100);
}

#[test]
fn b6_tls_gets_whole_records_while_more_is_to_come() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default().over_tls(true));
    let polls = Polls::new();
    let large = data(100_000);
    let mut at = 0;
    while at < large.len() {
        let before = mock.state().wire.len();
        let Poll::Ready(Ok(n)) = polls.write(&mut io, &large[at..]) else {
            panic!("the mock takes all")
        };
        at += n;
        let written = mock.state().wire.len() - before;
        assert_eq!(written % 16_384, 0, "{written}");
    }
    assert!(mock.state().wire.len() >= 65_536);
    polls.flush_for_good(&mut io);
    assert!(meaning(&parse(&mock.state().wire)) == meaning(&parse(&large)));
}

#[test]
fn pauses_are_pending_with_a_wake_and_lose_nothing() {
    for records in [false, true] {
        let mock = Mock::new(POLITE);
        let config = Config::default().turn(4).over_tls(records);
        let mut io = started(&mock, config);
        let headers = raw(FrameType::HEADERS, Flags::END_HEADERS, 1, vec![1; 20]);
        let sent = encode(&vec![headers; 10]);
        mock.deliver(&sent);
        let polls = Polls::new();
        let mut seen: Vec<u8> = Vec::new();
        let mut turns = Vec::new();
        while seen.len() < sent.len() {
            let mut space = vec![0; 9_000];
            let mut buf = ReadBuf::new(&mut space);
            let wakes = polls.wakes();
            match Pin::new(&mut io).poll_read(&mut polls.context(), &mut buf) {
                Poll::Ready(result) => {
                    result.unwrap();
                    turns.push(buf.filled().len());
                    seen.extend(buf.filled());
                }
                Poll::Pending => assert_eq!(polls.wakes(), wakes + 1),
            }
        }
        assert!(seen == sent);
        assert_eq!(turns, [4 * 29, 6 * 29]);
    }
}

#[test]
fn a_retry_starts_with_what_was_offered_before() {
    // As OpenSSL: a write that would block has encrypted what it was offered,
    // and wants to be offered it again.
    #[derive(Default)]
    struct Strict {
        record: Vec<u8>,
        blocked: bool,
        wire: Vec<u8>,
    }
    for in_place in [true, false] {
        let io = Told::new(Strict::default(), |strict, buf| {
            assert!(buf.starts_with(&strict.record), "a bad retry");
            if strict.blocked {
                strict.record = buf.to_vec();
                return Poll::Pending;
            }
            strict.record.clear();
            strict.wire.extend(buf);
            Poll::Ready(Ok(buf.len()))
        });
        let mut io = Transport::client(io, Config::default());
        let polls = Polls::new();
        for part in [&PREFACE[..], &encode(&[settings(&[])])] {
            assert!(polls.write(&mut io, part).is_ready());
        }
        polls.flush_for_good(&mut io);
        assert!(polls.read(&mut io).is_pending());
        io.get_mut().state.wire.clear();
        if !in_place {
            // A deferred flush meets a socket that is full.
            for _ in 0..2 {
                assert!(polls.write(&mut io, &data(100)).is_ready());
                assert!(polls.flush(&mut io).is_ready());
            }
        }
        io.get_mut().state.blocked = true;
        if in_place {
            assert!(polls.write(&mut io, &data(100)).is_pending());
            io.handle().send_frames([Frame::ping([0; 8])]).unwrap();
        }
        assert!(polls.read(&mut io).is_pending());
        if !in_place {
            // It would have been joined to what was offered.
            assert!(polls.write(&mut io, &data(50)).is_ready());
        }
        io.get_mut().state.blocked = false;
        if in_place {
            assert!(polls.write(&mut io, &data(100)).is_ready());
        }
        assert!(polls.read(&mut io).is_pending());
        polls.flush_for_good(&mut io);
        let wire = parse(&io.get_ref().state.wire);
        let sizes: Vec<_> = wire.iter().map(|f| f.payload.len()).collect();
        match in_place {
            true => assert_eq!(sizes, [100, 8]),
            false => assert_eq!(sizes, [100, 100, 50]),
        }
    }
}

#[test]
fn statistics_and_vectored_writes_are_those_of_the_connection() {
    let mock = Mock::new(POLITE);
    let mut io = started(&mock, Config::default());
    let polls = Polls::new();
    for _ in 0..3 {
        assert!(polls.write(&mut io, &data(100)).is_ready());
        assert!(polls.flush(&mut io).is_ready());
        assert_eq!(io.handle().stats(), io.inner.stats());
    }
    assert!(AsyncWrite::is_write_vectored(&io));
    let plain = Mock::new(Manners {
        vectored: false,
        ..POLITE
    });
    let io = Transport::server(plain, Config::default());
    assert!(!AsyncWrite::is_write_vectored(&io));
}
