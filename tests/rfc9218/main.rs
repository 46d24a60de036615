//! RFC 9218, section by section. Stock hyper knows nothing of it, so that it ignores
//! all of it, as it does what it does not know: over the transport it has to, too,
//! but for the order in which octets of responses go out.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/differential/mod.rs"]
mod differential;
#[allow(dead_code)]
#[path = "../priority/raw.rs"]
mod raw;

mod clients;
mod fields;
mod updates;

#[test]
fn there_are_enough_cases() {
    let tables = [clients::cases(), fields::cases(), updates::cases()];
    let cases = tables.iter().map(Vec::len).sum::<usize>();
    println!("{cases} cases");
    assert!(cases >= 170, "{cases}");
}
