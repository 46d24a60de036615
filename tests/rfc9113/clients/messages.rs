//! Section 8: responses.

use super::{answer, asks::*};
use crate::differential::wire::*;
use crate::differential::{Ask, Case, Ends::*, assert_transparent, client};

pub(crate) fn cases() -> Vec<Case> {
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

#[test]
fn rfc9113_clients_8() {
    assert_transparent(&cases());
}
