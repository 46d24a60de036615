//! Random frames in random chunks over random sockets.

use proptest::prelude::*;

use super::*;
use crate::fuzzing::Source;
use crate::proto::head::Head;
use crate::proto::testing::{chunks, frames, group};

const TOLD: u32 = 1 << 20;

pub(crate) fn manners() -> impl Strategy<Value = Manners> {
    let most = prop_oneof![Just(1_usize), 1..20_usize, 1..20_000_usize, Just(1 << 24)];
    (any::<u64>(), 0..14_u64, most, any::<bool>()).prop_map(|(seed, pending, most, vectored)| {
        Manners {
            seed,
            pending,
            most,
            vectored,
        }
    })
}

fn config(pool: &BufferPool) -> impl Strategy<Value = Config> + use<> {
    let pool = pool.clone();
    (
        any::<bool>(),
        any::<bool>(),
        1_000..100_000_usize,
        1_000..300_000_usize,
        any::<bool>(),
        1..10_u32,
    )
        .prop_map(move |(defer, records, batch, read, grow, turn)| {
            Config::default()
                .pool(pool.clone())
                .stack_frame_size(TOLD)
                .defer_flush(defer)
                .batch(batch, if grow { batch * 4 } else { batch })
                .read_ahead(read.min(50_000), read)
                .turn(turn)
                .schedule(false)
                .over_tls(records)
        })
}

/// The peer's part: once it has seen all, it answers.
fn answer_once_seen(mock: &Mock, octets: usize, answer: &mut Option<Vec<u8>>) {
    let seen = mock.state().wire.len();
    if seen >= octets
        && let Some(answer) = answer.take()
    {
        mock.deliver(&answer);
    }
}

/// A stack's way to write, the socket, and what is between them.
#[derive(Clone, Debug)]
struct Case {
    /// Sizes of writes.
    chunks: Vec<usize>,
    flushes: u32,
    manners: Manners,
    config: Config,
}

fn case() -> impl Strategy<Value = Case> {
    let config = config(&BufferPool::new(PoolConfig::default()));
    (chunks(), any::<u32>(), manners(), config).prop_map(|(chunks, flushes, manners, config)| {
        Case {
            chunks,
            flushes,
            manners,
            config,
        }
    })
}

/// Frames both ways.
#[derive(Clone, Debug)]
struct Traffic {
    outbound: Vec<Raw>,
    inbound: Vec<Raw>,
    /// The peer's frame size.
    limit: u32,
    is_server: bool,
    parameters: Vec<(u16, u32)>,
    peer_is_first: bool,
    /// It is dropped as it is in the end, and not shut down.
    is_dropped: bool,
}

fn traffic() -> impl Strategy<Value = Traffic> {
    (
        prop_oneof![Just(16_384_u32), 16_384..60_000_u32],
        any::<[bool; 3]>(),
        proptest::collection::vec((any::<u16>(), any::<u32>()), 0..60),
    )
        .prop_map(|(limit, bits, parameters)| Traffic {
            outbound: Vec::new(),
            inbound: Vec::new(),
            limit,
            is_server: bits[0],
            parameters,
            peer_is_first: bits[1],
            is_dropped: bits[2],
        })
}

