//! With handshakes in memory, and by a clock that the test moves.

mod model;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio_rustls::rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::ProducesTickets;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, HandshakeKind, NamedGroup, ServerConfig, SupportedProtocolVersion,
};

use super::servers::TICKETS;
use super::{LONGEST, TicketStore, lifetime};
use crate::tls::testing::{Authority, connect, name, params};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Tickets of lifetimes that the test chooses.
#[derive(Debug)]
struct Ticketer {
    inner: Arc<dyn ProducesTickets>,
    lifetime: AtomicU32,
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.lifetime.load(Relaxed)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.inner.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.inner.decrypt(cipher)
    }
}

/// A server, a client of it, and a store with a clock.
struct World {
    authority: Authority,
    server: Arc<ServerConfig>,
    ticketer: Arc<Ticketer>,
    clock: Arc<AtomicU64>,
    store: TicketStore,
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl World {
    fn new(version: &'static SupportedProtocolVersion, tickets: usize) -> Self {
        let authority = Authority::new();
        let leaf = authority.leaf(&params(&["a.test", "b.test"], 1, 0, 4_000_000_000));
        let ticketer = Arc::new(Ticketer {
            inner: ring::Ticketer::new().unwrap(),
            lifetime: AtomicU32::new(7200),
        });
        let mut server = authority.server(&leaf, version);
        server.ticketer = ticketer.clone();
        server.send_tls13_tickets = tickets;
        let clock = Arc::new(AtomicU64::new(1000));
        let time = clock.clone();
        let store = TicketStore::with_clock(1024, Box::new(move || at(time.load(Relaxed))));
        let client = Arc::new(client(&authority, &store));
        Self {
            authority,
            server: Arc::new(server),
            ticketer,
            clock,
            store,
            client,
            name: name("a.test"),
        }
    }

    fn is_resumed(&self) -> bool {
        self.is_resumed_by(&self.client)
    }

    fn is_resumed_by(&self, client: &Arc<ClientConfig>) -> bool {
        let client = connect(client, &self.server, &self.name).unwrap();
        client.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    fn lifetime(&self, seconds: u32) {
        self.ticketer.lifetime.store(seconds, Relaxed);
    }

    fn clock(&self, seconds: u64) {
        self.clock.store(seconds, Relaxed);
    }
}

fn client(authority: &Authority, store: &TicketStore) -> ClientConfig {
    let mut client = authority.client();
    client.resumption = Resumption::store(Arc::new(store.clone()));
    client
}

#[test]
fn a_hundred_connections_are_resumed() {
    for version in [&TLS13, &TLS12] {
        let world = World::new(version, 2);
        let resumed = (0..100).filter(|_| world.is_resumed()).count();
        assert_eq!(resumed, 99, "{version:?}");
        let stats = world.store.stats();
        assert_eq!((stats.hits, stats.misses), (99, 1), "{stats:?}");
        assert_eq!((stats.servers, stats.stale), (1, 0), "{stats:?}");
    }
}

/// Writes down what it shows of each session that passes.
#[derive(Debug)]
struct Recorder {
    inner: TicketStore,
    put: Mutex<Vec<String>>,
    taken: Mutex<Vec<String>>,
}

impl ClientSessionStore for Recorder {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.inner.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.inner.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.put.lock().push(format!("{value:?}"));
        assert!(lifetime::seconds(&value).is_some());
        self.inner.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.inner.tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.inner.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        assert_eq!(lifetime::seconds(&value), Some(7200));
        self.put.lock().push(format!("{value:?}"));
        self.inner.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        let taken = self.inner.take_tls13_ticket(server_name)?;
        self.taken.lock().push(format!("{taken:?}"));
        Some(taken)
    }
}

fn recorded(version: &'static SupportedProtocolVersion, tickets: usize) -> (World, Arc<Recorder>) {
    let mut world = World::new(version, tickets);
    let recorder = Arc::new(Recorder {
        inner: world.store.clone(),
        put: Mutex::default(),
        taken: Mutex::default(),
    });
    let mut client = world.authority.client();
    client.resumption = Resumption::store(recorder.clone());
    world.client = Arc::new(client);
    (world, recorder)
}

/// RFC 8446, appendix C.4: "Clients SHOULD NOT reuse a ticket for multiple
/// connections."
#[test]
fn each_ticket_is_given_out_once_and_the_newest_first() {
    let (world, recorder) = recorded(&TLS13, 12);
    assert!(!world.is_resumed());
    let put = recorder.put.lock().clone();
    assert_eq!(put.len(), 12);
    assert_eq!(world.store.stats().tickets, TICKETS as u64);
    assert_eq!(world.store.stats().evicted, 4);
    let taken: Vec<_> = std::iter::from_fn(|| {
        let ticket = world.store.take_tls13_ticket(&world.name)?;
        Some(format!("{ticket:?}"))
    })
    .collect();
    let newest: Vec<_> = put.iter().rev().take(TICKETS).cloned().collect();
    assert_eq!(taken, newest);

    recorder.taken.lock().clear();
    assert!(!world.is_resumed());
    for _ in 0..50 {
        assert!(world.is_resumed());
    }
    let taken = recorder.taken.lock();
    let distinct: HashSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), distinct.len()), (50, 50));
}

