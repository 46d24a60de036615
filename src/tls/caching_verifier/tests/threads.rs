//! Invalidation, and threads that ask the same.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_rustls::rustls::Error;

use super::super::{CachingVerifier, PATIENCE, VerifierStats};
use super::{Chain, Mock, NOW, ask, ask_for, caching, refusal};

/// An inner verifier that answers once the test lets go of the lock.
fn gated(answer: impl Fn(usize) -> Result<(), Error> + Send + Sync + 'static) -> (Arc<Mock>, Gate) {
    let gate = Gate::default();
    let closed = gate.clone();
    let mock = Mock::new(move |call| {
        drop(closed.lock());
        answer(call)
    });
    (mock, gate)
}

type Gate = Arc<Mutex<()>>;

/// One that waits for as long as a test may take.
fn patient(mock: &Arc<Mock>) -> CachingVerifier {
    let mut verifier = caching(mock);
    verifier.patience = Duration::from_secs(60);
    verifier
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "never came");
        thread::yield_now();
    }
}

#[test]
fn everything_is_useless_after_an_invalidation() {
    let chain = Chain::good();
    let mock = Mock::good();
    let verifier = caching(&mock);
    ask_for(&verifier, &chain, "a.test", NOW).unwrap();
    ask_for(&verifier, &chain, "b.test", NOW).unwrap();
    verifier.invalidate_all();
    let stats = verifier.stats();
    assert_eq!((stats.invalidated, stats.entries), (2, 0));
    ask_for(&verifier, &chain, "a.test", NOW).unwrap();
    ask_for(&verifier, &chain, "a.test", NOW).unwrap();
    assert_eq!((mock.calls(), verifier.stats().hits), (3, 1));
}

#[test]
fn a_verification_under_way_does_not_outlive_an_invalidation() {
    let chain = Chain::good();
    // Revoked while the first is under way.
    let (mock, gate) = gated(|call| if call == 0 { Ok(()) } else { Err(refusal()) });
    let verifier = patient(&mock);
    thread::scope(|scope| {
        let closed = gate.lock();
        let leader = scope.spawn(|| ask(&verifier, &chain, NOW));
        wait_until(|| mock.calls() == 1);
        let waiters: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| ask(&verifier, &chain, NOW)))
            .collect();
        wait_until(|| verifier.stats().waited == 3);
        verifier.invalidate_all();
        // Asked afterwards, so it waits for nothing that began before.
        let after = scope.spawn(|| ask(&verifier, &chain, NOW));
        wait_until(|| mock.calls() == 2);
        drop(closed);
        assert_eq!(leader.join().unwrap(), Ok(()));
        for thread in waiters.into_iter().chain([after]) {
            assert_eq!(thread.join().unwrap(), Err(refusal()));
        }
    });
    let stats = verifier.stats();
    assert_eq!((stats.hits, stats.entries, mock.calls()), (0, 0, 5));
}

#[test]
fn threads_that_ask_the_same_wait_for_one() {
    const THREADS: u64 = 8;
    let chain = Chain::good();
    let (mock, gate) = gated(|_| Ok(()));
    let verifier = patient(&mock);
    thread::scope(|scope| {
        let closed = gate.lock();
        for _ in 0..THREADS {
            scope.spawn(|| ask(&verifier, &chain, NOW).unwrap());
        }
        wait_until(|| verifier.stats().waited == THREADS - 1);
        // Others are not held up.
        scope.spawn(|| ask_for(&verifier, &chain, "b.test", NOW).unwrap());
        wait_until(|| mock.calls() == 2);
        drop(closed);
    });
    let stats = verifier.stats();
    assert_eq!(mock.calls(), 2);
    assert_eq!((stats.hits, stats.misses), (THREADS - 1, 2), "{stats:?}");
    assert!(verifier.state.lock().flights.is_empty());
}

/// The first call ends as `first` says, with three that wait for it; then all
/// others are good.
fn after_a_bad_leader(first: fn() -> Result<(), Error>) -> VerifierStats {
    let chain = Chain::good();
    let (mock, gate) = gated(move |call| if call == 0 { first() } else { Ok(()) });
    let verifier = patient(&mock);
    thread::scope(|scope| {
        let closed = gate.lock();
        let leader = scope.spawn(|| {
            let answer = catch_unwind(AssertUnwindSafe(|| ask(&verifier, &chain, NOW)));
            !matches!(answer, Ok(Ok(())))
        });
        wait_until(|| mock.calls() == 1);
        let waiters: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| ask(&verifier, &chain, NOW)))
            .collect();
        wait_until(|| verifier.stats().waited == 3);
        drop(closed);
        assert!(leader.join().unwrap());
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Ok(()));
        }
    });
    assert!(mock.calls() >= 2);
    ask(&verifier, &chain, NOW).unwrap();
    assert!(verifier.state.lock().flights.is_empty());
    verifier.stats()
}

