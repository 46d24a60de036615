//! The rules of what is queued while streams compete, one by one.

use super::*;
use crate::proto::streams::tests::ends::update;

/// A server's transport with these requests, and SETTINGS of the peer. All is
/// read, and the socket is full.
fn congested(config: Config, window: u32, streams: &[u32]) -> (Mock, Transport<Mock>, Polls) {
    let mock = Mock::new(POLITE);
    let polls = Polls::new();
    let config = config.no_rfc7540_priorities(false).defer_flush(false);
    // As over TCP, a write that was `Pending` may be another the next time.
    mock.state().is_strict = false;
    let mut io = Transport::server(mock.clone(), config).over_tcp(|_| None);
    let mut peer = vec![settings(&[(4, window), (5, 16_384)])];
    for stream in streams {
        let flags = Flags::END_HEADERS.with(Flags::END_STREAM);
        peer.push(raw(FrameType::HEADERS, flags, *stream, vec![0x82]));
    }
    mock.deliver(&[&PREFACE[..], &encode(&peer)].concat());
    read_all(&polls, &mut io);
    let acks = [
        settings(&[]),
        raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]),
    ];
    assert!(polls.write(&mut io, &encode(&acks)).is_ready());
    polls.flush_for_good(&mut io);
    mock.state().wire.clear();
    mock.set_pending(16);
    (mock, io, polls)
}

fn read_all(polls: &Polls, io: &mut Transport<Mock>) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut space = [0; 9_000];
    loop {
        let mut buf = ReadBuf::new(&mut space);
        match Pin::new(&mut *io).poll_read(&mut polls.context(), &mut buf) {
            Poll::Pending => return seen,
            Poll::Ready(result) => result.unwrap(),
        }
        seen.extend(buf.filled());
    }
}

fn body(stream: u32, octets: usize) -> Raw {
    let octets = vec![stream as u8; octets];
    raw(FrameType::DATA, Flags::END_STREAM, stream, octets)
}

fn write(polls: &Polls, io: &mut Transport<Mock>, frames: &[Raw]) {
    let octets = encode(frames);
    let Poll::Ready(Ok(n)) = polls.write(io, &octets) else {
        panic!("it is taken")
    };
    assert_eq!(n, octets.len());
}

/// The streams of the frames on the wire.
fn order(mock: &Mock) -> Vec<u32> {
    parse(&mock.state().wire).iter().map(|f| f.stream).collect()
}

/// The peer reads on: the task is woken, and does what h2 does.
fn proceed(mock: &Mock, polls: &Polls, io: &mut Transport<Mock>) {
    mock.set_pending(0);
    assert!(mock.become_ready(), "it waits for the socket");
    read_all(polls, io);
    assert!(polls.flush(io).is_ready());
}

#[test]
fn p2_what_waits_goes_by_urgency() {
    let (mock, mut io, polls) = congested(Config::default(), 65_535, &[1, 3, 5]);
    let urgent = raw(
        FrameType::PRIORITY_UPDATE,
        Flags::NONE,
        0,
        b"\0\0\0\x05u=0".to_vec(),
    );
    mock.set_pending(0);
    mock.deliver(&encode(&[urgent]));
    read_all(&polls, &mut io);
    mock.set_pending(16);
    // What was offered already stays first.
    for stream in [1, 3, 5] {
        write(&polls, &mut io, &[body(stream, 20_000)]);
        assert!(polls.flush(&mut io).is_ready(), "so that the stack goes on");
    }
    assert_eq!(io.handle().stats().queued_octets, 40_000);
    assert_eq!(io.handle().stats().congestions, 1);
    proceed(&mock, &polls, &mut io);
    assert_eq!(order(&mock), [1, 1, 5, 5, 3, 3]);
    assert!(!io.inner.streams.has_streams() && !io.inner.write.is_queueing());
}

#[test]
fn p2_nothing_waits_on_a_connection_that_is_gone() {
    let (mock, mut io, polls) = congested(Config::default(), 65_535, &[1, 3, 5]);
    for stream in [1, 3, 5] {
        write(&polls, &mut io, &[body(stream, 20_000)]);
        assert!(polls.flush(&mut io).is_ready(), "so that the stack goes on");
    }
    let handle = io.handle();
    drop((io, mock));
    assert!(handle.is_closed());
    assert_eq!(handle.stats().queued_octets, 0);
}

