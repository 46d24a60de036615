//! Rules one by one.

use super::*;
use crate::PoolConfig;
use crate::pool::BufferPool;
use crate::proto::intake::Intake;
use crate::proto::staged::Staged;
use crate::proto::testing::parse;

fn started(is_server: bool) -> Model {
    let mut model = Model::new(
        is_server,
        FlowControl::default().initial_window(65_535),
        false,
    );
    model.stack.asked.push_back(Some(1 << 20));
    model.write(&[settings(&[(4, 1 << 20)])], usize::MAX);
    model.deliver(usize::MAX);
    assert_eq!(model.windows().initial, (1 << 20, 65_535));
    model
}

fn queue(model: &mut Model, frame: &Raw) {
    let pool = BufferPool::new(PoolConfig::default());
    let mut staged = Staged::new(pool.clone());
    let mut octets = Vec::new();
    frame.encode(&mut octets);
    Intake::default().take(
        &octets,
        &mut model.outbound,
        &mut model.streams,
        &mut staged,
        &pool,
        |_| {},
    );
}

#[test]
fn settings_that_are_queued_are_followed() {
    let mut model = started(true);
    model.streams.set_queueing(true);
    queue(&mut model, &settings(&[(4, 4 << 20)]));
    model.streams.peer_acknowledges();
    assert_eq!(model.windows().initial, (4 << 20, 65_535));
}

#[test]
fn c1_settings_that_are_queued_hold_once_they_are_acknowledged_themselves() {
    let mut model = started(true);
    // Something else, which is on its way.
    model.write(&[settings(&[(3, 100)])], usize::MAX);
    model.streams.set_queueing(true);
    queue(&mut model, &settings(&[(4, 4 << 20)]));
    // This is the first one's.
    model.streams.peer_acknowledges();
    assert_eq!(model.windows().initial, (1 << 20, 65_535));
}

#[test]
fn b3_who_stops_watching_while_data_is_looked_at_holds_nothing_back() {
    let budget = WindowBudget::new(0);
    let window = Window::new(65_535, 1 << 20);
    let mut record = Record::new((1 << 20, 65_535), window, budget, false);
    let state = Arc::new(StreamState::new(Priority::default()));
    state.watch(None, None);
    record.attach(&state);
    let estimate = Estimate::default();
    let now = Duration::ZERO;
    // All but the last frame is consumed.
    record.received(32_766);
    let wanted = record.look(now, &estimate);
    record.resize(wanted, 0, 0);
    assert!(record.due(false) == Due::Later);
    let _ = state.consume(32_766);
    assert_eq!(record.due(false), Due::Again);
    // A stack that takes frames of 32 KiB.
    record.received(32_769);
    let wanted = record.look(now, &estimate);
    let reports = state.unwatch();
    record.resize(wanted, 0, 0);
    // It looks again if that is not what it saw before.
    let is_due = record.due(false) != Due::Later;
    assert_eq!(record.credit().0, 0, "the peer has to wait");
    assert!(is_due || reports, "nobody will tell it of more");
}

#[test]
fn padding_of_the_last_frame_is_not_waited_for() {
    let budget = WindowBudget::new(64 << 20);
    let flow = FlowControl::default().budget(budget.clone());
    let mut model = Model::new(true, flow, false);
    model.stack.asked.push_back(Some(16 << 20));
    model.write(&[settings(&[(4, 16 << 20)])], usize::MAX);
    model.apply(&Op::Grant(24 << 20), usize::MAX);
    model.deliver(usize::MAX);
    let stream = model.open(usize::MAX);
    model.deliver(usize::MAX);
    model.watch(stream, None, Some(FlowHint::Bulk));
    assert!(budget.used() > 0);
    let state = Arc::clone(&model.watched[&stream].state);
    model.peer.data(stream, 1_000, Some(255), true);
    model.deliver(usize::MAX);
    // The application consumes all there is.
    model.consume(stream, 1_000);
    assert_eq!((state.received(), state.unconsumed()), (1_000, 0));
    assert_eq!(budget.used(), 0);
}

#[test]
fn streams_that_a_stack_ignores_are_not_kept_for_ever() {
    let mut model = started(true);
    model.open(usize::MAX);
    model.deliver(usize::MAX);
    // The last that it takes is stream 1: it ignores those above (RFC 9113,
    // section 6.8), and resets none.
    let goaway = raw(
        FrameType::GOAWAY,
        Flags::NONE,
        0,
        vec![0, 0, 0, 1, 0, 0, 0, 0],
    );
    model.write(&[goaway], usize::MAX);
    for _ in 0..20_000 {
        model.open(usize::MAX);
    }
    model.deliver(usize::MAX);
    let len = model.windows().records.len();
    assert!(len < 1_000, "{len} records");
}

