//! Chains that are verified once, and not on every connection.

mod entries;
mod key;
mod stats;
#[cfg(test)]
mod tests;
mod validity;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::verification::report;
use entries::{Entries, Entry, Found, Moment};
use key::{Asked, Key, Keys, Question};
pub use stats::VerifierStats;
use validity::Validity;

/// A verifier of server certificates that remembers which chains were found
/// good, for which names.
///
/// Why: when a client connects to the same servers again and again and has no
/// ticket, most of its handshake is spent on verifying the same chain again. A
/// hit costs a SHA-256 of what the server presents, and one lookup.
///
/// The signature of the handshake, which proves that the server has the key of
/// the certificate, is verified on each connection, as always. Nothing is
/// remembered of raw public keys (RFC 7250).
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use framewright::tls::CachingVerifier;
/// use tokio_rustls::rustls::client::WebPkiServerVerifier;
/// use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
///
/// # fn configure(roots: RootCertStore) -> Result<ClientConfig, Box<dyn std::error::Error>> {
/// let provider = Arc::new(ring::default_provider());
/// let inner =
///     WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
/// let verifier = CachingVerifier::new(inner, &provider)?.lifetime(Duration::from_secs(600));
///
/// let config = ClientConfig::builder_with_provider(provider)
///     .with_safe_default_protocol_versions()?
///     .dangerous()
///     .with_custom_certificate_verifier(Arc::new(verifier))
///     .with_no_client_auth();
/// # Ok(config)
/// # }
/// ```
///
/// # What is remembered, and for how long
///
/// Only that a verification succeeded; never an error. It is known by the leaf,
/// every intermediate in its place, the server's name, the stapled OCSP response
/// and this verifier: where one octet of them differs, the chain is verified
/// anew. It is used until the first of
///
/// - [`lifetime`](Self::lifetime) after the verification *began*, by the time
///   that rustls goes by and by the monotonic clock, whichever is later;
/// - the earliest `notAfter` of the leaf and of all intermediates that came with
///   it (RFC 5280, section 4.1.2.5), whether they were needed or not;
/// - the earliest `nextUpdate` of the stapled OCSP response (RFC 6960, section
///   4.2.2.1), if it has one;
/// - [`invalidate_all`](Self::invalidate_all);
///
/// and not before their `notBefore` and `thisUpdate`, nor by a clock that says
/// that the verification is yet to come. A chain of which a certificate, or the
/// OCSP response, cannot be read here is verified each time.
///
/// What else the verifier within goes by is asked again only when an entry is no
/// longer good. A revocation that it would learn of meanwhile, from a list (CRL)
/// that it looks up itself, counts that much later: choose the lifetime by that.
///
/// # Threads
///
/// When several threads ask the same at once, one verifies and the others block
/// until it has, for 100 milliseconds at most. If it takes longer, finds an error
/// or panics, each of the others verifies itself. So it does at once if it asks
/// within its own verification, since it would wait for itself.
///
/// Why there is a bound: the thread that verifies may need those that wait. A
/// verifier that fetches a list, and waits for it with
/// `tokio::task::block_in_place`, needs a worker of the runtime to drive its IO.
/// A worker that waits here can do nothing else meanwhile: a verifier that takes
/// longer than the bound costs each such connection that much on top.
pub struct CachingVerifier {
    inner: Arc<dyn ServerCertVerifier>,
    keys: Keys,
    instance: u64,
    /// How often everything was invalidated. Changes with the lock held.
    generation: AtomicU64,
    lifetime: Duration,
    state: Mutex<State>,
    /// How long to wait for another thread.
    patience: Duration,
    clock: Clock,
}

/// Many times what a verification takes that asks nobody, and little beside a
/// timeout of a handshake.
const PATIENCE: Duration = Duration::from_millis(100);

