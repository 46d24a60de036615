//! An executor by hand, of one thread and with no clock: when no task is ready
//! and some are not done, a wake-up was lost, and that shows at once.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

/// More polls than any run here takes: tasks wake each other for ever.
const MANY: usize = 2_000_000;

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone, Default)]
pub(crate) struct Executor {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ready: Mutex<VecDeque<Arc<Task>>>,
    tasks: Mutex<Vec<Arc<Task>>>,
    panics: AtomicUsize,
    /// Drop this task, by number, after so many polls.
    cancel: Option<(usize, usize)>,
    /// It was dropped.
    cancelled: Mutex<Option<&'static str>>,
}

struct Task {
    number: usize,
    polls: AtomicUsize,
    name: &'static str,
    future: Mutex<Option<Boxed>>,
    queued: AtomicBool,
    executor: Weak<Shared>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel)
            && let Some(executor) = self.executor.upgrade()
        {
            executor.ready.lock().push_back(self);
        }
    }
}

/// What a task has come to, once it is done.
pub(crate) struct Join<T>(Arc<Mutex<Option<T>>>);

impl<T> Join<T> {
    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().take()
    }
}

impl Executor {
    /// Drops one task, by the order in which they were spawned, after so many polls.
    pub(crate) fn cancelling(task: usize, polls: usize) -> Self {
        let shared = Shared {
            cancel: Some((task, polls)),
            ..Shared::default()
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What was dropped, if it was there to be.
    pub(crate) fn cancelled_name(&self) -> Option<&'static str> {
        *self.shared.cancelled.lock()
    }

    /// Tasks that were spawned.
    pub(crate) fn spawned(&self) -> usize {
        self.shared.tasks.lock().len()
    }

    pub(crate) fn spawn<F>(&self, name: &'static str, future: F) -> Join<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let done = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&done);
        self.start(
            name,
            Box::pin(async move {
                let value = future.await;
                *slot.lock() = Some(value);
            }),
        );
        Join(done)
    }

    fn start(&self, name: &'static str, future: Boxed) {
        let mut tasks = self.shared.tasks.lock();
        let task = Arc::new(Task {
            number: tasks.len(),
            polls: AtomicUsize::new(0),
            name,
            future: Mutex::new(Some(future)),
            queued: AtomicBool::new(false),
            executor: Arc::downgrade(&self.shared),
        });
        tasks.push(Arc::clone(&task));
        drop(tasks);
        task.wake();
    }

    /// Whether the task is to be dropped now.
    fn cancels(&self, task: &Task) -> bool {
        let polls = task.polls.load(Ordering::Relaxed);
        let cancels = self.shared.cancel == Some((task.number, polls));
        if cancels {
            *self.shared.cancelled.lock() = Some(task.name);
        }
        cancels
    }

    /// Polls what is ready until nothing is. Returns the polls.
    pub(crate) fn run(&self) -> usize {
        self.run_and(|| {})
    }

    /// Also does this after each poll.
    pub(crate) fn run_and(&self, after: impl Fn()) -> usize {
        for polls in 0..MANY {
            let next = self.shared.ready.lock().pop_front();
            let Some(task) = next else {
                return polls;
            };
            task.queued.store(false, Ordering::Release);
            let Some(mut future) = task.future.lock().take() else {
                continue;
            };
            if self.cancels(&task) {
                drop(future);
                continue;
            }
            task.polls.fetch_add(1, Ordering::Relaxed);
            let waker = Waker::from(Arc::clone(&task));
            let mut cx = Context::from_waker(&waker);
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
            after();
            match polled {
                Ok(Poll::Pending) if self.cancels(&task) => drop(future),
                Ok(Poll::Pending) => *task.future.lock() = Some(future),
                Ok(Poll::Ready(())) => {}
                Err(panic) if panic.is::<Meant>() => {
                    self.shared.panics.fetch_add(1, Ordering::Relaxed);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        panic!("tasks wake each other for ever: {:?}", self.unfinished());
    }

    /// Tasks that wait, with nobody to wake them.
    pub(crate) fn unfinished(&self) -> Vec<&'static str> {
        let tasks = self.shared.tasks.lock();
        let waiting = tasks.iter().filter(|task| task.future.lock().is_some());
        waiting.map(|task| task.name).collect()
    }

    /// Drops all that waits, as a runtime does that is shut down.
    pub(crate) fn shut_down(&self) {
        let tasks = std::mem::take(&mut *self.shared.tasks.lock());
        for task in tasks {
            let future = task.future.lock().take();
            drop(future);
        }
        self.shared.ready.lock().clear();
    }

    /// Tasks that have ended by a panic of [`made_to_panic`].
    pub(crate) fn panics(&self) -> usize {
        self.shared.panics.load(Ordering::Relaxed)
    }
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.start("of hyper", Box::pin(async move { drop(future.await) }));
    }
}

/// The payload of the panics that are meant.
struct Meant;

/// Panics, and prints nothing.
pub(crate) fn made_to_panic() -> ! {
    std::panic::resume_unwind(Box::new(Meant))
}

/// Drops a future after so many polls. `None` if it was not done by then.
pub(crate) async fn cut<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut left = polls;
    let mut future = Some(Box::pin(future));
    std::future::poll_fn(move |cx| {
        if left > 0
            && let Some(inner) = &mut future
        {
            left -= 1;
            if let Poll::Ready(done) = inner.as_mut().poll(cx) {
                future = None;
                return Poll::Ready(Some(done));
            }
        }
        if left == 0 {
            future = None;
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}
