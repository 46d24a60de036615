//! Servers and clients of other houses: nginx, OpenSSL and curl. One that is
//! not installed is passed over, and that is said.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use framewright::{Connector, HandshakeInfo};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio_rustls::rustls::ProtocolVersion;

use crate::pki::Authority;
use crate::server::{trusting, whole};

/// A directory with a server's certificate, gone when this is dropped.
struct Files(PathBuf);

impl Files {
    fn new(authority: &Authority) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("framewright-tls-{}-{id}", std::process::id());
        let files = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&files.0).expect("a directory");
        let leaf = authority.leaf(&["localhost"]);
        files.write("chain.pem", &leaf.pem);
        files.write("key.pem", &leaf.key.serialize_pem());
        files.write("root.pem", &authority.root_pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn dir(&self) -> &Path {
        &self.0
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program that serves on a port until this is dropped.
struct Serving {
    child: Child,
    port: u16,
}

impl Serving {
    /// `None` if the program is not installed.
    fn start(program: &str, args: &[&str], port: u16) -> Option<Self> {
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                skipped(program);
                return None;
            }
            Err(error) => panic!("{program}: {error}"),
        };
        let mut serving = Self { child, port };
        let by = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = serving.child.try_wait().expect("its state");
            assert!(ended.is_none(), "{program} ended at once: {ended:?}");
            assert!(Instant::now() < by, "{program} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(serving)
    }

    fn uri(&self) -> http::Uri {
        let uri = format!("https://localhost:{}/", self.port);
        uri.parse().expect("a URI")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Past the capture of the test harness, for all to see.
fn skipped(program: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {program} is not installed");
}

/// A port that was free a moment ago, for a program that cannot pick one.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Fetches `uri` so many times, on a connection each; what each came to.
async fn reconnects(connector: &Connector, uri: &http::Uri, times: usize) -> Vec<HandshakeInfo> {
    let mut infos = Vec::new();
    for _ in 0..times {
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build::<_, Empty<Bytes>>(connector.clone());
        let response = match client.get(uri.clone()).await {
            Ok(response) => response,
            Err(error) => panic!("{}", whole(&error)),
        };
        infos.extend(response.extensions().get::<HandshakeInfo>().cloned());
        let body = response.into_body().collect().await.expect("a body");
        assert!(!body.to_bytes().is_empty());
    }
    infos
}

fn nginx(files: &Files, version: &str) -> Option<Serving> {
    let port = free_port();
    let dir = files.dir().display();
    files.write(
        "nginx.conf",
        &format!(
            "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir};
                uwsgi_temp_path {dir}; scgi_temp_path {dir};
                server {{
                    listen 127.0.0.1:{port} ssl http2;
                    ssl_certificate {dir}/chain.pem;
                    ssl_certificate_key {dir}/key.pem;
                    ssl_protocols {version};
                    location / {{ return 200 'nginx'; }}
                }}
            }}"
        ),
    );
    let conf = files.path("nginx.conf");
    let args = [
        "-c",
        conf.to_str().expect("UTF-8"),
        "-p",
        files.dir().to_str().expect("UTF-8"),
    ];
    Serving::start("nginx", &args, port)
}

async fn resumes_with_nginx(version: &str, expected: ProtocolVersion) {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let Some(nginx) = nginx(&files, version) else {
        return;
    };
    let connector = trusting(&authority).build().expect("a connector");
    let infos = reconnects(&connector, &nginx.uri(), 101).await;
    assert!(
        infos
            .iter()
            .all(|info| info.version == expected && info.is_http2())
    );
    let resumed = infos.iter().filter(|info| info.resumed).count();
    assert!(resumed >= 95, "{resumed} of 100");
}

#[tokio::test]
async fn nginx_resumes_with_tls_1_3() {
    resumes_with_nginx("TLSv1.3", ProtocolVersion::TLSv1_3).await;
}

#[tokio::test]
async fn nginx_resumes_with_tls_1_2() {
    resumes_with_nginx("TLSv1.2", ProtocolVersion::TLSv1_2).await;
}

async fn resumes_with_s_server(flag: &str, expected: ProtocolVersion) {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let port = free_port();
    let (chain, key) = (files.path("chain.pem"), files.path("key.pem"));
    let accept = port.to_string();
    let args = [
        "s_server",
        "-quiet",
        "-www",
        flag,
        "-alpn",
        "http/1.1",
        "-accept",
        &accept,
        "-cert",
        chain.to_str().expect("UTF-8"),
        "-cert_chain",
        chain.to_str().expect("UTF-8"),
        "-key",
        key.to_str().expect("UTF-8"),
    ];
    let Some(server) = Serving::start("openssl", &args, port) else {
        return;
    };
    let connector = trusting(&authority).build().expect("a connector");
    let infos = reconnects(&connector, &server.uri(), 101).await;
    assert!(
        infos
            .iter()
            .all(|info| info.version == expected && !info.is_http2())
    );
    let resumed = infos.iter().filter(|info| info.resumed).count();
    assert!(resumed >= 95, "{resumed} of 100");
}

#[tokio::test]
async fn openssl_s_server_resumes_with_tls_1_3() {
    resumes_with_s_server("-tls1_3", ProtocolVersion::TLSv1_3).await;
}

#[tokio::test]
async fn openssl_s_server_resumes_with_tls_1_2() {
    resumes_with_s_server("-tls1_2", ProtocolVersion::TLSv1_2).await;
}
