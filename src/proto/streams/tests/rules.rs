//! The rules of the queues, one by one.

use super::ends::number;
use super::*;
use crate::proto::testing::parse;

/// Streams whose DATA is queued, and a pump.
pub(super) struct Queue {
    pub(super) streams: Streams,
    pool: BufferPool,
}

impl Queue {
    pub(super) fn new(streams: &[u32]) -> Self {
        let mut queue = Self {
            streams: Streams::new(true, BOUNDS, 7),
            pool: BufferPool::new(PoolConfig::default()),
        };
        for stream in streams {
            assert!(queue.streams.opens(id(*stream)));
        }
        queue.streams.set_queueing(true);
        queue
    }

    pub(super) fn frame(&mut self, frame: &Raw) {
        let mut octets = Vec::new();
        frame.encode(&mut octets);
        let head = Head::decode(octets.first_chunk().unwrap());
        self.streams.take_frame(head, octets);
    }

    pub(super) fn headers(&mut self, stream: u32, end: bool) {
        let end = if end { Flags::END_STREAM } else { Flags::NONE };
        let flags = Flags::END_HEADERS.with(end);
        self.frame(&raw(FrameType::HEADERS, flags, stream, vec![stream as u8]));
    }

    pub(super) fn data(&mut self, stream: u32, octets: usize, end: bool) {
        let octets = vec![stream as u8; octets];
        self.streams
            .take_data(id(stream), &octets, None, end, &self.pool);
    }

    pub(super) fn reset(&mut self, stream: u32, code: u8) {
        let code = vec![0, 0, 0, code];
        self.frame(&raw(FrameType::RST_STREAM, Flags::NONE, stream, code));
    }

    pub(super) fn pump_one(&mut self) -> Vec<Raw> {
        let mut staged = Staged::new(self.pool.clone());
        self.streams.next(16_384, &mut staged, |_| {});
        let mut slices: [&[u8]; 8] = [&[]; 8];
        let (count, _) = staged.slices(&mut slices);
        parse(&slices[..count].concat())
    }

    /// All that may go, as kind, stream, length and flags.
    pub(super) fn pump(&mut self) -> Vec<(FrameType, u32, usize, Flags)> {
        let mut all = Vec::new();
        loop {
            let frames = self.pump_one();
            if frames.is_empty() {
                return all;
            }
            let seen = |f: &Raw| (f.kind, f.stream, f.payload.len(), f.flags);
            all.extend(frames.iter().map(seen));
        }
    }

    pub(super) fn kinds(&mut self) -> Vec<(FrameType, u32)> {
        self.pump().iter().map(|f| (f.0, f.1)).collect()
    }

    /// What the stack is told: stream and increment.
    pub(super) fn told(&mut self) -> Vec<(u32, u32)> {
        let mut octets = Vec::new();
        self.streams.tell(&mut octets);
        let frames = parse(&octets);
        let told = frames.iter().map(|f| (f.stream, number(&f.payload)));
        told.collect()
    }

    pub(super) fn is_done(&mut self) {
        assert!(self.streams.is_empty());
        assert_eq!(self.streams.records.len(), 0);
        assert_eq!(self.pool.stats().outstanding, 0);
    }
}

const ENDS: Flags = Flags(0x5);

#[test]
fn o4_a_reset_with_no_error_follows_what_the_stack_has_ended() {
    // A server that has answered in full and wants no more of the request.
    let mut queue = Queue::new(&[1, 3, 5]);
    queue.headers(1, false);
    queue.data(1, 20_000, true);
    queue.reset(1, 0);
    queue.headers(3, true);
    queue.reset(3, 0);
    queue.headers(5, false);
    queue.data(5, 10, false);
    queue.headers(5, true);
    queue.reset(5, 0);
    let seen = queue.pump();
    let of = |stream| seen.iter().filter(move |f| f.1 == stream);
    let kinds = |stream| of(stream).map(|f| f.0).collect::<Vec<_>>();
    use FrameType as F;
    assert_eq!(kinds(1), [F::HEADERS, F::DATA, F::DATA, F::RST_STREAM]);
    assert_eq!(of(1).map(|f| f.2).sum::<usize>(), 20_000 + 1 + 4);
    assert_eq!(of(1).nth(2).unwrap().3, Flags::END_STREAM);
    assert_eq!(kinds(3), [F::HEADERS, F::RST_STREAM]);
    assert_eq!(of(3).next().unwrap().3, ENDS);
    assert_eq!(kinds(5), [F::HEADERS, F::DATA, F::HEADERS, F::RST_STREAM]);
    assert_eq!(of(5).nth(2).unwrap().3, ENDS);
    assert_eq!(queue.told(), []);
    queue.is_done();
}

