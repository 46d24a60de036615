//! One thread against a naive oracle, and what can be told of a pool only from
//! within.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::class::{SIZES, class_for};
use super::{BufferPool, PoolConfig, PoolStats, PooledBuf};

/// What must hold of the counters whenever no other thread uses the pool.
fn assert_adds_up(stats: PoolStats) {
    assert_eq!(
        stats.misses,
        stats.outstanding + stats.retained + stats.trims + stats.discarded,
        "{stats:?}"
    );
}

#[test]
fn a_buffer_is_used_again_and_starts_empty() {
    let pool = BufferPool::new(PoolConfig::default());
    let mut buf = pool.acquire(16 << 10);
    assert_eq!(buf.append(b"secret"), 6);
    let at = buf.as_ptr();
    drop(buf);
    let buf = pool.acquire(10 << 10);
    assert_eq!(buf.as_ptr(), at);
    assert!(buf.is_empty());
    assert_eq!(buf.spare(), buf.capacity());
    let stats = pool.stats();
    assert_eq!((stats.hits, stats.misses), (1, 1));
    assert_eq!(stats.outstanding_octets, SIZES[2] as u64);
}

#[test]
fn zero_octets_are_served() {
    let pool = BufferPool::new(PoolConfig::default());
    let mut buf = pool.acquire(0);
    assert_eq!(buf.capacity(), SIZES[0]);
    assert_eq!(buf.append(&[]), 0);
    assert!(buf.freeze().is_empty());
    assert_eq!(pool.stats().outstanding, 0);
}

#[test]
fn what_is_over_the_largest_class_is_made_to_measure_and_not_kept() {
    let pool = BufferPool::new(PoolConfig::default());
    let buf = pool.acquire(5 << 20);
    assert_eq!(buf.capacity(), 5 << 20);
    assert_eq!(pool.stats().outstanding_octets, 5 << 20);
    drop(buf);
    let stats = pool.stats();
    assert_eq!((stats.one_offs, stats.misses, stats.discarded), (1, 1, 1));
    assert_eq!((stats.retained, stats.retained_octets), (0, 0));
    assert_adds_up(stats);
}

#[test]
#[should_panic(expected = "advanced past the end")]
fn advancing_past_the_end_panics() {
    let mut buf = BufferPool::new(PoolConfig::default()).acquire(1);
    buf.advance(buf.capacity() + 1);
}

#[test]
fn frozen_slices_keep_the_buffer_out() {
    let pool = BufferPool::new(PoolConfig::default());
    let mut buf = pool.acquire(4 << 10);
    assert_eq!(buf.append(b"framewright"), 11);
    let whole = buf.freeze();
    let tail = whole.slice(5..);
    drop(whole);
    assert_eq!(pool.stats().outstanding, 1);
    assert_eq!(&tail[..], b"wright");
    std::thread::spawn(move || drop(tail))
        .join()
        .expect("the thread does not panic");
    assert_eq!(pool.stats().outstanding, 0);
    // And it came back for others to use.
    drop(pool.acquire(4 << 10));
    assert_eq!(pool.stats().hits, 1);
}

#[test]
fn an_empty_buffer_is_back_as_soon_as_it_is_frozen() {
    let pool = BufferPool::new(PoolConfig::default());
    let frozen = pool.acquire(4 << 10).freeze();
    assert_eq!(pool.stats().outstanding, 0);
    assert!(frozen.is_empty());
}

#[test]
fn debug_shows_no_contents() {
    let mut buf = BufferPool::new(PoolConfig::default()).acquire(0);
    assert_eq!(buf.append(b"secret"), 6);
    assert_eq!(
        format!("{buf:?}"),
        "PooledBuf { len: 6, capacity: 1024, .. }"
    );
}

#[test]
fn a_thread_keeps_no_more_than_its_part() {
    let config = PoolConfig::default()
        .max_per_thread(2 * SIZES[1] + 100)
        .shelf_capacity(SIZES[1], 0);
    let pool = BufferPool::new(config);
    drop((0..5).map(|_| pool.acquire(4 << 10)).collect::<Vec<_>>());
    let stats = pool.stats();
    assert_eq!((stats.retained, stats.discarded), (2, 3));
    assert_adds_up(stats);
}

#[test]
fn an_idle_check_frees_what_was_not_needed() {
    for per_thread in [0, 256 << 10] {
        let config = PoolConfig::default()
            .idle_time(Duration::ZERO)
            .max_per_thread(per_thread);
        let pool = BufferPool::new(config);
        drop((0..12).map(|_| pool.acquire(4 << 10)).collect::<Vec<_>>());
        pool.trim_idle();
        assert_eq!(pool.stats().retained, 12, "all were needed of late");
        drop((0..3).map(|_| pool.acquire(4 << 10)).collect::<Vec<_>>());
        pool.trim_idle();
        assert_eq!(pool.stats().retained, 3);
        pool.trim_idle();
        let stats = pool.stats();
        assert_eq!((stats.retained, stats.trims), (0, 12));
        assert_eq!(pool.handle.0.budget.reserved(), 0);
        assert_adds_up(stats);
    }
}

