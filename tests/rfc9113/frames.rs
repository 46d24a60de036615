//! Sections 6.1 to 6.4, 6.6 to 6.8, and 6.10: frames by their type.

use framewright::FrameType;

use crate::differential::wire::*;
use crate::differential::{Case, Ends::*, assert_transparent, server};
use crate::raw::ACK;

pub(crate) fn cases() -> Vec<Case> {
    let wrong = GoesAway(PROTOCOL);
    let half = || headers(1, ES, &request("GET", "/"));
    let padded_get = |padding| headers(1, ALL | PADDED, &padded(&request("GET", "/"), padding));
    vec![
        // 6.1 DATA.
        server(
            "6.1 padded DATA",
            Lives,
            [post(1), data(1, ES | PADDED, &padded(b"hello", 10))],
        ),
        server(
            "6.1 DATA padded by nothing",
            Lives,
            [post(1), data(1, ES | PADDED, &padded(b"hello", 0))],
        ),
        server(
            "6.1 nothing but padding",
            Lives,
            [
                post(1),
                data(1, PADDED, &padded(b"", 255)),
                data(1, ES, b"x"),
            ],
        ),
        server(
            "6.1 nothing but padding, at the end",
            Lives,
            [
                post(1),
                data(1, 0, b"x"),
                data(1, ES | PADDED, &padded(b"", 9)),
            ],
        ),
        server(
            "6.1 nothing but the length of no padding",
            Lives,
            [post(1), data(1, ES | PADDED, &[0])],
        ),
        server(
            "6.1 padding that is as long as the payload",
            wrong,
            [post(1), data(1, ES | PADDED, &[5, 1, 2, 3, 4])],
        ),
        server(
            "6.1 padding that fills the payload",
            Lives,
            [post(1), data(1, ES | PADDED, &[4, 1, 2, 3, 4])],
        ),
        server(
            "6.1 padding that is longer than the payload",
            wrong,
            [post(1), data(1, ES | PADDED, &[255, 1])],
        ),
        server(
            "6.1 padding with no length",
            wrong,
            [post(1), data(1, ES | PADDED, &[])],
        ),
        server(
            "6.1 padding that is not zeros",
            Lives,
            [post(1), data(1, ES | PADDED, &[3, b'x', 1, 2, 3])],
        ),
        server(
            "6.1 padded DATA on a closed stream",
            Resets(CLOSED),
            [get(1), data(1, PADDED, &padded(b"x", 3))],
        ),
        server(
            "6.1 wrong padding on a closed stream",
            wrong,
            [get(1), data(1, PADDED, &[9])],
        ),
        server("6.1 DATA before HEADERS", wrong, [data(1, 0, b"x")]),
        server(
            "6.1 empty DATA",
            Lives,
            [
                post(1),
                (0..20).flat_map(|_| data(1, 0, b"")).collect(),
                data(1, ES, b"x"),
            ],
        ),
        server(
            "6.1 much empty DATA",
            GoesAway(CALM),
            [
                post(1),
                (0..2_000).flat_map(|_| data(1, 0, b"")).collect(),
                data(1, ES, b"x"),
            ],
        ),
        server(
            "6.1 much padded DATA of one octet",
            Lives,
            [
                post(1),
                (0..2_000)
                    .flat_map(|_| data(1, PADDED, &[0, b'x']))
                    .collect(),
                data(1, ES, b"x"),
            ],
        ),
        server(
            "6.1 the same octets in small frames",
            Lives,
            [
                post(1),
                (0..100).flat_map(|n| data(1, 0, &[n])).collect(),
                data(1, ES, b"x"),
            ],
        ),
        // 6.2 HEADERS.
        server("6.2 padded HEADERS", Lives, [padded_get(10)]),
        server("6.2 HEADERS padded by nothing", Lives, [padded_get(0)]),
        server(
            "6.2 HEADERS padded by as much as possible",
            Lives,
            [padded_get(255)],
        ),
        server(
            "6.2 padded HEADERS with PRIORITY",
            Lives,
            [headers(
                1,
                ALL | PADDED | PRIORITY,
                &padded(&[&[0, 0, 0, 0, 16][..], &request("GET", "/")].concat(), 8),
            )],
        ),
        server(
            "6.2 padding that takes the fields of priority",
            wrong,
            [headers(1, ALL | PADDED | PRIORITY, &[3, 0, 0, 0, 0, 16])],
        ),
        server(
            "6.2 padding as long as the block",
            wrong,
            [headers(1, ALL | PADDED, &[4, 0x82, 0x86, 0x84])],
        ),
        server(
            "6.2 padding of all but nothing",
            Resets(PROTOCOL),
            [headers(1, ALL | PADDED, &[3, 0x82, 0x86, 0x84])],
        ),
        server(
            "6.2 padding longer than the block",
            wrong,
            [headers(1, ALL | PADDED, &[200, 0x82, 0x86, 0x84])],
        ),
        server(
            "6.2 padding with no length",
            wrong,
            [headers(1, ALL | PADDED, &[])],
        ),
        server(
            "6.2 padding that is not zeros",
            Lives,
            [headers(
                1,
                ALL | PADDED,
                &[&[2][..], &request("GET", "/"), &[0x82, 0xff]].concat(),
            )],
        ),
        server(
            "6.2 padded HEADERS and CONTINUATION",
            Lives,
            [
                headers(1, ES | PADDED, &padded(&request("GET", "/"), 5)),
                continuation(1, EH, &fields(&[("x", "y")])),
            ],
        ),
        server(
            "6.2 padding within a field that goes on",
            Lives,
            [
                headers(
                    1,
                    ES | PADDED,
                    &padded(
                        &[request("GET", "/"), vec![0, 1, b'x', 2, b'y']].concat(),
                        5,
                    ),
                ),
                continuation(1, EH, b"z"),
            ],
        ),
        server(
            "6.2 a request that fills a frame",
            Lives,
            [headers(
                1,
                ALL | PADDED,
                &padded(
                    &[request("GET", "/"), fields(&[("x", &"y".repeat(15_900))])].concat(),
                    200,
                ),
            )],
        ),
        // 6.3 PRIORITY.
        server(
            "6.3 PRIORITY",
            Lives,
            [priority(3, 0, 200), get(3), priority(3, 1, 3)],
        ),
        server(
            "6.3 PRIORITY of an idle stream",
            Lives,
            [priority(99, 97, 1), get(1)],
        ),
        server(
            "6.3 PRIORITY of a stream on itself",
            Resets(PROTOCOL),
            [post(1), priority(1, 1, 9), get(3)],
        ),
        server(
            "6.3 PRIORITY of an idle stream on itself",
            Resets(PROTOCOL),
            [priority(5, 5, 9), get(7)],
        ),
        server(
            "6.3 PRIORITY of a closed stream on itself",
            Resets(PROTOCOL),
            [get(1), priority(1, 1, 9), get(3)],
        ),
        server(
            "6.3 exclusive PRIORITY",
            Lives,
            [priority(3, 1 << 31 | 1, 9), get(3)],
        ),
        server(
            "6.3 PRIORITY between the frames of a block",
            wrong,
            [half(), priority(1, 0, 1), continuation(1, EH, &[])],
        ),
        server(
            "6.3 many PRIORITYs",
            Lives,
            [
                (0..1_000).flat_map(|n| priority(2 * n + 1, 0, 7)).collect(),
                get(1),
            ],
        ),
        // 6.4 RST_STREAM.
        server(
            "6.4 RST_STREAM before the response",
            Lives,
            [get_of(1, "/hang"), rst(1, CANCEL), get(3)],
        ),
        server(
            "6.4 RST_STREAM in mid-response",
            Lives,
            [get_of(1, "/large"), rst(1, CANCEL), get(3)],
        ),
        server(
            "6.4 RST_STREAM in mid-request",
            Lives,
            [post(1), data(1, 0, b"half"), rst(1, CANCEL), get(3)],
        ),
        server(
            "6.4 RST_STREAM with NO_ERROR in mid-request",
            Lives,
            [post(1), data(1, 0, b"half"), rst(1, NO_ERROR), get(3)],
        ),
        server(
            "6.4 RST_STREAM with NO_ERROR in mid-response",
            Lives,
            [get_of(1, "/large"), rst(1, NO_ERROR), get(3)],
        ),
        server(
            "6.4 RST_STREAM with an unknown code",
            Lives,
            [post(1), data(1, 0, b"half"), rst(1, 0xdead_beef), get(3)],
        ),
        server(
            "6.4 RST_STREAM after the response",
            Lives,
            [get(1), rst(1, NO_ERROR), get(3)],
        ),
        server(
            "6.4 RST_STREAM twice",
            Lives,
            [post(1), rst(1, CANCEL), rst(1, CANCEL), get(3)],
        ),
        server(
            "6.4 RST_STREAM in one batch with the request",
            Lives,
            [all([get_of(1, "/large"), rst(1, CANCEL)]), get(3)],
        ),
        server(
            "6.4 RST_STREAM between the frames of a block",
            wrong,
            [half(), rst(1, CANCEL), continuation(1, EH, &[])],
        ),
        server(
            "6.4 RST_STREAM of an idle stream",
            wrong,
            [rst(1, CANCEL), get(1)],
        ),
        server(
            "6.4 frames after RST_STREAM",
            Resets(CLOSED),
            [
                post(1),
                all([rst(1, CANCEL), data(1, 0, b"x"), window_update(1, 1)]),
                get(3),
            ],
        ),
        // 6.6 PUSH_PROMISE.
        server(
            "6.6 PUSH_PROMISE from a client",
            wrong,
            [
                get_of(1, "/hang"),
                push_promise(1, 2, EH, &request("GET", "/")),
            ],
        ),
        server(
            "6.6 PUSH_PROMISE of an odd stream from a client",
            wrong,
            [
                get_of(1, "/hang"),
                push_promise(1, 3, EH, &request("GET", "/")),
            ],
        ),
        server(
            "6.6 PUSH_PROMISE of two octets",
            wrong,
            [
                get_of(1, "/hang"),
                frame(FrameType::PUSH_PROMISE, EH, 1, &[0, 0]),
            ],
        ),
        server(
            "6.6 PUSH_PROMISE without END_HEADERS from a client",
            wrong,
            [
                get_of(1, "/hang"),
                push_promise(1, 2, 0, &request("GET", "/")),
                continuation(1, EH, &[]),
            ],
        ),
        // 6.7 PING.
        server("6.7 PING", Lives, [ping(*b"pingping")]),
        server(
            "6.7 PINGs at once",
            Lives,
            [(0..100).flat_map(|n| ping([n; 8])).collect()],
        ),
        server(
            "6.7 the same PING twice",
            Lives,
            [all([ping([7; 8]), ping([7; 8])])],
        ),
        server(
            "6.7 PING with the octets of hyper's",
            Lives,
            [
                ping([0x3b, 0x7c, 0xdb, 0x7a, 0x0b, 0x87, 0x16, 0xb4]),
                ping([0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54]),
            ],
        ),
        server(
            "6.7 an acknowledgement of nothing",
            Lives,
            [frame(FrameType::PING, ACK, 0, b"not sent"), get(1)],
        ),
        server(
            "6.7 acknowledgements of nothing",
            Lives,
            [
                (0..100)
                    .flat_map(|n| frame(FrameType::PING, ACK, 0, &[n; 8]))
                    .collect(),
                get(1),
            ],
        ),
        server(
            "6.7 an acknowledgement of a graceful end that is none",
            Lives,
            [
                frame(
                    FrameType::PING,
                    ACK,
                    0,
                    &[0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54],
                ),
                get(1),
            ],
        ),
        server(
            "6.7 PING between the frames of a block",
            wrong,
            [half(), ping([0; 8]), continuation(1, EH, &[])],
        ),
        server(
            "6.7 PING while a response waits",
            Lives,
            [get_of(1, "/large"), ping([5; 8])],
        ),
        // 6.8 GOAWAY.
        server("6.8 GOAWAY", Closes, [goaway(0, NO_ERROR, b"")]),
        server(
            "6.8 GOAWAY with an error",
            Closes,
            [goaway(0, INTERNAL, b"a reason")],
        ),
        server(
            "6.8 GOAWAY with an unknown error",
            Closes,
            [goaway(0, 0xabcdef, &[0xff; 300])],
        ),
        server(
            "6.8 GOAWAY while a request is handled",
            Lives,
            [get_of(1, "/hang"), goaway(0, NO_ERROR, b"")],
        ),
        server(
            "6.8 GOAWAY while a response waits",
            Closes,
            [
                get_of(1, "/large"),
                goaway(0, NO_ERROR, b""),
                window_update(0, 100_000),
                window_update(1, 100_000),
            ],
        ),
        server(
            "6.8 GOAWAY in mid-request",
            Closes,
            [post(1), goaway(0, NO_ERROR, b""), data(1, ES, b"the rest")],
        ),
        server(
            "6.8 GOAWAY with an error in mid-request",
            Closes,
            [post(1), goaway(0, PROTOCOL, b""), data(1, ES, b"the rest")],
        ),
        server(
            "6.8 a request after GOAWAY",
            Closes,
            [
                post(1),
                goaway(0, NO_ERROR, b""),
                get(3),
                data(1, ES, b"the rest"),
            ],
        ),
        server(
            "6.8 GOAWAY twice",
            Closes,
            [
                post(1),
                goaway(10, NO_ERROR, b""),
                goaway(0, NO_ERROR, b""),
                data(1, ES, b"the rest"),
            ],
        ),
        server(
            "6.8 GOAWAY with a higher stream than before",
            GoesAway(PROTOCOL),
            [
                post(1),
                goaway(0, NO_ERROR, b""),
                goaway(10, NO_ERROR, b""),
                data(1, ES, b"the rest"),
            ],
        ),
        server(
            "6.8 GOAWAY between the frames of a block",
            wrong,
            [half(), goaway(0, NO_ERROR, b""), continuation(1, EH, &[])],
        ),
        // 6.10 CONTINUATION.
        server(
            "6.10 CONTINUATION",
            Lives,
            [half(), continuation(1, EH, &fields(&[("x", "y")]))],
        ),
        server(
            "6.10 CONTINUATION in one batch",
            Lives,
            [all([half(), continuation(1, EH, &fields(&[("x", "y")]))])],
        ),
        server(
            "6.10 END_STREAM on CONTINUATION means nothing",
            Lives,
            [
                headers(1, 0, &request("POST", "/")),
                continuation(1, EH | ES, &[]),
                data(1, ES, b"x"),
            ],
        ),
        server(
            "6.10 a block of many small frames",
            Lives,
            [all([
                headers(1, ES, &[]),
                request("GET", "/")
                    .chunks(30)
                    .flat_map(|octets| continuation(1, 0, octets))
                    .collect(),
                continuation(1, EH, &[]),
            ])],
        ),
        server(
            "6.10 a block in frames of one octet",
            GoesAway(CALM),
            [all([
                headers(1, ES, &[]),
                request("GET", "/")
                    .chunks(1)
                    .flat_map(|octets| continuation(1, 0, octets))
                    .collect(),
                continuation(1, EH, &[]),
            ])],
        ),
        server(
            "6.10 empty CONTINUATIONs",
            Lives,
            [all([
                half(),
                continuation(1, 0, &[]),
                continuation(1, 0, &[]),
                continuation(1, EH, &[]),
            ])],
        ),
        server(
            "6.10 a flood of empty CONTINUATIONs",
            GoesAway(CALM),
            [
                half(),
                (0..100).flat_map(|_| continuation(1, 0, &[])).collect(),
                continuation(1, EH, &[]),
            ],
        ),
        server(
            "6.10 a flood of CONTINUATIONs",
            GoesAway(CALM),
            [
                half(),
                (0..20)
                    .flat_map(|_| continuation(1, 0, &fields(&[("x", &"y".repeat(16_000))])))
                    .collect(),
                continuation(1, EH, &[]),
            ],
        ),
        server(
            "6.10 a block that does not end",
            GoesAway(PROTOCOL),
            [half()],
        ),
        server(
            "6.10 another stream between the frames of a block",
            wrong,
            [half(), get(3), continuation(1, EH, &[])],
        ),
        server(
            "6.10 DATA between the frames of a block",
            wrong,
            [half(), data(1, 0, b"x"), continuation(1, EH, &[])],
        ),
        server(
            "6.10 HEADERS again instead of CONTINUATION",
            wrong,
            [half(), half()],
        ),
        server(
            "6.10 CONTINUATION of another stream",
            wrong,
            [half(), continuation(3, EH, &[])],
        ),
        server(
            "6.10 CONTINUATION of the connection",
            wrong,
            [half(), continuation(0, EH, &[])],
        ),
        server(
            "6.10 CONTINUATION after END_HEADERS",
            wrong,
            [get_of(1, "/hang"), continuation(1, EH, &[])],
        ),
        server(
            "6.10 CONTINUATION after CONTINUATION with END_HEADERS",
            wrong,
            [half(), continuation(1, EH, &[]), continuation(1, EH, &[])],
        ),
        server(
            "6.10 CONTINUATION at first",
            wrong,
            [continuation(1, EH, &request("GET", "/"))],
        ),
        server(
            "6.10 CONTINUATION after DATA",
            wrong,
            [post(1), data(1, 0, b"x"), continuation(1, EH, &[])],
        ),
        server(
            "6.10 CONTINUATION that is padded, by its flag",
            Resets(PROTOCOL),
            [
                headers(1, ES, &fields(&[(":method", "GET")])),
                continuation(1, EH | PADDED, &fields(&[("x", "y")])),
            ],
        ),
        server(
            "6.10 trailers in CONTINUATIONs",
            Lives,
            [
                post(1),
                headers(1, ES, &fields(&[("x-a", "1")])),
                continuation(1, 0, &fields(&[("x-b", "2")])),
                continuation(1, EH, &fields(&[("x-c", "3")])),
            ],
        ),
        server(
            "6.10 fields of 16,384 octets in a CONTINUATION",
            Lives,
            [
                half(),
                continuation(1, EH, &fields(&[("x", &"y".repeat(15_000))])),
            ],
        ),
        server(
            "6.10 a CONTINUATION of 16,384 octets",
            Lives,
            [
                half(),
                continuation(1, EH, &fields(&[("x", &"y".repeat(16_378))])),
                get(3),
            ],
        ),
    ]
}

#[test]
fn rfc9113_6_frames() {
    assert_transparent(&cases());
}
