//! Certificates by name, from files that change.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::sleep};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        DEFAULT_VERSIONS,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::{
    bounded,
    client::config,
    files::{Folder, certificate},
    routes::proxy,
    stats,
};

/// What is shown to a client that asks for `name`; none if it is refused.
async fn shown(address: SocketAddr, name: &'static str) -> Option<CertificateDer<'static>> {
    let connector = TlsConnector::from(Arc::new(config(b"h2", DEFAULT_VERSIONS)));
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name).unwrap();
    let io = connector.connect(name, tcp).await.ok()?;
    Some(io.get_ref().1.peer_certificates()?[0].clone())
}

/// Waits until this is shown.
async fn shows(address: SocketAddr, name: &'static str, pem: &str) {
    while shown(address, name).await != Some(der(pem)) {
        sleep(Duration::from_millis(50)).await;
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_directory_serves_each_name_its_certificate() {
    let folder = Folder::new("directory");
    let (a, a_key) = certificate(&["a.example"]);
    let (b, b_key) = certificate(&["b.example"]);
    folder.write("a.crt", &a);
    folder.write("a.key", &a_key);
    folder.write("b.crt", &b);
    folder.write("b.key", &b_key);
    // One that is broken keeps none of the others from being served.
    folder.write("c.crt", &a);
    folder.write("c.key", &b_key);
    let flags = ["--cert-dir", folder.path(), "--cert-reload", "0.1"];
    for stock in [&[][..], &["--stock"]] {
        let proxy = proxy(&[&flags, stock].concat());
        proxy.complaint("c.key does not fit");
        bounded(async {
            let address = proxy.address;
            assert_eq!(shown(address, "a.example").await, Some(der(&a)));
            assert_eq!(shown(address, "b.example").await, Some(der(&b)));
            assert_eq!(shown(address, "d.example").await, None);
            // Who asks for an address asks for no name.
            assert_eq!(shown(address, "127.0.0.1").await, None);

            // A client knows that its handshake has failed before it is counted.
            let admin = proxy.address_after("admin ");
            let stats = loop {
                let stats = stats::get(admin).await;
                if stats["errors"]["handshake failed"] == 2 {
                    break stats;
                }
                tokio::task::yield_now().await;
            };
            let certificates = &stats["tls"]["certificates"];
            assert_eq!(certificates["certificates"], 2);
            assert_eq!(certificates["names"], 2);
            assert_eq!(certificates["refused"], 2);
            assert!(certificates["last_error"].is_string());
            assert_eq!(stats["tls"]["clients"]["failed"], 2);
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_replaced_is_served_without_a_restart() {
    let folder = Folder::new("replaced");
    let (old, old_key) = certificate(&["a.example"]);
    let (new, new_key) = certificate(&["a.example"]);
    let (cert, key) = (folder.write("a.crt", &old), folder.write("a.key", &old_key));
    let directory = proxy(&["--cert-dir", folder.path(), "--cert-reload", "0.1"]);
    let pair = proxy(&["--cert", &cert, "--key", &key, "--cert-reload", "0.1"]);
    bounded(async {
        // A pair that was named is for any name.
        shows(pair.address, "d.example", &old).await;
        shows(directory.address, "a.example", &old).await;

        // What is broken is not served.
        folder.write("a.crt", "broken");
        for proxy in [&directory, &pair] {
            proxy.complaint("certificates stay as they were");
            assert_eq!(shown(proxy.address, "a.example").await, Some(der(&old)));
        }

        folder.write("a.crt", &new);
        folder.write("a.key", &new_key);
        shows(pair.address, "d.example", &new).await;
        shows(directory.address, "a.example", &new).await;
        let stats = stats::get(directory.address_after("admin ")).await;
        let certificates = &stats["tls"]["certificates"];
        assert_eq!(certificates["reloads"], 1);
        assert!(certificates["last_error"].is_null());
    })
    .await;
}
