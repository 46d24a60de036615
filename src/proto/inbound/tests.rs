use proptest::prelude::*;

use super::*;
use crate::fuzzing::Source;
use crate::proto::streams::Bounds;
use crate::proto::testing::{Raw, chunks, frames, group, parse};

/// Streams that hold nothing back.
fn unscheduled() -> Streams {
    let bounds = Bounds {
        schedule: false,
        stream: 65_536,
        connection: 1 << 20,
    };
    Streams::new(true, bounds, 1)
}

/// Runs all of `wire` through in these chunks. Returns what the stack sees.
fn pass_through(inbound: &mut Inbound, wire: &[u8], chunks: &[usize]) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut at = 0;
    for size in chunks.iter().cycle() {
        let chunk = &wire[at..wire.len().min(at + size)];
        at += chunk.len();
        let mut runs = VecDeque::new();
        inbound.process(chunk, 0, &mut runs, &mut unscheduled());
        collect(&runs, chunk, &mut seen);
        if at == wire.len() {
            return seen;
        }
    }
    seen
}

fn collect(runs: &VecDeque<Run>, chunk: &[u8], seen: &mut Vec<u8>) {
    for run in runs {
        match run {
            Run::Pass(range) => seen.extend(&chunk[range.clone()]),
            Run::Octets(octets) => seen.extend(octets),
            Run::Pause => {}
        }
    }
}

fn finish(inbound: &mut Inbound, seen: &mut Vec<u8>) {
    let mut runs = VecDeque::new();
    inbound.finish(&mut runs);
    collect(&runs, &[], seen);
}

fn settings(parameters: &[(u16, u32)]) -> Raw {
    let payload = parameters
        .iter()
        .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()));
    Raw {
        kind: FrameType::SETTINGS,
        flags: Flags::NONE,
        stream: 0,
        payload: payload.collect(),
    }
}

fn encode(frames: &[Raw]) -> Vec<u8> {
    let mut octets = Vec::new();
    for frame in frames {
        frame.encode(&mut octets);
    }
    octets
}

/// What a naive reader of whole frames makes of SETTINGS: the frames as the
/// stack shall see them, and the peer's frame size.
fn oracle(frames: &[Raw], told: u32) -> (Vec<Raw>, u32) {
    let mut limit = 16_384;
    let mut has_told = false;
    let mut out = frames.to_vec();
    for frame in &mut out {
        let ack = frame.flags.contains(Flags::ACK);
        let n = frame.payload.len();
        let is_settings = frame.kind == FrameType::SETTINGS && frame.stream == 0;
        if !is_settings || ack || n % 6 != 0 {
            continue;
        }
        let value = |p: &[u8]| u32::from_be_bytes(p[2..6].try_into().unwrap());
        let sizes: Vec<u32> = frame
            .payload
            .chunks(6)
            .filter(|p| p[..2] == [0, 5])
            .map(value)
            .collect();
        if sizes.iter().any(|v| *v < 16_384 || *v >= 1 << 24) {
            continue;
        }
        limit = *sizes.last().unwrap_or(&limit);
        for p in frame.payload.chunks_mut(6) {
            if p[..2] == [0, 5] {
                let raised = value(p).max(told.max(limit));
                p[2..].copy_from_slice(&raised.to_be_bytes());
                has_told = true;
            }
        }
        if !has_told && n + 6 <= 16_384 && told > limit {
            has_told = true;
            frame.payload.extend([0, 5]);
            frame.payload.extend(told.max(limit).to_be_bytes());
        }
    }
    (out, limit)
}

fn parameters(most: usize) -> impl Strategy<Value = Vec<(u16, u32)>> {
    let size = prop_oneof![4 => 16_384..1_u32 << 24, 1 => any::<u32>()];
    let id = prop_oneof![Just(5_u16), 0..10_u16];
    proptest::collection::vec((id, size), 0..=most)
}

