//! Header blocks that never end, or hold more than anybody wants.

use framewright::FrameType;

use crate::attacker::Attacker;
use crate::raw::{END_HEADERS, END_STREAM, frame, get, string};
use crate::trial::Attack;

/// The start of a request's block.
fn start() -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x84, 0x01];
    string(&mut block, "test");
    block
}

/// A literal without indexing (RFC 7541, section 6.2.2), of any length up to 16 KiB.
fn long(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    block.push(0x00);
    string(block, name);
    // RFC 7541, section 5.1: seven bits, then seven at a time.
    let mut rest = value.len() - 127;
    block.push(0x7f);
    while rest >= 128 {
        block.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    block.push(rest as u8);
    block.extend(value);
}

fn block(stream: u32, octets: &[u8]) -> Vec<u8> {
    let flags = END_STREAM | END_HEADERS;
    frame(FrameType::HEADERS, flags, stream, octets)
}

/// A block that is never ended, in frames of these octets.
fn endless(a: &mut Attacker, times: usize, octets: &[u8]) {
    a.reads();
    a.send(&frame(FrameType::HEADERS, END_STREAM, 1, &start()));
    a.repeat(times, &frame(FrameType::CONTINUATION, 0, 1, octets));
}

#[test]
fn rfc9113_6_10_continuation_that_is_empty() {
    Attack::new("CONTINUATION flood, empty", |a| endless(a, 200_000, b"")).on_servers();
}

#[test]
fn rfc9113_6_10_continuation_of_few_octets() {
    let attack = Attack::new("CONTINUATION flood, 3 octets", |a| {
        endless(a, 200_000, b"\x00\x01a");
    });
    attack.on_servers();
}

#[test]
fn rfc9113_6_10_continuation_of_16_kib() {
    let attack = Attack::new("CONTINUATION flood, 16 KiB", |a| {
        let mut field = Vec::new();
        long(&mut field, "x-long", &[b'a'; 16_000]);
        endless(a, 2_000, &field);
    });
    attack.on_servers();
}

#[test]
fn rfc9113_6_10_blocks_that_never_end_on_many_connections() {
    let attack = Attack::new("blocks that never end, 100 connections", |a| {
        for _ in 0..100 {
            endless(a.another(&[]), 2, b"\x00\x01a\x01b");
        }
        a.rest();
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_1_many_fields() {
    let attack = Attack::new("requests of 3,000 fields", |a| {
        let mut octets = start();
        for _ in 0..3_000 {
            octets.extend(b"\x00\x01a\x01b");
        }
        a.reads().each(0..200, |i| block(2 * i + 1, &octets));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_1_long_fields() {
    let attack = Attack::new("requests of a field of 16,000 octets", |a| {
        let mut octets = start();
        long(&mut octets, "x-long", &[b'a'; 16_000]);
        a.reads().each(0..200, |i| block(2 * i + 1, &octets));
    });
    attack.on_servers();
}

#[test]
fn rfc7541_7_3_hpack_bombs() {
    let attack = Attack::new("HPACK bombs, 48 MB each", |a| {
        // Into the dynamic table, and then by its index 62.
        let mut first = start();
        let mut field = Vec::new();
        long(&mut field, "x-bomb", &[b'a'; 4_000]);
        field[0] = 0x40;
        first.extend(field);
        let mut bomb = start();
        bomb.extend([0xbe; 12_000]);
        a.reads().send(&block(1, &first));
        a.each(1..200, |i| block(2 * i + 1, &bomb));
    });
    attack.on_servers();
}

#[test]
fn rfc7541_4_2_table_sizes_that_toggle() {
    let attack = Attack::new("HPACK table sizes that toggle", |a| {
        let mut octets = Vec::new();
        for _ in 0..4_000 {
            octets.extend([0x20, 0x3f, 0xe1, 0x1f]);
        }
        octets.truncate(16_000);
        octets.extend(start());
        a.reads().each(0..200, |i| block(2 * i + 1, &octets));
    });
    attack.on_servers();
}

#[test]
fn t2_tags_that_are_forged() {
    let attack = Attack::new("forged tags, 20 a request", |a| {
        let value = "ffffffffffffffffffffffffffffffff-0000000000000000-00000001";
        let fields = [("framewright-stream", value); 20];
        a.reads();
        for batch in 0..30 {
            a.each(0..100, |i| {
                get(2 * (100 * batch + i) + 1, "/bytes?10", &fields)
            });
            if !a.round_trip() {
                return;
            }
        }
    });
    attack.on_servers();
}

#[test]
fn t1_blocks_that_cannot_be_tagged() {
    let attack = Attack::new("blocks that end within a field", |a| {
        let mut octets = start();
        octets.extend([0x00, 0x7f]);
        a.reads().each(0..1_000, |i| block(2 * i + 1, &octets));
    });
    attack.on_servers();
}
