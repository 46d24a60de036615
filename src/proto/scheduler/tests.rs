use std::collections::BTreeSet;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::Scheduler;
use crate::{Priority, StreamId};

fn stream(id: u32) -> StreamId {
    StreamId::new(id).unwrap()
}

/// The same order by looking at everything, every time.
#[derive(Default)]
pub(crate) struct Naive {
    /// In the order of their turns.
    pub(crate) waiting: Vec<(u32, Priority)>,
    /// Octets to streams in order and in turn, per urgency, since both waited.
    shares: [(usize, usize); 8],
    /// One frame in so many goes to a less urgent level.
    pub(crate) relief: Option<u32>,
    /// Of each frame, whether it went to the most urgent level while others waited.
    urgent: Vec<bool>,
    /// The frames before each urgency was last served, or came to wait.
    since: [usize; 8],
}

impl Naive {
    fn kinds(&self, urgency: u8) -> (bool, bool) {
        let any = |incremental| {
            self.waiting
                .iter()
                .any(|(_, p)| p.urgency() == urgency && p.is_incremental() == incremental)
        };
        (any(false), any(true))
    }

    fn urgencies(&self) -> BTreeSet<u8> {
        self.waiting.iter().map(|(_, p)| p.urgency()).collect()
    }

    fn urgency(&self) -> Option<u8> {
        let mut urgencies = self.urgencies();
        let first = urgencies.pop_first()?;
        let row = self.urgent.iter().rev().take_while(|urgent| **urgent);
        let is_relieved = self.relief.is_some_and(|n| row.count() + 1 >= n as usize);
        let longest = urgencies
            .into_iter()
            .filter(|_| is_relieved)
            .min_by_key(|urgency| self.since[usize::from(*urgency)]);
        Some(longest.unwrap_or(first))
    }

    fn settle(&mut self) {
        for urgency in 0..8 {
            if self.kinds(urgency) != (true, true) {
                self.shares[usize::from(urgency)] = (0, 0);
            }
        }
    }

    pub(crate) fn insert(&mut self, id: u32, priority: Priority) {
        if let Some((_, old)) = self.waiting.iter().find(|(other, _)| *other == id) {
            if *old == priority {
                return;
            }
            self.remove(id);
        }
        if !self.urgencies().contains(&priority.urgency()) {
            self.since[usize::from(priority.urgency())] = self.urgent.len();
        }
        self.waiting.push((id, priority));
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.waiting.retain(|(other, _)| *other != id);
        self.settle();
    }

    pub(crate) fn next(&self) -> Option<u32> {
        let urgency = self.urgency()?;
        let (in_order, in_turn) = self.shares[usize::from(urgency)];
        let incremental = match self.kinds(urgency) {
            (true, true) => in_order > in_turn,
            (_, incremental) => incremental,
        };
        let mut of_kind = self
            .waiting
            .iter()
            .filter(|(_, p)| p.urgency() == urgency && p.is_incremental() == incremental)
            .map(|(id, _)| *id);
        if incremental {
            of_kind.next()
        } else {
            of_kind.min()
        }
    }

