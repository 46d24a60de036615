//! Peers of other houses that send: nghttpd, nginx, h2o and Go's `net/http` as
//! servers, curl, nghttp and Go as clients, over a link of 1 Gbit/s with a round
//! trip of 20 ms. One that is not installed is passed over, and that is said.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use framewright::{ConnectionHandle, FrameType};
use http::Request;
use http_body_util::BodyExt;

use crate::bounded;
use crate::common::{self, Pattern};
use crate::ends::{Client, End, Handler, Server, Tls, pattern_digest, until};
use crate::link::{Builder, Link};
use crate::pki::Authority;

const OCTETS: u64 = 100_000_000;
const SEED: u64 = 7;
const ONE_WAY: Duration = Duration::from_millis(10);

/// A directory with what is served, and a certificate, gone when this is dropped.
struct Files {
    dir: PathBuf,
    tls: Tls,
}

impl Files {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("framewright-flow-{}-{id}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(dir.join("up")).expect("a directory");
        let authority = Authority::new();
        let leaf = authority.leaf(&["localhost"]);
        let files = Self {
            dir,
            tls: Tls::of(&authority),
        };
        files.write("chain.pem", leaf.pem.as_bytes());
        files.write("key.pem", leaf.key.serialize_pem().as_bytes());
        files.write("file", &common::pattern(SEED, OCTETS));
        files
    }

    fn write(&self, name: &str, octets: &[u8]) {
        fs::write(self.dir.join(name), octets).expect("a file");
    }

