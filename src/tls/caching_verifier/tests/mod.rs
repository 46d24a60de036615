//! A verifier that counts and does as it is told within, and that of rustls.

mod keys;
mod limits;
mod threads;
mod webpki;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use rcgen::CertificateParams;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
};
use x509_cert::der::asn1::{BitString, Null, ObjectIdentifier, OctetString};
use x509_cert::der::{DateTime, Encode};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspResponse, ResponderId, ResponseData, SingleResponse,
    Version,
};

use super::key::Question;
use super::{CachingVerifier, NoSha256};
use crate::tls::testing::{Authority, name, params, provider};
use crate::tls::verification::observe;

/// In 2027.
const NOW: u64 = 1_800_000_000;

type Answer = Box<dyn Fn(usize) -> Result<(), Error> + Send + Sync>;

/// Answers as it is told, by the number of the call, and counts.
struct Mock {
    calls: AtomicUsize,
    answer: Answer,
    raw: bool,
}

impl Mock {
    fn new(answer: impl Fn(usize) -> Result<(), Error> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicUsize::new(0),
            answer: Box::new(answer),
            raw: false,
        })
    }

    fn good() -> Arc<Self> {
        Self::new(|_| Ok(()))
    }

    fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mock")
    }
}

impl ServerCertVerifier for Mock {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        (self.answer)(self.calls.fetch_add(1, Relaxed))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("1.3".into()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED448]
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.raw
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        Some(&[])
    }
}

/// What a server presents.
#[derive(Clone)]
struct Chain {
    leaf: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    ocsp: Vec<u8>,
}

impl Chain {
    fn of(authority: &Authority, params: &CertificateParams) -> Self {
        Self {
            leaf: authority.leaf(params).cert,
            intermediates: authority.intermediates(),
            ocsp: Vec::new(),
        }
    }

    /// Good for `a.test` and `b.test`, from an hour before now to a day after.
    fn good() -> Self {
        Self::of(&Authority::new(), &good(1))
    }

    fn with_ocsp(mut self, ocsp: Vec<u8>) -> Self {
        self.ocsp = ocsp;
        self
    }

    fn question<'a>(&'a self, name: &'a ServerName<'a>) -> Question<'a> {
        Question {
            leaf: &self.leaf,
            intermediates: &self.intermediates,
            name,
            ocsp: &self.ocsp,
        }
    }
}

fn good(serial: u64) -> CertificateParams {
    params(&["a.test", "b.test"], serial, NOW - 3600, NOW + 86400)
}

fn ask_for(
    verifier: &dyn ServerCertVerifier,
    chain: &Chain,
    host: &str,
    now: u64,
) -> Result<(), Error> {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let name = name(host);
    let Chain {
        leaf,
        intermediates,
        ocsp,
    } = chain;
    verifier
        .verify_server_cert(leaf, intermediates, &name, ocsp, now)
        .map(drop)
}

fn ask(verifier: &dyn ServerCertVerifier, chain: &Chain, now: u64) -> Result<(), Error> {
    ask_for(verifier, chain, "a.test", now)
}

fn caching(inner: &Arc<impl ServerCertVerifier + 'static>) -> CachingVerifier {
    CachingVerifier::new(inner.clone(), &provider()).unwrap()
}

fn refusal() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// An OCSP response of two certificates, the second with `next`.
fn ocsp(this: u64, next: Option<u64>) -> Vec<u8> {
    let time = |at| DateTime::from_unix_duration(Duration::from_secs(at)).unwrap();
    let algorithm = |oid| AlgorithmIdentifierOwned {
        oid: ObjectIdentifier::new_unwrap(oid),
        parameters: None,
    };
    let single = |serial: u8, next: Option<u64>| SingleResponse {
        cert_id: CertId {
            hash_algorithm: algorithm("1.3.14.3.2.26"),
            issuer_name_hash: OctetString::new([1; 20]).unwrap(),
            issuer_key_hash: OctetString::new([2; 20]).unwrap(),
            serial_number: SerialNumber::from(serial),
        },
        cert_status: CertStatus::Good(Null),
        this_update: time(this).into(),
        next_update: next.map(|next| time(next).into()),
        single_extensions: None,
    };
    let basic = BasicOcspResponse {
        tbs_response_data: ResponseData {
            version: Version::V1,
            responder_id: ResponderId::ByKey(OctetString::new([3; 20]).unwrap()),
            produced_at: time(this).into(),
            responses: vec![single(1, next.map(|_| NOW + 1000)), single(2, next)],
            response_extensions: None,
        },
        signature_algorithm: algorithm("1.2.840.10045.4.3.2"),
        signature: BitString::from_bytes(&[4; 70]).unwrap(),
        certs: None,
    };
    OcspResponse::successful(basic).unwrap().to_der().unwrap()
}

#[test]
fn a_chain_is_verified_once_and_each_answer_is_reported() {
    let chain = Chain::good();
    let mock = Mock::good();
    let verifier = caching(&mock);
    let observed = |chain: &Chain| {
        let (answer, cached) = tokio_test::block_on(observe(async { ask(&verifier, chain, NOW) }));
        answer.unwrap();
        cached
    };
    assert_eq!(observed(&chain), Some(false));
    for _ in 0..10 {
        assert_eq!(observed(&chain), Some(true));
    }
    assert_eq!(mock.calls(), 1);
    let stats = verifier.stats();
    assert_eq!((stats.hits, stats.misses, stats.entries), (10, 1, 1));
    assert_eq!(observed(&Chain::good()), Some(false));
    assert_eq!(mock.calls(), 2);
}

#[test]
fn all_but_the_chain_goes_to_the_verifier_within() {
    let verifier = caching(&Mock::good());
    assert_eq!(
        verifier.supported_verify_schemes(),
        [SignatureScheme::ED448]
    );
    assert!(verifier.root_hint_subjects().is_some_and(<[_]>::is_empty));
    assert!(!verifier.requires_raw_public_keys());
    assert!(format!("{verifier:?}").starts_with("CachingVerifier { inner: Mock, lifetime: 1800s"));
}

#[test]
fn raw_public_keys_are_never_remembered() {
    let mut mock = Mock::good();
    Arc::get_mut(&mut mock).unwrap().raw = true;
    let verifier = caching(&mock);
    assert!(verifier.requires_raw_public_keys());
    let chain = Chain::good();
    for _ in 0..3 {
        ask(&verifier, &chain, NOW).unwrap();
    }
    let stats = verifier.stats();
    assert_eq!((mock.calls(), stats.misses, stats.entries), (3, 3, 0));
}

#[test]
fn a_provider_without_sha_256_is_refused() {
    let mut without = (*provider()).clone();
    without.cipher_suites.clear();
    let verifier = CachingVerifier::new(Mock::good(), &without);
    assert_eq!(verifier.err(), Some(NoSha256));
}
