//! Upstreams and clients that fail.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    bounded,
    child::Running,
    client::{Client, Speak, TestError, boxed, empty, full, text},
    files::{Folder, certificate},
    routes::proxy,
    stats, upstream,
};

fn proxy_to(upstream: SocketAddr, flags: &[&str]) -> Running {
    let url = format!("http://{upstream}");
    proxy(&[&["--h2c", "--upstream", &url], flags].concat())
}

async fn errors(proxy: &Running) -> serde_json::Value {
    stats::get(proxy.address_after("admin ")).await["errors"].clone()
}

#[tokio::test]
async fn an_upstream_that_is_down_gives_502() {
    bounded(async {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = nobody.local_addr().unwrap();
        drop(nobody);
        for flags in [&[][..], &["--upstream-h2c"], &["--stock"]] {
            let proxy = proxy_to(address, flags);
            for speak in Speak::CLEAR {
                let mut client = Client::connect(proxy.address, speak).await;
                let response = client.get("/").await;
                assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
                let why = text(response).await;
                assert!(
                    why.contains("cannot connect") && why.contains("refused"),
                    "{why}"
                );
            }
            assert_eq!(errors(&proxy).await["upstream unreachable"], 2);
        }
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_says_nothing_gives_504() {
    bounded(async {
        let address = upstream::raw(|_, tcp| async move {
            sleep(Duration::from_secs(60)).await;
            drop(tcp);
        })
        .await;
        let proxy = proxy_to(address, &["--upstream-timeout", "0.3"]);
        for speak in Speak::CLEAR {
            let mut client = Client::connect(proxy.address, speak).await;
            let asked = Instant::now();
            let response = client.get("/").await;
            assert!(asked.elapsed() >= Duration::from_millis(300));
            assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
            assert!(text(response).await.contains("no response from"));
        }
        assert_eq!(errors(&proxy).await["upstream timed out"], 2);
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_does_not_shake_hands_gives_504() {
    let folder = Folder::new("silent");
    let ca = folder.write("ca.pem", &certificate(&["127.0.0.1"]).0);
    bounded(async {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", silent.local_addr().unwrap());
        for (more, reason) in [
            (&[][..], "did not finish the TLS handshake"),
            (&["--stock"], "no connection in time"),
        ] {
            let to = ["--h2c", "--upstream", &url, "--upstream-ca", &ca];
            let proxy = proxy(&[&to[..], &["--connect-timeout", "0.3"], more].concat());
            let mut client = Client::connect(proxy.address, Speak::Http2).await;
            let response = client.get("/").await;
            assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
            let why = text(response).await;
            assert!(why.contains(reason), "{why}");
            assert_eq!(errors(&proxy).await["upstream unreachable"], 1);
        }
    })
    .await;
}

/// The time runs from the last octet that moved, and not against an upload
/// that goes on.
#[tokio::test]
async fn a_slow_upload_is_not_a_slow_upstream() {
    let proxy = proxy(&["--h2c", "--upstream-timeout", "0.5"]);
    bounded(async {
        let mut client = Client::connect(proxy.address, Speak::Http2).await;
        let address = upstream::serve(|request: Request<Incoming>| async {
            let whole = request.into_body().collect().await.unwrap().to_bytes();
            Response::new(full(whole))
        })
        .await;
        let late = proxy_to(address, &["--upstream-timeout", "0.5"]);
        let mut to_late = Client::connect(late.address, Speak::Http2).await;
        for client in [&mut client, &mut to_late] {
            let (body, sender) = channel_body();
            let sending = tokio::spawn(async move {
                for _ in 0..8 {
                    sender.send(Ok("x")).await.unwrap();
                    sleep(Duration::from_millis(150)).await;
                }
            });
            let request = Request::post("/echo").body(boxed(body)).unwrap();
            let response = client.send(request).await.unwrap();
            assert_eq!(text(response).await, "xxxxxxxx");
            sending.await.unwrap();
        }

        // One that stops is the client's own fault.
        let (body, _sender) = channel_body();
        let request = Request::post("/").body(boxed(body)).unwrap();
        let response = to_late.send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_before_a_response_gives_502() {
    bounded(async {
        for answer in ["", "HTTP/1.1 2", "nonsense\r\n\r\n"] {
            let address = upstream::raw(move |_, tcp| upstream::say(tcp, answer)).await;
            let proxy = proxy_to(address, &[]);
            let mut client = Client::connect(proxy.address, Speak::Http2).await;
            let response = client.get("/").await;
            assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{answer:?}");
            let why = text(response).await;
            assert!(why.contains("broke off before a response"), "{why}");
        }
    })
    .await;
}

/// What is not whole does not look whole.
#[tokio::test]
async fn an_upstream_that_breaks_off_in_a_body_breaks_the_response() {
    bounded(async {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            let address = upstream::raw(move |_, mut tcp| async move {
                tcp.write_all(answer.as_bytes()).await.unwrap();
                sleep(Duration::from_millis(100)).await;
            })
            .await;
            let proxy = proxy_to(address, &[]);
            for speak in Speak::CLEAR {
                let mut client = Client::connect(proxy.address, speak).await;
                let response = client.get("/").await;
                assert_eq!(response.status(), StatusCode::OK);
                assert!(response.into_body().collect().await.is_err(), "{speak:?}");
                if speak == Speak::Http2 {
                    // The stream alone is broken.
                    assert_eq!(client.get("/").await.status(), StatusCode::OK);
                }
            }
            assert!(errors(&proxy).await["upstream body broke off"].as_u64() >= Some(2));
        }
    })
    .await;
}

/// Connections of the pool that died in the meantime are no error: the request
/// goes over a new one.
#[tokio::test]
async fn an_upstream_that_comes_back_is_found_again() {
    bounded(async {
        for to_http2 in [false, true] {
            let mut upstream = proxy(&["--h2c"]);
            let address = upstream.address.to_string();
            let flags = to_http2.then_some("--upstream-h2c");
            let proxy = proxy_to(upstream.address, flags.as_slice());
            let mut client = Client::connect(proxy.address, Speak::Http2).await;
            assert_eq!(client.get("/").await.status(), StatusCode::OK);

            upstream.signal("TERM");
            assert_eq!(upstream.exit_code(), Some(0));
            assert_eq!(client.get("/").await.status(), StatusCode::BAD_GATEWAY);

            let again = ["--h2c", "--listen", &address, "--admin", "127.0.0.1:0"];
            let _upstream = Running::start("proxy", &again);
            assert_eq!(client.get("/").await.status(), StatusCode::OK);
        }
    })
    .await;
}

/// The same of an HTTP/2 upstream, which resets the one stream.
#[tokio::test]
async fn a_reset_of_the_upstream_resets_the_response() {
    bounded(async {
        let address = upstream::serve(|_| async {
            let (body, sender) = channel_body();
            tokio::spawn(async move {
                sender.send(Ok("abc")).await.unwrap();
                sleep(Duration::from_millis(100)).await;
                let _ = sender.send(Err("broken".into())).await;
            });
            Response::new(boxed(body))
        })
        .await;
        let proxy = proxy_to(address, &["--upstream-h2c"]);
        for speak in Speak::CLEAR {
            let mut client = Client::connect(proxy.address, speak).await;
            let response = client.get("/").await;
            assert_eq!(response.status(), StatusCode::OK);
            assert!(response.into_body().collect().await.is_err(), "{speak:?}");
        }
    })
    .await;
}

/// A client that gives up ends the request at the upstream as well.
#[tokio::test]
async fn a_client_that_goes_away_frees_the_upstream() {
    bounded(async {
        for flags in [&[][..], &["--upstream-h2c"]] {
            let (gone, mut freed) = mpsc::unbounded_channel();
            let address = upstream::serve(move |_| {
                let gone = gone.clone();
                let (body, sender) = channel_body();
                tokio::spawn(async move {
                    // Fails when hyper drops the body, for its connection or
                    // stream is gone.
                    while sender.send(Ok("x")).await.is_ok() {
                        sleep(Duration::from_millis(20)).await;
                    }
                    gone.send(()).unwrap();
                });
                async { Response::new(boxed(body)) }
            })
            .await;
            let proxy = proxy_to(address, flags);
            for speak in Speak::CLEAR {
                let mut client = Client::connect(proxy.address, speak).await;
                let mut body = client.get("/").await.into_body();
                body.frame().await.unwrap().unwrap();
                drop((body, client));
                freed.recv().await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_body_that_breaks_off_reaches_nobody_whole() {
    bounded(async {
        let (sender, mut ends) = mpsc::unbounded_channel();
        let address = upstream::serve(move |request: Request<Incoming>| {
            let sender = sender.clone();
            async move {
                let end = request.into_body().collect().await;
                sender.send(end.is_ok()).unwrap();
                Response::new(empty())
            }
        })
        .await;
        let proxy = proxy_to(address, &[]);
        for speak in Speak::CLEAR {
            let (body, frames) = channel_body();
            frames.send(Ok("abc")).await.unwrap();
            let request = Request::post("/").body(boxed(body)).unwrap();
            let mut client = Client::connect(proxy.address, speak).await;
            let pending = tokio::spawn(async move { client.send(request).await.map(drop) });
            sleep(Duration::from_millis(100)).await;
            frames.send(Err("gone".into())).await.unwrap();
            assert!(!ends.recv().await.unwrap(), "{speak:?}");
            let _ = pending.await;
        }
    })
    .await;
}

/// A client that connects and says nothing is let go, and holds up nobody.
#[tokio::test]
async fn a_silent_client_is_let_go() {
    let tls = proxy(&["--handshake-timeout", "0.5"]);
    let clear = proxy(&["--h2c", "--idle-timeout", "0.5"]);
    bounded(async {
        for (proxy, speak) in [(&tls, Speak::Http2Tls), (&clear, Speak::Http2)] {
            let mut silent = TcpStream::connect(proxy.address).await.unwrap();
            let mut client = Client::connect(proxy.address, speak).await;
            assert_eq!(client.get("/").await.status(), StatusCode::OK);
            assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn connections_are_bounded() {
    for flags in [&["--h2c"][..], &["--h2c", "--stock"]] {
        let proxy = proxy(&[flags, &["--max-connections", "2"]].concat());
        bounded(async {
            // Who has said nothing would have to go in favour of others.
            let mut held = Vec::new();
            for _ in 0..2 {
                let mut client = Client::connect(proxy.address, Speak::Http2).await;
                assert_eq!(client.get("/").await.status(), StatusCode::OK);
                held.push(client);
            }
            let third = tokio::spawn(async move {
                let mut client = Client::connect(proxy.address, Speak::Http2).await;
                let status = client.get("/").await.status();
                (proxy, status)
            });
            sleep(Duration::from_millis(300)).await;
            assert!(!third.is_finished());
            held.pop();
            assert_eq!(third.await.unwrap().1, StatusCode::OK);
        })
        .await;
    }
}

/// Handshakes that come to nothing are counted.
#[tokio::test]
async fn failed_handshakes_are_counted() {
    for flags in [&[][..], &["--stock"]] {
        let proxy = proxy(&[flags, &["--handshake-timeout", "0.3"]].concat());
        let admin = proxy.address_after("admin ");
        bounded(async {
            let silent = TcpStream::connect(proxy.address).await.unwrap();
            let mut clear = TcpStream::connect(proxy.address).await.unwrap();
            clear.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            loop {
                let errors = stats::get(admin).await["errors"].clone();
                if errors["handshake timed out"] == 1 && errors["handshake failed"] == 1 {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
            drop(silent);
        })
        .await;
    }
}

type Piece = Result<&'static str, TestError>;

/// A body that the test feeds.
struct Fed(mpsc::Receiver<Piece>);

fn channel_body() -> (Fed, mpsc::Sender<Piece>) {
    let (sender, pieces) = mpsc::channel(4);
    (Fed(pieces), sender)
}

impl Body for Fed {
    type Data = Bytes;
    type Error = TestError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TestError>>> {
        let data = |piece: &'static str| Frame::data(Bytes::from_static(piece.as_bytes()));
        self.0.poll_recv(cx).map(|next| Some(next?.map(data)))
    }
}