/// SETTINGS, and now and then what only looks like them.
fn some_settings(most: usize) -> impl Strategy<Value = Raw> {
    let place = prop_oneof![
        6 => Just((Flags::NONE, 0)),
        1 => Just((Flags::ACK, 0)),
        1 => Just((Flags::NONE, 1)),
    ];
    (parameters(most), place).prop_map(|(parameters, (flags, stream))| Raw {
        flags,
        stream,
        ..settings(&parameters)
    })
}

fn with_settings(max: usize, most: usize) -> impl Strategy<Value = Vec<Raw>> {
    let groups = (frames(max), some_settings(most)).prop_map(|(mut frames, settings)| {
        frames.push(settings);
        frames
    });
    proptest::collection::vec(groups, 0..4).prop_map(|groups| groups.concat())
}

fn check_frame_size(frames: &[Raw], chunks: &[usize], told: u32) {
    let mut inbound = Inbound::new(told, u32::MAX, None);
    let mut seen = pass_through(&mut inbound, &encode(frames), chunks);
    finish(&mut inbound, &mut seen);
    let (expected, limit) = oracle(frames, told);
    assert!(parse(&seen) == expected);
    inbound.acknowledged(u32::MAX);
    assert_eq!(inbound.peer_limit(), limit);
    assert_eq!(inbound.counts().total(), frames.len() as u64);
}

fn check_break(wire: &[u8], chunks: &[usize]) {
    let mut inbound = Inbound::new(16_384, u32::MAX, None);
    // Told the least, and once told, nothing is left to edit.
    let mut seen = pass_through(&mut inbound, &encode(&[settings(&[(5, 1 << 20)])]), &[64]);
    let front = seen.len();
    seen.extend(pass_through(&mut inbound, wire, chunks));
    finish(&mut inbound, &mut seen);
    assert!(seen[front..] == *wire);
}

fn check_pings(ours: &[u8], acks: &[u8], chunks: &[usize]) {
    let ping = |n: u8, flags| Raw {
        kind: FrameType::PING,
        flags,
        stream: 0,
        payload: vec![n; 8],
    };
    let mut inbound = Inbound::new(16_384, u32::MAX, None);
    for n in ours {
        inbound.expect_ack([*n; 8]);
    }
    let mut frames = Vec::new();
    for n in acks {
        frames.push(ping(*n, Flags::NONE));
        // These only look like it.
        let (mut longer, mut of_stream) = (ping(*n, Flags::ACK), ping(*n, Flags::ACK));
        longer.payload.extend([*n; 8]);
        of_stream.stream = 1;
        frames.extend([longer, of_stream, ping(*n, Flags::ACK)]);
    }
    let seen = parse(&pass_through(&mut inbound, &encode(&frames), chunks));

    let mut left = ours.to_vec();
    let mut taken = Vec::new();
    frames.retain(|frame| {
        let mine = left.iter().position(|n| *n == frame.payload[0]);
        let is_ack = frame.flags == Flags::ACK && frame.stream == 0 && frame.payload.len() == 8;
        match mine {
            Some(at) if is_ack => {
                taken.push(left.remove(at));
                false
            }
            _ => true,
        }
    });
    assert_eq!(seen, frames);
    let mut acked: Vec<u8> = std::iter::from_fn(|| inbound.take_acked())
        .map(|p| p[0])
        .collect();
    acked.sort_unstable();
    taken.sort_unstable();
    assert_eq!(acked, taken);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn f2_f6_everything_passes_but_for_the_frame_size(
        frames in with_settings(20_000, 6),
        chunks in chunks(),
        told in prop_oneof![Just(16_384_u32), Just(262_144)],
    ) {
        check_frame_size(&frames, &chunks, told);
    }

    #[test]
    fn f2_a_wire_that_breaks_off_is_handed_over_to_its_last_octet(
        frames in with_settings(20_000, 1),
        chunks in chunks(),
        cut in any::<prop::sample::Index>(),
    ) {
        let wire = encode(&frames);
        let cut = cut.index(wire.len() + 1);
        check_break(&wire[..cut], &chunks);
    }

    #[test]
    fn w4_exactly_the_acknowledgements_of_our_pings_are_taken_out(
        // Few payloads, so that the stack's PINGs collide with ours.
        ours in proptest::collection::vec(0..4_u8, 0..10),
        acks in proptest::collection::vec(0..6_u8, 0..30),
        chunks in chunks(),
    ) {
        check_pings(&ours, &acks, &chunks);
    }
}

