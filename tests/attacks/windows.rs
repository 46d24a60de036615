//! Credit that is given and taken away.

use std::thread;
use std::time::Duration;

use framewright::FrameType;

use crate::attacker::{Attacker, Seen};
use crate::raw::{END_HEADERS, END_STREAM, MAX_FRAME_SIZE, frame, get, settings, window_update};
use crate::streams::request;
use crate::trial::Attack;

const WINDOW: u16 = crate::raw::INITIAL_WINDOW_SIZE;
const PLENTY: u32 = 1 << 30;

#[test]
fn rfc9113_6_9_2_windows_of_0() {
    let attack = Attack::new("windows of 0, 200 responses", |a| {
        a.reads()
            .each(0..200, |i| get(2 * i + 1, "/bytes?1000000", &[]));
        a.round_trip();
    });
    attack.with(&[(WINDOW, 0)]).on_servers();
}

#[test]
fn rfc9113_6_9_2_windows_of_1() {
    let attack = Attack::new("windows of 1, 200 responses", |a| {
        a.reads()
            .each(0..200, |i| get(2 * i + 1, "/bytes?1000000", &[]));
        for _ in 0..100 {
            a.each(0..200, |i| window_update(2 * i + 1, 1));
        }
        a.round_trip();
    });
    attack.with(&[(WINDOW, 1)]).on_servers();
}

#[test]
fn rfc9113_5_2_half_of_the_streams_stall() {
    let attack = Attack::new("windows of 0 for half of 200 responses", |a| {
        a.reads().send(&window_update(0, PLENTY));
        a.each(0..200, |i| get(2 * i + 1, "/bytes?100000", &[]));
        a.each(0..100, |i| window_update(4 * i + 1, 100_000));
        a.round_trip();
    });
    attack.with(&[(WINDOW, 0)]).on_servers();
}

#[test]
fn rfc9113_6_9_the_connection_stalls() {
    let attack = Attack::new("connection window never opened", |a| {
        a.reads()
            .each(0..200, |i| get(2 * i + 1, "/bytes?1000000", &[]));
        a.round_trip();
    });
    attack.with(&[(WINDOW, PLENTY)]).on_servers();
}

#[test]
fn rfc9113_6_9_2_windows_that_toggle() {
    let attack = Attack::new("INITIAL_WINDOW_SIZE toggles, 200 streams", |a| {
        a.reads().send(&window_update(0, PLENTY));
        a.each(0..200, |i| get(2 * i + 1, "/bytes?1000000", &[]));
        let toggle = [settings(&[(WINDOW, 30_000)]), settings(&[(WINDOW, 0)])];
        a.repeat(5_000, &toggle.concat());
    });
    attack.with(&[(WINDOW, 0)]).on_servers();
}

#[test]
fn rfc9113_6_9_2_windows_that_toggle_while_nothing_is_read() {
    let attack = Attack::new("INITIAL_WINDOW_SIZE toggles, nothing read", |a| {
        a.send(&window_update(0, PLENTY));
        a.each(0..200, |i| get(2 * i + 1, "/bytes?1000000", &[]));
        a.rest();
        let toggle = [settings(&[(WINDOW, 0)]), settings(&[(WINDOW, 100_000)])];
        a.repeat(5_000, &toggle.concat());
        a.rest();
    });
    attack.with(&[(WINDOW, 100_000)]).on_servers();
}

#[test]
fn rfc9113_4_2_frame_sizes_that_toggle() {
    let attack = Attack::new("MAX_FRAME_SIZE toggles", |a| {
        a.reads().send(&window_update(0, PLENTY));
        a.each(0..20, |i| get(2 * i + 1, "/bytes?1000000", &[]));
        let most = (1 << 24) - 1;
        let toggle = [
            settings(&[(MAX_FRAME_SIZE, most)]),
            settings(&[(MAX_FRAME_SIZE, 16_384)]),
        ];
        a.repeat(20_000, &toggle.concat());
    });
    attack.with(&[(WINDOW, PLENTY)]).on_servers();
}

/// What stands before everything else must not let it pile up: trailers whose DATA
/// the peer does not take any more.
fn withheld(a: &mut Attacker, flood: impl FnOnce(&mut Attacker)) {
    a.send(&window_update(0, PLENTY));
    // The socket is filled, so that the DATA of the late one waits.
    a.send(&get(1, "/bytes?20000000", &[]));
    thread::sleep(Duration::from_millis(50));
    a.send(&get(3, "/late?60000", &[]));
    thread::sleep(Duration::from_millis(50));
    // Its window goes, and then it ends; the first stream's does too.
    a.send(&settings(&[(WINDOW, 0)]));
    thread::sleep(Duration::from_millis(50));
    a.reads();
    thread::sleep(Duration::from_millis(300));
    flood(a);
}

