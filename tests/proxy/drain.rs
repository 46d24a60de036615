//! Signals: the first drains, the second ends at once.

use std::time::Duration;

use hyper::{Request, StatusCode};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    bounded,
    client::{Client, Speak, empty, text},
    routes::proxy,
};

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_finish() {
    for (flags, ways, signal) in [
        (&[][..], Speak::TLS, "TERM"),
        (&["--h2c"], Speak::CLEAR, "INT"),
        (&["--stock"], Speak::TLS, "TERM"),
    ] {
        for speak in ways {
            let mut proxy = proxy(flags);
            bounded(async {
                let mut client = Client::connect(proxy.address, speak).await;
                let idle = Client::connect(proxy.address, speak).await;
                let request = Request::get("/slow?ms=800").body(empty()).unwrap();
                let slow = tokio::spawn(async move {
                    let response = client.send(request).await.unwrap();
                    let close = response.headers().get("connection").cloned();
                    assert_eq!(response.status(), StatusCode::OK);
                    assert_eq!(text(response).await, "This took 800 milliseconds.\n");
                    // The proxy closes the connection after it.
                    let _ = client.driver.await.unwrap();
                    close
                });
                sleep(Duration::from_millis(300)).await;
                proxy.signal(signal);
                proxy.line("draining");

                // Nobody else is let in, and who idles is sent away.
                let _ = idle.driver.await.unwrap();
                while TcpStream::connect(proxy.address).await.is_ok() {
                    sleep(Duration::from_millis(10)).await;
                }
                let close = slow.await.unwrap();
                if matches!(speak, Speak::Http1 | Speak::Http1Tls) {
                    assert_eq!(close.unwrap(), "close");
                }
                proxy.line("drained");
                assert_eq!(proxy.exit_code(), Some(0));
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_drain_is_bounded() {
    let mut proxy = proxy(&["--drain-timeout", "0.3"]);
    bounded(async {
        let mut client = Client::connect(proxy.address, Speak::Http2Tls).await;
        let request = Request::get("/slow?ms=30000").body(empty()).unwrap();
        let slow = tokio::spawn(async move { client.send(request).await.map(drop) });
        sleep(Duration::from_millis(200)).await;
        proxy.signal("TERM");
        proxy.line("drain timed out");
        assert_eq!(proxy.exit_code(), Some(0));
        assert!(slow.await.unwrap().is_err());
    })
    .await;
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let mut proxy = proxy(&[]);
    bounded(async {
        let mut client = Client::connect(proxy.address, Speak::Http2Tls).await;
        let request = Request::get("/slow?ms=30000").body(empty()).unwrap();
        let slow = tokio::spawn(async move { client.send(request).await.map(drop) });
        sleep(Duration::from_millis(200)).await;
        proxy.signal("INT");
        proxy.line("draining");
        let second = Instant::now();
        proxy.signal("TERM");
        assert_eq!(proxy.exit_code(), Some(0));
        assert!(second.elapsed() < Duration::from_secs(5));
        assert!(slow.await.unwrap().is_err());
    })
    .await;
}

#[test]
fn nothing_in_flight_ends_at_once() {
    let mut proxy = proxy(&[]);
    proxy.signal("TERM");
    assert_eq!(proxy.exit_code(), Some(0));
}
