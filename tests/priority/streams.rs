//! Very many streams of very small frames, of all urgencies, with trailers: what
//! gRPC is like.

use framewright::{Config, ConnectionHandle, HandleError, Priority, StreamId, Transport};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};

use crate::bounded;
use crate::common::{client, download, upload};
use crate::link::{Builder, Link};
use crate::server::Server;

const STREAMS: u32 = 256;

/// Some streams are set before they open, some after.
async fn prioritise(handle: ConnectionHandle) {
    for i in 0..STREAMS {
        let stream = StreamId::new(2 * i + 1).expect("31 bits");
        let priority = Priority::new((i % 8) as u8).incremental(i % 3 == 0);
        while let Err(error) = handle.set_priority(stream, priority) {
            assert_eq!(error, HandleError::Full);
            yield_now().await;
        }
    }
}

/// Each stream is one way or both, and every octet and trailer is checked.
async fn all_at_once(link: Option<Builder>, server: Config, ours: Config, octets: u64) {
    let server = Server::start(server, link, 0).await;
    let tcp = TcpStream::connect(server.address).await.expect("connect");
    tcp.set_nodelay(true).expect("open");
    let io = Transport::client(tcp, ours);
    let handle = io.handle();
    let (sender, _connection) = client(io).await;
    let mut tasks = JoinSet::new();
    for i in 0..u64::from(STREAMS) {
        let mut sender = sender.clone();
        tasks.spawn(async move {
            // h2 ends a connection on which too many frames of fewer octets wait.
            let (octets, chunk) = (octets + i, 256 + i % 200);
            match i % 3 {
                0 => download(&mut sender, i, octets, chunk).await,
                1 => upload(&mut sender, "/digest", i, octets, chunk as usize).await,
                _ => upload(&mut sender, "/echo", i, octets, chunk as usize).await,
            }
        });
    }
    prioritise(handle).await;
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic").expect("no error");
    }
}

fn link() -> Builder {
    Link::builder().rate(50_000_000)
}

#[tokio::test]
async fn many_streams_of_small_frames_over_loopback() {
    let config = Config::default;
    bounded(all_at_once(None, config(), config(), 20_000)).await;
}

#[tokio::test]
async fn many_streams_of_small_frames_over_a_slow_link() {
    let config = Config::default;
    bounded(all_at_once(Some(link()), config(), config(), 8_000)).await;
}

#[tokio::test]
async fn many_streams_of_small_frames_in_the_smallest_queue() {
    let config = || Config::default().queue(64 << 10, 64 << 10);
    bounded(all_at_once(Some(link()), config(), config(), 8_000)).await;
}

#[tokio::test]
async fn many_streams_where_one_end_does_not_schedule() {
    let (on, off) = (Config::default(), Config::default().schedule(false));
    bounded(all_at_once(Some(link()), on.clone(), off.clone(), 4_000)).await;
    bounded(all_at_once(Some(link()), off, on, 4_000)).await;
}
