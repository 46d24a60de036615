//! What is known, and what is verified anew.

use proptest::prelude::*;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

use super::super::key::{Asked, Key, Keys};
use super::{Chain, Mock, NOW, ask, ask_for, caching, good, ocsp, refusal};
use crate::tls::testing::{Authority, name, provider};

#[test]
fn an_error_is_never_remembered() {
    let chain = Chain::good();
    let mock = Mock::new(|call| if call < 3 { Err(refusal()) } else { Ok(()) });
    let verifier = caching(&mock);
    for _ in 0..3 {
        assert_eq!(ask(&verifier, &chain, NOW), Err(refusal()));
    }
    assert_eq!(verifier.stats().entries, 0);
    ask(&verifier, &chain, NOW).unwrap();
    ask(&verifier, &chain, NOW).unwrap();
    let stats = verifier.stats();
    assert_eq!((stats.hits, stats.misses, stats.failures), (1, 4, 3));
    assert_eq!(mock.calls(), 4);
}

#[test]
fn an_error_undoes_what_was_remembered() {
    let chain = Chain::good();
    let mock = Mock::new(|call| if call == 1 { Err(refusal()) } else { Ok(()) });
    let verifier = caching(&mock);
    ask(&verifier, &chain, NOW).unwrap();
    // Not used by a clock that is behind it, though it is there.
    assert_eq!(ask(&verifier, &chain, NOW - 1), Err(refusal()));
    assert_eq!(verifier.stats().entries, 0);
    ask(&verifier, &chain, NOW).unwrap();
    assert_eq!(mock.calls(), 3);
}

#[test]
fn another_chain_name_or_order_is_verified_anew() {
    let authority = Authority::new();
    let chain = Chain::of(&authority, &good(1));
    let mock = Mock::good();
    let verifier = caching(&mock);
    let mut calls = 0;
    let mut is_new = |chain: &Chain, name: &str| {
        ask_for(&verifier, chain, name, NOW).unwrap();
        calls += 1;
        assert_eq!(mock.calls(), calls);
        ask_for(&verifier, chain, name, NOW).unwrap();
        assert_eq!(mock.calls(), calls);
    };
    is_new(&chain, "a.test");
    is_new(&chain, "b.test");
    is_new(&chain, "1.2.3.4");
    is_new(&Chain::of(&authority, &good(1)), "a.test");
    let mut other = chain.clone();
    other.intermediates = Authority::new().intermediates();
    is_new(&other, "a.test");
    other.intermediates.push(chain.intermediates[0].clone());
    is_new(&other, "a.test");
    other.intermediates.reverse();
    is_new(&other, "a.test");
    other.intermediates.clear();
    is_new(&other, "a.test");
    let stapled = ocsp(NOW, Some(NOW + 60));
    is_new(&chain.clone().with_ocsp(stapled), "a.test");
}

fn key_of(asked: (u64, u64), chain: &Chain, name: &ServerName<'_>) -> Key {
    let (instance, generation) = asked;
    let asked = Asked {
        instance,
        generation,
    };
    let keys = Keys::of(&provider()).unwrap();
    keys.key(asked, chain.question(name)).unwrap()
}

fn chain_of(leaf: &[u8], intermediates: &[Vec<u8>], ocsp: &[u8]) -> Chain {
    let certificate = |der: &[u8]| CertificateDer::from(der.to_vec());
    Chain {
        leaf: certificate(leaf),
        intermediates: intermediates.iter().map(|der| certificate(der)).collect(),
        ocsp: ocsp.to_vec(),
    }
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..3u8, 0..70)
}

proptest! {
    #[test]
    fn one_flipped_bit_makes_another_key(
        parts in prop::collection::vec(octets(), 2..6),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let key = |parts: &[Vec<u8>]| {
            let [ocsp, leaf, intermediates @ ..] = parts else { unreachable!() };
            key_of((1, 1), &chain_of(leaf, intermediates, ocsp), &name("a.test"))
        };
        let mut other = parts.clone();
        let size = other.iter().map(Vec::len).sum::<usize>();
        prop_assume!(size > 0);
        *other.iter_mut().flatten().nth(at.index(size)).unwrap() ^= 1 << bit;
        prop_assert_ne!(key(&parts), key(&other));
    }

    /// Wherever the octets are parted, and whichever part they belong to.
    #[test]
    fn parts_do_not_run_into_one_another(
        octets in octets(),
        one in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
        other in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
    ) {
        let part = |cuts: &[prop::sample::Index]| {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(octets.len() + 1)).collect();
            cuts.sort_unstable();
            let mut parts = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([octets.len()]) {
                parts.push(octets[from..cut].to_vec());
                from = cut;
            }
            let [ocsp, leaf, intermediates @ ..] = parts.as_slice() else { unreachable!() };
            let key = key_of((1, 1), &chain_of(leaf, intermediates, ocsp), &name("a.test"));
            (parts, key)
        };
        let (one, other) = (part(&one), part(&other));
        prop_assert_eq!(one.0 == other.0, one.1 == other.1);
    }
}

#[test]
fn a_key_tells_verifiers_and_kinds_of_names_apart() {
    let chain = Chain::good();
    // The octets of the address spell the name.
    let names = ["abcd", "97.98.99.100", "ABCD", "abcd."];
    let long = name("6162:6364:6162:6364:6162:6364:6162:6364");
    let mut keys: Vec<_> = names
        .into_iter()
        .map(|host| key_of((1, 2), &chain, &name(host)))
        .collect();
    keys.push(key_of((1, 2), &chain, &long));
    keys.push(key_of((1, 2), &chain, &name("abcdabcdabcdabcd")));
    keys.push(key_of((2, 1), &chain, &name("abcd")));
    keys.push(key_of((1, 1), &chain, &name("abcd")));
    keys.push(key_of((2, 2), &chain, &name("abcd")));
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), all);
    assert_eq!(
        key_of((1, 2), &chain, &name("abcd")),
        key_of((1, 2), &chain.clone(), &name("abcd"))
    );
    let (one, other) = (caching(&Mock::good()), caching(&Mock::good()));
    assert_ne!(one.instance, other.instance);
}

/// A real chain, with one bit in its certificates flipped at a time.
#[test]
fn a_flipped_bit_in_a_certificate_is_never_a_hit() {
    let chain = Chain::good().with_ocsp(ocsp(NOW, Some(NOW + 60)));
    let mock = Mock::good();
    let verifier = caching(&mock);
    ask(&verifier, &chain, NOW).unwrap();
    let flip = |octets: &[u8], at: usize| {
        let mut octets = octets.to_vec();
        octets[at] ^= 1 << (at % 8);
        octets
    };
    for at in (0..chain.leaf.len()).step_by(7) {
        let mut other = chain.clone();
        other.leaf = flip(&chain.leaf, at).into();
        ask(&verifier, &other, NOW).unwrap();
    }
    for at in (0..chain.intermediates[0].len()).step_by(7) {
        let mut other = chain.clone();
        other.intermediates[0] = flip(&chain.intermediates[0], at).into();
        ask(&verifier, &other, NOW).unwrap();
    }
    for at in 0..chain.ocsp.len() {
        let other = chain.clone().with_ocsp(flip(&chain.ocsp, at));
        ask(&verifier, &other, NOW).unwrap();
    }
    assert_eq!(verifier.stats().hits, 0);
    assert!(mock.calls() > 150);
}
