//! What a gateway changes on the way, seen from an upstream of the test's own.

use std::{net::SocketAddr, time::Duration};

use hyper::{Method, Request, Response, StatusCode, Version, body::Incoming};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use crate::{
    bounded,
    client::{Client, Speak, TestBody, empty, full, text},
    routes::proxy,
    upstream,
};

/// Answers with the head that came, and fields that may not go further.
async fn mirror(request: Request<Incoming>) -> Response<TestBody> {
    let mut seen = format!(
        "{} {} {:?}\n",
        request.method(),
        request.uri(),
        request.version()
    );
    for (name, value) in request.headers() {
        seen += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    let response = Response::builder()
        .header("x-kept", "1")
        .header("priority", "u=1")
        .header("via", "1.0 inner");
    if request.version() == Version::HTTP_11 {
        let response = response
            .header("connection", "x-dropped")
            .header("x-dropped", "1")
            .header("keep-alive", "timeout=5");
        return response.body(full(seen)).unwrap();
    }
    response.body(full(seen)).unwrap()
}

fn lines<'a>(seen: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("{name}: ");
    seen.lines()
        .filter_map(|line| line.strip_prefix(&start))
        .collect()
}

#[tokio::test]
async fn fields_are_those_of_the_next_hop() {
    bounded(async {
        let address = upstream::serve(mirror).await;
        let url = format!("http://{address}");
        let http1 = proxy(&["--h2c", "--upstream", &url]);
        let http2 = proxy(&["--h2c", "--upstream", &url, "--upstream-h2c"]);
        for (proxy, to_http2) in [(&http1, false), (&http2, true)] {
            for speak in Speak::CLEAR {
                let from_http2 = speak == Speak::Http2;
                fields_of_one_exchange(proxy.address, address, from_http2, to_http2).await;
            }
        }
    })
    .await;
}

