//! Where to cut what does not fit into one frame.

use bytes::Bytes;

use super::head::{Flags, FrameType, Head};

/// No piece of a cut DATA frame is smaller than this: stacks meter small
/// frames, and so would punish a peer for how its DATA was cut.
pub(crate) const MIN_PIECE: usize = 256;

/// Octets for the next piece of `remaining` octets of DATA, under a frame size
/// limit. The last piece takes what is left; no piece is smaller than
/// [`MIN_PIECE`] unless all of it was.
///
/// `limit` is at least 16,384 (RFC 9113, section 6.5.2).
#[inline]
pub(crate) fn data_piece(remaining: usize, limit: usize) -> usize {
    debug_assert!(limit >= 2 * MIN_PIECE);
    if remaining <= limit {
        remaining
    } else {
        limit.min(remaining - MIN_PIECE)
    }
}

/// One frame of a cut header block. Its payload is the three pieces.
#[derive(Debug)]
pub(crate) struct BlockPiece {
    pub(crate) head: Head,
    /// The length of the padding, and the fields before the fragment.
    pub(crate) prefix: Bytes,
    pub(crate) fragment: Bytes,
    pub(crate) padding: Bytes,
}

/// Cuts a valid HEADERS or `PUSH_PROMISE` frame that holds a whole header block
/// into frames under a size limit: the frame itself with what fits of the
/// block, and CONTINUATION for the rest. Padding stays on the first, where
/// alone it can be.
///
/// > HEADERS, `PUSH_PROMISE`, and CONTINUATION frames MUST be [...] contiguous
/// > (RFC 9113, section 4.3).
pub(crate) fn header_block(
    head: Head,
    mut payload: Bytes,
    limit: usize,
) -> impl Iterator<Item = BlockPiece> {
    let padded = head.flags.contains(Flags::PADDED);
    let padding = if padded { usize::from(payload[0]) } else { 0 };
    let fields = match head.kind {
        FrameType::PUSH_PROMISE => 4,
        FrameType::HEADERS if head.flags.contains(Flags::PRIORITY) => 5,
        _ => 0,
    };
    let mut padding = payload.split_off(payload.len() - padding);
    let mut prefix = payload.split_to(fields + usize::from(padded));
    let mut fragment = payload;
    let mut first = true;
    std::iter::from_fn(move || {
        if !first && fragment.is_empty() {
            return None;
        }
        let overhead = prefix.len() + padding.len();
        let piece = fragment.split_to(fragment.len().min(limit - overhead));
        let (kind, flags) = if std::mem::take(&mut first) {
            (head.kind, head.flags.without(Flags::END_HEADERS))
        } else {
            (FrameType::CONTINUATION, Flags::NONE)
        };
        let end = if fragment.is_empty() {
            Flags::END_HEADERS
        } else {
            Flags::NONE
        };
        Some(BlockPiece {
            head: Head {
                length: (overhead + piece.len()) as u32,
                kind,
                flags: flags.with(end),
                stream: head.stream,
            },
            prefix: std::mem::take(&mut prefix),
            fragment: piece,
            padding: std::mem::take(&mut padding),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EndStream, Frame, StreamId};

    /// The frames of a block, as kind, flags and payload.
    fn pieces(frame: Frame, limit: usize) -> Vec<(FrameType, u8, Vec<u8>)> {
        let head = frame.validate().unwrap();
        header_block(head, frame.into_payload(), limit)
            .map(|piece| {
                let payload = [piece.prefix, piece.fragment, piece.padding].concat();
                assert_eq!(payload.len(), piece.head.length as usize);
                (piece.head.kind, piece.head.flags.0, payload)
            })
            .collect()
    }

    #[test]
    fn f3_a_block_over_the_limit_continues() {
        let stream = StreamId::new(1).unwrap();
        for (length, frames) in [(0, 1), (16_384, 1), (16_385, 2), (32_768, 2), (32_769, 3)] {
            let block: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let cut = pieces(
                Frame::headers(stream, block.clone(), EndStream::Yes),
                16_384,
            );
            assert_eq!(cut.len(), frames);
            for (i, (kind, flags, payload)) in cut.iter().enumerate() {
                assert_eq!(*kind == FrameType::HEADERS, i == 0);
                assert_eq!(flags & 1, u8::from(i == 0), "END_STREAM on HEADERS");
                assert_eq!(flags & 4 != 0, i == frames - 1, "END_HEADERS on the last");
                assert!(payload.len() <= 16_384);
            }
            let whole: Vec<u8> = cut
                .into_iter()
                .flat_map(|(_, _, payload)| payload)
                .collect();
            assert_eq!(whole, block);
        }
    }

    #[test]
    fn f3_padding_and_priority_stay_on_the_first() {
        let stream = StreamId::new(1).unwrap();
        let flags = Flags::END_HEADERS.with(Flags::PADDED).with(Flags::PRIORITY);
        let mut payload = vec![3, 0, 0, 0, 5, 15];
        payload.extend([9; 20_000]);
        payload.extend([0; 3]);
        let frame = Frame::from_parts(FrameType::HEADERS, flags, stream, payload);
        let cut = pieces(frame, 16_384);
        assert_eq!(cut.len(), 2);
        let (kind, flags, payload) = &cut[0];
        assert_eq!((*kind, *flags), (FrameType::HEADERS, 0x28));
        assert_eq!(payload[..6], [3, 0, 0, 0, 5, 15]);
        assert_eq!(payload.len(), 16_384);
        assert_eq!(payload[16_381..], [0; 3]);
        let rest = 20_000 - (16_384 - 9);
        assert_eq!(cut[1], (FrameType::CONTINUATION, 4, vec![9; rest]));
    }

    #[test]
    fn f4_no_piece_is_small_unless_the_whole_is() {
        let limit = 16_384;
        for whole in (0..70_000).chain([1 << 20, (1 << 24) - 1]) {
            let mut left = whole;
            let mut pieces = 0;
            loop {
                let piece = data_piece(left, limit);
                assert!(piece <= limit);
                assert!(piece >= MIN_PIECE.min(whole));
                left -= piece;
                pieces += 1;
                if left == 0 {
                    break;
                }
            }
            assert!(pieces <= whole / limit + 1);
        }
    }
}
