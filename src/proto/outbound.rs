//! From the stack to the wire: cuts what the peer would not take whole.
//!
//! The stack was told a larger frame size than the peer's
//! ([`inbound`](super::inbound)), so its frames may be too large for the wire:
//!
//! - unpadded DATA is cut into DATA (rule F4);
//! - padded DATA is cut so that all of the padding ends up in the last piece,
//!   and what flow control counts stays the same to the octet;
//! - a header block is cut into HEADERS or `PUSH_PROMISE` and CONTINUATION, and
//!   loses its padding (rule F3);
//! - everything else passes as it is (rule F2).
//!
//! A server's first SETTINGS may be given one parameter more
//! ([`Outbound::announce`]), and what the stack grants of credit may be taken out
//! ([`Outbound::manage`]).
//!
//! No payload is copied or even looked at, except for a pad length.

mod lead;

pub(crate) use self::lead::Lead;
use super::cut::data_piece;
use super::deframer::{Deframer, Span};
use super::frame::DEFAULT_MAX_FRAME_SIZE;
use super::head::{Flags, FrameType, Head, StreamId};
use super::settings::{PARAMETER, no_rfc7540_priorities_parameter};

/// What goes to the wire next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The head of a frame, as [`Lead`] octets.
    Head(Lead),
    /// This many octets of the input, as they are: the last ones consumed.
    Payload(usize),
    /// A parameter of SETTINGS, or the front of a GOAWAY's payload, as [`Lead`]
    /// octets.
    Parameter(Lead),
    /// Nothing: the stack's `WINDOW_UPDATE` is told to the peer in another way.
    Withheld { stream: StreamId, increment: u32 },
}

/// What is taken of the stack's octets while frames are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// This many octets of the payload of a DATA frame, as the stack wrote it:
    /// the last ones consumed. They may be none.
    Data {
        head: Head,
        octets: usize,
        /// The frame is complete.
        last: bool,
    },
    /// Octets of any other frame, or of a frame that is on the wire in part.
    Wire(Wire),
}

/// What becomes of the rest of the stack's current frame.
#[derive(Clone, Copy, Debug)]
enum Rest {
    /// It passes as it is.
    Verbatim,
    /// Its pad length comes next, and decides how it is cut.
    PadLength(Head),
    /// DATA that is cut. `piece` octets of the current wire frame are left,
    /// and `left` of the stack's frame, these included.
    Data {
        head: Head,
        pad: Option<u8>,
        piece: u32,
        left: u32,
    },
    /// A header block that is cut; `left` does not count the padding, which is
    /// dropped.
    Block { head: Head, piece: u32, left: u32 },
    /// DATA that is queued; so much of its payload is to come.
    Taken { head: Head, left: u32 },
    /// SETTINGS, of which each parameter is edited, or a `WINDOW_UPDATE`, which is
    /// taken out, or a GOAWAY, which is looked at. What of the next parameter, or of
    /// the increment, has come.
    Small {
        head: Head,
        octets: [u8; PARAMETER],
        len: u8,
    },
}

/// The outbound half of a connection, from the octet after the preface.
///
/// Call [`Outbound::next`] with what is left of the input until it says that it
/// needs more. The state is small and `Copy`, so that a caller can try what a
/// write would look like, and then commit just what went out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outbound {
    deframer: Deframer,
    rest: Rest,
    /// The largest payload of a wire frame.
    limit: u32,
    /// Whether a header block is open: nothing may come between its frames.
    in_block: bool,
    /// Octets of the partial head in `deframer` that are on the wire already.
    head_sent: u8,
    /// Whether a whole head of the stack has been seen.
    started: bool,
    /// Whether the first SETTINGS says `SETTINGS_NO_RFC7540_PRIORITIES`.
    announces: bool,
    /// The largest window of new streams that the peer is told, if the stack's
    /// credit is managed here.
    window: Option<u32>,
}

impl Outbound {
    pub(crate) fn new() -> Self {
        Self {
            deframer: Deframer::default(),
            rest: Rest::Verbatim,
            limit: DEFAULT_MAX_FRAME_SIZE,
            in_block: false,
            head_sent: 0,
            started: false,
            announces: false,
            window: None,
        }
    }

