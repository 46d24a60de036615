//! What the tests of both directions share: a naive view of frames, random
//! ones, and the oracle that says whether two sequences mean the same.

use std::collections::HashMap;

use proptest::prelude::*;

use super::head::{Flags, FrameType, Head, StreamId};

/// A frame, naively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) kind: FrameType,
    pub(crate) flags: Flags,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Raw {
    pub(crate) fn encode(&self, wire: &mut Vec<u8>) {
        let length = self.payload.len() as u32;
        wire.extend(&length.to_be_bytes()[1..]);
        wire.extend([self.kind.0, self.flags.0]);
        wire.extend(self.stream.to_be_bytes());
        wire.extend(&self.payload);
    }
}

/// Splits octets into frames, one octet at a time. What is left over at the end
/// must be nothing.
pub(crate) fn parse(mut wire: &[u8]) -> Vec<Raw> {
    let mut frames = Vec::new();
    while !wire.is_empty() {
        assert!(wire.len() >= Head::LEN, "a head is cut off: {wire:?}");
        let length = wire[..3].iter().fold(0, |n, o| n << 8 | usize::from(*o));
        assert!(wire.len() >= 9 + length, "a payload is cut off");
        let id = wire[5..9].iter().fold(0_u32, |n, o| n << 8 | u32::from(*o));
        frames.push(Raw {
            kind: FrameType(wire[3]),
            flags: Flags(wire[4]),
            stream: StreamId::from_wire(id).get(),
            payload: wire[9..9 + length].to_vec(),
        });
        wire = &wire[9 + length..];
    }
    frames
}

/// What a sequence of frames means to the peer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// Each stream's events in order, with neighbouring data joined.
    pub(crate) streams: HashMap<u32, Vec<Event>>,
    /// Header blocks in the order of the whole connection.
    pub(crate) blocks: Vec<(u32, Vec<u8>)>,
    /// Frames that are neither DATA nor of a header block, in order.
    pub(crate) others: Vec<Raw>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Data(Vec<u8>),
    /// Octets that flow control counts beyond the data: padding.
    Padding(usize),
    Block(Vec<u8>),
    EndStream,
    Other(Raw),
}

/// Reads frames as a peer would, naively. Panics where a rule of RFC 9113 on
/// header blocks is broken.
pub(crate) fn meaning(frames: &[Raw]) -> Meaning {
    let mut meaning = Meaning::default();
    let mut open: Option<(u32, Vec<u8>, bool)> = None;
    for frame in frames {
        let events = meaning.streams.entry(frame.stream).or_default();
        let is_continuation = frame.kind == FrameType::CONTINUATION;
        assert_eq!(
            open.as_ref().map(|(stream, ..)| *stream),
            is_continuation.then_some(frame.stream),
            "something goes between the frames of a header block: {frame:?}"
        );
        let has = |flag| frame.flags.contains(flag);
        match frame.kind {
            FrameType::DATA => {
                let (data, padding) = unpad(frame);
                match events.last_mut() {
                    Some(Event::Data(before)) => before.extend(data),
                    _ => events.push(Event::Data(data.to_vec())),
                }
                if has(Flags::PADDED) {
                    events.push(Event::Padding(padding));
                }
                if has(Flags::END_STREAM) {
                    events.push(Event::EndStream);
                }
            }
            FrameType::HEADERS | FrameType::PUSH_PROMISE | FrameType::CONTINUATION => {
                let (fragment, _) = match is_continuation {
                    true => (&frame.payload[..], 0),
                    false => unpad(frame),
                };
                let ends = frame.kind == FrameType::HEADERS && has(Flags::END_STREAM);
                let (_, block, end_stream) = open.get_or_insert((frame.stream, Vec::new(), ends));
                block.extend(fragment);
                let end_stream = *end_stream;
                if has(Flags::END_HEADERS)
                    && let Some((stream, block, _)) = open.take()
                {
                    meaning.blocks.push((stream, block.clone()));
                    events.push(Event::Block(block));
                    if end_stream {
                        events.push(Event::EndStream);
                    }
                }
            }
            _ => {
                events.push(Event::Other(frame.clone()));
                meaning.others.push(frame.clone());
            }
        }
    }
    assert!(open.is_none(), "a header block does not end");
    meaning
}

