//! What the queues, the wire and the windows come to, kept as plainly as can be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ends::{DEFAULT_WINDOW, Event, number, parameter, unpad};
use crate::Priority;
use crate::proto::head::{Flags, FrameType};
use crate::proto::scheduler::tests::Naive;
use crate::proto::stream_state::Say;
use crate::proto::testing::Raw;

/// Octets since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    /// Granted by the peer.
    pub(super) granted: i64,
    /// Granted, as far as the stack knows, or will when it has read what it was
    /// given.
    pub(super) told: i64,
    /// Taken from the stack.
    pub(super) taken: i64,
    /// Sent to the peer.
    pub(super) wired: i64,
    /// Taken and dropped.
    pub(super) dropped: i64,
}

impl Totals {
    fn new(granted: i64, told: i64) -> Self {
        Self {
            granted,
            told,
            ..Self::default()
        }
    }

    /// What the peer takes now.
    pub(super) fn window(&self) -> i64 {
        self.granted - self.wired
    }

    /// What the stack has, and what waits.
    pub(super) fn at_hand(&self) -> i64 {
        self.told - self.wired - self.dropped
    }
}

pub(super) enum Item {
    Data {
        octets: Vec<u8>,
        padding: Option<u8>,
        end: bool,
    },
    /// A header block in the lane that what follows has to wait for.
    Block,
}

pub(super) struct Stream {
    pub(super) totals: Totals,
    pub(super) items: VecDeque<Item>,
    pub(super) ended: bool,
    priority: Priority,
    is_updated: bool,
    distrusts: bool,
    /// `RST_STREAM` with no error, after the end of the stream.
    late: Option<Raw>,
}

fn overhead(padding: Option<u8>) -> usize {
    padding.map_or(0, |padding| usize::from(padding) + 1)
}

impl Stream {
    fn sendable(&self, changed: i64) -> bool {
        let window = (self.totals.window() - changed).max(0) as usize;
        match self.items.front() {
            Some(Item::Data {
                octets, padding, ..
            }) if octets.is_empty() => window >= overhead(*padding),
            Some(Item::Data { .. }) => window > 0,
            Some(Item::Block) | None => false,
        }
    }

    fn drop_data(&mut self) -> i64 {
        let mut dropped = 0;
        self.items.retain(|item| match item {
            Item::Data {
                octets, padding, ..
            } => {
                dropped += octets.len() + overhead(*padding);
                false
            }
            Item::Block => true,
        });
        self.ended = true;
        self.totals.dropped += dropped as i64;
        dropped as i64
    }

    pub(super) fn queued(&self) -> i64 {
        self.totals.taken - self.totals.wired - self.totals.dropped
    }
}

/// A frame of the lane. A header block is one frame with no padding, of which
/// only the end of the stream is kept as a flag.
struct Unit {
    frame: Raw,
    fenced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Nothing,
    Ordered,
    Around,
    Data { stream: u32, in_turn: bool },
}

/// What has to happen.
pub(super) struct Oracle {
    is_server: bool,
    pub(super) streams: BTreeMap<u32, Stream>,
    pub(super) connection: Totals,
    /// The window of new streams: the peer's, and as the stack is told.
    pub(super) initial: (i64, i64),
    ordered: VecDeque<(u64, Unit)>,
    around: VecDeque<(u64, Unit)>,
    pushed: u64,
    scheduler: Naive,
    pub(super) reset: BTreeSet<u32>,
    idle: BTreeMap<u32, Priority>,
    last_opened: u32,
    /// The peer has lowered a window in the octets that are at hand.
    lowered: bool,
    /// `WINDOW_UPDATE` of streams, as the peer has sent them.
    updates: Vec<(u32, u32)>,
    /// Frame sizes of SETTINGS that came and were not acknowledged.
    pub(super) limits: VecDeque<usize>,
    pub(super) limit: usize,
    /// By how much these have changed windows.
    changes: VecDeque<i64>,
}

impl Oracle {
    pub(super) fn new(is_server: bool) -> Self {
        Self {
            is_server,
            streams: BTreeMap::new(),
            connection: Totals::new(DEFAULT_WINDOW, DEFAULT_WINDOW),
            initial: (DEFAULT_WINDOW, DEFAULT_WINDOW),
            ordered: VecDeque::new(),
            around: VecDeque::new(),
            pushed: 0,
            scheduler: Naive::default(),
            reset: BTreeSet::new(),
            idle: BTreeMap::new(),
            last_opened: 0,
            lowered: false,
            updates: Vec::new(),
            limits: VecDeque::new(),
            limit: 16_384,
            changes: VecDeque::new(),
        }
    }