#[test]
fn a_handle_sees_what_is_queued_as_soon_as_it_is() {
    let (mock, mut io, polls) = congested(Config::default(), 65_535, &[1, 3, 5]);
    let handle = io.handle();
    for (stream, queued) in [(1, 0), (3, 20_000), (5, 40_000)] {
        write(&polls, &mut io, &[body(stream, 20_000)]);
        assert!(polls.flush(&mut io).is_ready(), "so that the stack goes on");
        assert_eq!(handle.stats().queued_octets, queued);
    }
    proceed(&mock, &polls, &mut io);
    assert_eq!(handle.stats().queued_octets, 0);
}

#[test]
fn p3_the_peers_credit_is_held_back_until_there_is_room() {
    let (mock, mut io, polls) = congested(Config::default(), 65_535, &[1, 3]);
    mock.set_pending(0);
    let more = update(1, 4 << 20);
    let credit = encode(&[more, update(0, 1 << 20)]);
    mock.deliver(&credit);
    assert_eq!(
        parse(&read_all(&polls, &mut io)),
        [update(0, 1 << 20)],
        "what it has is enough to begin with"
    );
    // Uncongested there is room for as much as it has sent, and more.
    let part = |octets| raw(FrameType::DATA, Flags::NONE, 1, vec![1; octets]);
    let mut told = 65_535;
    for more in [131_071, 262_142, 524_284, 1_048_568] {
        let octets = encode(&[part(told)]);
        let mut left = &octets[..];
        while !left.is_empty() {
            let Poll::Ready(Ok(n)) = polls.write(&mut io, left) else {
                panic!("the socket takes it")
            };
            left = &left[n..];
        }
        polls.flush_for_good(&mut io);
        assert_eq!(parse(&read_all(&polls, &mut io)), [update(1, more)]);
        told = more as usize;
    }
    mock.state().wire.clear();
    mock.set_pending(16);
    write(&polls, &mut io, &[body(3, 10)]);
    write(&polls, &mut io, &[part(told - 48_576)]);
    // Congested there is not: 48,576 are enough.
    mock.set_pending(0);
    assert!(mock.become_ready());
    assert_eq!(read_all(&polls, &mut io), []);
    assert!(!io.inner.write.is_queueing());
    let wakes = polls.wakes();
    write(&polls, &mut io, &[part(1)]);
    assert!(polls.wakes() > wakes, "the stack shall read");
    let sent = 65_535 + 131_071 + 262_142 + 524_284 + told as u32 - 48_575;
    let more = 65_536 + sent - 48_575;
    assert_eq!(parse(&read_all(&polls, &mut io)), [update(1, more)]);
}

#[test]
fn p4_nothing_is_queued_while_the_socket_takes_it() {
    let (mock, mut io, polls) = congested(Config::default(), 1 << 20, &[1, 3]);
    mock.set_pending(0);
    mock.state().writes = 0;
    for stream in [1, 3] {
        write(&polls, &mut io, &[body(stream, 60_000)]);
        assert!(polls.flush(&mut io).is_ready());
    }
    assert_eq!(order(&mock), [1, 1, 1, 1, 3, 3, 3, 3]);
    assert_eq!(mock.state().writes, 2);
    let stats = io.handle().stats();
    assert_eq!((stats.congestions, stats.queued_octets), (0, 0));
}

#[test]
fn p4_a_stream_that_is_alone_is_not_queued() {
    let (mock, mut io, polls) = congested(Config::default(), 65_535, &[1]);
    let octets = encode(&[body(1, 10_000)]);
    assert!(polls.write(&mut io, &octets).is_pending());
    assert!(!io.inner.write.is_queueing());
    mock.set_pending(0);
    assert!(mock.become_ready());
    write(&polls, &mut io, &[body(1, 10_000)]);
    assert_eq!(order(&mock), [1]);
}

