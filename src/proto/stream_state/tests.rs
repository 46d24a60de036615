use std::sync::Barrier;
use std::thread;

use super::*;
use crate::WindowBudget;

fn state() -> StreamState {
    StreamState::new(Priority::default())
}

/// A share of so many octets, half of its budget.
fn share(octets: u64) -> (WindowBudget, Share) {
    let budget = WindowBudget::new(2 * octets);
    let mut share = Share::none(budget.clone());
    assert_eq!(share.grow(octets, 0), octets);
    (budget, share)
}

#[test]
fn nothing_is_known_before_a_layer_watches() {
    let state = state();
    state.set_received(100, 65_535);
    assert_eq!(state.consumed(), None);
    assert_eq!((state.length(), state.hint()), (None, None));
    assert_eq!((state.received(), state.receive_window()), (100, 65_535));
    // What nobody watches does not wait for anybody.
    assert_eq!(state.unconsumed(), 0);
}

#[test]
fn a_layer_says_what_it_knows() {
    for hint in [None, Some(FlowHint::Bulk), Some(FlowHint::Interactive)] {
        for length in [None, Some(0), Some(1 << 40)] {
            let state = state();
            state.watch(length, hint);
            assert_eq!(state.consumed(), Some(0));
            assert_eq!((state.length(), state.hint()), (length, hint));
            state.unwatch();
            assert_eq!(state.consumed(), None);
            assert_eq!(state.hint(), hint);
        }
    }
}

#[test]
fn what_is_consumed_is_counted_from_the_first_octet() {
    let state = state();
    state.set_received(100, 65_535);
    // Before the layer says that it watches.
    let _ = state.consume(30);
    state.watch(None, None);
    assert_eq!((state.consumed(), state.unconsumed()), (Some(30), 70));
    let _ = state.consume(70);
    assert_eq!((state.consumed(), state.unconsumed()), (Some(100), 0));
    // A layer within a decompressing one counts more than there was.
    let _ = state.consume(70);
    assert_eq!((state.consumed(), state.unconsumed()), (Some(170), 0));
    state.unwatch();
    assert_eq!((state.consumed(), state.unconsumed()), (None, 0));
}

#[test]
fn an_alarm_goes_off_once() {
    let state = state();
    state.watch(None, None);
    assert!(!state.consume(10));
    assert!(state.set_alarm(30));
    assert!(!state.consume(19));
    assert!(state.consume(1));
    assert!(!state.consume(1));

    // One that comes too late is not set.
    assert!(!state.set_alarm(30));
    assert!(!state.set_alarm(31));
    assert!(!state.consume(100));

    // The last one holds.
    assert!(state.set_alarm(140));
    assert!(state.set_alarm(150));
    assert!(!state.consume(10));
    assert!(state.consume(1_000));
    assert!(!state.consume(1_000));
}

/// One consumes, octet by octet, while the connection asks to be told: each time
/// at a later octet, and only when it was told the time before.
#[test]
fn no_alarm_is_lost() {
    const ROUNDS: u64 = 20_000;

    let state = state();
    state.watch(None, None);
    // The last octet at which the consumer was told to wake the connection.
    let told = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let consumed = || state.inbound.consumed.load(SeqCst);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut octets = 0;
            while !is_over.load(Relaxed) {
                octets += 1;
                if state.consume(1) {
                    told.store(octets, SeqCst);
                }
            }
        });
        let mut lost = None;
        for round in 0..ROUNDS {
            let alarm = consumed() + 1 + round % 5;
            if !state.set_alarm(alarm) {
                continue;
            }
            // Once there are two more, the call that reached it has returned.
            let after = alarm.max(consumed()) + 2;
            while consumed() < after {
                std::hint::spin_loop();
            }
            if told.load(SeqCst) < alarm {
                lost = Some(alarm);
                break;
            }
        }
        is_over.store(true, Relaxed);
        assert_eq!(lost, None);
    });
}

/// What may happen to a share once the last octets have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The layer says that it watches.
    Watch,
    /// The half of it is consumed.
    Consume,
    /// Nothing more comes.
    Keep,
    /// The body is dropped.
    Unwatch,
}

/// All orders of some events.
fn orders(events: &[Event]) -> Vec<Vec<Event>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 0..events.len() {
        let mut rest = events.to_vec();
        let event = rest.remove(first);
        all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, event);
            order
        }));
    }
    all
}

#[test]
fn a_share_is_given_back_once_in_whatever_order() {
    use Event::{Consume, Keep, Unwatch, Watch};

    for order in orders(&[Watch, Consume, Consume, Keep, Unwatch]) {
        let (budget, share) = share(1_000);
        let state = state();
        state.set_received(20, 2_000);
        let mut share = Some(share);
        let (mut consumed, mut watched) = (0, false);
        for event in &order {
            match event {
                Watch => state.watch(None, None),
                Consume => {
                    let _ = state.consume(10);
                    consumed += 10;
                }
                Keep => state.keep(share.take().unwrap()),
                Unwatch => {
                    let _ = state.unwatch();
                }
            }
            match event {
                Watch => watched = true,
                Unwatch => watched = false,
                Consume | Keep => {}
            }
            // It is kept only for what is watched and not consumed, and a share that
            // has gone back does not come again.
            let may_stay = share.is_some() || (watched && consumed < 20);
            let used = budget.used();
            assert!(used == 0 || (used == 1_000 && may_stay), "{order:?}");
            if share.is_some() {
                assert_eq!(used, 1_000, "{order:?}");
            }
        }
        assert_eq!(budget.used(), 0, "{order:?}");
        drop(state);
        assert_eq!(budget.used(), 0, "{order:?}");
    }
}

#[test]
fn a_share_stays_until_all_is_consumed() {
    let (budget, share) = share(1_000);
    let state = state();
    state.watch(None, None);
    state.set_received(20, 2_000);
    let _ = state.consume(5);
    state.keep(share);
    assert_eq!(budget.used(), 1_000);
    let _ = state.consume(14);
    assert_eq!(budget.used(), 1_000);
    let _ = state.consume(1);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_share_goes_back_with_the_last_handle() {
    let (budget, share) = share(1_000);
    let state = state();
    state.watch(None, None);
    state.set_received(20, 2_000);
    state.keep(share);
    state.close();
    assert_eq!(budget.used(), 1_000);
    drop(state);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_share_is_replaced_by_another() {
    let (budget, first) = share(1_000);
    let state = state();
    state.watch(None, None);
    state.set_received(20, 2_000);
    state.keep(first);
    state.keep(Share::none(budget.clone()));
    assert_eq!(budget.used(), 0);
}

/// The connection keeps a share while another thread does what gives it back.
fn race(rounds: usize, give_back: impl Fn(&StreamState) + Sync) {
    let budget = WindowBudget::new(2_000);
    let states: Vec<StreamState> = (0..rounds).map(|_| state()).collect();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            for state in &states {
                state.watch(None, None);
                give_back(state);
            }
        });
        start.wait();
        for state in &states {
            let mut share = Share::none(budget.clone());
            share.grow(1, 0);
            state.set_received(20, 2_000);
            state.keep(share);
        }
    });
    // None is left, though all the streams are still there.
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_share_that_is_kept_at_the_last_octet_goes_back() {
    race(20_000, |state| {
        let _ = state.consume(10);
        let _ = state.consume(10);
    });
}

#[test]
fn a_share_that_is_kept_as_the_body_is_dropped_goes_back() {
    race(20_000, |state| {
        let _ = state.consume(10);
        state.unwatch();
    });
}
