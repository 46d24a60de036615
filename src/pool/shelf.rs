//! A bounded shelf of free buffers that all threads share, and the bound on
//! what all shelves and thread caches keep together.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use crate::sync::{AtomicUsize, Queue};

/// Octets that may be kept, and how many are.
///
/// Whoever keeps a buffer reserves its octets *before* it is put where others
/// can find it, and gives them back *after* it was taken out: what is kept is
/// never more than what is reserved, and that is never more than the bound.
#[derive(Debug)]
#[repr(align(128))] // Written by all threads: nothing else on its cache line.
pub(super) struct Budget {
    /// Never over `max`.
    reserved: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        Self {
            reserved: AtomicUsize::new(0),
            max,
        }
    }

    /// Reserves `octets`, or nothing if they would go over the bound.
    ///
    /// A compare-and-swap and not an addition that is undone later: the count
    /// itself is what a reader compares to the bound.
    #[must_use]
    pub(super) fn try_reserve(&self, octets: usize) -> bool {
        self.reserved
            .fetch_update(AcqRel, Relaxed, |now| {
                now.checked_add(octets).filter(|&then| then <= self.max)
            })
            .is_ok()
    }

    /// Gives back what was reserved.
    pub(super) fn give_back(&self, octets: usize) {
        if octets > 0 {
            let before = self.reserved.fetch_sub(octets, AcqRel);
            debug_assert!(before >= octets, "gave back more than was reserved");
        }
    }

    /// Octets that are reserved now.
    pub(super) fn reserved(&self) -> usize {
        self.reserved.load(Acquire)
    }
}

/// Free buffers of one class.
#[derive(Debug)]
pub(super) struct Shelf {
    /// `None` if the shelf may hold nothing.
    queue: Option<Queue<Box<[u8]>>>,
    /// Octets of each buffer.
    size: usize,
    /// The fewest buffers that lay here at any time since the last
    /// [`Shelf::trim_idle`]: so many were not needed. A hint; two threads that
    /// take at once may leave it too high by one.
    low: AtomicUsize,
}

impl Shelf {
    pub(super) fn new(capacity: usize, size: usize) -> Self {
        Self {
            queue: (capacity > 0).then(|| Queue::new(capacity)),
            size,
            low: AtomicUsize::new(0),
        }
    }

    /// Puts a buffer on the shelf; returns it if `budget` or the shelf is full.
    pub(super) fn put(&self, budget: &Budget, octets: Box<[u8]>) -> Result<(), Box<[u8]>> {
        if !budget.try_reserve(self.size) {
            return Err(octets);
        }
        self.put_reserved(budget, octets)
    }

    /// As [`Shelf::put`], for a buffer whose octets are reserved already. If it
    /// does not fit, the reservation is given back.
    pub(super) fn put_reserved(&self, budget: &Budget, octets: Box<[u8]>) -> Result<(), Box<[u8]>> {
        debug_assert_eq!(octets.len(), self.size);
        let put = match &self.queue {
            Some(queue) => queue.push(octets),
            None => Err(octets),
        };
        if put.is_err() {
            budget.give_back(self.size);
        }
        put
    }

    /// Takes a buffer from the shelf.
    pub(super) fn take(&self, budget: &Budget) -> Option<Box<[u8]>> {
        let queue = self.queue.as_ref()?;
        let octets = queue.pop();
        // An empty shelf is a mark too: whatever comes was needed.
        let left = if octets.is_some() { queue.len() } else { 0 };
        if left < self.low.load(Relaxed) {
            self.low.store(left, Relaxed);
        }
        if octets.is_some() {
            budget.give_back(self.size);
        }
        octets
    }

    /// Frees all buffers that lay here when it began, and says how many. Those
    /// that others put meanwhile may stay: it ends even if they never stop.
    pub(super) fn trim(&self, budget: &Budget) -> usize {
        self.free(budget, self.len())
    }

    /// Frees as many buffers as were never needed since the last call, and says
    /// how many.
    pub(super) fn trim_idle(&self, budget: &Budget) -> usize {
        let freed = self.free(budget, self.low.load(Relaxed));
        self.low.store(self.len(), Relaxed);
        freed
    }

    /// Buffers on the shelf.
    pub(super) fn len(&self) -> usize {
        self.queue.as_ref().map_or(0, Queue::len)
    }

    fn free(&self, budget: &Budget, most: usize) -> usize {
        let Some(queue) = &self.queue else { return 0 };
        for freed in 0..most {
            // Its memory goes first: what is reserved is never too little.
            let Some(octets) = queue.pop() else {
                return freed;
            };
            drop(octets);
            budget.give_back(self.size);
        }
        most
    }
}

#[cfg(all(test, not(framewright_loom)))]
mod tests {
    use super::*;

    const SIZE: usize = 8;

    fn buffer() -> Box<[u8]> {
        vec![0; SIZE].into()
    }

    #[test]
    fn the_budget_and_the_capacity_bound_a_shelf() {
        let budget = Budget::new(2 * SIZE + SIZE - 1);
        let shelf = Shelf::new(3, SIZE);
        assert!(shelf.put(&budget, buffer()).is_ok());
        assert!(shelf.put(&budget, buffer()).is_ok());
        assert!(shelf.put(&budget, buffer()).is_err());
        assert_eq!(budget.reserved(), 2 * SIZE);

        let budget = Budget::new(100 * SIZE);
        let shelf = Shelf::new(1, SIZE);
        assert!(shelf.put(&budget, buffer()).is_ok());
        assert!(shelf.put(&budget, buffer()).is_err());
        assert_eq!(budget.reserved(), SIZE);
        assert!(shelf.take(&budget).is_some());
        assert!(shelf.take(&budget).is_none());
        assert_eq!(budget.reserved(), 0);

        let none = Shelf::new(0, SIZE);
        assert!(none.put(&budget, buffer()).is_err());
        assert!(none.take(&budget).is_none());
        assert_eq!((none.trim(&budget), budget.reserved()), (0, 0));
    }

    #[test]
    fn what_was_not_needed_between_two_checks_is_freed() {
        let budget = Budget::new(100 * SIZE);
        let shelf = Shelf::new(10, SIZE);
        for _ in 0..6 {
            shelf.put(&budget, buffer()).expect("there is room");
        }
        // All of them are new since the last check.
        assert_eq!(shelf.trim_idle(&budget), 0);
        let taken = [shelf.take(&budget), shelf.take(&budget)];
        for octets in taken.into_iter().flatten() {
            shelf.put(&budget, octets).expect("there is room");
        }
        assert_eq!(shelf.trim_idle(&budget), 4);
        assert_eq!((shelf.len(), budget.reserved()), (2, 2 * SIZE));
        assert_eq!(shelf.trim_idle(&budget), 2);
        assert_eq!((shelf.len(), budget.reserved()), (0, 0));
    }
}
