use proptest::prelude::*;

use super::*;
use crate::fuzzing::Source;
use crate::proto::cut::MIN_PIECE;
use crate::proto::head::StreamId;
use crate::proto::streams::tests::ends::raw;
use crate::proto::testing::{Raw, chunks, frames, group, meaning, parse};

/// Runs all of `input` through, in these chunks, and with these bounds on
/// payload.
fn cut(outbound: &mut Outbound, input: &[u8], chunks: &[usize], bounds: &[usize]) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut at = 0;
    let mut bounds = bounds.iter().cycle();
    for size in chunks.iter().cycle() {
        let mut chunk = &input[at..input.len().min(at + size)];
        at += chunk.len();
        loop {
            let bound = bounds.next().copied().unwrap_or(usize::MAX);
            let (n, out) = outbound.next(chunk, bound);
            let consumed = &chunk[..n];
            chunk = &chunk[n..];
            match out {
                Some(Wire::Head(lead) | Wire::Parameter(lead)) => wire.extend(lead.octets()),
                Some(Wire::Payload(m)) => {
                    assert!(m <= bound);
                    wire.extend(&consumed[n - m..]);
                }
                None if n == 0 => break,
                None | Some(Wire::Withheld { .. }) => {}
            }
        }
        assert!(chunk.is_empty(), "input is left over");
        if at == input.len() {
            break;
        }
    }
    wire
}

fn encode(frames: &[Raw]) -> Vec<u8> {
    let mut octets = Vec::new();
    for frame in frames {
        frame.encode(&mut octets);
    }
    octets
}

/// Header blocks without the padding that a cut takes away.
fn without_block_padding(frames: &[Raw], limit: usize) -> Vec<Raw> {
    let mut frames = frames.to_vec();
    for frame in &mut frames {
        let is_block = matches!(frame.kind, FrameType::HEADERS | FrameType::PUSH_PROMISE);
        if is_block && frame.payload.len() > limit && frame.flags.contains(Flags::PADDED) {
            let pad = usize::from(frame.payload[0]);
            frame.payload.truncate(frame.payload.len() - pad);
            frame.payload.remove(0);
            frame.flags = frame.flags.without(Flags::PADDED);
        }
    }
    frames
}

fn limit() -> impl Strategy<Value = u32> {
    prop_oneof![Just(16_384_u32), 16_384..40_000_u32, Just(1 << 20)]
}

fn check_meaning(frames: &[Raw], limit: u32, chunks: &[usize], bounds: &[usize]) {
    let input = encode(frames);
    let mut outbound = Outbound::new();
    outbound.set_limit(limit);
    let wire = parse(&cut(&mut outbound, &input, chunks, bounds));

    let limit = limit as usize;
    for frame in &wire {
        assert!(
            frame.payload.len() <= limit,
            "{:?} is over the limit",
            frame.kind
        );
        // RFC 9113, section 4.1: flags that mean nothing are left unset.
        let has_no_other = frame.flags.without(Flags::END_HEADERS) == Flags::NONE;
        assert!(frame.kind != FrameType::CONTINUATION || has_no_other, "F3");
    }
    let before = meaning(&without_block_padding(frames, limit));
    assert!(meaning(&wire) == before);

    // F4: no piece under 256 octets that was not so before. What flow
    // control counts is the same.
    let data = |frames: &[Raw]| -> Vec<usize> {
        let data = frames.iter().filter(|f| f.kind == FrameType::DATA);
        data.map(|f| f.payload.len()).collect()
    };
    let small = |frames: &[Raw]| {
        data(frames)
            .into_iter()
            .filter(|n| *n < MIN_PIECE)
            .collect::<Vec<_>>()
    };
    assert_eq!(small(&wire), small(frames));
    assert_eq!(
        data(&wire).iter().sum::<usize>(),
        data(frames).iter().sum::<usize>()
    );
    assert!(!outbound.in_block);
}

/// A server's first frame, which should be SETTINGS.
fn first() -> impl Strategy<Value = Raw> {
    (
        prop_oneof![8 => Just(FrameType::SETTINGS), 1 => any::<u8>().prop_map(FrameType)],
        prop_oneof![4 => Just(Flags::NONE), 1 => any::<u8>().prop_map(Flags)],
        prop_oneof![8 => Just(0_u32), 1 => any::<u32>()],
        prop_oneof![
            4 => (0..20_usize).prop_map(|n| n * 6),
            1 => Just(16_374_usize),
            1 => Just(16_380_usize),
            1 => 0..16_384_usize,
        ],
    )
        .prop_map(|(kind, flags, stream, length)| Raw {
            kind,
            flags,
            stream,
            payload: vec![0xa5; length],
        })
}

