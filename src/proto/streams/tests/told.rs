//! How much the stack is told of, and how much it may use of that, one by one.

use super::rules::Queue;
use super::*;

fn data(stream: u32, length: u32) -> Head {
    Head {
        length,
        kind: FrameType::DATA,
        flags: Flags::NONE,
        stream: id(stream),
    }
}

#[test]
fn c2_streams_are_told_as_they_have_room() {
    let mut queue = Queue::new(&[1]);
    let stream = id(1);
    assert!(
        queue.streams.window_update(stream, 1 << 20),
        "the stack does not see it"
    );
    assert_eq!(queue.told(), []);
    queue.data(1, 60_000, false);
    assert_eq!(queue.told(), [], "what is queued takes the room");
    queue.pump_one();
    assert_eq!(queue.told(), []);
    queue.pump_one();
    let more = 65_536 - (65_535 - 2 * 16_384);
    assert_eq!(queue.told(), [(1, more)]);
    queue.pump();
    // Uncongested it is much more.
    queue.streams.set_queueing(false);
    queue.streams.note(Head {
        length: 50_000,
        kind: FrameType::DATA,
        flags: Flags::NONE,
        stream,
    });
    let told = queue.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].1 > 100_000);
}

/// So many streams in windows of 16 MiB, and nothing is congested.
fn uncongested(streams: u32) -> Queue {
    let mut queue = Queue::new(&[]);
    queue.streams.set_queueing(false);
    queue.streams.set_initial_window(16 << 20);
    for i in 0..streams {
        assert!(queue.streams.opens(id(2 * i + 1)));
    }
    queue
}

fn at_hand(queue: &Queue, stream: u32) -> i64 {
    let record = queue.streams.records.get(id(stream));
    record.unwrap().ledger.at_hand()
}

/// Sends `octets`, as many at a time as it is told of. The most that was at hand.
fn sends(queue: &mut Queue, stream: u32, mut octets: i64) -> i64 {
    let mut most = 0;
    while octets > 0 {
        let n = octets.min(at_hand(queue, stream));
        assert!(n > 0, "{octets} are left");
        queue.streams.note(data(stream, n as u32));
        octets -= n;
        queue.told();
        most = most.max(at_hand(queue, stream));
    }
    most
}

#[test]
fn p3_what_is_told_grows_with_what_is_sent_and_leaves_half() {
    let mut queue = uncongested(1);
    queue.streams.note(data(1, 40_000));
    assert_eq!(queue.told(), [(1, 80_000)]);
    assert_eq!(sends(&mut queue, 1, 15 << 20), 2 << 20);
}

#[test]
fn p3_a_bulk_stream_has_its_share_beside_one_that_is_idle() {
    let mut queue = uncongested(12);
    for i in 1..10 {
        // An event stream, which says something now and then.
        queue.streams.note(data(2 * i + 1, 10));
        assert_eq!(queue.told(), []);
    }
    assert_eq!(sends(&mut queue, 1, 15 << 20), 2 << 20);
    // It keeps what it has, and so does the next.
    assert!(sends(&mut queue, 21, 15 << 20) >= 1 << 20);
    assert!(sends(&mut queue, 23, 15 << 20) >= 512 << 10);
}

#[test]
fn b3_all_together_are_told_of_what_they_share() {
    let mut queue = uncongested(500);
    for i in 0..500 {
        sends(&mut queue, 2 * i + 1, 2 << 20);
    }
    let records = queue.streams.records.iter();
    let told: i64 = records.map(|(_, record)| record.ledger.told()).sum();
    assert!(told <= 500 * 65_536 + UNCONGESTED, "{told}");
}

#[test]
fn settings_that_raise_the_windows_of_idle_streams_tell_nothing() {
    let mut queue = uncongested(500);
    for i in 1..=20 {
        queue.streams.settings();
        queue.streams.set_initial_window((16 << 20) + i);
        assert!(!queue.streams.has_tells());
    }
}

/// As many streams as are known by their request alone, and one more.
fn with_a_late_stream() -> (Queue, u32) {
    let mut queue = Queue::new(&[]);
    for i in 0..=MAX_OPENED as u32 {
        assert!(queue.streams.opens(id(2 * i + 1)));
    }
    let late = 2 * MAX_OPENED as u32 + 1;
    assert!(!queue.streams.knows(id(late)));
    (queue, late)
}

#[test]
fn b3_what_waits_behind_a_fence_of_a_stream_without_a_record_is_bounded() {
    let (mut queue, late) = with_a_late_stream();
    // The stack sees this one, so it may send so much.
    assert!(!queue.streams.window_update(id(late), 1 << 30));
    queue.data(1, 100, false);
    queue.headers(1, true);
    queue.streams.set_initial_window(0);
    queue.headers(late, false);
    let mut most = 0;
    for _ in 0..256 {
        queue.data(late, 1 << 18, false);
        most = most.max(queue.streams.queued());
        // As the transport does when the queues are full.
        if queue.streams.is_full() {
            queue.pump();
            if queue.streams.give_up() {
                queue.pump();
            }
        }
    }
    assert!(most < 6 << 20, "{most}");
}

/// A stream without a record until it sends is told of more, and then the windows go.
fn told_and_taken_away(has_fence: bool) {
    let (mut queue, late) = with_a_late_stream();
    queue.streams.settings();
    queue.streams.set_initial_window(8 << 20);
    queue.streams.acknowledge();
    if has_fence {
        queue.data(1, 100, false);
        queue.headers(1, true);
    }
    queue.headers(late, false);
    queue.data(late, 100, false);
    queue.pump();
    queue.streams.set_queueing(false);
    queue.streams.note(data(late, 60_000));
    let told = queue.told();
    assert_eq!(told, [(late, 120_200)]);
    queue.streams.settings();
    queue.streams.set_initial_window(0);
    queue.streams.set_queueing(true);
    queue.frame(&raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]));
    assert!(queue.streams.is_overdrawn());
    queue.pump();
    // What the stack may still send, as far as it knows.
    queue.data(late, 60_000, true);
    assert_eq!(queue.pump(), [], "there is no window");
}

#[test]
fn c2_what_a_late_stream_was_told_of_waits_for_a_window() {
    told_and_taken_away(false);
}

#[test]
fn c2_what_a_late_stream_behind_a_fence_was_told_of_waits_for_a_window() {
    told_and_taken_away(true);
}
