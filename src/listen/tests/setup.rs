//! What can be wrong with a listener before it listens.

use super::*;

fn with_alpn(alpn: &[&[u8]]) -> ListenerBuilder {
    let mut config = server_config();
    config.alpn_protocols = alpn.iter().map(|id| id.to_vec()).collect();
    Listener::builder().tls(config)
}

async fn error_of(builder: ListenerBuilder) -> ListenError {
    builder.bind("127.0.0.1:0").await.expect_err("an error")
}

#[tokio::test]
async fn rfc7301_what_alpn_offers_has_to_be_served() {
    let both: &[&[u8]] = &[b"h2", b"http/1.1"];
    let error = error_of(with_alpn(both).http1_only()).await;
    let protocol = Protocol::Http2;
    assert!(matches!(error, ListenError::OfferedNotServed { protocol: p } if p == protocol));
    assert!(error.to_string().contains("HTTP/2"), "{error}");
    let error = error_of(with_alpn(both).http2_only()).await;
    let protocol = Protocol::Http1;
    assert!(matches!(error, ListenError::OfferedNotServed { protocol: p } if p == protocol));
}

#[tokio::test]
async fn a_server_of_http2_alone_has_to_offer_it() {
    let error = error_of(with_alpn(&[b"acme-tls/1"]).http2_only()).await;
    assert!(matches!(error, ListenError::ServedNotOffered { .. }));
    assert!(error.to_string().contains("alpn_protocols"), "{error}");
}

#[tokio::test]
async fn rfc8446_8_early_data_is_refused() {
    let mut config = server_config();
    config.max_early_data_size = 1;
    let error = error_of(Listener::builder().tls(config)).await;
    assert!(matches!(error, ListenError::EarlyData));
    assert!(error.to_string().contains("replayed"), "{error}");
}

#[tokio::test]
async fn a_listener_serves_something() {
    let error = error_of(Listener::builder().protocols([])).await;
    assert!(matches!(error, ListenError::NoProtocol));
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = Listener::builder().bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = Listener::builder().bind(address).await.expect_err("taken");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    let ListenError::Bind { source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(source.kind(), ErrorKind::AddrInUse);
    // Of several, the first that can be bound.
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let other = Listener::builder()
        .bind(&[address, free][..])
        .await
        .unwrap();
    assert_ne!(other.local_addr().unwrap(), address);
    let none: &[SocketAddr] = &[];
    let error = Listener::builder().bind(none).await.expect_err("none");
    assert!(matches!(error, ListenError::NoAddress));
    let error = Listener::builder().bind("no port").await.expect_err("none");
    assert!(matches!(error, ListenError::Resolve { .. }));
}

#[tokio::test]
async fn alpn_is_filled_from_what_is_served_and_else_left_alone() {
    let (config, certificate) = identity();
    let config = Arc::new(config);
    let every: &[&[u8]] = &[b"http/1.1", b"h2", b"http/1.0"];
    let trusting = client_config(certificate, every);
    let builder = || Listener::builder().tls(Arc::clone(&config));
    let mut odd = ServerConfig::clone(&config);
    odd.alpn_protocols = vec![b"http/1.0".to_vec(), b"acme-tls/1".to_vec()];
    for (builder, chosen) in [
        (builder(), &b"h2"[..]),
        (builder().http2_only(), b"h2"),
        (builder().http1_only(), b"http/1.1"),
        (Listener::builder().tls(odd).http1_only(), b"http/1.0"),
    ] {
        let mut running = Running::new(builder).await;
        let mut io = connect_tls(running.address, &trusting).await.unwrap();
        assert_eq!(io.get_ref().1.alpn_protocol(), Some(chosen));
        io.write_all(b"GET").await.unwrap();
        let stream = running.next().await;
        assert_eq!(stream.handshake().unwrap().alpn.unwrap(), chosen);
    }
    assert!(config.alpn_protocols.is_empty());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_sizes_of_buffers_reach_the_connections() {
    let tcp = crate::TcpOptions::default()
        .recv_buffer(50_000)
        .nodelay(true);
    let bound = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let inherited = Listener::builder().tcp(tcp).listen(bound).await.unwrap();
    let own = Listener::builder()
        .tcp(tcp)
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    for mut listener in [inherited, own] {
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        client.write_all(b"GET").await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let socket = socket2::SockRef::from(stream.tcp_stream());
        assert_eq!(socket.recv_buffer_size().unwrap(), 100_000);
        assert!(socket.tcp_nodelay().unwrap());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn sockets_may_share_a_port() {
    let builder = || Listener::builder().reuse_port(true).backlog(16);
    let one = builder().bind("127.0.0.1:0").await.unwrap();
    let address = one.local_addr().unwrap();
    assert!(builder().bind(address).await.is_ok());
    // Only with those that agree.
    assert!(Listener::builder().bind(address).await.is_err());
}

#[tokio::test]
async fn a_socket_of_tokio_is_taken_as_it_is() {
    let bound = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = bound.local_addr().unwrap();
    let listener = Listener::builder().listen(bound).await.unwrap();
    assert_eq!(listener.local_addr().unwrap(), address);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_socket_that_does_not_listen_is_refused() {
    let (domain, kind) = (socket2::Domain::IPV4, socket2::Type::STREAM);
    let socket = socket2::Socket::new(domain, kind, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let bound = std::net::TcpListener::from(socket);
    let error = Listener::builder().listen(bound).await.expect_err("idle");
    let ListenError::Socket { source } = error else {
        panic!("{error}")
    };
    assert!(source.to_string().contains("does not listen"), "{source}");
}

/// Not only at the first handshake, in a task whose panic is but counted.
#[test]
#[should_panic(expected = "timers are disabled")]
fn a_runtime_without_time_is_found_out_at_once() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let _ = runtime.block_on(Listener::builder().bind("127.0.0.1:0"));
}
