//! Section 7: `PRIORITY_UPDATE` to a server.

use framewright::FrameType;

use crate::differential::wire::*;
use crate::differential::{Case, Ends::*, assert_transparent, server};
use crate::raw::PREFACE;

const UPDATE: FrameType = FrameType::PRIORITY_UPDATE;

fn raw(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(UPDATE, flags, stream, payload)
}

/// An update in each place where one may come.
fn everywhere(cases: &mut Vec<Case>, name: &str, octets: &[u8]) {
    let front = [
        all([PREFACE.to_vec(), octets.to_vec()]),
        settings(&[]),
        get(1),
    ];
    cases.push(server(format!("7.1 {name}, before SETTINGS"), Lives, front).unopened());
    let idle = [octets.to_vec(), get(1), get_of(3, "/trailers")];
    cases.push(server(format!("7.1 {name}, before a request"), Lives, idle));
    let open = [post(1), octets.to_vec(), data(1, ES, b"x"), get(3)];
    cases.push(server(format!("7.1 {name}, in mid-request"), Lives, open));
    let waits = [
        get_of(1, "/large"),
        get_of(3, "/large"),
        octets.to_vec(),
        window_update(0, 200_000),
        window_update(1, 50_000),
        window_update(3, 50_000),
    ];
    cases.push(server(format!("7.1 {name}, in mid-response"), Lives, waits));
    let closed = [get(1), get(3), octets.to_vec(), get(5)];
    cases.push(server(
        format!("7.1 {name}, after a response"),
        Lives,
        closed,
    ));
}

pub(crate) fn cases() -> Vec<Case> {
    let half = || headers(1, ES, &request("GET", "/"));
    let mut cases = vec![
        server(
            "7.1 an update between the frames of a block",
            GoesAway(PROTOCOL),
            [half(), update(1, "u=0"), continuation(1, EH, &[])],
        ),
        server(
            "7.1 an update for its own header block, in one batch",
            GoesAway(PROTOCOL),
            [all([half(), update(1, "u=0"), continuation(1, EH, &[])])],
        ),
        server(
            "7.1 an update of 16,384 octets",
            Lives,
            [raw(0, 0, &[b'u'; 16_384]), get(1)],
        ),
        server(
            "7.1 an update of 16,385 octets",
            GoesAway(SIZE),
            [raw(0, 0, &[b'u'; 16_385]), get(1)],
        ),
        server(
            "7.1 an update of 1,024 octets",
            Lives,
            [
                update(1, &format!("u=1, x=\"{}\"", "x".repeat(1_011))),
                get(1),
            ],
        ),
        server(
            "7.1 an update of 1,025 octets",
            Lives,
            [
                update(1, &format!("u=1, x=\"{}\"", "x".repeat(1_012))),
                get(1),
            ],
        ),
        server(
            "7.1 an update that stops in its head",
            GoesAway(SIZE),
            [update(1, "u=0")[..8].to_vec()],
        ),
        server(
            "7.1 an update that stops in its payload",
            GoesAway(SIZE),
            [update(1, "u=0, i, x=1, y=2, z=3")[..20].to_vec(), get(1)],
        ),
        server(
            "7.1 updates for more idle streams than there may be",
            Lives,
            [
                (0..400).flat_map(|n| update(2 * n + 1, "u=1")).collect(),
                get(1),
                get(801),
            ],
        ),
        server(
            "7.1 updates for one idle stream, many times",
            Lives,
            [
                (0..400)
                    .flat_map(|n| update(9, &format!("u={}", n % 8)))
                    .collect(),
                get(9),
            ],
        ),
        server(
            "7.1 updates for one open stream, many times",
            Lives,
            [
                get_of(1, "/large"),
                (0..400)
                    .flat_map(|n| update(1, &format!("u={}", n % 8)))
                    .collect(),
                window_update(0, 100_000),
                window_update(1, 100_000),
            ],
        ),
        server(
            "7.1 an update after GOAWAY",
            Closes,
            [
                post(1),
                goaway(0, NO_ERROR, b""),
                update(1, "u=0"),
                data(1, ES, b"x"),
            ],
        ),
        server(
            "7.1 an update of a stream that was reset",
            Lives,
            [get_of(1, "/hang"), rst(1, CANCEL), update(1, "u=0"), get(3)],
        ),
        server(
            "7.1 an update of a stream that was refused",
            Resets(PROTOCOL),
            [
                headers(1, ALL, &fields(&[("x", "y")])),
                update(1, "u=0"),
                get(3),
            ],
        ),
        server(
            "7.1 an update in one batch with the request",
            Lives,
            [all([get(1), update(1, "u=0"), get(3), update(3, "u=7, i")])],
        ),
        server(
            "7.1 an update in one batch before the request",
            Lives,
            [all([update(1, "u=0"), get(1), update(3, "u=7, i"), get(3)])],
        ),
        server(
            "7.1 an update after a wrong frame",
            GoesAway(PROTOCOL),
            [data(0, 0, b"x"), update(1, "u=0")],
        ),
        server(
            "10 responses of all urgencies",
            Lives,
            [(0..8)
                .flat_map(|n| {
                    all([
                        update(2 * n + 1, &format!("u={}", 7 - n)),
                        get_of(2 * n + 1, "/trailers"),
                    ])
                })
                .collect()],
        ),
        server(
            "10 large responses of two urgencies",
            Lives,
            [
                settings(&[(0x4, 1 << 20)]),
                all([
                    update(1, "u=7"),
                    get_of(1, "/large"),
                    update(3, "u=0"),
                    get_of(3, "/large"),
                ]),
                window_update(0, 1 << 20),
            ],
        ),
        server(
            "10 incremental responses",
            Lives,
            [
                settings(&[(0x4, 1 << 20)]),
                all([
                    update(1, "u=3, i"),
                    get_of(1, "/large"),
                    update(3, "u=3, i"),
                    get_of(3, "/large"),
                ]),
                window_update(0, 1 << 20),
            ],
        ),
    ];
    for (name, octets) in [
        ("an update", update(1, "u=0")),
        ("an update with no field", update(1, "")),
        ("an update of the connection", update(0, "u=0")),
        ("an update of a push", update(2, "u=0")),
        (
            "an update of the highest stream",
            update(0x7fff_ffff, "u=0"),
        ),
        (
            "an update with the reserved bit",
            update(1 << 31 | 1, "u=0"),
        ),
        ("an update on a stream", raw(0, 1, b"\0\0\0\x01u=0")),
        (
            "an update on a stream that is idle",
            raw(0, 99, b"\0\0\0\x01u=0"),
        ),
        (
            "an update on a stream of the server's",
            raw(0, 2, b"\0\0\0\x01u=0"),
        ),
        (
            "an update on the connection with the reserved bit",
            raw(0, 1 << 31, b"\0\0\0\x01u=0"),
        ),
        ("an update of no octet", raw(0, 0, b"")),
        ("an update of three octets", raw(0, 0, b"\0\0\0")),
        ("an update with flags", raw(0xff, 0, b"\0\0\0\x01u=0")),
        ("an update with an urgency too high", update(1, "u=8")),
        ("an update with a negative urgency", update(1, "u=-1")),
        ("an update that is no dictionary", update(1, "(((")),
        (
            "an update that is no ASCII",
            raw(0, 0, b"\0\0\0\x01\xff\xfe\0"),
        ),
        (
            "an update with parameters that nobody knows",
            update(1, "u=2, x=1;y, z"),
        ),
    ] {
        everywhere(&mut cases, name, &octets);
    }
    cases
}

#[test]
fn rfc9218_7_updates() {
    assert_transparent(&cases());
}
