//! With the verifier of rustls, and in handshakes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use tokio_rustls::rustls::CertificateError::{
    self, BadEncoding, BadSignature, ExpiredContext, NotValidForNameContext, NotValidYetContext,
    Revoked, UnknownIssuer,
};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme,
};

use super::{Chain, NOW, ask, ask_for, caching, good};
use crate::tls::testing::{Authority, connect, name, params, provider};

struct Real {
    authority: Authority,
    other: Authority,
}

impl Real {
    fn new() -> Self {
        Self {
            authority: Authority::new(),
            other: Authority::new(),
        }
    }

    /// With a list of revoked certificates of each issuer.
    fn verifier(&self, revoked: &[u64]) -> Arc<WebPkiServerVerifier> {
        let list = |issuer: &Issuer<'_, KeyPair>, serials: &[u64]| {
            let date = date_time_ymd(2020, 1, 1);
            let revoked = |&serial: &u64| RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: date,
                reason_code: None,
                invalidity_date: None,
            };
            let params = CertificateRevocationListParams {
                this_update: date,
                next_update: date_time_ymd(2030, 1, 1),
                crl_number: SerialNumber::from(1),
                issuing_distribution_point: None,
                revoked_certs: serials.iter().map(revoked).collect(),
                key_identifier_method: KeyIdMethod::Sha256,
            };
            params.signed_by(issuer).unwrap().der().clone()
        };
        let (root, intermediate) = (&self.authority.root, &self.authority.intermediate);
        WebPkiServerVerifier::builder_with_provider(self.authority.roots(), provider())
            .with_crls([list(root, &[]), list(intermediate, revoked)])
            .build()
            .unwrap()
    }

    /// Chains that are bad for `a.test`, and how.
    fn bad(&self) -> Vec<(Chain, IsRight)> {
        let of = |params| Chain::of(&self.authority, &params);
        let key = KeyPair::generate().unwrap();
        let self_signed = Chain {
            leaf: good(5).self_signed(&key).unwrap().der().clone(),
            intermediates: Vec::new(),
            ocsp: Vec::new(),
        };
        let mut broken = of(good(6));
        broken.leaf = broken.leaf[..broken.leaf.len() - 1].to_vec().into();
        let mut alone = of(good(7));
        alone.intermediates.clear();
        vec![
            (of(params(&["a.test"], 2, NOW - 60, NOW - 1)), |error| {
                matches!(error, ExpiredContext { .. })
            }),
            (of(params(&["a.test"], 3, NOW + 1, NOW + 60)), |error| {
                matches!(error, NotValidYetContext { .. })
            }),
            (of(params(&["b.test"], 4, NOW - 60, NOW + 60)), |error| {
                matches!(error, NotValidForNameContext { .. })
            }),
            (self_signed, |error| *error == UnknownIssuer),
            (broken, |error| *error == BadEncoding),
            (alone, |error| *error == UnknownIssuer),
            // Issuers of the same names, with other keys.
            (Chain::of(&self.other, &good(8)), |error| {
                *error == BadSignature
            }),
            (of(good(REVOKED)), |error| *error == Revoked),
        ]
    }
}

const REVOKED: u64 = 13;

type IsRight = fn(&CertificateError) -> bool;

#[test]
fn what_is_bad_is_refused_whatever_the_cache_holds() {
    let real = Real::new();
    let chain = Chain::of(&real.authority, &good(1));
    let inner = real.verifier(&[REVOKED]);
    let warm = caching(&inner);
    ask(&warm, &chain, NOW).unwrap();
    for (bad, is_right) in real.bad() {
        let cold = caching(&inner);
        for verifier in [&cold, &warm] {
            for _ in 0..2 {
                let error = ask(verifier, &bad, NOW);
                let Err(Error::InvalidCertificate(error)) = error else {
                    panic!("{error:?}");
                };
                assert!(is_right(&error), "{error:?}");
            }
        }
        assert_eq!(cold.stats().entries, 0);
    }
    ask(&warm, &chain, NOW).unwrap();
    let stats = warm.stats();
    assert_eq!((stats.hits, stats.entries), (1, 1), "{stats:?}");
}

