//! The queue against a naive model: the same frames in the same order, each
//! chosen from what was queued at that moment.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    octets, stream,
    wire::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PING, PUSH_PROMISE, Parsed,
        RST_STREAM, WINDOW_UPDATE, parse,
    },
    writer,
};
use crate::fuzzing::Source;
use crate::{
    BufferPool, EndStream, Flags, Frame, FrameError, FrameType, FrameWriter, FrameWriterConfig,
    Padding, Priority,
    proto::{
        batch::Batch,
        scheduler::tests::{Naive, relief},
    },
};

#[derive(Clone, Debug)]
enum Op {
    Data(u32, Vec<usize>, bool),
    Region(u32, usize, u16, bool),
    RawData(u32, usize, Option<u8>, bool),
    Headers(u32, usize, bool),
    PaddedHeaders(u32, usize, u8),
    Promise(u32, usize),
    Reset(u32),
    Control(u8),
    SetPriority(u32, Priority),
    Prioritized(u32, usize, Priority),
    Cancel(u32),
    Limit(u32),
    Bad(u8, u32),
    Write(usize),
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0..600usize,
        1 => 16_000..17_000usize,
        2 => 0..70_000usize,
    ]
}

fn priority() -> impl Strategy<Value = Priority> {
    (0..5u8, any::<bool>()).prop_map(|(u, i)| Priority::new(u).incremental(i))
}

fn op() -> impl Strategy<Value = Op> {
    let id = || 1..9u32;
    let end = || prop::bool::weighted(0.15);
    let some = || prop::collection::vec(length(), 0..3);
    prop_oneof![
        6 => (id(), some(), end()).prop_map(|(s, l, e)| Op::Data(s, l, e)),
        2 => (id(), length(), 0..256u16, end()).prop_map(|(s, l, p, e)| Op::Region(s, l, p, e)),
        2 => (id(), length(), any::<Option<u8>>(), end())
            .prop_map(|(s, l, p, e)| Op::RawData(s, l, p, e)),
        4 => (id(), length(), end()).prop_map(|(s, l, e)| Op::Headers(s, l, e)),
        1 => (id(), length(), any::<u8>()).prop_map(|(s, l, p)| Op::PaddedHeaders(s, l, p)),
        1 => (id(), length()).prop_map(|(s, l)| Op::Promise(s, l)),
        1 => id().prop_map(Op::Reset),
        3 => (0..6u8).prop_map(Op::Control),
        2 => (id(), priority()).prop_map(|(s, p)| Op::SetPriority(s, p)),
        2 => (id(), length(), priority()).prop_map(|(s, l, p)| Op::Prioritized(s, l, p)),
        1 => id().prop_map(Op::Cancel),
        1 => prop_oneof![Just(16_384), 16_384..40_000u32].prop_map(Op::Limit),
        1 => (0..8u8, id()).prop_map(|(b, s)| Op::Bad(b, s)),
        9 => (1..5usize).prop_map(Op::Write),
    ]
}

enum Part {
    Data {
        octets: Vec<u8>,
        padding: Option<Vec<u8>>,
        end: bool,
    },
    Block,
}

fn overhead(padding: Option<&Vec<u8>>) -> usize {
    padding.map_or(0, |padding| padding.len() + 1)
}

struct Waiting {
    frame: Parsed,
    fenced: bool,
}

#[derive(Default)]
struct Model {
    limit: usize,
    /// Octets that may wait: in the lane, and in all.
    bound: usize,
    lane: Vec<Waiting>,
    streams: BTreeMap<u32, Vec<Part>>,
    priorities: BTreeMap<u32, Priority>,
    ended: BTreeSet<u32>,
    scheduler: Naive,
}

impl Model {
    /// Octets in the lane.
    fn frames(&self) -> usize {
        let lengths = self.lane.iter().map(|w| 9 + w.frame.payload.len());
        lengths.sum()
    }

    /// Octets of DATA that wait, and a head for each part.
    fn parts(&self) -> usize {
        let parts = self.streams.values().flatten();
        let lengths = parts.map(|part| match part {
            Part::Data {
                octets, padding, ..
            } => 9 + octets.len() + overhead(padding.as_ref()),
            Part::Block => 0,
        });
        lengths.sum()
    }

    fn data(&mut self, id: u32, octets: &[u8], padding: Option<Vec<u8>>, end: bool) -> bool {
        let length = 9 + octets.len() + overhead(padding.as_ref());
        if self.ended.contains(&id) || self.frames() + self.parts() + length > self.bound {
            return false;
        }
        let parts = self.streams.entry(id).or_default();
        match parts.last_mut() {
            Some(Part::Data {
                octets: last,
                padding: None,
                end: last_end,
            }) if padding.is_none() => {
                last.extend_from_slice(octets);
                *last_end = end;
            }
            _ => parts.push(Part::Data {
                octets: octets.to_vec(),
                padding,
                end,
            }),
        }
        if end {
            self.ended.insert(id);
        }
        self.settle(id);
        true
    }

