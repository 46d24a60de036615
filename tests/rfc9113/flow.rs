//! Sections 5.2 and 6.9: flow control, both ways.

use framewright::FrameType;

use crate::differential::wire::*;
use crate::differential::{Case, Ends::*, assert_transparent, server};
use crate::raw::{INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE};

const FRAME: [u8; 16_384] = [b'x'; 16_384];
const MOST: u32 = (1 << 31) - 1;

fn window(octets: u32) -> Vec<u8> {
    settings(&[(INITIAL_WINDOW_SIZE, octets)])
}

/// DATA of all of a window of 65,535 octets.
fn fill(stream: u32) -> Vec<u8> {
    all([
        data(stream, 0, &FRAME),
        data(stream, 0, &FRAME),
        data(stream, 0, &FRAME),
        data(stream, 0, &FRAME[1..]),
    ])
}

/// DATA of 856 octets, of which 600 are content, so many times.
fn padding(times: usize) -> Vec<u8> {
    data(1, PADDED, &padded(&FRAME[..600], 255)).repeat(times)
}

pub(crate) fn cases() -> Vec<Case> {
    let large = || get_of(1, "/large");
    vec![
        // What the peer grants.
        server(
            "6.9 a response in a window of its size",
            Lives,
            [window(100_000), window_update(0, 34_465), large()],
        ),
        server(
            "6.9 a response that waits for the connection",
            Lives,
            [window(1 << 20), large(), window_update(0, 34_465)],
        ),
        server(
            "6.9 a response that waits for its stream",
            Lives,
            [window_update(0, 1 << 20), large(), window_update(1, 34_465)],
        ),
        server(
            "6.9 a response an octet at a time",
            Lives,
            [
                window(0),
                large(),
                window_update(1, 1),
                window_update(1, 1),
                window_update(1, 2),
            ],
        ),
        server(
            "6.9 a response that is never granted its last octet",
            Lives,
            [window_update(0, 1 << 20), large(), window_update(1, 34_464)],
        ),
        server(
            "6.9 an increment of 0 on the connection",
            GoesAway(PROTOCOL),
            [window_update(0, 0)],
        ),
        server(
            "6.9 an increment of 0 on an open stream",
            GoesAway(PROTOCOL),
            [large(), window_update(1, 0), get(3)],
        ),
        server(
            "6.9 an increment of 0 on an idle stream",
            GoesAway(PROTOCOL),
            [window_update(1, 0)],
        ),
        server(
            "6.9 an increment of 0 on a closed stream",
            GoesAway(PROTOCOL),
            [get(1), window_update(1, 0)],
        ),
        server(
            "6.9 an increment of 0 but for the reserved bit",
            GoesAway(PROTOCOL),
            [large(), window_update(1, 1 << 31)],
        ),
        server(
            "6.9 the reserved bit of an increment",
            Lives,
            [
                window_update(0, 1 << 20),
                large(),
                window_update(1, 1 << 31 | 34_465),
            ],
        ),
        server(
            "6.9.1 the largest window of the connection",
            Lives,
            [window_update(0, MOST - 65_535), get(1)],
        ),
        server(
            "6.9.1 too large a window of the connection",
            GoesAway(FLOW),
            [window_update(0, MOST - 65_534), get(1)],
        ),
        server(
            "6.9.1 too large a window of the connection in two",
            GoesAway(FLOW),
            [window_update(0, MOST - 65_535), window_update(0, 1)],
        ),
        server(
            "6.9.1 the largest window of a stream",
            Lives,
            [get_of(1, "/hang"), window_update(1, MOST - 65_535)],
        ),
        server(
            "6.9.1 too large a window of a stream",
            Resets(FLOW),
            [get_of(1, "/hang"), window_update(1, MOST - 65_534), get(3)],
        ),
        server(
            "6.9.1 too large a window of a stream in two",
            Resets(FLOW),
            [
                get_of(1, "/hang"),
                window_update(1, MOST - 65_535),
                window_update(1, 1),
                get(3),
            ],
        ),
        server(
            "6.9.1 too large a window while a response waits",
            Resets(FLOW),
            [
                window(10),
                large(),
                window_update(1, MOST),
                window_update(1, MOST),
                get(3),
            ],
        ),
        server(
            "6.9.1 too large a window of a stream whose body comes",
            Resets(FLOW),
            [post(1), window_update(1, MOST), data(1, ES, b"x"), get(3)],
        ),
        server(
            "6.9.1 too large a window of a closed stream",
            Lives,
            [get(1), window_update(1, MOST), get(3)],
        ),
        server(
            "6.9.1 too large a window of a stream that was reset",
            Lives,
            [post(1), rst(1, CANCEL), window_update(1, MOST), get(3)],
        ),
        server(
            "6.9.1 much credit in small parts",
            Lives,
            [
                window_update(0, 1 << 20),
                large(),
                (0..400).flat_map(|_| window_update(1, 100)).collect(),
            ],
        ),
        server("6.9.2 a window of 0", Lives, [window(0), large(), get(3)]),
        server(
            "6.9.2 a window that is opened by SETTINGS",
            Lives,
            [
                window_update(0, 1 << 20),
                window(0),
                large(),
                window(100),
                window(50_000),
                window(100_000),
            ],
        ),
        server(
            "6.9.2 a window that becomes negative",
            Lives,
            [
                window_update(0, 1 << 20),
                large(),
                window(0),
                window_update(1, 65_535),
                window_update(1, 1),
                window_update(1, 34_464),
            ],
        ),
        server(
            "6.9.2 a negative window that SETTINGS open again",
            Lives,
            [
                window_update(0, 1 << 20),
                large(),
                window(10),
                window(65_535),
                window(100_000),
            ],
        ),
        server(
            "6.9.2 a negative window that becomes more negative",
            Lives,
            [
                window_update(0, 1 << 20),
                large(),
                window(30_000),
                window(0),
                window_update(1, 65_536),
            ],
        ),
        server("6.9.2 the largest window", Lives, [window(MOST), get(1)]),
        server(
            "6.9.2 too large a window",
            GoesAway(PROTOCOL),
            [window(MOST + 1), get(1)],
        ),
        server(
            "6.9.2 the largest number as a window",
            GoesAway(PROTOCOL),
            [window(u32::MAX), get(1)],
        ),
        server(
            "6.9.2 a window that becomes too large by SETTINGS",
            GoesAway(FLOW),
            [
                get_of(1, "/hang"),
                window_update(1, MOST - 65_535),
                window(65_536),
                get(3),
            ],
        ),
        server(
            "6.9.2 a window of a waiting response that becomes too large",
            GoesAway(FLOW),
            [window(0), large(), window_update(1, MOST), window(65_536)],
        ),
        server(
            "6.9.2 windows in one frame of SETTINGS: the last holds",
            Lives,
            [
                settings(&[(INITIAL_WINDOW_SIZE, 0), (INITIAL_WINDOW_SIZE, 100)]),
                large(),
            ],
        ),
        server(
            "6.9.2 windows in one frame of SETTINGS: the first is wrong",
            GoesAway(PROTOCOL),
            [
                settings(&[(INITIAL_WINDOW_SIZE, u32::MAX), (INITIAL_WINDOW_SIZE, 100)]),
                large(),
            ],
        ),
        server(
            "6.9.2 windows do not concern the connection",
            Lives,
            [window(1 << 20), large()],
        ),
        server(
            "6.9.2 a window that goes up and down",
            Lives,
            [
                large(),
                (0..40).flat_map(|n| window(n * 1_000)).collect(),
                (0..40).rev().flat_map(|n| window(n * 1_000)).collect(),
            ],
        ),
        server(
            "6.9 credit and a reset",
            Lives,
            [
                large(),
                rst(1, CANCEL),
                window_update(1, 100_000),
                get_of(3, "/large"),
                window_update(0, 100_000),
                window_update(3, 100_000),
            ],
        ),
        server(
            "6.9 a reset gives no credit back",
            Lives,
            [
                window(1 << 20),
                large(),
                rst(1, CANCEL),
                get_of(3, "/large"),
                window_update(0, 10),
                window_update(0, 200_000),
            ],
        ),
        server(
            "6.9 two responses that share the connection",
            Lives,
            [
                window(1 << 20),
                all([large(), get_of(3, "/large")]),
                window_update(0, 1 << 20),
            ],
        ),
        server(
            "6.9 trailers wait for DATA, but not for credit",
            Lives,
            [window(10), get_of(1, "/trailers"), window_update(1, 90)],
        ),
        server(
            "6.9 a body that fails while it waits",
            Resets(INTERNAL),
            [window(10), get_of(1, "/fails"), window_update(1, 90)],
        ),
        server(
            "6.9 an empty response needs no credit",
            Lives,
            [window(0), get_of(1, "/empty")],
        ),
        server(
            "6.9.3 a head needs no credit",
            Lives,
            [window(0), all([get(1), get(3)])],
        ),
        server(
            "6.5.2 larger frames",
            Lives,
            [
                settings(&[(MAX_FRAME_SIZE, 16_384), (INITIAL_WINDOW_SIZE, 16_385)]),
                large(),
            ],
        ),
        // What hyper grants.
        server(
            "6.9 a window of the connection used up",
            Lives,
            [post(1), fill(1)],
        )
        .small_windows(),
        server(
            "6.9 a window used up that nobody reads",
            Lives,
            [post_of(1, "/hang"), fill(1)],
        )
        .small_windows(),
        server(
            "6.9.1 an octet over a window",
            GoesAway(FLOW),
            [post_of(1, "/hang"), fill(1), data(1, 0, b"x")],
        )
        .small_windows(),
        server(
            "6.9.1 END_STREAM with no credit",
            Lives,
            [post_of(1, "/hang"), fill(1), data(1, ES, b"")],
        )
        .small_windows(),
        server(
            "6.9.1 an octet over the connection's window",
            GoesAway(FLOW),
            [
                post_of(1, "/hang"),
                fill(1),
                post_of(3, "/hang"),
                data(3, 0, b"x"),
            ],
        )
        .small_windows(),
        server(
            "6.9.1 padding over a window",
            GoesAway(FLOW),
            [post_of(1, "/hang"), fill(1), data(1, PADDED, &[0])],
        )
        .small_windows(),
        server(
            "6.9.1 all of a window at once",
            GoesAway(FLOW),
            [post_of(1, "/hang"), all([fill(1), fill(1)])],
        )
        .small_windows(),
        server(
            "6.9.1 DATA over a window after a reset",
            GoesAway(FLOW),
            [
                post_of(1, "/hang"),
                fill(1),
                rst(1, CANCEL),
                post_of(3, "/hang"),
                fill(3),
                data(3, 0, b"x"),
            ],
        )
        .small_windows(),
        server(
            "6.9.1 DATA on closed streams counts",
            Resets(CLOSED),
            [
                get(1),
                data(1, 0, &FRAME),
                data(1, 0, &FRAME),
                post(3),
                data(3, ES, b"x"),
            ],
        )
        .small_windows(),
        server(
            "6.9 bodies that are not read are given back",
            Resets(NO_ERROR),
            [
                post_of(1, "/early"),
                data(1, 0, &FRAME),
                data(1, ES, &FRAME),
                post(3),
                data(3, ES, b"x"),
            ],
        )
        .small_windows(),
        server(
            "5.2 padding counts",
            Lives,
            [
                post(1),
                padding(50),
                padding(50),
                padding(50),
                data(1, ES, b""),
            ],
        )
        .small_windows(),
        server(
            "6.9 WINDOW_UPDATE between the frames of a block",
            GoesAway(PROTOCOL),
            [
                headers(1, ES, &request("GET", "/")),
                window_update(0, 1),
                continuation(1, EH, &[]),
            ],
        ),
        server(
            "6.9 WINDOW_UPDATE of a stream whose request is refused",
            Resets(PROTOCOL),
            [
                headers(1, EH, &fields(&[("x", "y")])),
                window_update(1, 100),
                get(3),
            ],
        ),
        server(
            "6.9 half of a WINDOW_UPDATE",
            GoesAway(PROTOCOL),
            [window_update(0, 100)[..11].to_vec()],
        ),
        server(
            "6.9 a WINDOW_UPDATE of eight octets",
            GoesAway(PROTOCOL),
            [frame(FrameType::WINDOW_UPDATE, 0, 0, &[0; 8])],
        ),
    ]
}

#[test]
fn rfc9113_6_9_flow_control() {
    assert_transparent(&cases());
}
