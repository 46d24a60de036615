//! The octets that tell HTTP/2 from everything else.

use super::frame::PREFACE;

/// What the octets seen so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They could still become the preface.
    Open,
    /// They are the preface, and nothing more was consumed.
    Http2,
    /// They are not.
    Other,
}

/// Watches the start of a client's octets for the connection preface
/// (RFC 9113, section 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preface {
    /// Octets that matched so far, at most the length of the preface.
    matched: usize,
}

impl Preface {
    /// The octets that were consumed: the front of the preface.
    #[cfg(any(test, feature = "listener"))]
    pub(crate) fn consumed(self) -> &'static [u8] {
        &PREFACE[..self.matched]
    }

    /// How many octets at the front of `input` belong to the preface, given
    /// what was consumed before, and what that would say. Changes nothing.
    pub(crate) fn peek(self, input: &[u8]) -> (usize, Verdict) {
        let expected = &PREFACE[self.matched..];
        let n = input.len().min(expected.len());
        let verdict = if input[..n] != expected[..n] {
            Verdict::Other
        } else if n == expected.len() {
            Verdict::Http2
        } else {
            Verdict::Open
        };
        (n, verdict)
    }

    /// Consumes `n` octets that [`Preface::peek`] found to match.
    pub(crate) fn consume(&mut self, n: usize) -> Verdict {
        self.matched += n;
        debug_assert!(self.matched <= PREFACE.len());
        if self.matched == PREFACE.len() {
            Verdict::Http2
        } else {
            Verdict::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_only_the_whole_preface_counts() {
        for split in 0..PREFACE.len() {
            let mut preface = Preface::default();
            let (n, verdict) = preface.peek(&PREFACE[..split]);
            assert_eq!((n, verdict), (split, Verdict::Open));
            preface.consume(n);
            assert_eq!(preface.consumed(), &PREFACE[..split]);
            let mut rest = PREFACE[split..].to_vec();
            rest.extend(b"more");
            assert_eq!(preface.peek(&rest), (24 - split, Verdict::Http2));
            rest[0] ^= 1;
            assert_eq!(preface.peek(&rest).1, Verdict::Other);
        }
        assert_eq!(
            Preface::default().peek(b"POST / HTTP/1.1").1,
            Verdict::Other
        );
        assert_eq!(Preface::default().peek(b"P").1, Verdict::Open);
    }
}
