//! Sections 3.3 and 3.4: how a connection begins.

use crate::differential::wire::*;
use crate::differential::{Case, Ends::*, assert_transparent, server};
use crate::raw::{ACK, PREFACE};
use framewright::FrameType;

const HTTP1: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

pub(crate) fn cases() -> Vec<Case> {
    let preface = || PREFACE.to_vec();
    let mut cases = vec![
        server("3.4 a preface and SETTINGS", Lives, []),
        server("3.4 no octet at all", Closes, []).unopened(),
        server("3.4 a request at once", Lives, [get(1)]),
        server("3.4 a request in one batch with the preface", Lives, [all([preface(), settings(&[]), get(1)])]).unopened(),
        server("3.4 a request before the SETTINGS are acknowledged", Lives, [all([preface(), settings(&[])]), get(1)]).unopened(),
        server("3.4 a preface that stops", Closes, [PREFACE[..10].to_vec()]).unopened(),
        server("3.4 a preface without its last octet", Closes, [PREFACE[..23].to_vec(), settings(&[])]).unopened(),
        server("3.4 nothing but the preface", Lives, [preface()]).unopened(),
        server("3.4 no SETTINGS before a request", Lives, [preface(), get(1)]).unopened(),
        server("3.4 PING before SETTINGS", Lives, [preface(), ping([1; 8]), settings(&[])]).unopened(),
        server("3.4 an acknowledgement before SETTINGS", Lives, [preface(), frame(FrameType::SETTINGS, ACK, 0, &[])]).unopened(),
        server("3.4 an unknown frame before SETTINGS", Lives, [preface(), unknown(0, 0, b"?"), settings(&[])]).unopened(),
        server("3.4 wrong SETTINGS at first", GoesAway(PROTOCOL), [preface(), frame(FrameType::SETTINGS, 0, 0, b"12345")]).unopened(),
        server("3.4 a frame that is too long at first", GoesAway(SIZE), [preface(), head(1 << 20, FrameType::SETTINGS, 0, 0)]).unopened(),
        server("3.4 the preface twice", GoesAway(SIZE), [preface(), preface()]).unopened(),
        server("3.4 frames without a preface", Closes, [settings(&[]), get(1)]).unopened(),
        server("3.4 HTTP/1.1 to HTTP/2 alone", Closes, [HTTP1.to_vec()]).unopened(),
        server("3.4 HTTP/1.1 to either", Closes, [HTTP1.to_vec()]).unopened().auto(),
        server("3.4 two requests of HTTP/1.1 to either", Closes, [all([HTTP1.to_vec(), HTTP1.to_vec()])]).unopened().auto(),
        server("3.4 HTTP/1.1 that begins as the preface does", Closes, [b"PRI * HTTP/1.1\r\nhost: test\r\n\r\n".to_vec()]).unopened().auto(),
        server("3.4 HTTP/2 to either", Lives, [get(1), post(3), data(3, ES, b"to either")]).auto(),
        server("3.4 half a preface to either", Closes, [PREFACE[..13].to_vec()]).unopened().auto(),
        server("3.4 the octets of TLS", Closes, [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), vec![0; 64]]).unopened(),
        server("3.3 an upgrade to h2c to either", Closes, [b"GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: \r\n\r\n".to_vec()]).unopened().auto(),
        server("3.4 an upload", Lives, [all([post(1), data(1, ES, b"hello")])]),
        server("3.4 a large response", Lives, [get_of(1, "/large"), window_update(1, 100_000), window_update(0, 100_000)]),
        server("3.4 trailers of a response", Lives, [get_of(1, "/trailers")]),
        server("3.4 a body that fails", Resets(INTERNAL), [get_of(1, "/fails")]),
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
fn rfc9113_3_prefaces() {
    assert_transparent(&cases());
}
