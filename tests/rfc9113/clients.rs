//! All of it for clients: what servers may get wrong.

use framewright::FrameType;

use crate::differential::wire::*;
use crate::differential::{Ask, Case, Ends::*, assert_transparent, client};
use crate::raw::{ACK, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE};

const GET: &[Ask] = &[Ask::Get];
const TWO: &[Ask] = &[Ask::Get, Ask::Get];
const HEAD: &[Ask] = &[Ask::Head];
const POST: &[Ask] = &[Ask::Post];
const UPLOAD: &[Ask] = &[Ask::Upload];
const OPEN: &[Ask] = &[Ask::Open];
const UNREAD: &[Ask] = &[Ask::Unread];
const TUNNEL: &[Ask] = &[Ask::Connect];
const NONE: &[Ask] = &[];

const MOST: u32 = (1 << 31) - 1;

fn window(octets: u32) -> Vec<u8> {
    settings(&[(INITIAL_WINDOW_SIZE, octets)])
}

/// A whole response.
fn answer(stream: u32) -> Vec<u8> {
    all([
        ok(stream, EH, &[("x-field", "value")]),
        data(stream, ES, b"a body"),
    ])
}

fn opening() -> Vec<Case> {
    let wrong = GoesAway(PROTOCOL);
    vec![
        client("3.4 no request", NONE, Lives, []),
        client("3.4 a response", GET, Lives, [answer(1)]),
        client(
            "3.4 a response at once",
            GET,
            Lives,
            [all([settings(&[]), answer(1)])],
        )
        .unopened(),
        client(
            "3.4 a response before SETTINGS",
            GET,
            Lives,
            [answer(1), settings(&[])],
        )
        .unopened(),
        client(
            "3.4 HTTP/1.1 from the server",
            GET,
            GoesAway(SIZE),
            [b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()],
        )
        .unopened(),
        client(
            "3.4 a preface from the server",
            GET,
            GoesAway(SIZE),
            [crate::raw::PREFACE.to_vec()],
        )
        .unopened(),
        client(
            "3.4 wrong SETTINGS at first",
            GET,
            GoesAway(PROTOCOL),
            [settings(&[(MAX_FRAME_SIZE, 1)])],
        )
        .unopened(),
        client(
            "3.4 half of the SETTINGS",
            GET,
            wrong,
            [settings(&[])[..4].to_vec()],
        )
        .unopened(),
        client("3.4 nothing", GET, Lives, []).unopened(),
        client(
            "4.1 undefined flags of a response",
            GET,
            Lives,
            [
                headers(1, EH | 0xd2, &[0x88]),
                data(1, ES | 0xf6 & !PADDED, b"x"),
            ],
        ),
        client(
            "4.1 the reserved bit of a response",
            GET,
            Lives,
            [
                headers(1 | 1 << 31, EH, &[0x88]),
                data(1 | 1 << 31, ES, b"x"),
            ],
        ),
        client(
            "4.2 DATA of 16,384 octets",
            GET,
            Lives,
            [ok(1, EH, &[]), data(1, ES, &[7; 16_384])],
        ),
        client(
            "4.2 DATA of 16,385 octets",
            GET,
            GoesAway(SIZE),
            [ok(1, EH, &[]), data(1, ES, &[7; 16_385])],
        ),
        client(
            "4.2 RST_STREAM of no octet",
            GET,
            wrong,
            [frame(FrameType::RST_STREAM, 0, 1, &[])],
        ),
        client(
            "4.2 PING of seven octets",
            GET,
            wrong,
            [frame(FrameType::PING, 0, 0, &[0; 7])],
        ),
        client(
            "4.2 GOAWAY of seven octets",
            GET,
            wrong,
            [frame(FrameType::GOAWAY, 0, 0, &[0; 7])],
        ),
        client(
            "4.2 WINDOW_UPDATE of three octets",
            GET,
            wrong,
            [frame(FrameType::WINDOW_UPDATE, 0, 0, &[0; 3])],
        ),
        client(
            "4.2 PRIORITY of four octets",
            GET,
            wrong,
            [frame(FrameType::PRIORITY, 0, 1, &[0; 4])],
        ),
        client("4.3 index 0", GET, wrong, [headers(1, ALL, &[0x88, 0x80])]),
        client(
            "4.3 a value that is longer than its block",
            GET,
            wrong,
            [headers(1, EH, &[0x88, 0x00, 1, b'x', 80, b'y'])],
        ),
        client(
            "4.3 a table size over the limit",
            GET,
            wrong,
            [headers(
                1,
                ALL,
                &[&number(0x20, 5, 4_097)[..], &[0x88]].concat(),
            )],
        ),
        client(
            "4.3 a dynamic index",
            TWO,
            Lives,
            [
                headers(
                    1,
                    ALL,
                    &[&[0x88, 0x40][..], &string(b"x-kept"), &string(b"here")].concat(),
                ),
                headers(3, ALL, &[0x88, 0xbe]),
            ],
        ),
        client(
            "4.3 a wrong index in trailers",
            GET,
            wrong,
            [ok(1, EH, &[]), headers(1, ALL, &[0x80])],
        ),
        client(
            "4.3 too many fields",
            TWO,
            Lives,
            [
                headers(1, ALL, &[&[0x88][..], &[0xbd; 1_000]].concat()),
                answer(3),
            ],
        ),
    ]
}

