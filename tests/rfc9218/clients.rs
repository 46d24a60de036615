//! What a server may tell a client of priorities.

use framewright::FrameType;

use crate::differential::wire::*;
use crate::differential::{
    Ask, Case,
    Ends::{self, *},
    assert_transparent, client,
};
use crate::raw::NO_RFC7540_PRIORITIES;

const GET: &[Ask] = &[Ask::Get];

/// A response after this.
fn after(name: &str, ends: Ends, octets: Vec<u8>) -> Case {
    client(
        name,
        GET,
        ends,
        [octets, ok(1, EH, &[("priority", "u=1")]), data(1, ES, b"x")],
    )
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        after(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES 0 from a server",
            Lives,
            settings(&[(NO_RFC7540_PRIORITIES, 0)]),
        ),
        after(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES 1 from a server",
            Lives,
            settings(&[(NO_RFC7540_PRIORITIES, 1)]),
        ),
        after(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES 2 from a server",
            Lives,
            settings(&[(NO_RFC7540_PRIORITIES, 2)]),
        ),
        client(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES at first and not later",
            GET,
            Lives,
            [
                settings(&[(NO_RFC7540_PRIORITIES, 1)]),
                settings(&[(NO_RFC7540_PRIORITIES, 0)]),
                ok(1, ALL, &[]),
            ],
        )
        .unopened(),
        after("7.1 an update from a server", Lives, update(1, "u=0")),
        after(
            "7.1 an update from a server of an idle stream",
            Lives,
            update(9, "u=0"),
        ),
        after(
            "7.1 an update from a server of the connection",
            Lives,
            update(0, "u=0"),
        ),
        after(
            "7.1 an update from a server on a stream",
            Lives,
            frame(FrameType::PRIORITY_UPDATE, 0, 1, b"\0\0\0\x01u=0"),
        ),
        after(
            "7.1 an update from a server of three octets",
            Lives,
            frame(FrameType::PRIORITY_UPDATE, 0, 0, b"\0\0\0"),
        ),
        after(
            "7.1 an update from a server of 16,385 octets",
            GoesAway(SIZE),
            frame(FrameType::PRIORITY_UPDATE, 0, 0, &[0; 16_385]),
        ),
        client(
            "7.1 an update from a server in a header block",
            GET,
            GoesAway(PROTOCOL),
            [
                headers(1, 0, &[0x88]),
                update(1, "u=0"),
                continuation(1, EH, &[]),
            ],
        ),
        client(
            "8 priority of a response that is none",
            GET,
            Lives,
            [ok(1, ALL, &[("priority", "((")])],
        ),
        client(
            "8 priority of a response twice",
            GET,
            Lives,
            [ok(1, ALL, &[("priority", "u=1"), ("priority", "u=2")])],
        ),
        client(
            "8 priority in trailers of a response",
            GET,
            Lives,
            [
                ok(1, EH, &[]),
                headers(1, ALL, &fields(&[("priority", "u=1")])),
            ],
        ),
        client(
            "5 a field as the transport's in a response",
            GET,
            Lives,
            [ok(1, EH, &[("framewright-stream", "x")]), data(1, ES, b"x")],
        ),
        client(
            "5 a field as the transport's in a response with no body",
            GET,
            Lives,
            [ok(1, ALL, &[("framewright-stream", "x")])],
        ),
        client(
            "5 a field as the transport's in trailers of a response",
            GET,
            Lives,
            [
                ok(1, EH, &[]),
                headers(1, ALL, &fields(&[("framewright-stream", "x")])),
            ],
        ),
        client(
            "5 a field as the transport's in 103",
            GET,
            Lives,
            [
                headers(
                    1,
                    EH,
                    &fields(&[(":status", "103"), ("framewright-stream", "x")]),
                ),
                ok(1, ALL, &[]),
            ],
        ),
    ]
}

#[test]
fn rfc9218_clients() {
    assert_transparent(&cases());
}