    fn path(&self, name: &str) -> String {
        let path = self.dir.join(name);
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A server that runs until this is dropped.
struct Serving {
    child: Child,
    address: SocketAddr,
}

impl Serving {
    /// `None` if the program is not installed.
    fn start(program: &str, args: &[&str], port: u16) -> Option<Self> {
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
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
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let mut serving = Self { child, address };
        let by = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let ended = serving.child.try_wait().expect("its state");
            assert!(ended.is_none(), "{program} ended at once: {ended:?}");
            assert!(Instant::now() < by, "{program} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(serving)
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

fn link() -> Builder {
    Link::builder().rate(1_000_000_000).delay(ONE_WAY)
}

/// Runs a client to its end, in a thread of its own; `None` if it is not installed.
async fn run(mut command: Command) -> Option<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    match output.expect("it ran") {
        Ok(output) => Some(output),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            skipped(&program);
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// What holds of any connection that has carried much, and carries nothing now.
fn check(connection: &ConnectionHandle) {
    let stats = connection.stats();
    for frames in [&stats.inbound_frames, &stats.outbound_frames] {
        assert_eq!(frames.get(FrameType::GOAWAY), 0, "{stats:?}");
        assert_eq!(frames.get(FrameType::RST_STREAM), 0, "{stats:?}");
    }
    let round_trip = stats.round_trip.expect("known");
    // But for what its timers round off.
    assert!(round_trip >= ONE_WAY * 19 / 10, "{stats:?}");
    assert!(stats.bandwidth_delay_product > 0, "{stats:?}");
    assert!(stats.receive_window > 0, "{stats:?}");
    assert!(stats.receive_reserve >= 0, "{stats:?}");
    assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
    assert!(stats.window_budget <= 64 << 20, "{stats:?}");
}

/// What is sent up, and where to.
enum Up {
    /// It comes back.
    Echo(&'static str),
    /// It is there afterwards.
    Put(&'static str),
    Nothing,
}

/// Downloads `/file` from a server, and sends as much up.
async fn exchange(serving: &Serving, tls: Option<&Tls>, up: Up) {
    let (end, budget) = End::managed();
    let link = link().to(serving.address).start().expect("a link");
    let client = Client::with_tls(&end, link.address, tls).await;
    let expected = pattern_digest(SEED, OCTETS);
    let response = client.get("/file").await;
    assert_eq!(response.status(), 200);
    let (seen, _) = common::read(response.into_body()).await.expect("whole");
    assert_eq!(seen, expected);
    check(&client.connection);

    let send = async |method, path: &str| {
        let body = Pattern::new(SEED, OCTETS, 100_000).boxed();
        let uri = format!("http://test{path}");
        let request = Request::builder().method(method).uri(uri).body(body);
        let response = client.send(request.expect("good")).await;
        let response = response.expect("a response");
        assert!(response.status().is_success(), "{}", response.status());
        common::read(response.into_body()).await.expect("whole").0
    };
    match up {
        Up::Echo(path) => assert_eq!(send("POST", path).await, expected),
        Up::Put(path) => {
            send("PUT", path).await;
            let response = client.get(path).await;
            let (seen, _) = common::read(response.into_body()).await.expect("whole");
            assert_eq!(seen, expected);
        }
        Up::Nothing => {}
    }
    check(&client.connection);
    drop(client);
    until(|| budget.used() == 0).await;
}

#[tokio::test]
async fn nghttpd_sends() {
    let files = Files::new();
    let port = free_port();
    let (port_text, dir) = (port.to_string(), files.path(""));
    let args = [
        "--no-tls",
        "--echo-upload",
        "-w24",
        "-W24",
        "-a",
        "127.0.0.1",
        "-d",
        &dir,
        &port_text,
    ];
    if let Some(nghttpd) = Serving::start("nghttpd", &args, port) {
        bounded(exchange(&nghttpd, None, Up::Echo("/"))).await;
    }
}

#[tokio::test]
async fn nginx_sends() {
    let files = Files::new();
    let port = free_port();
    let dir = files.dir.display();
    let conf = format!(
        "daemon off; master_process off; user root; pid {dir}/pid; error_log {dir}/error.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off; root {dir}; client_max_body_size 0;
            client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir};
            uwsgi_temp_path {dir}; scgi_temp_path {dir};
            server {{
                listen 127.0.0.1:{port} http2;
                location /up/ {{ dav_methods PUT; }}
            }}
        }}"
    );
    files.write("nginx.conf", conf.as_bytes());
    let (conf, dir) = (files.path("nginx.conf"), files.path(""));
    if let Some(nginx) = Serving::start("nginx", &["-c", &conf, "-p", &dir], port) {
        bounded(exchange(&nginx, None, Up::Put("/up/file"))).await;
    }
}

#[tokio::test]
async fn h2o_sends() {
    let files = Files::new();
    let port = free_port();
    let dir = files.dir.display();
    let conf = format!(
        "user: root\n\
         num-threads: 1\n\
         hosts:\n  \"test\":\n    listen:\n      host: 127.0.0.1\n      port: {port}\n    \
         paths:\n      \"/\":\n        file.dir: {dir}\n"
    );
    files.write("h2o.conf", conf.as_bytes());
    let conf = files.path("h2o.conf");
    if let Some(h2o) = Serving::start("h2o", &["-c", &conf], port) {
        bounded(exchange(&h2o, None, Up::Nothing)).await;
    }
}

/// Builds the program beside this file, with no network; `None` if there is no
/// compiler.
async fn go(files: &Files) -> Option<String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/flow_control/outside.go");
    let program = files.path("go");
    let mut build = Command::new("go");
    build
        .args(["build", "-o", &program, source])
        .env("HOME", files.path(""))
        .env("GOCACHE", files.path("cache"))
        .env("GOPATH", files.path("path"))
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local");
    let built = run(build).await?;
    let stderr = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{stderr}");
    Some(program)
}

#[tokio::test]
async fn go_sends_as_a_server() {
    let files = Files::new();
    let Some(program) = go(&files).await else {
        return;
    };
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let (cert, key) = (files.path("chain.pem"), files.path("key.pem"));
    let args = ["serve", &address, &cert, &key, &files.path("")];
    let go = Serving::start(&program, &args, port).expect("it was built");
    bounded(exchange(&go, Some(&files.tls), Up::Echo("/echo"))).await;
}

/// A server of ours at the far end of the link, and a client that uploads to it.
/// What the client wrote is what the server has found out about the body.
async fn upload(
    tls: Option<&Tls>,
    url: impl FnOnce(SocketAddr) -> String,
    client: impl FnOnce(String) -> Command,
) {
    let (end, budget) = End::managed();
    let server = Server::with_tls(end, Handler::common(), tls.cloned()).await;
    let link = link().to(server.address).start().expect("a link");
    let client = client(url(link.address));
    let Some(output) = run(client).await else {
        return;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let said = String::from_utf8_lossy(&output.stdout);
    let (len, hash) = pattern_digest(SEED, OCTETS);
    let expected = format!("{len} {hash} false");
    assert!(said.ends_with(&expected), "{said:?}: {stderr}");
    let stats = server.connection().await.stats();
    assert!(stats.round_trip.is_some(), "{stats:?}");
    assert!(stats.bandwidth_delay_product > 0, "{stats:?}");
    assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
    drop(link);
    until(|| budget.used() == 0).await;
}

#[tokio::test]
async fn curl_sends() {
    let files = Files::new();
    let data = format!("@{}", files.path("file"));
    let client = |url: String| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "--max-time", "60", "--noproxy", "*"])
            .args(["--http2-prior-knowledge", "--data-binary", &data, &url]);
        curl
    };
    bounded(upload(None, |at| format!("http://{at}/digest"), client)).await;
}

#[tokio::test]
async fn nghttp_sends() {
    let files = Files::new();
    let data = files.path("file");
    let client = |url: String| {
        let mut nghttp = Command::new("nghttp");
        nghttp.args(["--timeout=60", "-d", &data, &url]);
        nghttp
    };
    bounded(upload(None, |at| format!("http://{at}/digest"), client)).await;
}

#[tokio::test]
async fn go_sends_as_a_client() {
    let files = Files::new();
    let Some(program) = go(&files).await else {
        return;
    };
    let data = files.path("file");
    let client = |url: String| {
        let mut go = Command::new(&program);
        go.args(["post", &url, &data]);
        go
    };
    let url = |at: SocketAddr| format!("https://localhost:{}/digest", at.port());
    bounded(upload(Some(&files.tls), url, client)).await;
}
