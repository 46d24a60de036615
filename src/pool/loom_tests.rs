//! Models of what threads do to a pool at the same time, over all the orders in
//! which they can do it:
//!
//! ```text
//! CARGO_TARGET_DIR=/tmp/loom-target RUSTFLAGS="--cfg framewright_loom" \
//!     cargo test --release --lib pool::loom_
//! ```
//!
//! They go below the thread-local, which the model checker does not run a
//! thread each for: a model hands its threads their caches.

use std::sync::Arc;

use loom::thread;

use super::class::SIZES;
use super::config::PoolConfig;
use super::local::{Entry, ThreadCache};
use super::shared::Shared;
use super::shelf::{Budget, Shelf};
use crate::sync::model::check;

const SIZE: usize = 8;

fn buffer() -> Box<[u8]> {
    vec![0; SIZE].into()
}

/// A pool that has room for `retained` buffers of the smallest class, and a
/// thread cache of it.
fn pool(retained: usize) -> (Arc<Shared>, Arc<ThreadCache>) {
    let mut config = PoolConfig::default().max_retained(retained * SIZES[0]);
    config.shelves = [2, 0, 0, 0, 0, 0];
    let pool = Arc::new(Shared::new(config));
    let cache = Arc::new(ThreadCache::new(&pool));
    cache.state.lock().limit_for_model(2 * SIZES[0]);
    assert!(pool.enroll(&cache));
    (pool, cache)
}

fn entry(pool: &Arc<Shared>) -> Entry {
    Entry {
        octets: vec![0; SIZES[0]].into(),
        home: Arc::clone(pool),
    }
}

#[test]
fn a_shelf_never_keeps_more_than_the_budget() {
    check(None, || {
        let shelf = Arc::new((Shelf::new(2, SIZE), Budget::new(SIZE)));
        let threads = [(); 2].map(|()| {
            let shelf = Arc::clone(&shelf);
            thread::spawn(move || {
                let put = shelf.0.put(&shelf.1, buffer()).is_ok();
                // Two queues would both find room; one budget does not.
                assert!(shelf.0.len() * SIZE <= SIZE);
                let taken = shelf.0.take(&shelf.1).is_some();
                (usize::from(put), usize::from(taken))
            })
        });
        let trimmed = shelf.0.trim(&shelf.1);
        assert!(shelf.1.reserved() <= SIZE);
        let (mut put, mut taken) = (0, trimmed);
        for thread in threads {
            let counts = thread.join().expect("the thread does not panic");
            put += counts.0;
            taken += counts.1;
        }
        assert!(put >= 1, "one of them found room");
        assert_eq!(shelf.0.len(), put - taken);
        assert_eq!(shelf.1.reserved(), shelf.0.len() * SIZE);
    });
}

#[test]
fn an_idle_check_frees_no_reservation_twice() {
    check(None, || {
        let shelf = Arc::new((Shelf::new(2, SIZE), Budget::new(2 * SIZE)));
        for _ in 0..2 {
            shelf.0.put(&shelf.1, buffer()).expect("there is room");
        }
        assert_eq!(shelf.0.trim_idle(&shelf.1), 0);
        let taker = {
            let shelf = Arc::clone(&shelf);
            thread::spawn(move || {
                if let Some(octets) = shelf.0.take(&shelf.1) {
                    let _ = shelf.0.put(&shelf.1, octets);
                }
            })
        };
        shelf.0.trim_idle(&shelf.1);
        taker.join().expect("the thread does not panic");
        assert_eq!(shelf.1.reserved(), shelf.0.len() * SIZE);
    });
}

#[test]
fn nothing_stays_in_a_closed_pool() {
    check(Some(5), || {
        let (pool, cache) = pool(3);
        let on_shelf = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.put_shared(vec![0; SIZES[0]].into()))
        };
        let in_cache = {
            let entry = entry(&pool);
            thread::spawn(move || {
                let mut entry = Some(entry);
                if let Some(mut local) = cache.state.try_lock() {
                    local.put(&mut entry);
                }
            })
        };
        pool.close();
        on_shelf.join().expect("the thread does not panic");
        in_cache.join().expect("the thread does not panic");
        assert_eq!(pool.stats().retained, 0);
        assert_eq!(pool.budget.reserved(), 0);
        // Nothing but this handle holds the pool: no cycle is left.
        assert_eq!(Arc::strong_count(&pool), 1);
    });
}

#[test]
fn a_thread_that_ends_gives_back_while_others_trim_and_count() {
    check(Some(5), || {
        let (pool, cache) = pool(3);
        let ending = {
            let (pool, entry) = (Arc::clone(&pool), entry(&pool));
            thread::spawn(move || {
                let mut entry = Some(entry);
                if let Some(mut local) = cache.state.try_lock() {
                    local.tally.serve(false, SIZES[0], Some(0));
                    local.put(&mut entry);
                } else {
                    return false;
                }
                assert!(entry.is_none(), "there is room");
                pool.retire(&cache);
                true
            })
        };
        pool.trim();
        let stats = pool.stats();
        assert!(stats.retained_octets <= 3 * SIZES[0] as u64);
        assert!(stats.misses <= 1, "no thread is counted twice");
        let later = pool.stats();
        assert!(later.misses >= stats.misses, "no thread is forgotten");
        if ending.join().expect("the thread does not panic") {
            let stats = pool.stats();
            assert_eq!(stats.misses, 1);
            assert_eq!(stats.outstanding, 0);
            assert_eq!(stats.retained + stats.trims, 1);
            assert_eq!(stats.retained_octets, stats.retained * SIZES[0] as u64);
            assert_eq!(pool.budget.reserved() as u64, stats.retained_octets);
        }
        pool.close();
        assert_eq!(pool.budget.reserved(), 0);
    });
}
