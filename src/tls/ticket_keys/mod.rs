//! Session tickets that every instance of a fleet opens.

mod binding;
mod builder;
mod key_file;
mod ring;
mod seal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::RwLock;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::server::ProducesTickets;

pub use binding::TicketBinding;
pub use builder::{TicketKeyError, TicketKeysBuilder};

use super::watch::Ticker;
use key_file::KeyFile;
use ring::{DerivedKeys, Ring};
use seal::{Crypto, Opened};

/// Keys of session tickets (RFC 8446, section 4.6.1; RFC 5077) that several
/// processes share, so that a session which one of them began is resumed by any
/// other: a cheap handle, to be cloned freely.
///
/// Why: rustls' own ticketer makes up its keys. Behind a load balancer, and
/// after each restart, its tickets are refused, and every client pays a full
/// handshake. The cost is a secret that must be distributed, and kept.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use framewright::tls::{TicketBinding, TicketKeys};
/// use tokio_rustls::rustls::ServerConfig;
/// use tokio_rustls::rustls::crypto::ring::default_provider;
///
/// # fn make(mut config: ServerConfig, secret: [u8; 32]) -> Result<ServerConfig, Box<dyn std::error::Error>> {
/// let keys = TicketKeys::from_secret(&secret, &default_provider())?;
/// let binding = TicketBinding::new()
///     .virtual_host("shop")
///     .client_auth("none")
///     .alpn(&config.alpn_protocols);
/// config.ticketer = keys.ticketer(binding);
/// # Ok(config)
/// # }
/// ```
///
/// # Where the keys come from
///
/// - **One secret** of 32 octets, from memory or a file
///   ([`from_secret`](Self::from_secret),
///   [`from_secret_file`](Self::from_secret_file)). The key of epoch *e*, which
///   is the Unix time divided by the [rotation](TicketKeysBuilder::rotation), is
///   derived from it: nothing but the secret need be shared. Tickets are made
///   with the key of *e*; those of *e* - 1 and of *e* + 1, which come from
///   processes whose clock is ahead, are opened too. Clocks may differ by up to
///   a rotation.
/// - **A key file** ([`from_key_file`](Self::from_key_file)) that something else
///   rotates, and that is re-read when it changes.
///
/// # Forward secrecy
///
/// Whoever learns a ticket's key, and has recorded what went over the wire, can
/// decrypt the TLS 1.2 sessions that the ticket belongs to, the first included.
/// Those of TLS 1.3 stay secret: each resumed one has a key exchange of its own,
/// as rustls does not resume without. But with the key anyone can make tickets,
/// and so pass for a client with a certificate, or for the server towards those
/// that resume: guard it as the private key of a certificate.
///
/// Derived keys can be had again as long as the secret is there: they are as
/// good as **the rotation of the secret itself**. A key that is taken out of a
/// key file is gone: the octets held here are overwritten, and what the crypto
/// provider made of them is freed (aws-lc-rs overwrites that too, ring does
/// not).
///
/// # What is in a ticket
///
/// 16 octets that name the key and tell nothing of it, 32 random octets, and
/// rustls' session, encrypted with AES-256-GCM under a key of this ticket's own
/// that HKDF (RFC 5869) with SHA-384 derives. So no number of tickets comes near
/// the limits of a nonce. All of it is done by the [`CryptoProvider`], which must
/// have the suite `TLS13_AES_256_GCM_SHA384`; processes with ring and with
/// aws-lc-rs open each other's tickets.
///
/// A session over 16,384 octets, as with a very long chain of client
/// certificates, gets no ticket; its connection is not affected. A ticket that
/// is not known here, or was tampered with, leads to a full handshake and to no
/// error.
///
/// # Early data
///
/// With any stateless ticketer rustls accepts no early data (0-RTT), which could
/// be replayed.
#[derive(Clone)]
pub struct TicketKeys {
    handle: Arc<Handle>,
}

impl TicketKeys {
    /// Keys that are derived from a secret, with the defaults of
    /// [`builder`](Self::builder).
    ///
    /// The secret must be random, as from `openssl rand 32`, and no password.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] if the provider lacks the cipher suite.
    pub fn from_secret(
        secret: &[u8; 32],
        provider: &CryptoProvider,
    ) -> Result<Self, TicketKeyError> {
        Self::builder(provider).secret(secret)
    }

