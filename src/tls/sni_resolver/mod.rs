//! The certificate for the name that a client asks for.

mod builder;
mod callback;
mod files;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use tokio_rustls::rustls::SignatureScheme;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

pub use builder::SniResolverBuilder;

use super::certificate::CertificateError;
use super::watch::Ticker;
use callback::Callback;
use files::{Files, Found, Look};
use table::Table;

/// Chooses the certificate for the name that a client asks for (SNI, RFC 6066,
/// section 3), from files that are reloaded when they change: a cheap handle, to
/// be cloned freely.
///
/// Why: certificates are renewed every few weeks, and tenants come and go. With
/// this a server need not be restarted for it, its connections go on, and its
/// session tickets stay good, since they hang on the `ServerConfig` and not on
/// the certificate.
///
/// # Example
///
/// ```no_run
/// use std::sync::Arc;
/// use framewright::tls::{SniResolver, UnknownName};
/// use tokio_rustls::rustls::ServerConfig;
/// use tokio_rustls::rustls::crypto::ring::default_provider;
///
/// # fn make() -> Result<ServerConfig, Box<dyn std::error::Error>> {
/// let provider = Arc::new(default_provider());
/// let resolver = SniResolver::builder()
///     .directory("/etc/letsencrypt/live")
///     .default_certificate("/etc/tls/fallback.crt", "/etc/tls/fallback.key")
///     .unknown_name(UnknownName::Default)
///     .provider(provider.clone())
///     .build()?;
/// let config = ServerConfig::builder_with_provider(provider)
///     .with_safe_default_protocol_versions()?
///     .with_no_client_auth()
///     .with_cert_resolver(Arc::new(resolver.clone()));
/// println!("{:?}", resolver.stats());
/// # Ok(config)
/// # }
/// ```
///
/// # Names
///
/// A certificate serves the DNS names among its subject alternative names.
/// They match without regard to case, and the very name comes before a
/// wildcard. `*.example.com` matches one label in the place of the `*` (RFC
/// 9525, section 6.3): `www.example.com`, but neither `a.b.example.com` nor
/// `example.com`. Names that no file has are asked of the
/// [callback](SniResolverBuilder::callback), and then
/// [unknown](SniResolverBuilder::unknown_name). A client that connects to an IP
/// address asks for no name, which is unknown too.
///
/// If several certificates have a name, the first counts whose key works with
/// the signature schemes that the client offers, in the order in which they were
/// added: so one with ECDSA and one with RSA may stand side by side.
///
/// # Changes
///
/// A thread looks at the files every
/// [10 seconds](SniResolverBuilder::reload_every): at their times, length and
/// inode. What changed is parsed, once, when its last change is a second old.
/// What is wrong with it counts if the next look finds the same, and so does what
/// is missing.
///
/// - A certificate and a key that do not fit each other, as when one of them is
///   replaced before the other, are not served: the old pair is, until they do.
/// - So it is with any file that is broken or missing, and with all of a
///   directory that cannot be read. It is logged at the level `WARN`, counted,
///   and shown in [`SniStats::last_error`] until it is mended.
/// - A cut file that ends after a whole certificate cannot be told from a
///   shorter chain. Whoever renames a finished file into place is safe from
///   that.
///
/// The thread ends when the last clone is dropped. A lookup waits for no file:
/// it takes a lock to read, for a moment. Neither do [`stats`](Self::stats) and
/// `Debug`; only [`reload`](Self::reload) does.
#[derive(Clone)]
pub struct SniResolver {
    handle: Arc<Handle>,
}

/// What to do for a client that asks for a name that is not known, or for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownName {
    /// Show the default certificate. The client refuses it, unless it has its
    /// name or the client does not check.
    Default,
    /// End the handshake with an alert: that of rustls, `access_denied` (RFC
    /// 8446, section 6.2).
    Refuse,
}

impl SniResolver {
    /// One that serves nothing yet.
    pub fn builder() -> SniResolverBuilder {
        SniResolverBuilder::default()
    }

    /// Reads all files now, whether they seem to have changed or not, and
    /// forgets what the callback said. Blocks on the files.
    ///
    /// Whatever is wrong is in [`SniReload::errors`]; the rest is taken up.
    #[expect(clippy::must_use_candidate, reason = "what it does is the point")]
    pub fn reload(&self) -> SniReload {
        let shared = &self.handle.shared;
        let found = shared.look(Look::All);
        if let Some(callback) = &shared.callback {
            callback.forget();
        }
        SniReload {
            added: found.added,
            replaced: found.replaced,
            removed: found.removed,
            errors: found.errors.into_iter().map(|(error, _)| error).collect(),
        }
    }

