//! Real hyper peers over real sockets, with the transport on either end or
//! both: every body is hashed.

#[path = "../common/mod.rs"]
mod common;
mod sockets;
mod stingy;

use common::{BoxError, Sender, abandon, broken_off, client, download, give_up, upload};
use framewright::{BufferPool, Config, ConnectionHandle, Frame, FrameType, HandleError, StreamId};
use sockets::{Ends, connect, pair};

/// A mixed load on one connection: at least 200 requests at a time, small and
/// large, both directions, with trailers and resets in flight.
async fn mixed_load(sender: &Sender, scale: u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..240_u64 {
        let mut sender = sender.clone();
        tasks.spawn(async move {
            let len = match i % 12 {
                0 => scale,
                1 => scale / 7 + i,
                2..=4 => 40_000 + i * 13,
                _ => i * 7 % 600,
            };
            let chunk = [1_000, 16_384, 65_536, 300_000][(i % 4) as usize];
            match i % 8 {
                0 | 5 | 6 => download(&mut sender, i, len, chunk).await,
                1 => upload(&mut sender, "/echo", i, len, chunk as usize).await,
                2 => upload(&mut sender, "/digest", i, len, chunk as usize).await,
                3 => abandon(&mut sender, 200_000 + len, 50_000).await,
                4 => broken_off(&mut sender, 100_000 + len).await,
                _ => give_up(&mut sender, 100_000 + len).await,
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("no panic").expect("no error");
    }
}

/// Runs a test on a runtime of each kind.
fn on_both_runtimes<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let current = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    current.expect("a runtime").block_on(test());
    let multi = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build();
    multi.expect("a runtime").block_on(test());
}

#[test]
fn mixed_load_over_h2c_with_any_ends() {
    for ends in [
        Ends::Neither,
        Ends::Both,
        Ends::ServerOnly,
        Ends::ClientOnly,
    ] {
        on_both_runtimes(|| async move {
            let (sender, connection) = connect(pair().await, ends, Config::default()).await;
            mixed_load(&sender, 3_000_000).await;
            // And once more, on windows that have seen resets.
            mixed_load(&sender, 300_000).await;
            drop(sender);
            connection.await.expect("no panic").expect("a clean end");
        });
    }
}

#[cfg(feature = "tls")]
#[test]
fn mixed_load_over_tls() {
    on_both_runtimes(|| async {
        let (sender, connection) = sockets::connect_tls(pair().await, Config::default()).await;
        mixed_load(&sender, 2_000_000).await;
        drop(sender);
        connection.await.expect("no panic").expect("a clean end");
    });
}

#[test]
fn mixed_load_whatever_the_sizes() {
    let configs = [
        Config::default().defer_flush(false),
        Config::default()
            .batch(1_024, 1_024)
            .read_ahead(1_024, 1_024),
        Config::default().stack_frame_size(16_384),
        Config::default()
            .stack_frame_size((1 << 24) - 1)
            .batch(1 << 20, 1 << 24),
    ];
    for config in configs {
        on_both_runtimes(|| async {
            let (sender, _) = connect(pair().await, Ends::Both, config.clone()).await;
            mixed_load(&sender, 400_000).await;
        });
    }
}

#[test]
fn ten_megabytes_each_way_at_once() {
    on_both_runtimes(|| async {
        let (sender, _) = connect(pair().await, Ends::Both, Config::default()).await;
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..3 {
            let (mut down, mut up, mut echo) = (sender.clone(), sender.clone(), sender.clone());
            tasks.spawn(async move { download(&mut down, i, 10_000_000, 65_536).await });
            tasks.spawn(async move { upload(&mut up, "/digest", i, 10_000_000, 1 << 20).await });
            tasks.spawn(async move { upload(&mut echo, "/echo", i, 5_000_000, 50_000).await });
        }
        while let Some(result) = tasks.join_next().await {
            result.expect("no panic").expect("no error");
        }
    });
}

#[test]
fn a_socket_that_takes_one_octet_at_a_time_and_one_that_is_pending_at_random() {
    use framewright::Transport;
    use stingy::Stingy;

    for (most, pending, scale) in [(1, 0, 3_000), (1, 8, 1_000), (700, 12, 60_000)] {
        on_both_runtimes(|| async move {
            let (near, far) = tokio::io::duplex(5_000);
            let (near, far) = (
                Stingy::new(near, most, pending),
                Stingy::new(far, most, pending),
            );
            let config = Config::default();
            tokio::spawn(common::serve_http2(Transport::server(far, config.clone())));
            let (sender, connection) = client(Transport::client(near, config)).await;
            let mut tasks = tokio::task::JoinSet::new();
            for i in 0..40_u64 {
                let mut sender = sender.clone();
                let len = if i % 8 == 0 { scale } else { i * 3 };
                tasks.spawn(async move {
                    match i % 4 {
                        0 | 1 => download(&mut sender, i, len, 2_000).await,
                        2 => upload(&mut sender, "/echo", i, len, 500).await,
                        _ => broken_off(&mut sender, 500 + len).await,
                    }
                });
            }
            while let Some(result) = tasks.join_next().await {
                result.expect("no panic").expect("no error");
            }
            drop(sender);
            connection.await.expect("no panic").expect("a clean end");
        });
    }
}

/// `count` small requests, 64 at a time.
async fn small_requests(sender: &Sender, count: u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..64 {
        let mut sender = sender.clone();
        tasks.spawn(async move {
            for i in (lane..count).step_by(64) {
                download(&mut sender, i, i % 300, 100).await?;
            }
            Ok::<_, BoxError>(())
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("no panic").expect("no error");
    }
}

#[test]
fn a_thousand_requests_and_then_a_hundred_thousand() {
    on_both_runtimes(|| async {
        let (sender, _) = connect(pair().await, Ends::Both, Config::default()).await;
        small_requests(&sender, 1_000).await;
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let (sender, connection) = connect(pair().await, Ends::Both, Config::default()).await;
        let many = small_requests(&sender, 100_000);
        let bound = std::time::Duration::from_secs(240);
        tokio::time::timeout(bound, many).await.expect("in time");
        drop(sender);
        connection.await.expect("no panic").expect("a clean end");
    });
}

/// A client with the transport, its handle, and hyper's server on bare TCP.
async fn with_handle() -> (Sender, ConnectionHandle) {
    let (client_end, server_end) = pair().await;
    tokio::spawn(common::serve_http2(server_end));
    let io = framewright::Transport::client(client_end, Config::default());
    let handle = io.handle();
    (client(io).await.0, handle)
}

#[tokio::test]
async fn handles_ping_and_send_frames_between_those_of_hyper() {
    let (mut sender, handle) = with_handle().await;
    for i in 0..20 {
        let (ping, fetch) = (handle.ping(), download(&mut sender, i, 100_000, 10_000));
        let (round_trip, fetched) = tokio::join!(ping, fetch);
        fetched.expect("no error");
        assert!(round_trip.expect("an answer") < std::time::Duration::from_secs(60));
    }
    let stream = StreamId::new(1).expect("31 bits");
    let frames = [
        Frame::ping(*b"framewrt"),
        Frame::priority_update(stream, "u=1"),
        Frame::extension(FrameType(0xbe), framewright::Flags::NONE, stream, "hello"),
        Frame::origin(["https://example.org"]).expect("short"),
        Frame::altsvc(StreamId::CONNECTION, "https://example.org", "clear").expect("short"),
    ];
    handle.send_frames(frames).expect("allowed");
    download(&mut sender, 1, 10, 10).await.expect("no error");
    handle.ping().await.expect("an answer");

    let stats = handle.stats();
    assert_eq!(stats.outbound_frames.get(FrameType::PING), 22);
    assert_eq!(stats.inbound_frames.get(FrameType::PING), 22);
    assert_eq!(stats.outbound_frames.get(FrameType::PRIORITY_UPDATE), 1);
    assert_eq!(stats.outbound_frames.get(FrameType::ORIGIN), 1);
    assert_eq!(stats.outbound_frames.get(FrameType::ALTSVC), 1);
    assert_eq!(stats.outbound_frames.get(FrameType(0xbe)), 1);
    assert_eq!(stats.outbound_frames.get(FrameType::HEADERS), 21);
    assert!(stats.inbound_octets > 2_000_000, "{stats:?}");
    assert!(stats.read_calls > 0 && stats.write_calls > 0);
    assert!(stats.frames_per_write() > 0.5, "{stats:?}");
}

/// As a function returns it whose own the handle is.
#[expect(clippy::needless_pass_by_value, reason = "that is what it is about")]
fn ping_of(
    handle: ConnectionHandle,
) -> impl Future<Output = Result<std::time::Duration, HandleError>> {
    handle.ping()
}

#[tokio::test]
async fn a_ping_outlives_its_handle() {
    let (mut sender, handle) = with_handle().await;
    let ping = ping_of(handle);
    let fetch = download(&mut sender, 1, 1_000, 1_000);
    let (round_trip, fetched) = tokio::join!(ping, fetch);
    fetched.expect("no error");
    round_trip.expect("an answer");
}

#[tokio::test]
async fn handles_refuse_what_belongs_to_the_stack_and_what_is_malformed() {
    let (mut sender, handle) = with_handle().await;
    let stream = StreamId::new(1).expect("31 bits");
    let end = framewright::EndStream::Yes;
    for frame in [
        Frame::data(stream, "x", end),
        Frame::headers(stream, "x", end),
        Frame::settings([]),
        Frame::window_update(stream, 1),
        Frame::rst_stream(stream, 0),
        Frame::goaway(stream, 0, b""),
    ] {
        let kind = frame.kind();
        let error = handle.send_frames([frame]).unwrap_err();
        assert_eq!(error, HandleError::NotAllowed(kind));
        assert!(error.to_string().contains("stack"), "{error}");
    }
    let ack = Frame::ping_ack([0; 8]);
    assert_eq!(handle.send_frames([ack]), Err(HandleError::PingAck));
    let long = Frame::priority_update(stream, "x".repeat(16_384));
    assert!(matches!(
        handle.send_frames([long]),
        Err(HandleError::Frame(_))
    ));
    let good = || Frame::priority_update(stream, "u=0");
    let bad = Frame::extension(FrameType::PING, framewright::Flags::NONE, stream, "short");
    assert!(handle.send_frames([good(), bad]).is_err());
    let many = std::iter::repeat_with(good).take(65);
    assert_eq!(handle.send_frames(many), Err(HandleError::Full));
    download(&mut sender, 1, 10, 10).await.expect("no error");
    let sent = handle.stats().outbound_frames;
    assert_eq!(sent.get(FrameType::PRIORITY_UPDATE), 0, "all or none");
}

#[tokio::test]
async fn handles_say_so_once_the_connection_is_gone() {
    let (client_end, server_end) = pair().await;
    let io = framewright::Transport::client(client_end, Config::default());
    let handle = io.handle();
    let (sender, connection) = client(io).await;
    // The server never answers, and then goes away.
    let ping = tokio::spawn(handle.ping());
    tokio::task::yield_now().await;
    drop(server_end);
    assert_eq!(ping.await.expect("no panic"), Err(HandleError::Closed));
    drop(sender);
    let _ = connection.await.expect("no panic");
    assert!(handle.is_closed());
    assert_eq!(handle.ping().await, Err(HandleError::Closed));
    let frame = Frame::ping([0; 8]);
    assert_eq!(handle.send_frames([frame]), Err(HandleError::Closed));
    assert!(handle.stats().outbound_octets > 0);
}

#[tokio::test]
async fn b5_an_idle_connection_holds_no_buffer() {
    let pool = BufferPool::new(framewright::PoolConfig::default());
    let config = Config::default().pool(pool.clone());
    let (mut sender, _) = connect(pair().await, Ends::Both, config).await;
    for i in 0..10 {
        download(&mut sender, i, 500_000, 65_536)
            .await
            .expect("no error");
        upload(&mut sender, "/echo", i, 70_000, 9_000)
            .await
            .expect("no error");
    }
    // Both ends come to rest once the last WINDOW_UPDATE has gone through.
    for _ in 0..1_000 {
        if pool.stats().outstanding == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(pool.stats().outstanding, 0);
    assert!(pool.stats().misses > 0, "the pool was used");
}
