//! One identity for both sides; rustls, over ring unless a scenario says
//! otherwise, with its own preferences (TLS 1.3, AES-256-GCM).

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
#[cfg(feature = "aws-lc-rs")]
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::{
    Result,
    message::{Identity, Provider},
};

const NAME: &str = "localhost";

/// The names of a server with many.
pub(crate) fn numbered(n: usize) -> String {
    format!("n{n}.versus.test")
}

/// Makes an identity: a root, an intermediate and a leaf. Once a run: both sides
/// use the same one.
pub(crate) fn identity() -> Result<Identity> {
    let authority = |name: &str| -> Result<_> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok((params, KeyPair::generate()?))
    };
    let (params, key) = authority("versus root")?;
    let root = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);
    let (params, key) = authority("versus intermediate")?;
    let intermediate = params.signed_by(&key, &issuer)?;
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new([NAME.to_owned(), "*.versus.test".to_owned()])?
        .signed_by(&key, &issuer)?;
    Ok(Identity {
        root: root.pem(),
        chain: leaf.pem() + &intermediate.pem(),
        key: key.serialize_pem(),
        provider: Provider::Ring,
    })
}

/// The name that the certificate is valid for.
pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from(NAME).expect("a DNS name")
}

pub(crate) fn server(identity: &Identity, tickets: bool) -> Result<Arc<ServerConfig>> {
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let mut config = ServerConfig::builder_with_provider(provider(identity.provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain(identity)?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    if tickets {
        config.ticketer = match identity.provider {
            Provider::Ring => ring::Ticketer::new()?,
            #[cfg(feature = "aws-lc-rs")]
            Provider::AwsLcRs => aws_lc_rs::Ticketer::new()?,
        };
    } else {
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

pub(crate) fn client(identity: &Identity) -> Result<Arc<ClientConfig>> {
    let mut config = ClientConfig::builder_with_provider(provider(identity.provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(identity)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

pub(crate) fn roots(identity: &Identity) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(identity.root.as_bytes())?)?;
    Ok(roots)
}

pub(crate) fn chain(identity: &Identity) -> Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes());
    Ok(chain.collect::<std::result::Result<_, _>>()?)
}

pub(crate) fn provider(of: Provider) -> Arc<CryptoProvider> {
    Arc::new(match of {
        Provider::Ring => ring::default_provider(),
        #[cfg(feature = "aws-lc-rs")]
        Provider::AwsLcRs => aws_lc_rs::default_provider(),
    })
}
