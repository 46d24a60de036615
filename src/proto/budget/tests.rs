use std::thread;

use proptest::prelude::*;

use super::*;

#[test]
fn one_alone_takes_half() {
    let budget = WindowBudget::new(1_000);
    let mut share = Share::none(budget.clone());
    assert_eq!(share.grow(u64::MAX, 0), 500);
    assert_eq!(share.grow(u64::MAX, 500), 0);
    assert_eq!((share.octets(), budget.used()), (500, 500));
    // In small steps it is the same.
    let budget = WindowBudget::new(1_000);
    let mut share = Share::none(budget.clone());
    while share.grow(7, share.octets()) > 0 {}
    assert!((499..=500).contains(&share.octets()), "{share:?}");
}

#[test]
fn there_is_always_something_for_the_next() {
    let budget = WindowBudget::new(1_024);
    let mut shares = Vec::new();
    for left in [512, 256, 128, 64, 32, 16, 8, 4, 2, 1] {
        let mut share = Share::none(budget.clone());
        assert_eq!(share.grow(u64::MAX, 0), left);
        shares.push(share);
    }
    assert_eq!(budget.used(), 1_023);
    drop(shares);
    assert_eq!(budget.used(), 0);
}

#[test]
fn of_nothing_there_is_nothing() {
    for octets in [0, 1] {
        let budget = WindowBudget::new(octets);
        let mut share = Share::none(budget.clone());
        assert_eq!(share.grow(u64::MAX, 0), 0);
        assert_eq!(share.shrink_to(0), 0);
        drop(share);
        assert_eq!(budget.used(), 0);
    }
}

#[test]
fn those_that_grow_together_get_the_same() {
    const OCTETS: u64 = 10_000_000;

    for n in 1..20 {
        let budget = WindowBudget::new(OCTETS);
        let mut shares: Vec<Share> = (0..n).map(|_| Share::none(budget.clone())).collect();
        while shares
            .iter_mut()
            .map(|share| share.grow(1_000, share.octets()))
            .sum::<u64>()
            > 0
        {}
        for share in &shares {
            let off = share.octets().abs_diff(OCTETS / (n + 1));
            assert!(off <= 2_000, "{n} have {shares:?}");
        }
    }
}

#[test]
fn those_that_come_later_get_as_much_once_the_first_ask_anew() {
    let budget = WindowBudget::new(1_000_000);
    let mut shares: Vec<Share> = (0..4).map(|_| Share::none(budget.clone())).collect();
    // The first takes half at once.
    shares[0].grow(u64::MAX, 0);
    for _ in 0..200 {
        for share in &mut shares {
            let octets = share.octets();
            share.shrink_to(octets - octets / 8);
            share.grow(u64::MAX, share.octets());
        }
    }
    for share in &shares {
        let off = share.octets().abs_diff(200_000);
        assert!(off < 40_000, "{shares:?}");
    }
}

#[test]
fn a_share_shrinks_to_what_it_is_told() {
    let budget = WindowBudget::new(1_000);
    let mut share = Share::none(budget.clone());
    share.grow(300, 0);
    assert_eq!(share.shrink_to(400), 0);
    assert_eq!(share.shrink_to(100), 200);
    assert_eq!((share.octets(), budget.used()), (100, 100));
    drop(share);
    assert_eq!(budget.used(), 0);
}

#[test]
fn clones_share_one_budget() {
    let budget = WindowBudget::new(1_000);
    let mut share = Share::none(budget.clone());
    share.grow(10, 0);
    assert_eq!((budget.clone().used(), budget.octets()), (10, 1_000));
    let printed = format!("{budget:?}");
    assert_eq!(printed, "WindowBudget { octets: 1000, used: 10 }");
    assert_eq!(WindowBudget::default().octets(), 256 << 20);
    let mut of_process = Share::none(WindowBudget::default());
    of_process.grow(1, 0);
    assert!(WindowBudget::default().used() >= 1);
}

/// Something that a connection does with its share.
#[derive(Clone, Copy, Debug)]
enum Step {
    Grow(u64),
    ShrinkTo(u64),
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..1_500).prop_map(Step::Grow),
        1 => Just(Step::Grow(u64::MAX)),
        3 => (0_u64..1_000).prop_map(Step::ShrinkTo),
        1 => Just(Step::Drop),
    ]
}

proptest! {
    #[test]
    fn as_the_naive_model(
        octets in prop_oneof![Just(0), 0_u64..10, 0_u64..5_000],
        steps in proptest::collection::vec((0_usize..5, step()), 0..200),
    ) {
        let budget = WindowBudget::new(octets);
        let mut shares: Vec<Share> = (0..5).map(|_| Share::none(budget.clone())).collect();
        let mut model = [0_u64; 5];
        for (at, step) in steps {
            let held = model[at];
            match step {
                Step::Grow(wanted) => {
                    // The most that leaves as much as it has then.
                    let free = octets - model.iter().sum::<u64>();
                    let mut most = 0;
                    while most < wanted && held + most < free.saturating_sub(most + 1) {
                        most += 1;
                    }
                    prop_assert_eq!(shares[at].grow(wanted, held), most);
                    model[at] += most;
                }
                Step::ShrinkTo(to) => {
                    prop_assert_eq!(shares[at].shrink_to(to), held.saturating_sub(to));
                    model[at] = held.min(to);
                }
                Step::Drop => {
                    shares[at] = Share::none(budget.clone());
                    model[at] = 0;
                }
            }
            prop_assert_eq!(shares[at].octets(), model[at]);
            prop_assert_eq!(budget.used(), model.iter().sum::<u64>());
            prop_assert!(budget.used() <= octets);
        }
        drop(shares);
        prop_assert_eq!(budget.used(), 0);
    }
}

#[test]
fn threads_together_take_no_more_than_there_is() {
    let budget = WindowBudget::new(1_000);
    let left: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (1..=4)
            .map(|n| {
                let budget = budget.clone();
                scope.spawn(move || {
                    let mut share = Share::none(budget.clone());
                    for round in 0..20_000_u64 {
                        share.grow(round * n % 400, share.octets());
                        assert!(budget.used() <= 1_000);
                        share.shrink_to(round * 31 % 300);
                    }
                    share
                })
            })
            .collect();
        let shares: Vec<Share> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        let left = shares.iter().map(Share::octets).sum();
        assert_eq!(budget.used(), left);
        left
    });
    assert!(left <= 1_000);
    assert_eq!(budget.used(), 0);
}
