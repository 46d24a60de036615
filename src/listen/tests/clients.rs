//! Clients, good and bad.

use tokio_rustls::rustls::ClientConnection;

use super::*;
use crate::proto::frame::PREFACE;

#[tokio::test]
async fn good_clients_are_handed_over_with_what_they_sent() {
    let (config, certificate) = identity();
    let mut over_tls = Running::new(Listener::builder().tls(config)).await;
    let mut clear = Running::new(Listener::builder()).await;
    let trusting = client_config(certificate, &[b"h2"]);
    for (octets, protocol) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], Protocol::Http1),
        (b"PROPFIND / HTTP/1.1\r\n\r\n", Protocol::Http1),
        (b"PRIX", Protocol::Http1),
        (PREFACE, Protocol::Http2),
    ] {
        // In single octets, and at once.
        for most in [1, 100] {
            let mut io = clear.connect().await;
            io.set_nodelay(true).unwrap();
            for part in octets.chunks(most) {
                io.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut stream = clear.next().await;
            assert_eq!(stream.protocol(), protocol);
            assert!(stream.handshake().is_none());
            assert!(stream.peer_certificates().is_none());
            assert_eq!(stream.remote_addr(), io.local_addr().unwrap());
            assert_eq!(stream.local_addr().unwrap(), io.peer_addr().unwrap());
            assert!(tokio::io::AsyncWrite::is_write_vectored(&stream));
            drop(io);
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).await.unwrap();
            assert_eq!(seen, octets);

            let mut io = connect_tls(over_tls.address, &trusting).await.unwrap();
            for part in octets.chunks(most) {
                io.write_all(part).await.unwrap();
                io.flush().await.unwrap();
            }
            let mut stream = over_tls.next().await;
            assert_eq!(stream.protocol(), protocol);
            let info = stream.info();
            assert_eq!(info.handshake(), stream.handshake().as_ref());
            assert!(info.handshake().unwrap().is_http2());
            assert_eq!(info.remote_addr, io.get_ref().0.local_addr().unwrap());
            assert_eq!(info.local_addr, io.get_ref().0.peer_addr().ok());
            assert_eq!(info.protocol, protocol);
            io.shutdown().await.unwrap();
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).await.unwrap();
            assert_eq!(seen, octets);
            drop(stream);
            // Tickets for the next one are read on the way.
            is_closed(&mut io).await;
        }
    }
    let stats = over_tls.handle.stats();
    assert_eq!((stats.accepted, stats.full_handshakes), (8, 1));
    assert_eq!(stats.resumed_handshakes, 7);
    over_tls.until(|stats| stats.open == 0).await;
}

#[tokio::test]
async fn the_transport_finds_the_socket() {
    let (config, certificate) = identity();
    let mut over_tls = Running::new(Listener::builder().tls(config)).await;
    let mut clear = Running::new(Listener::builder()).await;
    let mut io = clear.connect().await;
    io.write_all(PREFACE).await.unwrap();
    let trusting = client_config(certificate, &[b"h2"]);
    let mut tls = connect_tls(over_tls.address, &trusting).await.unwrap();
    tls.write_all(PREFACE).await.unwrap();
    for stream in [clear.next().await, over_tls.next().await] {
        let tcp = stream.tcp_below().expect("TCP below");
        assert!(std::ptr::eq(tcp, stream.tcp_stream()));
    }
}

#[tokio::test]
async fn a_stream_is_small() {
    assert!(size_of::<ServerStream>() <= 2 * size_of::<usize>());
}

#[tokio::test]
async fn clients_that_leave_are_closed_quietly_at_each_stage() {
    let (config, certificate) = identity();
    let running = Running::new(Listener::builder().tls(config)).await;
    let trusting = client_config(certificate, &[]);
    let hello = client_hello(&trusting);
    // Before TLS, in its middle, and after its first message.
    for octets in [&b""[..], &hello[..40], &hello] {
        let mut io = running.connect().await;
        io.write_all(octets).await.unwrap();
        drop(io);
    }
    running.until(|stats| stats.closed_early == 3).await;
    // After TLS: with a word, without one, and in the middle of the preface.
    let mut io = connect_tls(running.address, &trusting).await.unwrap();
    io.shutdown().await.unwrap();
    drop(connect_tls(running.address, &trusting).await.unwrap());
    let mut io = connect_tls(running.address, &trusting).await.unwrap();
    io.write_all(b"PRI * HT").await.unwrap();
    drop(io);
    let stats = running.until(|stats| stats.closed_early == 6).await;
    assert_eq!(stats.failed_handshakes, 0);
    assert_eq!(stats.handshaking, 0);
    running.until(|stats| stats.open == 0).await;
}

