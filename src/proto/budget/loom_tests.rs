//! Models of windows that take from one budget at the same time.

use loom::thread;

use super::*;
use crate::sync::model::check;

#[test]
fn shares_never_come_to_more_than_the_budget() {
    check(Some(2), || {
        let budget = WindowBudget::new(100);
        let threads = [(); 2].map(|()| {
            let mut share = Share::none(budget.clone());
            thread::spawn(move || {
                share.grow(100, 0);
                share.shrink_to(10);
                share.grow(100, share.octets());
                share
            })
        });
        let mut share = Share::none(budget.clone());
        share.grow(40, 0);
        assert!(share.octets() <= 40, "no more than was asked for");
        assert!(budget.used() <= 100, "{budget:?}");
        drop(share);
        assert!(budget.used() <= 100, "{budget:?}");
        let shares = threads.map(|thread| thread.join().expect("the thread does not panic"));
        let held: u64 = shares.iter().map(Share::octets).sum();
        assert_eq!(budget.used(), held);
        assert!(held <= 100);
        drop(shares);
        assert_eq!(budget.used(), 0);
    });
}

#[test]
fn there_is_something_left_for_one_that_starts_to_grow() {
    check(None, || {
        let budget = WindowBudget::new(100);
        let threads = [(); 2].map(|()| {
            let mut share = Share::none(budget.clone());
            thread::spawn(move || {
                share.grow(100, 0);
                share
            })
        });
        let shares = threads.map(|thread| thread.join().expect("the thread does not panic"));
        let mut held = shares.each_ref().map(Share::octets);
        held.sort_unstable();
        assert_eq!(held, [25, 50], "as one after the other");
    });
}
