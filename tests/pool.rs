//! The buffer pool, used by many tasks and threads at a time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use framewright::{BufferPool, PoolConfig, PoolStats};

const FRAME: usize = BufferPool::CLASSES[2];
const WORKERS: usize = 4;

/// What must hold of the counters once nobody uses the pool.
fn assert_adds_up(stats: PoolStats, acquired: u64) {
    assert_eq!(stats.hits + stats.misses, acquired, "{stats:?}");
    assert_eq!(
        stats.misses,
        stats.outstanding + stats.retained + stats.trims + stats.discarded,
        "{stats:?}"
    );
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_time()
        .build()
        .expect("the runtime starts")
}

/// Octets that no other seed gives.
fn payload(seed: u64, len: usize) -> impl Iterator<Item = u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len).map(move |_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    })
}

fn hash(octets: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    octets.hash(&mut hasher);
    hasher.finish()
}

/// Holders now, and the most there ever were.
#[derive(Default)]
struct Holders {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Holders {
    fn enter(&self) {
        self.most
            .fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, SeqCst);
    }
}

/// Stops what watches a pool even when an assertion fails.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Calls `look` again and again on a thread of its own, until the guard is
/// dropped; the thread says how often.
fn watch(look: impl Fn() + Send + 'static) -> (StopOnDrop, std::thread::JoinHandle<u64>) {
    let stop = Arc::new(AtomicBool::new(false));
    let guard = StopOnDrop(Arc::clone(&stop));
    let thread = std::thread::spawn(move || {
        let mut looks = 0;
        while !stop.load(SeqCst) {
            look();
            looks += 1;
            std::thread::yield_now();
        }
        looks
    });
    (guard, thread)
}

#[test]
fn tasks_share_few_buffers_and_no_contents() {
    share_among_tasks(4);
}

#[test]
fn tasks_share_few_buffers_by_the_shelf_alone() {
    share_among_tasks(0);
}

fn share_among_tasks(per_thread: usize) {
    const TASKS: u64 = 200;
    const ROUNDS: u64 = 50;

    let pool = BufferPool::new(PoolConfig::default().max_per_thread(per_thread * FRAME));
    let holders = Arc::new(Holders::default());
    let runtime = runtime();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (pool, holders) = (pool.clone(), Arc::clone(&holders));
            runtime.spawn(async move {
                for round in 0..ROUNDS {
                    let seed = task * ROUNDS + round;
                    holders.enter();
                    let mut buf = pool.acquire(16 << 10);
                    assert!(buf.is_empty(), "it starts empty");
                    let len = 1 + (seed as usize * 37) % buf.capacity();
                    for (octet, value) in buf.spare_mut().iter_mut().zip(payload(seed, len)) {
                        *octet = value;
                    }
                    buf.advance(len);
                    let before = hash(&buf);
                    for _ in 0..seed % 4 {
                        tokio::task::yield_now().await;
                    }
                    assert_eq!(hash(&buf), before, "nobody else wrote to it");
                    if seed.is_multiple_of(3) {
                        let frozen = buf.freeze();
                        tokio::task::yield_now().await;
                        assert!(frozen.iter().copied().eq(payload(seed, len)));
                        drop(frozen.slice(len / 2..));
                    } else {
                        drop(buf);
                    }
                    holders.leave();
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("the task does not panic");
        }
    });

    let stats = pool.stats();
    assert_eq!((stats.outstanding, stats.outstanding_octets), (0, 0));
    assert_adds_up(stats, TASKS * ROUNDS);
    // A buffer is made only when all that this thread can reach are held; the
    // caches of the other threads are what it cannot reach.
    let most = holders.most.load(SeqCst) + WORKERS * per_thread;
    assert!(
        stats.misses <= most as u64,
        "{} buffers were made for {most}",
        stats.misses
    );

    // The workers end, and their buffers are still there.
    drop(runtime);
    assert_eq!(pool.stats().retained, stats.retained);
    assert_eq!(pool.stats().retained_octets, stats.retained * FRAME as u64);
    pool.trim();
    assert_eq!(pool.stats().retained_octets, 0);
    assert_adds_up(pool.stats(), TASKS * ROUNDS);
}

#[test]
fn retention_is_bounded_at_every_instant() {
    // The second pool keeps all on one shelf, whose length is one atomic look:
    // there the count of buffers tells the same as the count of octets.
    for (per_thread, shelf_only) in [(2 * FRAME, false), (0, true)] {
        const KEPT: usize = 33;
        let max = KEPT * FRAME + FRAME / 2;
        let config = PoolConfig::default()
            .max_retained(max)
            .max_per_thread(per_thread);
        let pool = BufferPool::new(config);
        let watched = pool.clone();
        let (stop, watcher) = watch(move || {
            let stats = watched.stats();
            assert!(stats.retained_octets <= max as u64, "{stats:?}");
            if shelf_only {
                assert!(stats.retained <= KEPT as u64, "{stats:?}");
            }
        });
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let pool = &pool;
                scope.spawn(move || {
                    for burst in 0..200 {
                        let held: Vec<_> = (0..1 + (burst * 7 + thread) % 40)
                            .map(|_| pool.acquire(FRAME))
                            .collect();
                        if burst % 5 == 0 {
                            std::thread::yield_now();
                        }
                        drop(held);
                    }
                });
            }
        });
        drop(stop);
        let looks = watcher.join().expect("the bound held");
        assert!(looks > 0);

        // A burst of far more than is kept.
        let burst: Vec<_> = (0..4 * KEPT).map(|_| pool.acquire(FRAME)).collect();
        assert_eq!(pool.stats().outstanding, 4 * KEPT as u64);
        drop(burst);
        let stats = pool.stats();
        assert!(stats.retained_octets <= max as u64);
        assert!(stats.retained >= KEPT as u64 - 2, "{stats:?}");
        assert_eq!(stats.retained_octets, stats.retained * FRAME as u64);
        assert_adds_up(stats, stats.hits + stats.misses);
    }
}

