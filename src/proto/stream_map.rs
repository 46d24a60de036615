//! A map from streams to what is kept of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use super::head::StreamId;

/// Entries whose memory is kept, however few there are.
const MIN_CAPACITY: usize = 64;

/// What is kept of streams, by their numbers, in constant time.
///
/// # Hashing
///
/// A number is multiplied by an odd key, and the middle of the product says
/// where it goes. That costs one instruction, and with a key that the peer does
/// not know any two streams meet in a table of `m` places with a probability of
/// at most `2/m`, whichever numbers the peer uses: it is the multiply-shift
/// scheme of Dietzfelbinger and others (1997). A key that the peer knows lets it
/// choose numbers that all meet. So give one ([`with_key`](Self::with_key))
/// where there may be many streams; the core has no entropy of its own.
///
/// # Memory
///
/// At most eight times what the entries take, but for the first 64: what a
/// burst took is given back as it ends. With as many entries as before, there is
/// no allocation.
#[derive(Clone, Debug)]
pub(crate) struct StreamMap<T> {
    entries: HashMap<StreamId, T, Key>,
}

impl<T> Default for StreamMap<T> {
    /// An empty map with a key that everybody knows.
    fn default() -> Self {
        let entries = HashMap::default();
        Self { entries }
    }
}

impl<T> StreamMap<T> {
    /// An empty map with a key from a random source.
    pub(crate) fn with_key(key: u64) -> Self {
        // Only odd keys tell all numbers apart.
        let entries = HashMap::with_hasher(Key(key | 1));
        Self { entries }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn contains(&self, stream: StreamId) -> bool {
        self.entries.contains_key(&stream)
    }

    pub(crate) fn get(&self, stream: StreamId) -> Option<&T> {
        self.entries.get(&stream)
    }

    pub(crate) fn get_mut(&mut self, stream: StreamId) -> Option<&mut T> {
        self.entries.get_mut(&stream)
    }

    /// The stream's entry, which is a default if there was none.
    pub(crate) fn get_or_default(&mut self, stream: StreamId) -> &mut T
    where
        T: Default,
    {
        self.entries.entry(stream).or_default()
    }

    /// Returns what was there before.
    pub(crate) fn insert(&mut self, stream: StreamId, entry: T) -> Option<T> {
        self.entries.insert(stream, entry)
    }

    pub(crate) fn remove(&mut self, stream: StreamId) -> Option<T> {
        let entry = self.entries.remove(&stream)?;
        let capacity = self.entries.capacity();
        if capacity > MIN_CAPACITY && self.entries.len() < capacity / 8 {
            // Twice, so that as many removals or insertions go before the next.
            self.entries.shrink_to(2 * self.entries.len());
        }
        Some(entry)
    }

    /// Gives the memory back, if there is no entry.
    pub(crate) fn rest(&mut self) {
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamId, &T)> {
        self.entries.iter().map(|(&stream, entry)| (stream, entry))
    }

    /// All entries, in no order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (StreamId, &mut T)> {
        let entries = self.entries.iter_mut();
        entries.map(|(&stream, entry)| (stream, entry))
    }
}

/// Makes the hashers of a map. It is odd.
#[derive(Clone, Copy, Debug)]
struct Key(u64);

impl Default for Key {
    /// 2^64 divided by the golden ratio, which keeps neighbours apart.
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl BuildHasher for Key {
    type Hasher = Product;

    fn build_hasher(&self) -> Product {
        Product {
            key: self.0,
            product: 0,
        }
    }
}

/// The hash of one stream.
struct Product {
    key: u64,
    product: u64,
}

impl Hasher for Product {
    fn write_u32(&mut self, id: u32) {
        self.product = u64::from(id).wrapping_mul(self.key);
    }

