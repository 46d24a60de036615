//! Section 6: frames by their type.

use framewright::FrameType;

use super::{answer, asks::*};
use crate::differential::wire::*;
use crate::differential::{Ask, Case, Ends::*, assert_transparent, client};
use crate::raw::{ACK, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE};

const MOST: u32 = (1 << 31) - 1;

fn window(octets: u32) -> Vec<u8> {
    settings(&[(INITIAL_WINDOW_SIZE, octets)])
}

pub(crate) fn cases() -> Vec<Case> {
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

#[test]
fn rfc9113_clients_6() {
    assert_transparent(&cases());
}
