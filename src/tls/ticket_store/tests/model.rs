//! The plain part against a naive oracle.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use tokio_rustls::rustls::NamedGroup;
use tokio_rustls::rustls::client::ClientSessionStore;

use super::super::servers::{Kept, Lives, Servers};
use super::super::{TicketStats, TicketStore};
use super::at;
use crate::tls::testing::name;

type Key = (u8, u8);

#[derive(Clone, Debug)]
enum Op {
    Insert(Key, u64),
    Take(Key),
    SetSession(Key, u64),
    Session(Key),
    RemoveSession(Key),
    SetHint(Key, u16),
    Hint(Key),
    Clock(i64),
    Forget(u8),
    Clear,
}

fn op() -> impl Strategy<Value = Op> {
    // Few, so that a server comes to its ninth ticket.
    let key = || (0..2u8, 0..3u8);
    let life = || 1..40u64;
    prop_oneof![
        40 => (key(), life()).prop_map(|(key, life)| Op::Insert(key, life)),
        8 => key().prop_map(Op::Take),
        3 => (key(), life()).prop_map(|(key, life)| Op::SetSession(key, life)),
        3 => key().prop_map(Op::Session),
        1 => key().prop_map(Op::RemoveSession),
        2 => (key(), 0..9u16).prop_map(|(key, group)| Op::SetHint(key, group)),
        2 => key().prop_map(Op::Hint),
        6 => (-2..6i64).prop_map(Op::Clock),
        1 => (0..2u8).prop_map(Op::Forget),
        1 => Just(Op::Clear),
    ]
}

/// What is kept of one server: values with the times from and to which they may
/// be used.
#[derive(Default)]
struct Known {
    key: Key,
    hint: Option<NamedGroup>,
    session: Option<(u32, u64, u64)>,
    tickets: Vec<(u32, u64, u64)>,
}

/// As plain as can be: one list, the last used server at its end.
struct Oracle {
    capacity: usize,
    known: Vec<Known>,
    stats: TicketStats,
}

impl Oracle {
    fn touch(&mut self, key: Key) -> Option<&mut Known> {
        let at = self.known.iter().position(|known| known.key == key)?;
        let known = self.known.remove(at);
        self.known.push(known);
        self.known.last_mut()
    }

    fn make(&mut self, key: Key) -> &mut Known {
        if self.touch(key).is_none() {
            if self.known.len() == self.capacity {
                let gone = self.known.remove(0);
                self.stats.evicted += gone.tickets.len() as u64;
                self.stats.evicted += u64::from(gone.session.is_some());
            }
            self.known.push(Known {
                key,
                ..Known::default()
            });
        }
        self.known.last_mut().unwrap()
    }

    fn sweep(&mut self) {
        self.known.retain(|known| {
            known.hint.is_some() || known.session.is_some() || !known.tickets.is_empty()
        });
    }

    fn insert(&mut self, key: Key, ticket: (u32, u64, u64)) {
        let known = self.make(key);
        known.tickets.push(ticket);
        if known.tickets.len() > 8 {
            known.tickets.remove(0);
            self.stats.evicted += 1;
        }
        self.stats.stored += 1;
    }

    fn take(&mut self, key: Key, now: u64) -> Option<u32> {
        let known = self.touch(key)?;
        let good = |&(_, from, until): &(_, u64, u64)| (from..until).contains(&now);
        let at = known.tickets.iter().rposition(good);
        let mut newer = known.tickets.split_off(at.unwrap_or(0));
        let found = at.map(|_| newer.remove(0).0);
        self.stats.stale += newer.len() as u64;
        self.stats.hits += u64::from(found.is_some());
        self.sweep();
        found
    }

    fn session(&mut self, key: Key, now: u64) -> Option<u32> {
        let found = self.touch(key).and_then(|known| known.session);
        let good = found.filter(|&(_, from, until)| (from..until).contains(&now));
        if found.is_some() && good.is_none() {
            self.touch(key).unwrap().session = None;
            self.stats.stale += 1;
        }
        self.stats.hits += u64::from(good.is_some());
        self.stats.misses += u64::from(good.is_none());
        self.sweep();
        good.map(|(value, ..)| value)
    }

