//! How a resolver is made.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::callback::{Ask, Callback};
use super::files::{DefaultCertificate, Files, Look, Pair, PairPath, Source};
use super::{Handle, Shared, SniResolver, Tally, UnknownName};
use crate::tls::certificate::{CertificateError, CertificateNames};
use crate::tls::default_provider;
use crate::tls::watch::Ticker;

const RELOAD_EVERY: Duration = Duration::from_secs(10);

/// What an [`SniResolver`] serves, and how. All parts may be combined.
#[derive(Default)]
#[must_use]
pub struct SniResolverBuilder {
    sources: Vec<Source>,
    default: Option<DefaultCertificate>,
    callback: Option<Box<Ask>>,
    unknown: Option<UnknownName>,
    reload_every: Option<Duration>,
    provider: Option<Arc<CryptoProvider>>,
}

impl fmt::Debug for SniResolverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SniResolverBuilder")
            .field("sources", &self.sources.len())
            .field("default", &self.default.is_some())
            .field("callback", &self.callback.is_some())
            .field("unknown", &self.unknown)
            .field("reload_every", &self.reload_every)
            .finish_non_exhaustive()
    }
}

impl SniResolverBuilder {
    /// Adds a PEM file with a chain of certificates, that of the server first,
    /// and one with its key. It serves the DNS names of that certificate.
    pub fn files(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        let pair = PairPath::new(certificate.as_ref(), key.as_ref(), true);
        self.sources.push(Source::Pair(pair));
        self
    }

    /// Adds every pair of PEM files in a directory, in the order of their names:
    ///
    /// - `NAME.crt`, or else `NAME.pem` or `NAME.cert`, with `NAME.key`;
    /// - `fullchain.pem` with `privkey.pem`, in the directory itself and in those
    ///   right below it, as in certbot's `live`.
    ///
    /// Files with no counterpart, others, and what begins with a dot are
    /// ignored. What has such a name and is no regular file of 1 MiB or less is
    /// broken: to read a pipe might never end. The names that are served are those in the certificates: those
    /// of the files do not matter.
    ///
    /// Pairs may come and go. One goes when both of its files are gone. A broken
    /// one does not fail [`build`](Self::build): it is logged, and served once it
    /// is mended.
    pub fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.sources.push(Source::Directory {
            path: path.as_ref().into(),
            pairs: Vec::new(),
            failed: false,
            error: None,
        });
        self
    }

    /// Sets whom to ask for names that no file has, in lower case. Must not
    /// block: it is called within the handshake, on the thread that runs it.
    ///
    /// A certificate is remembered for 5 minutes, and that there is none for
    /// 10 seconds; of either the last 1,024 names. So names that clients make up
    /// take a bounded amount of memory and push out none that are served, but
    /// each may lead to a call. [`SniResolver::reload`] forgets them all.
    pub fn callback(
        mut self,
        ask: impl Fn(&str) -> Option<Arc<CertifiedKey>> + Send + Sync + 'static,
    ) -> Self {
        self.callback = Some(Box::new(ask));
        self
    }

    /// Sets the certificate for unknown names, from files that are reloaded as
    /// the others are. It also serves its own DNS names, after all others, if it
    /// has any.
    pub fn default_certificate(
        mut self,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Self {
        let pair = PairPath::new(certificate.as_ref(), key.as_ref(), false);
        self.default = Some(DefaultCertificate::Files(pair));
        self
    }

    /// Sets the certificate for unknown names, and for its own DNS names, as
    /// [`default_certificate`](Self::default_certificate) does.
    pub fn default_key(mut self, key: Arc<CertifiedKey>) -> Self {
        let names = key
            .cert
            .first()
            .and_then(|certificate| CertificateNames::of(certificate).ok())
            .unwrap_or_default()
            .dns;
        self.default = Some(DefaultCertificate::Key(Pair { key, names }));
        self
    }

    /// Sets what to do for clients that ask for an unknown name, or for none.
    ///
    /// Default: [`UnknownName::Default`] if there is a default certificate, else
    /// [`UnknownName::Refuse`].
    pub fn unknown_name(mut self, unknown: UnknownName) -> Self {
        self.unknown = Some(unknown);
        self
    }

    /// Sets how often to look for changed files. [`Duration::ZERO`] is never,
    /// but for [`SniResolver::reload`].
    ///
    /// Default: 10 seconds.
    pub fn reload_every(mut self, period: Duration) -> Self {
        self.reload_every = Some(period);
        self
    }

    /// Sets what loads the keys.
    ///
    /// Default: the one that the process has installed, or else that of this
    /// crate's feature `aws-lc-rs` or `ring`.
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Reads all files, and starts the thread that looks for changes, if there
    /// are any files.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if a pair that was named is broken, or a directory
    /// unreadable; if there is no crypto provider; if unknown names are to have
    /// the default certificate and there is none; or if the thread cannot be
    /// started.
    pub fn build(self) -> Result<SniResolver, CertificateError> {
        self.start().map(|(resolver, _)| resolver)
    }

    pub(super) fn start(self) -> Result<(SniResolver, Option<JoinHandle<()>>), CertificateError> {
        let provider = self
            .provider
            .or_else(default_provider)
            .ok_or(CertificateError::NoProvider)?;
        let unknown = match (self.unknown, &self.default) {
            (Some(UnknownName::Default), None) => return Err(CertificateError::NoDefault),
            (Some(unknown), _) => unknown,
            (None, Some(_)) => UnknownName::Default,
            (None, None) => UnknownName::Refuse,
        };
        let mut files = Files::new(provider, self.sources, self.default);
        let found = files.open()?;
        let any = files.any();
        let shared = Arc::new(Shared {
            table: RwLock::new(Arc::new(files.table())),
            last_error: Mutex::new(files.error()),
            files: Mutex::new(files),
            callback: self.callback.map(Callback::new),
            unknown,
            tally: Tally::default(),
        });
        shared.tell(&found, true);
        let period = self.reload_every.unwrap_or(RELOAD_EVERY);
        let ticker = if any && !period.is_zero() {
            let look = |shared: &Shared| drop(shared.look(Look::Changed));
            let target = Arc::downgrade(&shared);
            let started =
                Ticker::start("fw-certificates", period, target, look, Shared::count_error);
            Some(started.map_err(|source| CertificateError::Thread { period, source })?)
        } else {
            None
        };
        let (ticker, thread) = ticker.unzip();
        let handle = Arc::new(Handle {
            shared,
            _ticker: ticker,
        });
        Ok((SniResolver { handle }, thread))
    }
}
