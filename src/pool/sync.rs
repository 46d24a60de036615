//! What the protocol between threads is built of, so that the model checker
//! can put its own in its place.
//!
//! `--cfg framewright_loom` and not `--cfg loom`: tokio takes its sockets away
//! under the latter, and this crate stands on them.

#[cfg(not(all(test, framewright_loom)))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

    pub(crate) use crossbeam_queue::ArrayQueue as Queue;
    pub(crate) use parking_lot::Mutex;
    use try_lock::{Locked, TryLock};

    /// A lock that one thread uses all the time and only ever tries, and that
    /// others take now and then for a moment.
    ///
    /// A mutex that can put waiters to sleep needs a second atomic
    /// read-modify-write to unlock, to learn of them: half of the cost of a
    /// pooled buffer. Here the few that wait spin, and yield.
    #[derive(Debug)]
    pub(crate) struct OwnerLock<T>(TryLock<T>);

    impl<T> OwnerLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(TryLock::new(value))
        }

        #[inline]
        pub(crate) fn try_lock(&self) -> Option<Locked<'_, T>> {
            self.0.try_lock()
        }

        /// For all but the owner.
        pub(crate) fn lock(&self) -> Locked<'_, T> {
            let mut tries = 0_u32;
            loop {
                if let Some(locked) = self.0.try_lock() {
                    return locked;
                }
                tries += 1;
                if tries.is_multiple_of(64) {
                    // The holder may have lost its core.
                    std::thread::yield_now();
                } else {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

#[cfg(not(all(test, framewright_loom)))]
pub(super) use real::*;

#[cfg(all(test, framewright_loom))]
mod model {
    use std::collections::VecDeque;

    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

    /// `parking_lot::Mutex`, as far as the pool uses it.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0
                .lock()
                .expect("no model panics while it holds a lock")
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    pub(crate) use Mutex as OwnerLock;

    /// `crossbeam_queue::ArrayQueue` by contract: bounded, first in first out,
    /// each call one atomic step. That the real one keeps this contract is for
    /// its own tests to show.
    #[derive(Debug)]
    pub(crate) struct Queue<T> {
        items: Mutex<VecDeque<T>>,
        capacity: usize,
    }

    impl<T> Queue<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            assert!(capacity > 0);
            Self {
                items: Mutex::new(VecDeque::new()),
                capacity,
            }
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            let mut items = self.items.lock();
            if items.len() == self.capacity {
                return Err(item);
            }
            items.push_back(item);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.items.lock().pop_front()
        }

        pub(crate) fn len(&self) -> usize {
            self.items.lock().len()
        }
    }
}

#[cfg(all(test, framewright_loom))]
pub(super) use model::*;
