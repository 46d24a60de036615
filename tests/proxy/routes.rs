//! Every route of the embedded origin, over every protocol, with framewright
//! and without.

use http_body_util::BodyExt;
use hyper::{Method, Request, StatusCode, header};

use crate::{
    bounded,
    child::Running,
    client::{Client, Speak, empty, text},
};

/// The flags that every test here gives: free ports.
pub(crate) const FREE: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

pub(crate) fn proxy(flags: &[&str]) -> Running {
    Running::start("proxy", &[&FREE, flags].concat())
}

#[tokio::test]
async fn over_tls() {
    let proxy = proxy(&[]);
    bounded(all(&proxy, Speak::TLS)).await;
}

#[tokio::test]
async fn in_clear() {
    let proxy = proxy(&["--h2c"]);
    bounded(all(&proxy, Speak::CLEAR)).await;
}

#[tokio::test]
async fn without_priorities() {
    let tls = proxy(&["--no-priority"]);
    bounded(all(&tls, Speak::TLS)).await;
    let clear = proxy(&["--no-priority", "--h2c"]);
    bounded(all(&clear, Speak::CLEAR)).await;
}

#[tokio::test]
async fn without_flow_control() {
    let tls = proxy(&["--no-flow-control"]);
    bounded(all(&tls, Speak::TLS)).await;
    let clear = proxy(&["--no-flow-control", "--no-priority", "--h2c"]);
    bounded(all(&clear, Speak::CLEAR)).await;
}

#[tokio::test]
async fn over_a_slow_link() {
    let proxy = proxy(&["--slow", "100"]);
    bounded(all(&proxy, Speak::TLS)).await;
}

#[tokio::test]
async fn stock_over_tls() {
    let proxy = proxy(&["--stock"]);
    bounded(all(&proxy, Speak::TLS)).await;
}

#[tokio::test]
async fn stock_in_clear() {
    let proxy = proxy(&["--stock", "--h2c"]);
    bounded(all(&proxy, Speak::CLEAR)).await;
}

async fn all(proxy: &Running, ways: [Speak; 2]) {
    for speak in ways {
        let client = &mut Client::connect(proxy.address, speak).await;
        welcome(client).await;
        heads(client).await;
        files(client).await;
        page(client).await;
        refusals(client).await;

        let response = client.get("/slow?ms=50").await;
        assert_eq!(text(response).await, "This took 50 milliseconds.\n");
    }
}

async fn welcome(client: &mut Client) {
    let response = client.get("/").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    assert!(response.headers().contains_key(header::VIA));
    assert!(text(response).await.contains("/bytes/N"));
}

async fn heads(client: &mut Client) {
    for (path, length) in [
        ("/bytes/12345", "12345"),
        ("/files/notes/alphabet.txt", "27"),
    ] {
        let request = Request::head(path).body(empty()).unwrap();
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_LENGTH], length);
        assert_eq!(text(response).await, "");
    }
}

async fn files(client: &mut Client) {
    let listing = client.get("/files/").await;
    assert_eq!(
        listing.headers()[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
    assert!(text(listing).await.contains("href=\"notes/\""));

    let moved = client.get("/files/notes").await;
    assert_eq!(moved.status(), StatusCode::MOVED_PERMANENTLY);
    assert_eq!(moved.headers()[header::LOCATION], "/files/notes/");
    text(moved).await;

    let svg = client.get("/files/square.svg").await;
    assert_eq!(svg.headers()[header::CONTENT_TYPE], "image/svg+xml");
    let tag = svg.headers()[header::ETAG].clone();
    assert!(text(svg).await.starts_with("<svg"));

    let request = Request::get("/files/square.svg").header(header::IF_NONE_MATCH, tag);
    let same = client.send(request.body(empty()).unwrap()).await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(text(same).await, "");

    for (range, status, content) in [
        ("bytes=0-4", StatusCode::PARTIAL_CONTENT, "abcde"),
        ("bytes=-3", StatusCode::PARTIAL_CONTENT, "yz\n"),
        (
            "bytes=27-",
            StatusCode::RANGE_NOT_SATISFIABLE,
            "the file is shorter\n",
        ),
    ] {
        let request = Request::get("/files/notes/alphabet.txt").header(header::RANGE, range);
        let response = client.send(request.body(empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(text(response).await, content);
    }
}

/// What is on a page, and a download, each with what the origin says of its
/// priority.
async fn page(client: &mut Client) {
    let page = client.get("/page").await;
    assert_eq!(
        page.headers()[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
    assert_eq!(page.headers()["priority"], "u=1");
    let page = text(page).await;
    let images: Vec<_> = page.split("<img src=\"").skip(1).collect();
    assert_eq!(images.len(), 24);
    let mut seen = std::collections::BTreeSet::new();
    for image in images {
        let path = image.split('"').next().unwrap();
        let image = client.get(path).await;
        assert_eq!(image.headers()[header::CONTENT_TYPE], "image/bmp");
        assert_eq!(image.headers()["priority"], "u=2");
        let octets = image.into_body().collect().await.unwrap().to_bytes();
        assert!(octets.starts_with(b"BM"));
        let says = u32::from_le_bytes(octets[2..6].try_into().unwrap());
        assert_eq!(says as usize, octets.len());
        assert!(seen.insert(octets), "{path} looks like another");
    }
    for (path, field) in [("/download", "u=7"), ("/download?u=0", "u=0")] {
        let request = Request::head(path).body(empty()).unwrap();
        let response = client.send(request).await.unwrap();
        assert_eq!(response.headers()["priority"], field);
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "20000000");
    }
}

async fn refusals(client: &mut Client) {
    for (method, path, status) in [
        (Method::GET, "/none", StatusCode::NOT_FOUND),
        (Method::GET, "/files/none", StatusCode::NOT_FOUND),
        (Method::GET, "/page/0.bmp", StatusCode::NOT_FOUND),
        (Method::GET, "/page/25.bmp", StatusCode::NOT_FOUND),
        (Method::GET, "/download?u=8", StatusCode::BAD_REQUEST),
        (Method::GET, "/bytes/-1", StatusCode::BAD_REQUEST),
        (
            Method::GET,
            "/bytes/99999999999999",
            StatusCode::BAD_REQUEST,
        ),
        (Method::GET, "/slow?ms=99999999", StatusCode::BAD_REQUEST),
        (Method::DELETE, "/", StatusCode::METHOD_NOT_ALLOWED),
        (Method::TRACE, "/", StatusCode::NOT_IMPLEMENTED),
    ] {
        let request = Request::builder().method(&method).uri(path);
        let response = client.send(request.body(empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        text(response).await;
    }
}
