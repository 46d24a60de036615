//! An axum server over framewright's listener, with TLS.
//!
//! ```text
//! cargo run --release --example axum --features axum [-- ADDRESS [CERTIFICATE-FILE]]
//! curl -k https://127.0.0.1:3443/ https://127.0.0.1:3443/urgent
//! ```
//!
//! It makes a self-signed certificate, and writes it to the file if one is named,
//! for clients to trust.

use std::{env, error::Error, fs, sync::Arc};

use axum::{Extension, Router, extract::ConnectInfo, routing::get};
use framewright::{Config, ConnectionHandle, Listener, Priority, PriorityLayer, StreamHandle};
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or("127.0.0.1:3443".into());
    let tls = tls(args.next())?;

    // The lines that an axum user changes: the listener; the layer, so that
    // responses go out as urgently as their requests ask; and, to see what goes
    // over each connection, the connect info.
    let listener = Listener::builder()
        .tls(tls)
        .config(Config::default().stream_handles(true))
        .bind(address)
        .await?;
    println!("listening https://{}", listener.local_addr()?);
    let app = Router::new()
        .route("/", get(hello))
        .route("/urgent", get(urgent))
        .layer(PriorityLayer::new());
    let app = app.into_make_service_with_connect_info::<ConnectionHandle>();

    axum::serve(listener, app).await?;
    Ok(())
}

async fn hello(ConnectInfo(connection): ConnectInfo<ConnectionHandle>) -> String {
    let stats = connection.stats();
    let handshake = connection.handshake();
    format!(
        "Hello over framewright.\n{} handshake, {} frames in, in {} read calls\n",
        match handshake {
            Some(info) if info.resumed => "resumed",
            Some(_) => "full",
            None => "no",
        },
        stats.inbound_frames.total(),
        stats.read_calls,
    )
}

/// A handler may say itself how urgent its response is. Over HTTP/1.1 there is no
/// stream.
async fn urgent(stream: Option<Extension<StreamHandle>>) -> String {
    let Some(Extension(stream)) = stream else {
        return "not HTTP/2\n".into();
    };
    // Once the client is gone it does not matter.
    let _ = stream.set_priority(Priority::new(0));
    format!("stream {} goes with {}\n", stream.id(), stream.priority())
}

/// TLS with a self-signed certificate, and session tickets.
fn tls(write_to: Option<String>) -> Result<ServerConfig, Box<dyn Error>> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names)?;
    if let Some(file) = write_to {
        fs::write(file, made.cert.pem())?;
    }
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    config.ticketer = ring::Ticketer::new()?;
    Ok(config)
}
