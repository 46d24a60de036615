//! Servers and clients of other houses: nginx, OpenSSL and curl. One that is
//! not installed is passed over, and that is said.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use framewright::tls::{TicketBinding, TicketKeys};
use framewright::{Connector, HandshakeInfo, Listener, ListenerHandle};
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

/// Our listener, with our ticket keys, and a service that says nothing of note.
async fn listener(authority: &Authority) -> (ListenerHandle, u16) {
    let mut config = authority.leaf(&["localhost"]).server(&["h2", "http/1.1"]);
    let keys = TicketKeys::from_secret(&[7; 32], &crate::pki::provider()).expect("keys");
    let binding = TicketBinding::new()
        .virtual_host("localhost")
        .alpn(&config.alpn_protocols);
    config.ticketer = keys.ticketer(binding);
    let mut listener = Listener::builder()
        .tls(config)
        .bind("127.0.0.1:0")
        .await
        .expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let handle = listener.handle();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(crate::common::serve(stream));
        }
    });
    (handle, port)
}

/// Runs a client of another house to its end; what it wrote, or `None` if it is
/// not installed.
async fn client(program: &'static str, args: Vec<String>, input: &'static str) -> Option<String> {
    let run = move || {
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                skipped(program);
                return None;
            }
            Err(error) => panic!("{program}: {error}"),
        };
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("its output");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success(), "{program}: {text}");
        Some(text.into_owned())
    };
    tokio::task::spawn_blocking(run).await.expect("it ran")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

#[tokio::test]
async fn openssl_s_client_resumes_here_with_tls_1_2() {
    let (handle, port) = listener(&Authority::new()).await;
    let args =
        format!("s_client -connect 127.0.0.1:{port} -servername localhost -tls1_2 -reconnect");
    let Some(text) = client("openssl", words(&args), "").await else {
        return;
    };
    // It connects once, and then five times with the session of the first.
    assert_eq!(text.matches("Reused, TLSv1.2").count(), 5, "{text}");
    let stats = handle.stats();
    assert_eq!((stats.full_handshakes, stats.resumed_handshakes), (1, 5));
}

#[tokio::test]
async fn openssl_s_client_resumes_here_with_tls_1_3() {
    let authority = Authority::new();
    let (handle, port) = listener(&authority).await;
    let files = Files::new(&authority);
    let session = files.path("session").display().to_string();
    // It stays until the response has come, and with it the tickets.
    let request = "GET /bytes?len=3 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let common =
        format!("s_client -connect 127.0.0.1:{port} -servername localhost -tls1_3 -ign_eof");
    let out = words(&format!("{common} -sess_out {session}"));
    let Some(text) = client("openssl", out, request).await else {
        return;
    };
    assert!(text.contains("New, TLSv1.3"), "{text}");
    let again = words(&format!("{common} -sess_in {session}"));
    let text = client("openssl", again, request).await.expect("installed");
    assert!(text.contains("Reused, TLSv1.3"), "{text}");
    let stats = handle.stats();
    assert_eq!((stats.full_handshakes, stats.resumed_handshakes), (1, 1));
}

#[tokio::test]
async fn curl_resumes_here() {
    let authority = Authority::new();
    let (handle, port) = listener(&authority).await;
    let files = Files::new(&authority);
    let root = files.path("root.pem").display().to_string();
    let url = format!("https://localhost:{port}/bytes?len=100");
    let args = format!(
        "-sS --fail --max-time 30 --noproxy * --http1.1 --cacert {root} -H connection:close \
         -o /dev/null {url} -o /dev/null {url} -o /dev/null {url}"
    );
    if client("curl", words(&args), "").await.is_none() {
        return;
    }
    let stats = handle.stats();
    assert_eq!((stats.full_handshakes, stats.resumed_handshakes), (1, 2));
}
