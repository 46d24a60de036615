//! Models of an application that consumes while the connection's task looks.

use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::thread;

use super::*;
use crate::WindowBudget;
use crate::sync::model::{check, run};

/// A stream on which so much has come, and its application.
fn watched(received: u64) -> Arc<StreamState> {
    let state = Arc::new(StreamState::new(Priority::default()));
    state.watch(None, None);
    state.set_received(received, 100);
    // What was written up to here is ordered by the spawn of a thread alone.
    assert_eq!(state.consumed(), Some(0));
    state
}

/// What stands for the connection's task: whom to wake when an alarm has gone off.
type Told = Arc<Mutex<(bool, Option<Waker>)>>;

fn tell(told: &Told) {
    let mut told = told.lock();
    told.0 = true;
    let task = told.1.take();
    drop(told);
    if let Some(task) = task {
        task.wake();
    }
}

/// Waits until it is told once more.
fn wait(told: &Told) {
    run(|cx| {
        let mut told = told.lock();
        if std::mem::take(&mut told.0) {
            return Poll::Ready(());
        }
        told.1 = Some(cx.waker().clone());
        Poll::Pending
    });
}

/// Waits as the connection does until so much is consumed, or none is wanted.
fn wait_until(state: &StreamState, told: &Told, octets: u64, step: u64) {
    while let Some(consumed) = state.consumed().filter(|consumed| *consumed < octets) {
        if state.set_alarm((consumed + step).min(octets)) {
            wait(told);
        }
    }
}

#[test]
fn either_the_consumer_sees_the_alarm_or_the_connection_what_is_consumed() {
    for step in [1, 2] {
        check(Some(3), move || {
            // More has come, so that the alarm alone tells.
            let state = watched(3);
            let told = Told::default();
            let consumer = {
                let (state, told) = (Arc::clone(&state), Arc::clone(&told));
                thread::spawn(move || {
                    for _ in 0..2 {
                        if state.consume(1) {
                            tell(&told);
                        }
                    }
                })
            };
            wait_until(&state, &told, 2, step);
            consumer.join().expect("the thread does not panic");
        });
    }
}

#[test]
fn a_later_alarm_is_not_lost_to_one_that_goes_off() {
    check(Some(3), || {
        let state = watched(3);
        let told = Told::default();
        let consumer = {
            let (state, told) = (Arc::clone(&state), Arc::clone(&told));
            thread::spawn(move || {
                for _ in 0..2 {
                    if state.consume(1) {
                        tell(&told);
                    }
                }
            })
        };
        // DATA comes, and now more has to be consumed.
        if state.set_alarm(1) {
            wait_until(&state, &told, 2, 2);
        } else {
            wait_until(&state, &told, 2, 1);
        }
        consumer.join().expect("the thread does not panic");
    });
}

#[test]
fn an_application_that_wants_no_more_is_not_waited_for() {
    check(None, || {
        let state = watched(0);
        let told = Told::default();
        let consumer = {
            let (state, told) = (Arc::clone(&state), Arc::clone(&told));
            thread::spawn(move || {
                if state.unwatch() {
                    tell(&told);
                }
            })
        };
        // DATA comes meanwhile.
        state.set_received(2, 100);
        wait_until(&state, &told, 1, 1);
        consumer.join().expect("the thread does not panic");
        assert_eq!(state.unconsumed(), 0);
    });
}

#[test]
fn what_an_ended_stream_keeps_of_the_budget_goes_back_once_it_is_consumed() {
    type Consume = fn(&StreamState);
    let ways: [Consume; 3] = [
        |state| {
            let _ = state.consume(1);
            let _ = state.consume(1);
        },
        |state| {
            let _ = state.consume(1);
            state.unwatch();
        },
        |state| {
            state.unwatch();
        },
    ];
    for consume in ways {
        check(None, move || {
            let state = watched(1);
            let budget = WindowBudget::new(100);
            let mut share = Share::none(budget.clone());
            assert_eq!(share.grow(10, 0), 10);
            let consumer = {
                let state = Arc::clone(&state);
                thread::spawn(move || consume(&state))
            };
            state.set_received(2, 100);
            state.keep(share);
            consumer.join().expect("the thread does not panic");
            assert_eq!(budget.used(), 0);
        });
    }
}

#[test]
fn what_an_ended_stream_keeps_of_the_budget_stays_until_it_is_consumed() {
    check(None, || {
        let state = watched(1);
        let budget = WindowBudget::new(100);
        let mut share = Share::none(budget.clone());
        share.grow(10, 0);
        let consumer = {
            let state = Arc::clone(&state);
            thread::spawn(move || state.consume(1))
        };
        state.set_received(2, 100);
        state.keep(share);
        let alarm = consumer.join().expect("the thread does not panic");
        assert!(!alarm, "none was set");
        assert_eq!((budget.used(), state.unconsumed()), (10, 1));
        assert!(!state.consume(1));
        assert_eq!(budget.used(), 0);
    });
}