    /// What is served, and what was done up to now. Waits for no file, even while
    /// a slow one is read.
    #[must_use]
    pub fn stats(&self) -> SniStats {
        let shared = &self.handle.shared;
        let table = shared.table.read().clone();
        SniStats {
            certificates: table.certificates,
            names: table.names(),
            reloads: shared.tally.reloads.load(Relaxed),
            reload_errors: shared.tally.reload_errors.load(Relaxed),
            refused: shared.tally.refused.load(Relaxed),
            defaulted: shared.tally.defaulted.load(Relaxed),
            callback_hits: shared.tally.callback_hits.load(Relaxed),
            last_error: shared.last_error.lock().clone(),
        }
    }
}

impl fmt::Debug for SniResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SniResolver")
            .field("unknown", &self.handle.shared.unknown)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for SniResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shared = &self.handle.shared;
        shared.choose(hello.server_name(), hello.signature_schemes())
    }
}

/// What a forced reload found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SniReload {
    /// Pairs that are new, or were broken from the start up to now.
    pub added: usize,
    /// Pairs with another certificate than before.
    pub replaced: usize,
    /// Pairs that are gone.
    pub removed: usize,
    /// What is wrong.
    pub errors: Vec<CertificateError>,
}

/// What an [`SniResolver`] serves, and what it has done since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SniStats {
    /// Certificates that are served now, those of the callback aside.
    pub certificates: usize,
    /// Names that they have, a wildcard counting as one.
    pub names: usize,
    /// How often files came, changed or went.
    pub reloads: u64,
    /// How often a file was found broken, or a directory unreadable. The same
    /// fault is counted once, but for forced reloads. A panic of the thread that
    /// looks, which goes on, is counted each time.
    pub reload_errors: u64,
    /// Handshakes that were refused since the name was unknown.
    pub refused: u64,
    /// Handshakes with the default certificate since the name was unknown.
    pub defaulted: u64,
    /// Handshakes with a certificate of the callback, remembered or not.
    pub callback_hits: u64,
    /// What is wrong with the files now, if anything: the first of it.
    pub last_error: Option<String>,
}

#[derive(Debug, Default)]
struct Tally {
    reloads: AtomicU64,
    reload_errors: AtomicU64,
    refused: AtomicU64,
    defaulted: AtomicU64,
    callback_hits: AtomicU64,
}

/// What clones share; the thread holds only the inner part.
struct Handle {
    shared: Arc<Shared>,
    _ticker: Option<Ticker>,
}

struct Shared {
    /// What is served.
    /// Replaced as a whole, and nobody waits: there is no model of it.
    table: RwLock<Arc<Table>>,
    /// Locked while files are read.
    files: Mutex<Files>,
    /// What is wrong with them now, locked for a moment only.
    last_error: Mutex<Option<String>>,
    callback: Option<Callback>,
    unknown: UnknownName,
    tally: Tally,
}

impl Shared {
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let table = self.table.read().clone();
        if let Some(name) = name.and_then(table::normal) {
            if let Some(key) = table.find(&name, schemes) {
                return Some(key.clone());
            }
            let callback = self.callback.as_ref();
            if let Some(key) = callback.and_then(|it| it.answer(&name, Instant::now())) {
                self.tally.callback_hits.fetch_add(1, Relaxed);
                return Some(key);
            }
        }
        let default = match self.unknown {
            UnknownName::Default => table.default.clone(),
            UnknownName::Refuse => None,
        };
        let counter = match default {
            Some(_) => &self.tally.defaulted,
            None => &self.tally.refused,
        };
        counter.fetch_add(1, Relaxed);
        default
    }

    fn look(&self, what: Look) -> Found {
        let mut files = self.files.lock();
        let found = files.look(what);
        if found.changed() {
            *self.table.write() = Arc::new(files.table());
            self.tally.reloads.fetch_add(1, Relaxed);
            let Found {
                added,
                replaced,
                removed,
                ..
            } = found;
            tracing::info!(added, replaced, removed, "certificates changed");
        }
        let error = files.error();
        *self.last_error.lock() = error;
        self.tell(&found, what == Look::All);
        found
    }

    fn count_error(&self) {
        self.tally.reload_errors.fetch_add(1, Relaxed);
    }

    /// Counts and logs errors, those of before only if `all`.
    fn tell(&self, found: &Found, all: bool) {
        for (error, known) in &found.errors {
            if all || !known {
                self.count_error();
                let error: &dyn std::error::Error = error;
                tracing::warn!(error, "certificates stay as they were");
            }
        }
    }
}
