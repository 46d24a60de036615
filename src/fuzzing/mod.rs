//! What fuzzers run (`tests/fuzz`, `.ci/fuzz`): one function for each target,
//! from octets to a run of one of the models that the tests have.
//!
//! A model's input is drawn from the same proptest strategies, by words of the
//! fuzzer's octets instead of random ones. Each function panics where its oracle is
//! contradicted.

mod framing;
mod priority;
mod source;
mod tags;
mod transport;

use proptest::prelude::any;

pub(crate) use self::source::Source;
use crate::proto::scheduler::tests::{check_order, check_served, op, relief};

/// A name, and what runs an input.
type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("deframer", deframer),
    ("frame_writer", frame_writer),
    ("inbound", inbound),
    ("outbound", outbound),
    ("priority_field", priority_field),
    ("scheduler", scheduler),
    ("streams", streams),
    ("tag", tag),
    ("transport", transport),
    ("windows", windows),
];

/// Arbitrary octets as frames and as a header block.
pub fn deframer(octets: &[u8]) {
    framing::fuzz(Source::new(octets));
}

/// Operations on a `FrameWriter`: which frames it makes of them, and what becomes of
/// these at a socket that takes little, stalls and fails.
pub fn frame_writer(octets: &[u8]) {
    crate::frame_writer::tests::model::fuzz(Source::new(octets));
    crate::frame_writer::tests::io::fuzz(Source::new(octets));
}

/// What the peer sends, on its way to the stack.
pub fn inbound(octets: &[u8]) {
    crate::proto::inbound::tests::fuzz(Source::new(octets));
}

/// What the stack sends, on its way to the peer.
pub fn outbound(octets: &[u8]) {
    crate::proto::outbound::tests::fuzz(Source::new(octets));
}

/// Values of the Priority field, and `PRIORITY_UPDATE` frames.
pub fn priority_field(octets: &[u8]) {
    priority::fuzz(Source::new(octets));
}

/// Operations on the scheduler.
pub fn scheduler(octets: &[u8]) {
    let mut source = Source::new(octets);
    let (key, relief) = source.draw(&(any::<u64>(), relief()));
    let ops = source.each(400, &(any::<u8>(), op()));
    check_order(ops.iter().map(|(_, op)| op.clone()).collect(), relief);
    check_served(ops, relief, key);
}

/// Streams' queues and credit, with a stack above and a peer below.
pub fn streams(octets: &[u8]) {
    crate::proto::streams::tests::fuzz(Source::new(octets));
}

/// The field that tells layers of their stream, and blocks that try to forge it.
pub fn tag(octets: &[u8]) {
    tags::fuzz(Source::new(octets));
}

/// The whole transport, with hyper above it.
pub fn transport(octets: &[u8]) {
    transport::fuzz(Source::new(octets));
}

/// Receive windows, with a stack above, a peer below and applications.
pub fn windows(octets: &[u8]) {
    crate::proto::windows::tests::fuzz(Source::new(octets));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::TARGETS;

    /// Each input that was ever of interest, and each that once failed.
    #[test]
    fn every_seed_of_the_fuzzers_runs() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
        if !fuzz.exists() {
            // A crate that was packaged has none.
            return;
        }
        for (name, run) in TARGETS {
            let mut seeds: Vec<_> = fs::read_dir(fuzz.join("seeds").join(name))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            seeds.sort();
            assert!(!seeds.is_empty(), "{name} has no seeds");
            for seed in seeds {
                println!("{}", seed.display());
                run(&fs::read(seed).unwrap());
            }
        }
    }
}
