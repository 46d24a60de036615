//! From the wire to the stack: passes everything, but for a few edits.
//!
//! - A SETTINGS frame tells the stack a larger frame size than the peer's own,
//!   so that it hands over large DATA frames, which
//!   [`outbound`](super::outbound) cuts (rules F5, F6); and a smaller window of
//!   new streams, because the stack is told of the peer's credit as there is room
//!   for it ([`streams`](super::streams), rule C2).
//! - `WINDOW_UPDATE` of a stream is taken out, and put in later.
//! - The acknowledgements of PINGs that were not the stack's are taken out.
//! - Header blocks may be tagged with their stream ([`tag`](super::tag)).
//! - Before DATA that the peer must not have sent, by what *it* was told of credit,
//!   the stack gets a `WINDOW_UPDATE` that it has to refuse with
//!   `FLOW_CONTROL_ERROR`, since it has granted more itself.

use std::collections::VecDeque;
use std::ops::Range;

use super::block_end::BlockEnd;
use super::counts::FrameCounts;
use super::deframer::{Deframer, Span};
use super::frame::DEFAULT_MAX_FRAME_SIZE;
use super::head::{Flags, FrameType, Head, StreamId};
use super::priority::Priority;
use super::priority_update::PriorityUpdate;
use super::settings::{self, InitialWindow};
use super::streams::Streams;
use super::tag::Tagger;

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
    /// What SETTINGS say that are too large to be held.
    large_settings: Option<InitialWindow>,
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
    /// What the stack has got since the last pause.
    work: u32,
    /// PINGs of our own that are not acknowledged.
    pings: Vec<[u8; 8]>,
    acked: Vec<[u8; 8]>,
    counts: FrameCounts,
    /// Whether a header block is open: nothing may come between its frames.
    in_block: bool,
    tagger: Option<Tagger>,
    /// The stream whose header block is open and is to be tagged at its end.
    to_tag: Option<StreamId>,
    /// How far the block that is to be tagged has come.
    block: BlockEnd,
    /// Streams whose blocks were tagged since somebody asked.
    tagged: VecDeque<StreamId>,
    /// Streams of a client on which nothing more comes, if blocks are tagged.
    ended: VecDeque<StreamId>,
    /// The stream whose DATA starts with the length of its padding, and whether that
    /// is its end.
    padded: Option<(StreamId, bool)>,
}

/// What a frame costs the stack and the transport beside its octets, in octets.
const FRAME_WORK: u32 = 4 * 1024;

/// What a SETTINGS frame costs more for each stream that may be sent on, as it may
/// change the windows of all (RFC 9113, section 6.9.2).
const STREAM_WORK: u32 = 512;

/// How much the stack gets at most before a pause: 1,024 small frames, or some 200 of
/// the usual size. The stack reads until there is nothing left, and one read here
/// holds as many small frames as a few dozen of its own, so other tasks would wait
/// long for their turn.
const MOST_WORK: u32 = 4 << 20;

/// A `PRIORITY_UPDATE` of more octets says nothing that is understood here.
const MAX_PRIORITY_UPDATE: u32 = 1024;

impl Inbound {
    /// `told` is the frame size that the stack shall use at least; `turn` is how
    /// many header blocks of a burst it gets before a pause.
    pub(crate) fn new(told: u32, turn: u32, tagger: Option<Tagger>) -> Self {
        Self {
            deframer: Deframer::default(),
            held: None,
            large_settings: None,
            told,
            has_told: false,
            peer_limit: DEFAULT_MAX_FRAME_SIZE,
            unacknowledged: 0,
            least_limit: DEFAULT_MAX_FRAME_SIZE,
            turn,
            blocks: 0,
            work: 0,
            pings: Vec::new(),
            acked: Vec::new(),
            counts: FrameCounts::default(),
            in_block: false,
            tagger,
            to_tag: None,
            block: BlockEnd::default(),
            tagged: VecDeque::new(),
            ended: VecDeque::new(),
            padded: None,
        }
    }