    fn stats(&self) -> TicketStats {
        let tickets = |known: &Known| known.tickets.len() + usize::from(known.session.is_some());
        TicketStats {
            servers: self.known.len() as u64,
            tickets: self.known.iter().map(tickets).sum::<usize>() as u64,
            ..self.stats
        }
    }
}

/// A ticket or a session: its identity, and its lifetime in seconds.
#[derive(Clone)]
struct Token(u32, u64);

impl Lives for Token {
    fn lifetime(&self) -> Duration {
        Duration::from_secs(self.1)
    }
}

fn kept(id: u32, since: u64, life: u64) -> Kept<Token> {
    Kept {
        value: Token(id, life),
        since: at(since),
    }
}

proptest! {
    #[test]
    fn it_does_as_the_oracle_does(
        capacity in 1..7usize,
        ops in prop::collection::vec(op(), 1..400),
    ) {
        let mut servers = Servers::<Key, Token, Token>::new(capacity.try_into().unwrap());
        let mut oracle = Oracle { capacity, known: Vec::new(), stats: TicketStats::default() };
        let mut now = 1000u64;
        let mut given = HashSet::new();
        for (id, op) in (0..).zip(ops) {
            match op {
                Op::Insert(key, life) => {
                    drop(servers.insert(key, kept(id, now, life)));
                    oracle.insert(key, (id, now, now + life));
                }
                Op::Take(key) => {
                    let ticket = servers.take(&key, at(now)).map(|token| token.0);
                    prop_assert_eq!(ticket, oracle.take(key, now));
                    prop_assert!(ticket.is_none_or(|id| given.insert(id)), "given out twice");
                }
                Op::SetSession(key, life) => {
                    drop(servers.set_session(key, kept(id, now, life)));
                    oracle.make(key).session = Some((id, now, now + life));
                    oracle.stats.stored += 1;
                }
                Op::Session(key) => {
                    let session = servers.session(&key, at(now)).map(|token| token.0);
                    prop_assert_eq!(session, oracle.session(key, now));
                }
                Op::RemoveSession(key) => {
                    servers.remove_session(&key);
                    if let Some(known) = oracle.known.iter_mut().find(|known| known.key == key) {
                        known.session = None;
                    }
                    oracle.sweep();
                }
                Op::SetHint(key, group) => {
                    drop(servers.set_hint(key, group.into()));
                    oracle.make(key).hint = Some(group.into());
                }
                Op::Hint(key) => {
                    let known = oracle.known.iter().find(|known| known.key == key);
                    prop_assert_eq!(servers.hint(&key), known.and_then(|known| known.hint));
                }
                Op::Clock(by) => now = now.saturating_add_signed(by),
                Op::Forget(partition) => {
                    servers.retain(|key| key.0 != partition);
                    oracle.known.retain(|known| known.key.0 != partition);
                }
                Op::Clear => {
                    drop(servers.clear());
                    oracle.known.clear();
                }
            }
            prop_assert_eq!(servers.stats(), oracle.stats());
        }
    }
}

#[test]
fn a_hundred_thousand_servers_stay_within_the_bound() {
    let mut servers = Servers::<u32, Token, Token>::new(1024.try_into().unwrap());
    for id in 0..100_000 {
        drop(servers.insert(id, kept(id, 0, 60)));
        drop(servers.set_session(id, kept(id, 0, 60)));
        drop(servers.set_hint(id, NamedGroup::X25519));
    }
    let stats = servers.stats();
    assert_eq!((stats.servers, stats.tickets), (1024, 2048));
    assert_eq!((stats.stored, stats.evicted), (200_000, 200_000 - 2048));
    let newest = servers.take(&(100_000 - 1024), at(1));
    assert_eq!(newest.map(|token| token.0), Some(100_000 - 1024));
    assert!(servers.take(&(100_000 - 1025), at(1)).is_none());

    let store = TicketStore::default();
    for id in 0..100_000 {
        store.set_kx_hint(name(&format!("{id}.test")), NamedGroup::X25519);
    }
    assert_eq!(store.stats().servers, 1024);
    assert_eq!(store.kx_hint(&name("98975.test")), None);
    assert_eq!(store.kx_hint(&name("98976.test")), Some(NamedGroup::X25519));
}
