//! Downloads and uploads between two hypers, whichever of them has its windows
//! managed.

use crate::bounded;
use crate::ends::{Client, End, Handler, Server, Tls, until};

const OCTETS: u64 = 12_000_000;

/// Bodies both ways, alone and side by side, over one connection.
async fn transfers(client: End, server: End, tls: bool) {
    let tls = tls.then(Tls::new);
    let server = Server::with_tls(server, Handler::common(), tls.clone()).await;
    let client = Client::with_tls(&client, server.address, tls.as_ref()).await;
    client.download(1, OCTETS).await;
    client.upload("/digest", 2, OCTETS).await;
    tokio::join!(
        client.download(3, OCTETS),
        client.download(4, 100_000),
        client.upload("/digest", 5, OCTETS),
        client.upload("/echo", 6, OCTETS),
        client.upload("/echo", 7, 0),
        client.download(8, 0),
        client.download(9, 1),
    );
    assert!(!client.is_closed());
    let handles = [client.connection.clone(), server.connections()[0].clone()];
    for handle in &handles {
        let stats = handle.stats();
        assert_eq!(stats.unconsumed_octets, 0, "{stats:?}");
    }
}

/// Client and server, each with these.
async fn both(layer: bool, schedule: bool, tls: bool) {
    let (end, budget) = End::managed();
    let end = End {
        layer,
        schedule,
        ..end
    };
    bounded(transfers(end.clone(), end, tls)).await;
    bounded(until(|| budget.used() == 0)).await;
}

#[tokio::test]
async fn both_ends_in_clear() {
    both(true, true, false).await;
}

#[tokio::test]
async fn both_ends_over_tls() {
    both(true, true, true).await;
}

#[tokio::test]
async fn with_no_layer() {
    both(false, true, false).await;
}

#[tokio::test]
async fn with_no_layer_over_tls() {
    both(false, true, true).await;
}

#[tokio::test]
async fn with_no_schedule() {
    both(true, false, false).await;
}

#[tokio::test]
async fn with_no_schedule_over_tls() {
    both(true, false, true).await;
}

#[tokio::test]
async fn with_neither() {
    both(false, false, false).await;
}

#[tokio::test]
async fn the_client_alone() {
    let (end, _) = End::managed();
    bounded(transfers(end, End::unmanaged(), false)).await;
}

#[tokio::test]
async fn the_server_alone() {
    let (end, _) = End::managed();
    bounded(transfers(End::unmanaged(), end, true)).await;
}

/// The stack measures too, and changes its SETTINGS with what it finds.
#[tokio::test]
async fn below_adaptive_stacks() {
    for layer in [true, false] {
        let (end, budget) = End::managed();
        let end = End {
            layer,
            adaptive: true,
            ..end
        };
        bounded(transfers(end.clone(), end, false)).await;
        bounded(until(|| budget.used() == 0)).await;
    }
}

/// Hyper's bodies carry on with no budget at all, at their floors.
#[tokio::test]
async fn with_no_budget() {
    let end = End::under(&framewright::WindowBudget::new(0));
    bounded(transfers(end.clone(), end, false)).await;
}

#[tokio::test]
async fn the_round_trip_is_known() {
    bounded(async {
        let (end, _) = End::managed();
        let server = Server::start(end.clone(), Handler::common()).await;
        let client = Client::connect(&end, server.address).await;
        client.download(1, OCTETS).await;
        client.upload("/digest", 2, OCTETS).await;
        for handle in [&client.connection, &server.connections()[0]] {
            let stats = handle.stats();
            assert!(stats.round_trip.is_some(), "{stats:?}");
            assert!(stats.bandwidth_delay_product > 0, "{stats:?}");
            assert!(stats.receive_window > 0, "{stats:?}");
            assert!(stats.receive_reserve >= 0, "{stats:?}");
        }
    })
    .await;
}
