//! Small frames, many of them.

use framewright::FrameType;

use crate::attacker::Attacker;
use crate::raw::{END_STREAM, frame, get, settings, update, window_update};
use crate::streams::request;
use crate::trial::Attack;

const MANY: usize = 200_000;

/// More credit than a socket takes.
const PLENTY: u32 = 1 << 30;

const WIDE: &[(u16, u32)] = &[(4, PLENTY)];

fn ping() -> Vec<u8> {
    frame(FrameType::PING, 0, 0, b"floodnum")
}

/// Two responses that fill the socket: what else goes out has to be queued.
fn fill(a: &mut Attacker) {
    a.send(&window_update(0, PLENTY));
    for stream in [1, 3] {
        a.send(&get(stream, "/bytes?8000000", &[]));
    }
    a.rest();
}

#[test]
fn rfc9113_10_5_ping_flood() {
    let attack = Attack::new("PING flood", |a| {
        a.reads().repeat(MANY, &ping());
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_ping_flood_unread() {
    let attack = Attack::new("PING flood, ACKs not read", |a| {
        a.repeat(5 * MANY, &ping());
        a.rest();
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_ping_flood_behind_a_full_socket() {
    let attack = Attack::new("PING flood behind a full socket", |a| {
        fill(a);
        a.repeat(5 * MANY, &ping());
        a.rest();
    });
    attack.with(WIDE).on_servers();
}

#[test]
fn rfc9113_10_5_settings_flood() {
    let attack = Attack::new("SETTINGS flood", |a| {
        a.reads().repeat(MANY, &settings(&[]));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_settings_flood_unread() {
    let attack = Attack::new("SETTINGS flood, ACKs not read", |a| {
        a.repeat(5 * MANY, &settings(&[]));
        a.rest();
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_settings_flood_behind_a_full_socket() {
    let attack = Attack::new("SETTINGS flood behind a full socket", |a| {
        fill(a);
        a.repeat(5 * MANY, &settings(&[]));
        a.rest();
    });
    attack.with(WIDE).on_servers();
}

#[test]
fn rfc9113_10_5_settings_of_16_kib() {
    let attack = Attack::new("SETTINGS of 16 KiB each", |a| {
        let parameters: Vec<_> = (0..2_730).map(|i| (4, 65_535 + i % 2)).collect();
        a.reads().repeat(2_000, &settings(&parameters));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_6_9_window_updates_of_1_for_the_connection() {
    let attack = Attack::new("WINDOW_UPDATE of 1, connection", |a| {
        a.reads().repeat(MANY, &window_update(0, 1));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_6_9_window_updates_of_1_for_a_stream() {
    let attack = Attack::new("WINDOW_UPDATE of 1, stream", |a| {
        a.reads().send(&request(1, "/ignore"));
        a.repeat(MANY, &window_update(1, 1));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_6_9_window_updates_of_1_where_each_is_worth_data() {
    let attack = Attack::new("WINDOW_UPDATE of 1, each worth an octet", |a| {
        a.reads().send(&get(1, "/bytes?1000000", &[]));
        a.repeat(50_000, &window_update(1, 1));
    });
    attack.with(&[(4, 0)]).on_servers();
}

#[test]
fn rfc9113_6_9_window_updates_of_1_for_closed_streams() {
    let attack = Attack::new("WINDOW_UPDATE of 1, closed streams", |a| {
        a.reads().each(0..100, |i| get(2 * i + 1, "/bytes?10", &[]));
        a.wait(|seen| seen.count(FrameType::HEADERS) >= 100);
        a.each(0..MANY as u32, |i| window_update(2 * (i % 100) + 1, 1));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_empty_data() {
    let attack = Attack::new("empty DATA", |a| {
        a.reads().send(&request(1, "/read"));
        a.repeat(MANY, &frame(FrameType::DATA, 0, 1, b""));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_10_5_empty_data_that_nobody_reads() {
    let attack = Attack::new("empty DATA that nobody reads", |a| {
        a.reads().send(&request(1, "/ignore"));
        a.repeat(MANY, &frame(FrameType::DATA, 0, 1, b""));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_5_1_data_on_closed_streams() {
    let attack = Attack::new("empty DATA on closed streams", |a| {
        a.reads().send(&get(1, "/bytes?10", &[]));
        a.round_trip();
        a.repeat(MANY, &frame(FrameType::DATA, END_STREAM, 1, b""));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_5_5_unknown_frames_of_16_kib() {
    let attack = Attack::new("unknown frames of 16 KiB", |a| {
        a.reads()
            .repeat(4_000, &frame(FrameType(0xbb), 0xff, 0, &[7; 16_384]));
    });
    attack.on_servers();
}

#[test]
fn rfc9218_7_1_updates_of_one_stream() {
    let attack = Attack::new("PRIORITY_UPDATE, one stream", |a| {
        a.reads().send(&request(1, "/ignore"));
        a.each(0..MANY as u32, |i| {
            update(1, ["u=0", "u=7, i"][i as usize % 2])
        });
    });
    attack.on_servers();
}

#[test]
fn rfc9218_7_1_updates_of_idle_streams() {
    let attack = Attack::new("PRIORITY_UPDATE, ever new idle streams", |a| {
        // So many that to keep them all would be seen.
        let many = 5 * MANY as u32;
        a.reads().each(0..many, |i| update(2 * i + 1, "u=0"));
    });
    attack.on_servers();
}

#[test]
fn rfc9218_7_1_updates_of_idle_streams_the_last_first() {
    let attack = Attack::new("PRIORITY_UPDATE, idle streams, last first", |a| {
        a.reads()
            .each(0..MANY as u32, |i| update((1 << 31) - 1 - 2 * i, "u=0"));
    });
    attack.on_servers();
}

#[test]
fn rfc9218_7_1_updates_of_16_kib() {
    let attack = Attack::new("PRIORITY_UPDATE of 16 KiB", |a| {
        let value = "a=1,".repeat(4_000);
        a.reads().each(0..4_000, |i| update(2 * i + 1, &value));
    });
    attack.on_servers();
}

#[test]
fn rfc9218_7_1_updates_while_many_streams_wait() {
    let attack = Attack::new("PRIORITY_UPDATE while 200 streams wait", |a| {
        a.send(&window_update(0, PLENTY));
        a.each(0..200, |i| get(2 * i + 1, "/bytes?100000", &[]));
        a.rest();
        a.each(0..MANY as u32, |i| {
            update(2 * (i % 200) + 1, ["u=0", "u=3", "u=7, i"][i as usize % 3])
        });
        a.rest();
    });
    attack.with(WIDE).on_servers();
}

#[test]
fn rfc9113_5_3_1_a_stream_depends_on_itself() {
    let attack = Attack::new("PRIORITY, depends on itself", |a| {
        a.reads().send(&request(1, "/ignore"));
        let payload = [1_u32.to_be_bytes().as_slice(), &[9]].concat();
        a.repeat(MANY, &frame(FrameType::PRIORITY, 0, 1, &payload));
    });
    attack.on_servers();
}

#[test]
fn rfc9113_5_3_priorities_of_idle_streams() {
    let attack = Attack::new("PRIORITY, ever new idle streams", |a| {
        a.reads().each(1..MANY as u32, |i| {
            frame(FrameType::PRIORITY, 0, 2 * i + 1, &[0, 0, 0, 1, 9])
        });
    });
    attack.on_servers();
}