    /// Keys that are derived from a secret in a file, with the defaults of
    /// [`builder`](Self::builder): 32 octets, or 64 hexadecimal digits with
    /// white space around them. It must be a regular file, not a pipe, and is read
    /// once.
    ///
    /// 32 octets that are hexadecimal digits, as `openssl rand -hex 16` prints
    /// them, are refused: they are half as many random bits as it seems.
    ///
    /// Warns in the log if every user of the machine may read it.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] if the file is unreadable or holds something else, or
    /// if the provider lacks the cipher suite.
    pub fn from_secret_file(
        path: impl AsRef<Path>,
        provider: &CryptoProvider,
    ) -> Result<Self, TicketKeyError> {
        Self::builder(provider).secret_file(path)
    }

    /// Keys from a file, with the defaults of [`builder`](Self::builder), of
    /// lines such as these, in any order:
    ///
    /// ```text
    /// # rotated on Monday
    /// previous 64 hexadecimal digits
    /// current  64 hexadecimal digits
    /// next     64 hexadecimal digits
    /// ```
    ///
    /// Tickets are made with the current key, which must be there; those of all
    /// are opened. To rotate, put the next key into every file, and when all have
    /// it make it the current one, and the current one the previous. Replace the
    /// file by renaming another: that has no moment at which half is there.
    ///
    /// # Changes
    ///
    /// A thread looks at the file's times, length and inode every second, and
    /// re-reads it once a change is a second old; [`reload`](Self::reload) does
    /// so at once. The thread ends with the last handle and ticketer. A broken
    /// file leaves the keys as they were, is logged and counted, as is anything
    /// but a regular file of 64 KiB or less. So is one that is missing, if it still
    /// is at the next look.
    ///
    /// A current key that was not in the file before opens tickets at once, but
    /// makes them only after the [lead](TicketKeysBuilder::lead), in which the
    /// other instances learn it too; until then the old one makes them, if it is
    /// still listed. When the process starts, all are taken to be known.
    ///
    /// Warns in the log if every user of the machine may read it.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] if the file is unreadable or broken, if the provider
    /// lacks the cipher suite, or if the thread cannot be started.
    pub fn from_key_file(
        path: impl AsRef<Path>,
        provider: &CryptoProvider,
    ) -> Result<Self, TicketKeyError> {
        Self::builder(provider).key_file(path)
    }

    /// For other times than the defaults.
    pub fn builder(provider: &CryptoProvider) -> TicketKeysBuilder<'_> {
        TicketKeysBuilder::new(provider)
    }

    /// What goes into [`ServerConfig::ticketer`]: its tickets are opened by
    /// ticketers of the same binding only, of these keys or of the same ones in
    /// another process.
    ///
    /// [`ServerConfig::ticketer`]: tokio_rustls::rustls::ServerConfig::ticketer
    #[must_use]
    pub fn ticketer(&self, binding: TicketBinding) -> Arc<dyn ProducesTickets> {
        Arc::new(Ticketer {
            keys: self.clone(),
            binding: binding.encoded(),
        })
    }

    /// Re-reads a key file now, whether it changed or not, and says whether its
    /// keys did. Does nothing for keys that are derived.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] if the file is unreadable or broken: the keys stay as
    /// they were.
    pub fn reload(&self) -> Result<bool, TicketKeyError> {
        self.handle.shared.look(true)
    }

    /// What these keys have done up to now, for all ticketers together. Waits for
    /// no file.
    #[must_use]
    pub fn stats(&self) -> TicketKeyStats {
        let shared = &self.handle.shared;
        let Tally {
            encrypted,
            decrypted,
            unknown_key,
            rejected,
            rotations,
            reload_errors,
        } = &shared.tally;
        TicketKeyStats {
            encrypted: encrypted.load(Relaxed),
            decrypted: decrypted.load(Relaxed),
            unknown_key: unknown_key.load(Relaxed),
            rejected: rejected.load(Relaxed),
            rotations: rotations.load(Relaxed),
            reload_errors: reload_errors.load(Relaxed),
            last_error: match &shared.source {
                Source::Derived(_) => None,
                Source::File(file) => file.last_error(),
            },
        }
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys")
            .field("lifetime", &self.handle.shared.lifetime)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// What [`TicketKeys`] have done, since they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TicketKeyStats {
    /// Tickets that were made.
    pub encrypted: u64,
    /// Tickets that were opened. A few of these may still lead to a full
    /// handshake, for reasons that rustls has.
    pub decrypted: u64,
    /// Tickets whose key is not known: expired, of another binding, of another
    /// server, or made up.
    pub unknown_key: u64,
    /// Tickets of a known key that fail authentication: damaged, or forged.
    pub rejected: u64,
    /// How often the set of keys changed.
    pub rotations: u64,
    /// How often a key file was found unreadable or broken. The same fault is
    /// counted once, however often the file is looked at. A panic of the thread
    /// that looks, which goes on, is counted each time.
    pub reload_errors: u64,
    /// What is wrong with the key file now, if anything.
    pub last_error: Option<String>,
}

