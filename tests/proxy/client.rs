//! A client on stock hyper, over bare sockets.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, Uri,
    body::{Body, Incoming},
    client::conn::{http1, http2},
    header::HOST,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
        SupportedProtocolVersion,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

pub(crate) type TestError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type TestBody = UnsyncBoxBody<Bytes, TestError>;

/// How to speak to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speak {
    Http1,
    Http2,
    Http1Tls,
    Http2Tls,
}

impl Speak {
    pub(crate) const CLEAR: [Self; 2] = [Self::Http1, Self::Http2];
    pub(crate) const TLS: [Self; 2] = [Self::Http1Tls, Self::Http2Tls];

    fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }
}

/// One connection.
pub(crate) struct Client {
    sender: Sender,
    address: SocketAddr,
    scheme: &'static str,
    /// Ends with the connection.
    pub(crate) driver: JoinHandle<hyper::Result<()>>,
}

enum Sender {
    Http1(http1::SendRequest<TestBody>),
    Http2(http2::SendRequest<TestBody>),
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, speak: Speak) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        match speak {
            Speak::Http1 | Speak::Http2 => Self::over(tcp, address, "http", speak).await,
            Speak::Http1Tls => {
                let tls = tls(tcp, b"http/1.1").await;
                Self::over(tls, address, "https", speak).await
            }
            Speak::Http2Tls => Self::over(tls(tcp, b"h2").await, address, "https", speak).await,
        }
    }

    pub(crate) async fn over(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        address: SocketAddr,
        scheme: &'static str,
        speak: Speak,
    ) -> Self {
        let io = TokioIo::new(io);
        let (sender, driver) = if speak.is_http2() {
            let (sender, driver) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            (Sender::Http2(sender), tokio::spawn(driver))
        } else {
            let (sender, driver) = http1::handshake(io).await.unwrap();
            (Sender::Http1(sender), tokio::spawn(driver))
        };
        Self {
            sender,
            address,
            scheme,
            driver,
        }
    }

    /// Sends a request, whose URI is a path.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<TestBody>,
    ) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                let host = self.address.to_string().parse().unwrap();
                request.headers_mut().entry(HOST).or_insert(host);
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                let path = request.uri().path_and_query().unwrap();
                *request.uri_mut() = Uri::builder()
                    .scheme(self.scheme)
                    .authority(self.address.to_string())
                    .path_and_query(path.clone())
                    .build()
                    .unwrap();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response<Incoming> {
        let request = Request::get(path).body(empty()).unwrap();
        self.send(request).await.unwrap()
    }
}

/// A connection over `tcp` with TLS, any certificate will do.
pub(crate) async fn tls(tcp: TcpStream, alpn: &[u8]) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config(alpn, rustls::DEFAULT_VERSIONS)));
    let io = connector.connect(name, tcp).await.unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(alpn));
    io
}

/// What takes any certificate, and resumes as rustls does by default.
pub(crate) fn config(alpn: &[u8], versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

pub(crate) fn empty() -> TestBody {
    boxed(Empty::new())
}

pub(crate) fn full(octets: impl Into<Bytes>) -> TestBody {
    boxed(Full::new(octets.into()))
}

pub(crate) fn boxed<B>(body: B) -> TestBody
where
    B: Body<Data = Bytes, Error: Into<TestError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

/// The whole body as text.
pub(crate) async fn text(response: Response<Incoming>) -> String {
    let octets = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(octets.to_vec()).unwrap()
}