#[test]
fn o4_other_resets_drop_what_waits_and_take_the_end_off_its_trailers() {
    let mut queue = Queue::new(&[1, 3, 5, 7]);
    for stream in [1, 3] {
        queue.data(stream, 20_000, false);
    }
    queue.headers(1, true);
    queue.reset(1, 8);
    // It is not over: there is nothing to wait for.
    queue.reset(3, 0);
    // Nothing of it is dropped.
    queue.headers(5, true);
    queue.reset(5, 8);
    queue.reset(7, 8);
    let seen: Vec<_> = queue.pump().iter().map(|f| (f.0, f.1, f.3)).collect();
    let reset = |stream| (FrameType::RST_STREAM, stream, Flags::NONE);
    let expected = [
        (FrameType::HEADERS, 1, Flags::END_HEADERS),
        reset(1),
        reset(3),
        (FrameType::HEADERS, 5, ENDS),
        reset(5),
        reset(7),
    ];
    assert_eq!(seen, expected);
    assert_eq!(queue.told(), [(0, 40_000)]);
    queue.is_done();
}

#[test]
fn o4_a_stream_that_was_reset_before_its_first_data_leaves_nothing() {
    // A pushed one has no record when the peer refuses it.
    let mut queue = Queue::new(&[]);
    queue.streams.reset(id(2));
    queue.data(2, 100, false);
    assert_eq!(queue.told(), [(0, 100)]);
    queue.is_done();
    queue.streams.set_queueing(false);
    let head = Head {
        length: 100,
        kind: FrameType::DATA,
        flags: Flags::NONE,
        stream: id(2),
    };
    queue.streams.note(head);
    queue.is_done();
}

#[test]
fn o1_data_does_not_pass_its_own_headers_behind_a_fence() {
    let mut queue = Queue::new(&[1, 3, 5]);
    queue.data(1, 20_000, false);
    queue.headers(1, true);
    // The peer takes nothing of what the trailers wait for.
    assert_eq!(queue.streams.set_initial_window(0), 0);
    for stream in [3, 5, 8] {
        queue.headers(stream, false);
        queue.streams.window_update(id(stream), 10);
        queue.data(stream, 10, true);
    }
    queue.headers(10, true);
    assert_eq!(queue.pump(), []);
    queue.streams.window_update(id(1), 20_000);
    let (headers, data) = (FrameType::HEADERS, FrameType::DATA);
    let first = [(data, 1), (data, 1), (headers, 1), (headers, 3)];
    assert_eq!(queue.kinds()[..4], first);
    queue.streams.window_update(id(8), 10);
    queue.pump();
    queue.is_done();
}

#[test]
fn o3_pings_and_credit_for_what_the_peer_opened_go_around_a_fence_that_holds() {
    let mut queue = Queue::new(&[1, 3]);
    queue.data(1, 100, false);
    queue.headers(1, true);
    queue.streams.set_initial_window(0);
    queue.frame(&raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]));
    queue.frame(&raw(FrameType::PING, Flags::ACK, 0, vec![1; 8]));
    queue.frame(&update(3, 5));
    queue.frame(&update(0, 5));
    queue.frame(&update(2, 5));
    let around = [
        (FrameType::PING, 0),
        (FrameType::WINDOW_UPDATE, 3),
        (FrameType::WINDOW_UPDATE, 0),
    ];
    assert_eq!(queue.kinds(), around);
    queue.streams.window_update(id(1), 200);
    let expected = [
        (FrameType::DATA, 1),
        (FrameType::HEADERS, 1),
        (FrameType::SETTINGS, 0),
        (FrameType::WINDOW_UPDATE, 2),
    ];
    assert_eq!(queue.kinds(), expected);
}

