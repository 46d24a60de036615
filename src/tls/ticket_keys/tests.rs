//! Tickets as octets, and in handshakes, under a clock of the test's own.

use std::sync::LazyLock;

use proptest::prelude::*;
use tokio_rustls::rustls::crypto::ring as ring_provider;
use tokio_rustls::rustls::server::{ResolvesServerCertUsingSni, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    CipherSuite, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use super::super::testing_server::{self, Directory, Pair, SCHEMES, handshake, provider};
use super::super::testing_server::{age, eventually};
use super::seal::MAX_PLAIN;
use super::*;

const SECRET: [u8; 32] = [7; 32];
const MINUTE: u64 = 60;
/// Some epoch's first second, of rotations of two minutes.
const START: u64 = 2 * MINUTE * 14_000_000;

/// A clock that the test sets, in seconds.
#[derive(Clone, Default)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn at(unix: u64) -> Self {
        Self(Arc::new(unix.into()))
    }

    fn set(&self, unix: u64) {
        self.0.store(unix, Relaxed);
    }

    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Relaxed);
    }

    fn now(&self) -> Now {
        let unix = self.0.load(Relaxed);
        Now {
            unix,
            uptime: Duration::from_secs(unix),
        }
    }
}

/// Keys of `secret` that rotate every two minutes.
fn keys(secret: &[u8; 32], clock: &TestClock) -> TicketKeys {
    let clock = clock.clone();
    TicketKeys::builder(&ring_provider::default_provider())
        .rotation(Duration::from_secs(2 * MINUTE))
        .clock(move || clock.now())
        .secret(secret)
        .unwrap()
}

fn file_keys(path: &Path, clock: &TestClock) -> TicketKeys {
    let clock = clock.clone();
    TicketKeys::builder(&ring_provider::default_provider())
        .clock(move || clock.now())
        .key_file(path)
        .unwrap()
}

/// The same, that look at the file only when they are told to.
fn still_file_keys(path: &Path, clock: &TestClock) -> TicketKeys {
    let mut keys = file_keys(path, clock);
    Arc::get_mut(&mut keys.handle).unwrap()._ticker = None;
    keys
}

fn unbound(keys: &TicketKeys) -> Arc<dyn ProducesTickets> {
    keys.ticketer(TicketBinding::new())
}

/// Of a name of the key, the octets in a file.
fn digits(name: char) -> String {
    std::iter::repeat_n(name, 64).collect()
}

fn server(
    keys: &TicketKeys,
    binding: TicketBinding,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    static PAIR: LazyLock<Pair> = LazyLock::new(|| Pair::new(&["a.example", "b.example"]));
    let mut resolver = ResolvesServerCertUsingSni::new();
    for name in ["a.example", "b.example"] {
        let pair = PAIR.certified();
        resolver.add(name, (*pair).clone()).unwrap();
    }
    let mut config = testing_server::server(Arc::new(resolver), &[version]);
    config.ticketer = keys.ticketer(binding);
    Arc::new(config)
}

