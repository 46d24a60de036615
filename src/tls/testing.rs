//! Certificates and handshakes for the tests of this module, all in memory.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SerialNumber, date_time_ymd,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

pub(super) fn name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

/// A root, and an intermediate that it signed.
pub(super) struct Authority {
    pub(super) root: CertifiedIssuer<'static, KeyPair>,
    pub(super) intermediate: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate, its key, and what it was made from.
pub(super) struct Leaf {
    pub(super) cert: CertificateDer<'static>,
    pub(super) key: KeyPair,
}

impl Authority {
    pub(super) fn new() -> Self {
        let root = CertifiedIssuer::self_signed(issuer("root"), key()).unwrap();
        let intermediate =
            CertifiedIssuer::signed_by(issuer("intermediate"), key(), &root).unwrap();
        Self { root, intermediate }
    }

    pub(super) fn leaf(&self, params: &CertificateParams) -> Leaf {
        let key = key();
        let cert = params.signed_by(&key, &self.intermediate).unwrap();
        Leaf {
            cert: cert.der().clone(),
            key,
        }
    }

    pub(super) fn intermediates(&self) -> Vec<CertificateDer<'static>> {
        vec![self.intermediate.der().clone()]
    }

    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        Arc::new(roots)
    }

    pub(super) fn server(
        &self,
        leaf: &Leaf,
        version: &'static SupportedProtocolVersion,
    ) -> ServerConfig {
        let chain = std::iter::once(leaf.cert.clone()).chain(self.intermediates());
        let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), key)
            .unwrap()
    }

    pub(super) fn client(&self) -> ClientConfig {
        ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_no_client_auth()
    }
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn issuer(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A certificate for `names`, good between two times in seconds since 1970.
pub(super) fn params(names: &[&str], serial: u64, from: u64, until: u64) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(from);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(until);
    params
}

/// A handshake, and everything that either end has to say after it.
pub(super) fn connect(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &ServerName<'static>,
) -> Result<ClientConnection, Error> {
    let mut client = ClientConnection::new(client.clone(), name.clone())?;
    let mut server = ServerConnection::new(server.clone())?;
    while client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            server.read_tls(&mut wire).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking());
    Ok(client)
}