#[test]
fn b3_credit_does_not_wait_for_another_stream_that_has_none() {
    let pool = BufferPool::new(PoolConfig::default());
    let mut staged = Staged::new(pool.clone());
    let flow = FlowControl::default().initial_window(65_535);
    let bounds = Bounds {
        schedule: true,
        ..BOUNDS
    };
    let windows = Windows::new(true, flow, 3);
    let mut streams = Streams::new(true, bounds, 7).with_windows(Some(windows));
    for (stream, ends) in [(1, true), (3, false)] {
        assert!(streams.opens(id(stream)));
        streams.receives_block(id(stream), true, ends);
    }
    // The response on stream 1 is queued, and its client takes the credit back.
    streams.set_queueing(true);
    streams.take_data(id(1), &[7; 40_000], None, false, &pool);
    streams.settings();
    streams.set_initial_window(0);
    let ack = raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]);
    let flags = Flags::END_HEADERS.with(Flags::END_STREAM);
    let trailers = raw(FrameType::HEADERS, flags, 1, vec![1]);
    let credit = raw(FrameType::WINDOW_UPDATE, Flags::NONE, 3, vec![0, 0, 64, 0]);
    for frame in [&ack, &trailers, &credit] {
        let mut octets = Vec::new();
        frame.encode(&mut octets);
        let head = Head::decode(octets.first_chunk().unwrap());
        streams.take_frame(head, octets);
    }
    let mut seen = Vec::new();
    let mut note = |head: Head| seen.push((head.kind, head.stream.get()));
    while streams.next(16_384, &mut staged, &mut note) {}
    assert!(seen.contains(&(FrameType::WINDOW_UPDATE, 3)), "{seen:?}");
}

/// What the stack gets of DATA frames of these lengths on these streams.
fn came(model: &mut Model, frames: &[(u32, usize)]) -> Vec<Raw> {
    let mut octets = Vec::new();
    for (stream, length) in frames {
        let data = raw(FrameType::DATA, Flags::NONE, *stream, vec![1; *length]);
        data.encode(&mut octets);
    }
    let mut runs = VecDeque::new();
    model
        .inbound
        .process(&octets, 0, &mut runs, &mut model.streams);
    let mut seen = Vec::new();
    for run in runs {
        match run {
            Run::Pass(range) => seen.extend(&octets[range]),
            Run::Octets(octets) => seen.extend(octets),
            Run::Pause => {}
        }
    }
    parse(&seen)
}

/// Whether the stack has to end the connection, and before which frame.
fn refused(frames: &[Raw]) -> Option<usize> {
    let at = frames
        .iter()
        .position(|f| f.kind == FrameType::WINDOW_UPDATE)?;
    for frame in &frames[at..at + 2] {
        assert_eq!((frame.kind, frame.stream), (FrameType::WINDOW_UPDATE, 0));
        assert_eq!(i64::from(number(&frame.payload)), MAX_WINDOW);
    }
    assert_eq!(frames[at + 2].kind, FrameType::DATA);
    Some(at)
}

#[test]
fn rfc9113_6_9_1_data_that_a_stream_has_no_credit_for_is_refused() {
    // The stack has granted 1 MiB.
    let mut model = started(true);
    let stream = model.open(usize::MAX);
    model.deliver(usize::MAX);
    model.has_handles = true;
    model.watch(stream, None, None);
    let all = came(&mut model, &[(stream, 16_384), (stream, 16_384)]);
    assert_eq!((all.len(), refused(&all)), (2, None));
    let all = came(
        &mut model,
        &[(stream, 16_384), (stream, 16_383), (stream, 0)],
    );
    assert_eq!((all.len(), refused(&all)), (3, None), "to the last octet");
    let all = came(&mut model, &[(stream, 0), (stream, 1)]);
    assert_eq!(refused(&all), Some(1));
}

