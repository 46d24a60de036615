//! What stands in for the real things in a model, and what models are made with.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};

use loom::model::Builder;
pub(crate) use loom::sync::MutexGuard;

/// Checks a model with at most so many preemptions; `None` is all there are.
pub(crate) fn check(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 10_000;
    builder.check(model);
}

/// A task that polls until it is ready, and in between sleeps until it is woken.
/// If nobody ever does, that is a deadlock, which the model checker reports.
pub(crate) fn run<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(result) = poll(&mut cx) {
            return result;
        }
        task.sleep();
    }
}

/// As [`run`], for a future.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    run(|cx| future.as_mut().poll(cx))
}

#[derive(Default)]
struct Task {
    is_woken: Mutex<bool>,
    changed: loom::sync::Condvar,
}

impl Task {
    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock();
        while !std::mem::take(&mut *is_woken) {
            is_woken = self.changed.wait(is_woken).expect(NO_PANIC);
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        *self.is_woken.lock() = true;
        self.changed.notify_one();
    }
}

const NO_PANIC: &str = "no model panics while it holds a lock";

/// `parking_lot::Mutex`, as far as it is used.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect(NO_PANIC)
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect(NO_PANIC)
    }
}

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

loom::thread_local! {
    /// Whether this thread has written with [`Ordering::SeqCst`] since it last read so.
    static WRITTEN: Cell<bool> = Cell::new(false);
}

loom::lazy_static! {
    static ref ORDER: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
}

/// Loom takes `SeqCst` of a load and of a store for no more than acquire and
/// release. What two threads rely on that each write one atomic and then read the
/// other's is the order between a write and a later read. So there a step that all
/// threads take in turn comes before the read, if both are `SeqCst`, and only then:
/// if either is weaker, the model shows what may happen. (A fence would do the same,
/// but loom does not try what follows one in all orders.) The step also orders what
/// is weaker around the two, which `SeqCst` would not: where one of three is weakened,
/// a model may not tell.
fn before_read(order: Ordering) {
    if order == Ordering::SeqCst && WRITTEN.with(|written| written.replace(false)) {
        ORDER.fetch_add(1, Ordering::AcqRel);
    }
}

fn after_write(order: Ordering) {
    if order == Ordering::SeqCst {
        WRITTEN.with(|written| written.set(true));
    }
}

macro_rules! atomic {
    ($name:ident, $value:ty) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name(loom::sync::atomic::$name);

        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                before_read(order);
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
                after_write(order);
            }
        }
    };
}

macro_rules! read_modify_write {
    ($name:ident: $value:ty, $($method:ident),*) => {
        impl $name {
            $(pub(crate) fn $method(&self, value: $value, order: Ordering) -> $value {
                before_read(order);
                let before = self.0.$method(value, order);
                after_write(order);
                before
            })*
        }
    };
}

macro_rules! compare_exchange {
    ($name:ident: $value:ty, $($method:ident),*) => {
        impl $name {
            $(pub(crate) fn $method(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                before_read(success);
                let result = self.0.$method(old, new, success, failure);
                if result.is_ok() {
                    after_write(success);
                }
                result
            })*
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicU8, u8);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);
read_modify_write!(AtomicU8: u8, fetch_or);
read_modify_write!(AtomicU64: u64, fetch_add, fetch_sub, swap);
read_modify_write!(AtomicUsize: usize, fetch_add, fetch_sub);
compare_exchange!(AtomicU64: u64, compare_exchange, compare_exchange_weak);

impl AtomicUsize {
    pub(crate) fn fetch_update(
        &self,
        set: Ordering,
        fetch: Ordering,
        change: impl FnMut(usize) -> Option<usize>,
    ) -> Result<usize, usize> {
        assert!(set != Ordering::SeqCst && fetch != Ordering::SeqCst);
        self.0.fetch_update(set, fetch, change)
    }
}
