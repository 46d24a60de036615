//! How the connection that runs a handshake learns where its verification came
//! from. rustls verifies within the poll that feeds it, on the same thread.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;

thread_local! {
    /// Whether the last verification of this poll came from a cache.
    static CACHED: Cell<Option<bool>> = const { Cell::new(None) };
}

/// A verifier says that it answered, and whether from its cache.
pub(super) fn report(cached: bool) {
    CACHED.set(Some(cached));
}

/// What was reported before a poll, which is put back when that ends, be it by
/// a panic: a handshake may run within the poll of another.
struct Before(Option<bool>);

impl Drop for Before {
    fn drop(&mut self) {
        CACHED.set(self.0);
    }
}

/// Runs a handshake, and says whether its last verification came from a cache;
/// `None` if no verifier of ours was asked.
pub(crate) async fn observe<F: Future>(handshake: F) -> (F::Output, Option<bool>) {
    let mut handshake = pin!(handshake);
    let mut cached = None;
    let output = poll_fn(|cx| {
        let _before = Before(CACHED.take());
        let poll = handshake.as_mut().poll(cx);
        cached = CACHED.take().or(cached);
        poll
    })
    .await;
    (output, cached)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use tokio_test::block_on;

    use super::*;

    #[test]
    fn what_was_reported_before_is_not_taken_for_this_handshakes() {
        report(true);
        assert_eq!(block_on(observe(async {})).1, None);
    }

    #[test]
    fn a_report_of_any_poll_counts_and_the_last_wins() {
        let reported = |reports: [Option<bool>; 2]| {
            block_on(observe(async move {
                for cached in reports {
                    cached.into_iter().for_each(report);
                    tokio::task::yield_now().await;
                }
            }))
            .1
        };
        assert_eq!(reported([Some(true), None]), Some(true));
        assert_eq!(reported([None, Some(false)]), Some(false));
        assert_eq!(reported([Some(true), Some(false)]), Some(false));
    }

    /// As when the IO below has a TLS handshake of its own, run by its first read.
    #[test]
    fn a_handshake_within_another_takes_no_report_away() {
        let (inner, outer) = block_on(observe(async {
            report(true);
            observe(async { report(false) }).await.1
        }));
        assert_eq!((inner, outer), (Some(false), Some(true)));
    }

    #[test]
    fn a_handshake_within_another_takes_no_report_away_by_a_panic() {
        let (_, outer) = block_on(observe(async {
            report(true);
            let inner = observe(async {
                report(false);
                panic!("told to");
            });
            let mut inner = tokio_test::task::spawn(inner);
            let inner = catch_unwind(AssertUnwindSafe(|| inner.poll()));
            let said = inner.unwrap_err().downcast::<&str>().unwrap();
            assert_eq!(*said, "told to");
        }));
        assert_eq!(outer, Some(true));
    }
}
