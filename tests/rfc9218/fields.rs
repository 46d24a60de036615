//! Sections 2.1, 4, 5 and 8: SETTINGS, the `priority` field, and what looks as the
//! transport's own field does.

use crate::differential::wire::*;
use crate::differential::{
    Case,
    Ends::{self, *},
    assert_transparent, server,
};
use crate::raw::{NO_RFC7540_PRIORITIES, PREFACE};

const PRIORITIES: u16 = NO_RFC7540_PRIORITIES;
const TAG: &str = "framewright-stream";

fn with(name: &str, list: &[(&str, &str)]) -> Case {
    server(name, Lives, [get_with(1, list), get(3)])
}

/// What SETTINGS at first and later lead to.
fn says(name: &str, ends: Ends, first: &[(u16, u32)], later: &[(u16, u32)]) -> Case {
    let batches = [
        all([PREFACE.to_vec(), settings(first)]),
        get(1),
        settings(later),
        get(3),
    ];
    server(name, ends, batches).unopened()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        says(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES 0",
            Lives,
            &[(PRIORITIES, 0)],
            &[],
        ),
        says(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES 1",
            Lives,
            &[(PRIORITIES, 1)],
            &[],
        ),
        says(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES 2",
            Lives,
            &[(PRIORITIES, 2)],
            &[],
        ),
        says(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES 2^32-1",
            Lives,
            &[(PRIORITIES, u32::MAX)],
            &[],
        ),
        says(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES twice",
            Lives,
            &[(PRIORITIES, 1), (PRIORITIES, 0)],
            &[],
        ),
        says(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES later",
            Lives,
            &[],
            &[(PRIORITIES, 1)],
        ),
        says(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES from 0 to 1",
            Lives,
            &[(PRIORITIES, 0)],
            &[(PRIORITIES, 1)],
        ),
        says(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES from 1 to 0",
            Lives,
            &[(PRIORITIES, 1)],
            &[(PRIORITIES, 0)],
        ),
        says(
            "2.1 SETTINGS_NO_RFC7540_PRIORITIES and another that is wrong",
            GoesAway(PROTOCOL),
            &[(PRIORITIES, 1), (0x5, 1)],
            &[],
        ),
        server(
            "2.1 PRIORITY after SETTINGS_NO_RFC7540_PRIORITIES",
            Lives,
            [settings(&[(PRIORITIES, 1)]), priority(1, 0, 9), get(1)],
        ),
        with(
            "5 priority twice",
            &[("priority", "u=1"), ("priority", "u=5, i")],
        ),
        with("5 priority and an update", &[("priority", "u=1")]),
        with(
            "5 priority of a forwarded request",
            &[("priority", "u=0"), ("via", "1.1 proxy")],
        ),
        server(
            "5 priority in trailers",
            Lives,
            [post(1), headers(1, ALL, &fields(&[("priority", "u=0")]))],
        ),
        server(
            "5 Priority in capitals",
            GoesAway(PROTOCOL),
            [get_with(1, &[("Priority", "u=0")])],
        ),
        server(
            "5 priority with a line feed",
            GoesAway(PROTOCOL),
            [get_with(1, &[("priority", "u=0\n")])],
        ),
        server(
            "5 priority that is no ASCII",
            Lives,
            [headers(
                1,
                ALL,
                &[
                    request("GET", "/"),
                    vec![0],
                    string(b"priority"),
                    string(b"u=\xff"),
                ]
                .concat(),
            )],
        ),
        server(
            "5 priority of a body that comes",
            Lives,
            [
                post_with(1, &[("priority", "u=1, i")]),
                update(1, "u=7"),
                data(1, ES, b"x"),
            ],
        ),
        // A field of the transport's name, which a peer may send: behind the layers
        // nobody hears of it, and without them hyper's handler does as ever.
        with("5 a field as the transport's", &[(TAG, "x")]),
        with(
            "5 a field as the transport's, with nothing in it",
            &[(TAG, "")],
        ),
        with(
            "5 a field that looks as the transport's",
            &[(
                TAG,
                "0123456789abcdef00112233445566ff-00000000000000fe-7fffffff",
            )],
        ),
        with(
            "5 a field that looks as the transport's, of this stream",
            &[(
                TAG,
                "00000000000000000000000000000000-0000000000000000-00000001",
            )],
        ),
        with(
            "5 ten fields as the transport's",
            &[(
                TAG,
                "0123456789abcdef00112233445566ff-00000000000000fe-00000001",
            ); 10],
        ),
        server(
            "5 a field as the transport's in capitals",
            GoesAway(PROTOCOL),
            [get_with(1, &[("Framewright-Stream", "x")])],
        ),
        server(
            "5 a field as the transport's in trailers",
            Lives,
            [post(1), headers(1, ALL, &fields(&[(TAG, "x")]))],
        ),
        server(
            "5 a field as the transport's that goes into the table",
            Lives,
            [
                headers(
                    1,
                    ALL,
                    &[
                        request("GET", "/"),
                        vec![0x40],
                        string(TAG.as_bytes()),
                        string(b"x"),
                    ]
                    .concat(),
                ),
                headers(3, ALL, &[request("GET", "/"), vec![0xbe]].concat()),
            ],
        ),
        server(
            "5 a field as the transport's as a pseudo-header field",
            GoesAway(PROTOCOL),
            [get_with(1, &[(":framewright-stream", "x")])],
        ),
        server(
            "5 a field whose value takes in what comes behind it",
            GoesAway(PROTOCOL),
            [
                headers(
                    1,
                    ALL,
                    &[request("GET", "/"), vec![0, 1, b'x', 79]].concat(),
                ),
                get(3),
            ],
        ),
        server(
            "5 a field whose name takes in what comes behind it",
            GoesAway(PROTOCOL),
            [
                headers(1, ALL, &[request("GET", "/"), vec![0, 79]].concat()),
                get(3),
            ],
        ),
    ];
    for value in [
        "u=0",
        "u=7",
        "u=8",
        "u=-1",
        "u=1.5",
        "u=\"1\"",
        "u",
        "u=?1",
        "i",
        "i=?0",
        "i=1",
        "u=3,i",
        "u=1, u=2",
        "",
        ",",
        "u=",
        "U=1",
        "u=1;x=y",
        "u=99999999999999999999",
        "((",
        "x=1, y=(1 2)",
    ] {
        cases.push(with(
            &format!("4 priority: {value}"),
            &[("priority", value)],
        ));
    }
    cases
}

#[test]
fn rfc9218_5_fields() {
    assert_transparent(&cases());
}
