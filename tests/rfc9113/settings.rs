//! Section 6.5: SETTINGS.

use framewright::FrameType;

use crate::differential::wire::*;
use crate::differential::{Case, Ends::*, assert_transparent, server};
use crate::raw::{ACK, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, PREFACE};

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;

fn ack() -> Vec<u8> {
    frame(FrameType::SETTINGS, ACK, 0, &[])
}

/// What one parameter leads to, at first and later.
fn value(
    cases: &mut Vec<Case>,
    name: &str,
    ends: crate::differential::Ends,
    parameters: &[(u16, u32)],
) {
    let octets = settings(parameters);
    let first = [all([PREFACE.to_vec(), octets.clone()]), ack(), get(1)];
    cases.push(server(format!("6.5.2 {name}, at first"), ends, first).unopened());
    let later = [get_of(1, "/large"), octets, get(3)];
    cases.push(server(format!("6.5.2 {name}, later"), ends, later));
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        server(
            "6.5 an acknowledgement with a payload",
            GoesAway(PROTOCOL),
            [frame(FrameType::SETTINGS, ACK, 0, &[0, 1, 0, 0, 0, 0])],
        ),
        server(
            "6.5 an acknowledgement of one octet",
            GoesAway(PROTOCOL),
            [frame(FrameType::SETTINGS, ACK, 0, &[0])],
        ),
        server(
            "6.5 SETTINGS and ACK and other flags",
            Lives,
            [
                frame(FrameType::SETTINGS, 0xfe, 0, &[0, 4, 0, 0, 1, 0]),
                get(1),
            ],
        ),
        server(
            "6.5.3 an acknowledgement of nothing",
            GoesAway(PROTOCOL),
            [ack(), get(1)],
        ),
        server(
            "6.5.3 ten acknowledgements of nothing",
            GoesAway(PROTOCOL),
            [(0..10).flat_map(|_| ack()).collect(), get(1)],
        ),
        server(
            "6.5.3 SETTINGS that are never acknowledged",
            Lives,
            [
                all([PREFACE.to_vec(), settings(&[])]),
                post(1),
                data(1, ES, b"x"),
            ],
        )
        .unopened(),
        server(
            "6.5.3 more than 65,535 octets before an acknowledgement",
            Lives,
            [
                all([PREFACE.to_vec(), settings(&[])]),
                post_of(1, "/hang"),
                all([
                    data(1, 0, &[0; 16_384]),
                    data(1, 0, &[0; 16_384]),
                    data(1, 0, &[0; 16_384]),
                    data(1, 0, &[0; 16_383]),
                ]),
            ],
        )
        .unopened(),
        server(
            "6.5.3 an acknowledgement after streams were opened",
            Lives,
            [
                all([PREFACE.to_vec(), settings(&[])]),
                post(1),
                ack(),
                data(1, ES, b"x"),
            ],
        )
        .unopened(),
        server(
            "6.5.3 SETTINGS are acknowledged in their order with PINGs",
            Lives,
            [all([
                settings(&[]),
                ping([1; 8]),
                settings(&[]),
                ping([2; 8]),
                settings(&[]),
            ])],
        ),
        server("6.5 no parameter", Lives, [settings(&[])]),
        server(
            "6.5 SETTINGS a hundred times, one at a time",
            Lives,
            (0..100).map(|n| settings(&[(INITIAL_WINDOW_SIZE, n)])),
        ),
        server(
            "6.5 SETTINGS a thousand times at once",
            Lives,
            [
                (0..1_000)
                    .flat_map(|n| settings(&[(INITIAL_WINDOW_SIZE, n)]))
                    .collect(),
                get(1),
            ],
        ),
        server(
            "6.5 SETTINGS of as many parameters as fit",
            Lives,
            [settings(&[(0xabc, 7); 2_730]), get(1)],
        ),
        server(
            "6.5 SETTINGS of one parameter too many",
            GoesAway(SIZE),
            [settings(&[(0xabc, 7); 2_731])],
        ),
        server(
            "6.5 SETTINGS of many parameters, and a window at the end",
            Lives,
            [
                settings(&[&[(0xabc, 7); 2_729][..], &[(INITIAL_WINDOW_SIZE, 9)]].concat()),
                get_of(1, "/large"),
            ],
        ),
        server(
            "6.5 SETTINGS of many parameters that disagree",
            Lives,
            [
                settings(&[
                    (MAX_FRAME_SIZE, 16_384),
                    (MAX_FRAME_SIZE, 1 << 20),
                    (MAX_FRAME_SIZE, 16_384),
                    (INITIAL_WINDOW_SIZE, 1),
                    (INITIAL_WINDOW_SIZE, 7),
                ]),
                get_of(1, "/large"),
            ],
        ),
        server(
            "6.5 SETTINGS between the frames of a block",
            GoesAway(PROTOCOL),
            [
                headers(1, ES, &request("GET", "/")),
                settings(&[]),
                continuation(1, EH, &[]),
            ],
        ),
        server(
            "6.5 SETTINGS that stop",
            GoesAway(SIZE),
            [settings(&[(INITIAL_WINDOW_SIZE, 1)])[..12].to_vec()],
        ),
        server(
            "6.5 wrong SETTINGS while a response waits",
            GoesAway(PROTOCOL),
            [get_of(1, "/large"), settings(&[(MAX_FRAME_SIZE, 1)])],
        ),
    ];
    let (lives, wrong) = (Lives, GoesAway(PROTOCOL));
    for (name, ends, parameters) in [
        ("HEADER_TABLE_SIZE 0", lives, &[(HEADER_TABLE_SIZE, 0)][..]),
        (
            "HEADER_TABLE_SIZE 2^32-1",
            lives,
            &[(HEADER_TABLE_SIZE, u32::MAX)],
        ),
        (
            "HEADER_TABLE_SIZE down and up",
            lives,
            &[(HEADER_TABLE_SIZE, 0), (HEADER_TABLE_SIZE, 4_096)],
        ),
        ("ENABLE_PUSH 0", lives, &[(ENABLE_PUSH, 0)]),
        ("ENABLE_PUSH 1", lives, &[(ENABLE_PUSH, 1)]),
        ("ENABLE_PUSH 2", wrong, &[(ENABLE_PUSH, 2)]),
        (
            "ENABLE_PUSH 2 before INITIAL_WINDOW_SIZE",
            wrong,
            &[(ENABLE_PUSH, 2), (INITIAL_WINDOW_SIZE, 1)],
        ),
        (
            "MAX_CONCURRENT_STREAMS 0",
            lives,
            &[(MAX_CONCURRENT_STREAMS, 0)],
        ),
        (
            "MAX_CONCURRENT_STREAMS 2^32-1",
            lives,
            &[(MAX_CONCURRENT_STREAMS, u32::MAX)],
        ),
        (
            "INITIAL_WINDOW_SIZE 2^31-1",
            lives,
            &[(INITIAL_WINDOW_SIZE, (1 << 31) - 1)],
        ),
        (
            "INITIAL_WINDOW_SIZE above 2^31-1",
            wrong,
            &[(INITIAL_WINDOW_SIZE, 1 << 31)],
        ),
        (
            "INITIAL_WINDOW_SIZE above 2^31-1 and then right",
            wrong,
            &[(INITIAL_WINDOW_SIZE, 1 << 31), (INITIAL_WINDOW_SIZE, 5)],
        ),
        (
            "INITIAL_WINDOW_SIZE right and then above 2^31-1",
            wrong,
            &[(INITIAL_WINDOW_SIZE, 5), (INITIAL_WINDOW_SIZE, 1 << 31)],
        ),
        ("MAX_FRAME_SIZE 16,383", wrong, &[(MAX_FRAME_SIZE, 16_383)]),
        ("MAX_FRAME_SIZE 0", wrong, &[(MAX_FRAME_SIZE, 0)]),
        ("MAX_FRAME_SIZE 16,384", lives, &[(MAX_FRAME_SIZE, 16_384)]),
        (
            "MAX_FRAME_SIZE 2^24-1",
            lives,
            &[
                (MAX_FRAME_SIZE, (1 << 24) - 1),
                (INITIAL_WINDOW_SIZE, 10_000),
            ],
        ),
        ("MAX_FRAME_SIZE 2^24", wrong, &[(MAX_FRAME_SIZE, 1 << 24)]),
        (
            "MAX_FRAME_SIZE right and then wrong",
            wrong,
            &[(MAX_FRAME_SIZE, 20_000), (MAX_FRAME_SIZE, 1)],
        ),
        (
            "MAX_FRAME_SIZE wrong and then right",
            wrong,
            &[(MAX_FRAME_SIZE, 1), (MAX_FRAME_SIZE, 20_000)],
        ),
        (
            "MAX_HEADER_LIST_SIZE 0",
            lives,
            &[(MAX_HEADER_LIST_SIZE, 0)],
        ),
        (
            "MAX_HEADER_LIST_SIZE 2^32-1",
            lives,
            &[(MAX_HEADER_LIST_SIZE, u32::MAX)],
        ),
        ("parameter 7", lives, &[(0x7, 1)]),
        (
            "ENABLE_CONNECT_PROTOCOL 1 from a client",
            lives,
            &[(ENABLE_CONNECT_PROTOCOL, 1)],
        ),
        (
            "ENABLE_CONNECT_PROTOCOL 2",
            wrong,
            &[(ENABLE_CONNECT_PROTOCOL, 2)],
        ),
        ("an unknown parameter", lives, &[(0x4242, 0x4242)]),
        (
            "an unknown parameter twice",
            lives,
            &[(0x4242, 1), (0x4242, 2)],
        ),
        (
            "all parameters",
            lives,
            &[
                (0x1, 100),
                (0x2, 0),
                (0x3, 5),
                (0x4, 70_000),
                (0x5, 20_000),
                (0x6, 9_000),
            ],
        ),
    ] {
        value(&mut cases, name, ends, parameters);
    }
    cases
}

#[test]
fn rfc9113_6_5_settings() {
    assert_transparent(&cases());
}
