//! What a verification is known by.

use tokio_rustls::rustls::SupportedCipherSuite;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::hash::{Hash, HashAlgorithm};
use tokio_rustls::rustls::pki_types::{CertificateDer, IpAddr, ServerName};

/// A SHA-256.
pub(super) type Key = [u8; 32];

/// All that a verifier is asked about, but the time.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) leaf: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
    pub(super) name: &'a ServerName<'a>,
    pub(super) ocsp: &'a [u8],
}

/// Whom it is asked.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) instance: u64,
    pub(super) generation: u64,
}

/// Makes keys.
pub(super) struct Keys(&'static dyn Hash);

impl Keys {
    /// With the SHA-256 of `provider`, if it has one.
    pub(super) fn of(provider: &CryptoProvider) -> Option<Self> {
        provider
            .cipher_suites
            .iter()
            .map(|suite| match suite {
                SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
                SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
            })
            .find(|hash| hash.algorithm() == HashAlgorithm::SHA256)
            .map(Self)
    }

    /// The key of one question to one verifier; none for a kind of name that is
    /// not known here.
    ///
    /// A chain of hashes: each part goes in as a hash of its own, in the place of
    /// its length and its octets, so that no two questions run into one another,
    /// and nothing is allocated. What says how many parts there are, and of which
    /// kind, comes first.
    pub(super) fn key(&self, asked: Asked, question: Question<'_>) -> Option<Key> {
        let (kind, name) = match question.name {
            ServerName::DnsName(name) => (1, name.as_ref().as_bytes()),
            ServerName::IpAddress(IpAddr::V4(address)) => (2, address.as_ref().as_slice()),
            ServerName::IpAddress(IpAddr::V6(address)) => (3, address.as_ref().as_slice()),
            _ => return None,
        };
        let mut key = Key::default();
        key[..8].copy_from_slice(&asked.instance.to_be_bytes());
        key[8..16].copy_from_slice(&asked.generation.to_be_bytes());
        key[16..24].copy_from_slice(&(question.intermediates.len() as u64).to_be_bytes());
        key[24] = kind;

        key = self.chain(key, name)?;
        key = self.chain(key, question.ocsp)?;
        key = self.chain(key, question.leaf)?;
        for intermediate in question.intermediates {
            key = self.chain(key, intermediate)?;
        }
        Some(key)
    }

    fn chain(&self, before: Key, part: &[u8]) -> Option<Key> {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&before);
        both[32..].copy_from_slice(&self.hash(part)?);
        self.hash(&both)
    }

    /// None if the provider's SHA-256 is of another length, which is its fault.
    fn hash(&self, octets: &[u8]) -> Option<Key> {
        self.0.hash(octets).as_ref().try_into().ok()
    }
}
