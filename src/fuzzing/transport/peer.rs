use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::rt::Executor as _;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite};

use super::executor::{Executor, Tasks};
use super::setup;
use crate::fuzzing::Source;
use crate::proto::frame::PREFACE;
use crate::proto::head::{Flags, FrameType, Head};
use crate::proto::testing::{Raw, meaning, parse};
use crate::transport::tests::mock::{Manners, Mock};
use crate::{BufferPool, PoolConfig, Transport};

/// `ENHANCE_YOUR_CALM`: hyper has counted what it had not come round to.
const CALM: u32 = 0xb;

const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;

/// A peer's octets to a hyper server, bare and behind the transport: the same comes
/// of them.
pub(super) fn fuzz(mut source: Source<'_>, is_arbitrary: bool) {
    let pool = BufferPool::new(PoolConfig::default());
    let (config, manners) = source.draw(&setup(&pool));
    let (mut octets, mut has_resets) = (PREFACE.to_vec(), false);
    if is_arbitrary {
        let [first] = source.octets();
        if first % 4 == 0 {
            octets.clear();
        } else {
            octets.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        }
        octets.extend(source.rest());
    } else {
        octets.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        for frame in source.each(60, &frames()).concat() {
            has_resets |= frame.kind == FrameType::RST_STREAM;
            frame.encode(&mut octets);
        }
    }
    // A socket that takes an octet at a time is the models' business.
    let manners = Manners {
        most: manners.most.max(50),
        ..manners
    };
    let polite = Manners {
        seed: 1,
        pending: 0,
        most: 1 << 20,
        vectored: true,
    };
    let mut bare = serve(&[&octets], polite, |mock| mock);
    let ours = serve(&[&octets], manners, |mock| Transport::server(mock, config));
    // Of two errors hyper sees the one or the other, as its socket cuts what comes: a
    // frame that is too large by the first octets of its head, and one of a stream that
    // has ended by what is still known of that.
    let whole = vec![&octets[..]];
    for (pieces, manners) in [(whole, manners), (pieces(&octets), polite)] {
        if (ours.result, ours.code) != (bare.result, bare.code) {
            bare = serve(&pieces, manners, |mock| mock);
        }
    }
    assert_eq!(pool.stats().outstanding, 0, "buffers are kept");
    if [bare.code, ours.code].contains(&Some(CALM)) {
        return;
    }
    // What hyper thinks of frames behind the end of a request depends on how much of
    // the response it has sent: all of it, and only the stream is wrong.
    if ours.late() != bare.late() {
        return;
    }
    assert_eq!(ours.result, bare.result, "the connection ends otherwise");
    // DATA that is larger than a frame may be is larger than a managed window, too.
    let codes = (ours.code, bare.code);
    if codes != (Some(FLOW_CONTROL_ERROR), Some(FRAME_SIZE_ERROR)) {
        assert_eq!(ours.code, bare.code, "GOAWAY");
    }
    // Resets cross what is sent.
    let is_clean = |code| matches!(code, None | Some(0));
    has_resets |= !bare.resets.is_empty() || !ours.resets.is_empty();
    if is_clean(bare.code) && !has_resets && !is_arbitrary {
        assert_eq!(ours.bodies, bare.bodies, "bodies");
    }
}

/// What has come of it.
struct Outcome {
    /// `None` if the connection never ended.
    result: Option<bool>,
    /// Of the last GOAWAY.
    code: Option<u32>,
    /// Streams that were reset, and their codes.
    resets: Vec<(u32, u32)>,
    /// DATA of each stream, and how it ended.
    bodies: Vec<(u32, usize, bool)>,
}

impl Outcome {
    /// Streams that were closed when frames came for them.
    fn late(&self) -> BTreeSet<u32> {
        let late = self.resets.iter().filter(|reset| reset.1 == STREAM_CLOSED);
        late.map(|reset| reset.0).collect()
    }
}