#[test]
fn an_idle_check_comes_with_use() {
    let pool = BufferPool::new(PoolConfig::default().idle_time(Duration::ZERO));
    drop((0..12).map(|_| pool.acquire(4 << 10)).collect::<Vec<_>>());
    for _ in 0..3 * 256 {
        drop(pool.acquire(1 << 10));
    }
    assert_eq!(pool.stats().retained, 1);
}

#[test]
fn an_idle_check_waits_for_the_idle_time() {
    let pool = BufferPool::new(PoolConfig::default().idle_time(Duration::from_secs(3600)));
    drop(pool.acquire(4 << 10));
    for _ in 0..3 {
        pool.trim_idle();
    }
    assert_eq!(pool.stats().retained, 1);
}

#[test]
fn a_thread_uses_any_number_of_pools() {
    let pools: Vec<_> = (0..20)
        .map(|_| BufferPool::new(PoolConfig::default()))
        .collect();
    for _ in 0..3 {
        for pool in &pools {
            drop(pool.acquire(4 << 10));
        }
    }
    for pool in &pools {
        let stats = pool.stats();
        assert_eq!((stats.hits, stats.misses, stats.outstanding), (2, 1, 0));
        assert_adds_up(stats);
    }
}

#[test]
fn a_dropped_pool_is_freed_with_its_last_buffer() {
    let pool = BufferPool::new(PoolConfig::default());
    let shared = std::sync::Arc::downgrade(&pool.handle.0);
    let held = pool.acquire(16 << 10);
    // One in the cache of this thread, one on a shelf.
    drop((pool.acquire(16 << 10), pool.acquire(1 << 20)));
    assert_eq!(pool.stats().retained, 2);
    let clone = pool.clone();
    drop(pool);
    assert_eq!(clone.stats().retained, 2, "a handle is left");
    drop(clone);
    let inner = shared.upgrade().expect("a buffer is held");
    assert_eq!((inner.stats().retained, inner.budget.reserved()), (0, 0));
    drop(inner);
    drop(held);
    assert!(shared.upgrade().is_none());
}

#[test]
fn a_dropped_pool_leaves_nothing_with_a_sleeping_thread() {
    let pool = BufferPool::new(PoolConfig::default());
    let shared = std::sync::Arc::downgrade(&pool.handle.0);
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (wake, is_woken) = std::sync::mpsc::channel::<()>();
    let other = pool.clone();
    let sleeper = std::thread::spawn(move || {
        drop(other.acquire(16 << 10));
        drop(other);
        ready.send(()).expect("the test waits");
        let _ = is_woken.recv();
    });
    is_ready.recv().expect("the thread does not panic");
    assert_eq!(pool.stats().retained, 1);
    drop(pool);
    assert!(shared.upgrade().is_none());
    drop(wake);
    sleeper.join().expect("the thread does not panic");
}

#[test]
fn a_thread_local_may_hold_buffers_to_the_end_of_its_thread() {
    use std::cell::RefCell;
    thread_local! {
        static HELD: RefCell<Vec<(BufferPool, PooledBuf)>> = const { RefCell::new(Vec::new()) };
    }
    let pool = BufferPool::new(PoolConfig::default());
    for early in [false, true] {
        let pool = pool.clone();
        std::thread::spawn(move || {
            // Thread-locals are destroyed in one order or in the other.
            if early {
                HELD.with(|_| {});
            }
            let held = (pool.clone(), pool.acquire(4 << 10));
            HELD.with(|all| all.borrow_mut().push(held));
            drop(pool.acquire(4 << 10));
        })
        .join()
        .expect("the thread does not panic");
    }
    let stats = pool.stats();
    assert_eq!((stats.outstanding, stats.outstanding_octets), (0, 0));
    assert_eq!(stats.retained_octets, stats.retained * SIZES[1] as u64);
    assert_adds_up(stats);
}

#[derive(Clone, Debug)]
enum Op {
    Acquire(usize),
    Append(usize, Vec<u8>),
    Clear(usize),
    Freeze(usize),
    Slice(usize),
    Drop(usize),
    DropFrozen(usize),
    Trim,
    TrimIdle,
}

fn op() -> impl Strategy<Value = Op> {
    let octets = prop_oneof![
        0..2048_usize,
        0..70_000_usize,
        (0..SIZES.len(), 0..3_usize).prop_map(|(class, more)| SIZES[class] - 1 + more),
    ];
    prop_oneof![
        6 => octets.prop_map(Op::Acquire),
        4 => (any::<usize>(), prop::collection::vec(any::<u8>(), 0..1500))
            .prop_map(|(at, octets)| Op::Append(at, octets)),
        1 => any::<usize>().prop_map(Op::Clear),
        2 => any::<usize>().prop_map(Op::Freeze),
        2 => any::<usize>().prop_map(Op::Slice),
        4 => any::<usize>().prop_map(Op::Drop),
        3 => any::<usize>().prop_map(Op::DropFrozen),
        1 => Just(Op::Trim),
        1 => Just(Op::TrimIdle),
    ]
}

