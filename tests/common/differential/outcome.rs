//! What came of a case, in lines that can be compared.
//!
//! Kept as they are, by batch: the order of what is not of a stream (SETTINGS, PING,
//! GOAWAY, and their contents), the order and the octets of header blocks, what came
//! on each stream and how it ended, credit, when the connection was closed, and all
//! that the application saw, errors and their causes included.
//!
//! Not kept, since a transport may change it (rules F3, F4, O1, O3 and B1): how DATA
//! is cut, how header blocks are, and what goes first of different streams, or of
//! what is of a stream and what is not.
//!
//! # What may differ
//!
//! It is in [`Outcome::normal`] and [`Outcome::comparable`], but for the last three:
//!
//! - A server's first SETTINGS begin with `SETTINGS_NO_RFC7540_PRIORITIES`, which
//!   hyper does not say (`Config::no_rfc7540_priorities`). They have to.
//! - With managed windows the peer is told of 256 KiB of each window to begin with,
//!   and of the rest in `WINDOW_UPDATE`s that do not come when the stack's would
//!   (`Config::flow_control`). It must not be told of more than hyper grants.
//! - Fields of the name of the transport's own are taken out by the layers, whoever
//!   has made them (rule T2): `server::fields` does so on all sides.
//! - With stream handles a header list may be 108 octets shorter: see
//!   `Case::at_limit`.
//! - Not in any case: hyper ends a connection at the first three octets of the head of
//!   a frame that is too long, and the transport hands a head over when it is whole.

use std::collections::BTreeMap;
use std::fmt::Write;

use bytes::BytesMut;
use framewright::{FrameType, Head};

use super::{Below, Case};
use crate::raw::{ACK, END_HEADERS, END_STREAM, NO_RFC7540_PRIORITIES, PREFACE};

/// The last that each case sends.
pub(super) const LAST_PING: [u8; 8] = *b"the last";

/// What managed windows begin with.
const TOLD: u32 = 256 << 10;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const LARGEST: usize = 16_384;

/// How a case ends on bare hyper, so that none tests something else than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The connection is as good as before, and no stream was reset.
    Lives,
    /// So is it, but the last stream that was reset was for this.
    Resets(u32),
    /// The connection has ended with GOAWAY and this code.
    GoesAway(u32),
    /// It was closed without one.
    Closes,
    /// It is open, and a PING is not answered.
    Waits,
}

/// Where a line belongs: lines of one place are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Connection,
    Blocks,
    Stream(u32),
    Credit,
    Close,
    App(usize),
}

#[derive(Clone, Debug)]
pub(crate) struct Line {
    batch: usize,
    place: Place,
    text: String,
}

impl Line {
    pub(super) fn app(batch: usize, which: usize, text: String) -> Self {
        let place = Place::App(which);
        Self { batch, place, text }
    }
}

/// What came of a case.
pub(super) struct Outcome {
    of_server: bool,
    /// What came and is not yet understood.
    pub(super) input: BytesMut,
    batch: usize,
    /// Batches up to the end of which the connection was open.
    open: usize,
    pub(super) lines: Vec<Line>,
    /// Credit, by batch and stream.
    credit: BTreeMap<(usize, u32), i64>,
    /// SETTINGS of the stack, by batch, as they came.
    settings: Vec<(usize, Vec<(u16, u32)>)>,
    /// A header block that has not ended.
    block: Option<(u32, String, Vec<u8>)>,
    has_preface: bool,
    resets: Vec<u32>,
    goaway: Option<u32>,
    is_answered: bool,
}

impl Outcome {
    pub(super) fn new(of_server: bool) -> Self {
        Self {
            of_server,
            input: BytesMut::new(),
            batch: 0,
            open: 0,
            lines: Vec::new(),
            credit: BTreeMap::new(),
            settings: Vec::new(),
            block: None,
            has_preface: of_server,
            resets: Vec::new(),
            goaway: None,
            is_answered: false,
        }
    }