    /// By how much the windows are to shrink with acknowledgements to come.
    fn changed(&self) -> i64 {
        self.changes.iter().sum::<i64>().min(0)
    }

    /// An acknowledgement has reached the peer.
    pub(super) fn acknowledged(&mut self) {
        self.limit = self.limits.pop_front().unwrap();
        self.changes.pop_front();
        let ids: Vec<u32> = self.streams.keys().copied().collect();
        ids.into_iter().for_each(|id| self.settle(id));
    }

    pub(super) fn open(&mut self, id: u32) {
        let (granted, told) = self.initial;
        let updated = self.idle.remove(&id);
        let stream = Stream {
            totals: Totals::new(granted, told),
            items: VecDeque::new(),
            ended: false,
            priority: updated.unwrap_or_default(),
            is_updated: updated.is_some(),
            distrusts: false,
            late: None,
        };
        self.streams.entry(id).or_insert(stream);
    }

    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        let nothing = |stream: &Stream| stream.items.is_empty();
        self.ordered.is_empty() && self.around.is_empty() && self.streams.values().all(nothing)
    }

    fn settle(&mut self, id: u32) {
        let changed = self.changed();
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.items.is_empty() && stream.ended {
            let late = stream.late.take();
            self.streams.remove(&id);
            self.scheduler.remove(id);
            if let Some(late) = late {
                self.push(late, false);
            }
        } else if stream.sendable(changed) {
            self.scheduler.insert(id, stream.priority);
        } else {
            self.scheduler.remove(id);
        }
    }

    fn push(&mut self, frame: Raw, fenced: bool) {
        let goes_around = frame.kind == FrameType::PING
            || (frame.kind == FrameType::WINDOW_UPDATE
                && (frame.stream == 0 || self.is_server && frame.stream % 2 == 1));
        let lane = match goes_around {
            true => &mut self.around,
            false => &mut self.ordered,
        };
        lane.push_back((self.pushed, Unit { frame, fenced }));
        self.pushed += 1;
    }
}

/// What the peer sends, as it gets to the transport.
impl Oracle {
    pub(super) fn delivered(&mut self, events: &[Event]) {
        self.lowered = false;
        for event in events {
            match event {
                Event::Head(head, _) => match head.kind {
                    FrameType::HEADERS if self.is_server && head.stream > self.last_opened => {
                        self.last_opened = head.stream;
                        self.open(head.stream);
                        self.idle.retain(|id, _| *id > head.stream);
                    }
                    FrameType::RST_STREAM => {
                        self.reset.insert(head.stream);
                        self.drop_stream(head.stream);
                    }
                    _ => {}
                },
                Event::Frame(frame) => self.delivered_frame(frame),
            }
        }
    }

    fn delivered_frame(&mut self, frame: &Raw) {
        match frame.kind {
            FrameType::SETTINGS if !frame.flags.contains(Flags::ACK) => {
                self.changes.push_back(0);
                if let Some(window) = parameter(frame, 4) {
                    let change = i64::from(window) - self.initial.0;
                    *self.changes.back_mut().unwrap() = change;
                    self.initial.0 += change;
                    self.lowered |= change < 0;
                    for stream in self.streams.values_mut() {
                        stream.totals.granted += change;
                    }
                    let ids: Vec<u32> = self.streams.keys().copied().collect();
                    ids.into_iter().for_each(|id| self.settle(id));
                }
                let last = self.limits.back().copied().unwrap_or(self.limit);
                self.limits
                    .push_back(parameter(frame, 5).map_or(last, |limit| limit as usize));
            }
            FrameType::WINDOW_UPDATE => {
                let increment = number(&frame.payload);
                if frame.stream == 0 {
                    self.connection.granted += i64::from(increment);
                } else if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    stream.totals.granted += i64::from(increment);
                    self.settle(frame.stream);
                }
                self.updates.push((frame.stream, increment));
            }
            FrameType::PRIORITY_UPDATE if self.is_server => {
                let id = number(&frame.payload[..4]);
                let field = crate::PriorityField::parse(&frame.payload[4..]);
                let priority = Priority::from(field);
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.is_updated = true;
                    if !stream.distrusts {
                        self.set_priority(id, priority);
                    }
                } else if id > self.last_opened {
                    self.idle.insert(id, priority);
                }
            }
            _ => {}
        }
    }

    fn set_priority(&mut self, id: u32, priority: Priority) {
        let stream = self.streams.get_mut(&id).unwrap();
        stream.priority = priority;
        self.settle(id);
    }

    pub(super) fn say(&mut self, id: u32, say: Say) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let signalled = stream.is_updated || stream.distrusts;
        let priority = match say {
            Say::Own(priority) => priority,
            Say::Field(priority) if !signalled => priority,
            Say::Field(_) => return,
            Say::Distrust => {
                stream.distrusts = true;
                if !stream.is_updated {
                    return;
                }
                Priority::default()
            }
        };
        self.set_priority(id, priority);
    }
}

