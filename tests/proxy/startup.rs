//! What cannot start says why, in one line, and exits with 1.

use std::net::TcpListener;

use crate::{
    bounded, child,
    client::{Client, Speak},
    files::{Folder, certificate},
    routes::FREE,
};

const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

fn fails(flags: &[&str], why: &str) {
    let ended = child::run("proxy", flags);
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("proxy: ") && stderr.contains(why),
        "{stderr}"
    );
    assert!(ended.stdout.is_empty());
}

#[test]
fn a_bad_certificate_or_key() {
    let folder = Folder::new("bad-certificate");
    let (cert, key) = certificate(&LOCAL);
    let (_, other_key) = certificate(&LOCAL);
    let junk = folder.write("junk.pem", "junk");
    let half = folder.write(
        "half.pem",
        "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n",
    );
    let cert = folder.write("cert.pem", &cert);
    let key = folder.write("key.pem", &key);
    let other_key = folder.write("other.pem", &other_key);

    fails(
        &["--cert", "/none/cert.pem", "--key", &key],
        "/none/cert.pem",
    );
    fails(&["--cert", &junk, "--key", &key], "junk.pem is not PEM");
    fails(&["--cert", &key, "--key", &key], "no certificate in");
    fails(&["--cert", &half, "--key", &key], "half.pem");
    fails(&["--cert", &cert, "--key", &cert], "no private key");
    fails(
        &["--cert", &cert, "--key", "/none/key.pem"],
        "/none/key.pem",
    );
    fails(&["--cert", &cert, "--key", &other_key], "does not fit");
}

#[test]
fn a_bad_upstream() {
    let folder = Folder::new("bad-upstream");
    let junk = folder.write("junk.pem", "junk");
    fails(&["--upstream", "localhost:3000"], "write it as http://");
    fails(&["--upstream", "http://a/base"], "path");
    fails(
        &["--upstream", "https://a..b"],
        "cannot be in a certificate",
    );
    fails(
        &["--upstream", "https://a", "--upstream-h2c"],
        "--upstream-h2c",
    );
    fails(
        &["--upstream", "https://a", "--upstream-ca", &junk],
        "is not PEM",
    );
    fails(
        &["--upstream", "https://a", "--upstream-ca", "/none"],
        "/none",
    );
}

#[test]
fn a_bad_directory_of_certificates() {
    let folder = Folder::new("bad-directory");
    fails(&["--cert-dir", "/none"], "cannot read /none");
    fails(&["--cert-dir", folder.path()], "nothing to serve in");
    folder.write("a.crt", &certificate(&["a.example"]).0);
    fails(&["--cert-dir", folder.path()], "nothing to serve in");
    folder.write("a.key", &certificate(&["a.example"]).1);
    fails(&["--cert-dir", folder.path()], "does not fit");
}

#[test]
fn a_bad_ticket_secret() {
    let folder = Folder::new("bad-secret");
    let short = folder.write("short", "0123456789abcdef");
    fails(&["--ticket-secret", &short], "16 octets that are no secret");
    fails(&["--ticket-secret", "/none"], "cannot read /none");
}

#[test]
fn a_taken_or_wrong_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(&["--listen", &address, "--admin", "127.0.0.1:0"], &address);
    fails(&["--listen", "127.0.0.1:0", "--admin", &address], &address);
    fails(&["--listen", "nowhere"], "nowhere");
}

/// A certificate of one's own in front, and trust in just that one behind: a
/// proxy before a proxy, over HTTP/2 with TLS on both hops.
#[tokio::test]
async fn certificates_from_files() {
    let folder = Folder::new("certificates");
    let (cert, key) = certificate(&LOCAL);
    let (cert, key) = (
        folder.write("cert.pem", &cert),
        folder.write("key.pem", &key),
    );
    let inner_flags = ["--cert", &cert, "--key", &key];
    let inner = child::Running::start("proxy", &[&FREE[..], &inner_flags].concat());
    let url = format!("https://{}", inner.address);
    let outer_flags = ["--upstream", &url, "--upstream-ca", &cert];
    let outer = child::Running::start("proxy", &[&FREE[..], &outer_flags].concat());

    // It trusts nobody else.
    let (other, _) = certificate(&LOCAL);
    let other = folder.write("other.pem", &other);
    let wary_flags = ["--upstream", &url, "--upstream-ca", &other];
    let wary = child::Running::start("proxy", &[&FREE[..], &wary_flags].concat());

    bounded(async {
        let mut client = Client::connect(outer.address, Speak::Http2Tls).await;
        let response = client.get("/bytes/100000").await;
        let via: Vec<_> = response.headers().get_all("via").iter().collect();
        assert_eq!(via.len(), 2);
        for via in via {
            assert!(via.to_str().unwrap().starts_with("2.0 framewright-"));
        }

        let mut client = Client::connect(wary.address, Speak::Http2Tls).await;
        let response = client.get("/").await;
        assert_eq!(response.status(), 502);
        let why = crate::client::text(response).await;
        assert!(why.contains("certificate"), "{why}");
        let complaint = wary.complaint("upstream: the certificate of 127.0.0.1:");
        assert!(
            complaint.contains("invalid peer certificate"),
            "{complaint}"
        );
    })
    .await;
}