    /// Understands what came.
    pub(super) fn end_batch(&mut self, is_closed: bool) {
        if !self.has_preface && self.input.starts_with(PREFACE) {
            self.has_preface = true;
            let _ = self.input.split_to(PREFACE.len());
            self.add(Place::Connection, "the preface");
        }
        if self.input.starts_with(b"HTTP/1.") {
            let text = self.input.split().escape_ascii().to_string();
            self.add(Place::Connection, text);
        }
        let mut bodies = BTreeMap::<u32, Vec<u8>>::new();
        while let Some(octets) = self.input.first_chunk() {
            let head = Head::decode(octets);
            let whole = Head::LEN + head.length as usize;
            if self.input.len() < whole {
                break;
            }
            let frame = self.input.split_to(whole);
            self.frame(head, &frame[Head::LEN..], &mut bodies);
        }
        self.end_bodies(&mut bodies, |_| true);
        if !is_closed {
            self.open = self.batch + 1;
        } else if self.open == self.batch {
            self.add(Place::Close, "closed");
        }
        self.batch += 1;
    }

    fn add(&mut self, place: Place, text: impl Into<String>) {
        let (batch, text) = (self.batch, text.into());
        self.lines.push(Line { batch, place, text });
    }

    /// DATA of a stream is one, until something else comes on it.
    fn end_bodies(&mut self, bodies: &mut BTreeMap<u32, Vec<u8>>, of: impl Fn(u32) -> bool) {
        let streams: Vec<u32> = bodies.keys().copied().filter(|id| of(*id)).collect();
        for stream in streams {
            let octets = bodies.remove(&stream).unwrap_or_default();
            let (len, hash) = crate::common::digest(&octets);
            if len > 0 {
                let front = octets[..octets.len().min(30)].escape_ascii();
                self.add(
                    Place::Stream(stream),
                    format!("DATA {len} ({hash:x}): {front}"),
                );
            }
        }
    }

    fn frame(&mut self, head: Head, payload: &[u8], bodies: &mut BTreeMap<u32, Vec<u8>>) {
        let stream = head.stream.get();
        let has = |flag| head.flags.0 & flag != 0;
        if payload.len() > LARGEST {
            self.add(Place::Stream(stream), "a frame that is too long");
        }
        if head.kind == FrameType::DATA {
            bodies.entry(stream).or_default().extend(payload);
        }
        if head.kind != FrameType::DATA || has(END_STREAM) {
            self.end_bodies(bodies, |id| id == stream);
        }
        match head.kind {
            FrameType::DATA if has(END_STREAM) => self.add(Place::Stream(stream), "END_STREAM"),
            FrameType::DATA => {}
            FrameType::HEADERS | FrameType::PUSH_PROMISE | FrameType::CONTINUATION => {
                let mut block = match (head.kind, self.block.take()) {
                    (FrameType::CONTINUATION, Some(block)) if block.0 == stream => block,
                    (kind, _) => {
                        let ends = if has(END_STREAM) { " END_STREAM" } else { "" };
                        (stream, format!("{kind}{ends}"), Vec::new())
                    }
                };
                block.2.extend(payload);
                if !has(END_HEADERS) {
                    self.block = Some(block);
                    return;
                }
                let text = format!("{} {}", block.1, block.2.escape_ascii());
                self.add(Place::Blocks, format!("{stream}: {text}"));
                self.add(Place::Stream(stream), text);
            }
            FrameType::RST_STREAM => {
                let code = number(payload);
                self.resets.push(code);
                self.add(Place::Stream(stream), format!("RST_STREAM {code}"));
            }
            FrameType::WINDOW_UPDATE => {
                let credit = self.credit.entry((self.batch, stream)).or_default();
                *credit += i64::from(number(payload));
            }
            FrameType::SETTINGS if has(ACK) => {
                self.add(Place::Connection, format!("SETTINGS ACK {payload:?}"));
            }
            FrameType::SETTINGS => {
                let parameters = payload.chunks(6).map(|parameter| {
                    let id = u16::from_be_bytes([parameter[0], parameter[1]]);
                    (id, number(&parameter[2..]))
                });
                self.settings.push((self.batch, parameters.collect()));
            }
            FrameType::GOAWAY => {
                let (last, code) = (number(payload), number(&payload[4..]));
                self.goaway = Some(self.goaway.unwrap_or(0).max(code));
                let debug = payload[8..].escape_ascii();
                let text = format!("GOAWAY {code}, last {last}: {debug}");
                self.add(Place::Connection, text);
            }
            _ => {
                let is_last = head.kind == FrameType::PING && has(ACK) && *payload == LAST_PING;
                self.is_answered |= is_last;
                let payload = payload.escape_ascii();
                let text = format!("{} {:?} on {stream}: {payload}", head.kind, head.flags);
                self.add(Place::Connection, text);
            }
        }
    }

