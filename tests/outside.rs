//! Clients of other houses: curl, nghttp, h2load and openssl, against the example proxy
//! and the example server. One that is not installed is passed over, and that
//! is said.

#[allow(dead_code)]
#[path = "proxy/child.rs"]
mod child;

use std::{
    fs,
    hash::{DefaultHasher, Hasher},
    path::{Path, PathBuf},
};

use child::Running;

const FREE: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
const DOWNLOAD: usize = 20_000_003;

/// What nghttp says of the parameter that a server's first SETTINGS gains.
const NO_RFC7540_PRIORITIES: &str = "NO_RFC7540_PRIORITIES(0x09):1]";

fn proxy(flags: &[&str]) -> Running {
    Running::start("proxy", &[&FREE, flags].concat())
}

/// Runs `program`, which must succeed, and returns what it wrote; `None` if it
/// is not installed.
fn run(program: &str, args: &[&str]) -> Option<(Vec<u8>, String)> {
    let Some(output) = child::outside(program, args, None) else {
        // Past the capture of the test harness, for all to see.
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "skipped: {program} is not installed");
        return None;
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}: {stderr}",
        output.status
    );
    Some((output.stdout, stderr))
}

/// curl, quiet, bounded in time, with any certificate, and with proxies of the
/// environment left out.
fn curl(args: &[&str]) -> Option<(Vec<u8>, String)> {
    let common = ["-sSk", "--fail", "--max-time", "30", "--noproxy", "*"];
    run("curl", &[&common, args].concat())
}

/// What the embedded origin serves at `/bytes/N`.
fn pattern(octets: usize) -> Vec<u8> {
    (0..octets).map(|i| (i % 65536 % 251) as u8).collect()
}

fn hash(octets: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(octets);
    hasher.finish()
}

/// A file to upload, gone when this is dropped.
struct Upload(PathBuf);

impl Upload {
    fn new(name: &str, octets: &[u8]) -> Self {
        let name = format!("framewright-outside-{name}-{}", std::process::id());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, octets).unwrap();
        Self(file)
    }

    /// The file as curl's `--data-binary` takes it.
    fn argument(&self) -> String {
        format!("@{}", self.0.display())
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Every kind of transfer, over one kind of connection.
fn curl_transfers(name: &str, base: &str, version: &str, flag: &str) -> Option<()> {
    let (said, _) = curl(&[
        flag,
        "-o",
        "/dev/null",
        "-w",
        "%{http_version} %{http_code}",
        base,
    ])?;
    assert_eq!(String::from_utf8_lossy(&said), format!("{version} 200"));

    let (download, _) = curl(&[flag, &format!("{base}/bytes/{DOWNLOAD}")])?;
    assert_eq!(download.len(), DOWNLOAD);
    assert_eq!(hash(&download), hash(&pattern(DOWNLOAD)));

    // Above a megabyte curl waits for 100 (Continue) in HTTP/1.1.
    let content: Vec<u8> = pattern(5_000_001).into_iter().rev().collect();
    let file = Upload::new(name, &content);
    let data = file.argument();
    let echo = format!("{base}/echo");
    for more in [&["-X", "POST"][..], &["-H", "transfer-encoding: chunked"]] {
        if more[0] == "-H" && version == "2" {
            continue;
        }
        let args = [&[flag, "--data-binary", &data, &echo][..], more].concat();
        let (echoed, _) = curl(&args)?;
        assert_eq!(hash(&echoed), hash(&content));
    }

    // Many at once; over one connection in HTTP/2, but not where curl before 8.0
    // breaks connections that it uses again (curl/curl#10634).
    let how = match flag {
        "--http2-prior-knowledge" => "--parallel-immediate",
        _ => "--no-parallel-immediate",
    };
    let range = format!("{base}/bytes/[100000-100031]");
    let write = ["-o", "/dev/null", "-w", "%{http_code},"];
    let (many, _) = curl(&[&[flag, "--parallel", how, &range][..], &write].concat())?;
    let many = String::from_utf8_lossy(&many).into_owned();
    assert_eq!(many.matches("200,").count(), 32, "{many}");

    let (head, _) = curl(&[flag, "-I", &format!("{base}/bytes/77")])?;
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.contains("content-length: 77"), "{head}");
    Some(())
}

#[test]
fn curl_http2_over_tls() {
    let proxy = proxy(&[]);
    curl_transfers("h2", &format!("https://{}", proxy.address), "2", "--http2");
}

#[test]
fn curl_http1_over_tls() {
    let proxy = proxy(&[]);
    curl_transfers(
        "h1",
        &format!("https://{}", proxy.address),
        "1.1",
        "--http1.1",
    );
}

/// It offers `http/1.0` alone by ALPN.
#[test]
fn curl_http10_over_tls() {
    for flags in [&[][..], &["--stock"]] {
        let proxy = proxy(flags);
        let url = format!("https://{}/bytes/{DOWNLOAD}", proxy.address);
        if let Some((download, _)) = curl(&["--http1.0", &url]) {
            assert_eq!(hash(&download), hash(&pattern(DOWNLOAD)));
        }
    }
}

/// As the proxy suggests.
#[test]
fn openssl_resumes() {
    let proxy = proxy(&[]);
    let address = proxy.address.to_string();
    let args = ["s_client", "-connect", &address, "-tls1_2", "-reconnect"];
    if let Some((said, _)) = run("openssl", &args) {
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(said.matches("Reused, TLSv1.2").count(), 5, "{said}");
    }
}

#[test]
fn curl_http2_in_clear() {
    let proxy = proxy(&["--h2c"]);
    let base = format!("http://{}", proxy.address);
    curl_transfers("h2c", &base, "2", "--http2-prior-knowledge");
}

