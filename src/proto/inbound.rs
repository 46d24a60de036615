//! From the wire to the stack: passes everything, but for two edits.
//!
//! - A SETTINGS frame tells the stack a larger frame size than the peer's own,
//!   so that it hands over large DATA frames, which
//!   [`outbound`](super::outbound) cuts (rules F5, F6).
//! - The acknowledgements of PINGs that were not the stack's are taken out.

use std::collections::VecDeque;
use std::ops::Range;

use super::counts::FrameCounts;
use super::deframer::{Deframer, Span};
use super::frame::DEFAULT_MAX_FRAME_SIZE;
use super::head::{Flags, FrameType, Head};
use super::settings;

/// A stretch of octets for the stack, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// This range of the input, as it is.
    Pass(Range<usize>),
    /// These octets instead.
    Octets(Vec<u8>),
    /// Nothing: here the stack shall act on what it has, before it gets more.
    Pause,
}

/// The inbound half of a connection, from the octet after the preface.
///
/// Call [`Inbound::process`] with each chunk of the wire and
/// [`Inbound::finish`] at its end. After either, [`Inbound::peer_limit`] and
/// [`Inbound::take_acked`] say what was learnt.
#[derive(Debug)]
pub(crate) struct Inbound {
    deframer: Deframer,
    /// The frame that is being held back until it is whole, head and all.
    held: Option<Vec<u8>>,
    /// The frame size that the stack is told, if the peer's is smaller.
    told: u32,
    /// Whether the stack has been told a frame size.
    has_told: bool,
    /// The peer's real `SETTINGS_MAX_FRAME_SIZE`, as it last said.
    peer_limit: u32,
    /// SETTINGS of the peer that the stack has not acknowledged.
    unacknowledged: u32,
    /// The least limit that held since the stack had acknowledged all.
    least_limit: u32,
    /// Header blocks of a burst before its one pause. More pauses would gain
    /// nothing: the two parts of a burst come back as two bursts.
    turn: u32,
    /// Header blocks of this burst.
    blocks: u32,
    /// PINGs of our own that are not acknowledged.
    pings: Vec<[u8; 8]>,
    acked: Vec<[u8; 8]>,
    counts: FrameCounts,
}

impl Inbound {
    /// `told` is the frame size that the stack shall use at least; `turn` is how
    /// many header blocks of a burst it gets before a pause.
    pub(crate) fn new(told: u32, turn: u32) -> Self {
        Self {
            deframer: Deframer::default(),
            held: None,
            told,
            has_told: false,
            peer_limit: DEFAULT_MAX_FRAME_SIZE,
            unacknowledged: 0,
            least_limit: DEFAULT_MAX_FRAME_SIZE,
            turn,
            blocks: 0,
            pings: Vec::new(),
            acked: Vec::new(),
            counts: FrameCounts::default(),
        }
    }

    /// Consumes `input` from `at` on, and appends to `runs` what the stack
    /// shall see. Ranges count from the start of `input`, so `runs` must not
    /// hold ranges of another one.
    pub(crate) fn process(&mut self, input: &[u8], mut at: usize, runs: &mut VecDeque<Run>) {
        while at < input.len() {
            let is_carried = !self.deframer.partial_head().is_empty();
            let (n, span) = self.deframer.next(&input[at..]);
            let range = at..at + n;
            at += n;
            match span {
                None => {}
                Some(Span::Head(head, octets)) => {
                    self.counts.add(head.kind);
                    if head.kind == FrameType::HEADERS && self.ends_turn() {
                        runs.push_back(Run::Pause);
                    }
                    if head.kind == FrameType::SETTINGS && !head.flags.contains(Flags::ACK) {
                        self.unacknowledged = self.unacknowledged.saturating_add(1);
                        if head.length > DEFAULT_MAX_FRAME_SIZE {
                            // It passes unread: the least is never wrong.
                            self.peer_limit = DEFAULT_MAX_FRAME_SIZE;
                        }
                    }
                    if self.is_of_interest(head) {
                        self.held = Some(octets.to_vec());
                        self.finish_held(runs);
                    } else if is_carried {
                        runs.push_back(Run::Octets(octets.to_vec()));
                    } else {
                        pass(runs, range);
                    }
                }
                Some(Span::Payload(_)) => match &mut self.held {
                    Some(held) => {
                        held.extend_from_slice(&input[range]);
                        self.finish_held(runs);
                    }
                    None => pass(runs, range),
                },
            }
        }
    }

    /// The stack has got all there is, and acts on it: a pause by itself.
    pub(crate) fn rested(&mut self) {
        self.blocks = 0;
    }