#[test]
fn f5_a_lower_limit_holds_at_once_and_a_higher_one_once_it_is_acknowledged() {
    let mut inbound = Inbound::new(262_144, u32::MAX, None);
    let send = |inbound: &mut Inbound, limit| {
        pass_through(inbound, &encode(&[settings(&[(5, limit)])]), &[7]);
        inbound.peer_limit()
    };
    assert_eq!(send(&mut inbound, 50_000), 16_384);
    inbound.acknowledged(1);
    assert_eq!(inbound.peer_limit(), 50_000);
    assert_eq!(send(&mut inbound, 20_000), 20_000);
    assert_eq!(send(&mut inbound, 70_000), 20_000);
    inbound.acknowledged(1);
    assert_eq!(inbound.peer_limit(), 20_000);
    assert_eq!(send(&mut inbound, 60_000), 20_000);
    inbound.acknowledged(2);
    assert_eq!(inbound.peer_limit(), 60_000);
    inbound.acknowledged(9);
    assert_eq!(inbound.peer_limit(), 60_000);
}

#[test]
fn f5_a_settings_frame_too_large_to_be_read_leaves_the_least_limit() {
    let mut inbound = Inbound::new(262_144, u32::MAX, None);
    pass_through(&mut inbound, &encode(&[settings(&[(5, 100_000)])]), &[9]);
    inbound.acknowledged(1);
    assert_eq!(inbound.peer_limit(), 100_000);
    let large = settings(&vec![(5, 16_384); 2_731]);
    pass_through(&mut inbound, &encode(&[large]), &[9]);
    assert_eq!(inbound.peer_limit(), 16_384);
    // It holds until what raises it is acknowledged.
    pass_through(&mut inbound, &encode(&[settings(&[(5, 100_000)])]), &[9]);
    assert_eq!(inbound.peer_limit(), 16_384);
    inbound.acknowledged(1);
    assert_eq!(inbound.peer_limit(), 16_384);
    inbound.acknowledged(1);
    assert_eq!(inbound.peer_limit(), 100_000);
}

#[test]
fn f2_frames_that_only_look_like_those_of_interest_pass() {
    let mut inbound = Inbound::new(262_144, u32::MAX, None);
    inbound.expect_ack([7; 8]);
    let ping_ack = |stream, octets| Raw {
        kind: FrameType::PING,
        flags: Flags::ACK,
        stream,
        payload: vec![7; octets],
    };
    let mut on_a_stream = settings(&[(5, 20_000)]);
    on_a_stream.stream = 3;
    let mut ack = settings(&[(5, 20_000)]);
    ack.flags = Flags::ACK;
    let mut odd = settings(&[(5, 20_000)]);
    odd.payload.push(0);
    let large = settings(&vec![(5, 20_000); 2_731]);
    let frames = [
        on_a_stream,
        ack,
        odd,
        large,
        ping_ack(1, 8),
        ping_ack(0, 7),
        ping_ack(0, 16),
    ];
    let seen = parse(&pass_through(&mut inbound, &encode(&frames), &[1_000]));
    assert!(seen == frames);
    assert_eq!(inbound.take_acked(), None);
    assert_eq!(inbound.peer_limit(), 16_384);
}

#[test]
fn f6_a_stack_that_is_told_no_more_than_the_peer_says_is_told_nothing() {
    let mut inbound = Inbound::new(16_384, u32::MAX, None);
    let frames = [settings(&[]), settings(&[(4, 1)]), settings(&[(5, 16_384)])];
    let seen = parse(&pass_through(&mut inbound, &encode(&frames), &[5]));
    assert_eq!(seen, frames);
}