    fn other(&mut self, frame: Parsed) -> bool {
        let id = frame.stream;
        let block = [HEADERS, PUSH_PROMISE].contains(&frame.kind);
        if self.frames() + 9 + frame.payload.len() > self.bound {
            return false;
        }
        let mut fenced = false;
        if block {
            if self.ended.contains(&id) {
                return false;
            }
            if let Some(parts) = self.streams.get_mut(&id) {
                parts.push(Part::Block);
                fenced = true;
            }
            if frame.kind == HEADERS && frame.flags & END_STREAM != 0 {
                self.ended.insert(id);
            }
        }
        let reset = frame.kind == RST_STREAM;
        self.lane.push(Waiting { frame, fenced });
        if reset {
            self.cancel(id);
            self.ended.insert(id);
        }
        true
    }

    fn cancel(&mut self, id: u32) -> u64 {
        let (mut any, mut octets) = (false, 0);
        if let Some(parts) = self.streams.get_mut(&id) {
            parts.retain(|part| match part {
                Part::Data {
                    octets: data,
                    padding,
                    ..
                } => {
                    any = true;
                    octets += data.len() + overhead(padding.as_ref());
                    false
                }
                Part::Block => true,
            });
        }
        if any {
            self.ended.insert(id);
            for waiting in &mut self.lane {
                if waiting.frame.stream == id && waiting.frame.kind == HEADERS {
                    waiting.frame.flags &= !END_STREAM;
                }
            }
        }
        self.settle(id);
        octets as u64
    }

    fn priority(&mut self, id: u32, priority: Priority) {
        if self.ended.contains(&id) && !self.streams.contains_key(&id) {
            return;
        }
        self.priorities.insert(id, priority);
        if self.scheduler.waiting.iter().any(|(w, _)| *w == id) {
            self.scheduler.insert(id, priority);
        }
    }

    fn settle(&mut self, id: u32) {
        let parts = self.streams.get(&id).map_or(&[][..], Vec::as_slice);
        let waits = self.scheduler.waiting.iter().any(|(w, _)| *w == id);
        match parts.first() {
            Some(Part::Data { .. }) if !waits => {
                let priority = self.priorities.get(&id).copied().unwrap_or_default();
                self.scheduler.insert(id, priority);
            }
            Some(Part::Data { .. }) => {}
            Some(Part::Block) => self.scheduler.remove(id),
            None => {
                self.scheduler.remove(id);
                self.streams.remove(&id);
            }
        }
    }

    fn next(&mut self) -> Option<Vec<Parsed>> {
        let around = |w: &Waiting| {
            w.frame.kind == PING || w.frame.kind == WINDOW_UPDATE && w.frame.stream == 0
        };
        let mut at = 0;
        if let Some(Waiting {
            frame,
            fenced: true,
        }) = self.lane.first()
        {
            let id = frame.stream;
            match self.lane.iter().position(around) {
                Some(position) => at = position,
                None if matches!(self.streams[&id][0], Part::Data { .. }) => {
                    let frame = self.cut_data(id);
                    self.settle(id);
                    return Some(vec![frame]);
                }
                None => {}
            }
        }
        if at < self.lane.len() {
            let Waiting { frame, fenced } = self.lane.remove(at);
            if fenced {
                self.streams.get_mut(&frame.stream).unwrap().remove(0);
                self.settle(frame.stream);
            }
            return Some(self.cut_other(frame));
        }
        let id = self.scheduler.next()?;
        let frame = self.cut_data(id);
        self.scheduler.served(id, frame.payload.len());
        self.settle(id);
        Some(vec![frame])
    }

    fn cut_data(&mut self, id: u32) -> Parsed {
        let parts = self.streams.get_mut(&id).unwrap();
        let Part::Data {
            octets,
            padding,
            end,
        } = &mut parts[0]
        else {
            panic!("not DATA");
        };
        let whole = octets.len() + overhead(padding.as_ref());
        let mut flags = 0;
        let payload = if whole <= self.limit {
            flags |= if *end { END_STREAM } else { 0 };
            let mut payload = octets.clone();
            if let Some(padding) = padding {
                flags |= PADDED;
                payload.insert(0, padding.len() as u8);
                payload.extend_from_slice(padding);
            }
            parts.remove(0);
            payload
        } else {
            octets.drain(..self.limit.min(whole - 256)).collect()
        };
        Parsed {
            kind: DATA,
            flags,
            stream: id,
            payload,
        }
    }

