//! How a connector is made.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName,
};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::TcpOptions;
use super::connector::{Connector, Shared};
use super::error::BuildError;
use super::stats::Tally;
use crate::config::Config;
use crate::tls::{CachingVerifier, TicketStore, default_provider, read_certificates};

/// Makes a [`Connector`].
///
/// TLS is set up in one of three ways; without any of them `https` URIs are
/// refused:
///
/// - **roots**: `with_native_roots`, `with_webpki_roots`,
///   [`with_roots_file`](Self::with_roots_file) and
///   [`with_roots`](Self::with_roots), which add up, with revocation lists from
///   [`crls`](Self::crls);
/// - a [**verifier**](Self::with_verifier) of the caller;
/// - a [**whole configuration**](Self::with_tls_config), which is used as it is.
#[must_use]
pub struct ConnectorBuilder<D = HttpConnector> {
    dialer: D,
    with: Settings,
}

/// All but the dialer.
struct Settings {
    tls: Tls,
    /// More than one of the ways to set TLS up was taken.
    mixed: bool,
    /// What was wrong with the roots, which are read at once.
    roots_error: Option<BuildError>,
    crls: Vec<CertificateRevocationListDer<'static>>,
    provider: Option<Arc<CryptoProvider>>,
    identity: Option<Identity>,
    tickets: Option<TicketStore>,
    /// That of the verifier, if it is not said.
    verification_lifetime: Option<Duration>,
    protocols: Protocols,
    server_name: Option<ServerName<'static>>,
    connect_timeout: Duration,
    handshake_timeout: Duration,
    config: Config,
}

/// When a silent connection is probed.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Where the configuration of TLS comes from.
enum Tls {
    None,
    Roots(RootCertStore),
    Verifier(Arc<dyn ServerCertVerifier>),
    Config(Arc<ClientConfig>),
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocols {
    All,
    Http1,
    Http2,
}

impl ConnectorBuilder {
    pub(super) fn new() -> Self {
        let mut dialer = HttpConnector::new();
        dialer.enforce_http(false);
        TcpOptions::default()
            .keepalive(KEEPALIVE)
            .apply_to(&mut dialer);
        let with = Settings {
            tls: Tls::None,
            mixed: false,
            roots_error: None,
            crls: Vec::new(),
            provider: None,
            identity: None,
            tickets: None,
            verification_lifetime: None,
            protocols: Protocols::All,
            server_name: None,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            config: Config::default(),
        };
        Self { dialer, with }
    }

    /// What TCP is told about connections.
    ///
    /// # Default
    ///
    /// [`TcpOptions::default`], and keep-alive probes of a connection that was
    /// silent for a minute.
    pub fn tcp(mut self, options: TcpOptions) -> Self {
        options.apply_to(&mut self.dialer);
        self
    }
}

impl<D> ConnectorBuilder<D> {
    /// Dials with `dialer`, a `Service<Uri>` whose response implements
    /// [`hyper::rt::Read`] and [`hyper::rt::Write`] and, for hyper-util's client,
    /// its `Connection`: over a Unix socket, through a proxy, or whatever it does.
    /// It is called with the URI as it is; `https` is its caller's concern.
    ///
    /// # Default
    ///
    /// hyper-util's [`HttpConnector`].
    pub fn dialer<E>(self, dialer: E) -> ConnectorBuilder<E> {
        let with = self.with;
        ConnectorBuilder { dialer, with }
    }

    /// Trusts the certification authorities of the system. Reads them at once,
    /// from files.
    #[cfg(feature = "native-roots")]
    pub fn with_native_roots(mut self) -> Self {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        for error in &found.errors {
            tracing::warn!(%error, "a certification authority of the system cannot be read");
        }
        if added == 0 {
            let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            let why = match why.is_empty() {
                true => "there is none".into(),
                false => why.join("; "),
            };
            self.with
                .roots_error
                .get_or_insert(BuildError::NativeRoots(why));
        }
        self.with_roots(roots)
    }

    /// Trusts the certification authorities in a PEM file, which is read at
    /// once, next to those of other calls. Certificates that cannot be roots are
    /// left out, if others can.
    pub fn with_roots_file(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let mut roots = RootCertStore::empty();
        match read_certificates(path) {
            Ok(found) => {
                if roots.add_parsable_certificates(found).0 == 0 {
                    let path = path.to_owned();
                    self.with.roots_error = Some(BuildError::NoRootsInFile { path });
                }
            }
            Err(error) => self.with.roots_error = Some(BuildError::RootsFile(error)),
        }
        self.with_roots(roots)
    }

    /// Trusts Mozilla's certification authorities, as compiled into the crate
    /// `webpki-roots`.
    #[cfg(feature = "webpki-roots")]
    pub fn with_webpki_roots(self) -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
        self.with_roots(roots.collect())
    }

