//! Sections 4.1 and 4.2, and 5.5: frames as such.

use framewright::FrameType;

use crate::differential::wire::*;
use crate::differential::{Case, Ends::*, assert_transparent, server};
use crate::raw::ACK;

const RESERVED: u32 = 1 << 31;
const DATA: FrameType = FrameType::DATA;

/// A frame with a wrong length, and one of a type and a length.
fn length(
    name: &str,
    ends: crate::differential::Ends,
    kind: FrameType,
    stream: u32,
    octets: usize,
) -> Case {
    let name = format!("4.2 {kind} of {octets} octets{name}");
    server(
        name,
        ends,
        [post(1), frame(kind, 0, stream, &vec![0; octets]), get(3)],
    )
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        // Flags that a type does not have are ignored.
        server(
            "4.1 undefined flags of DATA",
            Lives,
            [
                post(1),
                data(1, 0xf6 & !PADDED, b"flags"),
                data(1, ES, b"!"),
            ],
        ),
        server(
            "4.1 undefined flags of HEADERS",
            Lives,
            [headers(1, ALL | 0xd2, &request("GET", "/"))],
        ),
        server(
            "4.1 undefined flags of CONTINUATION",
            Lives,
            [
                headers(1, ES, &request("GET", "/")),
                continuation(1, 0xfb | EH, &[]),
            ],
        ),
        server(
            "4.1 undefined flags of SETTINGS",
            Lives,
            [frame(FrameType::SETTINGS, 0xfe, 0, &[])],
        ),
        server(
            "4.1 undefined flags of PING",
            Lives,
            [frame(FrameType::PING, 0xfe, 0, b"flagged!")],
        ),
        server(
            "4.1 undefined flags of an acknowledgement",
            Lives,
            [
                frame(FrameType::SETTINGS, 0, 0, &[]),
                frame(FrameType::PING, 0xff, 0, b"not sent"),
            ],
        ),
        server(
            "4.1 undefined flags of WINDOW_UPDATE",
            Lives,
            [
                get_of(1, "/large"),
                frame(FrameType::WINDOW_UPDATE, 0xff, 1, &[0, 1, 0, 0]),
                frame(FrameType::WINDOW_UPDATE, 0xff, 0, &[0, 1, 0, 0]),
            ],
        ),
        server(
            "4.1 undefined flags of RST_STREAM",
            Lives,
            [
                post(1),
                frame(FrameType::RST_STREAM, 0xff, 1, &[0, 0, 0, 8]),
            ],
        ),
        server(
            "4.1 undefined flags of PRIORITY",
            Lives,
            [frame(FrameType::PRIORITY, 0xff, 1, &[0, 0, 0, 0, 9])],
        ),
        server(
            "4.1 undefined flags of GOAWAY",
            Closes,
            [frame(FrameType::GOAWAY, 0xff, 0, &[0; 8])],
        ),
        // So is the reserved bit.
        server(
            "4.1 the reserved bit of HEADERS",
            Lives,
            [get(1 | RESERVED), get(3)],
        ),
        server(
            "4.1 the reserved bit of DATA",
            Lives,
            [post(1), data(1 | RESERVED, ES, b"reserved")],
        ),
        server(
            "4.1 the reserved bit of SETTINGS",
            Lives,
            [frame(
                FrameType::SETTINGS,
                0,
                RESERVED,
                &[0, 4, 0, 0, 0xff, 0],
            )],
        ),
        server(
            "4.1 the reserved bit of PING",
            Lives,
            [frame(FrameType::PING, 0, RESERVED, b"reserved")],
        ),
        server(
            "4.1 the reserved bit of WINDOW_UPDATE",
            Lives,
            [
                get_of(1, "/large"),
                frame(FrameType::WINDOW_UPDATE, 0, 1 | RESERVED, &[0, 1, 0, 0]),
                window_update(RESERVED, 100_000),
            ],
        ),
        server(
            "4.1 the reserved bit of RST_STREAM",
            Lives,
            [post(1), rst(1 | RESERVED, CANCEL), get(3)],
        ),
        server(
            "4.1 the reserved bit of CONTINUATION",
            Lives,
            [
                headers(1, ES, &request("GET", "/")),
                continuation(1 | RESERVED, EH, &[]),
            ],
        ),
        server(
            "4.1 the reserved bit of an unknown frame",
            Lives,
            [unknown(RESERVED, 0, b"?"), get(1)],
        ),
        // Lengths.
        server(
            "4.2 DATA of 16,384 octets",
            Lives,
            [post(1), data(1, ES, &[b'x'; 16_384])],
        ),
        server(
            "4.2 DATA of 16,385 octets",
            GoesAway(SIZE),
            [post(1), data(1, ES, &[b'x'; 16_385])],
        ),
        server(
            "4.2 the head of a DATA frame of 16,385 octets",
            GoesAway(SIZE),
            [post(1), head(16_385, DATA, 0, 1)],
        ),
        server(
            "4.2 the head of the longest frame",
            GoesAway(SIZE),
            [head((1 << 24) - 1, FrameType(0xbe), 0, 0)],
        ),
        server(
            "4.2 HEADERS of 16,385 octets",
            GoesAway(SIZE),
            [headers(1, ALL, &[0x82; 16_385])],
        ),
        server(
            "4.2 an unknown frame of 16,384 octets",
            Lives,
            [unknown(0, 0, &[1; 16_384]), get(1)],
        ),
        server(
            "4.2 an unknown frame of 16,385 octets",
            GoesAway(SIZE),
            [unknown(0, 0, &[1; 16_385]), get(1)],
        ),
        server(
            "4.2 an unknown frame with no payload",
            Lives,
            [unknown(0, 0, &[]), get(1)],
        ),
        server(
            "4.2 DATA with no payload",
            Lives,
            [post(1), data(1, 0, &[]), data(1, ES, &[])],
        ),
        server(
            "4.2 a PING that stops in its head",
            GoesAway(PROTOCOL),
            [ping([0; 8])[..5].to_vec()],
        ),
        server(
            "4.2 a PING that stops in its payload",
            GoesAway(PROTOCOL),
            [ping([0; 8])[..12].to_vec()],
        ),
        length("", GoesAway(PROTOCOL), FrameType::HEADERS, 5, 0),
        // Section 5.5: unknown types.
        server(
            "5.5 an unknown frame on the connection",
            Lives,
            [unknown(0, 0xff, b"what"), get(1)],
        ),
        server(
            "5.5 an unknown frame on an idle stream",
            Lives,
            [unknown(9, 0xff, b"what"), get(1)],
        ),
        server(
            "5.5 an unknown frame on an open stream",
            Lives,
            [post(1), unknown(1, 0xff, b"what"), data(1, ES, b"ever")],
        ),
        server(
            "5.5 an unknown frame on a half-closed stream",
            Lives,
            [get_of(1, "/hang"), unknown(1, 0xff, b"what")],
        ),
        server(
            "5.5 an unknown frame on a closed stream",
            Lives,
            [get(1), unknown(1, 0xff, b"what")],
        ),
        server(
            "5.5 an unknown frame on a stream of the server's",
            Lives,
            [unknown(2, 0xff, b"what"), get(1)],
        ),
        server(
            "5.5 an unknown frame in a header block",
            GoesAway(PROTOCOL),
            [
                headers(1, ES, &request("GET", "/")),
                unknown(1, 0, b"what"),
                continuation(1, EH, &[]),
            ],
        ),
        server(
            "5.5 an unknown frame in a header block, of the connection",
            GoesAway(PROTOCOL),
            [all([
                headers(1, ES, &request("GET", "/")),
                unknown(0, 0, b"what"),
                continuation(1, EH, &[]),
            ])],
        ),
        server(
            "5.5 a hundred unknown frames",
            Lives,
            [
                (0..100)
                    .flat_map(|n| unknown(n, n as u8, &vec![0; n as usize]))
                    .collect(),
                get(1),
            ],
        ),
        server(
            "5.5 the head of an unknown frame, and DATA as its payload",
            Lives,
            [
                post(1),
                all([head(12, FrameType(0x42), 0, 1), data(1, ES, b"not")]),
                data(1, ES, b"so"),
            ],
        ),
        server(
            "5.5 ALTSVC, ORIGIN and others that are no client's",
            Lives,
            [
                frame(FrameType::ALTSVC, 0, 0, b"\0\x04testclear"),
                frame(FrameType::ORIGIN, 0, 0, b"\0\x04test"),
                frame(FrameType(0xb), 0, 0, b""),
                get(1),
            ],
        ),
        server(
            "5.5 unknown settings",
            Lives,
            [settings(&[(0x0, 1), (0xffff, u32::MAX), (0xa, 0)]), get(1)],
        ),
    ];
    for (kind, stream, right) in [
        (FrameType::PRIORITY, 1, 5),
        (FrameType::RST_STREAM, 1, 4),
        (FrameType::PING, 0, 8),
        (FrameType::WINDOW_UPDATE, 0, 4),
        (FrameType::WINDOW_UPDATE, 1, 4),
    ] {
        for octets in [0, right - 1, right + 1] {
            let on = format!(" on {stream}");
            cases.push(length(&on, GoesAway(PROTOCOL), kind, stream, octets));
        }
    }
    for octets in [0, 7] {
        cases.push(length("", GoesAway(PROTOCOL), FrameType::GOAWAY, 0, octets));
    }
    for octets in [1, 5, 7, 16_383] {
        cases.push(length(
            "",
            GoesAway(PROTOCOL),
            FrameType::SETTINGS,
            0,
            octets,
        ));
    }
    for flags in [ACK, 0xff] {
        let acknowledgement = frame(FrameType::PING, flags, 0, b"short");
        let name = format!("4.2 an acknowledgement of PING, flags {flags:#x}, of five octets");
        cases.push(server(name, GoesAway(PROTOCOL), [acknowledgement]));
    }
    cases
}

#[test]
fn rfc9113_4_frames() {
    assert_transparent(&cases());
}
