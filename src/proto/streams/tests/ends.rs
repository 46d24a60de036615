//! Both ends of a connection, as plainly as can be: a stack that keeps to the
//! windows it knows of, and a peer that counts what it gets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::proto::credit::MAX_WINDOW;
use crate::proto::head::{Flags, FrameType};
use crate::proto::testing::Raw;

/// The window that HTTP/2 starts with.
pub(crate) const DEFAULT_WINDOW: i64 = 65_535;

/// Something that octets have made whole.
pub(crate) enum Event {
    /// The head of a frame: it has no payload yet.
    Head(Raw, usize),
    Frame(Raw),
}

/// Splits octets into frames, however they come.
#[derive(Default)]
pub(crate) struct Splitter {
    octets: Vec<u8>,
    has_head: bool,
}

impl Splitter {
    pub(crate) fn push(&mut self, octets: &[u8]) -> Vec<Event> {
        self.octets.extend(octets);
        let mut events = Vec::new();
        let mut at = 0;
        while let Some(head) = self.octets.get(at..at + 9) {
            let length = head[..3].iter().fold(0, |n, o| n << 8 | usize::from(*o));
            let id = head[5..9].iter().fold(0, |n, o| n << 8 | u32::from(*o));
            let mut raw = Raw {
                kind: FrameType(head[3]),
                flags: Flags(head[4]),
                stream: id & (u32::MAX >> 1),
                payload: Vec::new(),
            };
            if !self.has_head {
                events.push(Event::Head(raw.clone(), length));
                self.has_head = true;
            }
            let Some(payload) = self.octets.get(at + 9..at + 9 + length) else {
                break;
            };
            raw.payload = payload.to_vec();
            events.push(Event::Frame(raw));
            self.has_head = false;
            at += 9 + length;
        }
        self.octets.drain(..at);
        events
    }

    /// Octets that the payload of the last frame lacks.
    pub(crate) fn missing(&self) -> usize {
        if self.octets.is_empty() {
            return 0;
        }
        let length = self.octets[..3].iter();
        let length = length.fold(0, |n, o| n << 8 | usize::from(*o));
        length + 9 - self.octets.len()
    }

    /// No part of a frame is left.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.octets.is_empty()
    }
}

pub(crate) fn number(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |n, o| n << 8 | u32::from(*o))
}

/// The last value of a parameter of SETTINGS.
pub(crate) fn parameter(settings: &Raw, id: u8) -> Option<u32> {
    let named = settings.payload.chunks(6).filter(|p| p[..2] == [0, id]);
    named.map(|p| number(&p[2..])).next_back()
}

/// Content and padding, with its length octet, of a frame that may be padded.
pub(crate) fn unpad(frame: &Raw) -> (&[u8], Option<u8>) {
    if !frame.flags.contains(Flags::PADDED) {
        return (&frame.payload, None);
    }
    let pad = frame.payload[0];
    let end = frame.payload.len() - usize::from(pad);
    (&frame.payload[1..end], Some(pad))
}

pub(crate) fn raw(kind: FrameType, flags: Flags, stream: u32, payload: Vec<u8>) -> Raw {
    Raw {
        kind,
        flags,
        stream,
        payload,
    }
}

pub(crate) fn settings(parameters: &[(u8, u32)]) -> Raw {
    let mut payload = Vec::new();
    for (id, value) in parameters {
        payload.extend([0, *id]);
        payload.extend(value.to_be_bytes());
    }
    raw(FrameType::SETTINGS, Flags::NONE, 0, payload)
}

pub(crate) fn update(stream: u32, increment: u32) -> Raw {
    let payload = increment.to_be_bytes().to_vec();
    raw(FrameType::WINDOW_UPDATE, Flags::NONE, stream, payload)
}

/// A stack that keeps to the windows it knows of.
pub(crate) struct Stack {
    pub(crate) is_server: bool,
    pub(crate) initial: i64,
    pub(crate) connection: i64,
    pub(crate) streams: BTreeMap<u32, Sending>,
    /// Octets that the transport has not handed over yet.
    pub(crate) inbox: VecDeque<u8>,
    pub(crate) reading: Splitter,
    /// Octets that the transport has not taken yet.
    pub(crate) outbox: VecDeque<u8>,
    pub(crate) written: Vec<Raw>,
    pub(crate) blocks: u32,
}

