//! Keys, and the octets of a ticket.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio_rustls::rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, OutboundPlainMessage, Tls13AeadAlgorithm,
};
use tokio_rustls::rustls::crypto::tls13::{Hkdf, HkdfExpander};
use tokio_rustls::rustls::crypto::{CryptoProvider, SecureRandom};
use tokio_rustls::rustls::{CipherSuite, ContentType, ProtocolVersion, SupportedCipherSuite};
use zeroize::Zeroizing;

use super::builder::TicketKeyError;

const NAME: usize = 16;
const SALT: usize = 32;
/// The type octet of a TLS 1.3 record, which the AEAD is made for, and the tag.
const OVERHEAD: usize = 1 + 16;
/// What a TLS record holds (RFC 8446, section 5.1), in octets.
pub(super) const MAX_PLAIN: usize = 1 << 14;
/// Bindings whose keys are remembered for one epoch. There are as many as there
/// are configurations, if nobody makes them up at run time.
const MAX_BOUND: usize = 4096;

const KEY: usize = 32;
const IV: usize = 12;

/// What of a crypto provider makes tickets.
pub(super) struct Crypto {
    hkdf: &'static dyn Hkdf,
    aead: &'static dyn Tls13AeadAlgorithm,
    random: &'static dyn SecureRandom,
}

impl Crypto {
    pub(super) fn of(provider: &CryptoProvider) -> Result<Self, TicketKeyError> {
        provider
            .cipher_suites
            .iter()
            .filter(|suite| suite.suite() == CipherSuite::TLS13_AES_256_GCM_SHA384)
            .find_map(SupportedCipherSuite::tls13)
            .map(|suite| Self {
                hkdf: suite.hkdf_provider,
                aead: suite.aead_alg,
                random: provider.secure_random,
            })
            .ok_or(TicketKeyError::NoCipherSuite)
    }

    /// What keys are derived from, of a secret. `label` keeps secrets of
    /// different uses apart.
    pub(super) fn extract(&self, label: &[u8], secret: &[u8; 32]) -> Box<dyn HkdfExpander> {
        self.hkdf.extract_from_secret(Some(label), secret)
    }

    /// A key below another one.
    pub(super) fn derive(&self, from: &dyn HkdfExpander, info: &[&[u8]]) -> Box<dyn HkdfExpander> {
        self.hkdf.expander_for_okm(&from.expand_block(info))
    }
}

/// The key of a span of time, above those of all bindings.
pub(super) struct Epoch {
    /// Of a derived key.
    pub(super) number: u64,
    key: Box<dyn HkdfExpander>,
    /// By the encoding of the binding.
    bound: RwLock<HashMap<Arc<[u8]>, Arc<BoundKey>>>,
}

impl Epoch {
    pub(super) fn new(number: u64, key: Box<dyn HkdfExpander>) -> Self {
        Self {
            number,
            key,
            bound: RwLock::default(),
        }
    }

    /// Its key for one binding, derived the first time.
    pub(super) fn bound(&self, binding: &Arc<[u8]>, crypto: &Crypto) -> Arc<BoundKey> {
        if let Some(key) = self.bound.read().get(binding) {
            return key.clone();
        }
        let key = crypto.derive(&*self.key, &[b"binding", binding]);
        let mut name = [0; NAME];
        // One block of output is never too long.
        let _ = key.expand_slice(&[b"name"], &mut name);
        let mut bound = self.bound.write();
        if bound.len() >= MAX_BOUND {
            bound.clear();
        }
        bound
            .entry(binding.clone())
            .or_insert_with(|| Arc::new(BoundKey { name, key }))
            .clone()
    }
}

/// What came of opening a ticket.
pub(super) enum Opened {
    Plain(Vec<u8>),
    /// The ticket names another key, or is no ticket of ours.
    OtherKey,
    /// The ticket names this key, which did not make it as it is.
    Rejected,
}

/// The key of an epoch for one binding. A ticket is its name, a salt, and a
/// TLS 1.3 record encrypted with what it and the salt derive.
pub(super) struct BoundKey {
    name: [u8; NAME],
    key: Box<dyn HkdfExpander>,
}

impl BoundKey {
    pub(super) fn seal(&self, plain: &[u8], crypto: &Crypto) -> Option<Vec<u8>> {
        if plain.len() > MAX_PLAIN {
            return None;
        }
        let mut salt = [0; SALT];
        crypto.random.fill(&mut salt).ok()?;
        let (key, iv) = self.ticket_key(&salt)?;
        let message = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_3,
            payload: plain.into(),
        };
        let sealed = crypto.aead.encrypter(key, iv).encrypt(message, 0).ok()?;
        Some([&self.name, &salt[..], sealed.payload.as_ref()].concat())
    }

    /// `ticket` may be any octets at all.
    pub(super) fn open(&self, ticket: &[u8], crypto: &Crypto) -> Opened {
        let Some((name, rest)) = ticket.split_first_chunk::<NAME>() else {
            return Opened::OtherKey;
        };
        if name != &self.name {
            return Opened::OtherKey;
        }
        self.decrypt(rest, crypto)
            .map_or(Opened::Rejected, Opened::Plain)
    }

    fn decrypt(&self, rest: &[u8], crypto: &Crypto) -> Option<Vec<u8>> {
        let (salt, sealed) = rest.split_first_chunk::<SALT>()?;
        if !(OVERHEAD..=MAX_PLAIN + OVERHEAD).contains(&sealed.len()) {
            return None;
        }
        let (key, iv) = self.ticket_key(salt)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let message = InboundOpaqueMessage::new(
            ContentType::ApplicationData,
            ProtocolVersion::TLSv1_2,
            &mut sealed,
        );
        let plain = crypto.aead.decrypter(key, iv).decrypt(message, 0).ok()?;
        Some(plain.payload.to_vec())
    }

    /// A key that no other ticket has, so that its nonce may be the same.
    fn ticket_key(&self, salt: &[u8; SALT]) -> Option<(AeadKey, Iv)> {
        let mut octets = Zeroizing::new([0; KEY + IV]);
        self.key
            .expand_slice(&[b"ticket", salt], &mut *octets)
            .ok()?;
        let (key, iv) = octets.split_first_chunk::<KEY>()?;
        let iv: [u8; IV] = iv.try_into().ok()?;
        Some((AeadKey::from(*key), Iv::from(iv)))
    }
}