#[test]
fn when_the_first_thread_fails_the_others_verify_themselves() {
    let stats = after_a_bad_leader(|| Err(refusal()));
    assert_eq!((stats.failures, stats.entries), (1, 1), "{stats:?}");
}

#[test]
fn when_the_first_thread_panics_the_others_verify_themselves() {
    let stats = after_a_bad_leader(|| panic!("told to"));
    assert_eq!((stats.failures, stats.entries), (0, 1), "{stats:?}");
}

#[test]
fn nobody_waits_for_a_slow_thread_for_long() {
    let chain = Chain::good();
    // Only the first is held up.
    let gate = Gate::default();
    let closed = gate.clone();
    let mock = Mock::new(move |call| {
        if call == 0 {
            drop(closed.lock());
        }
        Ok(())
    });
    let verifier = caching(&mock);
    thread::scope(|scope| {
        let closed = gate.lock();
        let leader = scope.spawn(|| ask(&verifier, &chain, NOW));
        wait_until(|| mock.calls() == 1);
        let began = Instant::now();
        ask(&verifier, &chain, NOW).unwrap();
        assert!(began.elapsed() >= PATIENCE);
        // What that one found is there, though the first is not done.
        ask(&verifier, &chain, NOW).unwrap();
        assert_eq!(mock.calls(), 2);
        drop(closed);
        leader.join().unwrap().unwrap();
    });
    let stats = verifier.stats();
    assert_eq!((stats.hits, stats.misses, stats.waited), (1, 2, 1));
}

/// An inner verifier that asks the caching one again while it answers, but not
/// again within that: as one does that fetches a list over TLS.
mod reentry {
    use std::cell::Cell;
    use std::sync::{Barrier, OnceLock, mpsc};

    use super::*;

    thread_local! {
        static WITHIN: Cell<bool> = const { Cell::new(false) };
        static OTHER: Cell<&'static str> = const { Cell::new("a.test") };
    }

    /// Fails unless `work` ends.
    #[track_caller]
    fn ends(work: impl FnOnce() + Send + 'static) {
        let (done, ended) = mpsc::channel();
        thread::spawn(move || {
            work();
            done.send(()).unwrap();
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Ok(()));
    }

    /// A verifier that asks for `OTHER` within, after `first`.
    fn asking(
        chain: &Chain,
        first: impl Fn() + Send + Sync + 'static,
        patience: Duration,
    ) -> Arc<CachingVerifier> {
        let slot: Arc<OnceLock<Arc<CachingVerifier>>> = Arc::default();
        let mock = Mock::new({
            let (slot, chain) = (slot.clone(), chain.clone());
            move |_| {
                if WITHIN.replace(true) {
                    return Ok(());
                }
                first();
                let inner = ask_for(slot.get().unwrap().as_ref(), &chain, OTHER.get(), NOW);
                WITHIN.set(false);
                inner
            }
        });
        let mut verifier = caching(&mock);
        verifier.patience = patience;
        let verifier = Arc::new(verifier);
        assert!(slot.set(verifier.clone()).is_ok());
        verifier
    }

    #[test]
    fn a_thread_does_not_wait_for_itself() {
        let chain = Chain::good();
        let verifier = asking(&chain, || {}, Duration::from_secs(3600));
        ends(move || {
            ask(verifier.as_ref(), &chain, NOW).unwrap();
            let stats = verifier.stats();
            assert_eq!((stats.misses, stats.waited), (2, 0));
        });
    }

    #[test]
    fn two_threads_that_wait_for_one_another_end() {
        let chain = Chain::good();
        let both = Barrier::new(2);
        let meet = move || {
            both.wait();
        };
        let verifier = asking(&chain, meet, PATIENCE);
        ends(move || {
            thread::scope(|scope| {
                for (mine, other) in [("a.test", "b.test"), ("b.test", "a.test")] {
                    let (verifier, chain) = (&verifier, &chain);
                    scope.spawn(move || {
                        OTHER.set(other);
                        ask_for(verifier.as_ref(), chain, mine, NOW).unwrap();
                    });
                }
            });
        });
    }

    #[test]
    fn a_verifier_that_waits_for_the_runtime_does_not_wait_for_its_waiters() {
        ends(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let chain = Chain::good();
            // As one does that fetches a list.
            let mock = Mock::new(|_| {
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(async {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    });
                });
                Ok(())
            });
            let verifier = Arc::new(caching(&mock));
            runtime.block_on(async {
                let all: Vec<_> = (0..8)
                    .map(|_| {
                        let (verifier, chain) = (verifier.clone(), chain.clone());
                        tokio::spawn(async move { ask(verifier.as_ref(), &chain, NOW) })
                    })
                    .collect();
                for one in all {
                    one.await.unwrap().unwrap();
                }
            });
        });
    }
}
