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
    answers: Mutex<Answers>,
}

struct Answers {
    found: LruCache<Box<str>, Found>,
    unknown: LruCache<Box<str>, Instant>,
    /// How often all was forgotten: an answer that was asked for before is not
    /// remembered after.
    generation: u64,
}

impl Callback {
    pub(super) fn new(ask: Box<Ask>) -> Self {
        let names = NonZeroUsize::new(NAMES).expect("it is over 0");
        Self {
            ask,
            answers: Mutex::new(Answers {
                found: LruCache::new(names),
                unknown: LruCache::new(names),
                generation: 0,
            }),
        }
    }

    /// The answer for a name in lower case. Holds no lock while it asks.
    pub(super) fn answer(&self, name: &str, now: Instant) -> Option<Arc<CertifiedKey>> {
        let mut answers = self.answers.lock();
        if let Some((key, until)) = answers.found.get(name)
            && now < *until
        {
            return Some(key.clone());
        }
        if answers.unknown.get(name).is_some_and(|until| now < *until) {
            return None;
        }
        let generation = answers.generation;
        drop(answers);
        let answer = (self.ask)(name);
        let mut answers = self.answers.lock();
        if answers.generation != generation {
            return answer;
        }
        match &answer {
            Some(key) => {
                let entry = (key.clone(), now + FOUND_FOR);
                answers.found.put(name.into(), entry);
            }
            None => {
                // What it knew of the name is not true any more.
                answers.found.pop(name);
                answers.unknown.put(name.into(), now + UNKNOWN_FOR);
            }
        }
        answer
    }

    pub(super) fn forget(&self) {
        let mut answers = self.answers.lock();
        answers.found.clear();
        answers.unknown.clear();
        answers.generation += 1;
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        let answers = self.answers.lock();
        answers.found.len() + answers.unknown.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
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
    fn a_name_that_is_not_known_any_more_holds_no_certificate() {
        let pair = Mutex::new(Some(Pair::new(&["x"]).certified()));
        let held = Arc::downgrade(pair.lock().as_ref().unwrap());
        let callback = Callback::new(Box::new(move |_| pair.lock().take()));
        let began = Instant::now();
        assert!(callback.answer("a.example", began).is_some());
        assert!(callback.answer("a.example", began + FOUND_FOR).is_none());
        assert_eq!(callback.remembered(), 1);
        assert!(held.upgrade().is_none());
    }

    #[test]
    fn an_answer_from_before_all_was_forgotten_is_not_remembered() {
        let [old, new] = [(); 2].map(|()| Pair::new(&["x"]).certified());
        let slot: Arc<OnceLock<Arc<Callback>>> = Arc::default();
        let asked = AtomicUsize::new(0);
        let callback = Arc::new(Callback::new(Box::new({
            let (slot, old, new) = (slot.clone(), old.clone(), new.clone());
            move |name| {
                let known = name.starts_with("known");
                let first = asked.fetch_add(1, Relaxed) < 2;
                if first {
                    slot.get().unwrap().forget();
                }
                match (first, known) {
                    (true, known) => known.then(|| old.clone()),
                    (false, _) => Some(new.clone()),
                }
            }
        })));
        assert!(slot.set(callback.clone()).is_ok());
        let now = Instant::now();
        let is = |name, key: &Arc<CertifiedKey>| {
            let answer = callback.answer(name, now);
            answer.is_some_and(|answer| Arc::ptr_eq(&answer, key))
        };
        // The connection that it was asked for has it still.
        assert!(is("known.example", &old));
        assert!(callback.answer("other.example", now).is_none());
        assert_eq!(callback.remembered(), 0);
        assert!(is("known.example", &new));
        assert!(is("other.example", &new));
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
