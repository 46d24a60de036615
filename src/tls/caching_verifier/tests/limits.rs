//! For how long, and how much, is remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use x509_cert::der::Encode;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_ocsp::{OcspResponse, OcspResponseStatus, ResponseBytes};

use super::super::CachingVerifier;
use super::super::entries::{Entries, Entry, Found, Moment};
use super::super::validity::Validity;
use super::{Chain, Mock, NOW, ask, ask_for, caching, good, ocsp};
use crate::tls::testing::{Authority, name, params};

/// A verifier whose monotonic clock the test moves, in milliseconds.
fn with_clock(inner: &Arc<Mock>) -> (CachingVerifier, Arc<AtomicU64>) {
    let mut verifier = caching(inner);
    let clock = Arc::new(AtomicU64::new(0));
    let (time, start) = (clock.clone(), Instant::now());
    verifier.clock = Box::new(move || start + Duration::from_millis(time.load(Relaxed)));
    (verifier, clock)
}

#[test]
fn an_entry_is_used_for_its_lifetime_by_either_clock() {
    let chain = Chain::good();
    let mock = Mock::good();
    let (verifier, clock) = with_clock(&mock);
    ask(&verifier, &chain, NOW).unwrap();
    ask(&verifier, &chain, NOW + 1799).unwrap();
    assert_eq!(mock.calls(), 1);
    ask(&verifier, &chain, NOW + 1800).unwrap();
    assert_eq!((mock.calls(), verifier.stats().expired), (2, 1));

    // The wall clock stands still, or is turned back to just where it was.
    clock.store(1_799_999, Relaxed);
    ask(&verifier, &chain, NOW + 1800).unwrap();
    assert_eq!(mock.calls(), 2);
    clock.store(1_800_000, Relaxed);
    ask(&verifier, &chain, NOW + 1800).unwrap();
    assert_eq!((mock.calls(), verifier.stats().expired), (3, 2));
}

#[test]
fn a_lifetime_begins_with_the_verification() {
    let chain = Chain::good();
    let time = Arc::new(AtomicU64::new(0));
    let slow = time.clone();
    let mock = Mock::new(move |_| {
        slow.fetch_add(60_000, Relaxed);
        Ok(())
    });
    let (mut verifier, _) = with_clock(&mock);
    let start = Instant::now();
    let clock = time.clone();
    verifier.clock = Box::new(move || start + Duration::from_millis(clock.load(Relaxed)));
    let verifier = verifier.lifetime(Duration::from_secs(90));
    ask(&verifier, &chain, NOW).unwrap();
    time.store(89_999, Relaxed);
    ask(&verifier, &chain, NOW).unwrap();
    assert_eq!(mock.calls(), 1);
    time.store(90_000, Relaxed);
    ask(&verifier, &chain, NOW).unwrap();
    assert_eq!(mock.calls(), 2);
}

#[test]
fn a_lifetime_of_zero_remembers_nothing() {
    let chain = Chain::good();
    let mock = Mock::good();
    let verifier = caching(&mock).lifetime(Duration::ZERO);
    ask(&verifier, &chain, NOW).unwrap();
    ask(&verifier, &chain, NOW).unwrap();
    assert_eq!((mock.calls(), verifier.stats().entries), (2, 0));
}

#[test]
fn an_entry_ends_with_the_first_certificate() {
    let lives = |chain: &Chain, until: u64| {
        let mock = Mock::good();
        let verifier = caching(&mock);
        ask(&verifier, chain, NOW).unwrap();
        ask(&verifier, chain, until).unwrap();
        assert_eq!(mock.calls(), 1);
        ask(&verifier, chain, until + 1).unwrap();
        assert_eq!((mock.calls(), verifier.stats().expired), (2, 1));
    };
    let authority = Authority::new();
    let short = params(&["a.test"], 1, NOW - 60, NOW + 60);
    let chain = Chain::of(&authority, &short);
    lives(&chain, NOW + 60);
    let mut other = Chain::of(&authority, &good(2));
    other.intermediates.push(chain.leaf);
    lives(&other, NOW + 60);
}

#[test]
fn an_entry_does_not_begin_before_the_last_certificate() {
    let authority = Authority::new();
    let early = Chain::of(&authority, &params(&["a.test"], 1, NOW, NOW + 60));
    let mut other = Chain::of(&authority, &good(2));
    other.intermediates.push(early.leaf.clone());
    for chain in [early, other] {
        let mock = Mock::good();
        let verifier = caching(&mock);
        for _ in 0..2 {
            ask(&verifier, &chain, NOW - 1).unwrap();
        }
        assert_eq!((mock.calls(), verifier.stats().entries), (2, 0));
        for _ in 0..2 {
            ask(&verifier, &chain, NOW).unwrap();
        }
        assert_eq!(mock.calls(), 3);
    }
}

#[test]
fn an_entry_ends_with_the_stapled_response() {
    let chain = Chain::good().with_ocsp(ocsp(NOW, Some(NOW + 60)));
    let mock = Mock::good();
    let verifier = caching(&mock);
    ask(&verifier, &chain, NOW).unwrap();
    ask(&verifier, &chain, NOW + 60).unwrap();
    assert_eq!(mock.calls(), 1);
    ask(&verifier, &chain, NOW + 61).unwrap();
    ask(&verifier, &chain, NOW + 61).unwrap();
    assert_eq!((mock.calls(), verifier.stats().expired), (3, 2));
}

