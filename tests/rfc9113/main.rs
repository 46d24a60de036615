//! RFC 9113, section by section: hyper over the transport answers every peer, right
//! or wrong, as hyper does without it.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/differential/mod.rs"]
mod differential;
#[allow(dead_code)]
#[path = "../priority/raw.rs"]
mod raw;

mod clients;
mod flow;
mod frames;
mod framing;
mod hpack;
mod messages;
mod preface;
mod settings;
mod streams;

#[test]
fn there_are_enough_cases() {
    let tables = [
        preface::cases(),
        framing::cases(),
        hpack::cases(),
        streams::cases(),
        flow::cases(),
        frames::cases(),
        messages::cases(),
        settings::cases(),
        clients::cases(),
    ];
    let cases = tables.iter().map(Vec::len).sum::<usize>();
    println!("{cases} cases");
    assert!(cases >= 750, "{cases}");
}