fn check_first_settings(first: &Raw, rest: &[Raw], chunks: &[usize], bounds: &[usize]) {
    let Raw {
        kind,
        flags,
        stream,
        ..
    } = *first;
    let length = first.payload.len();
    let mut input = encode(std::slice::from_ref(first));
    input.extend(encode(rest));
    let mut plain = Outbound::new();
    let mut expected = cut(&mut plain, &input, chunks, bounds);
    let gains = kind == FrameType::SETTINGS
        && flags.0 & 1 == 0
        && stream & (u32::MAX >> 1) == 0
        && length.is_multiple_of(6)
        && length + 6 <= 16_384;
    if gains {
        // The reserved bit is one that we do not set.
        expected[5] &= 0x7f;
        let longer = u32::try_from(length).unwrap() + 6;
        expected[..3].copy_from_slice(&longer.to_be_bytes()[1..]);
        expected.splice(9..9, [0, 9, 0, 0, 0, 1]);
    }
    let mut outbound = Outbound::new();
    outbound.announce();
    let mut same = outbound;
    assert_eq!(same.first_settings(&input).is_some(), gains);
    if let Some(n) = outbound.first_settings(&input) {
        assert_eq!(n, 9 + length);
    }
    let followed = same.follow([&input[..9 + length]], |_| {});
    assert_eq!(followed, !gains);

    let mut outbound = Outbound::new();
    outbound.announce();
    let wire = cut(&mut outbound, &input, chunks, bounds);
    assert!(wire == expected);
    assert_eq!(outbound.at_boundary(), plain.at_boundary());
    assert_eq!(outbound.first_settings(&input), None, "it is not the first");
}

fn check_limits(frames: &[Raw], limits: &[u32], chunks: &[usize]) {
    let input = encode(frames);
    let mut outbound = Outbound::new();
    let mut wire = Vec::new();
    let mut limits_at_head = Vec::new();
    let mut at = 0;
    for (size, limit) in chunks.iter().cycle().zip(limits.iter().cycle()) {
        outbound.set_limit(*limit);
        let mut chunk = &input[at..input.len().min(at + size)];
        at += chunk.len();
        loop {
            let (n, out) = outbound.next(chunk, usize::MAX);
            let consumed = &chunk[..n];
            chunk = &chunk[n..];
            match out {
                Some(Wire::Head(lead)) => {
                    limits_at_head.push(*limit as usize);
                    wire.extend(lead.octets());
                }
                Some(Wire::Payload(m)) => wire.extend(&consumed[n - m..]),
                None if n == 0 => break,
                _ => {}
            }
        }
        if at == input.len() {
            break;
        }
    }
    let wire = parse(&wire);
    assert_eq!(wire.len(), limits_at_head.len());
    for (frame, limit) in wire.iter().zip(limits_at_head) {
        assert!(frame.payload.len() <= limit);
    }
    let (before, after) = (meaning(frames), meaning(&wire));
    // Whether padding of a block was dropped depends on the limit of the
    // moment, so the blocks are compared, and everything else.
    assert!(after.blocks == before.blocks);
    assert!(after.others == before.others);
    assert!(after.streams == before.streams);
}

fn check_octets(octets: &[u8], chunks: &[usize]) {
    // The limit is larger than any frame, so nothing is to be done.
    let mut outbound = Outbound::new();
    outbound.set_limit(Head::MAX_LENGTH);
    let wire = cut(&mut outbound, octets, chunks, &[usize::MAX]);
    let held = outbound.deframer.partial_head();
    assert!([&wire[..], held].concat() == octets);
}

