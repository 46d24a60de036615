//! Files that change under a resolver, and what clients meet.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use tokio_rustls::rustls::crypto::{CryptoProvider, KeyProvider};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::SigningKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{AlertDescription, Error, ServerConfig};

use super::super::testing_server::{
    self, Directory, Pair, SCHEMES, age, client, eventually, handshake, provider,
};
use super::super::{TicketBinding, TicketKeys};
use super::*;

/// A builder that looks at files only when it is told to.
fn builder() -> SniResolverBuilder {
    SniResolver::builder()
        .provider(provider())
        .reload_every(Duration::ZERO)
}

fn config(resolver: &SniResolver) -> Arc<ServerConfig> {
    let resolver = Arc::new(resolver.clone());
    Arc::new(testing_server::server(resolver, &[&TLS13, &TLS12]))
}

/// What a client that asks for `name` is shown.
fn shown(resolver: &SniResolver, name: &str) -> Result<CertificateDer<'static>, Error> {
    let met = handshake(&client(SCHEMES), &config(resolver), name)?;
    Ok(met.certificate)
}

/// That `name` is served with `pair`.
#[track_caller]
fn serves(resolver: &SniResolver, name: &str, pair: &Pair) {
    assert_eq!(shown(resolver, name).as_ref(), Ok(&pair.der()), "{name}");
}

#[track_caller]
fn refuses(resolver: &SniResolver, name: &str) {
    let alert = Error::AlertReceived(AlertDescription::AccessDenied);
    assert_eq!(shown(resolver, name), Err(alert), "{name}");
}

/// Loads keys, after what the test does first.
#[derive(Debug)]
struct Loader(fn());

impl Loader {
    fn provider(&'static self) -> Arc<CryptoProvider> {
        let mut provider = (*provider()).clone();
        provider.key_provider = self;
        Arc::new(provider)
    }
}

impl KeyProvider for Loader {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        (self.0)();
        provider().key_provider.load_private_key(key)
    }
}

#[test]
fn clients_are_shown_the_certificate_of_their_name() {
    let directory = Directory::new();
    let a = Pair::new(&["a.example", "*.a.example", "192.0.2.1"]);
    let b = Pair::new(&["b.A.example"]);
    let (crt, key) = directory.write_pair("a", &a);
    let resolver = builder().files(crt, key);
    let (crt, key) = directory.write_pair("b", &b);
    let resolver = resolver.files(crt, key).build().unwrap();
    serves(&resolver, "a.example", &a);
    serves(&resolver, "A.exaMPLE", &a);
    serves(&resolver, "www.a.example", &a);
    serves(&resolver, "b.a.example", &b);
    refuses(&resolver, "c.b.a.example");
    refuses(&resolver, "b.example");
    // No client asks for an address.
    refuses(&resolver, "192.0.2.1");
    let stats = resolver.stats();
    assert_eq!((stats.certificates, stats.names), (2, 3));
    assert_eq!((stats.refused, stats.defaulted), (3, 0));
}

#[test]
fn unknown_names_get_the_default_or_are_refused() {
    let directory = Directory::new();
    let fallback = Pair::new(&["fallback.example"]);
    let nameless = Pair::new(&["192.0.2.1"]);
    let (crt, key) = directory.write_pair("fallback", &fallback);
    let resolver = builder().default_certificate(&crt, &key).build().unwrap();
    for name in ["fallback.example", "other.example", "192.0.2.1"] {
        serves(&resolver, name, &fallback);
    }
    assert_eq!(resolver.stats().defaulted, 2);

    let resolver = builder()
        .default_certificate(&crt, &key)
        .unknown_name(UnknownName::Refuse)
        .build()
        .unwrap();
    serves(&resolver, "fallback.example", &fallback);
    refuses(&resolver, "other.example");
    refuses(&resolver, "192.0.2.1");

    let resolver = builder().default_key(nameless.certified()).build().unwrap();
    serves(&resolver, "192.0.2.1", &nameless);
    assert_eq!(resolver.stats().certificates, 1);
    let resolver = builder().default_key(fallback.certified());
    let resolver = resolver.unknown_name(UnknownName::Refuse).build().unwrap();
    serves(&resolver, "fallback.example", &fallback);
}

