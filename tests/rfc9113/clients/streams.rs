//! Section 5: streams.

use framewright::FrameType;

use super::{answer, asks::*};
use crate::differential::wire::*;
use crate::differential::{Ask, Case, Ends::*, assert_transparent, client};

pub(crate) fn cases() -> Vec<Case> {
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

#[test]
fn rfc9113_clients_5() {
    assert_transparent(&cases());
}