#[test]
fn rfc9113_6_9_1_data_that_the_connection_has_no_credit_for_is_refused() {
    let flow = FlowControl::default().initial_window(65_535);
    let mut model = Model::new(true, flow, false);
    model.stack.asked.push_back(Some(1 << 20));
    model.write(&[settings(&[(4, 1 << 20)])], usize::MAX);
    model.deliver(usize::MAX);
    // Nothing is told of the connection's window, which starts with 65,535.
    let streams = [0; 3].map(|_| model.open(usize::MAX));
    model.deliver(usize::MAX);
    let all = came(&mut model, &streams.map(|stream| (stream, 16_384)));
    assert_eq!(refused(&all), None);
    let all = came(&mut model, &[(1, 16_383), (3, 0), (5, 1)]);
    assert_eq!(refused(&all), Some(2));
    // Whatever the stream.
    let all = came(&mut model, &[(5, 0), (9, 1)]);
    assert_eq!(refused(&all), Some(1));
}

#[test]
fn who_may_have_more_credit_than_is_known_is_not_refused() {
    let mut model = started(true);
    // It passed before the stream was known.
    model.streams.stack_grants(id(1), 100_000);
    let streams = [0; 2].map(|_| model.open(usize::MAX));
    model.deliver(usize::MAX);
    model.apply(&Op::Grant(1 << 20), usize::MAX);
    assert_eq!(refused(&came(&mut model, &[(1, 70_000)])), None);
    assert_eq!(refused(&came(&mut model, &[(3, 70_000)])), Some(0));
    assert_eq!(streams, [1, 3]);
    // It went out without being looked at.
    let mut model = started(true);
    model.streams.overlooked();
    model.open(usize::MAX);
    model.deliver(usize::MAX);
    assert_eq!(refused(&came(&mut model, &[(1, 1 << 20)])), None);
}

#[test]
fn a_peer_may_go_by_settings_that_it_has_not_acknowledged() {
    let flow = FlowControl::default().initial_window(100_000);
    let mut model = Model::new(true, flow, false);
    model.stack.asked.push_back(Some(1 << 20));
    model.write(&[settings(&[(4, 1 << 20)])], usize::MAX);
    model.apply(&Op::Grant(1 << 20), usize::MAX);
    let mut headers = Vec::new();
    raw(FrameType::HEADERS, Flags::END_HEADERS, 1, vec![0x82]).encode(&mut headers);
    let runs = &mut VecDeque::new();
    model.inbound.process(&headers, 0, runs, &mut model.streams);
    assert_eq!(refused(&came(&mut model, &[(1, 99_999), (1, 1)])), None);
    assert_eq!(refused(&came(&mut model, &[(1, 1)])), Some(0));
}

/// A client that has learned how large windows come to be. What the peer is told of
/// streams that are opened `after` that.
fn told_of_new_streams(after: impl FnOnce(&mut Model)) -> Vec<Raw> {
    let mut model = Model::new(false, FlowControl::default(), false);
    model.stack.asked.push_back(Some(16 << 20));
    model.write(&[settings(&[(4, 16 << 20)])], usize::MAX);
    model.apply(&Op::Grant(24 << 20), usize::MAX);
    model.deliver(usize::MAX);
    let windows = model.streams.windows.as_mut().unwrap();
    windows.learned = 4 << 20;
    after(&mut model);
    let flags = Flags::END_HEADERS.with(Flags::END_STREAM);
    model.streams.sends(Head {
        length: 1,
        kind: FrameType::HEADERS,
        flags,
        stream: id(1),
    });
    let mut wire = Vec::new();
    model.update(&mut wire);
    parse(&wire)
}

#[test]
fn rfc9113_6_8_a_peer_that_ends_the_connection_is_told_of_no_stream_that_it_may_ignore() {
    let of_stream = |frames: &[Raw]| frames.iter().filter(|f| f.stream == 1).count();
    assert_eq!(of_stream(&told_of_new_streams(|_| ())), 1);
    // It has said goodbye.
    let frames = told_of_new_streams(|model| model.streams.peer_goes_away());
    assert_eq!(of_stream(&frames), 0);
    // The request may wait, and its PING's acknowledgement overtake it.
    let frames = told_of_new_streams(|model| model.streams.set_queueing(true));
    assert_eq!(of_stream(&frames), 0);
    // It answers after all.
    let frames = told_of_new_streams(|model| {
        model.streams.set_queueing(true);
        let flags = Flags::END_HEADERS.with(Flags::END_STREAM);
        model.streams.sends(Head {
            length: 1,
            kind: FrameType::HEADERS,
            flags,
            stream: id(1),
        });
        while let Some((stream, ..)) = model.streams.next_update() {
            assert_eq!(stream, StreamId::CONNECTION);
        }
        model.streams.receives_block(id(1), false, false);
    });
    assert_eq!(of_stream(&frames), 1);
}