fn validity(chain: &Chain) -> Option<Validity> {
    Validity::of(chain.question(&name("a.test")))
}

#[test]
fn a_stapled_response_limits_by_what_it_says() {
    let chain = Chain::good();
    let whole = Validity {
        from: NOW - 3600,
        until: NOW + 86400,
    };
    let span = |from, until| Some(Validity { from, until });
    assert_eq!(validity(&chain), Some(whole));
    let with = |ocsp: Vec<u8>| validity(&chain.clone().with_ocsp(ocsp));
    assert_eq!(with(ocsp(NOW, None)), span(NOW, whole.until));
    assert_eq!(
        with(ocsp(NOW - 9999, Some(NOW + 5))),
        span(NOW - 3600, NOW + 5)
    );
    assert_eq!(with(ocsp(NOW, Some(NOW + 5000))), span(NOW, NOW + 1000));
    let later = OcspResponse::try_later().to_der().unwrap();
    assert_eq!(with(later), Some(whole));
}

#[test]
fn what_cannot_be_read_is_verified_each_time() {
    let chain = Chain::good();
    let mut broken = vec![chain.clone().with_ocsp(b"nonsense".to_vec())];
    let mut response = ocsp(NOW, Some(NOW + 60));
    response.push(0);
    broken.push(chain.clone().with_ocsp(response));
    let unknown = OcspResponse {
        response_status: OcspResponseStatus::Successful,
        response_bytes: Some(ResponseBytes {
            response_type: ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2"),
            response: OctetString::new([5, 0]).unwrap(),
        }),
    };
    broken.push(chain.clone().with_ocsp(unknown.to_der().unwrap()));
    let mut other = chain.clone();
    other.leaf = b"nonsense".to_vec().into();
    broken.push(other);
    let mut other = chain;
    other.intermediates.push(b"nonsense".to_vec().into());
    broken.push(other);
    for chain in broken {
        let mock = Mock::good();
        let verifier = caching(&mock);
        ask(&verifier, &chain, NOW).unwrap();
        ask(&verifier, &chain, NOW).unwrap();
        let stats = verifier.stats();
        assert_eq!((mock.calls(), stats.hits, stats.entries), (2, 0, 0));
    }
}

#[test]
fn an_entry_from_later_than_now_is_not_used() {
    let chain = Chain::good();
    let mock = Mock::good();
    let verifier = caching(&mock);
    ask(&verifier, &chain, NOW).unwrap();
    ask(&verifier, &chain, NOW - 1).unwrap();
    assert_eq!((mock.calls(), verifier.stats().expired), (2, 1));
    // That one began a second earlier, and ends as much earlier.
    ask(&verifier, &chain, NOW).unwrap();
    assert_eq!(mock.calls(), 2);
    ask(&verifier, &chain, NOW + 1799).unwrap();
    assert_eq!(mock.calls(), 3);
}

proptest! {
    /// Each limit for itself, as plain comparisons.
    #[test]
    fn an_entry_is_good_within_all_its_limits(
        began in 100..200u64,
        lifetime in 0..100u64,
        from in 0..300u64,
        until in 0..300u64,
        wall in 0..300u64,
        elapsed in 0..100u64,
    ) {
        let start = Instant::now();
        let entry = Entry {
            began: Moment { wall: began, monotonic: start },
            lifetime: Duration::from_secs(lifetime),
            validity: Validity { from, until },
        };
        let now = Moment { wall, monotonic: start + Duration::from_secs(elapsed) };
        let good = wall >= began
            && wall < began + lifetime
            && elapsed < lifetime
            && wall >= from
            && wall <= until;
        prop_assert_eq!(entry.is_good(now), good);
    }
}

#[test]
fn a_hundred_thousand_names_stay_within_the_bound() {
    let chain = Chain::good();
    let verifier = caching(&Mock::good());
    for id in 0..100_000 {
        ask_for(&verifier, &chain, &format!("{id}.test"), NOW).unwrap();
    }
    let stats = verifier.stats();
    assert_eq!((stats.entries, stats.evicted), (1024, 100_000 - 1024));
    ask_for(&verifier, &chain, "98976.test", NOW).unwrap();
    assert_eq!(verifier.stats().hits, 1);
    ask_for(&verifier, &chain, "98975.test", NOW).unwrap();
    assert_eq!(verifier.stats().hits, 1);
    let verifier = verifier.capacity(0);
    ask_for(&verifier, &chain, "a.test", NOW).unwrap();
    ask_for(&verifier, &chain, "b.test", NOW).unwrap();
    assert_eq!(verifier.stats().entries, 1, "at least one");
}

#[test]
fn the_entry_that_was_not_used_for_longest_goes() {
    let mut entries = Entries::new(2);
    let now = Moment {
        wall: NOW,
        monotonic: Instant::now(),
    };
    let entry = Entry {
        began: now,
        lifetime: Duration::from_secs(1),
        validity: Validity {
            from: 0,
            until: NOW,
        },
    };
    assert!(!entries.put([1; 32], entry));
    assert!(!entries.put([2; 32], entry));
    assert!(!entries.put([2; 32], entry), "the same is no eviction");
    assert_eq!(entries.find(&[1; 32], now), Found::Good);
    assert!(entries.put([3; 32], entry));
    assert_eq!(entries.find(&[2; 32], now), Found::Nothing);
    assert_eq!(entries.find(&[1; 32], now), Found::Good);
}
