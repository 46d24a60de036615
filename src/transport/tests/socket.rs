//! The TCP socket below, and what it is told.

#[cfg(any(target_os = "android", target_os = "linux"))]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::connect::ReadAhead;
#[cfg(any(target_os = "android", target_os = "linux"))]
use crate::transport::socket::COMPETING_LOWAT;

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap());
    let (near, far) = tokio::join!(near, listener.accept());
    (near.unwrap(), far.unwrap().0)
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Transport<IO> {
    fn compete(&mut self) {
        self.inner.socket.compete(&self.inner.io);
    }

    fn restore(&mut self) {
        self.inner.socket.restore(&self.inner.io);
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn lowat<IO: AsyncRead + AsyncWrite + Unpin>(io: &Transport<IO>) -> u32 {
    let tcp = io.inner.socket.tcp(&io.inner.io).expect("TCP below");
    SockRef::from(tcp).tcp_notsent_lowat().unwrap()
}

/// The socket is there, and is short while streams compete.
fn reaches_tcp<IO: AsyncRead + AsyncWrite + Unpin>(mut io: Transport<IO>) {
    assert!(io.tcp_below().is_some());
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        let before = lowat(&io);
        assert_ne!(before, COMPETING_LOWAT);
        for _ in 0..2 {
            io.restore();
            assert_eq!(lowat(&io), before);
            io.compete();
            assert_eq!(lowat(&io), COMPETING_LOWAT);
        }
        io.restore();
        assert_eq!(lowat(&io), before);
    }
    io.compete();
    io.restore();
}

/// There is no socket, and nothing comes of looking for it.
fn reaches_nothing<IO: AsyncRead + AsyncWrite + Unpin>(mut io: Transport<IO>) {
    assert!(io.inner.socket.tcp(&io.inner.io).is_none());
    assert!(!io.inner.socket.may_change_offer());
    io.compete();
    io.restore();
    let socket = format!("{:?}", io.inner.socket);
    assert!(socket.contains("OutOfReach"), "{socket}");
}

#[tokio::test]
async fn tcp_is_reached_below_what_this_crate_puts_above_it() {
    let (near, far) = tcp_pair().await;
    reaches_tcp(Transport::client(near, Config::default()));
    let config = Config::default();
    let ahead = ReadAhead::new(far, &config);
    reaches_tcp(Transport::server(ahead, config));
}

#[cfg(feature = "connector")]
#[tokio::test]
async fn tcp_is_reached_below_what_hyper_util_makes() {
    use hyper_util::rt::TokioIo;

    let (near, far) = tcp_pair().await;
    let near = TokioIo::new(TokioIo::new(near));
    reaches_tcp(Transport::client(near, Config::default()));
    let config = Config::default();
    let far = ReadAhead::new(TokioIo::new(TokioIo::new(far)), &config);
    reaches_tcp(Transport::client(far, config));
}

#[cfg(any(target_os = "android", target_os = "linux"))]
#[tokio::test]
async fn what_the_program_has_set_comes_back_and_is_never_raised() {
    let (near, far) = tcp_pair().await;
    let mut io = Transport::client(near, Config::default());
    let set = |io: &Transport<_>, octets| {
        let socket = SockRef::from(io.get_ref());
        socket.set_tcp_notsent_lowat(octets).unwrap();
    };
    set(&io, 100_000);
    io.compete();
    assert_eq!(lowat(&io), 16_384);
    // What is as it should be is not set again.
    set(&io, 5);
    io.compete();
    assert_eq!(lowat(&io), 5);
    io.restore();
    assert_eq!(lowat(&io), 100_000);
    // What was set in between counts.
    set(&io, 4_000);
    io.restore();
    io.compete();
    assert_eq!(lowat(&io), 4_000);
    io.restore();
    assert_eq!(lowat(&io), 4_000);
    drop(far);
}

#[tokio::test]
async fn what_is_not_tcp_is_left_alone() {
    let (near, _far) = tokio::io::duplex(1);
    reaches_nothing(Transport::client(near, Config::default()));
    #[cfg(unix)]
    {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        reaches_nothing(Transport::client(near, Config::default()));
        let config = Config::default();
        let far = ReadAhead::new(far, &config);
        reaches_nothing(Transport::server(far, config));
    }
}

/// A Unix socket that passes for TCP.
#[cfg(any(target_os = "android", target_os = "linux"))]
#[tokio::test]
async fn a_socket_that_refuses_is_not_asked_again() {
    use std::os::fd::OwnedFd;

    let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let near = std::net::TcpStream::from(OwnedFd::from(near));
    let mut io = Transport::client(TcpStream::from_std(near).unwrap(), Config::default());
    io.compete();
    let socket = format!("{:?}", io.inner.socket);
    assert!(socket.contains("OutOfReach"), "{socket}");
    io.compete();
    io.restore();
}

/// An IO object that is not known to the crate.
struct Other {
    tcp: TcpStream,
}

impl AsyncRead for Other {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Other {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn the_user_says_where_the_socket_is() {
    let (near, far) = tcp_pair().await;
    reaches_nothing(Transport::client(Other { tcp: near }, Config::default()));

    let io = Transport::client(Other { tcp: far }, Config::default());
    let mut io = io.with_socket(|io| Some(&io.tcp));
    // It may buffer: what it was offered once has to be offered again.
    assert!(!io.inner.socket.may_change_offer());
    #[cfg(any(target_os = "android", target_os = "linux"))]
    {
        let before = lowat(&io);
        io.compete();
        assert_eq!(lowat(&io), 16_384);
        // Whoever takes the socket away finds it as it was.
        io = io.with_socket(|_| None);
        let socket = SockRef::from(&io.get_ref().tcp);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), before);
    }
    io = io.with_socket(|_| None);
    reaches_nothing(io);
}

#[cfg(feature = "tls")]
mod tls {
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

    use super::*;

    fn ends() -> (TlsConnector, TlsAcceptor) {
        let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (Arc::new(client).into(), Arc::new(server).into())
    }

    fn name() -> ServerName<'static> {
        ServerName::try_from("localhost").unwrap()
    }

    #[tokio::test]
    async fn tcp_is_reached_through_tls_that_the_transport_sets_up() {
        let (connector, acceptor) = ends();
        let (near, far) = tcp_pair().await;
        #[cfg(feature = "connector")]
        let near = {
            use hyper_util::rt::TokioIo;
            // As the connector has it.
            TokioIo::new(TokioIo::new(near))
        };
        let (near, far) = tokio::join!(
            Transport::connect_tls(&connector, name(), near, Config::default()),
            Transport::accept_tls(&acceptor, far, Config::default()),
        );
        reaches_tcp(near.unwrap());
        reaches_tcp(far.unwrap());
    }

    #[tokio::test]
    async fn tcp_is_reached_through_tls_that_is_there_already() {
        let (connector, acceptor) = ends();
        for wrapped in [false, true] {
            let (near, far) = tcp_pair().await;
            let (near, far) = tokio::join!(connector.connect(name(), near), acceptor.accept(far));
            let (near, far) = (near.unwrap(), far.unwrap());
            let config = Config::default;
            if wrapped {
                reaches_tcp(Transport::client(TlsStream::from(near), config()));
                reaches_tcp(Transport::server(TlsStream::from(far), config()));
            } else {
                reaches_tcp(Transport::client(near, config()));
                reaches_tcp(Transport::server(far, config()));
            }
        }
    }

    #[tokio::test]
    async fn tls_over_anything_else_takes_all_of_a_write_or_none() {
        let (connector, acceptor) = ends();
        let (near, far) = tokio::io::duplex(1 << 16);
        let (near, far) = tokio::join!(
            Transport::connect_tls(&connector, name(), near, Config::default()),
            Transport::accept_tls(&acceptor, far, Config::default()),
        );
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        assert!(near.inner.socket.may_change_offer());
        assert!(far.inner.socket.may_change_offer());
        assert!(near.tcp_below().is_none() && far.tcp_below().is_none());
        near.compete();
        far.compete();
    }
}