    /// Consumes `input` from `at` on, and appends to `runs` what the stack
    /// shall see. Ranges count from the start of `input`, so `runs` must not
    /// hold ranges of another one.
    pub(crate) fn process(
        &mut self,
        input: &[u8],
        mut at: usize,
        runs: &mut VecDeque<Run>,
        streams: &mut Streams,
    ) {
        while at < input.len() {
            let is_carried = !self.deframer.partial_head().is_empty();
            let (n, span) = self.deframer.next(&input[at..]);
            let range = at..at + n;
            at += n;
            match span {
                None => {}
                Some(Span::Head(head, octets)) => {
                    if !self.in_block {
                        tell(streams, runs);
                    }
                    if self.works_long(head, streams) {
                        runs.push_back(Run::Pause);
                    }
                    self.begin(head, runs, streams);
                    if self.is_of_interest(head, streams) {
                        self.held = Some(octets.to_vec());
                        self.finish_held(runs, streams);
                    } else if is_carried {
                        runs.push_back(Run::Octets(octets.to_vec()));
                    } else {
                        pass(runs, range);
                    }
                }
                Some(Span::Payload(_)) => match &mut self.held {
                    Some(held) => {
                        held.extend_from_slice(&input[range]);
                        self.finish_held(runs, streams);
                    }
                    None => {
                        if let Some((stream, ends)) = self.padded.take() {
                            let octets = u32::from(input[range.start]) + 1;
                            streams.receives_padding(stream, octets, ends);
                        }
                        if let Some(window) = &mut self.large_settings {
                            window.read(&input[range.clone()]);
                        }
                        pass(runs, range);
                    }
                },
            }
            if self.deframer.payload_left() == 0
                && let Some(window) = self.large_settings.take()
                && let Some(window) = window.last()
            {
                streams.pass_initial_window(window);
            }
        }
        if self.at_boundary() {
            tell(streams, runs);
        }
    }

    /// Whether octets of our own may come next: between frames, and outside of
    /// header blocks.
    pub(crate) fn at_boundary(&self) -> bool {
        self.deframer.payload_left() == 0
            && self.deframer.partial_head().is_empty()
            && !self.in_block
    }

    /// A stream whose header block was tagged since the last call.
    pub(crate) fn next_tagged(&mut self) -> Option<StreamId> {
        self.tagged.pop_front()
    }

    /// A stream of a client on which nothing more comes.
    pub(crate) fn next_ended(&mut self) -> Option<StreamId> {
        self.ended.pop_front()
    }

    /// Notes what the head of a frame says.
    fn begin(&mut self, head: Head, runs: &mut VecDeque<Run>, streams: &mut Streams) {
        self.counts.add(head.kind);
        if head.length > DEFAULT_MAX_FRAME_SIZE {
            // It is not held, so its block is not followed.
            self.to_tag = None;
        }
        let ends = head.flags.contains(Flags::END_STREAM);
        match head.kind {
            FrameType::HEADERS => {
                if self.ends_turn() {
                    runs.push_back(Run::Pause);
                }
                let opens = streams.opens(head.stream);
                streams.receives_block(head.stream, opens, ends);
                // A client does not know which block is the last but one.
                let is_tagged =
                    opens || (!streams.is_server() && !ends && !streams.is_reset(head.stream));
                let is_tagged = is_tagged && head.length <= DEFAULT_MAX_FRAME_SIZE;
                self.to_tag = (self.tagger.is_some() && is_tagged).then_some(head.stream);
                self.block = BlockEnd::default();
                self.in_block = !head.flags.contains(Flags::END_HEADERS);
            }
            FrameType::PUSH_PROMISE => {
                self.in_block = !head.flags.contains(Flags::END_HEADERS);
            }
            FrameType::CONTINUATION if head.flags.contains(Flags::END_HEADERS) => {
                self.in_block = false;
            }
            FrameType::DATA => {
                let is_padded = head.flags.contains(Flags::PADDED) && head.length > 0;
                self.padded = is_padded.then_some((head.stream, ends));
                let ends_here = ends && !is_padded;
                let is_allowed = streams.receives_data(head.stream, head.length, ends_here);
                if !is_allowed && !self.in_block {
                    runs.push_back(Run::Octets(streams.overflow(StreamId::CONNECTION)));
                }
            }
            FrameType::RST_STREAM => {
                streams.reset(head.stream);
                streams.receives_no_more(head.stream, false);
            }
            FrameType::GOAWAY => streams.peer_goes_away(),
            FrameType::SETTINGS if head.flags.contains(Flags::ACK) => streams.peer_acknowledges(),
            FrameType::SETTINGS => {
                self.unacknowledged = self.unacknowledged.saturating_add(1);
                streams.settings();
                if head.length > DEFAULT_MAX_FRAME_SIZE {
                    // It passes as it is: the least is never wrong.
                    self.peer_limit = DEFAULT_MAX_FRAME_SIZE;
                    self.least_limit = DEFAULT_MAX_FRAME_SIZE;
                    self.large_settings = Some(InitialWindow::default());
                }
            }
            _ => {}
        }
        let may_end = matches!(head.kind, FrameType::HEADERS | FrameType::DATA) && ends;
        if self.tagger.is_some()
            && !streams.is_server()
            && (may_end || head.kind == FrameType::RST_STREAM)
        {
            self.ended.push_back(head.stream);
        }
    }

