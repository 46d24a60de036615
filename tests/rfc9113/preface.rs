//! Sections 3.3 and 3.4: how a connection begins.

use crate::differential::wire::*;
use crate::differential::{Case, Ends::*, assert_transparent, server};
use crate::raw::PREFACE;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        server("3.4 a preface and SETTINGS", Lives, []),
        server("3.4 a request at once", Lives, [get(1)]),
        server("3.4 a request in one batch with the preface", Lives, [all([PREFACE.to_vec(), settings(&[]), get(1)])]).unopened(),
        server("3.4 an upload", Lives, [all([post(1), data(1, ES, b"hello")])]),
        server("3.4 a large response", Lives, [get_of(1, "/large"), window_update(1, 100_000), window_update(0, 100_000)]),
        server("3.4 trailers of a response", Lives, [get_of(1, "/trailers")]),
        server("3.4 a body that fails", Resets(INTERNAL), [get_of(1, "/fails")]),
        server("3.4 no SETTINGS", GoesAway(PROTOCOL), [PREFACE.to_vec(), get(1)]).unopened(),
    ];
    for at in 0..PREFACE.len() {
        let mut wrong = PREFACE.to_vec();
        wrong[at] ^= 0x01;
        let name = format!("3.4 a wrong octet at {at} of the preface");
        cases.push(server(name, Closes, [wrong, settings(&[])]).unopened());
    }
    cases
}

#[test]
fn rfc9113_3_4_prefaces() {
    assert_transparent(&cases());
}