#[test]
fn b3_what_waits_behind_trailers_that_cannot_go_is_bounded() {
    let mut queue = Queue::new(&[1]);
    queue.data(1, 100, false);
    queue.headers(1, true);
    queue.streams.set_initial_window(0);
    assert_eq!(queue.kinds(), []);
    let mut acks = 0;
    while !queue.streams.give_up() {
        queue.frame(&raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]));
        acks += 1;
        assert!(queue.streams.queued() <= BOUNDS.connection as u64);
    }
    assert!(acks > 10_000, "{acks}");
    assert!(!queue.streams.give_up());
    // The trailers do not end what is not whole.
    let frames = queue.pump();
    assert_eq!(frames[0], (FrameType::HEADERS, 1, 1, Flags::END_HEADERS));
    assert_eq!(frames[1], (FrameType::RST_STREAM, 1, 4, Flags::NONE));
    assert_eq!(frames.len(), 2 + acks);
    // The stack hears of it as if the peer had reset the stream (CANCEL), and has the
    // credit back.
    assert_eq!(queue.told(), [(1, 8), (0, 100)]);
    assert_eq!(queue.told(), []);
    queue.is_done();
}

#[test]
fn b3_trailers_that_may_go_are_not_given_up() {
    let mut queue = Queue::new(&[1]);
    queue.data(1, 100, false);
    queue.headers(1, true);
    for _ in 0..100_000 {
        queue.frame(&raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]));
    }
    assert!(queue.streams.is_full());
    assert!(!queue.streams.give_up());
    assert_eq!(queue.pump().len(), 100_002);
    queue.is_done();
}

#[test]
fn c3_what_is_queued_waits_for_a_window_that_settings_have_lowered() {
    let mut queue = Queue::new(&[1]);
    queue.data(1, 60_000, true);
    assert_eq!(queue.pump_one().len(), 1);
    // 49,151 are left, and 43,616 are queued.
    queue.streams.set_initial_window(65_535 - 49_151 + 5);
    let data = |length, flags| (FrameType::DATA, 1, length, flags);
    assert_eq!(queue.pump(), [data(5, Flags::NONE)]);
    queue.streams.set_initial_window(0);
    queue.streams.window_update(id(1), 16_389);
    assert_eq!(queue.pump(), []);
    queue.streams.window_update(id(1), 43_611);
    assert_eq!(queue.pump().len(), 3);
    queue.is_done();
}

#[test]
fn o3_an_acknowledgement_is_not_stuck_behind_what_it_makes_the_peer_refuse() {
    let mut queue = Queue::new(&[1, 3]);
    let ack = raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]);
    queue.data(1, 20_000, false);
    queue.headers(1, true);
    queue.data(3, 20_000, true);
    queue.streams.settings();
    queue.streams.set_initial_window(0);
    queue.frame(&ack);
    // Ahead of it the peer takes what it did, and behind it no more.
    let (headers, data) = (FrameType::HEADERS, FrameType::DATA);
    let expected = [(data, 1), (data, 1), (headers, 1), (FrameType::SETTINGS, 0)];
    assert_eq!(queue.kinds(), expected);
    queue.streams.settings();
    queue.streams.set_initial_window(20_000);
    assert_eq!(queue.kinds(), [(data, 3), (data, 3)]);
    queue.frame(&ack);
    assert_eq!(queue.kinds(), [(FrameType::SETTINGS, 0)]);
    assert_eq!(queue.streams.unacknowledged, (VecDeque::new(), 0));
    queue.is_done();
}

#[test]
fn c3_padding_that_the_window_does_not_hold_waits() {
    let mut queue = Queue::new(&[1]);
    queue
        .streams
        .take_data(id(1), &[1; 10], Some(20), true, &queue.pool);
    queue.streams.set_initial_window(30);
    let data = |length, flags| (FrameType::DATA, 1, length, flags);
    assert_eq!(queue.pump(), [data(10, Flags::NONE)]);
    queue.streams.window_update(id(1), 1);
    assert_eq!(queue.pump(), [data(21, Flags(0x9))]);
    queue.is_done();
}