/// If this fails after an update of rustls: `lifetime.rs` reads what its `Debug`
/// shows, and needs another place to read it from.
#[test]
fn rustls_shows_the_lifetime_of_a_session() {
    let (world, recorder) = recorded(&TLS13, 1);
    assert!(!world.is_resumed());
    assert_eq!(recorder.put.lock().len(), 1);

    let (world, recorder) = recorded(&TLS12, 1);
    assert!(!world.is_resumed());
    assert_eq!(recorder.put.lock().len(), 1);
    let session = world.store.tls12_session(&world.name).unwrap();
    assert_eq!(lifetime::seconds(&session), Some(7200));
}

#[test]
fn what_is_past_its_lifetime_is_skipped() {
    for version in [&TLS13, &TLS12] {
        let world = World::new(version, 1);
        assert!(!world.is_resumed());
        world.clock(1000 + 7199);
        assert!(world.is_resumed(), "{version:?}");
        let world = World::new(version, 1);
        assert!(!world.is_resumed());
        world.clock(1000 + 7200);
        assert!(!world.is_resumed(), "{version:?}");
        assert_eq!(world.store.stats().stale, 1);
    }
}

#[test]
fn an_older_ticket_that_lives_longer_is_used() {
    let world = World::new(&TLS13, 1);
    assert!(!world.is_resumed());
    let long = world.store.take_tls13_ticket(&world.name).unwrap();
    world.lifetime(60);
    assert!(!world.is_resumed());
    let short = world.store.take_tls13_ticket(&world.name).unwrap();
    world.store.insert_tls13_ticket(world.name.clone(), long);
    world.store.insert_tls13_ticket(world.name.clone(), short);
    world.clock(1000 + 60);
    assert!(world.is_resumed());
    let stats = world.store.stats();
    assert_eq!((stats.stale, stats.misses), (1, 2), "{stats:?}");
}

/// RFC 8446, section 4.6.1: "Clients MUST NOT cache tickets for longer than 7
/// days, regardless of the `ticket_lifetime`".
#[test]
fn nothing_is_used_after_seven_days() {
    for version in [&TLS13, &TLS12] {
        let world = World::new(version, 1);
        world.lifetime(30 * 24 * 60 * 60);
        assert!(!world.is_resumed());
        world.clock(1000 + LONGEST.as_secs());
        assert!(!world.is_resumed(), "{version:?}");
    }
}