/// A frozen slice, what it must read, and which buffer it is of.
type Frozen = (Bytes, Vec<u8>, usize);

/// The pool as one would write it with no thought of speed: buffers that are
/// held, by what they must read.
#[derive(Default)]
struct Oracle {
    held: Vec<(PooledBuf, Vec<u8>)>,
    frozen: Vec<Frozen>,
    acquired: u64,
    one_offs: u64,
    frozen_sizes: Vec<usize>,
}

impl Oracle {
    fn run(&mut self, pool: &BufferPool, op: Op) {
        match op {
            Op::Acquire(octets) => {
                let buf = pool.acquire(octets);
                let capacity = class_for(octets).map_or(octets, |class| SIZES[class]);
                assert_eq!(buf.capacity(), capacity);
                assert_eq!((buf.len(), buf.spare()), (0, capacity));
                self.acquired += 1;
                self.one_offs += u64::from(octets > SIZES[SIZES.len() - 1]);
                self.held.push((buf, Vec::new()));
            }
            Op::Append(at, octets) if !self.held.is_empty() => {
                let at = at % self.held.len();
                let (buf, model) = &mut self.held[at];
                let fit = octets.len().min(buf.capacity() - model.len());
                assert_eq!(buf.append(&octets), fit);
                model.extend_from_slice(&octets[..fit]);
            }
            Op::Clear(at) if !self.held.is_empty() => {
                let at = at % self.held.len();
                self.held[at].0.clear();
                self.held[at].1.clear();
            }
            Op::Freeze(at) if !self.held.is_empty() => {
                let (buf, model) = self.held.swap_remove(at % self.held.len());
                if !model.is_empty() {
                    self.frozen_sizes.push(buf.capacity());
                    let id = self.frozen_sizes.len() - 1;
                    self.frozen.push((buf.freeze(), model, id));
                } else {
                    assert!(buf.freeze().is_empty());
                }
            }
            Op::Slice(at) if !self.frozen.is_empty() => {
                let (octets, model, id) = &self.frozen[at % self.frozen.len()];
                let half = model.len() / 2;
                // An empty slice holds on to nothing.
                if half > 0 {
                    let slice = (octets.slice(..half), model[..half].to_vec(), *id);
                    self.frozen.push(slice);
                }
            }
            Op::Drop(at) if !self.held.is_empty() => {
                self.held.swap_remove(at % self.held.len());
            }
            Op::DropFrozen(at) if !self.frozen.is_empty() => {
                self.frozen.swap_remove(at % self.frozen.len());
            }
            Op::Trim => {
                pool.trim();
                assert_eq!(pool.stats().retained, 0);
                assert_eq!(pool.handle.0.budget.reserved(), 0);
            }
            Op::TrimIdle => pool.trim_idle(),
            _ => {}
        }
    }

    fn check(&self, pool: &BufferPool, max_retained: usize) {
        for (buf, model) in &self.held {
            assert_eq!(buf[..], model[..]);
        }
        for (octets, model, _) in &self.frozen {
            assert_eq!(octets[..], model[..]);
        }
        let mut ids: Vec<_> = self.frozen.iter().map(|(_, _, id)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let octets: usize = self.held.iter().map(|(buf, _)| buf.capacity()).sum();
        let octets = octets + ids.iter().map(|&id| self.frozen_sizes[id]).sum::<usize>();

        let stats = pool.stats();
        assert_eq!(stats.hits + stats.misses, self.acquired);
        assert_eq!(stats.one_offs, self.one_offs);
        assert_eq!(stats.outstanding, (self.held.len() + ids.len()) as u64);
        assert_eq!(stats.outstanding_octets, octets as u64);
        assert!(pool.handle.0.budget.reserved() <= max_retained);
        assert_eq!(stats.retained_octets, pool.handle.0.walk() as u64);
        assert_adds_up(stats);
    }
}

proptest! {
    #[test]
    fn a_pool_agrees_with_a_naive_one(
        max_retained in prop_oneof![Just(0), 0..200_000_usize, Just(64 << 20)],
        per_thread in prop_oneof![Just(0), Just(10_000), Just(256 << 10)],
        shelf in 0..4_usize,
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut config = PoolConfig::default()
            .max_retained(max_retained)
            .max_per_thread(per_thread)
            .idle_time(Duration::ZERO);
        for size in SIZES {
            config = config.shelf_capacity(size, shelf);
        }
        let pool = BufferPool::new(config);
        let mut oracle = Oracle::default();
        for op in ops {
            oracle.run(&pool, op);
            oracle.check(&pool, max_retained);
        }
        drop(oracle);
        assert_eq!(pool.stats().outstanding, 0);
        pool.trim();
        assert_eq!((pool.stats().retained, pool.handle.0.budget.reserved()), (0, 0));
    }
}