#[test]
fn the_clients_schemes_decide_between_two_of_a_name() {
    use tokio_rustls::rustls::SignatureScheme::{ECDSA_NISTP256_SHA256, ED25519, RSA_PSS_SHA256};

    let directory = Directory::new();
    let (ecdsa, ed25519) = (Pair::new(&["a.example"]), Pair::ed25519(&["a.example"]));
    directory.write_pair("1", &ecdsa);
    directory.write_pair("2", &ed25519);
    let resolver = builder().directory(directory.path("")).build().unwrap();
    let config = config(&resolver);
    for (schemes, pair) in [
        (&[ED25519, ECDSA_NISTP256_SHA256][..], &ecdsa),
        (&[ECDSA_NISTP256_SHA256], &ecdsa),
        (&[ED25519], &ed25519),
    ] {
        let met = handshake(&client(schemes), &config, "a.example").unwrap();
        assert_eq!(met.certificate, pair.der());
    }
    let none = handshake(&client(&[RSA_PSS_SHA256]), &config, "a.example");
    let alert = Error::AlertReceived(AlertDescription::HandshakeFailure);
    assert_eq!(none.unwrap_err(), alert);
}

#[test]
fn a_directory_has_pairs_of_several_shapes() {
    let directory = Directory::new();
    let pair = |name: &str| Pair::new(&[name]);
    let names = ["crt", "pem", "cert", "www.dots", "certbot", "itself"];
    let pairs = names.map(|name| pair(&format!("{name}.example")));
    for (name, crt, key) in [
        (0, "crt.crt", "crt.key"),
        (1, "pem.pem", "pem.key"),
        (2, "cert.cert", "cert.key"),
        (3, "www.dots.crt", "www.dots.key"),
        (4, "live/fullchain.pem", "live/privkey.pem"),
        (5, "fullchain.pem", "privkey.pem"),
    ] {
        directory.write(crt, &pairs[name].certificate);
        directory.write(key, &pairs[name].key);
    }
    // What is none.
    directory.write("crt.pem", "not looked at, since crt.crt is there");
    directory.write("ca.crt", &pair("ca.example").certificate);
    directory.write("lone.key", &pair("lone.example").key);
    directory.write("README", "hello");
    directory.write(".hidden.crt", &pair("hidden.example").certificate);
    directory.write(".hidden.key", "");
    directory.write("live/archive/fullchain.pem", "deeper");
    directory.write("empty/README", "");
    let resolver = builder().directory(directory.path("")).build().unwrap();
    for (name, pair) in names.iter().zip(&pairs) {
        serves(&resolver, &format!("{name}.example"), pair);
    }
    let stats = resolver.stats();
    assert_eq!((stats.certificates, stats.names), (6, 6));
    assert_eq!((stats.reload_errors, stats.last_error), (0, None));
}

#[test]
fn pairs_come_change_and_go() {
    let directory = Directory::new();
    let (a, b) = (Pair::new(&["a.example"]), Pair::new(&["b.example"]));
    directory.write_pair("a", &a);
    let resolver = builder().directory(directory.path("")).build().unwrap();
    let other = resolver.clone();
    refuses(&resolver, "b.example");

    directory.write_pair("b", &b);
    let found = resolver.reload();
    assert_eq!((found.added, found.replaced, found.removed), (1, 0, 0));
    serves(&other, "b.example", &b);

    let renewed = Pair::new(&["a.example", "more.example"]);
    directory.write_pair("a", &renewed);
    let found = resolver.reload();
    assert_eq!((found.added, found.replaced, found.removed), (0, 1, 0));
    serves(&other, "a.example", &renewed);
    serves(&other, "more.example", &renewed);

    fs::remove_file(directory.path("a.key")).unwrap();
    assert_eq!(
        resolver.reload().errors.len(),
        1,
        "half of it is still there"
    );
    serves(&other, "a.example", &renewed);
    fs::remove_file(directory.path("a.crt")).unwrap();
    let found = resolver.reload();
    assert_eq!((found.added, found.replaced, found.removed), (0, 0, 1));
    assert!(found.errors.is_empty());
    refuses(&other, "a.example");
    serves(&other, "b.example", &b);

    let found = resolver.reload();
    assert_eq!((found.added, found.replaced, found.removed), (0, 0, 0));
    let stats = resolver.stats();
    assert_eq!((stats.reloads, stats.reload_errors), (3, 1));
    assert_eq!((stats.certificates, stats.last_error), (1, None));

    // The whole directory is away for a while.
    let away = directory.path("").with_extension("away");
    fs::rename(directory.path(""), &away).unwrap();
    let errors = resolver.reload().errors;
    assert!(matches!(
        errors[..],
        [CertificateError::Unreadable { .. }, ..]
    ));
    serves(&other, "b.example", &b);
    fs::rename(&away, directory.path("")).unwrap();
    assert!(resolver.reload().errors.is_empty());
}

