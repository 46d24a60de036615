//! Where to cut what does not fit into one frame.

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

#[cfg(test)]
mod tests {
    use super::*;

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