    /// Trusts these certification authorities, next to those of other calls.
    pub fn with_roots(mut self, roots: RootCertStore) -> Self {
        if let Tls::Roots(all) = &mut self.with.tls {
            all.roots.extend(roots.roots);
            return self;
        }
        self.set_tls(Tls::Roots(roots))
    }

    fn set_tls(mut self, tls: Tls) -> Self {
        self.with.mixed |= !matches!(self.with.tls, Tls::None);
        self.with.tls = tls;
        self
    }

    /// Verifies with `verifier`, behind a
    /// [`CachingVerifier`]: one that is itself such a cache would be asked for
    /// too little, and what it invalidates would live on in the other. In place
    /// of roots.
    pub fn with_verifier(self, verifier: Arc<dyn ServerCertVerifier>) -> Self {
        self.set_tls(Tls::Verifier(verifier))
    }

    /// Uses this configuration as it is, with its own verifier, client
    /// certificate and session store. If it offers nothing by ALPN, it will offer
    /// what this builder says; 0-RTT is turned off. In place of roots.
    pub fn with_tls_config(self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.set_tls(Tls::Config(config.into()))
    }

    /// Refuses certificates that these lists revoke (RFC 5280, section 5). An
    /// authority without a list here revokes nothing. The verification cache
    /// outlives no list: a new list needs a new connector, or a verifier of the
    /// caller and [`CachingVerifier::invalidate_all`] on that of
    /// [`Connector::verifier`].
    pub fn crls(
        mut self,
        crls: impl IntoIterator<Item = CertificateRevocationListDer<'static>>,
    ) -> Self {
        self.with.crls.extend(crls);
        self
    }

    /// Shows this certificate to servers that ask for one (RFC 8446, section
    /// 4.3.2): the chain, leaf first, and its key.
    pub fn client_certificate(
        mut self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        self.with.identity = Some((chain, key));
        self
    }

    /// Takes all cryptography from `provider`.
    ///
    /// # Default
    ///
    /// The one that the process has installed, or else that of this crate's
    /// feature `aws-lc-rs` or `ring`, in this order.
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.with.provider = Some(provider);
        self
    }

    /// Keeps the sessions to resume in a partition of `tickets`, so that several
    /// connectors share one bound on memory, though no ticket.
    ///
    /// # Default
    ///
    /// [`TicketStore::default`].
    pub fn ticket_store(mut self, tickets: &TicketStore) -> Self {
        self.with.tickets = Some(tickets.partition());
        self
    }

    /// How long a certificate chain that was verified need not be verified again
    /// for the same name; zero to verify each time. A handshake's signature is
    /// always verified.
    ///
    /// # Default
    ///
    /// 30 minutes, and no longer than the chain is valid.
    pub fn verification_lifetime(mut self, lifetime: Duration) -> Self {
        self.with.verification_lifetime = Some(lifetime);
        self
    }

    /// Offers `h2` alone by ALPN, and refuses a server over TLS that chooses
    /// nothing. Without TLS it changes nothing: tell hyper to use prior
    /// knowledge.
    pub fn http2_only(mut self) -> Self {
        self.with.protocols = Protocols::Http2;
        self
    }

    /// Offers `http/1.1` alone by ALPN.
    pub fn http1_only(mut self) -> Self {
        self.with.protocols = Protocols::Http1;
        self
    }

    /// Asks for this name by SNI (RFC 6066, section 3), and wants a certificate
    /// for it, whatever the URI's host is.
    pub fn server_name(mut self, name: ServerName<'static>) -> Self {
        self.with.server_name = Some(name);
        self
    }

    /// How long the dialer may take, name lookup and all addresses together.
    ///
    /// # Default
    ///
    /// 10 seconds. Within it a lost SYN is sent again three times.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.with.connect_timeout = limit;
        self
    }

    /// How long the TLS handshake may take.
    ///
    /// # Default
    ///
    /// 10 seconds.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.with.handshake_timeout = limit;
        self
    }

    /// How the transport behaves.
    pub fn config(mut self, config: Config) -> Self {
        self.with.config = config;
        self
    }

    /// Makes the connector.
    ///
    /// # Errors
    ///
    /// [`BuildError`], if TLS cannot be set up.
    pub fn build(self) -> Result<Connector<D>, BuildError> {
        Ok(Connector::new(self.dialer, self.with.build()?))
    }
}

