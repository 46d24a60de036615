//! Streams that are reset with DATA in the queue, from either end, thousands on
//! one connection; then one long transfer, which credit that had leaked would
//! bring to a stop.

use framewright::{Config, Transport};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::bounded;
use crate::common::{BoxError, Sender, abandon, broken_off, client, download, give_up, upload};
use crate::link::{Builder, Link};
use crate::server::Server;

const LANES: u64 = 40;

/// Streams of each lane that come to a bad end.
async fn lane(mut sender: Sender, lane: u64, rounds: u64) -> Result<(), BoxError> {
    for i in 0..rounds {
        let octets = 60_000 + (lane * 31 + i * 7_919) % 90_000;
        sender.ready().await?;
        match (lane + i) % 4 {
            0 => abandon(&mut sender, octets, 1).await?,
            1 => abandon(&mut sender, octets, octets as usize / 2).await?,
            2 => broken_off(&mut sender, octets).await?,
            _ => give_up(&mut sender, octets).await?,
        }
    }
    Ok(())
}

async fn then_a_long_one(link: Option<Builder>, config: Config, rounds: u64) {
    let server = Server::start(config.clone(), link, 0).await;
    let tcp = TcpStream::connect(server.address).await.expect("connect");
    tcp.set_nodelay(true).expect("open");
    let (sender, _connection) = client(Transport::client(tcp, config)).await;
    let mut tasks = JoinSet::new();
    for i in 0..LANES {
        tasks.spawn(lane(sender.clone(), i, rounds));
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic").expect("no error");
    }
    let (mut down, mut up) = (sender.clone(), sender.clone());
    let (down, up) = tokio::join!(
        download(&mut down, 1, 100_000_000, 65_536),
        upload(&mut up, "/digest", 2, 20_000_000, 65_536),
    );
    down.expect("no error");
    up.expect("no error");
}

#[tokio::test]
async fn four_thousand_resets_over_a_link() {
    let link = Link::builder()
        .rate(400_000_000)
        .delay(std::time::Duration::from_millis(1));
    bounded(then_a_long_one(Some(link), Config::default(), 100)).await;
}

#[tokio::test]
async fn four_thousand_resets_over_loopback() {
    bounded(then_a_long_one(None, Config::default(), 100)).await;
}