    /// The peer is told of the stack's credit in another way: SETTINGS ask for a
    /// window of new streams of at most `most`, and every `WINDOW_UPDATE` is taken
    /// out.
    pub(crate) fn manage(&mut self, most: u32) {
        self.window = Some(most);
    }

    /// Whether the frame does not go to the wire as it is, because of that.
    fn is_managed(&self, head: Head) -> bool {
        let is_settings = head.kind == FrameType::SETTINGS
            && !head.flags.contains(Flags::ACK)
            && head.stream.is_connection()
            && head.length > 0
            && head.length.is_multiple_of(PARAMETER as u32);
        let is_update = head.kind == FrameType::WINDOW_UPDATE && head.length == 4;
        // Nothing of it changes, but it says which streams there will be.
        let is_goaway = head.kind == FrameType::GOAWAY && head.length >= 8;
        self.window.is_some() && (is_settings || is_update || is_goaway)
    }

    /// The stack is a server's, which has no use for the priorities of RFC 7540:
    /// its first SETTINGS says so (RFC 9218, section 2.1).
    ///
    /// The parameter goes before those of the stack. "The values in a SETTINGS
    /// frame MUST be processed in the order they appear" (RFC 9113, section
    /// 6.5.3), so where the stack has its own, that one holds, and no payload has
    /// to be held back to look for it.
    pub(crate) fn announce(&mut self) {
        self.announces = true;
    }

    /// Octets at the front of `input` that are a first SETTINGS to be edited: its
    /// whole head, and as much of its payload as there is. If it is none, what
    /// `input` starts with passes as it is, now and later.
    pub(crate) fn first_settings(&mut self, input: &[u8]) -> Option<usize> {
        if let Rest::Small { .. } = self.rest {
            return Some(input.len().min(self.deframer.payload_left() as usize));
        }
        let is_start = self.deframer.partial_head().is_empty();
        let head = input.first_chunk().map(Head::decode);
        let is_edited = |head: &Head| {
            let is_settings = head.kind == FrameType::SETTINGS && !self.started;
            self.gains(*head) || (is_settings && self.is_managed(*head))
        };
        match head.filter(|head| is_start && is_edited(head)) {
            Some(head) => Some(input.len().min(Head::LEN + head.length as usize)),
            None => {
                self.announces = false;
                None
            }
        }
    }

    /// Whether this is the first SETTINGS, and it is to say more than it does. A
    /// malformed one does not, as the peer shall see that it is.
    fn gains(&self, head: Head) -> bool {
        self.announces
            && !self.started
            && head.kind == FrameType::SETTINGS
            && !head.flags.contains(Flags::ACK)
            && head.stream.is_connection()
            && head.length.is_multiple_of(PARAMETER as u32)
            && head.length + PARAMETER as u32 <= self.limit
    }

    /// The peer's `SETTINGS_MAX_FRAME_SIZE`. Holds for every wire frame whose
    /// head has not been handed out yet.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        debug_assert!(limit >= DEFAULT_MAX_FRAME_SIZE);
        self.limit = limit;
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Follows octets that went to the wire just as they are, because it was
    /// not yet known whether they are HTTP/2 at all. Calls `seen` for each
    /// frame.
    pub(crate) fn observe(&mut self, mut octets: &[u8], mut seen: impl FnMut(Head)) {
        while !octets.is_empty() {
            let (n, span) = self.deframer.next(octets);
            octets = &octets[n..];
            if let Some(Span::Head(head, octets)) = span {
                self.begin(head, &octets);
                self.rest = Rest::Verbatim;
                seen(head);
            }
        }
        self.head_sent = self.deframer.partial_head().len() as u8;
    }