#[test]
fn frozen_slices_go_home_from_any_thread() {
    let pool = BufferPool::new(PoolConfig::default());
    let (send, receive) = mpsc::channel::<bytes::Bytes>();
    let dropper = std::thread::spawn(move || {
        for slice in receive {
            drop(slice);
        }
    });
    for seed in 0..500 {
        let mut buf = pool.acquire(FRAME);
        let octets: Vec<_> = payload(seed, FRAME).collect();
        assert_eq!(buf.append(&octets), FRAME);
        let mut frozen = buf.freeze();
        while !frozen.is_empty() {
            let n = frozen.len().min(5000);
            send.send(frozen.split_to(n)).expect("the other end lives");
        }
    }
    drop(send);
    dropper.join().expect("the thread does not panic");
    let stats = pool.stats();
    assert_eq!(stats.outstanding, 0);
    assert_eq!(stats.retained, stats.misses, "all came back");
    assert_adds_up(stats, 500);
}

#[test]
fn a_thread_that_ends_gives_its_buffers_to_the_others() {
    let pool = BufferPool::new(PoolConfig::default());
    let other = pool.clone();
    std::thread::spawn(move || {
        drop((0..4).map(|_| other.acquire(FRAME)).collect::<Vec<_>>());
    })
    .join()
    .expect("the thread does not panic");
    assert_eq!(pool.stats().retained, 4);
    let held: Vec<_> = (0..4).map(|_| pool.acquire(FRAME)).collect();
    let stats = pool.stats();
    assert_eq!((stats.hits, stats.misses, stats.retained), (4, 4, 0));
    drop(held);
    assert_adds_up(pool.stats(), 8);
}

#[test]
fn trim_reaches_what_a_sleeping_thread_keeps() {
    let pool = BufferPool::new(PoolConfig::default());
    let other = pool.clone();
    let (ready, is_ready) = mpsc::channel();
    let (wake, is_woken) = mpsc::channel::<()>();
    let sleeper = std::thread::spawn(move || {
        drop((0..4).map(|_| other.acquire(FRAME)).collect::<Vec<_>>());
        ready.send(()).expect("the test waits");
        let _ = is_woken.recv();
        drop(other.acquire(FRAME));
    });
    is_ready.recv().expect("the thread does not panic");
    let held = pool.acquire(FRAME);
    assert_eq!(pool.stats().retained, 4, "they are out of reach here");
    pool.trim();
    let stats = pool.stats();
    assert_eq!((stats.retained, stats.trims, stats.outstanding), (0, 4, 1));
    drop(wake);
    sleeper.join().expect("the thread does not panic");
    drop(held);
    assert_adds_up(pool.stats(), 6);
}

#[test]
fn counters_agree_after_all_at_once() {
    // Everything that can meet: mixed sizes, buffers that change threads,
    // trimming, idle checks, threads that come and go.
    let config = PoolConfig::default()
        .max_retained(2 << 20)
        .idle_time(Duration::ZERO);
    let pool = BufferPool::new(config);
    let watched = pool.clone();
    let (stop, watcher) = watch(move || {
        watched.trim_idle();
        assert!(watched.stats().retained_octets <= 2 << 20);
        watched.trim();
    });
    let mut acquired = 0;
    for generation in 0..10_usize {
        let (send, receive) = mpsc::sync_channel(16);
        std::thread::scope(|scope| {
            for thread in 0..2_usize {
                let (send, pool) = (send.clone(), &pool);
                scope.spawn(move || {
                    for i in 0..400_usize {
                        let octets = (i * 7919 + thread * 31 + generation) % 100_000;
                        let octets = if i % 97 == 0 { 2 << 20 } else { octets };
                        let buf = pool.acquire(octets);
                        if i % 3 == 0 {
                            send.send(buf).expect("the receiver lives");
                        }
                    }
                });
            }
            drop(send);
            scope.spawn(move || receive.into_iter().for_each(drop));
        });
        acquired += 2 * 400;
    }
    drop(stop);
    watcher.join().expect("the bound held");
    let stats = pool.stats();
    assert_eq!((stats.outstanding, stats.outstanding_octets), (0, 0));
    assert_adds_up(stats, acquired);
    pool.trim();
    assert_eq!(pool.stats().retained_octets, 0);
}

#[test]
fn buffers_outlive_their_pool() {
    let pool = BufferPool::new(PoolConfig::default());
    let mut buf = pool.acquire(16);
    drop(pool);
    assert_eq!(buf.append(b"framewright"), 11);
    let frozen = buf.freeze();
    assert_eq!(&frozen[..], b"framewright");
}

#[test]
fn the_default_pool_is_one() {
    let held = BufferPool::default().acquire(300 << 10);
    assert!(BufferPool::default().stats().outstanding_octets >= held.capacity() as u64);
}