#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) window: i64,
    pub(crate) answered: bool,
    pub(crate) ended: bool,
}

impl Stack {
    pub(crate) fn new(is_server: bool) -> Self {
        Self {
            is_server,
            initial: DEFAULT_WINDOW,
            connection: DEFAULT_WINDOW,
            streams: BTreeMap::new(),
            inbox: VecDeque::new(),
            reading: Splitter::default(),
            outbox: VecDeque::new(),
            written: Vec::new(),
            blocks: 0,
        }
    }

    pub(crate) fn write(&mut self, frame: Raw) {
        let mut octets = Vec::new();
        frame.encode(&mut octets);
        self.outbox.extend(octets);
        self.written.push(frame);
    }

    pub(crate) fn open(&mut self, stream: u32) {
        let sending = Sending {
            window: self.initial,
            answered: false,
            ended: false,
        };
        self.streams.insert(stream, sending);
    }

    pub(crate) fn read(&mut self, n: usize) {
        let n = n.min(self.inbox.len());
        let octets: Vec<u8> = self.inbox.drain(..n).collect();
        for event in self.reading.push(&octets) {
            let Event::Frame(frame) = event else {
                continue;
            };
            match frame.kind {
                FrameType::HEADERS if self.is_server => self.open(frame.stream),
                FrameType::SETTINGS if !frame.flags.contains(Flags::ACK) => {
                    if let Some(window) = parameter(&frame, 4) {
                        let change = i64::from(window) - self.initial;
                        self.initial += change;
                        for stream in self.streams.values_mut() {
                            stream.window += change;
                            assert!(stream.window <= MAX_WINDOW, "C5");
                        }
                    }
                    self.write(raw(FrameType::SETTINGS, Flags::ACK, 0, vec![]));
                }
                FrameType::WINDOW_UPDATE => {
                    let increment = i64::from(number(&frame.payload));
                    if frame.stream == 0 {
                        self.connection += increment;
                        assert!(self.connection <= MAX_WINDOW, "C5");
                    } else if let Some(stream) = self.streams.get_mut(&frame.stream) {
                        stream.window += increment;
                        assert!(stream.window <= MAX_WINDOW, "C5");
                    }
                }
                FrameType::RST_STREAM => {
                    self.streams.remove(&frame.stream);
                }
                _ => {}
            }
        }
    }

    /// A header block with content of its own.
    pub(crate) fn headers(&mut self, stream: u32, size: usize, end: bool, kind: u32) {
        self.blocks += 1;
        let mut content = self.blocks.to_be_bytes().to_vec();
        content.resize(content.len() + size, self.blocks as u8);
        let mut flags = if end { Flags::END_STREAM } else { Flags::NONE };
        match kind % 4 {
            0 => {
                flags = flags.with(Flags::PADDED);
                content.insert(0, 7);
                content.extend([0; 7]);
                let flags = flags.with(Flags::END_HEADERS);
                self.write(raw(FrameType::HEADERS, flags, stream, content));
            }
            1 => {
                let rest = content.split_off(3);
                self.write(raw(FrameType::HEADERS, flags, stream, content));
                let flags = Flags::END_HEADERS;
                self.write(raw(FrameType::CONTINUATION, flags, stream, rest));
            }
            _ => {
                let flags = flags.with(Flags::END_HEADERS);
                self.write(raw(FrameType::HEADERS, flags, stream, content));
            }
        }
        let sending = self.streams.get_mut(&stream).unwrap();
        sending.answered = true;
        sending.ended = end;
    }

    /// DATA as far as the windows allow.
    pub(crate) fn data(&mut self, stream: u32, size: usize, padding: Option<u8>, end: bool) {
        let sending = self.streams.get_mut(&stream).unwrap();
        let overhead = padding.map_or(0, |padding| i64::from(padding) + 1);
        let window = sending.window.min(self.connection) - overhead;
        let size = size.min(window.max(0) as usize);
        if window < 0 && overhead > 0 {
            return;
        }
        let flow = size as i64 + overhead;
        sending.window -= flow;
        self.connection -= flow;
        sending.ended = end;
        let seed = self.written.len();
        let content = (0..size).map(|i| (i * 7 + seed) as u8);
        let mut flags = if end { Flags::END_STREAM } else { Flags::NONE };
        let payload = match padding {
            Some(padding) => {
                flags = flags.with(Flags::PADDED);
                let zeros = std::iter::repeat_n(0, usize::from(padding));
                std::iter::once(padding)
                    .chain(content)
                    .chain(zeros)
                    .collect()
            }
            None => content.collect(),
        };
        self.write(raw(FrameType::DATA, flags, stream, payload));
    }