#[test]
fn curl_http1_in_clear() {
    let proxy = proxy(&["--h2c"]);
    let base = format!("http://{}", proxy.address);
    curl_transfers("h1c", &base, "1.1", "--http1.1");
}

#[test]
fn curl_against_stock() {
    let proxy = proxy(&["--stock"]);
    curl_transfers(
        "stock",
        &format!("https://{}", proxy.address),
        "2",
        "--http2",
    );
}

/// It asks for a server that can upgrade from HTTP/1.1, and is served all the
/// same.
#[test]
fn curl_asks_for_h2c_by_upgrade() {
    let proxy = proxy(&["--h2c"]);
    let base = format!("http://{}/", proxy.address);
    let Some((body, _)) = curl(&["--http2", &base]) else {
        return;
    };
    assert!(String::from_utf8_lossy(&body).contains("/bytes/N"));
}

#[test]
fn curl_against_the_server_example() {
    let server = Running::start("hyper_server", &["127.0.0.1:0"]);
    let base = format!("http://{}/", server.address);
    let Some((body, _)) = curl(&["--http2-prior-knowledge", &base]) else {
        return;
    };
    assert_eq!(body, b"Hello over framewright.\n");
}

#[test]
fn nghttp_against_the_proxy() {
    let tls = proxy(&[]);
    let clear = proxy(&["--h2c"]);
    for base in [
        format!("https://{}", tls.address),
        format!("http://{}", clear.address),
    ] {
        let download = format!("{base}/bytes/3000001");
        let Some((octets, _)) = run("nghttp", &["--timeout=30", &download]) else {
            return;
        };
        assert_eq!(hash(&octets), hash(&pattern(3_000_001)));

        let content = pattern(300_000);
        let file = Upload::new(
            if base.starts_with("https") {
                "ng"
            } else {
                "ngc"
            },
            &content,
        );
        let path = file.path().to_str().unwrap();
        let echo = format!("{base}/echo");
        // With trailers, which come back, and padded frames.
        let args = [
            "--timeout=30",
            "-d",
            path,
            "--trailer",
            "x-sum: 42",
            "-b",
            "64",
            "-v",
            &echo,
        ];
        let (said, _) = run("nghttp", &args).unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("x-sum: 42"));
        assert!(said.contains(NO_RFC7540_PRIORITIES), "{said}");
        let (octets, _) = run("nghttp", &["--timeout=30", "-d", path, "-b", "64", &echo]).unwrap();
        assert_eq!(hash(&octets), hash(&content));

        // Eight times the same on one connection, with small windows.
        let args = [
            "--timeout=30",
            "-n",
            "-m",
            "8",
            "-w",
            "14",
            "-W",
            "15",
            "-s",
            &download,
        ];
        let (said, _) = run("nghttp", &args).unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(said.matches(" 200 ").count(), 8, "{said}");
    }
}

#[test]
fn nghttp_against_the_server_example() {
    let server = Running::start("hyper_server", &["127.0.0.1:0"]);
    let base = format!("http://{}/", server.address);
    if let Some((body, _)) = run("nghttp", &["--timeout=30", &base]) {
        assert_eq!(body, b"Hello over framewright.\n");
        // Here hyper speaks before the client has.
        let (said, _) = run("nghttp", &["--timeout=30", "-v", &base]).unwrap();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(NO_RFC7540_PRIORITIES), "{said}");
    }
}

fn h2load(args: &[&str]) {
    let bounds = [
        "--connection-active-timeout=60",
        "--connection-inactivity-timeout=30",
    ];
    if let Some((said, _)) = run("h2load", &[&bounds, args].concat()) {
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("0 failed, 0 errored, 0 timeout"), "{said}");
        assert!(said.contains(" 0 3xx, 0 4xx, 0 5xx"), "{said}");
    }
}

#[test]
fn h2load_against_the_proxy() {
    for (flags, scheme) in [
        (&[][..], "https"),
        (&["--h2c"], "http"),
        (&["--stock"], "https"),
    ] {
        let proxy = proxy(flags);
        let base = format!("{scheme}://{}", proxy.address);
        h2load(&["-n", "2000", "-c", "4", "-m", "64", &format!("{base}/")]);
        h2load(&[
            "-n",
            "200",
            "-c",
            "4",
            "-m",
            "16",
            &format!("{base}/bytes/200000"),
        ]);
        h2load(&[
            "-n",
            "400",
            "-c",
            "4",
            "--h1",
            &format!("{base}/bytes/20000"),
        ]);
        let content = Upload::new(&format!("load{}", proxy.address.port()), &pattern(100_000));
        let path = content.path().to_str().unwrap();
        h2load(&[
            "-n",
            "200",
            "-c",
            "4",
            "-m",
            "16",
            "-d",
            path,
            &format!("{base}/echo"),
        ]);
    }
}

#[test]
fn h2load_against_the_server_example() {
    let server = Running::start("hyper_server", &["127.0.0.1:0"]);
    h2load(&[
        "-n",
        "2000",
        "-c",
        "4",
        "-m",
        "64",
        &format!("http://{}/", server.address),
    ]);
}

/// The client example against the server example.
#[test]
fn the_examples_speak_to_each_other() {
    let server = Running::start("hyper_server", &["127.0.0.1:0"]);
    let url = format!("http://{}/", server.address);
    let ended = child::run("hyper_client", &[&url]);
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success());
    assert!(
        said.contains("status: 200 OK\nbody:   24 octets\n"),
        "{said}"
    );
}