/// Every order in which the files of a pair may be replaced, and be broken.
#[test]
fn a_half_written_pair_is_not_served() {
    let directory = Directory::new();
    let (old, new) = (Pair::new(&["a.example"]), Pair::new(&["a.example"]));
    let (crt, key) = directory.write_pair("a", &old);
    let resolver = builder().files(&crt, &key).build().unwrap();
    let still_old = |says: &str| {
        let errors = resolver.reload().errors;
        assert!(errors[0].to_string().contains(says), "{errors:?}");
        assert_eq!(resolver.stats().last_error, Some(errors[0].to_string()));
        serves(&resolver, "a.example", &old);
    };
    directory.write("a.crt", &new.certificate);
    still_old("does not fit");
    directory.write_pair("a", &old);
    directory.write("a.key", &new.key);
    still_old("does not fit");
    directory.write("a.crt", &new.certificate[..200]);
    still_old("is not PEM");
    directory.write("a.crt", "");
    still_old("is not PEM");
    fs::remove_file(&crt).unwrap();
    still_old("cannot read");
    let address = Pair::new(&["192.0.2.1"]);
    directory.write_pair("a", &address);
    still_old("has no DNS name");

    directory.write_pair("a", &new);
    assert!(resolver.reload().errors.is_empty());
    serves(&resolver, "a.example", &new);
    let stats = resolver.stats();
    assert_eq!((stats.reloads, stats.reload_errors), (1, 6));
    assert_eq!(stats.last_error, None);
}

#[test]
fn a_broken_pair_fails_the_start_only_if_it_was_named() {
    let directory = Directory::new();
    let (a, b) = (Pair::new(&["a.example"]), Pair::new(&["b.example"]));
    directory.write_pair("a", &a);
    let crt = directory.write("b.crt", &b.certificate);
    let key = directory.write("b.key", &a.key);
    let fails = |builder: SniResolverBuilder| builder.build().unwrap_err();
    let error = fails(builder().files(&crt, &key));
    assert!(matches!(error, CertificateError::KeyDoesNotFit { .. }));
    let error = fails(builder().default_certificate(&crt, &key));
    assert!(matches!(error, CertificateError::KeyDoesNotFit { .. }));
    let error = fails(builder().directory(directory.path("absent")));
    assert!(matches!(error, CertificateError::Unreadable { .. }));
    let error = fails(builder().unknown_name(UnknownName::Default));
    assert!(matches!(error, CertificateError::NoDefault));

    if crate::tls::default_provider().is_none() {
        let error = fails(SniResolver::builder());
        assert!(matches!(error, CertificateError::NoProvider));
    }

    let resolver = builder().directory(directory.path("")).build().unwrap();
    serves(&resolver, "a.example", &a);
    refuses(&resolver, "b.example");
    assert_eq!(resolver.stats().reload_errors, 1);
    assert!(
        resolver
            .stats()
            .last_error
            .unwrap()
            .contains("does not fit")
    );
    directory.write("b.key", &b.key);
    assert_eq!(resolver.reload().added, 1);
    serves(&resolver, "b.example", &b);
}

#[test]
fn changes_are_found_by_themselves_and_a_fault_is_counted_once() {
    let directory = Directory::new();
    let pairs = [(); 3].map(|()| Pair::new(&["a.example"]));
    let (crt, key) = directory.write_pair("a", &pairs[0]);
    let (resolver, thread) = builder()
        .files(&crt, &key)
        .reload_every(Duration::from_millis(50))
        .start()
        .unwrap();
    let write = |pair: &Pair| {
        directory.write_pair("a", pair);
        age(&crt);
        age(&key);
    };
    // With the same length and time as before: the inode's own time tells.
    for (n, pair) in pairs.iter().enumerate().skip(1) {
        write(pair);
        eventually(|| resolver.stats().reloads == n as u64);
        serves(&resolver, "a.example", pair);
    }
    directory.write("a.key", "broken");
    age(&key);
    eventually(|| resolver.stats().last_error.is_some());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(resolver.stats().reload_errors, 1);
    serves(&resolver, "a.example", &pairs[2]);

    let clone = resolver.clone();
    drop(resolver);
    assert!(!thread.as_ref().unwrap().is_finished());
    drop(clone);
    eventually(|| thread.as_ref().unwrap().is_finished());
}

