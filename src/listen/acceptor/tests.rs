use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::AsyncWriteExt;

use super::super::Listener;
use super::*;
use crate::{Config, TcpOptions};

/// A socket that says what it is told to, and notes when it was asked.
#[derive(Default)]
struct Scripted {
    script: VecDeque<io::Result<(TcpStream, SocketAddr)>>,
    asked: Vec<Instant>,
}

impl Source for Scripted {
    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.asked.push(Instant::now());
        self.script.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

fn acceptor(source: Scripted) -> Acceptor<Scripted> {
    let setup = Setup {
        tls: None,
        config: Config::default(),
        tcp: TcpOptions::default(),
        handshake_timeout: Duration::from_secs(10),
        preface_timeout: Duration::from_secs(30),
    };
    let limits = Limits {
        connections: 100,
        handshakes: 100,
    };
    Acceptor::new(source, setup, limits)
}

/// Too many open files.
fn exhausted() -> io::Result<(TcpStream, SocketAddr)> {
    Err(io::Error::from_raw_os_error(24))
}

/// A connection whose client has said what it speaks.
async fn connection() -> (TcpStream, (TcpStream, SocketAddr)) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let mut client = client.unwrap();
    client.write_all(b"GET").await.unwrap();
    (client, accepted.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_fails_is_left_alone_for_longer_and_longer() {
    let mut source = Scripted::default();
    source.script.extend((0..9).map(|_| exhausted()));
    let (_client, accepted) = connection().await;
    source.script.push_back(Ok(accepted));
    source.script.push_back(exhausted());
    let mut acceptor = acceptor(source);
    let stream = std::future::poll_fn(|cx| acceptor.poll_accept(cx)).await;
    drop(stream);
    let after = Duration::from_secs(60);
    let none = std::future::poll_fn(|cx| acceptor.poll_accept(cx));
    assert!(tokio::time::timeout(after, none).await.is_err());
    let asked = &acceptor.source.asked;
    let pauses: Vec<u128> = asked
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_millis())
        .collect();
    // The timer's grain is a millisecond.
    let expected = [20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000];
    for (pause, expected) in pauses.iter().zip(expected) {
        assert!((expected..expected + 5).contains(pause), "{pauses:?}");
    }
    // A connection in between, and it starts anew.
    assert_eq!(pauses[9], 0, "{pauses:?}");
    assert!((20..25).contains(&pauses[10]), "{pauses:?}");
    let stats = &acceptor.shared;
    assert_eq!(stats.accept_errors.load(Relaxed), 10);
}

#[tokio::test(start_paused = true)]
async fn what_concerns_one_connection_does_not_hold_up_the_next() {
    let kinds = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::HostUnreachable,
    ];
    let mut source = Scripted::default();
    source.script.extend(kinds.map(|kind| Err(kind.into())));
    let (_client, accepted) = connection().await;
    source.script.push_back(Ok(accepted));
    let mut acceptor = acceptor(source);
    let stream = std::future::poll_fn(|cx| acceptor.poll_accept(cx)).await;
    assert_eq!(stream.protocol(), super::super::Protocol::Http1);
    let asked = &acceptor.source.asked[..4];
    assert_eq!(asked[0], asked[3]);
    let stats = &acceptor.shared;
    assert_eq!(stats.accept_errors.load(Relaxed), 0);
}

/// `EINVAL`, which a socket says that does not listen, is not among them.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[test]
fn what_accept_names_of_the_network_concerns_one_connection() {
    let (enonet, eproto, enoprotoopt, eopnotsupp) = (64, 71, 92, 95);
    let (enetdown, enetunreach, etimedout) = (100, 101, 110);
    let (ehostdown, ehostunreach) = (112, 113);
    for code in [
        enonet,
        eproto,
        enoprotoopt,
        eopnotsupp,
        enetdown,
        enetunreach,
        etimedout,
        ehostdown,
        ehostunreach,
    ] {
        let error = io::Error::from_raw_os_error(code);
        assert!(concerns_one(&error), "{error}");
    }
    let (enfile, emfile, enobufs, enomem, einval) = (23, 24, 105, 12, 22);
    for code in [enfile, emfile, enobufs, enomem, einval] {
        let error = io::Error::from_raw_os_error(code);
        assert!(!concerns_one(&error), "{error}");
    }
}

#[tokio::test]
async fn a_slow_client_does_not_make_the_list_of_the_others_grow() {
    let mut listener = Listener::builder().bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _slow = TcpStream::connect(address).await.unwrap();
    for _ in 0..300 {
        let mut io = TcpStream::connect(address).await.unwrap();
        io.write_all(b"GET").await.unwrap();
        listener.accept().await.unwrap();
        assert!(listener.acceptor.in_flight.len() <= 40);
    }
}
