//! Section 4.3: header blocks, and what HPACK (RFC 7541) has against them.

use crate::differential::wire::*;
use crate::differential::{Case, Ends::*, assert_transparent, server};

/// A GET whose block has this in front, and behind.
fn around(front: &[u8], behind: &[u8]) -> Vec<u8> {
    headers(1, ALL, &[front, &request("GET", "/"), behind].concat())
}

fn behind(octets: &[u8]) -> Vec<u8> {
    around(&[], octets)
}

pub(crate) fn cases() -> Vec<Case> {
    // hyper's code for all of it.
    let wrong = GoesAway(PROTOCOL);
    // A field that goes into the table, by which a later request may name it.
    let indexed = [&[0x40][..], &string(b"x-kept"), &string(b"here")].concat();
    vec![
        server("4.3 index 0", wrong, [behind(&[0x80])]),
        server("4.3 index 62 of an empty table", wrong, [behind(&[0xbe])]),
        server(
            "4.3 an index far beyond the table",
            wrong,
            [behind(&number(0x80, 7, 100_000))],
        ),
        server(
            "4.3 index 61, the last of the static table",
            Lives,
            [behind(&[0xbd])],
        ),
        server(
            "4.3 the name of index 62 of an empty table",
            wrong,
            [behind(&[0x7e, 1, b'x'])],
        ),
        server(
            "4.3 the name of index 63, not indexed",
            wrong,
            [behind(&[&number(0, 4, 63)[..], &[1, b'x']].concat())],
        ),
        server(
            "4.3 a dynamic index, after it was made",
            Lives,
            [
                behind(&indexed),
                headers(3, ALL, &[request("GET", "/"), vec![0xbe]].concat()),
            ],
        ),
        server(
            "4.3 a dynamic index, made by a block that was refused",
            Resets(PROTOCOL),
            [
                headers(1, ALL, &indexed),
                headers(3, ALL, &[request("GET", "/"), vec![0xbe]].concat()),
            ],
        ),
        server(
            "4.3 a dynamic index, made by trailers",
            Lives,
            [
                post(1),
                headers(1, ALL, &indexed),
                headers(3, ALL, &[request("GET", "/"), vec![0xbe]].concat()),
            ],
        ),
        server(
            "4.3 a dynamic index, made on a stream that was reset",
            Lives,
            [
                post(1),
                rst(1, CANCEL),
                headers(3, ALL, &[request("GET", "/"), indexed.clone()].concat()),
                headers(5, ALL, &[request("GET", "/"), vec![0xbe]].concat()),
            ],
        ),
        server(
            "4.3 a field that is never indexed",
            Lives,
            [behind(
                &[&[0x10][..], &string(b"x-secret"), &string(b"!")].concat(),
            )],
        ),
        server("4.3 an index that stops", wrong, [behind(&[0xff])]),
        server(
            "4.3 an index that stops later",
            wrong,
            [behind(&[0xff, 0x80])],
        ),
        server(
            "4.3 an integer with no end",
            wrong,
            [behind(&[&[0xff][..], &[0x80; 20]].concat())],
        ),
        server(
            "4.3 a length with leading zeros",
            Lives,
            [behind(
                &[&[0x00, 1, b'x', 0x7f, 0x80, 0x80, 0x00][..], &[b'y'; 127]].concat(),
            )],
        ),
        server(
            "4.3 a huge integer",
            wrong,
            [behind(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])],
        ),
        server(
            "4.3 a literal that is nothing but its first octet",
            wrong,
            [behind(&[0x00])],
        ),
        server(
            "4.3 a literal that stops in its name",
            wrong,
            [behind(&[0x00, 5, b'x'])],
        ),
        server(
            "4.3 a literal that stops after its name",
            wrong,
            [behind(&[0x00, 1, b'x'])],
        ),
        server(
            "4.3 a literal that stops in its value",
            wrong,
            [behind(&[0x00, 1, b'x', 3, b'y'])],
        ),
        // As long as what a transport might append.
        server(
            "4.3 a value that is 78 octets longer than its block",
            wrong,
            [behind(&[0x00, 1, b'x', 79, b'y'])],
        ),
        server(
            "4.3 a value that is 79 octets longer than its block",
            wrong,
            [behind(&[0x00, 1, b'x', 80, b'y'])],
        ),
        server(
            "4.3 a value that is much longer than its block",
            wrong,
            [behind(
                &[&[0x00, 1, b'x'][..], &number(0, 7, 1 << 20)].concat(),
            )],
        ),
        server(
            "4.3 a value of a huge length",
            wrong,
            [behind(&[
                0x00, 1, b'x', 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f,
            ])],
        ),
        server(
            "4.3 an indexed name, and no value",
            wrong,
            [behind(&[0x44])],
        ),
        server(
            "4.3 Huffman coding",
            Lives,
            [behind(&[0x00, 1, b'x', 0x83, 0x1d, 0x8c, 0x1f])],
        ),
        server(
            "4.3 Huffman coding with EOS",
            wrong,
            [behind(&[0x00, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff])],
        ),
        server(
            "4.3 Huffman padding of a whole octet",
            wrong,
            [behind(&[0x00, 1, b'x', 0x82, 0x1f, 0xff])],
        ),
        server(
            "4.3 Huffman padding of zeros",
            wrong,
            [behind(&[0x00, 1, b'x', 0x81, 0x18])],
        ),
        server(
            "4.3 an empty Huffman string",
            Lives,
            [behind(&[0x00, 1, b'x', 0x80])],
        ),
        server("4.3 an empty value", Lives, [behind(&[0x00, 1, b'x', 0])]),
        server(
            "4.3 an empty name",
            GoesAway(PROTOCOL),
            [behind(&[0x00, 0, 1, b'x'])],
        ),
        server("4.3 a table size of 0", Lives, [around(&[0x20], &[])]),
        server(
            "4.3 the largest table size",
            Lives,
            [around(&number(0x20, 5, 4_096), &[])],
        ),
        server(
            "4.3 a table size over the limit",
            wrong,
            [around(&number(0x20, 5, 4_097), &[])],
        ),
        server(
            "4.3 a huge table size",
            wrong,
            [around(&[0x3f, 0xff, 0xff, 0xff, 0xff, 0x7f], &[])],
        ),
        server("4.3 a table size that stops", wrong, [around(&[], &[0x3f])]),
        server(
            "4.3 two table sizes",
            Lives,
            [around(&[0x20, 0x3f, 0xe1, 0x1f], &[])],
        ),
        server(
            "4.3 a hundred table sizes",
            Lives,
            [around(&[0x20; 100], &[])],
        ),
        server("4.3 a table size after a field", wrong, [behind(&[0x20])]),
        server(
            "4.3 a table size between fields",
            wrong,
            [behind(&[0x20, 0xbd])],
        ),
        server(
            "4.3 a table size alone in a block",
            Resets(PROTOCOL),
            [headers(1, ALL, &[0x20])],
        ),
        server(
            "4.3 a table that is emptied, and an index of it",
            wrong,
            [
                behind(&indexed),
                headers(
                    3,
                    ALL,
                    &[&[0x20][..], &request("GET", "/"), &[0xbe]].concat(),
                ),
            ],
        ),
        server(
            "4.3 an empty block",
            Resets(PROTOCOL),
            [headers(1, ALL, &[]), get(3)],
        ),
        server(
            "4.3 a wrong index in trailers",
            wrong,
            [post(1), headers(1, ALL, &[0x80])],
        ),
        server(
            "4.3 a wrong index on a stream that was reset",
            wrong,
            [post(1), rst(1, CANCEL), headers(1, ALL, &[0x80])],
        ),
        server(
            "4.3 a wrong index on a stream that is closed",
            wrong,
            [get(1), headers(1, ALL, &[0x80])],
        ),
        server(
            "4.3 a wrong index in a CONTINUATION",
            wrong,
            [
                headers(1, ES, &request("GET", "/")),
                continuation(1, EH, &[0x80]),
            ],
        ),
        server(
            "4.3 an index cut by a CONTINUATION",
            Lives,
            [
                headers(1, ES, &[request("GET", "/"), vec![0x0f]].concat()),
                continuation(1, EH, &[0x00, 1, b'y']),
            ],
        ),
        server(
            "4.3 a string cut by a CONTINUATION",
            Lives,
            [
                headers(1, ES, &[request("GET", "/"), vec![0x00, 2, b'x']].concat()),
                continuation(1, EH, &[b'y', 1, b'z']),
            ],
        ),
        server(
            "4.3 a huge field",
            Lives,
            [behind(&fields(&[("x-huge", &"x".repeat(16_200))])), get(3)],
        ),
        server(
            "4.3 many fields",
            Lives,
            [behind(&fields(&[("x-one-of", "many"); 90]))],
        ),
        server(
            "4.3 too many fields, in few octets",
            Lives,
            [behind(&[0xbd; 1_000]), get(3)],
        ),
        server(
            "4.3 a header list of 16,383 octets",
            Lives,
            [behind(&fields(&[("x", &"y".repeat(16_181))])), get(3)],
        )
        .at_limit(),
        server(
            "4.3 a header list of 16,384 octets",
            Lives,
            [behind(&fields(&[("x", &"y".repeat(16_182))])), get(3)],
        ),
        server(
            "4.3 a header list of 16,275 octets",
            Lives,
            [behind(&fields(&[("x", &"y".repeat(16_073))])), get(3)],
        ),
        server(
            "4.3 a header list of 16,276 octets",
            Lives,
            [behind(&fields(&[("x", &"y".repeat(16_074))])), get(3)],
        )
        .at_limit(),
    ]
}

#[test]
fn rfc9113_4_3_header_blocks() {
    assert_transparent(&cases());
}
