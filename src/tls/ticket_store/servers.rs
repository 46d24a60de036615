//! What is kept of each server: plain values, with the time as an argument.

use std::collections::VecDeque;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use lru::LruCache;
use tokio_rustls::rustls::NamedGroup;

use super::stats::TicketStats;

/// TLS 1.3 tickets of one server.
pub(super) const TICKETS: usize = 8;

/// The servers that were used lately. `T` is a ticket of TLS 1.3, which is
/// given out once; `S` is a session of TLS 1.2, which is not.
pub(super) struct Servers<K: Hash + Eq, T, S> {
    servers: LruCache<K, Server<T, S>>,
    /// All but the gauges.
    counted: TicketStats,
}

/// One server. There is none that is empty.
pub(super) struct Server<T, S> {
    hint: Option<NamedGroup>,
    session: Option<Kept<S>>,
    /// Oldest first, [`TICKETS`] at most.
    tickets: VecDeque<Kept<T>>,
}

/// Something that may be used for a while.
pub(super) trait Lives {
    /// For how long. Asked for when it is to be used, not when it is put in:
    /// most tickets are never used, and to find out takes a while.
    fn lifetime(&self) -> Duration;
}

/// A value, and when it came.
pub(super) struct Kept<T> {
    pub(super) value: T,
    pub(super) since: SystemTime,
}

impl<T: Lives> Kept<T> {
    /// Not if it came after `now`: a clock that was turned back cannot tell how
    /// old it is.
    ///
    /// Lifetimes are in whole seconds, so what came within the last need not be
    /// asked for its own.
    fn is_fresh(&self, now: SystemTime) -> bool {
        now.duration_since(self.since)
            .is_ok_and(|age| age < Duration::from_secs(1) || age < self.value.lifetime())
    }
}

impl<T, S> Server<T, S> {
    fn len(&self) -> u64 {
        self.tickets.len() as u64 + u64::from(self.session.is_some())
    }

    fn is_empty(&self) -> bool {
        self.len() == 0 && self.hint.is_none()
    }
}

impl<T, S> Default for Server<T, S> {
    fn default() -> Self {
        Self {
            hint: None,
            session: None,
            tickets: VecDeque::new(),
        }
    }
}

impl<K: Hash + Eq, T: Lives, S: Lives + Clone> Servers<K, T, S> {
    pub(super) fn new(servers: NonZeroUsize) -> Self {
        Self {
            servers: LruCache::sparse(servers),
            counted: TicketStats::default(),
        }
    }

    /// Keeps a ticket, and returns the server that had to go for it.
    pub(super) fn insert(&mut self, key: K, ticket: Kept<T>) -> Option<Server<T, S>> {
        let (server, evicted) = Self::server(&mut self.servers, &mut self.counted, key);
        if server.tickets.len() == TICKETS {
            server.tickets.pop_front();
            self.counted.evicted += 1;
        }
        server.tickets.push_back(ticket);
        self.counted.stored += 1;
        evicted
    }

    /// The newest ticket that is still good, which is gone from here.
    pub(super) fn take(&mut self, key: &K, now: SystemTime) -> Option<T> {
        let server = self.servers.get_mut(key)?;
        let mut found = None;
        while let Some(ticket) = server.tickets.pop_back() {
            if ticket.is_fresh(now) {
                self.counted.hits += 1;
                found = Some(ticket.value);
                break;
            }
            self.counted.stale += 1;
        }
        self.drop_if_empty(key);
        found
    }

    /// Keeps a session in the place of an earlier one, and returns the server
    /// that had to go for it.
    pub(super) fn set_session(&mut self, key: K, session: Kept<S>) -> Option<Server<T, S>> {
        let (server, evicted) = Self::server(&mut self.servers, &mut self.counted, key);
        server.session = Some(session);
        self.counted.stored += 1;
        evicted
    }

    /// The session, which stays here. rustls asks for it when there was no
    /// ticket, so this is where a handshake with nothing to resume is counted.
    pub(super) fn session(&mut self, key: &K, now: SystemTime) -> Option<S> {
        let found = self.fresh_session(key, now);
        match found {
            Some(_) => self.counted.hits += 1,
            None => self.counted.misses += 1,
        }
        found
    }

    fn fresh_session(&mut self, key: &K, now: SystemTime) -> Option<S> {
        let server = self.servers.get_mut(key)?;
        let session = server.session.as_ref()?;
        if session.is_fresh(now) {
            return Some(session.value.clone());
        }
        server.session = None;
        self.counted.stale += 1;
        self.drop_if_empty(key);
        None
    }

    pub(super) fn remove_session(&mut self, key: &K) {
        if let Some(server) = self.servers.peek_mut(key) {
            server.session = None;
            self.drop_if_empty(key);
        }
    }

    /// Keeps a hint, and returns the server that had to go for it.
    pub(super) fn set_hint(&mut self, key: K, group: NamedGroup) -> Option<Server<T, S>> {
        let (server, evicted) = Self::server(&mut self.servers, &mut self.counted, key);
        server.hint = Some(group);
        evicted
    }

    /// Not a use of the server: rustls has asked for a ticket just before.
    pub(super) fn hint(&self, key: &K) -> Option<NamedGroup> {
        self.servers.peek(key)?.hint
    }

    /// Empties it, and returns what was there.
    pub(super) fn clear(&mut self) -> LruCache<K, Server<T, S>> {
        let empty = LruCache::sparse(self.servers.cap());
        std::mem::replace(&mut self.servers, empty)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.servers.retain(|key, _| keep(key));
    }

    pub(super) fn stats(&self) -> TicketStats {
        TicketStats {
            servers: self.servers.len() as u64,
            tickets: self.servers.iter().map(|(_, server)| server.len()).sum(),
            ..self.counted
        }
    }

    /// The server of `key`, which is the last used one now; a new one takes the
    /// place of the one that was not used for longest.
    fn server<'a>(
        servers: &'a mut LruCache<K, Server<T, S>>,
        counted: &mut TicketStats,
        key: K,
    ) -> (&'a mut Server<T, S>, Option<Server<T, S>>) {
        let full = servers.len() == servers.cap().get();
        let evicted = if full && !servers.contains(&key) {
            servers.pop_lru().map(|(_, server)| server)
        } else {
            None
        };
        counted.evicted += evicted.as_ref().map_or(0, Server::len);
        (servers.get_or_insert_mut(key, Server::default), evicted)
    }

    fn drop_if_empty(&mut self, key: &K) {
        if self.servers.peek(key).is_some_and(Server::is_empty) {
            self.servers.pop(key);
        }
    }
}