fn resumes(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> bool {
    handshake(client, server, "a.example").unwrap().resumed
}

#[test]
fn a_ticket_is_opened_by_the_same_secret_only() {
    let clock = TestClock::at(START);
    let one = keys(&SECRET, &clock);
    let two = keys(&SECRET, &clock);
    let other = keys(&[8; 32], &clock);
    let ticket = unbound(&one).encrypt(b"session").unwrap();
    assert_eq!(ticket.len(), 16 + 32 + 7 + 1 + 16);
    assert_eq!(unbound(&two).decrypt(&ticket).unwrap(), b"session");
    assert_eq!(unbound(&other).decrypt(&ticket), None);
    assert_eq!(one.stats().encrypted, 1);
    assert_eq!(two.stats().decrypted, 1);
    assert_eq!(other.stats().unknown_key, 1);
}

#[test]
fn no_two_tickets_share_more_than_the_name() {
    let keys = keys(&SECRET, &TestClock::at(START));
    let (a, b) = (
        unbound(&keys).encrypt(b"session").unwrap(),
        unbound(&keys).encrypt(b"session").unwrap(),
    );
    assert_eq!(a[..16], b[..16]);
    assert_ne!(a[16..48], b[16..48]);
    assert_ne!(a[48..], b[48..]);
}

#[test]
fn a_session_too_long_for_a_ticket_gets_none() {
    let keys = keys(&SECRET, &TestClock::at(START));
    let ticketer = unbound(&keys);
    assert!(ticketer.enabled());
    for octets in [0, 1, MAX_PLAIN - 1, MAX_PLAIN] {
        let plain = vec![0; octets];
        let ticket = ticketer.encrypt(&plain).unwrap();
        assert_eq!(ticketer.decrypt(&ticket), Some(plain));
    }
    assert_eq!(ticketer.encrypt(&vec![0; MAX_PLAIN + 1]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_sealed_is_opened(plain in prop::collection::vec(any::<u8>(), 0..2000)) {
        let keys = keys(&SECRET, &TestClock::at(START));
        let ticketer = unbound(&keys);
        let ticket = ticketer.encrypt(&plain).unwrap();
        prop_assert_eq!(ticketer.decrypt(&ticket), Some(plain));
    }

    #[test]
    fn no_bit_may_be_flipped_and_no_octet_missing(
        plain in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let keys = keys(&SECRET, &TestClock::at(START));
        let ticketer = unbound(&keys);
        let ticket = ticketer.encrypt(&plain).unwrap();
        for bit in 0..ticket.len() * 8 {
            let mut flipped = ticket.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(ticketer.decrypt(&flipped), None);
        }
        for end in 0..ticket.len() {
            prop_assert_eq!(ticketer.decrypt(&ticket[..end]), None);
        }
        let longer = [&ticket[..], &[0]].concat();
        prop_assert_eq!(ticketer.decrypt(&longer), None);
        let stats = keys.stats();
        // The name, and tickets too short for one.
        prop_assert_eq!(stats.unknown_key, 16 * 8 + 16);
        prop_assert_eq!(stats.decrypted, 0);
        prop_assert_eq!(stats.rejected, (ticket.len() as u64 - 16) * 9 + 1);
    }

    #[test]
    fn any_octets_at_all_are_refused(
        ours in any::<bool>(),
        octets in prop::collection::vec(any::<u8>(), 0..40_000),
    ) {
        let keys = keys(&SECRET, &TestClock::at(START));
        let ticketer = unbound(&keys);
        let mut ticket = ticketer.encrypt(b"").unwrap();
        ticket.truncate(if ours { 16 } else { 0 });
        ticket.extend(octets);
        prop_assert_eq!(ticketer.decrypt(&ticket), None);
    }
}

#[test]
fn instances_resume_each_others_sessions() {
    let clock = TestClock::at(START);
    for version in [&TLS13, &TLS12] {
        let binding = || TicketBinding::new().virtual_host("a");
        let one = server(&keys(&SECRET, &clock), binding(), version);
        let two = server(&keys(&SECRET, &clock), binding(), version);
        let client = testing_server::client(SCHEMES);
        assert!(!resumes(&client, &one));
        for _ in 0..3 {
            assert!(resumes(&client, &two), "{version:?}");
            assert!(resumes(&client, &one), "{version:?}");
        }
    }
}

#[test]
fn another_secret_leads_to_a_full_handshake() {
    let clock = TestClock::at(START);
    for version in [&TLS13, &TLS12] {
        let one = server(&keys(&SECRET, &clock), TicketBinding::new(), version);
        let other = keys(&[8; 32], &clock);
        let two = server(&other, TicketBinding::new(), version);
        let client = testing_server::client(SCHEMES);
        assert!(!resumes(&client, &one));
        assert!(!resumes(&client, &two));
        assert!(other.stats().unknown_key > 0);
    }
}

#[test]
fn rotation_never_fails_a_connection_and_resumes_across_a_boundary() {
    let clock = TestClock::at(START);
    let keys = keys(&SECRET, &clock);
    let server = server(&keys, TicketBinding::new(), &TLS13);
    let client = testing_server::client(SCHEMES);
    assert!(!resumes(&client, &server));
    // Steps that fall anywhere in an epoch, over twenty of them.
    for _ in 0..70 {
        clock.advance(37);
        assert!(resumes(&client, &server));
    }
    assert_eq!(keys.stats().rotations, 70 * 37 / 120);
    assert_eq!(keys.stats().unknown_key, 0);
}

#[test]
fn rotation_goes_on_under_load() {
    let clock = TestClock::at(START);
    let keys = keys(&SECRET, &clock);
    let done = || clock.now().unix >= START + 40 * 2 * MINUTE;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let ticketer = unbound(&keys);
                while !done() {
                    let made = clock.now().unix;
                    let ticket = ticketer.encrypt(b"session").unwrap();
                    let opened = ticketer.decrypt(&ticket);
                    // Unless the test itself was kept waiting for that long.
                    assert!(opened.is_some() || clock.now().unix - made >= 2 * MINUTE);
                }
            });
        }
        while !done() {
            clock.advance(1);
            std::thread::sleep(Duration::from_micros(50));
        }
    });
    let stats = keys.stats();
    assert!(stats.rotations > 20, "{stats:?}");
    assert_eq!(stats.rejected, 0);
}

