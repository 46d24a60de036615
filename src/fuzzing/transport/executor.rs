use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use crate::transport::tests::mock::Alarm;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls tasks that were woken, and no others.
#[derive(Clone, Default)]
pub(super) struct Executor {
    spawned: Arc<Mutex<Vec<Work>>>,
}

/// The tasks that an executor runs.
#[derive(Default)]
pub(super) struct Tasks {
    tasks: Vec<(Work, Arc<Alarm>, usize)>,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, work: F) {
        self.spawned.lock().unwrap().push(Box::pin(work));
    }
}

impl Tasks {
    /// Runs until all wait for something.
    pub(super) fn run(&mut self, executor: &Executor) {
        loop {
            for work in std::mem::take(&mut *executor.spawned.lock().unwrap()) {
                let alarm = Arc::new(Alarm(AtomicUsize::new(1)));
                self.tasks.push((work, alarm, 0));
            }
            let mut any = false;
            self.tasks.retain_mut(|(work, alarm, seen)| {
                let wakes = alarm.0.load(Ordering::SeqCst);
                if wakes == *seen {
                    return true;
                }
                *seen = wakes;
                any = true;
                let waker = Waker::from(Arc::clone(alarm));
                work.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            });
            if !any && executor.spawned.lock().unwrap().is_empty() {
                return;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }
}
