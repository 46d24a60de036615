//! What the protocols between threads are built of, so that the model checker
//! can put its own in its place.
//!
//! It does so where threads wait for each other, or where the order of two
//! atomics matters. What is behind one lock altogether and wakes nobody, and
//! figures that stand for themselves, use the standard library and `parking_lot`
//! as they are; and so do statics, which outlive a run of a model.
//!
//! `--cfg framewright_loom` and not `--cfg loom`: tokio takes its sockets away
//! under the latter, and this crate stands on them.

#[cfg(not(all(test, framewright_loom)))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};

    pub(crate) use crossbeam_queue::ArrayQueue as Queue;
    pub(crate) use parking_lot::{Mutex, MutexGuard};
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
pub(crate) use real::*;

#[cfg(all(test, framewright_loom))]
pub(crate) mod model;
#[cfg(all(test, framewright_loom))]
pub(crate) use model::{
    AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Mutex, Mutex as OwnerLock, MutexGuard, Queue,
};