#[test]
fn a_ticket_is_refused_after_two_epochs() {
    let clock = TestClock::at(START);
    let keys = keys(&SECRET, &clock);
    let ticketer = unbound(&keys);
    let ticket = ticketer.encrypt(b"session").unwrap();
    let opens = |unix| {
        clock.set(unix);
        ticketer.decrypt(&ticket).is_some()
    };
    assert!(opens(START + 2 * MINUTE - 1));
    assert!(opens(START + 4 * MINUTE - 1));
    assert!(!opens(START + 4 * MINUTE));
    // The clock goes back: first to where the ticket comes from the next epoch.
    assert!(opens(START - 1));
    assert!(!opens(START - 2 * MINUTE - 1));
    assert!(!opens(0));
    assert!(ticketer.encrypt(b"").is_some());
    assert!(!opens(u64::MAX));
    assert!(ticketer.encrypt(b"").is_some());
    assert!(opens(START));
}

#[test]
fn instances_of_different_rotation_share_nothing() {
    let clock = TestClock::at(0);
    let one = keys(&SECRET, &clock);
    let two = TicketKeys::builder(&provider())
        .rotation(Duration::from_secs(3 * MINUTE))
        .clock(move || clock.now())
        .secret(&SECRET)
        .unwrap();
    let ticket = unbound(&one).encrypt(b"session").unwrap();
    assert_eq!(unbound(&two).decrypt(&ticket), None);
    assert_eq!(unbound(&two).lifetime(), 180);
}

#[test]
fn bindings_do_not_open_each_others_tickets() {
    let keys = keys(&SECRET, &TestClock::at(START));
    let new = TicketBinding::new;
    let (h2, http1) = (vec![b"h2".to_vec()], vec![b"http/1.1".to_vec()]);
    let all = [
        new(),
        new().virtual_host("a"),
        new().virtual_host("b"),
        new().client_auth("none"),
        new().client_auth("staff"),
        new().alpn(&h2),
        new().alpn(&http1),
        new().virtual_host("a").client_auth("none").alpn(&h2),
    ];
    for (i, from) in all.iter().enumerate() {
        let ticket = keys.ticketer(from.clone()).encrypt(b"session").unwrap();
        for (j, to) in all.iter().enumerate() {
            let opened = keys.ticketer(to.clone()).decrypt(&ticket);
            assert_eq!(opened.is_some(), i == j, "{from:?} {to:?}");
        }
    }
    assert_eq!(keys.stats().rejected, 0, "their names differ");
}

/// One that lets only clients with a certificate in, and one that lets all in:
/// the same secret, the same server name.
fn strict_and_lax(keys: &TicketKeys, bindings: [TicketBinding; 2]) -> [Arc<ServerConfig>; 2] {
    let pair = Pair::new(&["a.example"]);
    let mut roots = RootCertStore::empty();
    roots.add(Pair::new(&["staff.example"]).der()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
    let mut strict = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![pair.der()], pair.key_der())
        .unwrap();
    let [strict_binding, lax_binding] = bindings;
    strict.ticketer = keys.ticketer(strict_binding);
    [Arc::new(strict), server(keys, lax_binding, &TLS13)]
}