impl Settings {
    fn build(mut self) -> Result<Shared, BuildError> {
        if self.mixed {
            return Err(BuildError::Conflict(
                "roots, a verifier and a whole TLS configuration exclude one another: only one of \
                 them could have a say",
            ));
        }
        let mut shared = Shared {
            tls: None,
            tickets: None,
            verifier: None,
            http2_only: self.protocols == Protocols::Http2,
            server_name: self.server_name.take(),
            connect_timeout: self.connect_timeout,
            handshake_timeout: self.handshake_timeout,
            config: self.config.clone(),
            tally: Tally::default(),
        };
        let mut tls = match std::mem::replace(&mut self.tls, Tls::None) {
            Tls::None => {
                if self.has_extras() {
                    return Err(BuildError::NothingToTrust);
                }
                return Ok(shared);
            }
            Tls::Config(config) => {
                self.check_next_to(&config)?;
                config
            }
            Tls::Roots(roots) => {
                let verifier = self.verifier_of(roots)?;
                self.build_tls(verifier, &mut shared)?
            }
            Tls::Verifier(verifier) => {
                if !self.crls.is_empty() {
                    return Err(BuildError::Conflict(
                        "revocation lists next to a verifier have no effect: put them into it",
                    ));
                }
                self.build_tls(verifier, &mut shared)?
            }
        };
        // What is sent early can be replayed (RFC 8446, section 8).
        if tls.enable_early_data || tls.alpn_protocols.is_empty() {
            let config = Arc::make_mut(&mut tls);
            config.enable_early_data = false;
            if config.alpn_protocols.is_empty() {
                config.alpn_protocols = self.protocols.alpn();
            }
        }
        shared.tls = Some(tls);
        Ok(shared)
    }

    /// Whether there is what only a configuration of our own has use for.
    fn has_extras(&self) -> bool {
        self.identity.is_some() || !self.crls.is_empty()
    }

    /// Whether all that was said has an effect next to a whole configuration.
    fn check_next_to(&self, config: &ClientConfig) -> Result<(), BuildError> {
        if self.has_extras()
            || self.tickets.is_some()
            || self.verification_lifetime.is_some()
            || self.provider.is_some()
        {
            return Err(BuildError::Conflict(
                "a client certificate, revocation lists, a ticket store, a lifetime of \
                 verifications or a crypto provider next to a whole TLS configuration have no \
                 effect: put them into it",
            ));
        }
        let offers = |name: &[u8]| config.alpn_protocols.iter().any(|id| id == name);
        let is_other = match self.protocols {
            Protocols::All => false,
            Protocols::Http1 => offers(b"h2"),
            Protocols::Http2 => !offers(b"h2") || offers(b"http/1.1"),
        };
        if is_other && !config.alpn_protocols.is_empty() {
            return Err(BuildError::Conflict(
                "the ALPN protocols of the TLS configuration are not those that the connector \
                 shall offer: set them to these, or leave them empty",
            ));
        }
        Ok(())
    }

    fn provider(&self) -> Result<Arc<CryptoProvider>, BuildError> {
        let provider = self.provider.clone().or_else(default_provider);
        provider.ok_or(BuildError::NoProvider)
    }

    fn verifier_of(
        &mut self,
        roots: RootCertStore,
    ) -> Result<Arc<dyn ServerCertVerifier>, BuildError> {
        match self.roots_error.take() {
            // There are others.
            Some(BuildError::NativeRoots(_)) if !roots.is_empty() => {}
            Some(error) => return Err(error),
            None if roots.is_empty() => return Err(BuildError::NoRoots),
            None => {}
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider()?)
                .with_crls(std::mem::take(&mut self.crls))
                .allow_unknown_revocation_status()
                .build()
                .map_err(BuildError::Verifier)?;
        Ok(verifier)
    }

    /// A configuration round `verifier`, which is put behind the cache.
    fn build_tls(
        &mut self,
        verifier: Arc<dyn ServerCertVerifier>,
        shared: &mut Shared,
    ) -> Result<Arc<ClientConfig>, BuildError> {
        let provider = self.provider()?;
        let mut verifier = CachingVerifier::new(verifier, &provider)
            .map_err(|e| BuildError::Provider(e.into()))?;
        if let Some(lifetime) = self.verification_lifetime {
            verifier = verifier.lifetime(lifetime);
        }
        let verifier = Arc::new(verifier);
        shared.verifier = Some(Arc::clone(&verifier));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| BuildError::Provider(e.into()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match self.identity.take() {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(BuildError::ClientCertificate)?,
        };
        let tickets = self.tickets.take().unwrap_or_default();
        config.resumption = Resumption::store(Arc::new(tickets.clone()));
        shared.tickets = Some(tickets);
        Ok(Arc::new(config))
    }
}

impl Protocols {
    fn alpn(self) -> Vec<Vec<u8>> {
        let names: &[&str] = match self {
            Self::All => &["h2", "http/1.1"],
            Self::Http1 => &["http/1.1"],
            Self::Http2 => &["h2"],
        };
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }
}

impl<D: fmt::Debug> fmt::Debug for ConnectorBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorBuilder")
            .field("dialer", &self.dialer)
            .field("protocols", &self.with.protocols)
            .finish_non_exhaustive()
    }
}
