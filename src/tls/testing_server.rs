//! What the tests of TLS share: certificates, files, and handshakes in memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ResolvesServerCert, ServerConfig};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, ServerConnection,
    SignatureScheme, SupportedProtocolVersion,
};

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Waits for what another thread does.
pub(super) fn eventually(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A certificate that signed itself, and its key, in PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Pair {
    /// With ECDSA on P-256.
    pub(super) fn new(names: &[&str]) -> Self {
        Self::of(&PKCS_ECDSA_P256_SHA256, names)
    }

    pub(super) fn ed25519(names: &[&str]) -> Self {
        Self::of(&PKCS_ED25519, names)
    }

    fn of(algorithm: &'static SignatureAlgorithm, names: &[&str]) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let names: Vec<_> = names.iter().copied().map(String::from).collect();
        let certificate = CertificateParams::new(names).unwrap();
        Self {
            certificate: certificate.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    pub(super) fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        let pair = CertifiedKey::from_der(vec![self.der()], self.key_der(), &provider());
        Arc::new(pair.unwrap())
    }
}

/// A directory that goes when it is dropped.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "framewright-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes in place: the file stays the same one.
    pub(super) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// `NAME.crt` and `NAME.key`.
    pub(super) fn write_pair(&self, name: &str, pair: &Pair) -> (PathBuf, PathBuf) {
        (
            self.write(&format!("{name}.crt"), &pair.certificate),
            self.write(&format!("{name}.key"), &pair.key),
        )
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a file look as if it had been written long ago.
pub(super) fn age(path: &Path) {
    let then = SystemTime::now() - Duration::from_secs(3600);
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(then).unwrap();
}

/// A server that shows what `resolver` chooses, of the given versions of TLS.
pub(super) fn server(
    resolver: Arc<dyn ResolvesServerCert>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver)
}

/// A client that takes any certificate whose signature it offered to take, and
/// that resumes.
pub(super) fn client(schemes: &[SignatureScheme]) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(schemes.into())))
        .with_no_client_auth();
    Arc::new(config)
}

/// What a modern client offers.
pub(super) const SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ED25519,
];

#[derive(Debug)]
struct AnyCertificate(Vec<SignatureScheme>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// What came of a handshake that went through.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) resumed: bool,
    /// The server's, as the client saw it: that of the first handshake, if this
    /// one resumed.
    pub(super) certificate: CertificateDer<'static>,
}

/// A whole handshake over buffers, with the tickets after it. The error is the
/// one that the client met, or else the server's.
pub(super) fn handshake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &str,
) -> Result<Met, Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    let mut refused = None;
    loop {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut from_client = &wire[..];
        while !from_client.is_empty() && refused.is_none() {
            server.read_tls(&mut from_client).unwrap();
            refused = server.process_new_packets().err();
        }
        let mut back = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut back).unwrap();
        }
        if wire.is_empty() && back.is_empty() {
            break;
        }
        let mut from_server = &back[..];
        while !from_server.is_empty() {
            client.read_tls(&mut from_server).unwrap();
            client.process_new_packets()?;
        }
        if let Some(error) = refused {
            return Err(error);
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!(client.handshake_kind(), server.handshake_kind());
    Ok(Met {
        resumed: server.handshake_kind() == Some(HandshakeKind::Resumed),
        certificate: client.peer_certificates().unwrap()[0].clone().into_owned(),
    })
}