/// The payload without its padding, and the octets of padding with its length.
fn unpad(frame: &Raw) -> (&[u8], usize) {
    if !frame.flags.contains(Flags::PADDED) {
        return (&frame.payload, 0);
    }
    let pad = usize::from(frame.payload[0]);
    (&frame.payload[1..frame.payload.len() - pad], pad + 1)
}

fn size(max: usize) -> impl Strategy<Value = usize> {
    prop_oneof![
        3 => 0..300_usize,
        2 => 16_000..17_000_usize,
        1 => 32_500..33_300_usize,
        1 => 0..max,
    ]
}

fn octets(n: usize, seed: u8) -> Vec<u8> {
    (0..n).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect()
}

/// Frames such as a stack could send that was told a frame size of `max`: all
/// types, header blocks in fragments, padding, unknown types. What cannot be
/// cut keeps to 16,384 octets.
pub(crate) fn frames(max: usize) -> impl Strategy<Value = Vec<Raw>> {
    proptest::collection::vec(group(max), 0..14).prop_map(|groups| groups.concat())
}

/// One of them, or the frames of one header block.
pub(crate) fn group(max: usize) -> impl Strategy<Value = Vec<Raw>> {
    let stream = || prop_oneof![Just(1_u32), Just(3), Just(5), 1..1_u32 << 31];
    let data =
        (stream(), size(max), any::<u8>(), any::<bool>()).prop_map(|(stream, n, seed, end)| {
            let flags = Flags(u8::from(end));
            vec![Raw {
                kind: FrameType::DATA,
                flags,
                stream,
                payload: octets(n, seed),
            }]
        });
    let padded = (
        stream(),
        size(max - 256),
        any::<u8>(),
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(|(stream, n, pad, seed, end)| {
            let mut payload = vec![pad];
            payload.extend(octets(n, seed));
            payload.extend(vec![0; usize::from(pad)]);
            let flags = Flags::PADDED.with(Flags(u8::from(end)));
            vec![Raw {
                kind: FrameType::DATA,
                flags,
                stream,
                payload,
            }]
        });
    let block = (
        stream(),
        proptest::collection::vec((size(max - 256), any::<u8>()), 1..4),
        any::<bool>(),
        any::<bool>(),
        proptest::option::of(any::<u8>()),
    )
        .prop_map(|(stream, fragments, push, end, pad)| {
            let mut frames = Vec::new();
            let last = fragments.len() - 1;
            for (i, (n, seed)) in fragments.into_iter().enumerate() {
                let mut flags = Flags::NONE;
                let mut payload = octets(n, seed);
                let kind = match (i, push) {
                    (0, true) => FrameType::PUSH_PROMISE,
                    (0, false) => FrameType::HEADERS,
                    _ => FrameType::CONTINUATION,
                };
                if i == 0 {
                    if end && !push {
                        flags = flags.with(Flags::END_STREAM);
                    }
                    if let Some(pad) = pad {
                        flags = flags.with(Flags::PADDED);
                        payload.insert(0, pad);
                        payload.extend(vec![0; usize::from(pad)]);
                    }
                }
                if i == last {
                    flags = flags.with(Flags::END_HEADERS);
                }
                frames.push(Raw {
                    kind,
                    flags,
                    stream,
                    payload,
                });
            }
            frames
        });
    let other = (
        prop_oneof![2..5_u8, 6..9_u8, 10..=255_u8],
        any::<u8>(),
        prop_oneof![Just(0_u32), stream()],
        0..16_384_usize,
        any::<u8>(),
    )
        .prop_map(|(kind, flags, stream, n, seed)| {
            let n = if n > 2_000 { n } else { n / 40 };
            vec![Raw {
                kind: FrameType(kind),
                flags: Flags(flags),
                stream,
                payload: octets(n, seed),
            }]
        });
    prop_oneof![4 => data, 1 => padded, 2 => block, 2 => other]
}

/// Sizes of chunks, to be used in turn: small ones, large ones and both.
pub(crate) fn chunks() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        proptest::collection::vec(1..24_usize, 1..30),
        proptest::collection::vec(1..100_000_usize, 1..30),
        proptest::collection::vec(prop_oneof![1..24_usize, 1..100_000_usize], 1..30),
    ]
}
