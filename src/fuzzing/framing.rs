use super::Source;
use crate::proto::block_end::BlockEnd;
use crate::proto::deframer::{Deframer, Span};
use crate::proto::head::{Flags, FrameType, Head, StreamId};
use crate::proto::testing::chunks;

pub(super) fn fuzz(mut source: Source<'_>) {
    let chunks = source.draw(&chunks());
    let octets = source.rest();
    let (heads, left, partial) = read(octets);
    let mut deframer = Deframer::default();
    let mut found = Vec::new();
    let mut payload = 0;
    for chunk in cut(octets, &chunks) {
        let mut chunk = chunk;
        while !chunk.is_empty() {
            let (n, span) = deframer.next(chunk);
            assert!(n > 0, "it stands still");
            match span {
                Some(Span::Head(head, octets)) => {
                    assert_eq!(Head::decode(&octets), head);
                    assert_eq!(head.wire_len(), 9 + u64::from(head.length));
                    let mut again = head.encode();
                    again[5] |= octets[5] & 0x80;
                    assert_eq!(again, octets);
                    found.push(head);
                    payload = 0;
                }
                Some(Span::Payload(m)) => {
                    assert_eq!(m, n);
                    payload += m;
                }
                None => assert_eq!(n, chunk.len(), "part of a head"),
            }
            chunk = &chunk[n..];
        }
        let of_head = found.last().map_or(0, |head: &Head| head.length as usize);
        assert_eq!(deframer.payload_left() as usize, of_head - payload);
    }
    assert_eq!(found, heads);
    assert_eq!(deframer.payload_left() as usize, left);
    assert_eq!(deframer.partial_head(), partial);

    let mut end = BlockEnd::default();
    cut(octets, &chunks).for_each(|chunk| end.follow(chunk));
    assert_eq!(end.is_complete(), is_whole(octets));
}

/// The octets in chunks of these sizes, used in turn.
fn cut<'a>(mut octets: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().cycle().map_while(move |size| {
        let (chunk, rest) = octets.split_at_checked(*size).unwrap_or((octets, &[]));
        octets = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// The heads, the octets of payload that the last lacks, and a head that is cut
/// off.
fn read(mut octets: &[u8]) -> (Vec<Head>, usize, &[u8]) {
    let mut heads = Vec::new();
    while octets.len() >= 9 {
        let number = |octets: &[u8]| octets.iter().fold(0, |n, o| n << 8 | u32::from(*o));
        let length = number(&octets[..3]);
        heads.push(Head {
            length,
            kind: FrameType(octets[3]),
            flags: Flags(octets[4]),
            stream: StreamId::from_wire(number(&octets[5..9])),
        });
        octets = &octets[9..];
        match octets.get(length as usize..) {
            Some(rest) => octets = rest,
            None => return (heads, length as usize - octets.len(), &[]),
        }
    }
    (heads, 0, octets)
}

/// Whether a header block is a whole number of field lines (RFC 7541, section 6).
pub(super) fn is_whole(block: &[u8]) -> bool {
    let mut rest = block;
    while !rest.is_empty() {
        match without_line(rest) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

fn without_line(block: &[u8]) -> Option<&[u8]> {
    let first = *block.first()?;
    let (bits, strings) = match first {
        0x80.. => (7, 0),
        0x40.. => (6, 1),
        0x20.. => (5, 0),
        _ => (4, 1),
    };
    let (is_zero, mut rest) = without_number(block, bits)?;
    let has_name = strings == 1 && is_zero;
    for _ in 0..strings + u8::from(has_name) {
        rest = without_string(rest)?;
    }
    Some(rest)
}

/// Whether a number is 0, which is all that is asked of an index, and what
/// follows it (RFC 7541, section 5.1).
fn without_number(octets: &[u8], bits: u32) -> Option<(bool, &[u8])> {
    let (first, rest) = octets.split_first()?;
    let mask = (1 << bits) - 1;
    if first & mask != mask {
        return Some((first & mask == 0, rest));
    }
    let last = rest.iter().position(|octet| octet & 0x80 == 0)?;
    Some((false, &rest[last + 1..]))
}

/// What follows a string. Lengths of more than five octets after the first are
/// none.
fn without_string(octets: &[u8]) -> Option<&[u8]> {
    let (_, rest) = without_number(octets, 7)?;
    let number = &octets[..octets.len() - rest.len()];
    if number.len() > 6 {
        return None;
    }
    let mut length = u128::from(number[0] & 0x7f);
    for (i, octet) in number[1..].iter().enumerate() {
        length += u128::from(octet & 0x7f) << (7 * i);
    }
    rest.get(usize::try_from(length).ok()?..)
}
