//! Bodies: whole, both ways at once, with trailers, and never kept.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Response, StatusCode, Version,
    body::{Body, Frame, Incoming},
};
use tokio::time::sleep;

use crate::{
    bounded,
    client::{Client, Speak, TestError, boxed, empty},
    routes::proxy,
    upstream,
};

const MIB: u64 = 1 << 20;

/// Octet `i` of every long body here is `i % 65536 % 251`.
fn octet(i: u64) -> u8 {
    (i % 65536 % 251) as u8
}

/// Such a body, in chunks of uneven size, with trailers if asked for.
struct Pattern {
    sent: u64,
    left: u64,
    trailers: Option<HeaderMap>,
    count: Option<Arc<AtomicU64>>,
}

impl Pattern {
    fn of(octets: u64) -> Self {
        Self {
            sent: 0,
            left: octets,
            trailers: None,
            count: None,
        }
    }
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = TestError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TestError>>> {
        if self.left == 0 {
            return Poll::Ready(self.trailers.take().map(|map| Ok(Frame::trailers(map))));
        }
        let from = self.sent;
        let size = (from * 31 % 50_000 + 1).min(self.left);
        self.sent += size;
        self.left -= size;
        if let Some(count) = &self.count {
            count.store(self.sent, Relaxed);
        }
        Poll::Ready(Some(Ok(Frame::data(
            (from..from + size).map(octet).collect(),
        ))))
    }
}