fn check_arrival(case: Case, traffic: Traffic) {
    let Case {
        chunks,
        flushes,
        manners,
        config,
    } = case;
    let Traffic {
        outbound,
        inbound,
        limit,
        is_server,
        parameters,
        peer_is_first,
        is_dropped,
    } = traffic;
    // Slow sockets have little to do.
    let budget = match manners.most {
        0..100 => 4_000,
        100..5_000 => 200_000,
        _ => usize::MAX,
    };
    let mut outbound = [vec![settings(&parameters)], outbound].concat();
    while outbound.len() > 1 && encode(&outbound).len() > budget {
        outbound.truncate(outbound.len() / 2);
    }
    // A header block that lost its end is completed.
    if outbound
        .last()
        .is_some_and(|f| f.kind != FrameType::DATA && meaning_is_open(&outbound) && f.stream != 0)
    {
        let stream = outbound.last().unwrap().stream;
        outbound.push(raw(
            FrameType::CONTINUATION,
            Flags::END_HEADERS,
            stream,
            vec![1],
        ));
    }
    let pool = config.pool.clone();
    let mock = Mock::new(manners);
    let peer_settings = encode(&[settings(&[(5, limit)])]);
    let preface: &[u8] = PREFACE;
    let (io, outbound_octets, peer_first) = if is_server {
        let first = [preface, &peer_settings].concat();
        (
            Transport::server(mock.clone(), config),
            encode(&outbound),
            first,
        )
    } else {
        let octets = [preface, &encode(&outbound)].concat();
        (
            Transport::client(mock.clone(), config),
            octets,
            peer_settings,
        )
    };
    let front = if is_server { 0 } else { preface.len() };

    // First the stack's SETTINGS and the peer's, then everything else: the
    // stack knows the frame size by then.
    let first = front + encode(&outbound[..1]).len();
    let peer_last = encode(&inbound);
    let told = encode(&[settings(&[(5, TOLD.max(limit))])]);
    let preface_seen = peer_first.len() - encode(&[settings(&[(5, 0)])]).len();
    let mut stack = Stack::new(io, outbound_octets[..first].to_vec(), chunks, flushes);
    stack.until_seen = preface_seen + told.len();
    let has_whole_head = stack.chunks[0] >= Head::LEN;
    let mut answer = Some(peer_first);
    if is_server && peer_is_first {
        answer_once_seen(&mock, 0, &mut answer);
    }
    run(&mock, |cx| {
        let polled = stack.poll(cx);
        answer_once_seen(&mock, first, &mut answer);
        polled
    })
    .unwrap();

    stack.outbound = outbound_octets[first..].to_vec().into();
    stack.until_seen += peer_last.len();
    // The wire may lack the padding of header blocks, and the heads of DATA
    // that was joined.
    let saved = outbound.len() * 256;
    let at_least = outbound_octets.len().saturating_sub(saved).max(first);
    let mut answer = Some(peer_last.clone());
    run(&mock, |cx| {
        let polled = stack.poll(cx);
        answer_once_seen(&mock, at_least, &mut answer);
        polled
    })
    .unwrap();
    assert!(stack.seen[..preface_seen] == preface[..preface_seen]);
    let seen = &stack.seen[preface_seen..];
    assert!(seen[..told.len()] == told);
    assert_eq!(seen.len(), told.len() + peer_last.len());

    // What the last flush leaves, if it is deferred, goes out with the end.
    let last = [1, 2].map(|n| raw(FrameType::PING, Flags::NONE, 0, vec![n; 8]));
    stack.outbound = encode(&last).into();
    run(&mock, |cx| stack.poll(cx)).unwrap();
    outbound.extend(last);

    let handle = stack.io.handle();
    if is_dropped {
        // One attempt is enough.
        *mock.state().manners_mut() = POLITE;
    } else {
        stack.shut_down(&mock);
    }
    drop(stack);
    assert_eq!(pool.stats().outstanding, 0);
    let state = mock.state();
    assert!(state.wire[..front] == preface[..front]);
    let wire = parse(&state.wire[front..]);
    for frame in &wire {
        assert!(frame.payload.len() <= limit as usize, "{:?}", frame.kind);
    }
    // A server whose peer has not spoken yet is sure that its own first octets
    // are SETTINGS only where it has a whole head.
    let is_longer = wire[0].payload.len() > outbound[0].payload.len();
    if is_server && (has_whole_head || (peer_is_first && is_longer)) {
        outbound[0] = announced(outbound[0].clone());
    }
    let (seen, sent) = (meaning(&wire), meaning(&outbound));
    assert!(seen.blocks == sent.blocks && seen.others == sent.others);
    assert!(seen.streams == sent.streams);
    let stats = handle.stats();
    assert_eq!(stats.outbound_frames.total(), wire.len() as u64);
    assert_eq!(stats.outbound_octets, state.wire.len() as u64);
    assert_eq!(stats.write_calls, state.writes as u64);
}

fn check_through(case: Case, outbound: Vec<u8>, inbound: Vec<u8>, preface: usize, is_server: bool) {
    let Case {
        chunks,
        flushes,
        manners,
        config,
    } = case;
    // As much of the preface as can be without being one.
    let spoil = |octets: &[u8]| {
        let mut spoilt = PREFACE[..preface].to_vec();
        spoilt.push(PREFACE[preface] ^ 1);
        spoilt.extend(octets);
        spoilt
    };
    let (outbound, inbound) = if is_server {
        (outbound, spoil(&inbound))
    } else {
        (spoil(&outbound), inbound)
    };
    let mock = Mock::new(manners);
    mock.deliver(&inbound);
    let io = match is_server {
        true => Transport::server(mock.clone(), config),
        false => Transport::client(mock.clone(), config),
    };
    let handle = io.handle();
    let mut stack = Stack::new(io, outbound.clone(), chunks, flushes);
    stack.until_seen = inbound.len();
    run(&mock, |cx| stack.poll(cx)).unwrap();
    assert!(stack.seen == inbound);
    assert!(mock.state().wire == outbound, "a flush is a flush");
    assert_eq!(
        handle.send_frames([Frame::ping([0; 8])]),
        Err(HandleError::NotHttp2)
    );
}

