//! Frames, counted by type.

use super::head::FrameType;

/// The types that are counted by name; all others share the last slot.
const NAMED: [FrameType; 13] = [
    FrameType::DATA,
    FrameType::HEADERS,
    FrameType::PRIORITY,
    FrameType::RST_STREAM,
    FrameType::SETTINGS,
    FrameType::PUSH_PROMISE,
    FrameType::PING,
    FrameType::GOAWAY,
    FrameType::WINDOW_UPDATE,
    FrameType::CONTINUATION,
    FrameType::ALTSVC,
    FrameType::ORIGIN,
    FrameType::PRIORITY_UPDATE,
];

/// Slots of a count: the types known by name, and one for all others.
pub(crate) const SLOTS: usize = NAMED.len() + 1;

/// Frames by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    pub(crate) slots: [u64; SLOTS],
}

impl FrameCounts {
    /// Frames of this type. Types that this crate does not know by name are
    /// counted together, and any one of them returns the count of all.
    #[must_use]
    pub fn get(&self, kind: FrameType) -> u64 {
        self.slots[slot(kind)]
    }

    /// Frames of every type.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.slots.iter().sum()
    }

    /// Every type with its count, in the order of their codes. The unknown
    /// types come last, together, as `None`.
    pub fn iter(&self) -> impl Iterator<Item = (Option<FrameType>, u64)> + '_ {
        let kinds = NAMED.iter().copied().map(Some).chain([None]);
        kinds.zip(self.slots.iter().copied())
    }

    #[inline]
    pub(crate) fn add(&mut self, kind: FrameType) {
        self.slots[slot(kind)] += 1;
    }
}

#[inline]
fn slot(kind: FrameType) -> usize {
    match kind {
        FrameType(code @ 0..=0xa) => code as usize,
        FrameType::ORIGIN => 11,
        FrameType::PRIORITY_UPDATE => 12,
        _ => SLOTS - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_type_has_a_slot_of_its_own() {
        for (at, kind) in NAMED.into_iter().enumerate() {
            assert_eq!(slot(kind), at, "{kind}");
            assert!(kind.name().is_some());
        }
        let mut counts = FrameCounts::default();
        counts.add(FrameType::PRIORITY_UPDATE);
        counts.add(FrameType(0xb));
        counts.add(FrameType(0xff));
        assert_eq!(counts.get(FrameType::PRIORITY_UPDATE), 1);
        assert_eq!(counts.get(FrameType(0xbe)), 2);
        assert_eq!(counts.total(), 3);
        assert_eq!(counts.iter().last(), Some((None, 2)));
    }
}