#[test]
fn a_burst_of_header_blocks_has_one_pause() {
    let headers = Raw {
        kind: FrameType::HEADERS,
        flags: Flags::END_HEADERS,
        stream: 1,
        payload: vec![1; 10],
    };
    let mut inbound = Inbound::new(16_384, 3, None);
    let pauses = |inbound: &mut Inbound, count| {
        let mut runs = VecDeque::new();
        let wire = encode(&vec![headers.clone(); count]);
        inbound.process(&wire, 0, &mut runs, &mut unscheduled());
        runs.iter().filter(|run| **run == Run::Pause).count()
    };
    assert_eq!(pauses(&mut inbound, 3), 0);
    assert_eq!(pauses(&mut inbound, 1), 1);
    assert_eq!(pauses(&mut inbound, 20), 0);
    inbound.rested();
    assert_eq!(pauses(&mut inbound, 3), 0);
    assert_eq!(pauses(&mut inbound, 9), 1);
}

#[test]
fn a_flood_of_small_frames_has_a_pause_for_each_thousand() {
    let ping = Raw {
        kind: FrameType::PING,
        flags: Flags::NONE,
        stream: 0,
        payload: vec![1; 8],
    };
    let unknown = Raw {
        kind: FrameType(0xbb),
        flags: Flags::NONE,
        stream: 0,
        payload: vec![1; 16_384],
    };
    let mut inbound = Inbound::new(16_384, u32::MAX, None);
    let pauses = |inbound: &mut Inbound, frame: &Raw, count| {
        let wire = encode(&vec![frame.clone(); count]);
        let mut runs = VecDeque::new();
        for chunk in wire.chunks(100_000) {
            let mut more = VecDeque::new();
            inbound.process(chunk, 0, &mut more, &mut unscheduled());
            runs.extend(more);
        }
        runs.iter().filter(|run| **run == Run::Pause).count()
    };
    assert_eq!(pauses(&mut inbound, &ping, 1_000), 0);
    assert_eq!(pauses(&mut inbound, &ping, 100), 1);
    assert!((9..=10).contains(&pauses(&mut inbound, &ping, 10_000)));
    inbound.rested();
    assert_eq!(pauses(&mut inbound, &ping, 1_000), 0);
    inbound.rested();
    assert_eq!(pauses(&mut inbound, &unknown, 200), 0);
    assert_eq!(pauses(&mut inbound, &unknown, 10), 1);
    // A header block that goes on for long has some too.
    let mut endless = ping.clone();
    endless.kind = FrameType::CONTINUATION;
    assert!(pauses(&mut inbound, &endless, 10_000) >= 9);
}

#[test]
fn a_flood_of_settings_has_more_pauses_the_more_streams_are_open() {
    let pauses = |open: u32| {
        let bounds = Bounds {
            schedule: true,
            stream: 64 << 10,
            connection: 4 << 20,
        };
        let mut streams = Streams::new(true, bounds, 1);
        for n in 0..open {
            streams.opens(StreamId::new(2 * n + 1).unwrap());
        }
        let wire = encode(&vec![settings(&[(4, 1)]); 10_000]);
        let mut runs = VecDeque::new();
        Inbound::new(16_384, u32::MAX, None).process(&wire, 0, &mut runs, &mut streams);
        runs.iter().filter(|run| **run == Run::Pause).count()
    };
    assert!((9..=10).contains(&pauses(0)));
    assert!((220..=270).contains(&pauses(200)), "{}", pauses(200));
}

#[test]
fn f6_a_first_settings_with_no_frame_size_gets_one() {
    let mut inbound = Inbound::new(262_144, u32::MAX, None);
    let wire = encode(&[settings(&[]), settings(&[])]);
    let seen = parse(&pass_through(&mut inbound, &wire, &[1]));
    assert_eq!(seen, [settings(&[(5, 262_144)]), settings(&[])]);
    assert_eq!(inbound.peer_limit(), 16_384);
}

#[test]
fn f6_a_settings_that_would_grow_over_the_frame_size_is_left_alone() {
    let full: Vec<(u16, u32)> = vec![(9, 9); 2_730];
    let mut inbound = Inbound::new(262_144, u32::MAX, None);
    let wire = encode(&[settings(&full), settings(&[])]);
    let seen = parse(&pass_through(&mut inbound, &wire, &[999]));
    assert_eq!(seen, [settings(&full), settings(&[(5, 262_144)])]);
}