    fn cut_other(&mut self, frame: Parsed) -> Vec<Parsed> {
        if frame.payload.len() <= self.limit || ![HEADERS, PUSH_PROMISE].contains(&frame.kind) {
            return vec![frame];
        }
        let padding = if frame.flags & PADDED != 0 {
            usize::from(frame.payload[0])
        } else {
            0
        };
        let (body, padding) = frame.payload.split_at(frame.payload.len() - padding);
        let (first, rest) = body.split_at(self.limit - padding.len());
        let mut frames = vec![Parsed {
            flags: frame.flags & !END_HEADERS,
            payload: [first, padding].concat(),
            ..frame
        }];
        frames.extend(rest.chunks(self.limit).map(|chunk| Parsed {
            kind: CONTINUATION,
            flags: 0,
            stream: frame.stream,
            payload: chunk.to_vec(),
        }));
        frames.last_mut().unwrap().flags |= END_HEADERS;
        frames
    }
}

fn end(yes: bool) -> EndStream {
    if yes { EndStream::Yes } else { EndStream::No }
}

fn as_parsed(frame: &Frame) -> Parsed {
    Parsed {
        kind: frame.kind().0,
        flags: frame.flags().0,
        stream: frame.stream().get(),
        payload: frame.payload().to_vec(),
    }
}

fn control(which: u8) -> Frame {
    match which {
        0 => Frame::ping(octets(8)[..].try_into().unwrap()),
        1 => Frame::window_update(stream(0), 1),
        2 => Frame::window_update(stream(5), 2),
        3 => Frame::settings_ack(),
        4 => Frame::extension(FrameType(0xbe), Flags(0x55), stream(3), octets(40)),
        _ => Frame::goaway(stream(1), 0, b"so long"),
    }
}

fn bad(which: u8, id: u32) -> Frame {
    let id = stream(id);
    match which {
        0 => Frame::data(stream(0), "x", EndStream::No),
        1 => Frame::from_parts(FrameType::HEADERS, Flags::NONE, id, "x"),
        2 => Frame::from_parts(FrameType::CONTINUATION, Flags::END_HEADERS, id, "x"),
        3 => Frame::from_parts(FrameType::DATA, Flags::PADDED, id, &[9, 1, 2][..]),
        4 => Frame::goaway(stream(0), 0, &[0; 70_000]),
        5 => Frame::from_parts(FrameType::PING, Flags::NONE, stream(0), "short"),
        6 => Frame::from_parts(FrameType::SETTINGS, Flags::NONE, id, ""),
        _ => Frame::data(id, vec![0; 1 << 24], EndStream::No),
    }
}

/// A bound on what waits, and the relief of streams that are not urgent.
fn setup() -> impl Strategy<Value = (usize, Option<u32>)> {
    let bound = prop_oneof![Just(64 << 20), 0..300_000_usize];
    (bound, relief())
}

