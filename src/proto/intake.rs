//! From the stack to the queues: takes its octets apart into frames.

use super::head::{Flags, FrameType, Head};
use super::outbound::{Outbound, Taken, Wire};
use super::staged::Staged;
use super::streams::Streams;
use crate::pool::BufferPool;

/// What is gathered of a frame that is not DATA, until it is whole and can be
/// queued.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// A frame, or a header block, as it will be on the wire, with its first head.
    unit: Option<(Head, Vec<u8>)>,
    /// The payload of a padded DATA frame.
    padded: Vec<u8>,
}

impl Intake {
    /// Whether no frame is held in part.
    pub(crate) fn is_empty(&self) -> bool {
        self.unit.is_none() && self.padded.is_empty()
    }

    /// Whether what is staged may end within a frame: nothing else may be staged
    /// until the stack has written the rest of it.
    pub(crate) fn blocks_staging(&self, outbound: &Outbound) -> bool {
        self.unit.is_none() && !outbound.at_boundary()
    }

    /// Takes all of `input`. What belongs to a frame that is staged, or on the
    /// wire, in part is appended to `staged`, and `seen` is called for its heads.
    pub(crate) fn take(
        &mut self,
        mut input: &[u8],
        outbound: &mut Outbound,
        streams: &mut Streams,
        staged: &mut Staged,
        pool: &BufferPool,
        mut seen: impl FnMut(Head),
    ) {
        loop {
            let begins = outbound.at_boundary() || outbound.at_start() || outbound.holds_head();
            let (n, taken) = outbound.take(input);
            let (consumed, rest) = input.split_at(n);
            input = rest;
            match taken {
                None if n == 0 => return,
                None => {}
                Some(Taken::Data { head, octets, last }) => {
                    let octets = &consumed[consumed.len() - octets..];
                    self.take_data(head, octets, last, streams, pool);
                }
                Some(Taken::Wire(Wire::Head(lead))) => match &mut self.unit {
                    Some((_, unit)) => unit.extend_from_slice(lead.octets()),
                    None if begins => {
                        streams.sends(lead.head);
                        self.unit = Some((lead.head, lead.octets().to_vec()));
                    }
                    None => {
                        seen(lead.head);
                        staged.append(lead.octets());
                    }
                },
                Some(Taken::Wire(Wire::Parameter(lead))) => {
                    streams.sends_parameter(&lead);
                    match &mut self.unit {
                        Some((_, unit)) => unit.extend_from_slice(lead.octets()),
                        None => staged.append(lead.octets()),
                    }
                }
                Some(Taken::Wire(Wire::Withheld { stream, increment })) => {
                    streams.stack_grants(stream, increment);
                }
                Some(Taken::Wire(Wire::Payload(octets))) => {
                    let octets = &consumed[consumed.len() - octets..];
                    match &mut self.unit {
                        Some((_, unit)) => unit.extend_from_slice(octets),
                        None => staged.append(octets),
                    }
                }
            }
            if outbound.at_boundary()
                && let Some((head, octets)) = self.unit.take()
            {
                streams.take_frame(head, octets);
            }
        }
    }

    fn take_data(
        &mut self,
        head: Head,
        octets: &[u8],
        last: bool,
        streams: &mut Streams,
        pool: &BufferPool,
    ) {
        let end = last && head.flags.contains(Flags::END_STREAM);
        if !head.flags.contains(Flags::PADDED) {
            streams.take_data(head.stream, octets, None, end, pool);
            return;
        }
        self.padded.extend_from_slice(octets);
        if !last {
            return;
        }
        let payload = std::mem::take(&mut self.padded);
        let content = payload.split_first().and_then(|(&padding, rest)| {
            let octets = rest.len().checked_sub(usize::from(padding))?;
            Some((padding, &rest[..octets]))
        });
        match content {
            Some((padding, octets)) => {
                streams.take_data(head.stream, octets, Some(padding), end, pool);
            }
            // The peer shall see that it is malformed (rule F2).
            None => {
                debug_assert_eq!(head.kind, FrameType::DATA);
                let octets = [&head.encode()[..], &payload].concat();
                streams.take_frame(head, octets);
            }
        }
    }
}