#[test]
fn c2_settings_over_16_kib_pass_and_their_window_counts() {
    let bounds = Bounds {
        schedule: true,
        stream: 65_536,
        connection: 1 << 20,
    };
    let stream = StreamId::new(1).unwrap();
    let increments = |parameters: &[(u16, u32)], chunk: usize| {
        let mut streams = Streams::new(true, bounds, 1);
        let mut inbound = Inbound::new(262_144, u32::MAX, None);
        let first = settings(&[(4, 1 << 20), (5, 262_144)]);
        let mut large = settings(&vec![(9, 4); 2_731]);
        large.payload.extend(settings(parameters).payload);
        let mut seen = Vec::new();
        for chunk in encode(&[first, large.clone()]).chunks(chunk) {
            let mut runs = VecDeque::new();
            inbound.process(chunk, 0, &mut runs, &mut streams);
            collect(&runs, chunk, &mut seen);
        }
        streams.opens(stream);
        // The stack sends what it was told of, and is told of more, until there is none.
        let mut length = 60_000;
        while length > 0 {
            streams.note(Head {
                length,
                kind: FrameType::DATA,
                flags: Flags::NONE,
                stream,
            });
            let mut told = Vec::new();
            streams.tell(&mut told);
            seen.extend(&told);
            let increment = told.last_chunk().map(|octets| u32::from_be_bytes(*octets));
            length = increment.unwrap_or(0);
        }
        let frames = parse(&seen);
        assert!(frames.contains(&large), "it passes as it is");
        let updates = frames.iter().filter(|f| f.kind == FrameType::WINDOW_UPDATE);
        let increments = updates.map(|f| u32::from_be_bytes(f.payload[..].try_into().unwrap()));
        increments.sum::<u32>()
    };
    for chunk in [1, 7, 100_000] {
        // What it does not name is as it was: told of 65,536 of 1 MiB.
        assert_eq!(increments(&[(3, 4)], chunk), (1 << 20) - 65_536);
        // What it names, the stack has seen.
        assert_eq!(increments(&[(4, 1 << 20)], chunk), 0);
        assert_eq!(increments(&[(4, 130_000)], chunk), 0);
    }
}

#[test]
fn f2_the_stack_sees_a_window_overflow_of_which_it_was_told_less() {
    let bounds = Bounds {
        schedule: true,
        stream: 65_536,
        connection: 1 << 20,
    };
    let update = |octets: u32| Raw {
        kind: FrameType::WINDOW_UPDATE,
        flags: Flags::NONE,
        stream: 1,
        payload: octets.to_be_bytes().to_vec(),
    };
    let largest = (1 << 31) - 1;
    let number = |octets: &[u8]| i64::from(u32::from_be_bytes(octets.try_into().unwrap()));
    // The stack's own view of the window, once it has sent so much; beyond the largest
    // if that of the connection overflows.
    let window = |wire: &[Raw], sent: u32| {
        let stream = StreamId::new(1).unwrap();
        let mut streams = Streams::new(true, bounds, 1);
        streams.opens(stream);
        streams.note(Head {
            length: sent,
            kind: FrameType::DATA,
            flags: Flags::NONE,
            stream,
        });
        let mut inbound = Inbound::new(262_144, u32::MAX, None);
        let (wire, mut seen) = (encode(wire), Vec::new());
        let mut runs = VecDeque::new();
        inbound.process(&wire, 0, &mut runs, &mut streams);
        collect(&runs, &wire, &mut seen);
        let mut initial = 65_535;
        let mut window = initial - i64::from(sent);
        for frame in parse(&seen) {
            if frame.kind == FrameType::WINDOW_UPDATE && frame.stream == 0 {
                return i64::MAX;
            }
            let values = frame.payload.chunks(6);
            window += match frame.kind {
                FrameType::WINDOW_UPDATE => number(&frame.payload),
                _ => values
                    .filter(|value| value[..2] == [0, 4])
                    .map(|value| {
                        number(&value[2..]) - std::mem::replace(&mut initial, number(&value[2..]))
                    })
                    .sum(),
            };
        }
        window
    };
    for sent in [0, 1, 60_000, 65_535] {
        let most = largest - 65_535 + sent;
        let initial = |octets| settings(&[(3, 1), (4, octets)]);
        assert!(window(&[update(most)], sent) <= i64::from(largest));
        assert!(window(&[update(most), initial(65_535)], sent) <= i64::from(largest));
        for wire in [
            &[update(most + 1)][..],
            &[update(most), update(1)],
            &[update(most), initial(65_536)],
            &[update(most), initial(0), initial(65_536)],
            &[initial(0), update(largest), initial(65_536 + sent)],
        ] {
            assert!(window(wire, sent) > i64::from(largest), "{wire:?}, {sent}");
        }
    }
}

