//! A set of stream identifiers that stays small.

use std::collections::BTreeMap;

use super::head::StreamId;

/// Ranges that are kept of each parity.
const MAX_RANGES: usize = 4096;

/// Streams of a connection that have come to the same point, such as their
/// end.
///
/// Streams of one side have every other number and end roughly in order, so
/// that a few ranges hold all that ever were. A peer that leaves gaps on
/// purpose makes more ranges; beyond 4,096 the lowest is forgotten, so that
/// the set is bounded whatever the peer does.
#[derive(Debug, Default)]
pub(crate) struct StreamSet {
    /// By parity: the first of each range, in every other number, to its last.
    /// No two ranges touch.
    ranges: [BTreeMap<u32, u32>; 2],
}

impl StreamSet {
    pub(crate) fn contains(&self, stream: StreamId) -> bool {
        let (parity, index) = split(stream);
        before(&self.ranges[parity], index).is_some_and(|(_, last)| index <= last)
    }

    pub(crate) fn insert(&mut self, stream: StreamId) {
        let (parity, index) = split(stream);
        let ranges = &mut self.ranges[parity];
        let mut first = index;
        if let Some((start, last)) = before(ranges, index) {
            if index <= last {
                return;
            }
            if last + 1 == index {
                first = start;
            }
        }
        // Indexes have 30 bits.
        let last = ranges.remove(&(index + 1)).unwrap_or(index);
        ranges.insert(first, last);
        if ranges.len() > MAX_RANGES {
            ranges.pop_first();
        }
    }
}

fn split(stream: StreamId) -> (usize, u32) {
    ((stream.get() & 1) as usize, stream.get() >> 1)
}

/// The last range that starts at or before `index`.
fn before(ranges: &BTreeMap<u32, u32>, index: u32) -> Option<(u32, u32)> {
    let (&first, &last) = ranges.range(..=index).next_back()?;
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn stream(id: u32) -> StreamId {
        StreamId::new(id).unwrap()
    }

    proptest! {
        #[test]
        fn holds_what_a_plain_set_holds(ids in prop::collection::vec(0..200u32, 0..200)) {
            let (mut real, mut naive) = (StreamSet::default(), BTreeSet::new());
            for id in ids {
                real.insert(stream(id));
                naive.insert(id);
                for id in 0..202 {
                    prop_assert_eq!(real.contains(stream(id)), naive.contains(&id));
                }
                for ranges in &real.ranges {
                    for last in ranges.values() {
                        prop_assert!(!ranges.contains_key(&(last + 1)));
                    }
                }
            }
        }
    }

    #[test]
    fn streams_in_order_take_one_range() {
        let mut set = StreamSet::default();
        for id in (1..100_000).step_by(2) {
            set.insert(stream(id));
        }
        set.insert(StreamId::MAX);
        assert_eq!(set.ranges[1].len(), 2);
        assert!(set.contains(StreamId::MAX));
        assert!(set.contains(stream(99_999)));
        assert!(!set.contains(stream(100_000)));
    }

    #[test]
    fn gaps_do_not_make_it_grow_without_bound() {
        let mut set = StreamSet::default();
        for id in (1..100_000).step_by(4) {
            set.insert(stream(id));
        }
        assert_eq!(set.ranges[1].len(), MAX_RANGES);
        assert!(set.contains(stream(99_997)));
    }
}
