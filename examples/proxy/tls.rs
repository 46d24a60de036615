//! Certificates: those of the command line, one made at start, and those that
//! an upstream is trusted by.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    },
};

/// Where systems keep what they trust.
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];

/// Serves with the certificate and key of these files, or with a self-signed
/// one for this machine.
pub(crate) fn acceptor(files: Option<(&Path, &Path)>) -> Result<TlsAcceptor, String> {
    let (chain, key) = match files {
        Some((cert, key)) => (certificates(cert)?, private_key(key)?),
        None => self_signed()?,
    };
    let what = files.map_or_else(
        || "the self-signed certificate".to_owned(),
        |(cert, key)| format!("{} with {}", cert.display(), key.display()),
    );
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| format!("cannot serve {what}: {e}"))?;
    // `curl --http1.0` offers that alone.
    config.alpn_protocols = ["h2", "http/1.1", "http/1.0"].map(Vec::from).to_vec();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connects to an upstream that these certificates vouch for, or those of the
/// system.
pub(crate) fn connector(ca: Option<&Path>) -> Result<TlsConnector, String> {
    let file = match ca {
        Some(file) => file.to_owned(),
        None => system_roots().ok_or("found no system certificates; give --upstream-ca FILE")?,
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(&file)?);
    if added == 0 {
        return Err(format!("no usable certificate in {}", file.display()));
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn system_roots() -> Option<PathBuf> {
    env::var_os("SSL_CERT_FILE")
        .map(PathBuf::from)
        .or_else(|| SYSTEM_ROOTS.iter().map(PathBuf::from).find(|f| f.exists()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|e| format!("cannot read certificates from {}: {e}", file.display()))?;
    if chain.is_empty() {
        return Err(format!("no certificate in {}", file.display()));
    }
    Ok(chain)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file)
        .map_err(|e| format!("cannot read a private key from {}: {e}", file.display()))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn self_signed() -> Result<Identity, String> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|e| format!("cannot make a certificate: {e}"))?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}
