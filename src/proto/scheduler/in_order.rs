//! Streams by their numbers.

use std::collections::{BTreeSet, VecDeque};

use super::StreamId;

/// Streams that are kept without a tree: what is moved for one of them is 8 KiB
/// at most.
const MAX_FRONT: usize = 4096;

/// Streams that come to the front at once.
const REFILL: usize = 64;

/// Streams whose memory is kept, however few there are.
const MIN_CAPACITY: usize = 64;

/// A set of streams whose first is at hand.
///
/// Streams come at the back, as they have ever higher numbers, and are done at
/// the front: up to 4,096, either takes constant time and no allocation. One
/// that returns is found by halves, and the nearer end moves by one place, which
/// is 4 octets a stream. What is more than that stands in a tree.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    /// Ascending; empty only if `rest` is.
    front: VecDeque<StreamId>,
    /// Higher than all of `front`.
    rest: BTreeSet<StreamId>,
}

impl InOrder {
    pub(super) fn is_empty(&self) -> bool {
        self.front.is_empty()
    }

    pub(super) fn first(&self) -> Option<StreamId> {
        self.front.front().copied()
    }

    pub(super) fn insert(&mut self, stream: StreamId) {
        if self.front.back().is_none_or(|&last| last < stream) {
            if self.rest.is_empty() && self.front.len() < MAX_FRONT {
                self.front.push_back(stream);
            } else {
                self.rest.insert(stream);
            }
        } else if let Err(at) = self.front.binary_search(&stream) {
            if self.front.len() == MAX_FRONT {
                self.rest.extend(self.front.pop_back());
            }
            self.front.insert(at, stream);
        }
    }

    pub(super) fn remove(&mut self, stream: StreamId) {
        if self.first() == Some(stream) {
            self.front.pop_front();
        } else if self.front.back().is_none_or(|&last| last < stream) {
            self.rest.remove(&stream);
        } else if let Ok(at) = self.front.binary_search(&stream) {
            self.front.remove(at);
        }
        if self.front.is_empty() && !self.rest.is_empty() {
            let first = std::iter::from_fn(|| self.rest.pop_first());
            self.front.extend(first.take(REFILL));
        }
        let (len, capacity) = (self.front.len(), self.front.capacity());
        if capacity > MIN_CAPACITY && len < capacity / 8 {
            // Twice, so that as many removals or insertions go before the next.
            self.front.shrink_to(2 * len);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(id: u32) -> StreamId {
        StreamId::from_wire(id)
    }

    fn check(real: &InOrder, naive: &BTreeSet<StreamId>) {
        assert!(real.front.iter().chain(&real.rest).eq(naive));
        assert_eq!(real.first(), naive.first().copied());
        assert_eq!(real.is_empty(), naive.is_empty());
        assert!(real.front.len() <= MAX_FRONT);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn is_in_order(
            already in prop_oneof![Just(0), Just(MAX_FRONT - 5), Just(MAX_FRONT + 20)],
            ops in prop::collection::vec((any::<bool>(), any::<u16>()), 0..100),
        ) {
            let (mut real, mut naive) = (InOrder::default(), BTreeSet::new());
            for id in 0..already as u32 {
                real.insert(stream(2 * id + 1));
                naive.insert(stream(2 * id + 1));
            }
            for (insert, id) in ops {
                let id = stream(u32::from(id) % (2 * already as u32 + 30));
                if insert {
                    real.insert(id);
                    naive.insert(id);
                } else {
                    real.remove(id);
                    naive.remove(&id);
                }
                check(&real, &naive);
            }
            while let Some(first) = real.first() {
                real.remove(first);
                naive.remove(&first);
                prop_assert_eq!(real.first(), naive.first().copied());
            }
            check(&real, &naive);
        }
    }

    #[test]
    fn memory_is_given_back() {
        let mut streams = InOrder::default();
        for id in 0..10_000 {
            streams.insert(stream(id));
        }
        for id in 0..10_000 {
            streams.remove(stream(id));
            let bound = (8 * (streams.front.len() + 1)).max(MIN_CAPACITY);
            assert!(streams.front.capacity() <= bound);
        }
        assert!(streams.is_empty() && streams.rest.is_empty());
    }
}