    /// Follows `bufs`, if all of them go to the wire just as they are, and end
    /// where no part of a head is held back. Calls `seen` for each frame. Where
    /// they do not, the state is of no more use.
    #[inline]
    pub(crate) fn follow<'a>(
        &mut self,
        bufs: impl IntoIterator<Item = &'a [u8]>,
        mut seen: impl FnMut(Head),
    ) -> bool {
        if !matches!(self.rest, Rest::Verbatim) || !self.deframer.partial_head().is_empty() {
            return false;
        }
        for mut input in bufs {
            while !input.is_empty() {
                let (n, span) = self.deframer.next(input);
                input = &input[n..];
                match span {
                    Some(Span::Head(head, _))
                        if head.length <= self.limit
                            && !self.gains(head)
                            && !self.is_managed(head) =>
                    {
                        self.enter(head);
                        seen(head);
                    }
                    Some(Span::Head(..)) => return false,
                    Some(Span::Payload(_)) | None => {}
                }
            }
        }
        self.deframer.partial_head().is_empty()
    }

    /// The octets that were taken from the stack, but wait for the rest of their
    /// head. For the end of a connection: nothing follows.
    pub(crate) fn take_partial_head(&mut self) -> Vec<u8> {
        let taken = match self.rest {
            Rest::PadLength(head) => head.encode().to_vec(),
            Rest::Small { head, octets, len } => {
                let octets = &octets[..usize::from(len)];
                match head.kind == FrameType::WINDOW_UPDATE {
                    true => [&head.encode()[..], octets].concat(),
                    false => octets.to_vec(),
                }
            }
            _ => self.deframer.partial_head()[usize::from(self.head_sent)..].to_vec(),
        };
        *self = Self {
            limit: self.limit,
            window: self.window,
            ..Self::new()
        };
        taken
    }

    /// Whether a frame that is not the stack's may go to the wire here: between
    /// wire frames, outside of header blocks, and after the first frame.
    pub(crate) fn at_boundary(&self) -> bool {
        let between = match self.rest {
            Rest::Data { piece, .. } => piece == 0,
            Rest::Taken { .. } => true,
            _ => self.deframer.payload_left() == 0,
        };
        between && !self.in_block && self.head_sent == 0 && self.started
    }

    /// Whether there was no frame yet.
    pub(crate) fn at_start(&self) -> bool {
        !self.started
    }

    /// Whether the head of a frame was taken of which nothing is on the wire yet.
    pub(crate) fn holds_head(&self) -> bool {
        matches!(self.rest, Rest::PadLength(_))
    }

    /// Whether the stack is between two frames, or two header blocks.
    pub(crate) fn at_stack_boundary(&self) -> bool {
        matches!(self.rest, Rest::Verbatim) && self.deframer.payload_left() == 0 && !self.in_block
    }

    /// Consumes the front of `input` where DATA is to be queued, and cut later.
    /// Where nothing was taken and nothing comes of it, more input is needed.
    ///
    /// What is left of a DATA frame that is on the wire in part is queued from the
    /// next wire frame on.
    pub(crate) fn take(&mut self, input: &[u8]) -> (usize, Option<Taken>) {
        if let Rest::Data {
            head,
            pad: None,
            piece: 0,
            left,
        } = self.rest
        {
            self.rest = Rest::Taken { head, left };
        }
        if let Rest::Taken { head, left } = self.rest {
            return self.take_data(head, left, input);
        }
        if !self.at_stack_boundary() || self.head_sent > 0 {
            let (n, wire) = self.next(input, usize::MAX);
            return (n, wire.map(Taken::Wire));
        }
        match self.deframer.next(input) {
            (n, Some(Span::Head(head, _))) if head.kind == FrameType::DATA => {
                self.enter(head);
                let (_, taken) = self.take_data(head, head.length, &[]);
                (n, taken)
            }
            (n, Some(Span::Head(head, octets))) => (n, self.begin(head, &octets).map(Taken::Wire)),
            (n, _) => (n, None),
        }
    }

    fn take_data(&mut self, head: Head, left: u32, input: &[u8]) -> (usize, Option<Taken>) {
        let most = input.len().min(left as usize);
        let (octets, _) = self.deframer.next(&input[..most]);
        let left = left - octets as u32;
        let last = left == 0;
        self.rest = match last {
            true => Rest::Verbatim,
            false => Rest::Taken { head, left },
        };
        let taken = Taken::Data { head, octets, last };
        (octets, (last || octets > 0).then_some(taken))
    }

    /// Consumes the front of `input`, at most `max` octets of payload: how many
    /// octets it took, and what goes to the wire for them. Where nothing was
    /// taken and nothing goes out, more input is needed.
    pub(crate) fn next(&mut self, input: &[u8], max: usize) -> (usize, Option<Wire>) {
        if let Rest::Taken { head, left } = self.rest {
            let (pad, piece) = (None, 0);
            self.rest = Rest::Data {
                head,
                pad,
                piece,
                left,
            };
        }
        match self.rest {
            Rest::Taken { .. } | Rest::Verbatim => self.next_verbatim(input, max),
            Rest::PadLength(head) => self.next_pad_length(head, input),
            Rest::Small { head, octets, len } => self.next_small(head, octets, len, input),
            Rest::Data { piece: 0, .. } | Rest::Block { piece: 0, .. } if input.is_empty() => {
                (0, None)
            }
            Rest::Data {
                head,
                pad,
                piece: 0,
                left,
            } => (0, Some(self.data_head(head, pad, left))),
            Rest::Block {
                head,
                piece: 0,
                left,
            } if left > 0 => (0, Some(self.block_head(head, left))),
            Rest::Data { .. } | Rest::Block { .. } => self.next_cut(input, max),
        }
    }

    fn next_verbatim(&mut self, input: &[u8], max: usize) -> (usize, Option<Wire>) {
        let input = match self.deframer.payload_left() {
            0 => input,
            _ => &input[..input.len().min(max)],
        };
        match self.deframer.next(input) {
            (n, None) => (n, None),
            (n, Some(Span::Payload(m))) => (n, Some(Wire::Payload(m))),
            (n, Some(Span::Head(head, octets))) => (n, self.begin(head, &octets)),
        }
    }

    /// A head of the stack's is complete.
    fn begin(&mut self, head: Head, octets: &[u8; Head::LEN]) -> Option<Wire> {
        let gains = self.gains(head);
        self.enter(head);
        let sent = std::mem::take(&mut self.head_sent);
        let is_update = head.kind == FrameType::WINDOW_UPDATE;
        let rest = match self.is_managed(head) && (sent == 0 || !is_update) {
            true => Rest::Small {
                head,
                octets: [0; PARAMETER],
                len: 0,
            },
            false => Rest::Verbatim,
        };
        if is_update && matches!(rest, Rest::Small { .. }) {
            self.rest = rest;
            return None;
        }
        if gains && sent == 0 {
            let length = head.length + PARAMETER as u32;
            let lead = Lead::new(Head { length, ..head });
            self.rest = rest;
            return Some(Wire::Head(
                lead.with_parameter(no_rfc7540_priorities_parameter()),
            ));
        }
        let padded = head.flags.contains(Flags::PADDED);
        if head.length <= self.limit || sent > 0 {
            let mut lead = Lead::verbatim(head, octets);
            lead.start = sent;
            self.rest = rest;
            return Some(Wire::Head(lead));
        }
        match head.kind {
            FrameType::DATA | FrameType::HEADERS | FrameType::PUSH_PROMISE if padded => {
                self.rest = Rest::PadLength(head);
                None
            }
            FrameType::DATA => Some(self.data_head(head, None, head.length)),
            FrameType::HEADERS | FrameType::PUSH_PROMISE | FrameType::CONTINUATION => {
                Some(self.block_head(head, head.length))
            }
            _ => {
                self.rest = rest;
                Some(Wire::Head(Lead::verbatim(head, octets)))
            }
        }
    }

    /// A parameter of SETTINGS, or the increment of a `WINDOW_UPDATE`: once it is
    /// whole.
    fn next_small(
        &mut self,
        head: Head,
        mut octets: [u8; PARAMETER],
        len: u8,
        input: &[u8],
    ) -> (usize, Option<Wire>) {
        let is_update = head.kind == FrameType::WINDOW_UPDATE;
        let whole = if is_update { 4 } else { PARAMETER };
        let had = usize::from(len);
        let n = input.len().min(whole - had);
        octets[had..had + n].copy_from_slice(&input[..n]);
        let (n, _) = self.deframer.next(&input[..n]);
        if had + n < whole {
            let len = len + n as u8;
            self.rest = Rest::Small { head, octets, len };
            return (n, None);
        }
        let is_goaway = head.kind == FrameType::GOAWAY;
        self.rest = match self.deframer.payload_left() {
            0 => Rest::Verbatim,
            _ if is_goaway => Rest::Verbatim,
            _ => Rest::Small {
                head,
                octets,
                len: 0,
            },
        };
        let wire = match (self.window, octets) {
            (_, [a, b, c, d, ..]) if is_update => Wire::Withheld {
                stream: head.stream,
                // The highest bit is reserved (RFC 9113, section 6.9).
                increment: u32::from_be_bytes([a, b, c, d]) & (u32::MAX >> 1),
            },
            (_, octets) if is_goaway => Wire::Parameter(Lead::goaway(head, octets)),
            (most, octets) => {
                Wire::Parameter(Lead::parameter(head, octets, most.unwrap_or(u32::MAX)))
            }
        };
        (n, Some(wire))
    }

    /// Notes where the stack is.
    fn enter(&mut self, head: Head) {
        self.started = true;
        match head.kind {
            FrameType::HEADERS | FrameType::PUSH_PROMISE | FrameType::CONTINUATION => {
                self.in_block = !head.flags.contains(Flags::END_HEADERS);
            }
            _ => {}
        }
    }

    fn next_pad_length(&mut self, head: Head, input: &[u8]) -> (usize, Option<Wire>) {
        let Some(&pad) = input.first() else {
            return (0, None);
        };
        // One octet, which the deframer has to count as well.
        let (n, _) = self.deframer.next(&input[..1]);
        // A head over the limit is longer than any padding, so both of these
        // are positive.
        let wire = match head.kind {
            FrameType::DATA => self.data_head(head, Some(pad), head.length),
            _ => {
                let flags = head.flags.without(Flags::PADDED);
                let left = head.length - 1 - u32::from(pad);
                self.block_head(Head { flags, ..head }, left)
            }
        };
        (n, Some(wire))
    }

    /// The head of the next piece of a DATA frame. `left` counts the pad length
    /// octet as well, if there is one.
    fn data_head(&mut self, head: Head, pad: Option<u8>, left: u32) -> Wire {
        let length = data_piece(left as usize, self.limit as usize) as u32;
        let last = length == left;
        let wire = Head {
            length,
            flags: if last { head.flags } else { Flags::NONE },
            ..head
        };
        let (lead, piece, left) = match pad {
            Some(pad) if last => (Lead::new(wire).with_pad_length(pad), length - 1, left - 1),
            _ => (Lead::new(wire), length, left),
        };
        self.rest = if last {
            Rest::Verbatim
        } else {
            Rest::Data {
                head,
                pad,
                piece,
                left,
            }
        };
        debug_assert!(!last || left == self.deframer.payload_left());
        Wire::Head(lead)
    }

    /// The head of the next frame of a header block.
    fn block_head(&mut self, head: Head, left: u32) -> Wire {
        let length = left.min(self.limit);
        let last = length == left;
        let flags = match last {
            true => head.flags,
            false => head.flags.without(Flags::END_HEADERS),
        };
        let wire = Head {
            length,
            flags,
            ..head
        };
        // What follows is CONTINUATION, which knows one flag only.
        let next = Head {
            kind: FrameType::CONTINUATION,
            flags: Flags(head.flags.0 & Flags::END_HEADERS.0),
            ..head
        };
        self.rest = Rest::Block {
            head: next,
            piece: length,
            left,
        };
        Wire::Head(Lead::new(wire))
    }

    /// Payload within the current piece, or padding to drop behind the last.
    fn next_cut(&mut self, input: &[u8], max: usize) -> (usize, Option<Wire>) {
        let (Rest::Data { piece, left, .. } | Rest::Block { piece, left, .. }) = &mut self.rest
        else {
            return (0, None);
        };
        let dropping = *left == 0;
        let most = if dropping {
            input.len()
        } else {
            input.len().min(*piece as usize).min(max)
        };
        let (n, _) = self.deframer.next(&input[..most]);
        if !dropping {
            *piece -= n as u32;
            *left -= n as u32;
        }
        if self.deframer.payload_left() == 0 {
            self.rest = Rest::Verbatim;
        }
        (n, (!dropping && n > 0).then_some(Wire::Payload(n)))
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