/// The octets frame by frame.
fn pieces(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    if octets.starts_with(PREFACE) {
        let (preface, rest) = octets.split_at(PREFACE.len());
        pieces.push(preface);
        octets = rest;
    }
    while let Some(head) = octets.first_chunk() {
        let length = Head::LEN + Head::decode(head).length as usize;
        let (frame, rest) = octets.split_at(length.min(octets.len()));
        pieces.push(frame);
        octets = rest;
    }
    pieces.push(octets);
    pieces
}

/// Each piece comes when there is nothing left to do for those before it.
fn serve<T>(pieces: &[&[u8]], manners: Manners, io: impl FnOnce(Mock) -> T) -> Outcome
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mock = Mock::new(manners);
    let executor = Executor::default();
    let result = Arc::new(Mutex::new(None));
    let connection = hyper::server::conn::http2::Builder::new(executor.clone())
        .auto_date_header(false)
        .serve_connection(
            TokioIo::new(io(mock.clone())),
            hyper::service::service_fn(answer),
        );
    let ended = Arc::clone(&result);
    executor.execute(async move {
        let is_ok = connection.await.is_ok();
        *ended.lock().unwrap() = Some(is_ok);
    });
    let mut tasks = Tasks::default();
    let steps = pieces.iter().map(|piece| (*piece, false));
    for (octets, eof) in steps.chain([(&[][..], true)]) {
        mock.deliver(octets);
        mock.state().eof = eof;
        loop {
            tasks.run(&executor);
            if !mock.become_ready() {
                break;
            }
        }
    }
    let result = *result.lock().unwrap();
    assert!(result.is_none() || tasks.len() == 0, "tasks are left");
    drop(tasks);
    outcome(result, &mock.state().wire)
}

fn outcome(result: Option<bool>, wire: &[u8]) -> Outcome {
    // The last frame may be cut off: the connection has ended.
    let mut end = 0;
    while let Some(head) = wire[end..].first_chunk() {
        let length = Head::LEN + Head::decode(head).length as usize;
        if wire.len() < end + length {
            break;
        }
        end += length;
    }
    let frames = parse(&wire[..end]);
    let of_kind = |kind| frames.iter().filter(move |frame| frame.kind == kind);
    let number = |octets: &[u8]| octets.iter().fold(0, |n, o| n << 8 | u32::from(*o));
    let goaway = of_kind(FrameType::GOAWAY).next_back();
    let resets = of_kind(FrameType::RST_STREAM);
    let mut bodies: Vec<(u32, usize, bool)> = Vec::new();
    for frame in of_kind(FrameType::DATA) {
        let ends = frame.flags.contains(Flags::END_STREAM);
        match bodies.iter_mut().find(|body| body.0 == frame.stream) {
            Some(body) => {
                body.1 += frame.payload.len();
                body.2 |= ends;
            }
            None => bodies.push((frame.stream, frame.payload.len(), ends)),
        }
    }
    bodies.sort_unstable();
    if end == wire.len() {
        meaning(&frames);
    }
    Outcome {
        result,
        code: goaway.map(|frame| number(&frame.payload[4..8])),
        resets: resets
            .map(|frame| (frame.stream, number(&frame.payload)))
            .collect(),
        bodies,
    }
}

/// As many octets as the request had, and some.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await;
    let length = body.map_or(0, |body| body.to_bytes().len());
    Ok(Response::new(Full::new(vec![7; length + 30_000].into())))
}