impl CachingVerifier {
    /// Remembers what `inner` finds good. `provider` is that of the rustls
    /// configuration: its SHA-256 is what entries are known by.
    ///
    /// # Defaults
    ///
    /// A [`lifetime`](Self::lifetime) of 30 minutes and a
    /// [`capacity`](Self::capacity) of 1024 entries.
    ///
    /// # Errors
    ///
    /// If no cipher suite of `provider` uses SHA-256.
    pub fn new(
        inner: Arc<dyn ServerCertVerifier>,
        provider: &CryptoProvider,
    ) -> Result<Self, NoSha256> {
        static INSTANCES: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            inner,
            keys: Keys::of(provider).ok_or(NoSha256)?,
            instance: INSTANCES.fetch_add(1, Ordering::Relaxed),
            generation: AtomicU64::new(0),
            lifetime: Duration::from_secs(30 * 60),
            state: Mutex::new(State {
                entries: Entries::new(1024),
                flights: HashMap::new(),
                counted: VerifierStats::default(),
            }),
            patience: PATIENCE,
            clock: Box::new(Instant::now),
        })
    }

    /// Sets how long an entry is used at most. Zero remembers nothing.
    ///
    /// Default: 30 minutes.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets how many entries there are at most, at least one. The one that was
    /// not used for longest goes first. An entry takes about 150 octets, however
    /// long the chain is.
    ///
    /// Default: 1024.
    #[must_use]
    pub fn capacity(mut self, entries: usize) -> Self {
        self.state.get_mut().entries = Entries::new(entries);
        self
    }

    /// Makes everything useless that was verified, or began to be, before: to be
    /// called when the verifier within learns of a revocation or trusts others
    /// than before.
    ///
    /// A verification that is under way still answers the connection that it is
    /// for, and no other.
    pub fn invalidate_all(&self) {
        let mut state = self.state.lock();
        self.generation.fetch_add(1, Ordering::Release);
        state.counted.invalidated += state.entries.len();
        let dropped = state.entries.clear();
        drop(state);
        drop(dropped);
    }

    /// What was counted up to now.
    #[must_use]
    pub fn stats(&self) -> VerifierStats {
        let state = self.state.lock();
        VerifierStats {
            entries: state.entries.len(),
            ..state.counted
        }
    }

    /// Says what is to be done about a question of this key.
    fn begin(&self, key: Key, now: Moment) -> Turn<'_> {
        let mut state = self.state.lock();
        if state.find(&key, now) {
            return Turn::Known;
        }
        let Some(flight) = state.flights.get(&key).cloned() else {
            state.counted.misses += 1;
            state.flights.insert(key, Arc::new(InFlight::new()));
            return Turn::Lead(Flight {
                state: &self.state,
                key,
            });
        };
        // If it is this very thread's, it cannot end while it is waited for.
        if flight.leader != thread::current().id() {
            state.counted.waited += 1;
            let deadline = Instant::now() + self.patience;
            let is_same = |other: &Arc<InFlight>| Arc::ptr_eq(other, &flight);
            while state.flights.get(&key).is_some_and(is_same) {
                if flight.ended.wait_until(&mut state, deadline).timed_out() {
                    break;
                }
            }
            if state.find(&key, now) {
                return Turn::Known;
            }
        }
        // Not to wait again: if that one failed, so may the next.
        state.counted.misses += 1;
        Turn::Alone
    }

    /// Puts an entry in, unless its verification was invalidated meanwhile.
    fn remember(&self, asked: Asked, key: Key, entry: Entry) {
        let mut state = self.state.lock();
        // Under the lock, so that it cannot change before the entry is in.
        if self.generation.load(Ordering::Acquire) == asked.generation {
            let evicted = state.entries.put(key, entry);
            state.counted.evicted += u64::from(evicted);
        }
    }

    /// Asks the verifier within.
    fn verify(&self, question: Question<'_>, now: UnixTime) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(
            question.leaf,
            question.intermediates,
            question.name,
            question.ocsp,
            now,
        );
        report(false);
        verified
    }

    /// Asks the verifier within, unless the answer is there or on its way.
    fn verify_once(
        &self,
        asked: Asked,
        key: Key,
        question: Question<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let began = Moment {
            wall: now.as_secs(),
            monotonic: (self.clock)(),
        };
        // Dropped last, when the entry is there for those who wait.
        let _flight = match self.begin(key, began) {
            Turn::Known => {
                report(true);
                return Ok(ServerCertVerified::assertion());
            }
            Turn::Lead(flight) => Some(flight),
            Turn::Alone => None,
        };
        let verified = self.verify(question, now);
        match &verified {
            Ok(_) => {
                let entry = Validity::of(question).map(|validity| Entry {
                    began,
                    lifetime: self.lifetime,
                    validity,
                });
                if let Some(entry) = entry.filter(|entry| entry.is_good(began)) {
                    self.remember(asked, key, entry);
                }
            }
            Err(_) => {
                let mut state = self.state.lock();
                state.counted.failures += 1;
                // Another thread may have found otherwise meanwhile.
                state.entries.remove(&key);
            }
        }
        verified
    }
}

/// Shows the verifier within and the counters.
impl fmt::Debug for CachingVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachingVerifier")
            .field("inner", &self.inner)
            .field("lifetime", &self.lifetime)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl ServerCertVerifier for CachingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let question = Question {
            leaf: end_entity,
            intermediates,
            name: server_name,
            ocsp: ocsp_response,
        };
        // Before anything is verified: what is invalidated from here on is.
        let asked = Asked {
            instance: self.instance,
            generation: self.generation.load(Ordering::Acquire),
        };
        let remembers = !self.lifetime.is_zero() && !self.inner.requires_raw_public_keys();
        let key = remembers.then(|| self.keys.key(asked, question)).flatten();
        if let Some(key) = key {
            return self.verify_once(asked, key, question, now);
        }
        self.state.lock().counted.misses += 1;
        let verified = self.verify(question, now);
        if verified.is_err() {
            self.state.lock().counted.failures += 1;
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.inner.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.inner.root_hint_subjects()
    }
}

/// No cipher suite of the crypto provider uses SHA-256.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("no cipher suite of the crypto provider uses SHA-256")]
pub struct NoSha256;

type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// Never locked while the verifier within runs. All that threads share is in here,
/// and a wait ends by the clock at the latest: there is no model of it.
struct State {
    entries: Entries,
    /// What is being verified now, with those who wait for it.
    flights: HashMap<Key, Arc<InFlight>>,
    /// All but the gauge.
    counted: VerifierStats,
}

impl State {
    fn find(&mut self, key: &Key, now: Moment) -> bool {
        match self.entries.find(key, now) {
            Found::Good => {
                self.counted.hits += 1;
                true
            }
            Found::Bad => {
                self.counted.expired += 1;
                false
            }
            Found::Nothing => false,
        }
    }
}

/// A verification that is under way.
struct InFlight {
    leader: ThreadId,
    ended: Condvar,
}

impl InFlight {
    /// One of this thread.
    fn new() -> Self {
        Self {
            leader: thread::current().id(),
            ended: Condvar::new(),
        }
    }
}

/// Whose turn it is to verify.
enum Turn<'a> {
    /// Nobody's: there is an entry.
    Known,
    /// This thread's; others wait for it.
    Lead(Flight<'a>),
    /// This thread's; nobody waits for it.
    Alone,
}

/// A verification that others wait for, until this is dropped, be it by a panic.
struct Flight<'a> {
    state: &'a Mutex<State>,
    key: Key,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let waiting = self.state.lock().flights.remove(&self.key);
        if let Some(waiting) = waiting {
            waiting.ended.notify_all();
        }
    }
}