/// With a file that has just been written, a look that nobody asked for waits.
#[test]
fn a_writer_is_given_time_to_finish() {
    let directory = Directory::new();
    let (old, new) = (Pair::new(&["a.example"]), Pair::new(&["a.example"]));
    let (crt, key) = directory.write_pair("a", &old);
    let resolver = builder().files(&crt, &key).build().unwrap();
    let shared = &resolver.handle.shared;
    age(&crt);
    age(&key);
    directory.write("a.crt", &new.certificate);
    let found = shared.look(Look::Changed);
    assert!(!found.changed() && found.errors.is_empty());
    directory.write("a.key", &new.key);
    age(&crt);
    age(&key);
    assert_eq!(shared.look(Look::Changed).replaced, 1);
    // A moment's fault is none; one that stays is.
    for looks in [1, 3] {
        directory.write("a.key", "");
        age(&key);
        for look in 1..=looks {
            let errors = shared.look(Look::Changed).errors;
            assert_eq!(errors.len(), usize::from(look == 2));
        }
        directory.write("a.key", &new.key);
        age(&key);
        assert!(!shared.look(Look::Changed).changed());
    }
    assert_eq!(resolver.stats().reload_errors, 1);
    assert_eq!(resolver.stats().last_error, None);
    let loaded = shared.choose(Some("a.example"), SCHEMES).unwrap();
    assert!(!shared.look(Look::Changed).changed());
    assert!(!shared.look(Look::All).changed());
    let again = shared.choose(Some("a.example"), SCHEMES).unwrap();
    assert!(Arc::ptr_eq(&loaded, &again), "parsed once");
}

#[test]
fn a_fresh_file_is_not_read_yet() {
    static LOADED: AtomicUsize = AtomicUsize::new(0);
    static LOADER: Loader = Loader(|| {
        LOADED.fetch_add(1, Relaxed);
    });

    let directory = Directory::new();
    let (old, new) = (Pair::new(&["a.example"]), Pair::new(&["a.example"]));
    let (crt, key) = directory.write_pair("a", &old);
    age(&crt);
    age(&key);
    let resolver = builder().provider(LOADER.provider()).files(&crt, &key);
    let resolver = resolver.build().unwrap();
    let looks = |loaded: usize, pair: &Pair| {
        resolver.handle.shared.look(Look::Changed);
        assert_eq!(LOADED.load(Relaxed), loaded);
        serves(&resolver, "a.example", pair);
    };
    // Both fit each other, so that only their age keeps them out.
    directory.write_pair("a", &new);
    looks(1, &old);
    age(&crt);
    age(&key);
    looks(2, &new);
    looks(2, &new);
}

#[test]
fn files_that_are_gone_for_a_moment_are_no_fault() {
    let directory = Directory::new();
    let a = Pair::new(&["a.example"]);
    let write = || {
        let (crt, key) = directory.write_pair("a", &a);
        age(&crt);
        age(&key);
        (crt, key)
    };
    let (crt, key) = write();
    let resolver = builder().files(&crt, &key).build().unwrap();
    let look = || {
        resolver.handle.shared.look(Look::Changed);
        resolver.stats().reload_errors
    };
    let remove = || [&crt, &key].map(|path| fs::remove_file(path).unwrap());
    for _ in 0..2 {
        remove();
        assert_eq!(look(), 0);
        write();
        assert_eq!(look(), 0);
    }
    remove();
    assert_eq!([look(), look(), look()], [0, 1, 1]);
    assert!(resolver.stats().last_error.unwrap().contains("cannot read"));
    serves(&resolver, "a.example", &a);
}

#[test]
fn a_directory_that_is_gone_for_a_moment_is_no_fault() {
    let directory = Directory::new();
    directory.write_pair("live/a", &Pair::new(&["a.example"]));
    let (live, away) = (directory.path("live"), directory.path("away"));
    let resolver = builder().directory(&live).build().unwrap();
    let look = || {
        resolver.handle.shared.look(Look::Changed);
        resolver.stats().reload_errors
    };
    for _ in 0..2 {
        fs::rename(&live, &away).unwrap();
        assert_eq!(look(), 0);
        fs::rename(&away, &live).unwrap();
        assert_eq!(look(), 0);
    }
    // The directory, and the pair that was in it: each once.
    fs::rename(&live, &away).unwrap();
    assert_eq!([look(), look(), look(), look()], [0, 2, 2, 2]);
}

