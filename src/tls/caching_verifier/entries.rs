//! What was verified, and whether that still holds: plain values, with the time
//! as an argument.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::key::Key;
use super::validity::Validity;

/// A time by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Seconds since 1970, as rustls has them.
    pub(super) wall: u64,
    pub(super) monotonic: Instant,
}

/// A verification that succeeded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// When it began: what it found was true then, and not when it ended.
    pub(super) began: Moment,
    pub(super) lifetime: Duration,
    pub(super) validity: Validity,
}

impl Entry {
    /// Ages go by both clocks, so that an entry lives no longer when one of them
    /// is turned back, or stands still while the machine sleeps.
    pub(super) fn is_good(&self, now: Moment) -> bool {
        let Some(age) = now.wall.checked_sub(self.began.wall) else {
            return false;
        };
        let monotonic = now
            .monotonic
            .saturating_duration_since(self.began.monotonic);
        Duration::from_secs(age) < self.lifetime
            && monotonic < self.lifetime
            && (self.validity.from..=self.validity.until).contains(&now.wall)
    }
}

/// What a lookup came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Good,
    /// Past one of its limits, or from later than now.
    Bad,
    Nothing,
}

/// The entries that were used lately.
pub(super) struct Entries(LruCache<Key, Entry>);

impl Entries {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self(LruCache::sparse(capacity))
    }

    pub(super) fn find(&mut self, key: &Key, now: Moment) -> Found {
        match self.0.get(key) {
            Some(entry) if entry.is_good(now) => Found::Good,
            // It stays: the verification that comes now takes its place.
            Some(_) => Found::Bad,
            None => Found::Nothing,
        }
    }

    /// Puts an entry in, and says whether another had to go for it.
    pub(super) fn put(&mut self, key: Key, entry: Entry) -> bool {
        self.0
            .push(key, entry)
            .is_some_and(|(other, _)| other != key)
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.0.pop(key);
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Empties it, and returns what was there.
    pub(super) fn clear(&mut self) -> Self {
        let empty = Self(LruCache::sparse(self.0.cap()));
        std::mem::replace(self, empty)
    }
}