/// Frames that a client may send, and some that it may not.
fn frames() -> impl Strategy<Value = Vec<Raw>> {
    let stream = || prop_oneof![6 => (0..6_u32).prop_map(|n| 2 * n + 1), 1 => 0..40_u32];
    let raw = |kind, flags, stream, payload| Raw {
        kind,
        flags,
        stream,
        payload,
    };
    let headers = (stream(), any::<[bool; 5]>(), any::<u8>(), 0..8_usize).prop_map(
        move |(stream, bits, pad, cut)| {
            let [ends, get, is_cut, padded, prioritized] = bits;
            let block = [if get { 0x82 } else { 0x83 }, 0x87, 0x84, 0x41, 1, b'a'];
            let mut flags = Flags(u8::from(ends));
            let (mut first, rest) = match is_cut {
                true => (block[..cut.min(6)].to_vec(), &block[cut.min(6)..]),
                false => (block.to_vec(), &[][..]),
            };
            if prioritized {
                flags = flags.with(Flags::PRIORITY);
                first.splice(0..0, [0, 0, 0, 0, 9]);
            }
            if padded {
                flags = flags.with(Flags::PADDED);
                first.insert(0, pad);
                first.extend(vec![0; pad.into()]);
            }
            if !is_cut {
                return vec![raw(
                    FrameType::HEADERS,
                    flags.with(Flags::END_HEADERS),
                    stream,
                    first,
                )];
            }
            vec![
                raw(FrameType::HEADERS, flags, stream, first),
                raw(
                    FrameType::CONTINUATION,
                    Flags::END_HEADERS,
                    stream,
                    rest.to_vec(),
                ),
            ]
        },
    );
    let size = prop_oneof![3 => 0..100_usize, 1 => 0..16_384_usize, 1 => 16_380..16_390_usize];
    let data = (
        stream(),
        size,
        any::<bool>(),
        prop::option::weighted(0.2, any::<u8>()),
    )
        .prop_map(move |(stream, n, end, pad)| {
            let flags = Flags(u8::from(end));
            let Some(pad) = pad else {
                return vec![raw(FrameType::DATA, flags, stream, vec![3; n])];
            };
            let payload = [&[pad][..], &vec![3; n.min(16_000)], &vec![0; pad.into()]].concat();
            vec![raw(
                FrameType::DATA,
                flags.with(Flags::PADDED),
                stream,
                payload,
            )]
        });
    let increment = prop_oneof![15 => 0..200_000_u32, 1 => (1_u32 << 31) - 200_000..];
    let update = (stream(), any::<bool>(), increment).prop_map(move |(stream, zero, n)| {
        let stream = if zero { 0 } else { stream };
        let payload = n.to_be_bytes().to_vec();
        vec![raw(FrameType::WINDOW_UPDATE, Flags::NONE, stream, payload)]
    });
    let parameter = prop_oneof![
        (
            Just(4_u16),
            prop_oneof![0..70_000_u32, Just(1 << 20), any::<u32>()]
        ),
        (
            Just(5_u16),
            prop_oneof![4 => 16_384..70_000_u32, 1 => any::<u32>()]
        ),
        (1..10_u16, 0..5_000_u32),
    ];
    let settings = prop::collection::vec(parameter, 0..4).prop_map(move |parameters| {
        let octets =
            |(id, value): (u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let payload = parameters.into_iter().flat_map(octets).collect();
        vec![raw(FrameType::SETTINGS, Flags::NONE, 0, payload)]
    });
    let reset = (stream(), 0..14_u8).prop_map(move |(stream, code)| {
        vec![raw(
            FrameType::RST_STREAM,
            Flags::NONE,
            stream,
            vec![0, 0, 0, code],
        )]
    });
    let priority = (stream(), 0..10_u8).prop_map(move |(stream, urgency)| {
        let payload = [&stream.to_be_bytes()[..], format!("u={urgency}").as_bytes()].concat();
        vec![raw(FrameType::PRIORITY_UPDATE, Flags::NONE, 0, payload)]
    });
    let other = (
        0..20_u8,
        any::<u8>(),
        prop_oneof![Just(0), stream()],
        0..20_usize,
    )
        .prop_map(move |(kind, flags, stream, n)| {
            vec![raw(FrameType(kind), Flags(flags), stream, vec![flags; n])]
        });
    let ack = any::<bool>().prop_map(move |ping| match ping {
        true => vec![raw(FrameType::PING, Flags::NONE, 0, vec![5; 8])],
        false => vec![raw(FrameType::SETTINGS, Flags::ACK, 0, vec![])],
    });
    prop_oneof![
        8 => headers, 8 => data, 6 => update, 3 => settings, 2 => reset, 2 => priority,
        1 => other, 2 => ack,
    ]
}
