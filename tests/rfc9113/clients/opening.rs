//! Sections 3 and 4: how a connection begins, frames, and header blocks.

use framewright::FrameType;

use super::{answer, asks::*};
use crate::differential::wire::*;
use crate::differential::{Case, Ends::*, assert_transparent, client};
use crate::raw::MAX_FRAME_SIZE;

pub(crate) fn cases() -> Vec<Case> {
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

#[test]
fn rfc9113_clients_3_4() {
    assert_transparent(&cases());
}