/// The stamps are those of what a link leads to.
#[cfg(unix)]
#[test]
fn a_certificate_under_another_extension_is_another_file() {
    use std::os::unix::fs::symlink;

    let directory = Directory::new();
    let broken = directory.write("broken", "broken");
    let key = directory.write("live/a.key", Pair::new(&["a.example"]).key);
    age(&broken);
    age(&key);
    let (crt, pem) = (directory.path("live/a.crt"), directory.path("live/a.pem"));
    symlink(&broken, &crt).unwrap();
    let resolver = builder().directory(directory.path("live")).build().unwrap();
    let names = |path: &Path| {
        let error = resolver.stats().last_error.unwrap();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    };
    names(&crt);
    fs::rename(&crt, &pem).unwrap();
    for _ in 0..2 {
        resolver.handle.shared.look(Look::Changed);
    }
    names(&pem);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_holds_nobody_up() {
    let directory = Directory::new();
    let a = Pair::new(&["a.example"]);
    directory.write_pair("a", &a);
    for name in ["b.crt", "b.key"] {
        let mut mkfifo = std::process::Command::new("mkfifo");
        assert!(mkfifo.arg(directory.path(name)).status().unwrap().success());
    }
    let path = directory.path("");
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(builder().directory(path).build()));
    let resolver = ended
        .recv_timeout(Duration::from_secs(20))
        .unwrap()
        .unwrap();
    serves(&resolver, "a.example", &a);
    let error = resolver.stats().last_error.unwrap();
    assert!(error.contains("b.crt is no regular file"), "{error}");
}

#[test]
fn who_asks_for_the_counters_waits_for_no_file() {
    let directory = Directory::new();
    let (crt, key) = directory.write_pair("a", &Pair::new(&["a.example"]));
    let resolver = builder().files(&crt, &key).build().unwrap();
    directory.write("a.crt", "broken");
    resolver.reload();
    let _reading = resolver.handle.shared.files.lock();
    let (done, ended) = std::sync::mpsc::channel();
    let other = resolver.clone();
    std::thread::spawn(move || done.send((format!("{other:?}"), other.stats().last_error)));
    let (shown, error) = ended.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(error.unwrap().contains("is not PEM"));
    assert!(shown.contains("is not PEM"), "{shown}");
}

#[test]
fn a_provider_that_panics_stops_neither_the_thread_nor_what_is_served() {
    static BROKEN: AtomicBool = AtomicBool::new(false);
    static LOADER: Loader = Loader(|| assert!(!BROKEN.load(Relaxed), "told to"));

    let directory = Directory::new();
    let write = |name: &str, pair: &Pair| {
        let (crt, key) = directory.write_pair(name, pair);
        age(&crt);
        age(&key);
    };
    let [a, b, renewed] = ["a", "b", "a"].map(|name| Pair::new(&[&format!("{name}.example")]));
    write("a", &a);
    write("b", &b);
    let resolver = builder()
        .directory(directory.path(""))
        .provider(LOADER.provider())
        .reload_every(Duration::from_millis(20))
        .build()
        .unwrap();
    BROKEN.store(true, Relaxed);
    write("a", &renewed);
    eventually(|| resolver.stats().reload_errors > 1);
    serves(&resolver, "a.example", &a);
    // Broken itself, but it was good: that is not forgotten.
    let key = directory.write("b.key", "broken");
    age(&key);
    BROKEN.store(false, Relaxed);
    eventually(|| resolver.stats().reloads == 1);
    serves(&resolver, "a.example", &renewed);
    serves(&resolver, "b.example", &b);
}

#[test]
fn lookups_go_on_while_files_are_reloaded() {
    let directory = Directory::new();
    let pairs = [(); 2].map(|()| Pair::new(&["a.example"]));
    directory.write_pair("a", &pairs[0]);
    let resolver = builder().directory(directory.path("")).build().unwrap();
    let shared = &resolver.handle.shared;
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(Relaxed) == 0 {
                    let key = shared.choose(Some("a.example"), SCHEMES).unwrap();
                    key.keys_match().unwrap();
                }
            });
        }
        for turn in 1..200 {
            let pair = &pairs[turn % 2];
            directory.write("a.crt", &pair.certificate);
            resolver.reload();
            directory.write("a.key", &pair.key);
            resolver.reload();
        }
        done.store(1, Relaxed);
    });
    assert_eq!(resolver.stats().reloads, 199);
}