#[test]
fn b2_shutdown_and_drop_write_what_is_queued() {
    for drops in [false, true] {
        let pool = BufferPool::new(PoolConfig::default());
        let config = Config::default().pool(pool.clone());
        let (mock, mut io, polls) = congested(config, 65_535, &[1, 3, 5]);
        for stream in [1, 3, 5] {
            write(&polls, &mut io, &[body(stream, 20_000)]);
        }
        let down = Pin::new(&mut io).poll_shutdown(&mut polls.context());
        assert!(down.is_pending() && !mock.state().shut_down);
        mock.set_pending(0);
        if !drops {
            let down = Pin::new(&mut io).poll_shutdown(&mut polls.context());
            assert!(down.is_ready());
            assert!(mock.state().shut_down);
        }
        drop(io);
        assert_eq!(order(&mock), [1, 1, 3, 3, 5, 5]);
        assert_eq!(pool.stats().outstanding, 0);
    }
    // One attempt, and no more.
    let pool = BufferPool::new(PoolConfig::default());
    let config = Config::default().pool(pool.clone());
    let (mock, mut io, polls) = congested(config, 65_535, &[1, 3]);
    write(&polls, &mut io, &[body(1, 20_000)]);
    write(&polls, &mut io, &[body(3, 20_000)]);
    drop(io);
    assert_eq!(order(&mock), []);
    assert_eq!(pool.stats().outstanding, 0);
}

#[test]
fn b3_a_full_queue_stops_the_stack_until_the_socket_takes_some() {
    let config = Config::default().queue(64 << 10, 64 << 10);
    let (mock, mut io, polls) = congested(config, 65_535, &[1, 3, 5, 7]);
    for stream in [1, 3, 5] {
        write(&polls, &mut io, &[body(stream, 10_000 * stream as usize)]);
    }
    let last = encode(&[body(7, 300)]);
    let wakes = polls.wakes();
    for _ in 0..3 {
        assert!(polls.write(&mut io, &last).is_pending());
    }
    mock.set_pending(0);
    assert!(mock.become_ready());
    assert!(polls.wakes() > wakes);
    // All of it goes at once, and what comes next is not queued any more.
    write(&polls, &mut io, &[body(7, 300)]);
    assert!(!io.inner.write.is_queueing());
    polls.flush_for_good(&mut io);
    assert_eq!(order(&mock), [1, 3, 3, 5, 5, 5, 5, 7]);
    assert!(!io.inner.streams.has_streams());
}

#[test]
fn b3_a_peer_that_takes_nothing_does_not_stop_the_stack() {
    // Else it might not read what the peer takes after all.
    let config = Config::default().queue(64 << 10, 64 << 10);
    let (mock, mut io, polls) = congested(config, 1 << 20, &[1, 3]);
    mock.set_pending(0);
    let front = raw(FrameType::DATA, Flags::NONE, 1, vec![1; 40_000]);
    write(&polls, &mut io, &[front]);
    assert!(
        parse(&read_all(&polls, &mut io))[0].stream == 1,
        "it gets more"
    );
    mock.deliver(&encode(&[settings(&[(4, 0)])]));
    read_all(&polls, &mut io);
    polls.flush_for_good(&mut io);
    mock.state().wire.clear();
    let ack = raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]);
    write(&polls, &mut io, &[ack]);
    assert!(io.inner.write.is_queueing() || io.inner.streams.is_overdrawn());
    let more = raw(FrameType::DATA, Flags::NONE, 1, vec![1; 60_000]);
    for _ in 0..3 {
        write(&polls, &mut io, std::slice::from_ref(&more));
    }
    let ping = raw(FrameType::PING, Flags::ACK, 0, vec![0; 8]);
    write(&polls, &mut io, &[ping]);
    assert!(polls.flush(&mut io).is_ready());
    assert_eq!(order(&mock), [0, 0]);
    // What it grants goes out with no write and no flush of the stack.
    mock.deliver(&encode(&[update(1, 220_000)]));
    read_all(&polls, &mut io);
    assert_eq!(order(&mock).len(), 2 + 11);
    assert_eq!(io.inner.streams.queued(), 0);
}

