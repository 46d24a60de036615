//! What sessions are resumed with, at a client's end.

mod lifetime;
mod servers;
mod stats;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio_rustls::rustls::NamedGroup;
use tokio_rustls::rustls::client::{
    ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use tokio_rustls::rustls::pki_types::ServerName;

use servers::{Kept, Lives, Servers};
pub use stats::TicketStats;

/// RFC 8446, section 4.6.1: "Clients MUST NOT cache tickets for longer than 7
/// days, regardless of the `ticket_lifetime`".
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Where a server of TLS 1.2 leaves it open. RFC 5246, appendix F.1.4: "An upper
/// limit of 24 hours is suggested for session ID lifetimes".
const UNSPECIFIED: Duration = Duration::from_secs(24 * 60 * 60);

/// What a rustls client resumes sessions with: tickets of TLS 1.3, sessions of
/// TLS 1.2, and the key exchange groups that servers chose. A cheap handle, to be
/// cloned freely; clones share everything.
///
/// Why: a resumed handshake saves the certificates and their verification, which
/// is most of what connecting costs the processor. rustls keeps the tickets of
/// 32 servers by default, forgets the server that it met first and not the one
/// that it does not need, and does not say what comes of them.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use framewright::tls::TicketStore;
/// use tokio_rustls::rustls::client::Resumption;
/// use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
///
/// # fn main() -> Result<(), tokio_rustls::rustls::Error> {
/// let store = TicketStore::default();
///
/// let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
///     .with_safe_default_protocol_versions()?
///     .with_root_certificates(RootCertStore::empty())
///     .with_no_client_auth();
/// config.resumption = Resumption::store(Arc::new(store.partition()));
///
/// assert_eq!(store.stats().tickets, 0);
/// # Ok(())
/// # }
/// ```
///
/// # Partitions
///
/// A resumed session rests on the verification of the one that it goes back to,
/// so two configurations that trust differently must never share tickets. Give
/// each rustls configuration a [`partition`](Self::partition) of its own: they
/// share the memory and the counters, and never see what is in another.
///
/// rustls itself refuses a ticket whose verifier, or whose source of client
/// certificates, is not the very same `Arc` as that of the new connection. Make
/// one verifier for each configuration and clone the configuration's `Arc`; with
/// a verifier for each connection nothing is ever resumed.
///
/// # What is kept, and for how long
///
/// - So many servers as [`new`](Self::new) was told; the one that no handshake
///   asked for or brought anything of for the longest time goes first. A server
///   counts even if only its key exchange group is known, and once for each
///   partition.
/// - Eight TLS 1.3 tickets of each server. The newest are kept, and the newest
///   is given out first. Each is given out once, so that nobody can link two
///   connections by it (RFC 8446, appendix C.4).
/// - One TLS 1.2 session of each server, given out until a newer one comes: TLS
///   1.2 resumes the same session many times.
/// - A ticket of TLS 1.3 is used for the lifetime that the server gave it, and
///   for at most 7 days. One with a lifetime of zero "should be discarded
///   immediately" (RFC 8446, section 4.6.1) and is not used after its first
///   second, although rustls would use it.
/// - A session of TLS 1.2 is used for the lifetime that the server hints at,
///   and for at most 7 days. Zero leaves it open (RFC 5077, section 3.3): that
///   is taken for 24 hours. When a session is resumed and the server sends no
///   new ticket, rustls saves it anew, and the 24 hours begin anew.
/// - Ages are those of the system's clock. What seems to come from the future,
///   since the clock was turned back, is not used.
/// - When the last handle to a partition is dropped, what it holds is forgotten.
///
/// The bound is one of numbers. rustls keeps the certificates of the server with
/// each ticket: count on 8 KiB for each, or 64 MiB for 1024 servers that all
/// send eight.
#[derive(Clone)]
pub struct TicketStore {
    partition: Arc<Partition>,
}

impl TicketStore {
    /// An empty store for `servers` servers, at least one.
    #[must_use]
    pub fn new(servers: usize) -> Self {
        Self::with_clock(servers, Box::new(SystemTime::now))
    }

    fn with_clock(servers: usize, clock: Clock) -> Self {
        let servers = NonZeroUsize::new(servers).unwrap_or(NonZeroUsize::MIN);
        Self::of(Arc::new(Shared {
            servers: Mutex::new(Servers::new(servers)),
            partitions: AtomicU64::new(0),
            clock,
        }))
    }

    fn of(shared: Arc<Shared>) -> Self {
        let id = shared.partitions.fetch_add(1, Relaxed);
        Self {
            partition: Arc::new(Partition { id, shared }),
        }
    }

    /// A store within the same memory and with the same counters, that has none
    /// of the tickets that are in this one or in any other, and never shows its
    /// own to them. One for each rustls configuration.
    #[must_use]
    pub fn partition(&self) -> Self {
        Self::of(self.partition.shared.clone())
    }

    /// Forgets everything, in all partitions. The counters stay.
    pub fn clear(&self) {
        let everything = self.partition.shared.servers.lock().clear();
        // Thousands of tickets may be there: freed without the lock.
        drop(everything);
    }

    /// What was counted up to now, over all partitions. Visits every server: for
    /// metrics, not for a hot path.
    #[must_use]
    pub fn stats(&self) -> TicketStats {
        self.partition.shared.servers.lock().stats()
    }
}

/// A store for 1024 servers.
impl Default for TicketStore {
    fn default() -> Self {
        Self::new(1024)
    }
}

/// Shows the counters, and nothing that is kept.
impl fmt::Debug for TicketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketStore")
            .field("partition", &self.partition.id)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl ClientSessionStore for TicketStore {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        let (key, shared) = self.partition.key(server_name);
        let evicted = shared.servers.lock().set_hint(key, group);
        drop(evicted);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        let (key, shared) = self.partition.key(server_name.to_owned());
        shared.servers.lock().hint(&key)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        let (key, shared) = self.partition.key(server_name);
        let mut servers = shared.servers.lock();
        let session = shared.kept(value);
        let evicted = servers.set_session(key, session);
        drop(servers);
        drop(evicted);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let (key, shared) = self.partition.key(server_name.to_owned());
        let mut servers = shared.servers.lock();
        servers.session(&key, (shared.clock)())
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        let (key, shared) = self.partition.key(server_name.clone());
        shared.servers.lock().remove_session(&key);
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        let (key, shared) = self.partition.key(server_name);
        let mut servers = shared.servers.lock();
        let ticket = shared.kept(value);
        let evicted = servers.insert(key, ticket);
        drop(servers);
        drop(evicted);
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        let (key, shared) = self.partition.key(server_name.clone());
        let mut servers = shared.servers.lock();
        servers.take(&key, (shared.clock)())
    }
}