#[test]
fn a_ticket_does_not_lead_past_client_authentication() {
    let keys = keys(&SECRET, &TestClock::at(START));
    let policy = |policy: &str| TicketBinding::new().client_auth(policy);
    let client = testing_server::client(SCHEMES);
    let [strict, lax] = strict_and_lax(&keys, [policy("staff"), policy("none")]);
    assert!(handshake(&client, &strict, "a.example").is_err());
    assert!(!resumes(&client, &lax));
    assert!(handshake(&client, &strict, "a.example").is_err());

    // This is what the binding is for: without, rustls lets the client in.
    let client = testing_server::client(SCHEMES);
    let [strict, lax] = strict_and_lax(&keys, [policy("x"), policy("x")]);
    assert!(!resumes(&client, &lax));
    assert!(resumes(&client, &strict));
}

#[cfg(all(feature = "ring", feature = "aws-lc-rs"))]
#[test]
fn providers_open_each_others_tickets() {
    use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

    let make = |provider: CryptoProvider| {
        let keys = TicketKeys::builder(&provider)
            .clock(|| TestClock::at(START).now())
            .secret(&SECRET)
            .unwrap();
        keys.ticketer(TicketBinding::new().virtual_host("a"))
    };
    let ring = make(ring_provider::default_provider());
    let aws = make(aws_lc_rs::default_provider());
    for plain in [&b""[..], b"session", &[1; MAX_PLAIN]] {
        assert_eq!(ring.decrypt(&aws.encrypt(plain).unwrap()).unwrap(), plain);
        assert_eq!(aws.decrypt(&ring.encrypt(plain).unwrap()).unwrap(), plain);
    }
    let mut ticket = ring.encrypt(b"session").unwrap();
    *ticket.last_mut().unwrap() ^= 1;
    assert_eq!(aws.decrypt(&ticket), None);
    for end in 0..ticket.len() {
        assert_eq!(aws.decrypt(&ticket[..end]), None);
    }
}

#[test]
fn a_key_in_the_file_beforehand_makes_tickets_at_once() {
    let directory = Directory::new();
    let clock = TestClock::at(1000);
    let (a, b) = (digits('a'), digits('b'));
    let path = directory.write("keys", format!("current {a}\nnext {b}"));
    let keys = file_keys(&path, &clock);
    let ticketer = unbound(&keys);
    let old = ticketer.encrypt(b"old").unwrap();

    directory.write("keys", format!("previous {a}\ncurrent {b}"));
    assert!(keys.reload().unwrap());
    assert!(!keys.reload().unwrap());
    let new = ticketer.encrypt(b"new").unwrap();
    assert_ne!(old[..16], new[..16]);
    assert_eq!(ticketer.decrypt(&old).unwrap(), b"old");

    directory.write("keys", format!("current {b}"));
    assert!(keys.reload().unwrap());
    assert_eq!(ticketer.decrypt(&old), None);
    assert_eq!(ticketer.decrypt(&new).unwrap(), b"new");
    assert_eq!(keys.stats().rotations, 2);
}