#[test]
fn a_callback_is_asked_for_what_no_file_has() {
    let directory = Directory::new();
    let (file, called) = (Pair::new(&["a.example"]), Pair::new(&["b.example"]));
    let (crt, key) = directory.write_pair("a", &file);
    let asked = Arc::new(AtomicUsize::new(0));
    let resolver = builder()
        .files(&crt, &key)
        .callback({
            let (asked, key) = (asked.clone(), called.certified());
            move |name| {
                asked.fetch_add(1, Relaxed);
                (name == "b.example").then(|| key.clone())
            }
        })
        .build()
        .unwrap();
    for _ in 0..3 {
        serves(&resolver, "a.example", &file);
        serves(&resolver, "B.example", &called);
        refuses(&resolver, "c.example");
        refuses(&resolver, "192.0.2.1");
    }
    assert_eq!(asked.load(Relaxed), 2);
    assert_eq!(resolver.stats().callback_hits, 3);
    resolver.reload();
    serves(&resolver, "b.example", &called);
    assert_eq!(asked.load(Relaxed), 3);
}

#[test]
fn a_hundred_thousand_unknown_names_leave_nothing_behind() {
    let resolver = builder().callback(|_| None).build().unwrap();
    let shared = &resolver.handle.shared;
    for n in 0..100_000 {
        let name = format!("{n}.example");
        assert!(shared.choose(Some(&name), SCHEMES).is_none());
    }
    assert_eq!(resolver.stats().refused, 100_000);
    let remembered = shared.callback.as_ref().unwrap().remembered();
    assert_eq!(remembered, callback::NAMES);
}

#[test]
fn tickets_stay_good_when_a_certificate_is_replaced() {
    let directory = Directory::new();
    let (old, new) = (Pair::new(&["a.example"]), Pair::new(&["a.example"]));
    let (crt, key) = directory.write_pair("a", &old);
    let resolver = builder().files(&crt, &key).build().unwrap();
    let keys = TicketKeys::from_secret(&[7; 32], &provider()).unwrap();
    for version in [&TLS13, &TLS12] {
        directory.write_pair("a", &old);
        resolver.reload();
        let mut config = testing_server::server(Arc::new(resolver.clone()), &[version]);
        config.ticketer = keys.ticketer(TicketBinding::new());
        let config = Arc::new(config);
        let client = client(SCHEMES);
        let meets = || handshake(&client, &config, "a.example").unwrap();
        assert!(!meets().resumed);
        directory.write_pair("a", &new);
        assert_eq!(resolver.reload().replaced, 1);
        assert!(meets().resumed, "{version:?}");
        serves(&resolver, "a.example", &new);
    }
}

/// As certbot does it: links to files of other names, that are replaced.
#[cfg(unix)]
#[test]
fn links_are_followed() {
    use std::os::unix::fs::symlink;

    let directory = Directory::new();
    let (old, new) = (Pair::new(&["a.example"]), Pair::new(&["a.example"]));
    let link = |pair: &Pair, number: u32| {
        for (name, contents) in [("fullchain", &pair.certificate), ("privkey", &pair.key)] {
            let file = format!("archive/{name}{number}.pem");
            let file = directory.write(&file, contents);
            age(&file);
            let temporary = directory.path("temporary");
            symlink(&file, &temporary).unwrap();
            let name = format!("live/a/{name}.pem");
            fs::create_dir_all(directory.path("live/a")).unwrap();
            fs::rename(&temporary, directory.path(&name)).unwrap();
        }
    };
    link(&old, 1);
    let resolver = builder().directory(directory.path("live")).build().unwrap();
    let shared = &resolver.handle.shared;
    serves(&resolver, "a.example", &old);
    assert!(!shared.look(Look::Changed).changed());
    link(&new, 2);
    assert_eq!(shared.look(Look::Changed).replaced, 1);
    serves(&resolver, "a.example", &new);
}

#[test]
fn debug_prints_no_key() {
    let directory = Directory::new();
    let pair = Pair::new(&["a.example"]);
    let (crt, key) = directory.write_pair("a", &pair);
    let builder = builder().files(&crt, Path::new(&key));
    let before = format!("{builder:?}");
    let text = format!("{before} {:?}", builder.build().unwrap());
    assert!(text.len() < 1000, "{text}");
}