/// What the stack sees of header blocks, in chunks of each size, and the streams
/// that were tagged.
fn tagged(is_server: bool, frames: &[Raw]) -> (Vec<Raw>, Vec<u32>) {
    let tagger = Tagger {
        nonce: 5,
        connection: 7,
    };
    let wire = encode(frames);
    let mut all = Vec::new();
    for chunk in [1, 10, wire.len()] {
        let bounds = Bounds {
            schedule: true,
            stream: 65_536,
            connection: 1 << 20,
        };
        let mut streams = Streams::new(is_server, bounds, 1);
        let mut inbound = Inbound::new(262_144, u32::MAX, Some(tagger));
        let mut seen = Vec::new();
        for chunk in wire.chunks(chunk) {
            let mut runs = VecDeque::new();
            inbound.process(chunk, 0, &mut runs, &mut streams);
            collect(&runs, chunk, &mut seen);
        }
        let tagged = std::iter::from_fn(|| inbound.next_tagged());
        all.push((parse(&seen), tagged.map(StreamId::get).collect()));
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    all.remove(0)
}

fn block(kind: FrameType, flags: Flags, stream: u32, payload: Vec<u8>) -> Raw {
    Raw {
        kind,
        flags,
        stream,
        payload,
    }
}

fn with_tag(mut frame: Raw) -> Raw {
    let tagger = Tagger {
        nonce: 5,
        connection: 7,
    };
    let stream = StreamId::new(frame.stream).unwrap();
    frame.payload.extend(tagger.field(stream));
    frame
}

const WHOLE: Flags = Flags::END_HEADERS;

#[test]
fn t1_a_server_tags_the_first_block_of_each_stream_at_its_end() {
    let headers = |flags, stream| block(FrameType::HEADERS, flags, stream, vec![0x82; 30]);
    let end = WHOLE.with(Flags::END_STREAM);
    let continuation = |flags, stream, n| block(FrameType::CONTINUATION, flags, stream, vec![1; n]);
    let prioritized = headers(end.with(Flags::PRIORITY), 7);
    let padded = {
        let mut payload = vec![3];
        payload.extend([0x82; 30]);
        payload.extend([0; 3]);
        block(FrameType::HEADERS, end.with(Flags::PADDED), 9, payload)
    };
    let frames = [
        headers(WHOLE, 1),
        headers(end, 1),
        headers(end, 3),
        headers(Flags::END_STREAM, 5),
        continuation(Flags::NONE, 5, 0),
        continuation(WHOLE, 5, 9),
        prioritized.clone(),
        padded,
        headers(Flags::NONE, 11),
        continuation(WHOLE, 11, 0),
    ];
    let (seen, streams) = tagged(true, &frames);
    let expected = [
        with_tag(headers(WHOLE, 1)),
        headers(end, 1),
        with_tag(headers(end, 3)),
        headers(Flags::END_STREAM, 5),
        continuation(Flags::NONE, 5, 0),
        with_tag(continuation(WHOLE, 5, 9)),
        with_tag(prioritized),
        with_tag(headers(end, 9)),
        headers(Flags::NONE, 11),
        with_tag(continuation(WHOLE, 11, 0)),
    ];
    assert!(seen == expected);
    assert_eq!(streams, [1, 3, 5, 7, 9, 11]);
}

#[test]
fn t1_a_block_that_would_grow_over_the_frame_size_is_left_alone() {
    let most = 16_384 - Tagger::LEN;
    let headers = |flags, stream, n| block(FrameType::HEADERS, flags, stream, vec![1; n]);
    let padded = |stream, n: usize| {
        let payload = [&[9][..], &vec![1; n], &[0; 9]].concat();
        block(
            FrameType::HEADERS,
            WHOLE.with(Flags::PADDED),
            stream,
            payload,
        )
    };
    let frames = [
        headers(WHOLE, 1, most),
        headers(WHOLE, 3, most + 1),
        headers(WHOLE, 5, 16_384),
        padded(7, most),
        padded(9, most + 1),
    ];
    let (seen, streams) = tagged(true, &frames);
    let expected = [
        with_tag(headers(WHOLE, 1, most)),
        headers(WHOLE, 3, most + 1),
        headers(WHOLE, 5, 16_384),
        with_tag(headers(WHOLE, 7, most)),
        padded(9, most + 1),
    ];
    assert!(seen == expected);
    assert_eq!(streams, [1, 7]);
}

#[test]
fn t1_a_client_tags_blocks_that_are_not_the_last() {
    let headers = |flags, stream| block(FrameType::HEADERS, flags, stream, vec![0x88; 5]);
    let end = WHOLE.with(Flags::END_STREAM);
    let promise = block(FrameType::PUSH_PROMISE, WHOLE, 1, vec![0, 0, 0, 2, 0x82]);
    let frames = [
        headers(WHOLE, 1),
        promise.clone(),
        headers(WHOLE, 1),
        headers(end, 1),
        headers(end, 3),
    ];
    let (seen, streams) = tagged(false, &frames);
    let expected = [
        with_tag(headers(WHOLE, 1)),
        promise,
        with_tag(headers(WHOLE, 1)),
        headers(end, 1),
        headers(end, 3),
    ];
    assert!(seen == expected);
    assert_eq!(streams, [1, 1]);
}

mod tags {
    use super::*;

    fn raw(kind: FrameType, flags: Flags, stream: u32, payload: Vec<u8>) -> Raw {
        Raw {
            kind,
            flags,
            stream,
            payload,
        }
    }

    /// What a server's stack sees of `frames`, where header blocks are tagged.
    fn tagged(frames: &[Raw], chunk: usize) -> Vec<Raw> {
        let tagger = Tagger {
            nonce: 7,
            connection: 1,
        };
        pass_tagged(tagger, frames, &[chunk])
    }

    #[test]
    fn t1_a_block_is_tagged_where_it_ends() {
        let tagger = Tagger {
            nonce: 7,
            connection: 1,
        };
        let tag = tagger.field(StreamId::new(1).unwrap());
        let literal = [&[0x00, 1, b'a', 3][..], b"bcd"].concat();
        let last = Flags::END_HEADERS;
        let padded = last.with(Flags::PADDED).with(Flags::PRIORITY);
        let trailers = last.with(Flags::END_STREAM);
        let frames = [
            raw(FrameType::HEADERS, Flags::NONE, 1, literal[..3].to_vec()),
            raw(FrameType::CONTINUATION, last, 1, literal[3..].to_vec()),
            raw(FrameType::HEADERS, trailers, 1, literal.clone()),
            raw(
                FrameType::HEADERS,
                padded,
                3,
                [&[2, 0, 0, 0, 0, 9][..], &literal, &[0, 0]].concat(),
            ),
        ];
        for chunk in [1, 7, 1_000] {
            let seen = tagged(&frames, chunk);
            let mut expected = frames.to_vec();
            expected[1].payload.extend(tag);
            let third = tagger.field(StreamId::new(3).unwrap());
            expected[3].flags = last.with(Flags::PRIORITY);
            expected[3].payload = [&[0, 0, 0, 0, 9][..], &literal, &third].concat();
            assert_eq!(seen, expected, "{chunk}");
        }
    }

    #[test]
    fn t1_no_field_of_a_peer_can_take_in_the_tag() {
        let last = Flags::END_HEADERS;
        // A value that says to be longer than the block, plain and in Huffman code, in
        // one frame and in two; and a padding that is longer than its frame.
        for length in [1, 20, 0x7e, 0x80 | 20, 0xff] {
            let block = vec![0x00, 1, b'a', length];
            let whole = [raw(FrameType::HEADERS, last, 1, block.clone())];
            let cut = [
                raw(FrameType::HEADERS, Flags::NONE, 1, block[..3].to_vec()),
                raw(FrameType::CONTINUATION, last, 1, block[3..].to_vec()),
            ];
            let padded = last.with(Flags::PADDED);
            let padded = [raw(FrameType::HEADERS, padded, 1, vec![9, 0x82])];
            for frames in [&whole[..], &cut, &padded] {
                assert_eq!(tagged(frames, 1_000), frames);
            }
        }
    }
}

/// What a server's stack sees of `frames` in these chunks, where header blocks are
/// tagged.
pub(crate) fn pass_tagged(tagger: Tagger, frames: &[Raw], chunks: &[usize]) -> Vec<Raw> {
    let mut inbound = Inbound::new(16_384, u32::MAX, Some(tagger));
    let mut streams = unscheduled();
    let mut seen = Vec::new();
    let wire = encode(frames);
    let mut left = &wire[..];
    for size in chunks.iter().cycle() {
        let (chunk, rest) = left.split_at(left.len().min(*size));
        let mut runs = VecDeque::new();
        inbound.process(chunk, 0, &mut runs, &mut streams);
        collect(&runs, chunk, &mut seen);
        left = rest;
        if left.is_empty() {
            break;
        }
    }
    parse(&seen)
}

/// One of the checks above, of frames that a fuzzer makes; or its octets, as they
/// are.
pub(crate) fn fuzz(mut source: Source<'_>) {
    let (which, told, most) = source.draw(&(
        0..4_u8,
        prop_oneof![Just(16_384_u32), Just(262_144)],
        any::<prop::sample::Index>(),
    ));
    let chunks = source.draw(&chunks());
    match which {
        0 => check_arbitrary(source.rest(), told, &chunks),
        1 => {
            let ours = source.draw(&prop::collection::vec(0..4_u8, 0..10));
            let acks = source.each(60, &(0..6_u8));
            check_pings(&ours, &acks, &chunks);
        }
        _ => {
            // Of two frame sizes, the first would be edited.
            let most_parameters = if which == 2 { 6 } else { 1 };
            let settings = some_settings(most_parameters).prop_map(|settings| vec![settings]);
            let group = prop_oneof![3 => group(20_000), 1 => settings];
            let frames = source.each(20, &group).concat();
            if which == 2 {
                check_frame_size(&frames, &chunks, told);
            } else {
                let wire = encode(&frames);
                check_break(&wire[..most.index(wire.len() + 1)], &chunks);
            }
        }
    }
}

/// Octets that nobody has checked: all but SETTINGS passes as it is, and the wire
/// may break off anywhere. It says the same in any chunks.
fn check_arbitrary(wire: &[u8], told: u32, chunks: &[usize]) {
    let pass = |chunks: &[usize]| {
        let mut inbound = Inbound::new(told, u32::MAX, None);
        let mut seen = pass_through(&mut inbound, wire, chunks);
        finish(&mut inbound, &mut seen);
        (seen, inbound.peer_limit())
    };
    let (seen, limit) = pass(chunks);
    assert!(
        (seen.clone(), limit) == pass(&[1]),
        "chunks make no difference"
    );
    let (mut frames, mut rest) = (Vec::new(), wire);
    while let Some(head) = rest.first_chunk() {
        let length = Head::LEN + Head::decode(head).length as usize;
        let Some((frame, after)) = rest.split_at_checked(length) else {
            break;
        };
        frames.push(frame);
        rest = after;
    }
    let (expected, _) = oracle(&parse(&frames.concat()), told);
    let expected = encode(&expected);
    // The reserved bit of a frame that is looked at may go or stay.
    let came = seen.get(..expected.len()).expect("frames are lost");
    assert!(parse(came) == parse(&expected), "F2, F6");
    assert!(seen[expected.len()..] == *rest, "F2: to the last octet");
}