    /// A header block starts. Whether there is to be a pause before it.
    fn ends_turn(&mut self) -> bool {
        let ends = self.blocks == self.turn;
        self.blocks = self.blocks.saturating_add(1);
        ends
    }

    /// The wire has ended: hands over what was held back, as it came.
    pub(crate) fn finish(&mut self, runs: &mut VecDeque<Run>) {
        let held = self.held.take().unwrap_or_default();
        for octets in [held, self.deframer.partial_head().to_vec()] {
            if !octets.is_empty() {
                runs.push_back(Run::Octets(octets));
            }
        }
        self.deframer = Deframer::default();
    }

    /// The largest frame that may be sent to the peer now. A lower limit holds
    /// at once; a higher one once the stack has acknowledged it, because some
    /// peers go by the old one until then (RFC 9113, section 6.5.3).
    pub(crate) fn peer_limit(&self) -> u32 {
        self.least_limit.min(self.peer_limit)
    }

    /// The stack has acknowledged so many SETTINGS frames.
    pub(crate) fn acknowledged(&mut self, settings: u32) {
        self.unacknowledged = self.unacknowledged.saturating_sub(settings);
        if self.unacknowledged == 0 {
            self.least_limit = self.peer_limit;
        }
    }

    /// A PING of our own goes out: the next acknowledgement with this payload
    /// is not the stack's. The caller bounds how many are out.
    pub(crate) fn expect_ack(&mut self, payload: [u8; 8]) {
        self.pings.push(payload);
    }

    /// The payloads of our PINGs that were acknowledged since the last call.
    pub(crate) fn take_acked(&mut self) -> Option<[u8; 8]> {
        self.acked.pop()
    }

    pub(crate) fn counts(&self) -> &FrameCounts {
        &self.counts
    }

    /// Whether a frame has to be seen whole before it is handed over.
    fn is_of_interest(&self, head: Head) -> bool {
        if !head.stream.is_connection() {
            return false;
        }
        let ack = head.flags.contains(Flags::ACK);
        match head.kind {
            // One over the default frame size, if the stack takes it at all,
            // tells the stack the truth, and then there is nothing to cut. The
            // bound is also that of `held`.
            FrameType::SETTINGS => {
                !ack && head.length.is_multiple_of(6) && head.length <= DEFAULT_MAX_FRAME_SIZE
            }
            FrameType::PING => ack && head.length == 8 && !self.pings.is_empty(),
            _ => false,
        }
    }

    /// Hands over the held frame, once it is whole.
    fn finish_held(&mut self, runs: &mut VecDeque<Run>) {
        if self.deframer.payload_left() > 0 {
            return;
        }
        let Some(frame) = self.held.take() else {
            return;
        };
        let edited = match FrameType(frame[3]) {
            FrameType::SETTINGS => Some(self.edit_settings(frame)),
            _ => self.take_ping_ack(frame),
        };
        runs.extend(edited.map(Run::Octets));
    }

    fn edit_settings(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        let payload = &mut frame[Head::LEN..];
        let Ok(named) = settings::max_frame_size(payload) else {
            return frame;
        };
        if let Some(limit) = named {
            self.peer_limit = limit;
            self.least_limit = self.least_limit.min(limit);
        }
        let told = self.told.max(self.peer_limit);
        let fits = payload.len() + 6 <= DEFAULT_MAX_FRAME_SIZE as usize;
        if settings::raise_max_frame_size(payload, told) {
            self.has_told = true;
        } else if !self.has_told && fits && told > self.peer_limit {
            self.has_told = true;
            frame.extend(settings::max_frame_size_parameter(told));
            let length = (frame.len() - Head::LEN) as u32;
            frame[..3].copy_from_slice(&length.to_be_bytes()[1..]);
        }
        frame
    }

    /// The acknowledgement of a PING: `None` if the PING was ours.
    fn take_ping_ack(&mut self, frame: Vec<u8>) -> Option<Vec<u8>> {
        let Some(&payload) = frame.last_chunk::<8>() else {
            return Some(frame);
        };
        let Some(at) = self.pings.iter().position(|ping| *ping == payload) else {
            return Some(frame);
        };
        self.pings.remove(at);
        self.acked.push(payload);
        None
    }
}

/// Appends a range, joining it to the one before where they touch.
fn pass(runs: &mut VecDeque<Run>, range: Range<usize>) {
    if let Some(Run::Pass(last)) = runs.back_mut()
        && last.end == range.start
    {
        last.end = range.end;
    } else {
        runs.push_back(Run::Pass(range));
    }
}

#[cfg(test)]
mod tests;