#[test]
fn a_key_that_turns_up_as_current_waits_for_its_lead() {
    let directory = Directory::new();
    let clock = TestClock::at(1000);
    let (a, b) = (digits('a'), digits('b'));
    let path = directory.write("keys", format!("current {a}"));
    let late = unbound(&file_keys(&path, &clock));
    let keys = file_keys(&path, &clock);
    let ticketer = unbound(&keys);

    directory.write("keys", format!("current {b}\nprevious {a}"));
    // An instance that starts now knows no better.
    let early = unbound(&file_keys(&path, &clock));
    keys.reload().unwrap();
    let from_early = early.encrypt(b"early").unwrap();
    assert_eq!(ticketer.decrypt(&from_early).unwrap(), b"early");
    assert_eq!(late.decrypt(&from_early), None);

    clock.advance(59);
    // Another look, at a file that only says the same otherwise, starts no new
    // lead; nor does one that takes up another change.
    directory.write("keys", format!("previous {a} # then\n\ncurrent {b}\n"));
    assert!(!keys.reload().unwrap());
    let c = digits('c');
    directory.write("keys", format!("previous {a}\ncurrent {b}\nnext {c}"));
    assert!(keys.reload().unwrap());
    assert!(late.decrypt(&ticketer.encrypt(b"a").unwrap()).is_some());

    clock.advance(1);
    let ticket = ticketer.encrypt(b"b").unwrap();
    assert_eq!(late.decrypt(&ticket), None);
    assert_eq!(early.decrypt(&ticket).unwrap(), b"b");

    // With the old one gone there is nothing to wait with.
    let d = digits('d');
    directory.write("keys", format!("current {d}"));
    keys.reload().unwrap();
    assert_eq!(early.decrypt(&ticketer.encrypt(b"d").unwrap()), None);
}

#[test]
fn a_key_taken_out_of_the_file_is_dropped() {
    let directory = Directory::new();
    let path = directory.write("keys", format!("current {}", digits('a')));
    let keys = file_keys(&path, &TestClock::at(1000));
    let ticketer = unbound(&keys);
    ticketer.encrypt(b"").unwrap();
    let epoch = Arc::downgrade(&keys.handle.shared.ring.read().accepted()[0]);
    assert!(epoch.upgrade().is_some());
    directory.write("keys", format!("current {}", digits('b')));
    keys.reload().unwrap();
    assert!(epoch.upgrade().is_none());
}

#[test]
fn a_broken_file_leaves_the_keys_as_they_were() {
    let directory = Directory::new();
    let clock = TestClock::at(1000);
    let a = digits('a');
    let path = directory.write("keys", format!("current {a}"));
    let keys = file_keys(&path, &clock);
    let ticketer = unbound(&keys);
    let ticket = ticketer.encrypt(b"session").unwrap();
    let bad = [
        (String::new(), "no `current` key"),
        (format!("previous {a}"), "no `current` key"),
        (format!("# current {a}"), "no `current` key"),
        (format!("\ncurrent {}", &a[1..]), "line 2"),
        (format!("current {a}0"), "64 hexadecimal"),
        (format!("current {}g", &a[1..]), "64 hexadecimal"),
        (format!("current {a}\ncurrent {a}"), "line 2"),
        (format!("current {a} {a}"), "something after"),
        (format!("Current {a}"), "first word"),
        ("current".into(), "no key"),
    ];
    for (n, (contents, says)) in bad.iter().enumerate() {
        directory.write("keys", contents);
        let text = keys.reload().unwrap_err().to_string();
        assert!(text.contains(says), "{text}");
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        assert!(!text.contains(&a[..8]), "{text}");
        let stats = keys.stats();
        assert_eq!(stats.reload_errors, n as u64 + 1);
        assert_eq!(stats.last_error, Some(text));
        assert!(ticketer.decrypt(&ticket).is_some());
        assert!(ticketer.encrypt(b"").is_some());
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(
        keys.reload(),
        Err(TicketKeyError::Unreadable { .. })
    ));
    directory.write("keys", format!("current {}", a.to_uppercase()));
    assert!(!keys.reload().unwrap());
    assert_eq!(keys.stats().last_error, None);
    assert_eq!(keys.stats().rotations, 0);
}

#[test]
fn a_changed_file_is_found_by_itself_and_a_fault_counted_once() {
    let directory = Directory::new();
    let path = directory.write("keys", format!("current {}", digits('a')));
    let keys = file_keys(&path, &TestClock::at(1000));
    directory.write("keys", format!("current {}", digits('b')));
    age(&path);
    eventually(|| keys.stats().rotations == 1);
    std::fs::remove_file(&path).unwrap();
    // The first might be a moment between two files.
    let _ = keys.handle.shared.look(false);
    for _ in 0..3 {
        assert!(keys.handle.shared.look(false).is_err());
    }
    assert_eq!(keys.stats().reload_errors, 1);
    let shared = Arc::downgrade(&keys.handle.shared);
    let ticketer = unbound(&keys);
    drop(keys);
    assert!(shared.upgrade().is_some());
    drop(ticketer);
    eventually(|| shared.upgrade().is_none());
}

