//! Section 8: requests.

use crate::differential::wire::*;
use crate::differential::{
    Case,
    Ends::{self, *},
    assert_transparent, server,
};

/// A request of nothing but these fields, and then a good one.
fn of(name: &str, ends: Ends, list: &[(&str, &str)]) -> Case {
    server(name, ends, [headers(1, ALL, &fields(list)), get(3)])
}

/// A good request with these fields as well.
fn with(name: &str, ends: Ends, list: &[(&str, &str)]) -> Case {
    server(name, ends, [get_with(1, list), get(3)])
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "test");
const CONNECT: (&str, &str) = (":method", "CONNECT");
const PROTOCOL_FIELD: (&str, &str) = (":protocol", "websocket");

pub(crate) fn cases() -> Vec<Case> {
    let wrong = Resets(PROTOCOL);
    let length = |octets| ("content-length", octets);
    vec![
        // Pseudo-header fields.
        of("8.3.1 no :method", wrong, &[SCHEME, PATH, AUTHORITY]),
        of("8.3.1 no :scheme", wrong, &[METHOD, PATH, AUTHORITY]),
        of("8.3.1 no :path", wrong, &[METHOD, SCHEME, AUTHORITY]),
        of("8.3.1 no :authority", Lives, &[METHOD, SCHEME, PATH]),
        of(
            "8.3.1 no :authority, but host",
            Lives,
            &[METHOD, SCHEME, PATH, ("host", "test")],
        ),
        of(
            "8.3.1 another host than :authority",
            Lives,
            &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "other")],
        ),
        of(
            "8.3.1 :method twice",
            wrong,
            &[METHOD, METHOD, SCHEME, PATH, AUTHORITY],
        ),
        of(
            "8.3.1 :scheme twice",
            wrong,
            &[METHOD, SCHEME, SCHEME, PATH, AUTHORITY],
        ),
        of(
            "8.3.1 :path twice",
            wrong,
            &[METHOD, SCHEME, PATH, PATH, AUTHORITY],
        ),
        of(
            "8.3.1 :authority twice",
            wrong,
            &[METHOD, SCHEME, PATH, AUTHORITY, AUTHORITY],
        ),
        of(
            "8.3 a pseudo-header field behind a field",
            wrong,
            &[METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH],
        ),
        of(
            "8.3 an unknown pseudo-header field",
            GoesAway(PROTOCOL),
            &[METHOD, SCHEME, PATH, AUTHORITY, (":unknown", "x")],
        ),
        of(
            "8.3 :status in a request",
            wrong,
            &[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")],
        ),
        of(
            "8.3 an empty pseudo-header name",
            GoesAway(PROTOCOL),
            &[METHOD, SCHEME, PATH, AUTHORITY, (":", "x")],
        ),
        of(
            "8.3.1 an empty :path",
            wrong,
            &[METHOD, SCHEME, (":path", ""), AUTHORITY],
        ),
        of(
            "8.3.1 an empty :method",
            GoesAway(PROTOCOL),
            &[(":method", ""), SCHEME, PATH, AUTHORITY],
        ),
        of(
            "8.3.1 an empty :scheme",
            Lives,
            &[METHOD, (":scheme", ""), PATH, AUTHORITY],
        ),
        of(
            "8.3.1 an empty :authority",
            wrong,
            &[METHOD, SCHEME, PATH, (":authority", "")],
        ),
        of(
            "8.3.1 a :path with no slash",
            Resets(PROTOCOL),
            &[METHOD, SCHEME, (":path", "x"), AUTHORITY],
        ),
        of(
            "8.3.1 a :path of *",
            Lives,
            &[(":method", "OPTIONS"), SCHEME, (":path", "*"), AUTHORITY],
        ),
        of(
            "8.3.1 a :path that is no path",
            wrong,
            &[METHOD, SCHEME, (":path", "/\u{7f} x"), AUTHORITY],
        ),
        of(
            "8.3.1 a :scheme that is none",
            wrong,
            &[METHOD, (":scheme", "h t"), PATH, AUTHORITY],
        ),
        of(
            "8.3.1 :scheme https",
            Lives,
            &[METHOD, (":scheme", "https"), PATH, AUTHORITY],
        ),
        of(
            "8.3.1 another :scheme",
            Lives,
            &[METHOD, (":scheme", "ftp"), PATH, AUTHORITY],
        ),
        of(
            "8.3.1 an :authority with a user",
            Lives,
            &[METHOD, SCHEME, PATH, (":authority", "me@test")],
        ),
        of(
            "8.3.1 an :authority that is none",
            wrong,
            &[METHOD, SCHEME, PATH, (":authority", "a b")],
        ),
        of(
            "8.3.1 an unknown :method",
            Lives,
            &[(":method", "BREW"), SCHEME, PATH, AUTHORITY],
        ),
        of(
            "8.3.1 a :method that is none",
            GoesAway(PROTOCOL),
            &[(":method", "G T"), SCHEME, PATH, AUTHORITY],
        ),
        of(
            "8.3.1 HEAD",
            Lives,
            &[(":method", "HEAD"), SCHEME, PATH, AUTHORITY],
        ),
        // Fields.
        with(
            "8.2.1 a name in capitals",
            GoesAway(PROTOCOL),
            &[("X-Upper", "y")],
        ),
        with(
            "8.2.1 a name with one capital",
            GoesAway(PROTOCOL),
            &[("x-uppeR", "y")],
        ),
        with(
            "8.2.1 a name with a space",
            GoesAway(PROTOCOL),
            &[("x y", "z")],
        ),
        with(
            "8.2.1 a name with a colon",
            GoesAway(PROTOCOL),
            &[("x:y", "z")],
        ),
        with(
            "8.2.1 a name that is no ASCII",
            GoesAway(PROTOCOL),
            &[("x\u{e9}", "z")],
        ),
        with(
            "8.2.1 a value with a line feed",
            GoesAway(PROTOCOL),
            &[("x", "y\nz")],
        ),
        with(
            "8.2.1 a value with a carriage return",
            GoesAway(PROTOCOL),
            &[("x", "y\rz")],
        ),
        with(
            "8.2.1 a value with a NUL",
            GoesAway(PROTOCOL),
            &[("x", "y\0z")],
        ),
        with("8.2.1 a value with space around it", Lives, &[("x", " y ")]),
        with("8.2.1 a value that is no ASCII", Lives, &[("x", "\u{e9}")]),
        with(
            "8.2 the same field three times",
            Lives,
            &[("x", "1"), ("x", "2"), ("x", "3")],
        ),
        with("8.2.2 connection", wrong, &[("connection", "close")]),
        with("8.2.2 keep-alive", wrong, &[("keep-alive", "1")]),
        with(
            "8.2.2 proxy-connection",
            wrong,
            &[("proxy-connection", "close")],
        ),
        with(
            "8.2.2 transfer-encoding",
            wrong,
            &[("transfer-encoding", "chunked")],
        ),
        with("8.2.2 upgrade", wrong, &[("upgrade", "h2c")]),
        with("8.2.2 te", wrong, &[("te", "gzip")]),
        with("8.2.2 te: trailers", Lives, &[("te", "trailers")]),
        with(
            "8.2.3 cookies in crumbs",
            Lives,
            &[("cookie", "a=b"), ("cookie", "c=d"), ("cookie", "e=f")],
        ),
        // Lengths.
        server(
            "8.1.1 content-length as it is",
            Lives,
            [post_with(1, &[length("5")]), data(1, ES, b"hello")],
        ),
        server(
            "8.1.1 too small a content-length",
            wrong,
            [post_with(1, &[length("3")]), data(1, ES, b"hello"), get(3)],
        ),
        server(
            "8.1.1 too large a content-length",
            wrong,
            [post_with(1, &[length("7")]), data(1, ES, b"hello"), get(3)],
        ),
        server(
            "8.1.1 too large a content-length, and trailers",
            wrong,
            [
                post_with(1, &[length("7")]),
                data(1, 0, b"hello"),
                headers(1, ALL, &fields(&[("x", "y")])),
                get(3),
            ],
        ),
        server(
            "8.1.1 content-length, and no body",
            wrong,
            [get_with(1, &[length("7")]), get(3)],
        ),
        server(
            "8.1.1 content-length 0, and no body",
            Lives,
            [get_with(1, &[length("0")]), get(3)],
        ),
        server(
            "8.1.1 content-length 0, and a body",
            wrong,
            [post_with(1, &[length("0")]), data(1, ES, b"x"), get(3)],
        ),
        server(
            "8.1.1 content-length, and padding",
            Lives,
            [
                post_with(1, &[length("5")]),
                data(1, ES | PADDED, &padded(b"hello", 9)),
                get(3),
            ],
        ),
        server(
            "8.1.1 a content-length that is no number",
            wrong,
            [
                post_with(1, &[length("five")]),
                data(1, ES, b"hello"),
                get(3),
            ],
        ),
        server(
            "8.1.1 a negative content-length",
            wrong,
            [post_with(1, &[length("-5")]), data(1, ES, b"hello"), get(3)],
        ),
        server(
            "8.1.1 two content-lengths",
            Resets(PROTOCOL),
            [
                post_with(1, &[length("5"), length("6")]),
                data(1, ES, b"hello"),
                get(3),
            ],
        ),
        server(
            "8.1.1 an immense content-length",
            wrong,
            [
                post_with(1, &[length("99999999999999999999999")]),
                data(1, ES, b"hello"),
                get(3),
            ],
        ),
        // Trailers.
        server(
            "8.1 trailers",
            Lives,
            [
                post(1),
                data(1, 0, b"x"),
                headers(1, ALL, &fields(&[("x-trailer", "here")])),
            ],
        ),
        server(
            "8.1 trailers and no body",
            Lives,
            [post(1), headers(1, ALL, &fields(&[("x-trailer", "here")]))],
        ),
        server(
            "8.1 padded trailers",
            Lives,
            [
                post(1),
                headers(
                    1,
                    ALL | PADDED,
                    &padded(&fields(&[("x-trailer", "here")]), 20),
                ),
            ],
        ),
        server(
            "8.1 trailers without END_STREAM",
            wrong,
            [
                post(1),
                headers(1, EH, &fields(&[("x-trailer", "here")])),
                get(3),
            ],
        ),
        server(
            "8.1 trailers twice",
            GoesAway(PROTOCOL),
            [
                post_of(1, "/hang"),
                headers(1, ALL, &fields(&[("x", "1")])),
                headers(1, ALL, &fields(&[("x", "2")])),
                get(3),
            ],
        ),
        server(
            "8.1 trailers with a pseudo-header field",
            Lives,
            [post(1), headers(1, ALL, &fields(&[PATH])), get(3)],
        ),
        server(
            "8.1 trailers with :status",
            Lives,
            [
                post(1),
                headers(1, ALL, &fields(&[(":status", "200")])),
                get(3),
            ],
        ),
        server(
            "8.1 trailers in capitals",
            GoesAway(PROTOCOL),
            [post(1), headers(1, ALL, &fields(&[("X", "y")])), get(3)],
        ),
        server(
            "8.1 trailers with connection",
            wrong,
            [
                post(1),
                headers(1, ALL, &fields(&[("connection", "close")])),
                get(3),
            ],
        ),
        server("8.1 empty trailers", Lives, [post(1), headers(1, ALL, &[])]),
        server(
            "8.1 DATA after trailers",
            GoesAway(PROTOCOL),
            [
                post_of(1, "/hang"),
                headers(1, ALL, &fields(&[("x", "1")])),
                data(1, 0, b"x"),
            ],
        ),
        server(
            "8.1 a body that never ends",
            Lives,
            [post(1), data(1, 0, b"x"), get(3)],
        ),
        server(
            "8.1 expect: 100-continue",
            Lives,
            [
                post_with(1, &[("expect", "100-continue")]),
                data(1, ES, b"x"),
            ],
        ),
        // CONNECT.
        server(
            "8.5 a tunnel",
            Lives,
            [
                headers(1, EH, &fields(&[CONNECT, AUTHORITY])),
                data(1, 0, b"there"),
                data(1, ES, b" and back"),
            ],
        ),
        server(
            "8.5 a tunnel with an end at once",
            Lives,
            [headers(1, ALL, &fields(&[CONNECT, AUTHORITY]))],
        ),
        server(
            "8.5 a tunnel that is reset",
            Lives,
            [
                headers(1, EH, &fields(&[CONNECT, AUTHORITY])),
                data(1, 0, b"there"),
                rst(1, CANCEL),
            ],
        ),
        server(
            "8.5 CONNECT with :scheme and :path",
            wrong,
            [
                headers(1, EH, &fields(&[CONNECT, SCHEME, PATH, AUTHORITY])),
                get(3),
            ],
        ),
        server(
            "8.5 CONNECT with no :authority",
            Lives,
            [headers(1, EH, &fields(&[CONNECT])), get(3)],
        ),
        server(
            "8.5 trailers in a tunnel",
            Lives,
            [
                headers(1, EH, &fields(&[CONNECT, AUTHORITY])),
                data(1, 0, b"there"),
                headers(1, ALL, &fields(&[("x", "y")])),
            ],
        ),
        server(
            "8.5 extended CONNECT",
            Lives,
            [
                headers(
                    1,
                    EH,
                    &fields(&[CONNECT, PROTOCOL_FIELD, SCHEME, PATH, AUTHORITY]),
                ),
                data(1, ES, b"there"),
            ],
        )
        .extended(),
        server(
            "8.5 extended CONNECT that is not taken",
            wrong,
            [
                headers(
                    1,
                    EH,
                    &fields(&[CONNECT, PROTOCOL_FIELD, SCHEME, PATH, AUTHORITY]),
                ),
                get(3),
            ],
        ),
        server(
            "8.5 extended CONNECT with no :path",
            wrong,
            [
                headers(
                    1,
                    EH,
                    &fields(&[CONNECT, PROTOCOL_FIELD, SCHEME, AUTHORITY]),
                ),
                get(3),
            ],
        )
        .extended(),
        server(
            "8.5 :protocol of a GET",
            wrong,
            [
                headers(
                    1,
                    EH,
                    &fields(&[METHOD, PROTOCOL_FIELD, SCHEME, PATH, AUTHORITY]),
                ),
                get(3),
            ],
        )
        .extended(),
        server(
            "8.5 :protocol twice",
            wrong,
            [
                headers(
                    1,
                    EH,
                    &fields(&[
                        CONNECT,
                        PROTOCOL_FIELD,
                        PROTOCOL_FIELD,
                        SCHEME,
                        PATH,
                        AUTHORITY,
                    ]),
                ),
                get(3),
            ],
        )
        .extended(),
        // Pushes, which hyper does not make, and upgrades, which are not in HTTP/2.
        server(
            "8.6 an upgrade",
            wrong,
            [
                get_with(1, &[("connection", "upgrade"), ("upgrade", "websocket")]),
                get(3),
            ],
        ),
        server(
            "8.7 the same request again, after it was refused",
            wrong,
            [get_with(1, &[("connection", "close")]), get(3)],
        ),
        // Many at once.
        server(
            "8.1 requests and bodies by turns",
            Lives,
            [all([
                post(1),
                post(3),
                data(1, 0, b"1"),
                data(3, 0, b"3"),
                data(1, ES, b"1"),
                data(3, ES, b"3"),
            ])],
        ),
        server(
            "8.1 a request with wrong trailers between good ones",
            Lives,
            [all([
                post(1),
                get(3),
                headers(1, ALL, &fields(&[PATH])),
                get(5),
            ])],
        ),
        server(
            "8.1 an answer before the request has ended",
            Resets(NO_ERROR),
            [
                post_of(1, "/early"),
                data(1, 0, b"unread"),
                data(1, ES, b"unread"),
            ],
        ),
        server(
            "8.1 an answer in mid-request, and more than a window",
            Resets(NO_ERROR),
            [
                post_of(1, "/early"),
                (0..8).flat_map(|_| data(1, 0, &[b'x'; 8_000])).collect(),
                get(3),
            ],
        )
        .small_windows(),
    ]
}

#[test]
fn rfc9113_8_requests() {
    assert_transparent(&cases());
}