/// What the stack is handed over.
impl Oracle {
    /// A stream may have `most` at hand after it was told something.
    pub(super) fn relayed(&mut self, events: &[Event], most: i64) {
        for event in events {
            let Event::Frame(frame) = event else {
                continue;
            };
            match frame.kind {
                FrameType::SETTINGS => {
                    if let Some(window) = parameter(frame, 4) {
                        let change = i64::from(window) - self.initial.1;
                        self.initial.1 += change;
                        for stream in self.streams.values_mut() {
                            stream.totals.told += change;
                        }
                    }
                    assert!(self.initial.1 <= self.initial.0.max(DEFAULT_WINDOW) || self.lowered);
                }
                FrameType::WINDOW_UPDATE => {
                    let increment = number(&frame.payload);
                    self.relayed_update(frame.stream, increment, most);
                }
                _ => {}
            }
        }
    }

    fn relayed_update(&mut self, id: u32, increment: u32, most: i64) {
        assert!(0 < increment && increment < 1 << 31, "C5");
        if id == 0 {
            self.connection.told += i64::from(increment);
            let Totals {
                granted,
                told,
                dropped,
                ..
            } = self.connection;
            assert!(told <= granted + dropped, "C2: of the connection");
        } else if let Some(stream) = self.streams.get_mut(&id) {
            let is_reset = self.reset.contains(&id);
            assert!(
                !stream.ended || is_reset,
                "C5: of a stream that the stack has ended"
            );
            stream.totals.told += i64::from(increment);
            let totals = stream.totals;
            assert!(
                totals.told <= totals.granted || self.lowered,
                "C2: {totals:?}"
            );
            assert!(totals.at_hand() <= most, "P3: {totals:?}");
        } else {
            // It is the peer's, or came before the peer's RST_STREAM.
            let passes = self.updates.iter().position(|u| *u == (id, increment));
            assert!(passes.is_some() || self.reset.contains(&id), "C5");
        }
    }
}

/// What the stack writes.
impl Oracle {
    /// A frame starts on the wire, just as the stack has it.
    pub(super) fn noted(&mut self, head: &Raw, length: usize) {
        let ends = head.flags.contains(Flags::END_STREAM);
        match head.kind {
            FrameType::DATA => {
                let length = length as i64;
                self.connection.taken += length;
                self.connection.wired += length;
                assert!(self.connection.window() >= 0, "F5: the connection's window");
                if let Some(stream) = self.streams.get_mut(&head.stream) {
                    stream.totals.taken += length;
                    stream.totals.wired += length;
                    stream.ended |= ends;
                    self.settle(head.stream);
                }
            }
            FrameType::HEADERS if ends => {
                self.streams.remove(&head.stream);
            }
            FrameType::HEADERS if !self.is_server => self.open(head.stream),
            FrameType::RST_STREAM => {
                self.streams.remove(&head.stream);
            }
            _ => {}
        }
    }

    pub(super) fn data(&mut self, id: u32, octets: &[u8], padding: Option<u8>, end: bool) {
        let flow = (octets.len() + overhead(padding)) as i64;
        self.connection.taken += flow;
        if self.reset.contains(&id) {
            self.connection.dropped += flow;
            return;
        }
        let stream = self.streams.get_mut(&id).expect("DATA of a known stream");
        stream.totals.taken += flow;
        stream.ended |= end;
        if let Some(Item::Data {
            octets: before,
            padding: None,
            end: ends,
        }) = stream.items.back_mut()
            && padding.is_none()
            && !*ends
        {
            before.extend(octets);
            *ends = end;
        } else {
            stream.items.push_back(Item::Data {
                octets: octets.to_vec(),
                padding,
                end,
            });
        }
        self.settle(id);
    }