/// Reads such a body, and returns its length and its trailers.
async fn check(mut body: Incoming) -> (u64, Option<HeaderMap>) {
    let mut seen = 0;
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame.unwrap().into_data() {
            Ok(data) => {
                for &got in &data {
                    assert_eq!(got, octet(seen), "octet {seen}");
                    seen += 1;
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    (seen, trailers)
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_are_whole() {
    let tls = proxy(&[]);
    let clear = proxy(&["--h2c"]);
    bounded(async {
        for (proxy, speak) in [
            (&tls, Speak::Http1Tls),
            (&tls, Speak::Http2Tls),
            (&clear, Speak::Http1),
            (&clear, Speak::Http2),
        ] {
            let mut client = Client::connect(proxy.address, speak).await;
            for octets in [0, 1, 16_384, 65_537, 8 * MIB + 3] {
                let response = client.get(&format!("/bytes/{octets}")).await;
                assert_eq!(
                    response.headers()["content-length"],
                    octets.to_string().as_str()
                );
                assert_eq!(check(response.into_body()).await.0, octets);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn echoes_are_whole_in_both_directions_at_once() {
    for (flags, ways) in [
        (&[][..], Speak::TLS),
        (&["--h2c"][..], Speak::CLEAR),
        (&["--stock"][..], Speak::TLS),
    ] {
        let proxy = proxy(flags);
        bounded(async {
            let echo = |speak, octets| async move {
                let mut client = Client::connect(proxy.address, speak).await;
                let request = Request::post("/echo").body(boxed(Pattern::of(octets)));
                let response = client.send(request.unwrap()).await.unwrap();
                assert_eq!(check(response.into_body()).await.0, octets);
            };
            tokio::join!(
                echo(ways[0], 5 * MIB + 1),
                echo(ways[1], 6 * MIB + 2),
                echo(ways[1], 1),
                echo(ways[0], 70_000),
            );
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_echoes_share_one_connection() {
    let proxy = proxy(&[]);
    bounded(async {
        let mut client = Client::connect(proxy.address, Speak::Http2Tls).await;
        let mut responses = Vec::new();
        for i in 0..16 {
            let body = boxed(Pattern::of(i * 60_000));
            let request = Request::post("/echo").body(body).unwrap();
            responses.push(client.send(request).await.unwrap());
        }
        let checks = responses
            .into_iter()
            .map(|r| tokio::spawn(check(r.into_body())));
        for (i, check) in (0..).zip(checks.collect::<Vec<_>>()) {
            assert_eq!(check.await.unwrap().0, i * 60_000);
        }
    })
    .await;
}

#[tokio::test]
async fn trailers_are_kept() {
    for (flags, speak) in [
        (&["--h2c"][..], Speak::Http2),
        (&["--h2c"], Speak::Http1),
        (&[], Speak::Http2Tls),
        (&["--stock"], Speak::Http2Tls),
    ] {
        let proxy = proxy(flags);
        bounded(trailers_come_back(proxy.address, speak)).await;
    }
}

#[tokio::test]
async fn trailers_are_kept_over_an_http1_upstream() {
    bounded(async {
        let address = upstream::serve(|request: Request<Incoming>| async {
            assert_eq!(request.version(), Version::HTTP_11);
            assert_eq!(request.headers()["te"], "trailers");
            let announced = request.headers()["trailer"].clone();
            let mut response = Response::new(boxed(request.into_body()));
            response.headers_mut().insert("trailer", announced);
            response
        })
        .await;
        let proxy = proxy(&["--h2c", "--upstream", &format!("http://{address}")]);
        trailers_come_back(proxy.address, Speak::Http2).await;
        trailers_come_back(proxy.address, Speak::Http1).await;
    })
    .await;
}

async fn trailers_come_back(address: std::net::SocketAddr, speak: Speak) {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "42".parse().unwrap());
    let mut body = Pattern::of(100_000);
    body.trailers = Some(trailers.clone());
    let request = Request::post("/echo")
        .header("te", "trailers")
        .header("trailer", "x-sum")
        .body(boxed(body))
        .unwrap();
    let mut client = Client::connect(address, speak).await;
    let response = client.send(request).await.unwrap();
    let (octets, echoed) = check(response.into_body()).await;
    assert_eq!(octets, 100_000);
    assert_eq!(echoed, Some(trailers), "{speak:?}");
}

/// A client that reads nothing stops the upstream: the proxy keeps no more than
/// the windows and the socket buffers hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_the_upstream_back() {
    for (h2c, speak) in [
        (true, Speak::Http2),
        (false, Speak::Http1),
        (false, Speak::Http2),
    ] {
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        bounded(async {
            let address = upstream::serve(move |_| {
                let mut body = Pattern::of(256 * MIB);
                body.count = Some(Arc::clone(&counter));
                async { Response::new(boxed(body)) }
            })
            .await;
            let url = format!("http://{address}");
            let mut flags = vec!["--h2c", "--upstream", &url];
            flags.extend(h2c.then_some("--upstream-h2c"));
            let proxy = proxy(&flags);
            let mut client = Client::connect(proxy.address, speak).await;
            let mut body = client.get("/").await.into_body();
            assert_stalls_below(&sent, 64 * MIB).await;

            // It goes on when the client does.
            let before = sent.load(Relaxed);
            let mut read = 0;
            while read < before + MIB {
                read += body
                    .frame()
                    .await
                    .unwrap()
                    .unwrap()
                    .data_ref()
                    .unwrap()
                    .len() as u64;
            }
            assert!(sent.load(Relaxed) > before);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upstream_holds_the_client_back() {
    bounded(async {
        let address = upstream::serve(|request: Request<Incoming>| async {
            // Takes the request, and never reads its body.
            sleep(Duration::from_secs(60)).await;
            drop(request);
            Response::new(empty())
        })
        .await;
        let url = format!("http://{address}");
        let proxy = proxy(&["--h2c", "--upstream", &url]);
        for speak in Speak::CLEAR {
            let sent = Arc::new(AtomicU64::new(0));
            let mut body = Pattern::of(256 * MIB);
            body.count = Some(Arc::clone(&sent));
            let mut client = Client::connect(proxy.address, speak).await;
            let request = Request::post("/").body(boxed(body)).unwrap();
            let pending = tokio::spawn(async move { client.send(request).await.map(drop) });
            assert_stalls_below(&sent, 64 * MIB).await;
            pending.abort();
        }
    })
    .await;
}

async fn assert_stalls_below(sent: &AtomicU64, limit: u64) {
    let mut last = 0;
    loop {
        sleep(Duration::from_millis(400)).await;
        let now = sent.load(Relaxed);
        assert!(now < limit, "{now} octets were taken, and nobody reads");
        if now == last && now > 0 {
            return;
        }
        last = now;
    }
}

#[tokio::test]
async fn a_get_goes_without_a_body() {
    bounded(async {
        let address = upstream::raw(|head, tcp| async move {
            let head = head.to_lowercase();
            let bare = !head.contains("content-length") && !head.contains("transfer-encoding");
            let status = if bare { 200 } else { 500 };
            upstream::say(
                tcp,
                &format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
            )
            .await;
        })
        .await;
        let proxy = proxy(&["--h2c", "--upstream", &format!("http://{address}")]);
        for speak in Speak::CLEAR {
            let mut client = Client::connect(proxy.address, speak).await;
            assert_eq!(client.get("/").await.status(), StatusCode::OK);
        }
    })
    .await;
}