fn streams() -> Vec<Case> {
    let wrong = GoesAway(PROTOCOL);
    let mut cases = vec![
        client("5.1 HEADERS on an idle stream", GET, wrong, [answer(3)]),
        client("5.1 DATA on an idle stream", GET, wrong, [data(3, 0, b"x")]),
        client(
            "5.1 RST_STREAM on an idle stream",
            GET,
            wrong,
            [rst(3, CANCEL)],
        ),
        client(
            "5.1 WINDOW_UPDATE on an idle stream",
            GET,
            wrong,
            [window_update(3, 1)],
        ),
        client(
            "5.1 HEADERS on a stream of the server's",
            GET,
            wrong,
            [answer(2)],
        ),
        client(
            "5.1 DATA on a stream of the server's",
            GET,
            wrong,
            [data(2, 0, b"x")],
        ),
        client(
            "5.1 HEADERS on the connection",
            GET,
            wrong,
            [headers(0, ALL, &[0x88])],
        ),
        client("5.1 DATA on the connection", GET, wrong, [data(0, 0, b"x")]),
        client(
            "5.1 SETTINGS on a stream",
            GET,
            wrong,
            [frame(FrameType::SETTINGS, 0, 1, &[])],
        ),
        client(
            "5.1 PING on a stream",
            GET,
            wrong,
            [frame(FrameType::PING, 0, 1, &[0; 8])],
        ),
        client(
            "5.1 GOAWAY on a stream",
            GET,
            wrong,
            [frame(FrameType::GOAWAY, 0, 1, &[0; 8])],
        ),
        client(
            "5.1 DATA before HEADERS",
            TWO,
            wrong,
            [data(1, 0, b"x"), answer(3)],
        ),
        client(
            "5.1 DATA after END_STREAM",
            TWO,
            Resets(CLOSED),
            [answer(1), data(1, 0, b"x"), answer(3)],
        ),
        client(
            "5.1 HEADERS after END_STREAM",
            TWO,
            Resets(CLOSED),
            [answer(1), ok(1, ALL, &[]), answer(3)],
        ),
        client(
            "5.1 RST_STREAM after END_STREAM",
            TWO,
            Lives,
            [answer(1), rst(1, CANCEL), answer(3)],
        ),
        client(
            "5.1 WINDOW_UPDATE after END_STREAM",
            TWO,
            Lives,
            [answer(1), window_update(1, 1), answer(3)],
        ),
        client(
            "5.1 DATA after RST_STREAM",
            TWO,
            Resets(CLOSED),
            [rst(1, CANCEL), data(1, 0, b"x"), answer(3)],
        ),
        client(
            "5.1 a response after RST_STREAM",
            TWO,
            Resets(CLOSED),
            [rst(1, CANCEL), answer(1), answer(3)],
        ),
        client(
            "5.1 a response to an upload that goes on",
            OPEN,
            Lives,
            [answer(1)],
        ),
        client(
            "5.1 a response to an upload that goes on, and a reset",
            OPEN,
            Lives,
            [answer(1), rst(1, NO_ERROR)],
        ),
        client(
            "5.1 a response that nobody reads",
            &[Ask::Unread, Ask::Get],
            Resets(CANCEL),
            [
                ok(1, EH, &[]),
                data(1, 0, b"x"),
                data(1, ES, b"y"),
                answer(3),
            ],
        ),
        client(
            "5.1 frames on a stream that the client has reset",
            &[Ask::Unread, Ask::Get],
            Resets(CANCEL),
            [
                ok(1, EH, &[]),
                data(1, 0, &[0; 9_000]),
                window_update(1, 9),
                rst(1, CANCEL),
                answer(3),
            ],
        ),
        client(
            "5.1 trailers on a stream that the client has reset",
            UNREAD,
            Resets(CANCEL),
            [ok(1, EH, &[]), headers(1, ALL, &fields(&[("x", "y")]))],
        ),
        client(
            "5.1.2 no streams at all",
            GET,
            Lives,
            [settings(&[(0x3, 0)]), answer(1)],
        )
        .unopened(),
        client(
            "5.5 an unknown frame before SETTINGS",
            GET,
            Lives,
            [unknown(0, 0, b"x"), settings(&[]), answer(1)],
        )
        .unopened(),
        client(
            "5.5 an unknown frame in a header block",
            GET,
            wrong,
            [
                headers(1, 0, &[0x88]),
                unknown(1, 0, b"x"),
                continuation(1, EH, &[]),
            ],
        ),
        client(
            "5.5 ALTSVC and ORIGIN",
            GET,
            Lives,
            [
                frame(FrameType::ALTSVC, 0, 0, b"\0\x04testclear"),
                frame(FrameType::ORIGIN, 0, 0, b"\0\x04test"),
                answer(1),
            ],
        ),
    ];
    for stream in [0, 1, 2, 3] {
        let name = format!("5.5 an unknown frame on stream {stream}");
        cases.push(client(
            name,
            GET,
            Lives,
            [unknown(stream, 0xff, b"what"), answer(1)],
        ));
    }
    cases
}