/// Of what breaks off, nothing is held back in the end: neither a part of a head, nor
/// the head of a frame that was to be cut, or taken out.
fn check_broken_off(frames: &[Raw], limit: u32, chunks: &[usize], end: prop::sample::Index) {
    let mut octets = encode(frames);
    octets.truncate(end.index(octets.len() + 1));
    let mut outbound = Outbound::new();
    outbound.set_limit(limit);
    outbound.manage(65_535);
    let mut wire = cut(&mut outbound, &octets, chunks, &[usize::MAX]);
    wire.extend(outbound.take_partial_head());
    let mut last = &octets[..];
    for frame in frames {
        match last.split_at_checked(Head::LEN + frame.payload.len()) {
            Some((_, rest)) => last = rest,
            None => break,
        }
    }
    let is_held = match last.first_chunk().map(Head::decode) {
        None => true,
        Some(head) => {
            let is_update = head.kind == FrameType::WINDOW_UPDATE && head.length == 4;
            is_update || last.len() == Head::LEN
        }
    };
    assert!(!is_held || wire.ends_with(last), "F2: {last:?}");
}

fn check_observed(frames: Vec<Raw>, chunks: &[usize], split: prop::sample::Index) {
    let first = Raw {
        kind: FrameType::SETTINGS,
        flags: Flags::NONE,
        stream: 0,
        payload: vec![7; 12],
    };
    let frames = [vec![first], frames].concat();
    let input = encode(&frames);
    let split = split.index(input.len() + 1);
    let mut outbound = Outbound::new();
    outbound.set_limit(Head::MAX_LENGTH);
    if split > 0 {
        // Too late for that.
        outbound.announce();
    }
    let mut seen = 0;
    for chunk in input[..split].chunks(chunks[0]) {
        outbound.observe(chunk, |_| seen += 1);
    }
    let mut wire = input[..split].to_vec();
    wire.extend(cut(&mut outbound, &input[split..], chunks, &[usize::MAX]));
    assert!(wire == input);
    assert!(seen <= frames.len());
}

