//! The listener among real sockets.

mod clients;
mod limits;
mod setup;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Named, because with all features there is more than one.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A server's configuration, and the certificate to trust.
fn identity() -> (ServerConfig, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    (config, certificate)
}

fn server_config() -> ServerConfig {
    identity().0
}

/// A client that trusts `certificate`, and offers `alpn`.
fn client_config(certificate: CertificateDer<'static>, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|id| id.to_vec()).collect();
    Arc::new(config)
}

type ClientTls = tokio_rustls::client::TlsStream<TcpStream>;

async fn connect_tls(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<ClientTls> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config))
        .connect(name, tcp)
        .await
}

/// A listener that a task drives.
struct Running {
    address: SocketAddr,
    handle: ListenerHandle,
    streams: mpsc::UnboundedReceiver<ServerStream>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn new(builder: ListenerBuilder) -> Self {
        let mut listener = builder.bind("127.0.0.1:0").await.unwrap();
        let (sender, streams) = mpsc::unbounded_channel();
        Self {
            address: listener.local_addr().unwrap(),
            handle: listener.handle(),
            streams,
            task: tokio::spawn(async move {
                while let Ok((stream, address)) = listener.accept().await {
                    assert_eq!(stream.remote_addr(), address);
                    let _ = sender.send(stream);
                }
            }),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The next stream.
    async fn next(&mut self) -> ServerStream {
        let next = tokio::time::timeout(20 * SECOND, self.streams.recv());
        next.await.expect("in time").expect("a stream")
    }

    /// Waits until the figures are right.
    async fn until(&self, is_right: impl Fn(&ListenerStats) -> bool) -> ListenerStats {
        let began = Instant::now();
        loop {
            let stats = self.handle.stats();
            if is_right(&stats) {
                return stats;
            }
            assert!(began.elapsed() < 20 * SECOND, "{stats:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server closes the connection.
async fn is_closed(io: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut octets = Vec::new();
    let read = tokio::time::timeout(20 * SECOND, io.read_to_end(&mut octets));
    match read.await.expect("closed in time") {
        Ok(_) => {}
        Err(error) => assert!(
            matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
            ),
            "{error}"
        ),
    }
}

/// The server has not closed it so far.
fn is_open(tcp: &TcpStream) -> bool {
    let read = tcp.try_read(&mut [0; 1]);
    matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}
