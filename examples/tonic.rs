//! A tonic server over framewright's listener and a tonic client over its
//! connector, with TLS: gRPC's health service, unary and streaming.
//!
//! ```text
//! cargo run --release --example tonic --features tonic [-- ADDRESS]
//! ```
//!
//! The client is made with `Channel::new`, which takes a connector as it is.
//! `Endpoint::connect_with_connector` puts tonic's own TLS round it, and so
//! refuses an `https` URI where that is not set up.

use std::{env, error::Error, sync::Arc};

use framewright::{Config, ConnectionInfo, Connector, Listener, PriorityLayer};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Status};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::health_reporter,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let (config, certificate) = tls()?;

    // The line that a tonic user changes on the server: the incoming connections.
    let listener = Listener::builder()
        .tls(config)
        .http2_only()
        .config(Config::default().stream_handles(true))
        .bind(address)
        .await?;
    let port = listener.local_addr()?.port();
    println!("listening https://{}", listener.local_addr()?);
    let (reporter, service) = health_reporter();
    reporter
        .set_service_status("shop", ServingStatus::Serving)
        .await;
    let server = Server::builder()
        // So that answers go out as urgently as their calls ask.
        .layer(PriorityLayer::new())
        .layer(tonic::service::InterceptorLayer::new(look))
        .add_service(service)
        .serve_with_incoming(listener.into_stream());
    tokio::spawn(server);

    // The lines that a tonic user changes at a client: the connector.
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let connector = Connector::builder()
        .provider(provider())
        .with_roots(roots)
        .http2_only()
        .build()?;
    let endpoint = Endpoint::try_from(format!("https://localhost:{port}"))?;
    let channel = Channel::new(connector, endpoint);

    let mut client = HealthClient::new(channel);
    let shop = || HealthCheckRequest {
        service: "shop".into(),
    };
    let answer = client.check(shop()).await?;
    println!("unary: {:?}", answer.into_inner().status());

    let mut watch = client.watch(shop()).await?.into_inner();
    let first = watch.message().await?.ok_or("the stream has ended")?;
    println!("streaming: {:?}", first.status());
    reporter
        .set_service_status("shop", ServingStatus::NotServing)
        .await;
    let second = watch.message().await?.ok_or("the stream has ended")?;
    println!("streaming: {:?}", second.status());
    Ok(())
}

/// Every request knows its connection.
fn look(request: Request<()>) -> Result<Request<()>, Status> {
    if let Some(info) = request.extensions().get::<ConnectionInfo>() {
        let handshake = info.handshake().map(|handshake| handshake.resumed);
        println!("from {}, resumed: {handshake:?}", info.remote_addr);
    }
    Ok(request)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// TLS with a self-signed certificate.
fn tls() -> Result<(ServerConfig, CertificateDer<'static>), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".into()])?;
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())?;
    config.ticketer = ring::Ticketer::new()?;
    Ok((config, certificate))
}
