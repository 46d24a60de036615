//! Receive windows that the transports manage, on both sides of the proxy.

use std::{net::SocketAddr, time::Duration};

use http_body_util::BodyExt;
use hyper::Request;
use serde_json::Value;

use crate::{
    bounded, child,
    client::{Client, Speak, full},
    routes::proxy,
    stats,
};

const MIB: u64 = 1 << 20;
const OCTETS: u64 = 30_000_000;

/// What `/bytes/N` is.
fn pattern(octets: u64) -> Vec<u8> {
    (0..octets).map(|i| (i % 65536 % 251) as u8).collect()
}

async fn windows(admin: SocketAddr) -> Value {
    stats::get(admin).await["windows"].clone()
}

/// A download, and an upload that comes back.
async fn transfers(client: &mut Client) {
    let response = client.get(&format!("/bytes/{OCTETS}")).await;
    let octets = response.into_body().collect().await.unwrap().to_bytes();
    assert!(octets == pattern(OCTETS));
    let request = Request::post("/echo").body(full(octets.clone())).unwrap();
    let response = client.send(request).await.unwrap();
    let echoed = response.into_body().collect().await.unwrap().to_bytes();
    assert!(echoed == octets);
}

#[tokio::test]
async fn they_grow_and_are_shown() {
    for (flags, speak) in [
        (&["--window-budget", "100"][..], Speak::Http2Tls),
        (&["--window-budget", "100", "--h2c"], Speak::Http2),
        (
            &["--window-budget", "100", "--h2c", "--no-priority"],
            Speak::Http2,
        ),
    ] {
        let proxy = proxy(flags);
        let admin = proxy.address_after("admin ");
        bounded(async {
            let mut client = Client::connect(proxy.address, speak).await;
            transfers(&mut client).await;
            let shown = windows(admin).await;
            assert_eq!(shown["budget"]["octets"], 100 * MIB);
            assert!(shown["budget"]["used"].as_u64() <= Some(100 * MIB));
            for side in ["clients", "upstream"] {
                let shown = &shown[side];
                let seconds = |which| shown["round_trip_seconds"][which].as_f64().unwrap();
                let (min, mean, max) = (seconds("min"), seconds("mean"), seconds("max"));
                assert!(0.0 < min && min <= mean && mean <= max, "{shown}");
                assert!(shown["reserve_octets"].as_i64() >= Some(0), "{shown}");
                assert_eq!(shown["unconsumed_octets"], 0, "{shown}");
                assert!(shown["stops"].is_u64(), "{shown}");
                let product = shown["largest_bandwidth_delay_product"].as_u64();
                assert!(product > Some(0), "{shown}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn they_can_be_left_as_they_are() {
    for flag in ["--no-flow-control", "--stock"] {
        let proxy = proxy(&[flag]);
        let admin = proxy.address_after("admin ");
        bounded(async {
            let mut client = Client::connect(proxy.address, Speak::Http2Tls).await;
            transfers(&mut client).await;
            assert!(windows(admin).await.is_null());
        })
        .await;
    }
}

#[tokio::test]
async fn without_a_budget_they_stay_small() {
    let proxy = proxy(&["--window-budget", "0"]);
    let admin = proxy.address_after("admin ");
    bounded(async {
        let mut client = Client::connect(proxy.address, Speak::Http2Tls).await;
        transfers(&mut client).await;
        let shown = windows(admin).await;
        assert_eq!(shown["budget"]["octets"], 0);
        assert_eq!(shown["budget"]["used"], 0);
    })
    .await;
}

/// A client that does not read holds a window of the upstream's, and all goes on
/// for the others on the same connection.
#[tokio::test]
async fn a_client_that_does_not_read_stops_nobody() {
    let proxy = proxy(&["--h2c"]);
    let admin = proxy.address_after("admin ");
    bounded(async {
        let mut slow = Client::connect(proxy.address, Speak::Http2).await;
        let held = slow.get(&format!("/bytes/{OCTETS}")).await;
        let mut other = Client::connect(proxy.address, Speak::Http2).await;
        for _ in 0..3 {
            transfers(&mut other).await;
        }
        let shown = windows(admin).await;
        let unconsumed = shown["upstream"]["unconsumed_octets"].as_u64().unwrap();
        assert!(unconsumed > 0 && unconsumed <= 16 * MIB, "{shown}");

        let octets = held.into_body().collect().await.unwrap().to_bytes();
        assert!(octets == pattern(OCTETS));
        drop((slow, other));
        loop {
            let shown = windows(admin).await;
            let open = &stats::get(admin).await["connections"]["open"];
            if *open == 0 && shown["upstream"]["unconsumed_octets"] == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[test]
fn a_bad_budget() {
    for budget in ["-1", "much", "1048577"] {
        let flag = format!("--window-budget={budget}");
        let ended = child::run("proxy", &[&flag]);
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("--window-budget <MIB>"), "{stderr}");
    }
}