#[test]
fn o2_a_padded_block_over_the_limit_is_queued_as_others_are() {
    let mut queue = Queue::new(&[1, 3]);
    let mut outbound = Outbound::new();
    let mut staged = Staged::new(queue.pool.clone());
    let mut intake = Intake::default();
    let block = |stream, octets: usize, flags: Flags| {
        let payload = [&[7][..], &vec![stream as u8; octets], &[0; 7]].concat();
        let flags = flags.with(Flags::END_HEADERS).with(Flags::PADDED);
        raw(FrameType::HEADERS, flags, stream, payload)
    };
    // A stack starts with SETTINGS.
    let mut octets = Vec::new();
    settings(&[]).encode(&mut octets);
    let streams = &mut queue.streams;
    intake.take(
        &octets,
        &mut outbound,
        streams,
        &mut staged,
        &queue.pool,
        |_| {},
    );
    octets.clear();
    block(1, 100, Flags::NONE).encode(&mut octets);
    block(3, 30_000, Flags::END_STREAM).encode(&mut octets);
    for octet in octets.chunks(1) {
        let streams = &mut queue.streams;
        intake.take(
            octet,
            &mut outbound,
            streams,
            &mut staged,
            &queue.pool,
            |_| {},
        );
        assert!(staged.is_empty(), "nothing goes by itself");
    }
    use FrameType as F;
    let expected = [
        (F::SETTINGS, 0),
        (F::HEADERS, 1),
        (F::HEADERS, 3),
        (F::CONTINUATION, 3),
    ];
    assert_eq!(queue.kinds(), expected);
}

#[test]
fn c4_octets_that_are_dropped_come_back_however_often() {
    let mut queue = Queue::new(&[]);
    let mut total = 0;
    for stream in (1..6_000).step_by(2) {
        queue.streams.opens(id(stream));
        let octets = (stream * 37 % 60_000) as usize + 300;
        queue.data(stream, octets, false);
        let sent = queue.pump_one()[0].payload.len();
        if stream % 4 == 1 {
            queue.streams.reset(id(stream));
            // The stack does not know it yet.
            queue.data(stream, 50, stream % 8 == 1);
            total += 50;
        } else {
            queue.reset(stream, 8);
            assert_eq!(queue.kinds(), [(FrameType::RST_STREAM, stream)]);
        }
        total += octets;
        let back = total - sent;
        let expected = if back > 0 {
            vec![(0, back as u32)]
        } else {
            vec![]
        };
        assert_eq!(queue.told(), expected);
        queue
            .streams
            .window_update(StreamId::CONNECTION, sent as u32);
        let connection = queue.streams.connection;
        assert_eq!((connection.granted(), connection.told()), (65_535, 65_535));
        total = 0;
    }
    queue.is_done();
}

#[test]
fn c5_updates_that_are_errors_pass_to_the_stack() {
    let mut queue = Queue::new(&[1]);
    let streams = &mut queue.streams;
    assert!(!streams.window_update(id(1), 0));
    assert!(streams.overflows(id(1), (1 << 31) - 1));
    assert!(!streams.overflows(id(1), (1 << 31) - 1 - 65_535));
    assert!(!streams.overflows(id(3), (1 << 31) - 1));
    // And those of streams that are not known.
    assert!(!streams.window_update(id(3), 5));
    assert!(!streams.window_update(StreamId::CONNECTION, 5));
}

#[test]
fn p5_priorities_of_idle_streams_are_bounded_and_those_of_closed_ones_ignored() {
    let urgent = Priority::new(0);
    let mut queue = Queue::new(&[]);
    for stream in (1..200_001).step_by(2).rev() {
        queue.streams.priority_update(id(stream), urgent);
    }
    assert_eq!(queue.streams.idle.len(), MAX_IDLE);
    // The lowest are kept, and those that are passed over go.
    queue.streams.opens(id(3));
    queue.streams.opens(id(9));
    assert_eq!(queue.streams.idle.len(), MAX_IDLE - 5);
    queue.data(3, 10, true);
    queue.data(9, 10, true);
    queue.pump();
    for stream in [1, 2, 3, 5, 7, 9] {
        queue.streams.priority_update(id(stream), urgent);
    }
    assert_eq!(queue.streams.idle.len(), MAX_IDLE - 5);
    queue.is_done();
}