#[test]
fn what_was_good_for_another_name_time_or_verifier_is_refused() {
    let real = Real::new();
    let verifier = caching(&real.verifier(&[]));
    // Another name.
    let chain = Chain::of(&real.authority, &params(&["b.test"], 1, NOW - 60, NOW + 60));
    ask_for(&verifier, &chain, "b.test", NOW).unwrap();
    ask_for(&verifier, &chain, "b.test", NOW).unwrap();
    ask_for(&verifier, &chain, "a.test", NOW).unwrap_err();
    // Another time.
    ask_for(&verifier, &chain, "b.test", NOW + 60).unwrap();
    ask_for(&verifier, &chain, "b.test", NOW + 61).unwrap_err();
    ask_for(&verifier, &chain, "b.test", NOW - 61).unwrap_err();
    assert_eq!(verifier.stats().hits, 2);
    // Another verifier.
    let chain = Chain::of(&real.authority, &good(REVOKED));
    let strict = caching(&real.verifier(&[REVOKED]));
    ask(&verifier, &chain, NOW).unwrap();
    ask(&strict, &chain, NOW).unwrap_err();
    // Other intermediates.
    ask(&verifier, &chain, NOW).unwrap();
    let mut without = chain.clone();
    without.intermediates = real.other.intermediates();
    ask(&verifier, &without, NOW).unwrap_err();
    without.intermediates.clear();
    ask(&verifier, &without, NOW).unwrap_err();
}

/// The verifier of rustls, whose signature check the test turns off and on.
#[derive(Debug)]
struct Signatures {
    inner: Arc<WebPkiServerVerifier>,
    bad: AtomicBool,
}

impl Signatures {
    fn check(&self) -> Result<(), Error> {
        if self.bad.load(Relaxed) {
            return Err(Error::InvalidCertificate(BadSignature));
        }
        Ok(())
    }
}

impl ServerCertVerifier for Signatures {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner
            .verify_server_cert(leaf, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check()?;
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check()?;
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Handshakes: the chain from the cache, the signature never.
#[test]
fn the_signature_is_verified_on_each_connection() {
    for version in [&TLS13, &TLS12] {
        let authority = Authority::new();
        let leaf = authority.leaf(&params(&["a.test"], 1, 0, 4_000_000_000));
        let server = Arc::new(authority.server(&leaf, version));
        let provider = provider();
        let inner = Arc::new(Signatures {
            inner: WebPkiServerVerifier::builder_with_provider(authority.roots(), provider.clone())
                .build()
                .unwrap(),
            bad: AtomicBool::new(false),
        });
        let verifier = Arc::new(caching(&inner));
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_no_client_auth();
        client.resumption = Resumption::disabled();
        let client = Arc::new(client);

        for _ in 0..3 {
            let connection = connect(&client, &server, &name("a.test")).unwrap();
            assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full));
        }
        assert_eq!(verifier.stats().hits, 2);
        inner.bad.store(true, Relaxed);
        let error = connect(&client, &server, &name("a.test")).unwrap_err();
        let expected = Error::InvalidCertificate(BadSignature);
        assert_eq!(error, expected, "{version:?}");
        assert_eq!(verifier.stats().hits, 3);
    }
}

/// Both are timed at their best of many, so that other work on the machine does
/// not show.
#[test]
fn a_hit_costs_little() {
    let real = Real::new();
    let mut chain = Chain::of(&real.authority, &good(1));
    chain.intermediates.push(real.authority.root.der().clone());
    let inner = real.verifier(&[]);
    let verifier = caching(&inner);
    ask(&verifier, &chain, NOW).unwrap();
    let best = |verifier: &dyn ServerCertVerifier| {
        let timed = |_| {
            let began = Instant::now();
            for _ in 0..10 {
                ask(verifier, &chain, NOW).unwrap();
            }
            began.elapsed() / 10
        };
        (0..200).map(timed).min().unwrap()
    };
    let (hit, verification) = (best(&verifier), best(inner.as_ref()));
    println!("hit {hit:?}, verification {verification:?}");
    assert!(hit * 20 <= verification, "{hit:?} {verification:?}");
}
