//! Certificates that a callback has.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;
use tokio_rustls::rustls::sign::CertifiedKey;

/// Names that are remembered of those that the callback knows, and as many of
/// those that it does not.
pub(super) const NAMES: usize = 1024;
/// How long an answer is good.
pub(super) const FOUND_FOR: Duration = Duration::from_secs(5 * 60);
pub(super) const UNKNOWN_FOR: Duration = Duration::from_secs(10);

pub(super) type Ask = dyn Fn(&str) -> Option<Arc<CertifiedKey>> + Send + Sync;

/// A certificate, and until when the answer is good.
type Found = (Arc<CertifiedKey>, Instant);

/// A callback, and its last answers.
///
/// Names that it knows and names that it does not have a cache each, so that
/// made-up names push out none that are served.
pub(super) struct Callback {
    ask: Box<Ask>,
    found: Mutex<LruCache<Box<str>, Found>>,
    unknown: Mutex<LruCache<Box<str>, Instant>>,
}

impl Callback {
    pub(super) fn new(ask: Box<Ask>) -> Self {
        let names = NonZeroUsize::new(NAMES).expect("it is over 0");
        Self {
            ask,
            found: Mutex::new(LruCache::new(names)),
            unknown: Mutex::new(LruCache::new(names)),
        }
    }

    /// The answer for a name in lower case. Holds no lock while it asks.
    pub(super) fn answer(&self, name: &str, now: Instant) -> Option<Arc<CertifiedKey>> {
        if let Some((key, until)) = self.found.lock().get(name)
            && now < *until
        {
            return Some(key.clone());
        }
        if self
            .unknown
            .lock()
            .get(name)
            .is_some_and(|until| now < *until)
        {
            return None;
        }
        let answer = (self.ask)(name);
        match &answer {
            Some(key) => {
                let entry = (key.clone(), now + FOUND_FOR);
                self.found.lock().put(name.into(), entry);
            }
            None => {
                // What it knew of the name is not true any more.
                self.found.lock().pop(name);
                self.unknown.lock().put(name.into(), now + UNKNOWN_FOR);
            }
        }
        answer
    }

    pub(super) fn forget(&self) {
        self.found.lock().clear();
        self.unknown.lock().clear();
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.found.lock().len() + self.unknown.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::super::super::testing_server::Pair;
    use super::*;

    #[test]
    fn an_answer_is_asked_for_again_when_its_time_is_over() {
        let asked = Arc::new(AtomicUsize::new(0));
        let pair = Pair::new(&["x"]).certified();
        let callback = Callback::new(Box::new({
            let asked = asked.clone();
            move |name| {
                asked.fetch_add(1, Relaxed);
                name.starts_with("known").then(|| pair.clone())
            }
        }));
        let began = Instant::now();
        for (after, times) in [
            (Duration::ZERO, 2),
            (UNKNOWN_FOR - Duration::from_millis(1), 2),
            (UNKNOWN_FOR, 3),
            (FOUND_FOR - Duration::from_millis(1), 4),
            (FOUND_FOR, 5),
        ] {
            let now = began + after;
            assert!(callback.answer("known.example", now).is_some());
            assert!(callback.answer("other.example", now).is_none());
            assert_eq!(asked.load(Relaxed), times, "{after:?}");
        }
        callback.forget();
        assert!(callback.answer("known.example", began).is_some());
        assert_eq!(asked.load(Relaxed), 6);
    }

    #[test]
    fn made_up_names_neither_grow_the_cache_nor_push_out_real_ones() {
        let asked = Arc::new(AtomicUsize::new(0));
        let pair = Pair::new(&["x"]).certified();
        let callback = Callback::new(Box::new({
            let asked = asked.clone();
            move |name| {
                let known = name == "known.example";
                asked.fetch_add(usize::from(known), Relaxed);
                known.then(|| pair.clone())
            }
        }));
        let now = Instant::now();
        for n in 0..100_000 {
            assert!(callback.answer("known.example", now).is_some());
            assert!(callback.answer(&format!("{n}.example"), now).is_none());
        }
        assert_eq!(asked.load(Relaxed), 1);
        assert_eq!(callback.remembered(), NAMES + 1);
    }
}
