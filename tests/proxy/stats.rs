//! `/stats`.

use std::net::SocketAddr;

use hyper::Request;
use serde_json::Value;

use crate::{
    bounded,
    client::{Client, Speak, full, text},
    routes::proxy,
};

/// What `/stats` at `admin` says.
pub(crate) async fn get(admin: SocketAddr) -> Value {
    let mut client = Client::connect(admin, Speak::Http1).await;
    let response = client.get("/stats").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&text(response).await).unwrap()
}

#[tokio::test]
async fn requests_are_counted() {
    for (flags, mode) in [
        (&["--h2c"][..], "framewright"),
        (&["--h2c", "--stock"], "stock"),
    ] {
        let proxy = proxy(flags);
        let admin = proxy.address_after("admin ");
        bounded(async {
            let mut client = Client::connect(proxy.address, Speak::Http2).await;
            text(client.get("/bytes/0").await).await;
            text(client.get("/none").await).await;
            let request = Request::post("/echo").body(full("0123456789")).unwrap();
            text(client.send(request).await.unwrap()).await;

            let stats = get(admin).await;
            assert_eq!(stats["mode"], mode);
            assert_eq!(stats["connections"]["accepted"], 1);
            assert_eq!(stats["connections"]["open"], 1);
            assert_eq!(stats["requests"]["received"], 3);
            assert_eq!(stats["responses"]["2xx"], 2);
            assert_eq!(stats["responses"]["4xx"], 1);
            assert_eq!(stats["body_octets"]["requests"], 10);
            assert!(stats["body_octets"]["responses"].as_u64() >= Some(10));
            let wrapped = u64::from(mode == "framewright");
            for side in ["clients", "upstream", "origin"] {
                let transport = &stats["transport"][side];
                assert_eq!(transport["connections"]["open"], wrapped, "{side}");
                for count in [
                    "write_calls",
                    "read_calls",
                    "deferred_flushes",
                    "largest_batch",
                ] {
                    assert!(transport[count].is_u64(), "{count}");
                }
                assert!(transport["frames_per_write"].is_number());
                assert!(transport["outbound_frames"].is_object());
            }
            assert!(stats["pool"]["hits"].is_u64());
            // In clear there is nothing to tell.
            assert_eq!(stats["tls"]["clients"]["full"], 0);
            assert_eq!(stats["tls"]["upstream"]["full"], 0);
            assert!(stats["tls"]["certificates"].is_null());

            // A connection that is gone still counts.
            drop(client);
            loop {
                let stats = get(admin).await;
                let past = &stats["transport"]["clients"]["connections"]["past"];
                if stats["connections"]["open"] == 0 && *past == wrapped {
                    assert_eq!(stats["connections"]["accepted"], 1);
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn nothing_else_is_served_there() {
    let proxy = proxy(&[]);
    bounded(async {
        let mut client = Client::connect(proxy.address_after("admin "), Speak::Http1).await;
        assert_eq!(client.get("/").await.status(), 404);
    })
    .await;
}
