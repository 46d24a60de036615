//! Peers that hardly read, or hardly write.

use framewright::FrameType;

use crate::raw::{END_HEADERS, frame, get, window_update};
use crate::streams::request;
use crate::trial::Attack;

const PLENTY: u32 = 1 << 30;

const WIDE: &[(u16, u32)] = &[(4, PLENTY)];

/// Connections of an attack that needs many.
const CONNECTIONS: usize = 200;

#[test]
fn b3_nothing_is_read() {
    let attack = Attack::new("200 responses of 200 KB, none read", |a| {
        a.send(&window_update(0, PLENTY));
        a.each(0..200, |i| get(2 * i + 1, "/bytes?200000", &[]));
        a.rest();
        a.rest();
    });
    attack.with(WIDE).on_servers();
}

#[test]
fn b3_an_octet_is_read_at_a_time() {
    let attack = Attack::new("200 responses of 200 KB, an octet at a time", |a| {
        a.send(&window_update(0, PLENTY));
        a.each(0..200, |i| get(2 * i + 1, "/bytes?200000", &[]));
        a.rest();
        a.nibble(50_000);
        a.rest();
    });
    attack.with(WIDE).on_servers();
}

#[test]
fn b3_nothing_is_read_on_many_connections() {
    let attack = Attack::new("nothing read, 50 connections", |a| {
        for _ in 0..50 {
            let other = a.another(WIDE);
            other.send(&window_update(0, PLENTY));
            other.each(0..4, |i| get(2 * i + 1, "/bytes?8000000", &[]));
        }
        a.rest();
        a.rest();
    });
    // Four queues of 64 KiB, a batch, and what frames have beside their octets.
    attack.queueing(6 * (64 << 10)).on_servers();
}

#[test]
fn slow_loris_heads() {
    let attack = Attack::new("frames an octet at a time, 200 connections", |a| {
        for _ in 0..CONNECTIONS {
            a.another(&[]);
        }
        let octets = frame(FrameType::HEADERS, END_HEADERS, 1, &[0x82; 16_384]);
        for octet in &octets[..40] {
            for other in &mut a.others {
                other.send(&[*octet]);
            }
        }
        a.rest();
    });
    attack.on_servers();
}

#[test]
fn slow_loris_frames_that_lack_an_octet() {
    let attack = Attack::new("frames that lack an octet, 200 connections", |a| {
        for i in 0..CONNECTIONS {
            let other = a.another(&[]);
            let kind = [FrameType::HEADERS, FrameType::SETTINGS, FrameType::DATA][i % 3];
            let stream = u32::from(kind != FrameType::SETTINGS);
            if kind == FrameType::DATA {
                other.send(&request(1, "/ignore"));
            }
            let octets = frame(kind, 0, stream, &[0; 16_380]);
            other.send(&octets[..octets.len() - 1]);
        }
        a.rest();
    });
    attack.on_servers();
}

#[test]
fn connections_that_say_nothing_more() {
    let attack = Attack::new("connections that are idle, 500", |a| {
        for _ in 0..500 {
            a.another(&[]);
        }
        a.rest();
    });
    attack.on_servers();
}

#[test]
fn half_open() {
    let attack = Attack::new("half-open, nothing read", |a| {
        a.send(&window_update(0, PLENTY));
        a.each(0..20, |i| get(2 * i + 1, "/bytes?1000000", &[]));
        a.shut();
        a.rest();
    });
    attack.with(WIDE).on_servers();
}

#[test]
fn half_open_within_a_frame() {
    let attack = Attack::new("half-open, within a frame", |a| {
        let octets = get(1, "/bytes?1000000", &[]);
        a.send(&octets[..octets.len() - 1]);
        a.shut();
        a.rest();
    });
    attack.on_servers();
}