fn frames() -> Vec<Case> {
    let wrong = GoesAway(PROTOCOL);
    vec![
        client(
            "6.1 padded DATA",
            GET,
            Lives,
            [ok(1, EH, &[]), data(1, ES | PADDED, &padded(b"hello", 9))],
        ),
        client(
            "6.1 padding as long as the payload",
            GET,
            wrong,
            [ok(1, EH, &[]), data(1, ES | PADDED, &[2, 0])],
        ),
        client(
            "6.1 much empty DATA",
            GET,
            GoesAway(CALM),
            [
                ok(1, EH, &[]),
                (0..2_000).flat_map(|_| data(1, 0, &[])).collect(),
            ],
        ),
        client(
            "6.2 padded HEADERS",
            GET,
            Lives,
            [
                headers(1, EH | PADDED, &padded(&[0x88], 9)),
                data(1, ES, b"x"),
            ],
        ),
        client(
            "6.2 padded HEADERS with PRIORITY",
            GET,
            Lives,
            [
                headers(
                    1,
                    EH | PADDED | PRIORITY,
                    &padded(&[0, 0, 0, 0, 1, 0x88], 9),
                ),
                data(1, ES, b"x"),
            ],
        ),
        client(
            "6.2 padding longer than the block",
            GET,
            wrong,
            [headers(1, EH | PADDED, &[9, 0x88])],
        ),
        client(
            "6.2 a response that depends on itself",
            TWO,
            Resets(PROTOCOL),
            [
                headers(1, ALL | PRIORITY, &[0, 0, 0, 1, 1, 0x88]),
                answer(3),
            ],
        ),
        client(
            "6.3 PRIORITY from the server",
            GET,
            Lives,
            [priority(1, 3, 7), answer(1)],
        ),
        client(
            "6.4 RST_STREAM before the response",
            TWO,
            Lives,
            [rst(1, REFUSED), answer(3)],
        ),
        client(
            "6.4 RST_STREAM with NO_ERROR before the response",
            TWO,
            Lives,
            [rst(1, NO_ERROR), answer(3)],
        ),
        client(
            "6.4 RST_STREAM with HTTP_1_1_REQUIRED",
            TWO,
            Lives,
            [rst(1, 0xd), answer(3)],
        ),
        client(
            "6.4 RST_STREAM with an unknown code",
            TWO,
            Lives,
            [rst(1, 0xffff_fff0), answer(3)],
        ),
        client(
            "6.4 RST_STREAM in mid-body",
            TWO,
            Lives,
            [
                ok(1, EH, &[]),
                data(1, 0, b"x"),
                rst(1, INTERNAL),
                answer(3),
            ],
        ),
        client(
            "6.4 RST_STREAM with NO_ERROR in mid-body",
            TWO,
            Lives,
            [
                ok(1, EH, &[]),
                data(1, 0, b"x"),
                rst(1, NO_ERROR),
                answer(3),
            ],
        ),
        client(
            "6.4 RST_STREAM with NO_ERROR after a whole response",
            UPLOAD,
            Lives,
            [window(10), answer(1), rst(1, NO_ERROR)],
        )
        .unopened(),
        client(
            "6.4 RST_STREAM of an upload",
            &[Ask::Upload, Ask::Get],
            Lives,
            [
                rst(1, CANCEL),
                answer(3),
                window_update(0, 100_000),
                window_update(1, 100_000),
            ],
        ),
        client(
            "6.5 wrong SETTINGS later",
            GET,
            wrong,
            [settings(&[(0x4, 1 << 31)]), answer(1)],
        ),
        client(
            "6.5 ENABLE_PUSH 1 from a server",
            GET,
            Lives,
            [settings(&[(0x2, 1)]), answer(1)],
        ),
        client(
            "6.5 ENABLE_PUSH 0 from a server",
            GET,
            Lives,
            [settings(&[(0x2, 0)]), answer(1)],
        ),
        client(
            "6.5 ENABLE_PUSH 2",
            GET,
            wrong,
            [settings(&[(0x2, 2)]), answer(1)],
        ),
        client(
            "6.5 MAX_FRAME_SIZE 2^24",
            GET,
            wrong,
            [settings(&[(MAX_FRAME_SIZE, 1 << 24)])],
        ),
        client(
            "6.5 HEADER_TABLE_SIZE 0",
            TWO,
            Lives,
            [settings(&[(0x1, 0)]), answer(1), answer(3)],
        )
        .unopened(),
        client(
            "6.5 an acknowledgement with a payload",
            GET,
            wrong,
            [frame(FrameType::SETTINGS, ACK, 0, &[0; 6])],
        ),
        client(
            "6.5 an acknowledgement of nothing",
            GET,
            GoesAway(PROTOCOL),
            [frame(FrameType::SETTINGS, ACK, 0, &[]), answer(1)],
        ),
        client(
            "6.5 SETTINGS that are never acknowledged",
            GET,
            Lives,
            [settings(&[]), answer(1)],
        )
        .unopened(),
        client(
            "6.5 SETTINGS five hundred times",
            GET,
            Lives,
            [
                (0..500)
                    .flat_map(|n| settings(&[(INITIAL_WINDOW_SIZE, n)]))
                    .collect(),
                answer(1),
            ],
        ),
        client(
            "6.6 PUSH_PROMISE, which is turned off",
            GET,
            wrong,
            [push_promise(1, 2, EH, &request("GET", "/")), answer(1)],
        ),
        client(
            "6.6 PUSH_PROMISE before SETTINGS are acknowledged",
            GET,
            wrong,
            [
                settings(&[]),
                push_promise(1, 2, EH, &request("GET", "/")),
                answer(1),
            ],
        )
        .unopened(),
        client(
            "6.6 PUSH_PROMISE of an odd stream",
            GET,
            wrong,
            [push_promise(1, 3, EH, &request("GET", "/")), answer(1)],
        ),
        client(
            "6.6 PUSH_PROMISE on the connection",
            GET,
            wrong,
            [push_promise(0, 2, EH, &request("GET", "/")), answer(1)],
        ),
        client(
            "6.6 PUSH_PROMISE and a push",
            GET,
            wrong,
            [
                push_promise(1, 2, EH, &request("GET", "/")),
                answer(2),
                answer(1),
            ],
        ),
        client(
            "6.6 padded PUSH_PROMISE in two frames",
            GET,
            wrong,
            [
                push_promise(1, 2, 0, &request("GET", "/")),
                continuation(1, EH, &[]),
                answer(1),
            ],
        ),
        client("6.7 PING", GET, Lives, [ping(*b"pingping"), answer(1)]),
        client(
            "6.7 an acknowledgement of nothing",
            GET,
            Lives,
            [frame(FrameType::PING, ACK, 0, b"not sent"), answer(1)],
        ),
        client(
            "6.8 GOAWAY before the response",
            GET,
            Closes,
            [goaway(1, NO_ERROR, b"bye"), answer(1)],
        ),
        client(
            "6.8 GOAWAY that leaves a request out",
            TWO,
            Closes,
            [goaway(1, NO_ERROR, b"bye"), answer(1)],
        ),
        client(
            "6.8 GOAWAY that leaves all out",
            TWO,
            Closes,
            [goaway(0, NO_ERROR, b"")],
        ),
        client(
            "6.8 GOAWAY with an error",
            TWO,
            Closes,
            [goaway(1, INTERNAL, b"oh"), answer(1)],
        ),
        client(
            "6.8 GOAWAY with ENHANCE_YOUR_CALM",
            GET,
            Closes,
            [goaway(0, CALM, b"too_many_pings")],
        ),
        client(
            "6.8 GOAWAY in mid-response",
            GET,
            Closes,
            [ok(1, EH, &[]), goaway(1, NO_ERROR, b""), data(1, ES, b"x")],
        ),
        client(
            "6.8 GOAWAY with an error in mid-response",
            GET,
            Closes,
            [ok(1, EH, &[]), goaway(1, INTERNAL, b""), data(1, ES, b"x")],
        ),
        client(
            "6.8 GOAWAY twice, as at a graceful end",
            TWO,
            Closes,
            [
                goaway(MOST, NO_ERROR, b""),
                answer(1),
                goaway(3, NO_ERROR, b""),
                answer(3),
            ],
        ),
        client(
            "6.8 GOAWAY with a higher stream than before",
            TWO,
            GoesAway(PROTOCOL),
            [
                goaway(1, NO_ERROR, b""),
                goaway(3, NO_ERROR, b""),
                answer(1),
            ],
        ),
        client(
            "6.8 GOAWAY for a stream that is idle",
            GET,
            Closes,
            [goaway(99, NO_ERROR, b""), answer(1)],
        ),
        client(
            "6.8 GOAWAY in mid-upload",
            UPLOAD,
            Closes,
            [
                goaway(1, NO_ERROR, b""),
                window_update(0, 100_000),
                window_update(1, 100_000),
                answer(1),
            ],
        ),
        client(
            "6.9 an increment of 0 on the connection",
            GET,
            wrong,
            [window_update(0, 0)],
        ),
        client(
            "6.9 an increment of 0 on a stream",
            &[Ask::Upload, Ask::Get],
            wrong,
            [window_update(1, 0), answer(3)],
        ),
        client(
            "6.9.1 too large a window of the connection",
            GET,
            GoesAway(FLOW),
            [window_update(0, MOST)],
        ),
        client(
            "6.9.1 too large a window of a stream",
            &[Ask::Upload, Ask::Get],
            Resets(FLOW),
            [window_update(1, MOST), window_update(1, 1), answer(3)],
        ),
        client(
            "6.9 an upload in its windows",
            UPLOAD,
            Lives,
            [
                window_update(0, 100_000),
                window_update(1, 100_000),
                answer(1),
            ],
        ),
        client(
            "6.9 an upload that waits",
            UPLOAD,
            Lives,
            [
                window_update(1, 34_465),
                window_update(0, 34_464),
                window_update(0, 1),
                answer(1),
            ],
        ),
        client(
            "6.9 an upload to a window of 0",
            UPLOAD,
            Lives,
            [
                window(0),
                frame(FrameType::SETTINGS, ACK, 0, &[]),
                window_update(0, 100_000),
                window_update(1, 100_000),
                answer(1),
            ],
        )
        .unopened(),
        client(
            "6.9.2 a window that becomes negative",
            UPLOAD,
            Lives,
            [
                window(0),
                window_update(0, 100_000),
                window_update(1, 65_536),
                window(100_000),
                answer(1),
            ],
        ),
        client(
            "6.9.2 a window that becomes too large",
            UPLOAD,
            GoesAway(FLOW),
            [window_update(1, MOST), window(65_536)],
        ),
        client(
            "6.9.1 an octet over a window",
            GET,
            GoesAway(FLOW),
            [
                ok(1, EH, &[]),
                (0..4).flat_map(|_| data(1, 0, &[0; 16_384])).collect(),
            ],
        )
        .small_windows(),
        client(
            "6.9.1 an octet over the window of one that is not read",
            &[Ask::Unread, Ask::Get],
            Resets(CANCEL),
            [
                ok(1, EH, &[]),
                (0..3).flat_map(|_| data(1, 0, &[0; 16_384])).collect(),
                answer(3),
            ],
        )
        .small_windows(),
        client(
            "6.9 a window that is given back",
            GET,
            Lives,
            [
                ok(1, EH, &[]),
                (0..3).flat_map(|_| data(1, 0, &[0; 16_384])).collect(),
                data(1, ES, b"x"),
            ],
        )
        .small_windows(),
        client(
            "6.10 CONTINUATION",
            GET,
            Lives,
            [
                headers(1, 0, &[0x88]),
                continuation(1, 0, &fields(&[("x", "y")])),
                continuation(1, EH, &[]),
                data(1, ES, b"x"),
            ],
        ),
        client(
            "6.10 CONTINUATION of another stream",
            TWO,
            wrong,
            [headers(1, 0, &[0x88]), continuation(3, EH, &[])],
        ),
        client(
            "6.10 CONTINUATION after END_HEADERS",
            GET,
            wrong,
            [ok(1, EH, &[]), continuation(1, EH, &[])],
        ),
        client(
            "6.10 DATA in a header block",
            GET,
            wrong,
            [
                headers(1, 0, &[0x88]),
                data(1, 0, b"x"),
                continuation(1, EH, &[]),
            ],
        ),
        client(
            "6.10 a flood of CONTINUATIONs",
            GET,
            GoesAway(CALM),
            [
                headers(1, 0, &[0x88]),
                (0..100).flat_map(|_| continuation(1, 0, &[])).collect(),
            ],
        ),
        client(
            "6.10 PING in a header block",
            GET,
            wrong,
            [
                headers(1, 0, &[0x88]),
                ping([0; 8]),
                continuation(1, EH, &[]),
            ],
        ),
    ]
}