    /// How it has ended.
    pub(super) fn ends(&self) -> Ends {
        // Two batches follow the last PING: the end, and what is dropped then.
        let is_open = self.open + 2 >= self.batch;
        match self.goaway {
            Some(code) if code > 0 => Ends::GoesAway(code),
            _ if !is_open => Ends::Closes,
            _ if !self.is_answered => Ends::Waits,
            _ => self
                .resets
                .last()
                .map_or(Ends::Lives, |code| Ends::Resets(*code)),
        }
    }

    /// What came through a transport, as it would have come without.
    pub(super) fn normal(mut self, case: &Case, below: Below) -> Vec<String> {
        if self.of_server
            && let Some((_, first)) = self.settings.first_mut()
        {
            let added = (NO_RFC7540_PRIORITIES, 1);
            assert_eq!(first.first(), Some(&added), "{}", case.name);
            first.remove(0);
        }
        if below == Below::Loaded {
            for (_, parameters) in &self.settings {
                for (id, value) in parameters {
                    let is_too_much = *id == INITIAL_WINDOW_SIZE && *value > case.window;
                    assert!(!is_too_much, "{}: {value}", case.name);
                }
            }
        }
        self.comparable(below)
    }

    /// In lines, but for what may differ from what comes of `below`.
    pub(super) fn comparable(&self, below: Below) -> Vec<String> {
        let is_managed = below == Below::Loaded;
        let mut lines = self.lines.clone();
        for (batch, parameters) in &self.settings {
            let mut text = String::from("SETTINGS");
            for (id, value) in parameters {
                let _ = match *id {
                    INITIAL_WINDOW_SIZE if is_managed => {
                        write!(text, " {id:#x}={}", (*value).min(TOLD))
                    }
                    _ => write!(text, " {id:#x}={value}"),
                };
            }
            let (batch, place) = (*batch, Place::Connection);
            // There is but one, and nothing is before it.
            lines.insert(0, Line { batch, place, text });
        }
        if !is_managed {
            lines.extend(self.credit.iter().map(|((batch, stream), credit)| Line {
                batch: *batch,
                place: Place::Credit,
                text: format!("{credit} octets for {stream}"),
            }));
        }
        lines.sort_by_key(|line| (line.batch, line.place));
        let show = |line: &Line| format!("{} {:?}: {}", line.batch, line.place, line.text);
        let mut lines: Vec<_> = lines.iter().map(show).collect();
        if !self.input.is_empty() {
            lines.push(format!("left: {}", self.input.escape_ascii()));
        }
        lines
    }
}

fn number(octets: &[u8]) -> u32 {
    octets
        .first_chunk()
        .map_or(0, |octets| u32::from_be_bytes(*octets))
}

/// Lines that only one has.
pub(super) fn difference(expected: &[String], seen: &[String]) -> String {
    let only = |of: &[String], not: &[String], mark| {
        of.iter()
            .filter(|line| !not.contains(line))
            .fold(String::new(), |text, line| {
                format!("{text}    {mark} {line}\n")
            })
    };
    let text = only(expected, seen, '-') + &only(seen, expected, '+');
    match text.is_empty() {
        true => format!("    another order:\n    - {expected:#?}\n    + {seen:#?}"),
        false => text,
    }
}