fn check((bound, relief): (usize, Option<u32>), ops: Vec<Op>) {
    let config = FrameWriterConfig::new()
        .max_queued_octets(bound as u64)
        .relieve_every(relief.unwrap_or(0));
    let writer = FrameWriter::with_config(BufferPool::default(), &config).unwrap();
    let mut model = Model {
        limit: 16_384,
        bound,
        ..Model::default()
    };
    model.scheduler.relief = relief;
    // What is not written in the course of it is at the end.
    let ops = ops.into_iter().chain([Op::Write(usize::MAX)]);
    for op in ops {
        let before = writer.queued_octets();
        let (result, taken) = match op {
            Op::Data(id, lengths, ends) => {
                let chunks: Vec<_> = lengths.into_iter().map(octets).collect();
                let taken = model.data(id, &chunks.concat(), None, ends);
                (writer.push_data(stream(id), chunks, end(ends)), taken)
            }
            Op::Region(id, length, padding, ends) => {
                let source = octets(length + 20);
                let zeros = vec![0; padding.into()];
                let taken = model.data(id, &source[7..length + 7], Some(zeros), ends);
                let padding = Padding::Octets(padding);
                let length = length as u64;
                let source = &source[..];
                let id = stream(id);
                (
                    writer.push_data_region(id, source, 7, length, padding, end(ends)),
                    taken,
                )
            }
            Op::RawData(id, length, padding, ends) => {
                let data = octets(length);
                let padding = padding.map(|length| vec![0; length.into()]);
                let mut flags = end(ends).flag();
                let mut payload = data.to_vec();
                if let Some(padding) = &padding {
                    flags = flags.with(Flags::PADDED);
                    payload.insert(0, padding.len() as u8);
                    payload.extend_from_slice(padding);
                }
                let taken = model.data(id, &data, padding, ends);
                let frame = Frame::from_parts(FrameType::DATA, flags, stream(id), payload);
                (writer.push(frame), taken)
            }
            Op::Headers(id, length, ends) => {
                let block = octets(length);
                let frame = Frame::headers(stream(id), block.clone(), end(ends));
                let taken = model.other(as_parsed(&frame));
                (writer.push_headers(stream(id), block, end(ends)), taken)
            }
            Op::PaddedHeaders(id, length, padding) => {
                let mut payload = vec![padding];
                payload.extend_from_slice(&octets(5 + length + usize::from(padding)));
                let flags = Flags(END_HEADERS | PADDED | 0x20);
                let frame = Frame::from_parts(FrameType::HEADERS, flags, stream(id), payload);
                let taken = model.other(as_parsed(&frame));
                (writer.push(frame), taken)
            }
            Op::Promise(id, length) => {
                let payload = octets(4 + length);
                let flags = Flags::END_HEADERS;
                let frame = Frame::from_parts(FrameType::PUSH_PROMISE, flags, stream(id), payload);
                let taken = model.other(as_parsed(&frame));
                (writer.push(frame), taken)
            }
            Op::Reset(id) => {
                let frame = Frame::rst_stream(stream(id), 8);
                let taken = model.other(as_parsed(&frame));
                (writer.push(frame), taken)
            }
            Op::Control(which) => {
                let frame = control(which);
                let taken = model.other(as_parsed(&frame));
                (writer.push(frame), taken)
            }
            Op::SetPriority(id, priority) => {
                model.priority(id, priority);
                writer.set_priority(stream(id), priority);
                (Ok(()), true)
            }
            Op::Prioritized(id, length, priority) => {
                let data = octets(length);
                let taken = model.data(id, &data, None, false);
                if taken {
                    model.priority(id, priority);
                }
                let frame = Frame::data(stream(id), data, EndStream::No);
                (writer.push_prioritized(frame, priority), taken)
            }
            Op::Cancel(id) => {
                assert_eq!(writer.cancel(stream(id)), model.cancel(id));
                (Ok(()), true)
            }
            Op::Limit(limit) => {
                model.limit = limit as usize;
                (writer.set_max_frame_size(limit), true)
            }
            Op::Bad(which, id) => (writer.push(bad(which, id)), false),
            Op::Write(count) => {
                for _ in 0..count {
                    let mut batch = Batch::default();
                    let any = writer
                        .shared
                        .lock()
                        .queue
                        .write_next(&mut batch, &writer.pool);
                    let frames = parse(&batch.take().concat());
                    let expected = model.next();
                    assert_eq!(any, expected.is_some());
                    if !any {
                        break;
                    }
                    let fits = |f: &Parsed| f.payload.len() <= model.limit.max(64);
                    assert!(frames.iter().all(fits));
                    assert_eq!(frames, expected.unwrap());
                }
                (Ok(()), true)
            }
        };
        assert_eq!(result.is_ok(), taken, "{result:?}");
        if !taken {
            assert_eq!(writer.queued_octets(), before);
        }
        let waiting = model.frames() + model.parts();
        assert_eq!(writer.queued_octets(), waiting as u64);
    }
    assert!(writer.is_empty());
    assert_eq!(writer.queued_octets(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn writes_the_frames_that_a_naive_model_writes(
        setup in setup(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        check(setup, ops);
    }
}

#[test]
fn the_bad_frames_of_the_model_fail_as_they_should() {
    let errors: Vec<_> = (0..8)
        .map(|which| writer().push(bad(which, 1)).unwrap_err())
        .collect();
    assert!(matches!(
        errors[0],
        FrameError::NeedsStream(FrameType::DATA)
    ));
    assert_eq!(errors[1], FrameError::HeaderBlockInPieces);
    assert_eq!(errors[2], FrameError::HeaderBlockInPieces);
    assert!(matches!(errors[3], FrameError::PaddingOverPayload { .. }));
    assert!(matches!(errors[4], FrameError::OverLimit { .. }));
    assert!(matches!(errors[5], FrameError::PayloadSize { .. }));
    assert!(matches!(errors[6], FrameError::NeedsConnection { .. }));
    assert!(matches!(errors[7], FrameError::PayloadTooLarge(_)));
}

/// As above, with operations that a fuzzer makes.
pub(crate) fn fuzz(mut source: Source<'_>) {
    let setup = source.draw(&setup());
    check(setup, source.each(120, &op()));
}