    /// A frame that is not DATA, or a whole header block.
    pub(super) fn frame(&mut self, frame: Raw) {
        let id = frame.stream;
        let ends = frame.flags.contains(Flags::END_STREAM);
        let mut fenced = false;
        if frame.kind == FrameType::HEADERS {
            if !self.is_server && !ends {
                self.open(id);
            }
            let has_fence = self.ordered.iter().any(|(_, unit)| unit.fenced);
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.ended |= ends;
                fenced = !stream.items.is_empty() || has_fence;
                if fenced {
                    stream.items.push_back(Item::Block);
                }
                self.settle(id);
            }
        }
        if frame.kind == FrameType::RST_STREAM {
            if number(&frame.payload) == 0
                && let Some(stream) = self.streams.get_mut(&id)
                && stream.ended
            {
                // It is said after all the rest.
                stream.late = Some(frame);
                return;
            }
            if self.drop_stream(id) {
                for (_, unit) in &mut self.ordered {
                    if unit.frame.stream == id {
                        unit.frame.flags = unit.frame.flags.without(Flags::END_STREAM);
                    }
                }
            }
        }
        self.push(frame, fenced);
    }

    /// Whether anything was dropped.
    fn drop_stream(&mut self, id: u32) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else {
            return false;
        };
        let before = stream.items.len();
        self.connection.dropped += stream.drop_data();
        let dropped = stream.items.len() < before;
        self.settle(id);
        dropped
    }
}

/// What goes to the wire.
impl Oracle {
    pub(super) fn expected(&self) -> Expected {
        let changed = self.changed();
        let next = match (self.ordered.front(), self.around.front()) {
            (None, None) => Expected::Nothing,
            (None, Some(_)) => Expected::Around,
            (Some((_, first)), Some(_)) if first.fenced => Expected::Around,
            (Some((first, _)), Some((second, _))) if second < first => Expected::Around,
            (Some((_, first)), None) if first.fenced => {
                let id = first.frame.stream;
                let stream = self.streams.get(&id);
                match stream.and_then(|stream| stream.items.front()) {
                    Some(Item::Data { .. }) if stream.is_some_and(|s| s.sendable(changed)) => {
                        return Expected::Data {
                            stream: id,
                            in_turn: false,
                        };
                    }
                    Some(Item::Data { .. }) => Expected::Nothing,
                    Some(Item::Block) | None => Expected::Ordered,
                }
            }
            (Some(_), _) => Expected::Ordered,
        };
        match self.scheduler.next() {
            Some(stream) if next == Expected::Nothing => Expected::Data {
                stream,
                in_turn: true,
            },
            _ => next,
        }
    }

    /// These frames went out: a header block, or one other frame.
    pub(super) fn emitted(&mut self, expected: Expected, frames: &[Raw], limit: usize) {
        match expected {
            Expected::Nothing => assert!(frames.is_empty()),
            Expected::Data { stream, in_turn } => {
                assert_eq!(frames.len(), 1);
                assert_eq!(frames[0].kind, FrameType::DATA);
                assert_eq!(frames[0].stream, stream, "P2");
                self.emitted_data(&frames[0], limit);
                if in_turn {
                    self.scheduler.served(stream, frames[0].payload.len());
                }
                self.settle(stream);
            }
            Expected::Ordered | Expected::Around => {
                let lane = match expected {
                    Expected::Ordered => &mut self.ordered,
                    _ => &mut self.around,
                };
                let (_, unit) = lane.pop_front().unwrap();
                assert!(joined(frames) == unit.frame, "O2, O3");
                if unit.fenced
                    && let Some(stream) = self.streams.get_mut(&unit.frame.stream)
                {
                    assert!(matches!(stream.items.pop_front(), Some(Item::Block)));
                }
                self.settle(unit.frame.stream);
            }
        }
    }

    fn emitted_data(&mut self, frame: &Raw, limit: usize) {
        let changed = self.changed();
        let stream = self.streams.get_mut(&frame.stream).unwrap();
        let flow = frame.payload.len();
        let window = (stream.totals.window() - changed).max(0) as usize;
        assert!(flow <= window, "C2: {flow} > {window}");
        assert!(flow <= limit && self.limits.iter().all(|limit| flow <= *limit));
        stream.totals.wired += flow as i64;
        self.connection.wired += flow as i64;
        assert!(self.connection.window() >= 0);
        let Some(Item::Data {
            octets,
            padding,
            end,
        }) = stream.items.front_mut()
        else {
            panic!("O1: a header block goes first");
        };
        let whole = octets.len() + overhead(*padding);
        let (content, pad) = unpad(frame);
        assert!(octets[..content.len()] == *content, "O1: other octets");
        octets.drain(..content.len());
        let is_last = flow == whole;
        assert_eq!(pad, padding.filter(|_| is_last));
        assert_eq!(
            frame.flags.contains(Flags::END_STREAM),
            is_last && *end,
            "F4"
        );
        if is_last {
            stream.items.pop_front();
        } else {
            assert!((flow >= 256 && whole - flow >= 256) || window < 512, "F4");
        }
    }
}

