//! Splits a stream of octets into frame heads and payloads.

use super::head::Head;

/// What the next octets of the stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// A head is complete, in these octets; its payload follows.
    Head(Head, [u8; Head::LEN]),
    /// This many octets of the current frame's payload.
    Payload(usize),
}

/// An incremental parser of frames, for any chunking of the stream.
///
/// It holds no more than a partial head (8 octets) and never looks at payload.
/// Call [`Deframer::next`] with what is left of the input until it consumes
/// nothing more.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deframer {
    /// The first `have` octets of a head that is not complete.
    head: [u8; Head::LEN],
    /// Less than [`Head::LEN`] between calls; 0 while `left` is not 0.
    have: usize,
    /// Octets of the current frame's payload that are still to come.
    left: u32,
}

impl Deframer {
    /// Consumes the next span of `input`: how many octets it took, and what
    /// they are. No span means that all of `input` is part of a head that is
    /// not complete.
    #[inline]
    pub(crate) fn next(&mut self, input: &[u8]) -> (usize, Option<Span>) {
        if self.left > 0 {
            let n = input.len().min(self.left as usize);
            self.left -= n as u32;
            return (n, (n > 0).then_some(Span::Payload(n)));
        }
        if self.have == 0
            && let Some(head) = input.first_chunk()
        {
            return (Head::LEN, Some(self.start(head)));
        }
        let n = input.len().min(Head::LEN - self.have);
        self.head[self.have..self.have + n].copy_from_slice(&input[..n]);
        self.have += n;
        if self.have < Head::LEN {
            return (n, None);
        }
        self.have = 0;
        let head = self.head;
        (n, Some(self.start(&head)))
    }

    #[inline]
    fn start(&mut self, octets: &[u8; Head::LEN]) -> Span {
        let head = Head::decode(octets);
        self.left = head.length;
        Span::Head(head, *octets)
    }

    /// Octets of the current frame's payload that are still to come.
    pub(crate) fn payload_left(&self) -> u32 {
        self.left
    }

    /// The octets of a head that is not complete.
    pub(crate) fn partial_head(&self) -> &[u8] {
        &self.head[..self.have]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::head::{Flags, FrameType, StreamId};
    use proptest::prelude::*;

    fn frames() -> impl Strategy<Value = Vec<(u8, u8, u32, Vec<u8>)>> {
        let payload = prop_oneof![Just(0_usize), 1..40_usize, Just(16_384), 0..70_000_usize,]
            .prop_map(|n| (0..n).map(|i| (i * 31) as u8).collect());
        proptest::collection::vec((any::<u8>(), any::<u8>(), 0..1_u32 << 31, payload), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_chunking_yields_the_same_frames(
            frames in frames(),
            chunks in proptest::collection::vec(prop_oneof![1..12_usize, 1..30_000_usize], 1..40),
        ) {
            let mut wire = Vec::new();
            for (kind, flags, stream, payload) in &frames {
                let head = Head {
                    length: payload.len() as u32,
                    kind: FrameType(*kind),
                    flags: Flags(*flags),
                    stream: StreamId::from_wire(*stream),
                };
                wire.extend(head.encode());
                wire.extend(payload);
            }
            let mut deframer = Deframer::default();
            let mut parsed: Vec<(u8, u8, u32, Vec<u8>)> = Vec::new();
            let mut at = 0;
            for size in chunks.iter().cycle() {
                if at == wire.len() {
                    break;
                }
                let mut chunk = &wire[at..wire.len().min(at + size)];
                at += chunk.len();
                while !chunk.is_empty() {
                    let (n, span) = deframer.next(chunk);
                    match span {
                        Some(Span::Head(h, _)) => {
                            parsed.push((h.kind.0, h.flags.0, h.stream.get(), Vec::new()));
                        }
                        Some(Span::Payload(m)) => {
                            prop_assert_eq!(m, n);
                            parsed.last_mut().unwrap().3.extend(&chunk[..m]);
                        }
                        None => prop_assert_eq!(n, chunk.len()),
                    }
                    chunk = &chunk[n..];
                }
            }
            prop_assert_eq!(parsed, frames);
            prop_assert_eq!(deframer.payload_left(), 0);
            prop_assert!(deframer.partial_head().is_empty());
        }
    }
}