#[test]
fn o3_settings_behind_trailers_that_cannot_go() {
    let attack = Attack::new("SETTINGS flood behind stalled trailers", |a| {
        withheld(a, |a| {
            a.repeat(500_000, &settings(&[]));
        });
    });
    attack.with(&[(WINDOW, PLENTY)]).on_servers();
}

#[test]
fn o3_responses_behind_trailers_that_cannot_go() {
    let attack = Attack::new("requests behind stalled trailers", |a| {
        withheld(a, |a| {
            for batch in 0..1_000 {
                a.each(0..100, |i| get(2 * (100 * batch + i) + 5, "/none", &[]));
                if !a.round_trip() {
                    return;
                }
            }
        });
    });
    attack.with(&[(WINDOW, PLENTY)]).on_servers();
}

/// Sends DATA for as long as there is credit for it on any of `streams`.
fn upload(a: &mut Attacker, streams: u32, most: usize, padded: bool) {
    let mut payload = vec![0_u8; if padded { 256 } else { 16_384 }];
    let mut flags = 0;
    if padded {
        payload[0] = 255;
        flags = 0x8;
    }
    let length = payload.len() as i64;
    a.reads().round_trip();
    let (mut sent, mut on) = (0, vec![0_i64; streams as usize]);
    for i in 0..most {
        let index = i % streams as usize;
        let stream = 2 * index as u32 + 1;
        let has = |seen: &Seen| {
            let more = seen.stream_credit.get(&stream).copied().unwrap_or(0);
            let of_stream = seen.stream_window + more - on[index];
            (seen.connection_credit - sent).min(of_stream) >= length
        };
        let is_open = has(&a.seen());
        if !is_open {
            a.round_trip();
            let is_open = has(&a.seen());
            if !is_open {
                continue;
            }
        }
        if !a.send(&frame(FrameType::DATA, flags, stream, &payload)) {
            return;
        }
        sent += length;
        on[index] += length;
    }
}

#[test]
fn w2_uploads_that_nobody_reads() {
    let attack = Attack::new("uploads that nobody reads, 50 streams", |a| {
        a.reads().acknowledge();
        a.each(0..50, |i| request(2 * i + 1, "/ignore"));
        upload(a, 50, 2_000, false);
    });
    attack.on_servers();
}

#[test]
fn rfc9113_6_5_3_uploads_with_no_acknowledgement() {
    let attack = Attack::new("the same, SETTINGS not acknowledged", |a| {
        a.reads().each(0..50, |i| request(2 * i + 1, "/ignore"));
        upload(a, 50, 2_000, false);
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_padding_with_no_content() {
    let attack = Attack::new("DATA of 255 octets of padding", |a| {
        a.reads().acknowledge();
        a.send(&request(1, "/read"));
        upload(a, 1, 20_000, true);
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_padding_with_no_content_that_nobody_reads() {
    let attack = Attack::new("DATA of padding, nobody reads", |a| {
        a.reads().acknowledge();
        a.send(&request(1, "/ignore"));
        upload(a, 1, 20_000, true);
    });
    attack.on_servers();
}

#[test]
fn rfc9113_6_9_1_windows_that_overflow() {
    let attack = Attack::new("stream windows that overflow", |a| {
        a.reads();
        for batch in 0..10 {
            a.each(0..50, |i| {
                let stream = 2 * (50 * batch + i) + 1;
                let more = window_update(stream, (1 << 31) - 1);
                [get(stream, "/bytes?1000000", &[]), more].concat()
            });
            if !a.round_trip() {
                return;
            }
        }
    });
    attack.with(&[(WINDOW, 0)]).on_servers();
}

#[test]
fn rfc9113_6_9_1_the_connections_window_overflows() {
    let attack = Attack::new("connection window that overflows", |a| {
        a.reads().send(&window_update(0, (1 << 31) - 1));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_8_1_1_bodies_that_are_too_long() {
    let attack = Attack::new("bodies beyond their content-length", |a| {
        a.reads();
        for batch in 0..10 {
            a.each(0..50, |i| {
                let stream = 2 * (50 * batch + i) + 1;
                let mut block = vec![0x83, 0x86, 0x84, 0x01, 1, b'a', 0x0f, 0x0d, 1, b'1'];
                block = frame(FrameType::HEADERS, END_HEADERS, stream, &block);
                block.extend(frame(FrameType::DATA, END_STREAM, stream, &[0; 10]));
                block
            });
            if !a.round_trip() {
                return;
            }
        }
    });
    attack.on_servers();
}