#[test]
fn a_moments_fault_of_a_file_is_none() {
    let directory = Directory::new();
    let a = format!("current {}", digits('a'));
    let path = directory.write("keys", &a);
    age(&path);
    let keys = still_file_keys(&path, &TestClock::at(1000));
    let look = || {
        let _ = keys.handle.shared.look(false);
        keys.stats().reload_errors
    };
    let mend = || {
        directory.write("keys", &a);
        age(&path);
        look()
    };
    type Spoil<'a> = &'a dyn Fn();
    let empty: Spoil<'_> = &|| {
        directory.write("keys", "");
        age(&path);
    };
    let remove: Spoil<'_> = &|| std::fs::remove_file(&path).unwrap();
    for (n, spoil) in (0..).zip([empty, remove]) {
        // Also when it comes a second time, for a moment again.
        for _ in 0..2 {
            spoil();
            assert_eq!(look(), n);
            assert_eq!(mend(), n);
        }
        spoil();
        assert_eq!([look(), look(), look()], [n, n + 1, n + 1]);
        assert!(keys.stats().last_error.is_some());
        assert_eq!(mend(), n + 1);
        assert_eq!(keys.stats().last_error, None);
    }
}

#[test]
fn a_lead_may_be_without_end() {
    let directory = Directory::new();
    let (a, b) = (digits('a'), digits('b'));
    let path = directory.write("keys", format!("current {a}"));
    let clock = TestClock::at(START);
    let late = unbound(&file_keys(&path, &clock));
    let keys = {
        let clock = clock.clone();
        TicketKeys::builder(&ring_provider::default_provider())
            .lead(Duration::MAX)
            .clock(move || clock.now())
            .key_file(&path)
            .unwrap()
    };
    directory.write("keys", format!("current {b}\nprevious {a}"));
    assert!(keys.reload().unwrap());
    clock.advance(1_000_000);
    let ticket = unbound(&keys).encrypt(b"session").unwrap();
    assert!(late.decrypt(&ticket).is_some());
    directory.write("keys", format!("current {b}"));
    assert!(keys.reload().unwrap());
    let ticket = unbound(&keys).encrypt(b"session").unwrap();
    assert!(late.decrypt(&ticket).is_none());
}

#[test]
fn who_asks_for_the_counters_waits_for_no_file() {
    let directory = Directory::new();
    let path = directory.write("keys", format!("current {}", digits('a')));
    let keys = file_keys(&path, &TestClock::at(1000));
    directory.write("keys", "");
    keys.reload().unwrap_err();
    let Source::File(file) = &keys.handle.shared.source else {
        unreachable!()
    };
    let _reading = file.state.lock();
    let (done, ended) = std::sync::mpsc::channel();
    let other = keys.clone();
    std::thread::spawn(move || done.send((format!("{other:?}"), other.stats().last_error)));
    let (shown, error) = ended.recv_timeout(Duration::from_secs(20)).unwrap();
    let error = error.unwrap();
    assert!(error.contains("no `current` key"), "{error}");
    assert!(shown.contains("no `current` key"), "{shown}");
}

#[test]
fn only_short_regular_files_are_read() {
    let directory = Directory::new();
    let line = format!("current {}\n", digits('a'));
    let comment = "#".repeat((1 << 16) - line.len());
    let path = directory.write("keys", format!("{line}{comment}"));
    let keys = file_keys(&path, &TestClock::at(1000));
    directory.write("keys", format!("{line}{comment}#"));
    let text = keys.reload().unwrap_err().to_string();
    assert!(text.contains("longer than 65536 octets"), "{text}");
    let path = directory.path("");
    for made in [
        TicketKeys::from_secret_file(&path, &provider()),
        TicketKeys::from_key_file(&path, &provider()),
    ] {
        let text = made.unwrap_err().to_string();
        assert!(text.contains("no regular file"), "{text}");
    }
}

