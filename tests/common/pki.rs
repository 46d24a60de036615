//! A small certification authority: a root, an intermediate, and what it signs.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Named, because with all features there is more than one.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

pub struct Authority {
    root: Certificate,
    intermediate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate chain, leaf first, and its key.
pub struct Leaf {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: KeyPair,
    /// As PEM, the whole chain.
    pub pem: String,
}

/// When a leaf is valid.
#[derive(Clone, Copy)]
pub enum Valid {
    Now,
    Past,
    Future,
}

/// The serial number of every leaf, for revocation.
const SERIAL: &[u8] = &[0x2a];

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Authority {
    pub fn new() -> Self {
        // Each has a name of its own, as authorities do.
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (root_key, root_params) = Self::ca(&format!("framewright test root {id}"));
        let root = root_params.self_signed(&root_key).expect("a root");
        let root_issuer = Issuer::new(root_params, root_key);
        let (key, params) = Self::ca(&format!("framewright test intermediate {id}"));
        let intermediate = params.signed_by(&key, &root_issuer).expect("signed");
        Self {
            root,
            intermediate,
            issuer: Issuer::new(params, key),
        }
    }

    fn ca(name: &str) -> (KeyPair, CertificateParams) {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (KeyPair::generate().expect("a key"), params)
    }

    pub fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_valid(names, Valid::Now)
    }

    pub fn leaf_valid(&self, names: &[&str], valid: Valid) -> Leaf {
        let names: Vec<String> = names.iter().copied().map(String::from).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.serial_number = Some(SerialNumber::from_slice(SERIAL));
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        match valid {
            Valid::Now => {}
            Valid::Past => {
                params.not_before = date_time_ymd(2000, 1, 1);
                params.not_after = date_time_ymd(2001, 1, 1);
            }
            Valid::Future => params.not_before = date_time_ymd(3000, 1, 1),
        }
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("signed");
        Leaf {
            chain: vec![leaf.der().clone(), self.intermediate.der().clone()],
            pem: leaf.pem() + &self.intermediate.pem(),
            key,
        }
    }

    /// A list that revokes every leaf.
    pub fn revoking(&self) -> CertificateRevocationListDer<'static> {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from_slice(SERIAL),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(3000, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").der().clone()
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).expect("a root");
        roots
    }

    pub fn root_pem(&self) -> String {
        self.root.pem()
    }
}

impl Leaf {
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// A server's configuration that resumes statelessly, and offers `alpn`.
    pub fn server(&self, alpn: &[&str]) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key_der())
            .expect("a key that fits");
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        config.ticketer = ring::Ticketer::new().expect("a ticketer");
        config
    }
}

/// A client's configuration, as a user without this crate makes it.
pub fn stock_client(roots: RootCertStore, alpn: &[&str]) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    config
}
