use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The octets of an input, to draw values from.
///
/// Each value is drawn by a word of four octets of its own, whatever its strategy does with it.
/// So a change of one octet changes one value, values can be moved, repeated and
/// left out, and an input ends where its octets do.
pub(crate) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The next value. Octets that are missing are 0.
    pub(crate) fn draw<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        let word = u64::from(u32::from_le_bytes(self.octets()));
        // Not the octets themselves, one after the other: strategies reject some
        // numbers, and an end of zeros for ever.
        let spread = |odd: u64| (word + 1).wrapping_mul(odd).to_be_bytes();
        let halves = [spread(0x9e37_79b9_7f4a_7c15), spread(0xd1b5_4a32_d192_ed03)];
        let rng = TestRng::from_seed(RngAlgorithm::XorShift, &halves.concat());
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let tree = strategy.new_tree(&mut runner);
        tree.expect("strategies here reject nothing").current()
    }

    /// A value by each word that is left, `most` at most.
    pub(crate) fn each<S: Strategy>(&mut self, most: usize, of: &S) -> Vec<S::Value> {
        let mut values = Vec::new();
        while !self.is_empty() && values.len() < most {
            values.push(self.draw(of));
        }
        values
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next octets as they are. Those that are missing are 0.
    pub(crate) fn octets<const N: usize>(&mut self) -> [u8; N] {
        let (octets, rest) = self.0.split_at(N.min(self.0.len()));
        self.0 = rest;
        let mut all = [0; N];
        all[..octets.len()].copy_from_slice(octets);
        all
    }

    /// The octets that are left, as they are.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