/// A header block, or one other frame, in the way of [`Unit`].
pub(super) fn joined(frames: &[Raw]) -> Raw {
    let mut whole = frames[0].clone();
    if whole.kind != FrameType::HEADERS {
        assert_eq!(frames.len(), 1);
        return whole;
    }
    whole.payload = unpad(&frames[0]).0.to_vec();
    whole.flags = Flags(whole.flags.0 & Flags::END_STREAM.0);
    for (i, frame) in frames.iter().enumerate() {
        assert_eq!(
            frame.flags.contains(Flags::END_HEADERS),
            i + 1 == frames.len()
        );
        if i > 0 {
            assert_eq!(frame.kind, FrameType::CONTINUATION);
            assert_eq!(frame.stream, whole.stream);
            whole.payload.extend(&frame.payload);
        }
    }
    whole
}

/// Follows what the stack writes, to tell what of it is queued.
#[derive(Default)]
pub(super) struct Feed {
    head: Vec<u8>,
    frame: Option<Feeding>,
    block: Option<(Vec<Raw>, bool)>,
}

struct Feeding {
    raw: Raw,
    length: usize,
    left: usize,
    /// It goes to the wire where it is. `None` while nothing of it has gone
    /// anywhere.
    in_place: Option<bool>,
}

impl Feed {
    /// `missing` octets complete a frame that is on the wire in part.
    pub(super) fn push(
        &mut self,
        mut octets: &[u8],
        queueing: bool,
        mut missing: usize,
        limit: usize,
        oracle: &mut Oracle,
    ) {
        while !octets.is_empty() {
            let Some(feeding) = &mut self.frame else {
                let n = octets.len().min(9 - self.head.len());
                self.head.extend(&octets[..n]);
                octets = &octets[n..];
                if self.head.len() == 9 {
                    let head = std::mem::take(&mut self.head);
                    let length = number(&head[..3]) as usize;
                    let raw = Raw {
                        kind: FrameType(head[3]),
                        flags: Flags(head[4]),
                        stream: number(&head[5..]),
                        payload: Vec::new(),
                    };
                    // The length of its padding has to be known.
                    let is_open = raw.kind == FrameType::HEADERS
                        && raw.flags.contains(Flags::PADDED)
                        && length > limit;
                    self.frame = Some(Feeding {
                        raw,
                        length,
                        left: length,
                        in_place: (!is_open).then_some(!queueing),
                    });
                    if length == 0 {
                        self.finish(oracle);
                    }
                }
                continue;
            };
            let n = octets.len().min(feeding.left);
            let (now, rest) = octets.split_at(n);
            octets = rest;
            feeding.left -= n;
            let in_place = *feeding.in_place.get_or_insert(!queueing);
            let raw = &mut feeding.raw;
            if raw.kind == FrameType::DATA && !raw.flags.contains(Flags::PADDED) {
                let end = feeding.left == 0 && raw.flags.contains(Flags::END_STREAM);
                let on_wire = match (in_place, queueing) {
                    (true, true) => missing.min(n),
                    (true, false) => n,
                    (false, _) => 0,
                };
                missing -= missing.min(on_wire);
                if on_wire < n {
                    oracle.data(raw.stream, &now[on_wire..], None, end);
                }
            } else {
                raw.payload.extend(now);
            }
            if feeding.left == 0 {
                self.finish(oracle);
            }
        }
    }

    fn finish(&mut self, oracle: &mut Oracle) {
        let Some(Feeding {
            raw,
            length,
            in_place,
            ..
        }) = self.frame.take()
        else {
            return;
        };
        let in_place = in_place.unwrap_or(false);
        let ends_block = raw.flags.contains(Flags::END_HEADERS);
        match raw.kind {
            FrameType::HEADERS | FrameType::CONTINUATION => {
                let (mut frames, was_in_place) =
                    self.block.take().unwrap_or((Vec::new(), in_place));
                frames.push(raw);
                if !ends_block {
                    self.block = Some((frames, was_in_place));
                } else if !was_in_place {
                    oracle.frame(joined(&frames));
                }
            }
            _ if in_place => {}
            FrameType::DATA => {
                let (content, padding) = unpad(&raw);
                let end = raw.flags.contains(Flags::END_STREAM);
                if padding.is_some() || length == 0 {
                    oracle.data(raw.stream, content, padding, end);
                }
            }
            _ => oracle.frame(raw),
        }
    }
}
