//! One self-signed identity for both sides; rustls over ring with its own
//! preferences (TLS 1.3, AES-256-GCM).

use std::sync::Arc;

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::{Result, message::Identity};

const NAME: &str = "localhost";

/// Makes an identity. Once a run: both sides use the same one.
pub(crate) fn identity() -> Result<Identity> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    Ok(Identity {
        certificate: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
    })
}

/// The name that the certificate is valid for.
pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from(NAME).expect("a DNS name")
}

pub(crate) fn server(identity: &Identity) -> Result<Arc<ServerConfig>> {
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate(identity)?], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

pub(crate) fn client(identity: &Identity) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(identity)?)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn certificate(identity: &Identity) -> Result<CertificateDer<'static>> {
    Ok(CertificateDer::from_pem_slice(
        identity.certificate.as_bytes(),
    )?)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