fn client_hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test]
async fn handshakes_that_fail_are_counted() {
    let running = Running::new(Listener::builder().tls(server_config())).await;
    let mut io = running.connect().await;
    io.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        .await
        .unwrap();
    is_closed(&mut io).await;
    running.until(|stats| stats.failed_handshakes == 1).await;
    // A client that does not trust the certificate says so.
    let (_, other) = identity();
    let distrusting = client_config(other.clone(), &[b"h2"]);
    assert!(connect_tls(running.address, &distrusting).await.is_err());
    running.until(|stats| stats.failed_handshakes == 2).await;
    // No protocol in common.
    let strange = client_config(other, &[b"h3"]);
    assert!(connect_tls(running.address, &strange).await.is_err());
    let stats = running.until(|stats| stats.failed_handshakes == 3).await;
    assert_eq!((stats.full_handshakes, stats.accepted), (0, 3));
    running
        .until(|stats| stats.open == 0 && stats.handshaking == 0)
        .await;
}

#[tokio::test]
async fn a_handshake_that_is_done_has_not_failed() {
    let (config, certificate) = identity();
    let running = Running::new(Listener::builder().tls(config)).await;
    let trusting = client_config(certificate, &[]);
    // A record that cannot be decrypted, and an alert that is not encrypted.
    let record = b"\x17\x03\x03\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let alert = b"\x15\x03\x03\x00\x02\x02\x28";
    for (count, octets) in [(1, &record[..]), (2, alert)] {
        let io = connect_tls(running.address, &trusting).await.unwrap();
        let done = |stats: &ListenerStats| stats.full_handshakes + stats.resumed_handshakes;
        running.until(|stats| done(stats) == count).await;
        let (mut tcp, _) = io.into_inner();
        tcp.write_all(octets).await.unwrap();
        let stats = running.until(|stats| stats.handshaking == 0).await;
        assert_eq!((stats.closed_early, stats.failed_handshakes), (count, 0));
    }
}

#[tokio::test]
async fn a_handshake_lasts_from_its_first_octet_to_its_end() {
    let (config, certificate) = identity();
    let mut running = Running::new(Listener::builder().tls(config)).await;
    let trusting = client_config(certificate, &[]);
    let name = || ServerName::try_from("localhost").unwrap();
    // Silent before it: not a part of it.
    let tcp = running.connect().await;
    running.until(|stats| stats.handshaking == 1).await;
    tokio::time::sleep(SECOND).await;
    let connector = TlsConnector::from(Arc::clone(&trusting));
    let mut io = connector.connect(name(), tcp).await.unwrap();
    io.write_all(b"GET").await.unwrap();
    let took = running.next().await.handshake().unwrap().duration;
    assert!(took < SECOND, "{took:?}");
    // Silent within it, after its very first octet.
    let mut tcp = running.connect().await;
    tcp.set_nodelay(true).unwrap();
    let mut session = ClientConnection::new(trusting, name()).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    tcp.write_all(&hello[..1]).await.unwrap();
    tokio::time::sleep(SECOND).await;
    tcp.write_all(&hello[1..]).await.unwrap();
    while session.is_handshaking() {
        let mut octets = [0; 4_096];
        let n = tcp.read(&mut octets).await.unwrap();
        let mut rest = &octets[..n];
        while !rest.is_empty() {
            session.read_tls(&mut rest).unwrap();
            session.process_new_packets().unwrap();
        }
    }
    io::Write::write_all(&mut session.writer(), b"GET").unwrap();
    let mut octets = Vec::new();
    session.write_tls(&mut octets).unwrap();
    tcp.write_all(&octets).await.unwrap();
    let took = running.next().await.handshake().unwrap().duration;
    assert!(took > SECOND / 2, "{took:?}");
}

#[tokio::test]
async fn silence_ends_at_its_timeout() {
    let (config, certificate) = identity();
    let builder = Listener::builder()
        .tls(config)
        .handshake_timeout(SECOND / 2)
        .preface_timeout(SECOND / 2);
    let running = Running::new(builder).await;
    let trusting = client_config(certificate, &[]);
    let mut nothing = running.connect().await;
    let mut hello = running.connect().await;
    hello.write_all(&client_hello(&trusting)).await.unwrap();
    is_closed(&mut nothing).await;
    is_closed(&mut hello).await;
    let stats = running.until(|stats| stats.timed_out == 2).await;
    assert_eq!(stats.preface_timeouts, 0);
    // After TLS.
    let mut silent = connect_tls(running.address, &trusting).await.unwrap();
    is_closed(&mut silent).await;
    let stats = running.until(|stats| stats.preface_timeouts == 1).await;
    assert_eq!((stats.timed_out, stats.full_handshakes), (2, 1));
    running
        .until(|stats| stats.open == 0 && stats.handshaking == 0)
        .await;
}