#[test]
fn o4_a_complete_response_survives_a_reset_with_no_error() {
    let (mock, mut io, polls) = congested(Config::default(), 65_535, &[1, 3]);
    write(&polls, &mut io, &[body(3, 10_000)]);
    let reset = raw(FrameType::RST_STREAM, Flags::NONE, 1, vec![0; 4]);
    write(&polls, &mut io, &[body(1, 20_000), reset.clone()]);
    proceed(&mock, &polls, &mut io);
    let wire = parse(&mock.state().wire);
    let mut of = wire.iter().filter(|f| f.stream == 1);
    let octets: usize = of.clone().map(|f| f.payload.len()).sum();
    assert_eq!(octets, 20_004);
    assert_eq!(of.next_back(), Some(&reset));
}

#[test]
fn c4_what_a_reset_drops_comes_back_to_the_stack_which_is_woken_for_it() {
    let (mock, mut io, polls) = congested(Config::default(), 65_535, &[1, 3]);
    write(&polls, &mut io, &[body(3, 10)]);
    let more = raw(FrameType::DATA, Flags::NONE, 1, vec![1; 30_000]);
    write(&polls, &mut io, &[more]);
    let reset = raw(FrameType::RST_STREAM, Flags::NONE, 1, vec![0, 0, 0, 8]);
    let wakes = polls.wakes();
    write(&polls, &mut io, &[reset]);
    assert!(polls.wakes() > wakes, "the stack shall read");
    let told = parse(&read_all(&polls, &mut io));
    assert_eq!(told, [update(0, 30_000)]);
    proceed(&mock, &polls, &mut io);
    assert_eq!(order(&mock), [1, 3]);
}

/// What goes out of stream 1 behind its `RST_STREAM`, if it is given up in the same
/// write as this frame comes.
fn behind_what_is_given_up(last: Raw) -> Vec<FrameType> {
    let config = Config::default().queue(64 << 10, 64 << 10);
    let (mock, mut io, polls) = congested(config, 1 << 20, &[1, 3]);
    mock.set_pending(0);
    let data = |octets| raw(FrameType::DATA, Flags::NONE, 1, vec![1; octets]);
    write(&polls, &mut io, &[data(40_000)]);
    assert!(parse(&read_all(&polls, &mut io))[0].stream == 1);
    mock.deliver(&encode(&[settings(&[(4, 0)])]));
    read_all(&polls, &mut io);
    polls.flush_for_good(&mut io);
    mock.state().wire.clear();
    let ack = raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]);
    write(&polls, &mut io, &[ack]);
    let ends = Flags::END_HEADERS.with(Flags::END_STREAM);
    let trailers = raw(FrameType::HEADERS, ends, 1, vec![0x88]);
    write(&polls, &mut io, &[data(30_000), trailers]);
    for i in 1..5 {
        assert!(!io.inner.streams.is_full());
        let response = raw(FrameType::HEADERS, ends, 2 * i + 1, vec![0x88; 9_000]);
        write(&polls, &mut io, &[response]);
    }
    assert!(io.inner.streams.is_full());
    write(&polls, &mut io, &[last]);
    polls.flush_for_good(&mut io);
    let wire = parse(&mock.state().wire);
    let is_reset = |f: &Raw| f.kind == FrameType::RST_STREAM && f.stream == 1;
    let reset = wire.iter().position(is_reset).unwrap();
    let behind = wire[reset + 1..].iter().filter(|f| f.stream == 1);
    behind.map(|f| f.kind).collect()
}

#[test]
fn b3_nothing_goes_out_of_what_is_given_up_in_the_same_write() {
    let reset = |code| raw(FrameType::RST_STREAM, Flags::NONE, 1, vec![0, 0, 0, code]);
    assert_eq!(behind_what_is_given_up(reset(0)), []);
    assert_eq!(behind_what_is_given_up(reset(8)), []);
}

#[test]
fn c5_no_credit_goes_out_for_what_is_given_up_in_the_same_write() {
    assert_eq!(behind_what_is_given_up(update(1, 5)), []);
}
