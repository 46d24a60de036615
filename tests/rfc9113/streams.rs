//! Section 5.1: frames on streams that are idle, half-closed or closed, and on those
//! that they do not belong to.

use framewright::FrameType;

use crate::differential::wire::*;
use crate::differential::{
    Case,
    Ends::{self, *},
    assert_transparent, server,
};

/// One of each type, right but for the state of its stream.
fn kinds(stream: u32) -> [(&'static str, Vec<u8>); 9] {
    [
        ("DATA", data(stream, 0, b"data")),
        ("DATA with END_STREAM", data(stream, ES, b"data")),
        (
            "HEADERS",
            headers(stream, ALL, &fields(&[("x-trailer", "here")])),
        ),
        ("PRIORITY", priority(stream, 0, 16)),
        ("RST_STREAM", rst(stream, CANCEL)),
        (
            "PUSH_PROMISE",
            push_promise(stream, 2, EH, &request("GET", "/")),
        ),
        ("WINDOW_UPDATE", window_update(stream, 100)),
        ("CONTINUATION", continuation(stream, EH, &[])),
        ("an unknown frame", unknown(stream, 0, b"?")),
    ]
}

fn each(cases: &mut Vec<Case>, state: &str, front: &[Vec<u8>], stream: u32, ends: [Ends; 9]) {
    for ((kind, octets), ends) in kinds(stream).into_iter().zip(ends) {
        let batches = front.iter().cloned().chain([octets, get(9)]);
        cases.push(server(format!("5.1 {kind} on {state}"), ends, batches));
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let wrong = GoesAway(PROTOCOL);
    let (closed, none, refused) = (Resets(CLOSED), Resets(NO_ERROR), Resets(PROTOCOL));
    let mut cases = vec![
        server("5.1.1 a stream of an even number", wrong, [get(2)]),
        server("5.1.1 stream 0", wrong, [get(0)]),
        server("5.1.1 the highest stream", Lives, [get(0x7fff_ffff)]),
        server(
            "5.1.1 a stream after the highest",
            wrong,
            [get(0x7fff_ffff), get(1)],
        ),
        server(
            "5.1.1 a stream that is lower than one before",
            GoesAway(PROTOCOL),
            [get(5), get(3)],
        ),
        server(
            "5.1.1 the same stream again",
            GoesAway(PROTOCOL),
            [get(1), get(1)],
        ),
        server(
            "5.1.1 streams that are left out",
            Lives,
            [get(1), get(5), get(101)],
        ),
        server(
            "5.1.1 DATA on a stream that was left out",
            Resets(CLOSED),
            [get(5), data(3, 0, b"x")],
        ),
        server(
            "5.1.1 RST_STREAM on a stream that was left out",
            Lives,
            [get(5), rst(3, CANCEL)],
        ),
        server(
            "5.1.1 WINDOW_UPDATE on a stream that was left out",
            Lives,
            [get(5), window_update(3, 1)],
        ),
        server(
            "5.1.1 DATA on a stream of the server's",
            wrong,
            [get(1), data(2, 0, b"x")],
        ),
        server(
            "5.1.1 RST_STREAM on a stream of the server's",
            wrong,
            [get(1), rst(2, CANCEL)],
        ),
        server(
            "5.1.1 WINDOW_UPDATE on a stream of the server's",
            wrong,
            [get(1), window_update(2, 1)],
        ),
        server(
            "5.1.2 as many streams as there may be",
            Lives,
            [(0..200).flat_map(|n| get_of(2 * n + 1, "/hang")).collect()],
        ),
        server(
            "5.1.2 one stream too many",
            Resets(REFUSED),
            [(0..201).flat_map(|n| get_of(2 * n + 1, "/hang")).collect()],
        ),
        server(
            "5.1.2 one stream too many, and then one is reset",
            Resets(REFUSED),
            [
                (0..201).flat_map(|n| get_of(2 * n + 1, "/hang")).collect(),
                rst(1, CANCEL),
                get(999),
            ],
        ),
        server(
            "5.1.2 a burst of a hundred requests",
            Lives,
            [(0..100).flat_map(|n| get(2 * n + 1)).collect()],
        ),
        server(
            "5.1 requests that are reset at once",
            GoesAway(CALM),
            [(0..60)
                .flat_map(|n| all([post(2 * n + 1), rst(2 * n + 1, CANCEL)]))
                .collect()],
        ),
        server(
            "5.1 requests that are reset in turn",
            Lives,
            (0..30).flat_map(|n| [post(2 * n + 1), rst(2 * n + 1, CANCEL)]),
        ),
        server(
            "5.4.1 frames after a wrong one",
            wrong,
            [all([get(1), data(0, 0, b"x"), get(3), ping([1; 8])])],
        ),
        server(
            "5.4.2 a request after one that was refused",
            Resets(PROTOCOL),
            [headers(1, ALL, &fields(&[("x", "y")])), get(3)],
        ),
        server(
            "5.3.1 a stream that depends on itself",
            Resets(PROTOCOL),
            [
                headers(
                    1,
                    ALL | PRIORITY,
                    &[&[0, 0, 0, 1, 16][..], &request("GET", "/")].concat(),
                ),
                get(3),
            ],
        ),
        server(
            "5.3.2 fields of priority in HEADERS",
            Lives,
            [headers(
                1,
                ALL | PRIORITY,
                &[&[0x80, 0, 0, 0, 255][..], &request("GET", "/")].concat(),
            )],
        ),
        server(
            "5.3.2 HEADERS with half of the fields of priority",
            GoesAway(PROTOCOL),
            [headers(1, ALL | PRIORITY, &[0, 0, 0])],
        ),
        server(
            "5.3.2 HEADERS with fields of priority alone",
            Resets(PROTOCOL),
            [headers(1, ALL | PRIORITY, &[0, 0, 0, 0, 16])],
        ),
    ];
    let lives = Lives;
    each(
        &mut cases,
        "an idle stream",
        &[],
        7,
        [
            wrong,
            wrong,
            Resets(PROTOCOL),
            lives,
            wrong,
            wrong,
            wrong,
            wrong,
            lives,
        ],
    );
    each(
        &mut cases,
        "an open stream",
        &[post(1)],
        1,
        [
            lives, lives, lives, lives, lives, wrong, lives, wrong, lives,
        ],
    );
    each(
        &mut cases,
        "an open stream that is not read",
        &[post_of(1, "/hang")],
        1,
        [
            lives, lives, lives, lives, lives, wrong, lives, wrong, lives,
        ],
    );
    each(
        &mut cases,
        "a half-closed stream",
        &[get_of(1, "/hang")],
        1,
        [
            wrong, wrong, wrong, lives, lives, wrong, lives, wrong, lives,
        ],
    );
    each(
        &mut cases,
        "a stream that is half-closed at the other end",
        &[post_of(1, "/early")],
        1,
        [none, none, none, none, none, none, none, wrong, none],
    );
    each(
        &mut cases,
        "a closed stream",
        &[get(1)],
        1,
        [
            closed, closed, wrong, lives, lives, wrong, lives, wrong, lives,
        ],
    );
    each(
        &mut cases,
        "a stream that was reset",
        &[post(1), rst(1, CANCEL)],
        1,
        [
            closed, closed, wrong, lives, lives, wrong, lives, wrong, lives,
        ],
    );
    each(
        &mut cases,
        "a stream that the other end has reset",
        &[headers(1, EH, &fields(&[("x", "y")]))],
        1,
        [
            refused, refused, refused, refused, refused, refused, refused, wrong, refused,
        ],
    );
    // What has to be on a stream, or on none.
    for (kind, octets) in kinds(0) {
        if !matches!(kind, "an unknown frame" | "WINDOW_UPDATE") {
            cases.push(server(
                format!("5.1 {kind} on the connection"),
                wrong,
                [get(1), octets],
            ));
        }
    }
    for (kind, octets) in [
        ("SETTINGS", frame(FrameType::SETTINGS, 0, 1, &[])),
        (
            "an acknowledgement of SETTINGS",
            frame(FrameType::SETTINGS, 1, 1, &[]),
        ),
        ("PING", frame(FrameType::PING, 0, 1, &[0; 8])),
        (
            "an acknowledgement of PING",
            frame(FrameType::PING, 1, 1, &[0; 8]),
        ),
        ("GOAWAY", frame(FrameType::GOAWAY, 0, 1, &[0; 8])),
    ] {
        cases.push(server(
            format!("5.1 {kind} on a stream"),
            wrong,
            [post(1), octets],
        ));
    }
    cases
}

#[test]
fn rfc9113_5_streams() {
    assert_transparent(&cases());
}