    /// Streams are hashed by the above alone.
    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.product = (self.product ^ u64::from(octet)).wrapping_mul(self.key);
        }
    }

    /// The table looks at the lowest bits, and then at the seven highest. Bits of
    /// a product depend on lower ones alone, so its upper half goes lowest.
    fn finish(&self) -> u64 {
        self.product.rotate_left(32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn stream(id: u32) -> StreamId {
        StreamId::new(id).unwrap()
    }

    /// Keys as a random source has them.
    fn keys() -> impl Iterator<Item = u64> {
        let state = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mix = |z: u64| (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mix_more = |z: u64| (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (1..=64).map(move |i| mix_more(mix(state(i))) | 1)
    }

    proptest! {
        #[test]
        fn holds_what_a_plain_map_holds(
            key: u64,
            ops in prop::collection::vec((0..3, 0..100u32), 0..300),
        ) {
            let (mut real, mut naive) = (StreamMap::with_key(key), BTreeMap::new());
            for (at, (op, id)) in ops.into_iter().enumerate() {
                let id = stream(id);
                match op {
                    0 => prop_assert_eq!(real.insert(id, at), naive.insert(id, at)),
                    1 => prop_assert_eq!(real.remove(id), naive.remove(&id)),
                    _ => {
                        let entry = naive.entry(id).or_default();
                        prop_assert_eq!(&mut *real.get_or_default(id), &mut *entry);
                        *entry += 1;
                        *real.get_mut(id).unwrap() += 1;
                    }
                }
                prop_assert_eq!(real.get(id), naive.get(&id));
                prop_assert_eq!(real.contains(id), naive.contains_key(&id));
                prop_assert_eq!(real.len(), naive.len());
                prop_assert_eq!(real.is_empty(), naive.is_empty());
            }
            let in_order: BTreeMap<_, _> = real.iter().map(|(id, &at)| (id, at)).collect();
            prop_assert_eq!(&in_order, &naive);
            prop_assert_eq!(real.iter_mut().count(), naive.len());
        }
    }

    /// Pairs of `ids` that meet in a table of `places`, a power of two.
    fn meetings(key: u64, ids: impl Iterator<Item = u32>, places: usize) -> usize {
        let mut taken = vec![0_usize; places];
        for id in ids {
            taken[Key(key).hash_one(stream(id)) as usize % places] += 1;
        }
        taken.iter().map(|n| n * n.saturating_sub(1) / 2).sum()
    }

    #[test]
    fn streams_at_any_distance_are_spread() {
        const IDS: usize = 500;
        const PLACES: usize = 1024;
        let steps = (1..=21)
            .map(|bit| 1 << bit)
            .chain([6, 10, 98, 4094, 10_946, 1_000_002]);
        for step in steps {
            let ids = || (1..).step_by(step).take(IDS);
            assert_eq!(ids().count(), IDS);
            let met: usize = keys().map(|key| meetings(key, ids(), PLACES)).sum();
            // Each pair with a probability of 2 in 1024, for each of 64 keys.
            let bound = 64 * IDS * (IDS - 1) / 2 * 2 / PLACES;
            assert!(
                met <= bound * 3 / 2,
                "{met} of {bound} with a step of {step}"
            );
        }
        // Without a key, what a client does that means no harm.
        let usual = meetings(Key::default().0, (1..).step_by(2).take(IDS), PLACES);
        assert!(usual < IDS / 10, "{usual}");
    }

    #[test]
    fn streams_that_were_chosen_to_meet_do_so_with_one_key_only() {
        const PLACES: usize = 1024;
        let known = Key::default();
        let chosen: Vec<u32> = (1..)
            .step_by(2)
            .filter(|&id| (known.hash_one(stream(id)) as usize).is_multiple_of(PLACES))
            .take(500)
            .collect();
        let all = 500 * 499 / 2;
        assert_eq!(meetings(known.0, chosen.iter().copied(), PLACES), all);
        let met: usize = keys()
            .map(|key| meetings(key, chosen.iter().copied(), PLACES))
            .sum();
        assert!(met / 64 < 2 * 2 * all / PLACES, "{met}");
    }

    #[test]
    fn memory_is_given_back_but_not_each_time() {
        let mut map = StreamMap::default();
        for id in 0..100_000 {
            map.insert(stream(id), id);
        }
        let mut changes = 0;
        for id in 0..100_000 {
            let before = map.entries.capacity();
            map.remove(stream(id));
            // It moves by a little as places become free, and by half or more
            // if memory is given back.
            changes += usize::from(map.entries.capacity() <= before / 2);
            let bound = (8 * (map.len() + 1)).max(MIN_CAPACITY);
            assert!(map.entries.capacity() <= bound, "{id}");
        }
        assert!(map.is_empty());
        assert!((3..20).contains(&changes), "{changes}");

        // A few that come and go leave it as it is.
        map.insert(stream(1), 1);
        let before = map.entries.capacity();
        for id in (3..10_000).step_by(2) {
            map.insert(stream(id), id);
            map.remove(stream(id - 2));
            assert_eq!(map.entries.capacity(), before);
        }
    }
}
