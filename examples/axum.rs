//! An axum server over framewright's listener, with TLS.
//!
//! ```text
//! cargo run --release --example axum --features axum [-- ADDRESS [CERTIFICATE-FILE]]
//! curl -k https://127.0.0.1:3443/
//! ```
//!
//! It makes a self-signed certificate, and writes it to the file if one is named,
//! for clients to trust.

use std::{env, error::Error, fs, sync::Arc};

use axum::{Router, extract::ConnectInfo, routing::get};
use framewright::{ConnectionHandle, Listener};
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or("127.0.0.1:3443".into());
    let tls = tls(args.next())?;

    // The two lines that an axum user changes: the listener, and, to see what
    // goes over each connection, the connect info.
    let listener = Listener::builder().tls(tls).bind(address).await?;
    println!("listening https://{}", listener.local_addr()?);
    let app = Router::new().route("/", get(hello));
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
