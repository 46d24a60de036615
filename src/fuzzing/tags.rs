use proptest::prelude::*;

use super::Source;
use super::framing::is_whole;
use crate::proto::head::{Flags, FrameType, StreamId};
use crate::proto::inbound::tests::pass_tagged;
use crate::proto::tag::{NAME, Tagger, parse};
use crate::proto::testing::{Raw, chunks};

/// Sizes of a block's fragments, and the padding of the first.
type Fragments = (Vec<usize>, Option<u8>);

fn fragments() -> impl Strategy<Value = Fragments> {
    (
        prop::collection::vec(prop_oneof![0..20_usize, 0..400_usize], 0..4),
        prop::option::of(any::<u8>()),
    )
}

pub(super) fn fuzz(mut source: Source<'_>) {
    let (nonce, connection) = source.draw(&(any::<u128>(), any::<u64>()));
    // Some blocks are so long that there is just room for a tag, or not quite.
    let filler = prop_oneof![15 => Just(0), 1 => 16_260..16_340_usize];
    let (stream, priority, filler): (u32, _, usize) =
        source.draw(&(1..1_u32 << 31, any::<bool>(), filler));
    // A client's stream.
    let stream = stream | 1;
    let cut = source.draw(&fragments());
    let chunks = source.draw(&chunks());
    let tagger = Tagger { nonce, connection };
    let octets = source.rest();

    forge(tagger, stream, octets);
    let octets = &[&vec![0x82; filler], octets].concat()[..];

    // A block is tagged at its end, if it is whole.
    let mut frames = frames(stream, priority, &cut, octets);
    let trailers = Raw {
        kind: FrameType::HEADERS,
        flags: Flags::END_HEADERS.with(Flags::END_STREAM),
        stream,
        payload: vec![0x82],
    };
    frames.push(trailers.clone());
    let mut seen = pass_tagged(tagger, &frames, &chunks);
    assert!(seen.pop() == Some(trailers), "T1: the second block is not");
    frames.pop();
    let came: Vec<u8> = seen.iter().flat_map(content).collect();
    let field = tagger.field(StreamId::from_wire(stream));
    if is_whole(octets) && fits(&frames) {
        assert!(came == [octets, &field].concat(), "T1");
    } else {
        assert!(came == octets, "T1: it was not to be tagged");
        assert!(seen == frames);
    }
}

/// Values that nobody made are none; what is made is read, and is the only way
/// to write it.
fn forge(tagger: Tagger, stream: u32, octets: &[u8]) {
    let (nonce, connection) = (tagger.nonce, tagger.connection);
    let stream = StreamId::from_wire(stream);
    let made = tagger.field(stream);
    let value = &made[3 + NAME.len()..];
    let whole = format!("{nonce:032x}-{connection:016x}-{:08x}", stream.get());
    assert_eq!(value, whole.as_bytes());
    assert_eq!(parse(nonce, value), Some((connection, stream)));
    assert_eq!(parse(!nonce, value), None);

    // What nobody makes, although it is written well.
    let of_none = tagger.field(StreamId::CONNECTION);
    assert_eq!(parse(nonce, &of_none[3 + NAME.len()..]), None);
    for digit in (0..value.len()).filter(|at| value[*at].is_ascii_lowercase()) {
        let mut upper = value.to_vec();
        upper[digit] = upper[digit].to_ascii_uppercase();
        assert_eq!(parse(nonce, &upper), None);
    }

    let mut spoilt = value.to_vec();
    for pair in octets.chunks_exact(2) {
        let at = usize::from(pair[0]) % spoilt.len();
        spoilt[at] = pair[1];
    }
    for forged in [octets, &spoilt] {
        // As much as to say: of its own nonce, if it has one.
        let own = forged
            .get(..32)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u128::from_str_radix(digits, 16).ok());
        for nonce in [nonce, own.unwrap_or_default()] {
            if let Some((connection, stream)) = parse(nonce, forged) {
                assert!(!stream.is_connection());
                let again = Tagger { nonce, connection }.field(stream);
                assert_eq!(&again[3 + NAME.len()..], forged);
            }
        }
    }
}

/// The frames of a request whose header block is `octets`.
fn frames(stream: u32, priority: bool, cut: &Fragments, octets: &[u8]) -> Vec<Raw> {
    let (sizes, pad) = cut;
    let mut left = octets;
    let mut frames: Vec<Raw> = Vec::new();
    for size in sizes.iter().copied().chain([usize::MAX]) {
        let (fragment, rest) = left.split_at(size.min(left.len()));
        left = rest;
        let is_first = frames.is_empty();
        frames.push(Raw {
            kind: [FrameType::CONTINUATION, FrameType::HEADERS][usize::from(is_first)],
            flags: Flags::NONE,
            stream,
            payload: fragment.to_vec(),
        });
    }
    let first = &mut frames[0];
    if priority {
        first.flags = first.flags.with(Flags::PRIORITY);
        first.payload.splice(0..0, [0, 0, 0, 0, 9]);
    }
    if let Some(pad) = *pad {
        first.flags = first.flags.with(Flags::PADDED);
        first.payload.insert(0, pad);
        first.payload.extend(vec![0; pad.into()]);
    }
    let last = frames.last_mut().expect("one at least");
    last.flags = last.flags.with(Flags::END_HEADERS);
    frames
}

/// The fragment in a frame, without priority and padding.
fn content(frame: &Raw) -> Vec<u8> {
    let mut payload = &frame.payload[..];
    if frame.flags.contains(Flags::PADDED) {
        let pad = usize::from(payload[0]);
        payload = &payload[1..payload.len() - pad];
    }
    if frame.flags.contains(Flags::PRIORITY) {
        payload = &payload[5..];
    }
    payload.to_vec()
}

/// Whether no frame is too large to be looked at, and the last has room for a tag.
fn fits(frames: &[Raw]) -> bool {
    if frames.iter().any(|frame| frame.payload.len() > 16_384) {
        return false;
    }
    let last = frames.last().expect("one at least");
    let padding = match last.flags.contains(Flags::PADDED) {
        true => usize::from(last.payload[0]) + 1,
        false => 0,
    };
    last.payload.len() - padding + Tagger::LEN <= 16_384
}