/// A server, in one partition.
type Key = (u64, ServerName<'static>);

/// Read with the lock held, so that no ticket seems to come from the future of
/// another thread.
type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

/// What all partitions share.
struct Shared {
    /// All that is shared but for figures, and nobody waits: there is no model of it.
    servers: Mutex<Servers<Key, Tls13ClientSessionValue, Tls12ClientSessionValue>>,
    /// How many there ever were: the next one's identity.
    partitions: AtomicU64,
    clock: Clock,
}

impl Shared {
    fn kept<T>(&self, value: T) -> Kept<T> {
        let since = (self.clock)();
        Kept { value, since }
    }
}

impl Lives for Tls13ClientSessionValue {
    /// Zero where the server says that it is not to be used.
    fn lifetime(&self) -> Duration {
        lifetime::seconds(self).map_or(LONGEST, |seconds| {
            Duration::from_secs(seconds.into()).min(LONGEST)
        })
    }
}

impl Lives for Tls12ClientSessionValue {
    fn lifetime(&self) -> Duration {
        match lifetime::seconds(self) {
            None => LONGEST,
            Some(0) => UNSPECIFIED,
            Some(seconds) => Duration::from_secs(seconds.into()).min(LONGEST),
        }
    }
}

/// What all clones of a handle share.
struct Partition {
    id: u64,
    shared: Arc<Shared>,
}

impl Partition {
    fn key(&self, server_name: ServerName<'static>) -> (Key, &Shared) {
        ((self.id, server_name), &self.shared)
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let id = self.id;
        self.shared.servers.lock().retain(|key| key.0 != id);
    }
}
