//! TLS towards clients: certificates, and what sessions are resumed with.

use std::{path::Path, sync::Arc};

use framewright::tls::{SniResolver, TicketBinding, TicketKeys};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::PrivatePkcs8KeyDer,
    sign::CertifiedKey,
};

use crate::{args::Args, body::Chain};

/// Named, because with all features of this crate there is more than one.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// How clients are served, and the parts of it that keep statistics.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) certificates: SniResolver,
    /// Those of `--ticket-secret`.
    pub(crate) keys: Option<TicketKeys>,
}

impl Tls {
    /// Serves with `certificates`, and resumes with the secret of this file or
    /// with keys of this process alone.
    pub(crate) fn new(certificates: SniResolver, secret: Option<&Path>) -> Result<Self, String> {
        let provider = provider();
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates.clone()));
        // `curl --http1.0` offers that alone.
        config.alpn_protocols = ["h2", "http/1.1", "http/1.0"].map(Vec::from).to_vec();

        let keys = secret.map(|file| TicketKeys::from_secret_file(file, &provider));
        let keys = keys
            .transpose()
            .map_err(|e| format!("--ticket-secret: {}", Chain(&e)))?;
        config.ticketer = match &keys {
            Some(keys) => {
                let binding = TicketBinding::new()
                    .client_auth("none")
                    .alpn(&config.alpn_protocols);
                keys.ticketer(binding)
            }
            None => ring::Ticketer::new().map_err(|e| e.to_string())?,
        };
        Ok(Self {
            config: Arc::new(config),
            certificates,
            keys,
        })
    }
}

/// Those of the command line, or a self-signed one for this machine.
pub(crate) fn certificates(args: &Args) -> Result<SniResolver, String> {
    let provider = provider();
    let builder = SniResolver::builder()
        .provider(Arc::clone(&provider))
        .reload_every(args.cert_reload);
    let builder = match (&args.cert_dir, &args.cert, &args.key) {
        (Some(directory), ..) => builder.directory(directory),
        (_, Some(cert), Some(key)) => builder.default_certificate(cert, key),
        _ => builder.default_key(Arc::new(self_signed(&provider)?)),
    };
    let certificates = builder.build().map_err(|e| Chain(&e).to_string())?;
    let stats = certificates.stats();
    match (&args.cert_dir, stats.last_error) {
        (Some(directory), why) if stats.certificates == 0 => {
            let why = why.unwrap_or("it needs pairs such as NAME.crt and NAME.key".into());
            return Err(format!(
                "nothing to serve in {}: {why}",
                directory.display()
            ));
        }
        // Of a directory: the others are served.
        (_, Some(why)) => crate::complain(&why),
        (_, None) => {}
    }
    Ok(certificates)
}

fn self_signed(provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|e| format!("cannot make a certificate: {e}"))?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let chain = vec![made.cert.der().clone()];
    CertifiedKey::from_der(chain, key.into(), provider).map_err(|e| e.to_string())
}