fn messages() -> Vec<Case> {
    let wrong = Resets(PROTOCOL);
    let head = |list: &[(&str, &str)]| headers(1, ALL, &fields(list));
    vec![
        client(
            "8.1 trailers",
            GET,
            Lives,
            [
                ok(1, EH, &[]),
                data(1, 0, b"x"),
                headers(1, ALL, &fields(&[("x-trailer", "here")])),
            ],
        ),
        client(
            "8.1 trailers without END_STREAM",
            TWO,
            wrong,
            [
                ok(1, EH, &[]),
                headers(1, EH, &fields(&[("x", "y")])),
                answer(3),
            ],
        ),
        client(
            "8.1 trailers with :status",
            TWO,
            Lives,
            [ok(1, EH, &[]), headers(1, ALL, &[0x88]), answer(3)],
        ),
        client(
            "8.1 trailers in capitals",
            TWO,
            GoesAway(PROTOCOL),
            [
                ok(1, EH, &[]),
                headers(1, ALL, &fields(&[("X", "y")])),
                answer(3),
            ],
        ),
        client(
            "8.1 a response with no body",
            GET,
            Lives,
            [ok(1, ALL, &[("x", "y")])],
        ),
        client(
            "8.1 100 and a response",
            POST,
            Lives,
            [status(1, EH, "100"), answer(1)],
        ),
        client(
            "8.1 103 twice and a response",
            GET,
            Lives,
            [
                headers(1, EH, &fields(&[(":status", "103"), ("link", "</x>")])),
                status(1, EH, "103"),
                answer(1),
            ],
        ),
        client(
            "8.1 103 with END_STREAM",
            TWO,
            Lives,
            [status(1, ALL, "103"), answer(3)],
        ),
        client(
            "8.1 DATA after 100",
            TWO,
            GoesAway(PROTOCOL),
            [status(1, EH, "100"), data(1, 0, b"x"), answer(3)],
        ),
        client(
            "8.1 101",
            TWO,
            Lives,
            [status(1, EH, "101"), answer(1), answer(3)],
        ),
        client(
            "8.1 1xx after the response",
            TWO,
            wrong,
            [ok(1, EH, &[]), status(1, EH, "103"), answer(3)],
        ),
        client("8.1 204 with no body", GET, Lives, [status(1, ALL, "204")]),
        client(
            "8.1 304 with content-length",
            GET,
            Lives,
            [head(&[(":status", "304"), ("content-length", "99")])],
        ),
        client(
            "8.1 HEAD with content-length",
            HEAD,
            Lives,
            [ok(1, ALL, &[("content-length", "99")])],
        ),
        client(
            "8.1 HEAD with a body",
            HEAD,
            Resets(PROTOCOL),
            [ok(1, EH, &[("content-length", "1")]), data(1, ES, b"x")],
        ),
        client(
            "8.1.1 content-length as it is",
            GET,
            Lives,
            [ok(1, EH, &[("content-length", "5")]), data(1, ES, b"hello")],
        ),
        client(
            "8.1.1 too small a content-length",
            TWO,
            wrong,
            [
                ok(1, EH, &[("content-length", "4")]),
                data(1, ES, b"hello"),
                answer(3),
            ],
        ),
        client(
            "8.1.1 too large a content-length",
            TWO,
            wrong,
            [
                ok(1, EH, &[("content-length", "6")]),
                data(1, ES, b"hello"),
                answer(3),
            ],
        ),
        client(
            "8.1.1 content-length, and no body",
            TWO,
            Lives,
            [ok(1, ALL, &[("content-length", "6")]), answer(3)],
        ),
        client(
            "8.1.1 a content-length that is no number",
            TWO,
            wrong,
            [
                ok(1, EH, &[("content-length", "x")]),
                data(1, ES, b"hello"),
                answer(3),
            ],
        ),
        client(
            "8.2.1 a name in capitals",
            TWO,
            GoesAway(PROTOCOL),
            [ok(1, ALL, &[("X-Upper", "y")]), answer(3)],
        ),
        client(
            "8.2.1 a value with a line feed",
            TWO,
            GoesAway(PROTOCOL),
            [ok(1, ALL, &[("x", "y\nz")]), answer(3)],
        ),
        client(
            "8.2.2 connection",
            TWO,
            wrong,
            [ok(1, ALL, &[("connection", "close")]), answer(3)],
        ),
        client(
            "8.2.2 transfer-encoding",
            TWO,
            wrong,
            [ok(1, ALL, &[("transfer-encoding", "chunked")]), answer(3)],
        ),
        client(
            "8.3.2 no :status",
            TWO,
            Lives,
            [head(&[("x", "y")]), answer(3)],
        ),
        client(
            "8.3.2 an empty response",
            TWO,
            Lives,
            [headers(1, ALL, &[]), answer(3)],
        ),
        client(
            "8.3.2 :status twice",
            TWO,
            wrong,
            [head(&[(":status", "200"), (":status", "200")]), answer(3)],
        ),
        client(
            "8.3.2 :status behind a field",
            TWO,
            wrong,
            [head(&[("x", "y"), (":status", "200")]), answer(3)],
        ),
        client(
            "8.3.2 :path in a response",
            TWO,
            Lives,
            [head(&[(":status", "200"), (":path", "/")]), answer(3)],
        ),
        client(
            "8.3.2 an unknown pseudo-header field",
            TWO,
            GoesAway(PROTOCOL),
            [head(&[(":status", "200"), (":x", "y")]), answer(3)],
        ),
        client(
            "8.3.2 a :status that is none",
            TWO,
            GoesAway(PROTOCOL),
            [head(&[(":status", "ok")]), answer(3)],
        ),
        client(
            "8.3.2 a :status of four digits",
            TWO,
            GoesAway(PROTOCOL),
            [head(&[(":status", "2000")]), answer(3)],
        ),
        client(
            "8.3.2 a :status of 999",
            GET,
            Lives,
            [head(&[(":status", "999")])],
        ),
        client(
            "8.5 a tunnel",
            TUNNEL,
            Lives,
            [ok(1, EH, &[]), data(1, 0, b"hello"), data(1, ES, b"there")],
        ),
        client(
            "8.5 a tunnel that is refused",
            TUNNEL,
            Resets(CANCEL),
            [status(1, EH, "403"), data(1, ES, b"no")],
        ),
        client(
            "8.5 a tunnel that is reset",
            TUNNEL,
            Lives,
            [ok(1, EH, &[]), data(1, 0, b"hello"), rst(1, CANCEL)],
        ),
        client(
            "8.1 a request whose body fails",
            &[Ask::Fails, Ask::Get],
            Resets(INTERNAL),
            [answer(3)],
        ),
        client(
            "8.1 many at once",
            &[Ask::Get; 60],
            Lives,
            [(0..60).flat_map(|n| answer(2 * n + 1)).collect()],
        ),
        client(
            "8.1 responses in another order",
            TWO,
            Lives,
            [answer(3), answer(1)],
        ),
        client(
            "8.1 responses by turns",
            TWO,
            Lives,
            [all([
                ok(1, EH, &[]),
                ok(3, EH, &[]),
                data(1, 0, b"1"),
                data(3, 0, b"3"),
                data(1, ES, b"1"),
                data(3, ES, b"3"),
            ])],
        ),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    [opening(), streams(), frames(), messages()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn rfc9113_clients_3_4() {
    assert_transparent(&opening());
}

#[test]
fn rfc9113_clients_5() {
    assert_transparent(&streams());
}

#[test]
fn rfc9113_clients_6() {
    assert_transparent(&frames());
}

#[test]
fn rfc9113_clients_8() {
    assert_transparent(&messages());
}
