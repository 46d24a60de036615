//! RFC 9113, section by section: hyper over the transport answers every peer, right
//! or wrong, as hyper does without it.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/differential/mod.rs"]
mod differential;
#[allow(dead_code)]
#[path = "../priority/raw.rs"]
mod raw;

mod preface;

#[test]
fn there_are_enough_cases() {
    let cases = preface::cases().len();
    println!("{cases} cases");
    assert!(cases >= 1);
}