    /// The stack has got all there is, and acts on it: a pause by itself.
    pub(crate) fn rested(&mut self) {
        self.blocks = 0;
        self.work = 0;
    }

    /// A frame starts. Whether there is to be a pause before it, so that other tasks
    /// have their turn.
    fn works_long(&mut self, head: Head, streams: &Streams) -> bool {
        let mut work = self.work + FRAME_WORK + head.length;
        if head.kind == FrameType::SETTINGS {
            let streams = u32::try_from(streams.len()).unwrap_or(u32::MAX);
            work = work.saturating_add(streams.saturating_mul(STREAM_WORK));
        }
        let is_long = work > MOST_WORK && self.work > 0;
        self.work = if is_long { 0 } else { work };
        is_long
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

    /// Whether a frame has to be seen whole before it is handed over. Each kind
    /// has a bound, which is also that of `held`.
    fn is_of_interest(&self, head: Head, streams: &Streams) -> bool {
        let is_connection = head.stream.is_connection();
        let ack = head.flags.contains(Flags::ACK);
        match head.kind {
            // One over the default frame size, if the stack takes it at all,
            // tells the stack the truth, and then there is nothing to cut.
            FrameType::SETTINGS => {
                is_connection
                    && !ack
                    && head.length.is_multiple_of(6)
                    && head.length <= DEFAULT_MAX_FRAME_SIZE
            }
            FrameType::PING => is_connection && ack && head.length == 8 && !self.pings.is_empty(),
            FrameType::WINDOW_UPDATE => {
                head.length == 4 && (is_connection || streams.knows(head.stream))
            }
            FrameType::PRIORITY_UPDATE => {
                is_connection
                    && streams.is_server()
                    && (4..=MAX_PRIORITY_UPDATE).contains(&head.length)
            }
            FrameType::HEADERS | FrameType::CONTINUATION => {
                self.to_tag == Some(head.stream) && head.length <= DEFAULT_MAX_FRAME_SIZE
            }
            _ => false,
        }
    }

    /// Hands over the held frame, once it is whole.
    fn finish_held(&mut self, runs: &mut VecDeque<Run>, streams: &mut Streams) {
        if self.deframer.payload_left() > 0 {
            return;
        }
        let Some(frame) = self.held.take() else {
            return;
        };
        let edited = match FrameType(frame[3]) {
            FrameType::SETTINGS => Some(self.edit_settings(frame, streams)),
            FrameType::PING => self.take_ping_ack(frame),
            FrameType::WINDOW_UPDATE => take_window_update(frame, streams),
            FrameType::HEADERS | FrameType::CONTINUATION => Some(self.tag_block(frame)),
            _ => {
                if let Ok(update) = PriorityUpdate::parse(StreamId::CONNECTION, &frame[Head::LEN..])
                {
                    streams.priority_update(update.stream(), Priority::from(update.field()));
                }
                Some(frame)
            }
        };
        runs.extend(edited.map(Run::Octets));
    }

    /// Tags a header block where it ends. The padding goes. One that does not end
    /// where its last frame does is the stack's to refuse, and stays as it is, as
    /// does one that leaves no room.
    fn tag_block(&mut self, frame: Vec<u8>) -> Vec<u8> {
        let (Some(tagger), Some(stream), Some((head, payload))) =
            (self.tagger, self.to_tag, frame.split_first_chunk())
        else {
            return frame;
        };
        let head = Head::decode(head);
        let is_first = head.kind == FrameType::HEADERS;
        let is_last = head.flags.contains(Flags::END_HEADERS);
        if is_last {
            self.to_tag = None;
        }
        let Some(octets) = unpadded(head, payload) else {
            self.to_tag = None;
            return frame;
        };
        let fields = match is_first && head.flags.contains(Flags::PRIORITY) {
            true => 5,
            false => 0,
        };
        self.block.follow(octets.get(fields..).unwrap_or_default());
        let length = octets.len() + Tagger::LEN;
        let is_whole = self.block.is_complete() && octets.len() >= fields;
        if !is_last || !is_whole || length > DEFAULT_MAX_FRAME_SIZE as usize {
            return frame;
        }
        let edited = Head {
            length: length as u32,
            flags: match is_first {
                true => head.flags.without(Flags::PADDED),
                false => head.flags,
            },
            ..head
        };
        self.tagged.push_back(stream);
        [&edited.encode()[..], octets, &tagger.field(stream)].concat()
    }

    fn edit_settings(&mut self, mut frame: Vec<u8>, streams: &mut Streams) -> Vec<u8> {
        let payload = &mut frame[Head::LEN..];
        let Ok(named) = settings::max_frame_size(payload) else {
            return frame;
        };
        let (mut front, mut back) = (Vec::new(), Vec::new());
        if let Ok(Some(window)) = settings::initial_window_size(payload) {
            let overflow = streams.overflow_by_settings(window);
            let told = streams.set_initial_window(window);
            if let Some(octets) = overflow {
                front = octets;
                back = streams.overflow(StreamId::CONNECTION);
                settings::overflow_initial_window_size(payload);
            } else if told < window {
                settings::lower_initial_window_size(payload, told);
            }
        }
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
        front.extend(frame);
        front.extend(back);
        front
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

/// What is in a frame of a header block without its padding; none if it has more
/// than there is.
fn unpadded(head: Head, payload: &[u8]) -> Option<&[u8]> {
    if head.kind != FrameType::HEADERS || !head.flags.contains(Flags::PADDED) {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    let octets = rest.len().checked_sub(usize::from(padding))?;
    Some(&rest[..octets])
}

/// Appends what the stack is to be told of the peer's credit.
pub(crate) fn tell(streams: &mut Streams, runs: &mut VecDeque<Run>) {
    if streams.has_tells() {
        let mut octets = Vec::new();
        streams.tell(&mut octets);
        if !octets.is_empty() {
            runs.push_back(Run::Octets(octets));
        }
    }
}

/// A `WINDOW_UPDATE`: `None` if the stack is told later.
fn take_window_update(frame: Vec<u8>, streams: &mut Streams) -> Option<Vec<u8>> {
    let (Some(&head), Some(&increment)) = (frame.first_chunk(), frame.last_chunk()) else {
        return Some(frame);
    };
    // The highest bit is reserved (RFC 9113, section 6.9).
    let increment = u32::from_be_bytes(increment) & (u32::MAX >> 1);
    let stream = Head::decode(&head).stream;
    if streams.overflows(stream, increment) {
        return Some(streams.overflow(stream));
    }
    let is_held = streams.window_update(stream, increment);
    (!is_held).then_some(frame)
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

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