    pub(crate) fn reset(&mut self, stream: u32, code: u32) {
        self.streams.remove(&stream);
        let payload = code.to_be_bytes().to_vec();
        self.write(raw(FrameType::RST_STREAM, Flags::NONE, stream, payload));
    }

    /// One of the streams for which that holds.
    pub(crate) fn pick(&self, n: usize, holds: impl Fn(&Sending) -> bool) -> Option<u32> {
        let all = self.streams.iter().filter(|(_, sending)| holds(sending));
        let all: Vec<u32> = all.map(|(stream, _)| *stream).collect();
        all.get(n % all.len().max(1)).copied()
    }
}

/// A peer that counts what it gets.
pub(crate) struct Peer {
    pub(crate) outbox: VecDeque<u8>,
    pub(crate) next: u32,
    pub(crate) connection: i64,
    /// What each stream was granted by `WINDOW_UPDATE`, less what came.
    pub(crate) streams: BTreeMap<u32, i64>,
    pub(crate) reset: BTreeSet<u32>,
    /// The windows and frame sizes that it has asked for: first what was
    /// acknowledged.
    pub(crate) asked: VecDeque<(i64, usize)>,
}

impl Peer {
    pub(crate) fn new() -> Self {
        Self {
            outbox: VecDeque::new(),
            next: 1,
            connection: DEFAULT_WINDOW,
            streams: BTreeMap::new(),
            reset: BTreeSet::new(),
            asked: VecDeque::from([(DEFAULT_WINDOW, 16_384)]),
        }
    }

    pub(crate) fn send(&mut self, frame: &Raw) {
        let mut octets = Vec::new();
        frame.encode(&mut octets);
        self.outbox.extend(octets);
        if frame.kind == FrameType::SETTINGS {
            let (window, limit) = *self.asked.back().unwrap();
            let window = parameter(frame, 4).map_or(window, i64::from);
            let limit = parameter(frame, 5).map_or(limit, |limit| limit as usize);
            self.asked.push_back((window, limit));
        }
        if frame.kind == FrameType::RST_STREAM {
            self.reset.insert(frame.stream);
        }
        if frame.kind == FrameType::WINDOW_UPDATE {
            let increment = i64::from(number(&frame.payload));
            match frame.stream {
                0 => self.connection += increment,
                stream => *self.streams.entry(stream).or_default() += increment,
            }
        }
    }

    /// The window of new streams: what it raises that to holds at once, and what
    /// it lowers that to once it is acknowledged.
    pub(crate) fn initial(&self) -> i64 {
        let pairs = self.asked.iter().zip(self.asked.iter().skip(1));
        let raises: i64 = pairs.map(|(a, b)| (b.0 - a.0).max(0)).sum();
        self.asked[0].0 + raises
    }

    pub(crate) fn receives(&mut self, frame: &Raw) {
        let length = frame.payload.len();
        assert!(
            length <= self.asked.iter().map(|a| a.1).max().unwrap(),
            "F5"
        );
        assert!(
            length <= self.asked[0].1 || self.asked.iter().all(|a| length <= a.1),
            "F5: {length} before it was acknowledged"
        );
        if frame.kind == FrameType::DATA {
            let initial = self.initial();
            self.connection -= length as i64;
            assert!(self.connection >= 0, "the connection's window");
            let window = self.streams.entry(frame.stream).or_default();
            *window -= length as i64;
            // What comes of a stream that was reset is ignored (RFC 9113, section
            // 5.1).
            assert!(
                length == 0 || initial + *window >= 0 || self.reset.contains(&frame.stream),
                "a stream's window"
            );
        }
        if frame.kind == FrameType::SETTINGS && frame.flags.contains(Flags::ACK) {
            self.asked.pop_front();
            assert!(!self.asked.is_empty(), "F6");
        }
    }
}