/// RFC 8446, section 4.6.1: "The value of zero indicates that the ticket should
/// be discarded immediately."
#[test]
fn a_ticket_with_a_lifetime_of_zero_is_not_used() {
    let world = World::new(&TLS13, 3);
    world.lifetime(0);
    assert!(!world.is_resumed());
    world.clock(1001);
    assert!(!world.is_resumed());
    let stats = world.store.stats();
    assert_eq!((stats.hits, stats.stale, stats.tickets), (0, 3, 3));
}

/// RFC 5077, section 3.3: "A value of zero is reserved to indicate that the
/// lifetime of the ticket is unspecified."
#[test]
fn a_session_with_no_lifetime_is_kept_for_a_day() {
    let world = World::new(&TLS12, 0);
    world.lifetime(0);
    assert!(!world.is_resumed());
    world.clock(1000 + 24 * 60 * 60 - 1);
    assert!(world.is_resumed());
    world.clock(world.clock.load(Relaxed) + 24 * 60 * 60);
    assert!(!world.is_resumed());
}

#[test]
fn a_clock_that_is_turned_back_makes_stale() {
    for version in [&TLS13, &TLS12] {
        let world = World::new(version, 1);
        assert!(!world.is_resumed());
        world.clock(999);
        assert!(!world.is_resumed(), "{version:?}");
        assert_eq!(world.store.stats().stale, 1);
        assert!(world.is_resumed());
    }
}

#[test]
fn partitions_never_see_each_others_tickets() {
    for version in [&TLS13, &TLS12] {
        let world = World::new(version, 2);
        let other = world.store.partition();
        // The same verifier, so that rustls would let it.
        let mut config = ClientConfig::clone(&world.client);
        config.resumption = Resumption::store(Arc::new(other.clone()));
        let config = Arc::new(config);

        assert!(!world.is_resumed());
        assert_eq!(other.kx_hint(&world.name), None);
        assert!(!world.is_resumed_by(&config), "{version:?}");
        assert!(world.is_resumed() && world.is_resumed_by(&config));
        assert_eq!(other.stats(), world.store.stats());
        assert_eq!(other.stats().servers, 2);

        let again = Arc::new(client(&world.authority, &other.clone()));
        assert!(
            !world.is_resumed_by(&again),
            "rustls resumes with the same verifier only"
        );
        drop((config, again, other));
        assert_eq!(world.store.stats().servers, 1, "forgotten with its handles");
        assert!(world.is_resumed());
    }
}

#[test]
fn names_have_tickets_of_their_own() {
    let mut world = World::new(&TLS13, 2);
    assert!(!world.is_resumed());
    world.name = name("b.test");
    assert!(!world.is_resumed());
    assert!(world.is_resumed());
    world.name = name("A.TEST");
    assert!(world.is_resumed());
}

#[test]
fn nothing_is_left_after_a_clear() {
    let world = World::new(&TLS13, 2);
    let other = world.store.partition();
    other.set_kx_hint(world.name.clone(), NamedGroup::X25519);
    assert!(!world.is_resumed());
    world.store.clear();
    let stats = world.store.stats();
    assert_eq!((stats.servers, stats.tickets, stats.stored), (0, 0, 2));
    assert_eq!(other.kx_hint(&world.name), None);
    assert!(!world.is_resumed());
    assert!(world.is_resumed());
}

#[test]
fn a_store_for_none_is_one_for_one() {
    let store = TicketStore::new(0);
    store.set_kx_hint(name("a.test"), NamedGroup::X25519);
    store.set_kx_hint(name("b.test"), NamedGroup::X25519);
    assert_eq!(store.stats().servers, 1);
    assert!(store.kx_hint(&name("b.test")).is_some());
}

#[test]
fn debug_shows_no_tickets() {
    let world = World::new(&TLS13, 2);
    assert!(!world.is_resumed());
    let shown = format!("{:?}", world.store);
    assert!(shown.starts_with("TicketStore { partition: 0, stats: TicketStats { stored: 2,"));
    assert!(shown.len() < 200 && !shown.contains("a.test"), "{shown}");
}