    pub(crate) fn served(&mut self, id: u32, octets: usize) {
        let at = self.waiting.iter().position(|(w, _)| *w == id).unwrap();
        let urgency = self.waiting[at].1.urgency();
        let urgencies = self.urgencies();
        self.urgent
            .push(urgencies.len() > 1 && urgencies.first() == Some(&urgency));
        self.since[usize::from(urgency)] = self.urgent.len();
        let entry = self.waiting.remove(at);
        let share = &mut self.shares[usize::from(entry.1.urgency())];
        if entry.1.is_incremental() {
            share.1 += octets;
            self.waiting.push(entry);
        } else {
            share.0 += octets;
            self.waiting.insert(at, entry);
        }
        self.settle();
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Insert(u32, Priority),
    Remove(u32),
    SetPriority(u32, Priority),
    Serve(usize),
}

fn priority() -> impl Strategy<Value = Priority> {
    (0..4u8, any::<bool>()).prop_map(|(u, i)| Priority::new(u).incremental(i))
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let id = 1..12u32;
    prop_oneof![
        3 => (id.clone(), priority()).prop_map(|(id, p)| Op::Insert(id, p)),
        1 => id.clone().prop_map(Op::Remove),
        1 => (id, priority()).prop_map(|(id, p)| Op::SetPriority(id, p)),
        6 => (0..20_000usize).prop_map(Op::Serve),
    ]
}

/// A scheduler with this relief, if any, and a naive one.
fn both(relief: Option<u32>) -> (Scheduler, Naive) {
    let real = match relief.and_then(NonZeroU32::new) {
        Some(every) => Scheduler::with_relief(every),
        None => Scheduler::default(),
    };
    let naive = Naive {
        relief,
        ..Naive::default()
    };
    (real, naive)
}

pub(crate) fn relief() -> impl Strategy<Value = Option<u32>> {
    prop::option::of(2..6_u32)
}

pub(crate) fn check_order(ops: Vec<Op>, relief: Option<u32>) {
    let (mut real, mut naive) = both(relief);
    for op in ops {
        match op {
            Op::Insert(id, priority) => {
                real.insert(stream(id), priority);
                naive.insert(id, priority);
            }
            Op::Remove(id) => {
                real.remove(stream(id));
                naive.remove(id);
            }
            Op::SetPriority(id, priority) => {
                real.set_priority(stream(id), priority);
                if naive.waiting.iter().any(|(w, _)| *w == id) {
                    naive.insert(id, priority);
                }
            }
            Op::Serve(octets) => {
                if let Some(id) = naive.next() {
                    real.served(stream(id), octets);
                    naive.served(id, octets);
                }
            }
        }
        assert_eq!(real.next().map(StreamId::get), naive.next());
        assert_eq!(real.is_empty(), naive.waiting.is_empty());
    }
}

proptest! {
    #[test]
    fn p2_chooses_as_a_naive_scheduler_does(
        ops in prop::collection::vec(op(), 0..200),
        relief in relief(),
    ) {
        check_order(ops, relief);
    }
}

fn run(scheduler: &mut Scheduler, frames: usize, octets: impl Fn(u32) -> usize) -> Vec<u32> {
    (0..frames)
        .map(|_| {
            let next = scheduler.next().unwrap();
            scheduler.served(next, octets(next.get()));
            next.get()
        })
        .collect()
}

#[test]
fn p2_in_order_and_in_turn_share_by_octets() {
    let mut scheduler = Scheduler::default();
    let urgency = Priority::new(2);
    scheduler.insert(stream(9), urgency);
    scheduler.insert(stream(5), urgency);
    scheduler.insert(stream(1), urgency.incremental(true));
    scheduler.insert(stream(3), urgency.incremental(true));
    // Large frames in order, small ones in turn.
    let sizes = |id| if id < 5 { 1000 } else { 4000 };
    let order = run(&mut scheduler, 10, sizes);
    assert_eq!(order, [5, 1, 3, 1, 3, 5, 1, 3, 1, 3]);
}

#[test]
fn p2_a_long_incremental_stream_is_not_starved_by_newer_ones() {
    let mut scheduler = Scheduler::default();
    let incremental = Priority::default().incremental(true);
    scheduler.insert(stream(1), incremental);
    let mut of_first = 0;
    for id in (3..203).step_by(2) {
        scheduler.insert(stream(id), incremental);
        let next = scheduler.next().unwrap();
        scheduler.served(next, 100);
        if next == stream(1) {
            of_first += 1;
        } else {
            scheduler.remove(next);
        }
    }
    assert!(of_first > 5, "served {of_first} times");
}

#[test]
fn p2_relief_gives_one_frame_in_n_to_the_level_that_waited_longest() {
    let every = NonZeroU32::new(4).unwrap();
    let mut scheduler = Scheduler::with_relief(every);
    scheduler.insert(stream(1), Priority::new(0));
    assert_eq!(run(&mut scheduler, 6, |_| 1), [1; 6]);
    scheduler.insert(stream(5), Priority::new(5));
    scheduler.insert(stream(7), Priority::new(7));
    let order = run(&mut scheduler, 12, |_| 1);
    assert_eq!(order, [1, 1, 1, 5, 1, 1, 1, 7, 1, 1, 1, 5]);
}

#[test]
fn nothing_is_kept_of_streams_that_are_done() {
    let mut scheduler = Scheduler::default();
    for id in 1..10_000 {
        let priority = Priority::new(id as u8 % 8).incremental(id % 3 == 0);
        scheduler.insert(stream(id), priority);
    }
    while let Some(next) = scheduler.next() {
        scheduler.served(next, 1);
        scheduler.remove(next);
    }
    assert!(scheduler.places.is_empty());
    assert_eq!(scheduler.occupied, 0);
    for level in &scheduler.levels {
        assert!(level.is_empty());
        assert_eq!(level.lead, 0);
    }
}

/// The rings have no end, nobody is in two of them, and nobody is missing.
fn check(scheduler: &Scheduler, naive: &Naive) {
    let mut seen = 0;
    for level in &scheduler.levels {
        let Some(first) = level.in_turn else { continue };
        let mut at = first;
        loop {
            seen += 1;
            assert!(seen <= naive.waiting.len(), "a ring goes on");
            let after = scheduler.places.get(at).expect("in the ring").after;
            assert_eq!(scheduler.places.get(after).expect("after").before, at);
            at = after;
            if at == first {
                break;
            }
        }
    }
    let in_turn = |(_, p): &&(u32, Priority)| p.is_incremental();
    assert_eq!(seen, naive.waiting.iter().filter(in_turn).count());
    assert_eq!(scheduler.places.len(), naive.waiting.len());
}

pub(crate) fn check_served(ops: Vec<(u8, Op)>, relief: Option<u32>, key: u64) {
    let (real, mut naive) = both(relief);
    let mut real = real.keyed(key);
    for (which, op) in ops {
        match op {
            Op::Insert(id, priority) | Op::SetPriority(id, priority) => {
                real.insert(stream(id), priority);
                naive.insert(id, priority);
            }
            Op::Remove(id) => {
                real.remove(stream(id));
                naive.remove(id);
            }
            Op::Serve(octets) if !naive.waiting.is_empty() => {
                let (id, _) = naive.waiting[usize::from(which) % naive.waiting.len()];
                real.served(stream(id), octets);
                naive.served(id, octets);
            }
            Op::Serve(_) => {}
        }
        assert_eq!(real.next().map(StreamId::get), naive.next());
        check(&real, &naive);
    }
}

proptest! {
    /// As the user of a scheduler that serves another than it was told.
    #[test]
    fn whoever_is_served_goes_to_the_end(
        ops in prop::collection::vec((any::<u8>(), op()), 0..100),
        relief in relief(),
        key: u64,
    ) {
        check_served(ops, relief, key);
    }
}

#[test]
fn ten_thousand_streams_keep_their_order_and_are_forgotten() {
    let mut scheduler = Scheduler::default().keyed(0x5eed_0f57_12ea_3517);
    let ids = || (1..20_001).step_by(2);
    for incremental in [true, false] {
        let priority = Priority::default().incremental(incremental);
        // Each comes as if its window had opened, and not in order.
        for at in 0..10_000 {
            scheduler.insert(stream(2 * (at * 4_999 % 10_000) + 1), priority);
        }
        let order = run(&mut scheduler, 10_000, |_| 100);
        if incremental {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().copied().eq(ids()), "each has one turn");
            assert_eq!(run(&mut scheduler, 10_000, |_| 100), order);
        } else {
            assert_eq!(order, [1; 10_000]);
        }
        // Closed from the middle, and opened again.
        for id in ids().filter(|id| id % 3 == 0) {
            scheduler.remove(stream(id));
        }
        for id in ids().filter(|id| id % 3 == 0) {
            scheduler.insert(stream(id), priority);
        }
        let mut left: Vec<u32> = Vec::new();
        while let Some(next) = scheduler.next() {
            left.push(next.get());
            scheduler.served(next, 100);
            scheduler.remove(next);
        }
        if incremental {
            let (reopened, kept): (Vec<_>, Vec<_>) = order.iter().partition(|&&id| id % 3 == 0);
            assert_eq!(left[..kept.len()], kept);
            assert!(left[kept.len()..].is_sorted() && reopened.len() + kept.len() == left.len());
        } else {
            assert!(left.iter().copied().eq(ids()));
        }
        assert!(scheduler.is_empty());
        assert!(scheduler.levels.iter().all(super::Level::is_empty));
    }
}