async fn fields_of_one_exchange(
    proxy: SocketAddr,
    upstream: SocketAddr,
    from_http2: bool,
    to_http2: bool,
) {
    let speak = if from_http2 {
        Speak::Http2
    } else {
        Speak::Http1
    };
    let mut client = Client::connect(proxy, speak).await;
    let mut request = Request::get("/path?query")
        .header("x-kept", "1")
        .header("priority", "u=5, i")
        .header("priority", "x=2")
        .header("te", "trailers")
        .header("cookie", "a=b")
        .header("cookie", "c=d")
        .header("via", "1.1 before")
        .header("x-forwarded-for", "203.0.113.9");
    if !from_http2 {
        request = request
            .header("connection", "x-dropped, te")
            .header("x-dropped", "1")
            .header("keep-alive", "timeout=5")
            .header("proxy-connection", "keep-alive")
            .header("upgrade", "websocket");
    }
    let response = client.send(request.body(empty()).unwrap()).await.unwrap();

    let via: Vec<_> = response.headers().get_all("via").iter().cloned().collect();
    assert_eq!(via[0], "1.0 inner");
    let version = if to_http2 { "2.0" } else { "1.1" };
    assert!(
        via[1]
            .to_str()
            .unwrap()
            .starts_with(&format!("{version} framewright-"))
    );
    assert_eq!(response.headers()["x-kept"], "1");
    assert_eq!(response.headers()["priority"], "u=1");
    for name in ["x-dropped", "keep-alive", "connection"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }

    let seen = text(response).await;
    let first = seen.lines().next().unwrap();
    if to_http2 {
        assert_eq!(first, format!("GET http://{upstream}/path?query HTTP/2.0"));
        assert_eq!(lines(&seen, "connection"), [""; 0]);
    } else {
        assert_eq!(first, "GET /path?query HTTP/1.1");
        assert_eq!(lines(&seen, "host"), [upstream.to_string()]);
        assert_eq!(lines(&seen, "connection"), ["te"]);
    }
    assert_eq!(lines(&seen, "te"), ["trailers"]);
    assert_eq!(lines(&seen, "x-kept"), ["1"]);
    // End-to-end (RFC 9218, section 5), as it came.
    assert_eq!(lines(&seen, "priority"), ["u=5, i", "x=2"]);
    assert_eq!(lines(&seen, "cookie"), ["a=b; c=d"]);
    let version = if from_http2 { "2.0" } else { "1.1" };
    let via = lines(&seen, "via");
    assert_eq!(via[0], "1.1 before");
    assert!(via[1].starts_with(&format!("{version} framewright-")));
    assert_eq!(lines(&seen, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(lines(&seen, "x-forwarded-host"), [proxy.to_string()]);
    assert_eq!(
        lines(&seen, "forwarded"),
        [format!("for=127.0.0.1;proto=http;host=\"{proxy}\"")]
    );
    for name in ["x-dropped", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(lines(&seen, name), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn a_priority_for_one_hop_goes_one_hop() {
    bounded(async {
        let address = upstream::serve(mirror).await;
        let proxy = proxy(&["--h2c", "--upstream", &format!("http://{address}")]);
        let mut client = Client::connect(proxy.address, Speak::Http1).await;
        let request = Request::get("/")
            .header("connection", "Priority")
            .header("priority", "u=0");
        let response = client.send(request.body(empty()).unwrap()).await.unwrap();
        assert_eq!(lines(&text(response).await, "priority"), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_loop_is_found() {
    bounded(async {
        let port = free_port().await;
        let listen = format!("127.0.0.1:{port}");
        let url = format!("http://{listen}");
        let flags = [
            "--listen",
            &listen,
            "--admin",
            "127.0.0.1:0",
            "--h2c",
            "--upstream",
            &url,
        ];
        let proxy = crate::child::Running::start("proxy", &flags);
        let mut client = Client::connect(proxy.address, Speak::Http2).await;
        assert_eq!(client.get("/").await.status(), StatusCode::LOOP_DETECTED);
    })
    .await;
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn what_is_not_forwarded_is_answered() {
    let proxy = proxy(&["--h2c"]);
    bounded(async {
        for (request, status) in [
            ("CONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\n\r\n", 501),
            ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 204),
            ("OPTIONS / HTTP/1.1\r\nhost: a\r\nmax-forwards: 0\r\n\r\n", 204),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
            ("GET http://elsewhere.example/ HTTP/1.1\r\nhost: a\r\n\r\n", 200),
            // Two ways to say how long it is, or a length that is none.
            ("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
            ("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\na", 400),
            ("POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: x\r\n\r\na", 400),
        ] {
            let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
            tcp.write_all(request.as_bytes()).await.unwrap();
            let head = upstream::read_head(&mut tcp).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {head}");
        }

        let mut client = Client::connect(proxy.address, Speak::Http2).await;
        let trace = Request::builder().method(Method::TRACE).uri("/").body(empty());
        let refused = client.send(trace.unwrap()).await.unwrap();
        assert_eq!(refused.status(), StatusCode::NOT_IMPLEMENTED);
    })
    .await;
}

/// A `transfer-encoding` beside a `content-length` reaches the upstream as one
/// of them (RFC 9112, section 6.3).
#[tokio::test]
async fn a_body_has_one_length() {
    bounded(async {
        let (sender, mut heads) = tokio::sync::mpsc::unbounded_channel();
        let address = upstream::raw(move |head, tcp| {
            sender.send(head).unwrap();
            async { upstream::say(tcp, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await }
        })
        .await;
        let proxy = proxy(&["--h2c", "--upstream", &format!("http://{address}")]);
        let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
        let request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\
            transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        tcp.write_all(request.as_bytes()).await.unwrap();
        let answer = upstream::read_head(&mut tcp).await;
        if answer.starts_with("HTTP/1.1 200") {
            let head = heads.recv().await.unwrap().to_lowercase();
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            assert!(!head.contains("content-length"), "{head}");
        } else {
            assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        }
    })
    .await;
}

const EXPECTING: &str =
    "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n";

#[tokio::test]
async fn rfc9110_10_1_1_continue_comes_before_the_body() {
    let proxy = proxy(&["--h2c"]);
    bounded(async {
        let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
        continue_then_echo(&mut tcp).await;
    })
    .await;
}

async fn continue_then_echo(tcp: &mut TcpStream) {
    tcp.write_all(EXPECTING.as_bytes()).await.unwrap();
    assert_eq!(
        upstream::read_head(tcp).await,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    tcp.write_all(b"abc").await.unwrap();
    assert!(
        upstream::read_head(tcp)
            .await
            .starts_with("HTTP/1.1 200 OK")
    );
    let mut body = [0; 3];
    tcp.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"abc");
}

/// With HTTP/1.1 on both sides the upstream decides.
#[tokio::test]
async fn rfc9110_10_1_1_the_upstream_decides() {
    bounded(async {
        let address = upstream::raw(|head, mut tcp| async move {
            assert!(
                head.to_lowercase().contains("expect: 100-continue"),
                "{head}"
            );
            sleep(Duration::from_millis(200)).await;
            // One that has no way on, and the one that is waited for.
            let early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
            tcp.write_all(early.as_bytes()).await.unwrap();
            tcp.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await
                .unwrap();
            let mut body = [0; 3];
            tcp.read_exact(&mut body).await.unwrap();
            upstream::say(tcp, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc").await;
        })
        .await;
        let accepting = proxy(&["--h2c", "--upstream", &format!("http://{address}")]);
        let mut tcp = TcpStream::connect(accepting.address).await.unwrap();
        let asked = Instant::now();
        continue_then_echo(&mut tcp).await;
        assert!(asked.elapsed() >= Duration::from_millis(200));

        let address = upstream::raw(|_, tcp| async {
            let answer = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno";
            upstream::say(tcp, answer).await;
        })
        .await;
        let refusing = proxy(&["--h2c", "--upstream", &format!("http://{address}")]);
        let mut tcp = TcpStream::connect(refusing.address).await.unwrap();
        tcp.write_all(EXPECTING.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.ends_with("no"), "{answer}");
    })
    .await;
}

/// An upstream that knows nothing of expectations still gets the body.
#[tokio::test]
async fn rfc9110_10_1_1_patience_ends() {
    bounded(async {
        let address = upstream::raw(|_, mut tcp| async move {
            let mut body = [0; 3];
            tcp.read_exact(&mut body).await.unwrap();
            upstream::say(tcp, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc").await;
        })
        .await;
        let proxy = proxy(&["--h2c", "--upstream", &format!("http://{address}")]);
        let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
        continue_then_echo(&mut tcp).await;
    })
    .await;
}

/// An informational response of an HTTP/2 upstream does no harm; it ends here,
/// for hyper does not report it.
#[tokio::test]
async fn an_early_hint_of_an_http2_upstream_is_passed_over() {
    bounded(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(tcp).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let hint = Response::builder().status(StatusCode::EARLY_HINTS).body(());
                respond.send_informational(hint.unwrap()).unwrap();
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data("whole".into(), true).unwrap();
            }
        });
        let proxy = proxy(&["--h2c", "--upstream", &url, "--upstream-h2c"]);
        for speak in Speak::CLEAR {
            let mut client = Client::connect(proxy.address, speak).await;
            let response = client.get("/").await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(text(response).await, "whole");
        }
    })
    .await;
}

/// The proxy keeps its connections to the upstream.
#[tokio::test]
async fn connections_to_the_upstream_are_shared() {
    bounded(async {
        let stats = |proxy: &crate::child::Running| {
            let admin = proxy.address_after("admin ");
            async move { crate::stats::get(admin).await["transport"]["upstream"].clone() }
        };
        let address = upstream::serve(mirror).await;
        let url = format!("http://{address}");
        for flags in [&["--h2c", "--upstream", &url][..], &["--h2c"][..]] {
            let proxy = proxy(flags);
            let mut client = Client::connect(proxy.address, Speak::Http2).await;
            for _ in 0..20 {
                text(client.get("/").await).await;
            }
            let connections = &stats(&proxy).await["connections"];
            let total =
                connections["open"].as_u64().unwrap() + connections["past"].as_u64().unwrap();
            // A connection may be back in the pool a little after its response.
            assert!((1..=3).contains(&total), "{connections}");
        }
    })
    .await;
}