fn check_boundaries(frames: &[Raw], chunks: &[usize]) {
    // A marker goes in wherever it may: the rest must still mean the same.
    let input = encode(frames);
    let marker = Raw {
        kind: FrameType(0xbe),
        flags: Flags::NONE,
        stream: 0x5555,
        payload: b"between".to_vec(),
    };
    let mut outbound = Outbound::new();
    let mut wire = Vec::new();
    let mut markers = 0;
    for chunk in input.chunks(chunks[0].max(input.len() / 300 + 1)) {
        let mut chunk = chunk;
        loop {
            if outbound.at_boundary() {
                marker.encode(&mut wire);
                markers += 1;
            }
            let (n, out) = outbound.next(chunk, 5_000);
            let consumed = &chunk[..n];
            chunk = &chunk[n..];
            match out {
                Some(Wire::Head(lead)) => wire.extend(lead.octets()),
                Some(Wire::Payload(m)) => wire.extend(&consumed[n - m..]),
                None if n == 0 => break,
                _ => {}
            }
        }
    }
    let mut wire = parse(&wire);
    meaning(&wire);
    if !frames.is_empty() {
        assert!(markers > 0);
        assert!(wire[0] != marker, "the first frame is the stack's");
    }
    wire.retain(|frame| *frame != marker);
    let limit = DEFAULT_MAX_FRAME_SIZE as usize;
    assert!(meaning(&wire) == meaning(&without_block_padding(frames, limit)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn f3_f4_f5_any_sequence_means_the_same_within_the_limit(
        frames in frames(1 << 20),
        limit in limit(),
        chunks in chunks(),
        bounds in chunks(),
    ) {
        check_meaning(&frames, limit, &chunks, &bounds);
    }

    #[test]
    fn f2_octets_that_break_off_are_not_held_back(
        frames in frames(1 << 16),
        limit in limit(),
        chunks in chunks(),
        end in any::<prop::sample::Index>(),
    ) {
        check_broken_off(&frames, limit, &chunks, end);
    }

    #[test]
    fn rfc9218_2_1_a_first_settings_is_all_that_gains_a_parameter(
        first in first(),
        rest in frames(1 << 18),
        chunks in chunks(),
        bounds in chunks(),
    ) {
        check_first_settings(&first, &rest, &chunks, &bounds);
    }

    #[test]
    fn f5_a_limit_that_changes_holds_for_every_later_head(
        frames in frames(1 << 18),
        limits in proptest::collection::vec(16_384..60_000_u32, 1..20),
        chunks in chunks(),
    ) {
        check_limits(&frames, &limits, &chunks);
    }

    #[test]
    fn f2_what_is_no_http2_at_all_passes_as_long_as_it_need_not_be_cut(
        octets in proptest::collection::vec(any::<u8>(), 0..2_000),
        chunks in chunks(),
    ) {
        check_octets(&octets, &chunks);
    }

    #[test]
    fn f1_octets_that_were_observed_are_not_sent_again(
        frames in frames(16_000),
        chunks in chunks(),
        split in any::<prop::sample::Index>(),
    ) {
        check_observed(frames, &chunks, split);
    }

    #[test]
    fn boundaries_are_between_frames_and_outside_of_header_blocks(
        frames in frames(1 << 17),
        chunks in chunks(),
    ) {
        check_boundaries(&frames, &chunks);
    }
}

#[test]
fn f4_padding_ends_up_in_the_last_piece() {
    let mut payload = vec![7];
    payload.extend([1; 40_000]);
    payload.extend([0; 7]);
    let frame = Raw {
        kind: FrameType::DATA,
        flags: Flags::PADDED.with(Flags::END_STREAM),
        stream: 9,
        payload,
    };
    let wire = parse(&cut(&mut Outbound::new(), &encode(&[frame]), &[3], &[5]));
    let sizes: Vec<_> = wire.iter().map(|f| f.payload.len()).collect();
    assert_eq!(sizes, [16_384, 16_384, 7_240]);
    assert_eq!(wire[1].flags, Flags::NONE);
    assert_eq!(wire[2].flags, Flags::PADDED.with(Flags::END_STREAM));
    assert_eq!(wire[2].payload[0], 7);
    assert_eq!(StreamId::from_wire(wire[2].stream).get(), 9);
}

/// SETTINGS with random parameters, and grants of credit.
fn credit() -> impl Strategy<Value = Raw> {
    let parameter = (prop_oneof![Just(4_u8), 1..9_u8], any::<u32>());
    let settings = prop::collection::vec(parameter, 0..5).prop_map(|parameters| {
        let mut payload = Vec::new();
        for (id, value) in parameters {
            payload.extend([0, id]);
            payload.extend((value >> 1).to_be_bytes());
        }
        raw(FrameType::SETTINGS, Flags::NONE, 0, payload)
    });
    prop_oneof![
        settings,
        (0..9_u32, any::<u32>()).prop_map(|(stream, increment)| {
            let payload = increment.to_be_bytes().to_vec();
            raw(FrameType::WINDOW_UPDATE, Flags::NONE, stream, payload)
        }),
        Just(raw(FrameType::SETTINGS, Flags::ACK, 0, vec![])),
        // Malformed ones are the peer's to see.
        Just(raw(FrameType::WINDOW_UPDATE, Flags::NONE, 1, vec![1; 3])),
        Just(raw(FrameType::SETTINGS, Flags::NONE, 0, vec![4; 7])),
    ]
}

/// What the peer is to see of managed credit, and what of it is withheld.
fn managed(frames: &[Raw], most: u32) -> (Vec<Raw>, Vec<(u32, u32)>) {
    let (mut seen, mut withheld) = (Vec::new(), Vec::new());
    for frame in frames {
        let mut frame = frame.clone();
        let is_settings = frame.kind == FrameType::SETTINGS
            && frame.stream == 0
            && !frame.flags.contains(Flags::ACK)
            && frame.payload.len() % 6 == 0;
        if frame.kind == FrameType::WINDOW_UPDATE && frame.payload.len() == 4 {
            let increment = frame.payload.iter().fold(0, |n, o| n << 8 | u32::from(*o));
            // The highest bit is reserved.
            withheld.push((frame.stream, increment & (u32::MAX >> 1)));
            continue;
        }
        for parameter in frame.payload.chunks_mut(6).filter(|_| is_settings) {
            if parameter[..2] == [0, 4] {
                let value = parameter[2..].iter().fold(0, |n, o| n << 8 | u32::from(*o));
                parameter[2..].copy_from_slice(&value.min(most).to_be_bytes());
            }
        }
        seen.push(frame);
    }
    (seen, withheld)
}

fn check_withheld(
    credit: Vec<Vec<Raw>>,
    others: Vec<Raw>,
    chunks: &[usize],
    announces: bool,
    most: u32,
) {
    // Where no header block is open, there may be credit.
    let mut frames = Vec::new();
    let mut credit = credit.into_iter();
    for frame in others {
        let is_block = matches!(frame.kind, FrameType(1) | FrameType(5) | FrameType(9));
        if !is_block || frame.kind != FrameType::CONTINUATION {
            frames.extend(credit.next().unwrap_or_default());
        }
        frames.push(frame);
    }
    let mut outbound = Outbound::new();
    outbound.set_limit(1 << 23);
    if announces {
        outbound.announce();
    }
    outbound.manage(most);
    let input = encode(&frames);
    let (mut wire, mut withheld, mut asked) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = 0;
    for size in chunks.iter().cycle() {
        let mut chunk = &input[at..input.len().min(at + size)];
        at += chunk.len();
        loop {
            let (n, out) = outbound.next(chunk, usize::MAX);
            let consumed = &chunk[..n];
            chunk = &chunk[n..];
            match out {
                Some(Wire::Head(lead)) => wire.extend(lead.octets()),
                Some(Wire::Parameter(lead)) => {
                    asked.extend(lead.window);
                    wire.extend(lead.octets());
                }
                Some(Wire::Payload(m)) => wire.extend(&consumed[n - m..]),
                Some(Wire::Withheld { stream, increment }) => {
                    withheld.push((stream.get(), increment));
                }
                None if n == 0 => break,
                None => {}
            }
        }
        if at == input.len() {
            break;
        }
    }
    let (mut seen, expected) = managed(&frames, most);
    assert_eq!(withheld, expected);
    for (granted, told) in asked {
        assert_eq!(told, granted.min(most));
    }
    let mut got = parse(&wire);
    if let (true, Some(first)) = (announces, frames.first())
        && first.kind == FrameType::SETTINGS
        && first.stream == 0
        && !first.flags.contains(Flags::ACK)
        && first.payload.len() % 6 == 0
    {
        assert_eq!(
            got[0].payload.drain(..6).collect::<Vec<u8>>(),
            [0, 9, 0, 0, 0, 1]
        );
    }
    assert!(got == std::mem::take(&mut seen));
    assert!(outbound.take_partial_head().is_empty());
}

proptest! {
    #[test]
    fn w1_the_peer_is_told_of_a_smaller_window_and_of_no_grant(
        credit in prop::collection::vec(prop::collection::vec(credit(), 0..4), 0..6),
        others in frames(40_000),
        chunks in prop::collection::vec(prop_oneof![1..9_usize, 1..40_000_usize], 1..20),
        announces: bool,
        most in prop_oneof![Just(65_535_u32), Just(262_144)],
    ) {
        check_withheld(credit, others, &chunks, announces, most);
    }
}

/// One of the checks above, of frames or octets that a fuzzer makes.
pub(crate) fn fuzz(mut source: Source<'_>) {
    let (which, announces, bits) = source.draw(&(0..7_u8, any::<bool>(), any::<u8>()));
    let [chunks, bounds] = [(), ()].map(|()| source.draw(&chunks()));
    if which == 6 {
        check_octets(source.rest(), &chunks);
        return;
    }
    let limits = prop::collection::vec(limit(), 1..5);
    let limits = source.draw(&limits);
    match which {
        0 => {
            let split = source.draw(&any::<prop::sample::Index>());
            let frames = source.each(MOST_GROUPS, &group(15_000)).concat();
            check_broken_off(&frames, limits[0], &chunks, split);
            check_observed(frames, &chunks, split);
        }
        1 => {
            let first = source.draw(&first());
            let frames = source.each(MOST_GROUPS, &group(1 << 16)).concat();
            check_first_settings(&first, &frames, &chunks, &bounds);
        }
        2 => {
            let group = (prop::collection::vec(credit(), 0..4), group(40_000).boxed());
            let groups = source.each(MOST_GROUPS, &group);
            let (credit, others): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
            let most = [65_535, 262_144][usize::from(bits) % 2];
            check_withheld(credit, others.concat(), &chunks, announces, most);
        }
        _ => {
            let frames = source.each(MOST_GROUPS, &group(1 << 17)).concat();
            match which {
                3 => check_limits(&frames, &limits, &chunks),
                4 => check_boundaries(&frames, &chunks),
                _ => check_meaning(&frames, limits[0], &chunks, &bounds),
            }
        }
    }
}

/// More make a fuzzer slow, and reach nothing else.
const MOST_GROUPS: usize = 14;