#[test]
fn a_secret_file_holds_octets_or_digits() {
    let directory = Directory::new();
    let made = |contents: &[u8]| {
        let path = directory.write("secret", contents);
        TicketKeys::from_secret_file(&path, &provider())
    };
    let from_memory = TicketKeys::from_secret(&SECRET, &provider()).unwrap();
    let ticket = unbound(&from_memory).encrypt(b"session").unwrap();
    let hex = "07".repeat(32);
    for contents in [
        SECRET.to_vec(),
        hex.clone().into_bytes(),
        format!("\n {hex}\r\n").into_bytes(),
    ] {
        let keys = made(&contents).unwrap();
        assert_eq!(unbound(&keys).decrypt(&ticket).unwrap(), b"session");
    }
    for contents in [
        &b""[..],
        &[7; 31],
        &[7; 33],
        b"password",
        &[b'g'; 64],
        &[7; 64],
    ] {
        let text = made(contents).unwrap_err().to_string();
        assert!(
            text.contains(&format!("{} octets", contents.len())),
            "{text}"
        );
    }
    for half in [&b"0123456789abcdef0123456789ABCDEF"[..], &[b'7'; 32]] {
        let error = made(half).unwrap_err();
        assert!(matches!(error, TicketKeyError::HalfSecret { .. }));
        assert!(error.to_string().contains("openssl rand -hex 32"));
    }
    made(b"g123456789abcdef0123456789ABCDEF").unwrap();
    let absent = TicketKeys::from_secret_file(directory.path("absent"), &provider());
    assert!(matches!(absent, Err(TicketKeyError::Unreadable { .. })));
    let absent = TicketKeys::from_key_file(directory.path("absent"), &provider());
    assert!(matches!(absent, Err(TicketKeyError::Unreadable { .. })));
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let provider = ring_provider::default_provider();
    let rotation = |seconds| {
        TicketKeys::builder(&provider)
            .rotation(Duration::from_secs(seconds))
            .secret(&SECRET)
            .map(|keys| unbound(&keys).lifetime())
    };
    assert_eq!(rotation(120).unwrap(), 120);
    assert_eq!(rotation(604_800).unwrap(), 604_800);
    assert!(matches!(
        rotation(119),
        Err(TicketKeyError::Rotation { .. })
    ));
    assert!(matches!(
        rotation(604_801),
        Err(TicketKeyError::Rotation { .. })
    ));
    let lead = TicketKeys::builder(&provider)
        .lead(Duration::from_secs(59))
        .secret(&SECRET);
    assert!(matches!(lead, Err(TicketKeyError::Lead { .. })));

    let mut poor = provider.clone();
    poor.cipher_suites
        .retain(|suite| suite.suite() != CipherSuite::TLS13_AES_256_GCM_SHA384);
    let none = TicketKeys::from_secret(&SECRET, &poor);
    assert!(matches!(none, Err(TicketKeyError::NoCipherSuite)));
    let default = TicketKeys::from_secret(&SECRET, &provider).unwrap();
    assert_eq!(unbound(&default).lifetime(), 12 * 60 * 60);
}

#[test]
fn early_data_is_not_accepted() {
    let keys = keys(&SECRET, &TestClock::at(START));
    let config = server(&keys, TicketBinding::new(), &TLS13);
    let mut config = Arc::unwrap_or_clone(config);
    config.max_early_data_size = 1 << 14;
    let config = Arc::new(config);
    let mut client = (*testing_server::client(SCHEMES)).clone();
    client.enable_early_data = true;
    let client = Arc::new(client);
    assert!(!resumes(&client, &config));
    let name = "a.example".try_into().unwrap();
    let mut next = tokio_rustls::rustls::ClientConnection::new(client.clone(), name).unwrap();
    assert!(next.early_data().is_none());
}

#[test]
fn debug_prints_no_secret() {
    let directory = Directory::new();
    let path = directory.write("keys", format!("current {}", digits('a')));
    let keys = file_keys(&path, &TestClock::at(1000));
    let text = format!("{keys:?} {:?}", unbound(&keys));
    assert!(!text.contains("aaaa") && !text.contains("170"), "{text}");
}