fn check_error(case: Case, at: usize) {
    let Case {
        chunks,
        flushes,
        manners,
        config,
    } = case;
    let manners = Manners {
        most: manners.most.max(500),
        ..manners
    };
    let pool = config.pool.clone();
    let mock = Mock::new(manners);
    mock.state().fail_at = Some(at);
    let body = raw(FrameType::DATA, Flags::NONE, 1, vec![7; 150_000]);
    let octets = [&PREFACE[..], &encode(&[settings(&[]), body])].concat();
    let io = Transport::client(mock.clone(), config);
    let handle = io.handle();
    let mut stack = Stack::new(io, octets, chunks, flushes);
    // It waits for an answer that never comes: only the error ends this.
    stack.until_seen = 1;
    let error = run(&mock, |cx| stack.poll(cx)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(handle.is_closed());
    drop(stack);
    assert_eq!(pool.stats().outstanding, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn b3_every_octet_arrives_with_no_wake_that_was_not_asked_for(
        case in case(),
        traffic in traffic(),
        outbound in frames(TOLD as usize / 4),
        inbound in frames(20_000),
    ) {
        check_arrival(case, Traffic { outbound, inbound, ..traffic });
    }

    #[test]
    fn rfc9218_2_1_a_first_settings_is_whole_even_if_the_peer_speaks_no_http2(
        parameters in proptest::collection::vec((any::<u16>(), any::<u32>()), 0..60),
        rest in frames(16_384),
        inbound in proptest::collection::vec(any::<u8>(), 0..100),
        // Once the first octet is out, it is settled.
        at in 1..2_000_usize,
        announces in any::<bool>(),
        flushes in any::<u32>(),
        chunks in chunks(),
        manners in manners(),
        config in config(&BufferPool::new(PoolConfig::default())),
    ) {
        let sent = [vec![settings(&parameters)], rest].concat();
        let mut octets = encode(&sent);
        let mut expected = encode(&[announced(sent[0].clone())]);
        expected.extend(encode(&sent[1..]));
        octets.truncate(20_000);
        expected.truncate(octets.len() + 6);

        let pool = config.pool.clone();
        let mock = Mock::new(manners);
        let config = config.no_rfc7540_priorities(announces);
        let is_edited = announces && chunks[0] >= Head::LEN;
        let io = Transport::server(mock.clone(), config);
        let mut stack = Stack::new(io, octets.clone(), chunks, flushes);
        let inbound = [b"GET", inbound.as_slice()].concat();
        let mut answer = Some(inbound.clone());
        stack.until_seen = inbound.len();
        run(&mock, |cx| {
            answer_once_seen(&mock, at.min(octets.len()), &mut answer);
            let polled = stack.poll(cx);
            answer_once_seen(&mock, at.min(octets.len()), &mut answer);
            polled
        }).unwrap();
        prop_assert!(stack.seen == inbound);
        let expected = if is_edited { expected } else { octets };
        prop_assert!(mock.state().wire == expected, "a flush is a flush");
        drop(stack);
        prop_assert_eq!(pool.stats().outstanding, 0);
    }

    #[test]
    fn f1_what_is_not_http2_passes_both_ways(
        case in case(),
        outbound in proptest::collection::vec(any::<u8>(), 1..3_000),
        inbound in proptest::collection::vec(any::<u8>(), 1..3_000),
        preface in 0..PREFACE.len(),
        is_server in any::<bool>(),
    ) {
        check_through(case, outbound, inbound, preface, is_server);
    }

    #[test]
    fn b2_an_error_reaches_the_stack_wherever_it_strikes(
        case in case(),
        at in 0..150_000_usize,
    ) {
        check_error(case, at);
    }
}

/// One of the checks above, of what a fuzzer makes.
pub(crate) fn fuzz(mut source: Source<'_>) {
    let case = source.draw(&case());
    match source.draw(&(0..6_u8)) {
        0 => check_error(case, source.draw(&(0..150_000_usize))),
        1 => {
            let (preface, is_server) = source.draw(&(0..PREFACE.len(), any::<bool>()));
            let octets = source.rest();
            let (outbound, inbound) = octets.split_at(octets.len() / 2);
            let or_one = |octets: &[u8]| [octets, &[7]].concat();
            check_through(case, or_one(outbound), or_one(inbound), preface, is_server);
        }
        _ => {
            let traffic = source.draw(&traffic());
            let both = (group(TOLD as usize / 4), prop::option::of(group(20_000)));
            let (outbound, inbound): (Vec<_>, Vec<_>) = source.each(14, &both).into_iter().unzip();
            let traffic = Traffic {
                outbound: outbound.concat(),
                inbound: inbound.into_iter().flatten().flatten().collect(),
                ..traffic
            };
            check_arrival(case, traffic);
        }
    }
}

/// Whether the last header block has no end.
fn meaning_is_open(frames: &[Raw]) -> bool {
    let block = |f: &&Raw| {
        matches!(
            f.kind,
            FrameType::HEADERS | FrameType::PUSH_PROMISE | FrameType::CONTINUATION
        )
    };
    let last = frames.iter().rev().find(block);
    last.is_some_and(|f| !f.flags.contains(Flags::END_HEADERS))
}