#[tokio::test]
async fn silence_in_clear_text_ends_too() {
    let builder = Listener::builder().preface_timeout(SECOND / 2);
    let running = Running::new(builder).await;
    let mut nothing = running.connect().await;
    let mut front = running.connect().await;
    front.write_all(b"PRI * HTTP/2.0").await.unwrap();
    is_closed(&mut nothing).await;
    is_closed(&mut front).await;
    running.until(|stats| stats.preface_timeouts == 2).await;
}

#[tokio::test]
async fn given_up_accepts_lose_nothing() {
    let mut listener = Listener::builder().bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clients = tokio::spawn(async move {
        let mut all = Vec::new();
        for i in 0..200 {
            let mut io = TcpStream::connect(address).await.unwrap();
            io.write_all(format!("GET {i}").as_bytes()).await.unwrap();
            all.push(io);
        }
        all
    });
    let mut seen = std::collections::HashSet::new();
    let mut given_up = 0_u64;
    let began = Instant::now();
    while seen.len() < 200 {
        assert!(began.elapsed() < 20 * SECOND, "only {} came", seen.len());
        tokio::select! {
            biased;
            accepted = listener.accept() => {
                let (mut stream, _) = accepted.unwrap();
                let mut octets = [0; 32];
                let n = stream.read(&mut octets).await.unwrap();
                seen.insert(octets[..n].to_vec());
            }
            () = tokio::task::yield_now() => given_up += 1,
        }
    }
    assert!(given_up > 0);
    assert_eq!(listener.handle().stats().accepted, 200);
    drop(clients.await.unwrap());
}

#[tokio::test]
async fn a_listener_that_is_dropped_takes_its_handshakes_along_and_no_more() {
    let (config, certificate) = identity();
    let mut running = Running::new(Listener::builder().tls(config)).await;
    let trusting = client_config(certificate, &[]);
    let mut good = connect_tls(running.address, &trusting).await.unwrap();
    good.write_all(b"GET").await.unwrap();
    let mut stream = running.next().await;
    let mut silent = running.connect().await;
    let mut after_tls = connect_tls(running.address, &trusting).await.unwrap();
    running.until(|stats| stats.handshaking == 2).await;
    running.task.abort();
    is_closed(&mut silent).await;
    is_closed(&mut after_tls).await;
    let stats = running.until(|stats| stats.handshaking == 0).await;
    assert_eq!((stats.open, stats.evicted), (1, 0));
    assert!(TcpStream::connect(running.address).await.is_err());
    let mut octets = [0; 3];
    stream.read_exact(&mut octets).await.unwrap();
    stream.write_all(&octets).await.unwrap();
    stream.flush().await.unwrap();
    good.read_exact(&mut octets).await.unwrap();
    assert_eq!(&octets, b"GET");
    drop(stream);
    assert_eq!(running.handle.stats().open, 0);
}

#[tokio::test]
async fn streams_come_from_a_stream_too() {
    use tokio_stream::StreamExt;
    let listener = Listener::builder().bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut incoming = listener.into_stream();
    assert_eq!(incoming.get_ref().local_addr().unwrap(), address);
    let mut io = TcpStream::connect(address).await.unwrap();
    io.write_all(b"GET").await.unwrap();
    let stream = incoming.next().await.unwrap().unwrap();
    assert_eq!(stream.protocol(), Protocol::Http1);
    assert_eq!(incoming.into_inner().local_addr().unwrap(), address);
}

#[tokio::test]
async fn certificates_of_clients_are_shown() {
    use tokio_rustls::rustls::server::WebPkiClientVerifier;

    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let certificate = made.cert.der().clone();
    let key = || PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let roots = Arc::new(roots);
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider());
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        .with_single_cert(vec![certificate.clone()], key())
        .unwrap();
    let showing = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate.clone()], key())
        .unwrap();
    let silent = client_config(certificate.clone(), &[]);
    let mut running = Running::new(Listener::builder().tls(server)).await;
    for (config, shown) in [(Arc::new(showing), true), (silent, false)] {
        let mut io = connect_tls(running.address, &config).await.unwrap();
        io.write_all(b"GET").await.unwrap();
        let stream = running.next().await;
        let expected = shown.then(|| std::slice::from_ref(&certificate));
        assert_eq!(stream.peer_certificates(), expected);
        assert_eq!(stream.info().peer_certificates.as_deref(), expected);
    }
}

#[tokio::test]
async fn a_handshake_that_panics_is_one_that_failed() {
    use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
    use tokio_rustls::rustls::sign::CertifiedKey;

    #[derive(Debug)]
    struct Panics;
    impl ResolvesServerCert for Panics {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            panic!("as a test wants it")
        }
    }
    let (_, certificate) = identity();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Panics));
    let running = Running::new(Listener::builder().tls(config)).await;
    let trusting = client_config(certificate, &[]);
    for count in 1..=2 {
        assert!(connect_tls(running.address, &trusting).await.is_err());
        running
            .until(|stats| stats.failed_handshakes == count)
            .await;
    }
    running.until(|stats| stats.open == 0).await;
}