#[test]
fn p2_what_is_urgent_goes_first_and_trailers_before_all() {
    let mut queue = Queue::new(&[1, 3, 5]);
    queue.streams.priority_update(id(5), Priority::new(1));
    for stream in [1, 3, 5] {
        queue.data(stream, 20_000, true);
    }
    let order = |queue: &mut Queue| -> Vec<u32> { queue.pump().iter().map(|f| f.1).collect() };
    assert_eq!(order(&mut queue), [5, 5, 1, 1, 3, 3]);
    queue.is_done();

    let mut queue = Queue::new(&[1, 3, 5]);
    queue.streams.priority_update(id(5), Priority::new(1));
    queue.data(1, 20_000, true);
    queue.data(3, 20_000, false);
    queue.headers(3, true);
    queue.data(5, 20_000, true);
    assert_eq!(order(&mut queue), [3, 3, 3, 5, 5, 1, 1]);
    queue.is_done();
}

#[test]
fn records_of_many_streams_are_given_back() {
    let mut queue = Queue::new(&[]);
    for stream in (1..20_000).step_by(2) {
        queue.streams.opens(id(stream));
    }
    assert_eq!(queue.streams.records.len(), MAX_OPENED);
    for stream in (1..20_000).step_by(2) {
        queue.data(stream, 1, true);
    }
    assert_eq!(queue.pump().len(), 10_000);
    queue.is_done();
    queue.streams.rest();
    assert_eq!(queue.streams.records.capacity(), 0);
}

/// A stream whose trailers hold up all else is given up.
fn given_up(queue: &mut Queue) {
    queue.streams.set_initial_window(0);
    queue.pump();
    while !queue.streams.give_up() {
        queue.frame(&raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]));
    }
}

fn after_reset(queue: &mut Queue, stream: u32) -> Vec<FrameType> {
    let kinds = queue.kinds();
    let reset = kinds
        .iter()
        .position(|f| *f == (FrameType::RST_STREAM, stream))
        .unwrap();
    let rest = kinds[reset + 1..].iter().filter(|f| f.1 == stream);
    rest.map(|f| f.0).collect()
}

#[test]
fn b3_a_stream_that_is_given_up_is_not_reset_again_with_no_error() {
    let mut queue = Queue::new(&[1]);
    queue.data(1, 100, false);
    queue.headers(1, true);
    given_up(&mut queue);
    // A server that has answered and does not want the rest of the request. It does
    // not know yet.
    queue.reset(1, 0);
    assert_eq!(after_reset(&mut queue, 1), []);
}

#[test]
fn b3_a_stream_that_is_given_up_is_not_reset_again() {
    let mut queue = Queue::new(&[1]);
    queue.data(1, 100, false);
    queue.headers(1, true);
    given_up(&mut queue);
    queue.reset(1, 8);
    assert_eq!(after_reset(&mut queue, 1), []);
}

#[test]
fn c5_no_credit_goes_out_for_a_stream_that_is_given_up() {
    let mut queue = Queue::new(&[1]);
    queue.data(1, 100, false);
    queue.headers(1, true);
    given_up(&mut queue);
    let kinds = queue.kinds();
    assert!(kinds.contains(&(FrameType::RST_STREAM, 1)));
    queue.frame(&update(1, 5));
    assert_eq!(queue.kinds(), []);
}

#[test]
fn o1_the_reset_follows_all_blocks_of_what_is_given_up() {
    let mut queue = Queue::new(&[1]);
    queue.data(1, 100, false);
    let push = raw(
        FrameType::PUSH_PROMISE,
        Flags::END_HEADERS,
        1,
        vec![0, 0, 0, 2, 0x82],
    );
    queue.frame(&push);
    queue.data(1, 100, false);
    queue.headers(1, true);
    given_up(&mut queue);
    assert_eq!(after_reset(&mut queue, 1), []);
}

#[test]
fn c2_a_stream_without_a_record_behind_a_fence_has_the_credit_that_it_was_given() {
    // More streams than are known by their request alone.
    let mut queue = Queue::new(&[]);
    for stream in 0..600 {
        assert!(queue.streams.opens(id(2 * stream + 1)));
    }
    let late = 1_101;
    assert!(!queue.streams.knows(id(late)));
    // A peer that grants more at once: the stack sees it.
    assert!(!queue.streams.window_update(id(late), 1 << 20));
    // A response whose trailers wait, for the connection's turn.
    queue.data(1, 100, false);
    queue.headers(1, true);
    queue.headers(late, false);
    queue.data(late, 100_000, true);
    let kinds = queue.pump();
    let sent: usize = kinds
        .iter()
        .filter(|f| f.0 == FrameType::DATA && f.1 == late)
        .map(|f| f.2)
        .sum();
    assert_eq!(sent, 100_000);
}