#[derive(Debug, Default)]
struct Tally {
    encrypted: AtomicU64,
    decrypted: AtomicU64,
    unknown_key: AtomicU64,
    rejected: AtomicU64,
    rotations: AtomicU64,
    reload_errors: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// What handles and ticketers share; the thread holds only the inner part.
struct Handle {
    shared: Arc<Shared>,
    _ticker: Option<Ticker>,
}

struct Shared {
    crypto: Crypto,
    clock: Clock,
    source: Source,
    /// What is in use now. A ticket takes this lock to read, for a moment.
    /// Replaced as a whole, and nobody waits: there is no model of it.
    ring: RwLock<Arc<Ring>>,
    lifetime: Duration,
    tally: Tally,
}

enum Source {
    Derived(DerivedKeys),
    File(Box<KeyFile>),
}

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug)]
struct Now {
    /// Seconds of Unix time: what instances agree about.
    unix: u64,
    /// Since the keys were made; never goes back.
    uptime: Duration,
}

type Clock = Box<dyn Fn() -> Now + Send + Sync>;

impl Shared {
    /// The keys for this moment.
    fn ring(&self, now: Now) -> Arc<Ring> {
        let ring = self.ring.read().clone();
        let Source::Derived(keys) = &self.source else {
            return ring;
        };
        if keys.is_current(&ring, now) {
            return ring;
        }
        let mut slot = self.ring.write();
        if !keys.is_current(&slot, now) {
            *slot = Arc::new(keys.ring(now, Some(&slot), &self.crypto));
            count(&self.tally.rotations);
        }
        slot.clone()
    }

    fn count_error(&self) {
        count(&self.tally.reload_errors);
    }

    /// Looks whether a key file changed, and takes it up.
    fn look(&self, force: bool) -> Result<bool, TicketKeyError> {
        let Source::File(file) = &self.source else {
            return Ok(false);
        };
        let (found, counts) = file.look((self.clock)(), force, &self.crypto, &self.ring);
        match &found {
            Ok(false) => {}
            Ok(true) => {
                count(&self.tally.rotations);
                tracing::info!(path = %file.path().display(), "ticket keys changed");
            }
            Err(error) if counts => {
                self.count_error();
                let error: &dyn std::error::Error = error;
                tracing::warn!(error, "ticket keys stay as they were");
            }
            Err(_) => {}
        }
        found
    }
}

/// [`TicketKeys`] for one binding.
struct Ticketer {
    keys: TicketKeys,
    binding: Arc<[u8]>,
}

impl fmt::Debug for Ticketer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.fmt(f)
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    /// Seconds, at most seven days (RFC 8446, section 4.6.1).
    fn lifetime(&self) -> u32 {
        let seconds = self.keys.handle.shared.lifetime.as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let shared = &*self.keys.handle.shared;
        let now = (shared.clock)();
        let ring = shared.ring(now);
        let key = ring.encrypting(now).bound(&self.binding, &shared.crypto);
        let ticket = key.seal(plain, &shared.crypto)?;
        count(&shared.tally.encrypted);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let shared = &*self.keys.handle.shared;
        let ring = shared.ring((shared.clock)());
        for epoch in ring.accepted() {
            match epoch
                .bound(&self.binding, &shared.crypto)
                .open(ticket, &shared.crypto)
            {
                Opened::Plain(plain) => {
                    count(&shared.tally.decrypted);
                    return Some(plain);
                }
                Opened::Rejected => {
                    count(&shared.tally.rejected);
                    return None;
                }
                Opened::OtherKey => {}
            }
        }
        count(&shared.tally.unknown_key);
        None
    }
}
