//! Bounds, and those who use them up.

use super::acceptor::GRACE;
use super::*;

#[tokio::test]
async fn the_oldest_handshake_goes_in_favour_of_a_new_one() {
    let mut running = Running::new(Listener::builder().max_handshakes(3)).await;
    let began = Instant::now();
    let mut silent = Vec::new();
    for count in 1..=3 {
        silent.push(running.connect().await);
        running.until(|stats| stats.handshaking == count).await;
    }
    let mut good = running.connect().await;
    good.write_all(b"GET").await.unwrap();
    let stream = running.next().await;
    // Not before its time: it might have been an honest one.
    assert!(began.elapsed() >= GRACE);
    assert_eq!(stream.remote_addr(), good.local_addr().unwrap());
    is_closed(&mut silent.remove(0)).await;
    let stats = running.handle.stats();
    assert_eq!((stats.evicted, stats.handshaking, stats.open), (1, 2, 3));
    assert!(silent.iter().all(is_open));
    // The two that are left may still do well.
    for io in &mut silent {
        io.write_all(b"GET").await.unwrap();
        running.next().await;
    }
    assert_eq!(running.handle.stats().evicted, 1);
}

#[tokio::test]
async fn one_new_connection_costs_one_old_one() {
    let mut running = Running::new(Listener::builder().max_handshakes(40)).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(running.connect().await);
    }
    running.until(|stats| stats.handshaking == 40).await;
    tokio::time::sleep(GRACE).await;
    for count in 1..=10 {
        let mut good = running.connect().await;
        good.write_all(b"GET").await.unwrap();
        drop(running.next().await);
        // Each leaves room for the next, so no more than the first had to go.
        assert_eq!(running.handle.stats().evicted, 1, "after {count}");
    }
    let mut more = Vec::new();
    for _ in 0..5 {
        more.push(running.connect().await);
    }
    let stats = running.until(|stats| stats.accepted == 55).await;
    let stats = running
        .until(|now| now.evicted == stats.evicted.max(5))
        .await;
    assert_eq!((stats.evicted, stats.handshaking), (5, 40));
}

#[tokio::test]
async fn no_more_are_open_than_may_be() {
    let mut running = Running::new(Listener::builder().max_connections(2)).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut io = running.connect().await;
        io.write_all(b"GET").await.unwrap();
        clients.push(io);
    }
    let first = running.next().await;
    let _second = running.next().await;
    let none = tokio::time::timeout(SECOND / 5, running.streams.recv());
    assert!(none.await.is_err());
    let stats = running.handle.stats();
    assert_eq!((stats.accepted, stats.open), (2, 2));
    drop(first);
    let third = running.next().await;
    assert_eq!(third.remote_addr(), clients[2].local_addr().unwrap());
    assert_eq!(running.handle.stats().open, 2);
}

#[tokio::test]
async fn a_connection_that_closes_late_lets_the_next_in() {
    let mut running = Running::new(Listener::builder().max_connections(2)).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut io = running.connect().await;
        io.write_all(b"GET").await.unwrap();
        clients.push(io);
    }
    let first = running.next().await;
    let _second = running.next().await;
    // Past what is left of the timer of an eviction, which would wake it too.
    tokio::time::sleep(GRACE + SECOND / 2).await;
    drop(first);
    let third = running.next().await;
    assert_eq!(third.remote_addr(), clients[2].local_addr().unwrap());
}

#[tokio::test]
async fn silent_clients_do_not_use_up_the_connections() {
    let mut running = Running::new(Listener::builder().max_connections(2)).await;
    let mut established = running.connect().await;
    established.write_all(b"GET").await.unwrap();
    let _first = running.next().await;
    let mut silent = running.connect().await;
    running.until(|stats| stats.handshaking == 1).await;
    let mut good = running.connect().await;
    good.write_all(b"GET").await.unwrap();
    let _second = running.next().await;
    is_closed(&mut silent).await;
    let stats = running.handle.stats();
    assert_eq!((stats.evicted, stats.open), (1, 2));
    assert!(is_open(&established));
}

/// File descriptors that this process may have.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    soft.unwrap_or(256)
}

/// The median time that a good client takes from TCP to its being handed over.
async fn latency(running: &mut Running, trusting: &Arc<ClientConfig>) -> Duration {
    let mut times = Vec::new();
    for _ in 0..31 {
        let began = Instant::now();
        let mut io = connect_tls(running.address, trusting).await.unwrap();
        io.write_all(b"GET").await.unwrap();
        drop(running.next().await);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_handshakes_delay_nobody() {
    const SLOW: usize = 1_000;
    let (config, certificate) = identity();
    let builder = Listener::builder()
        .tls(config)
        .handshake_timeout(5 * SECOND);
    let mut running = Running::new(builder).await;
    let trusting = client_config(certificate, &[]);
    let alone = latency(&mut running, &trusting).await;
    // Both ends are here, and other tests have theirs.
    let slow = SLOW.min(descriptors().saturating_sub(200) / 2);
    if slow < SLOW {
        eprintln!("only {slow} slow handshakes: there are too few file descriptors");
    }
    let mut clients = Vec::new();
    for i in 0..slow {
        let mut io = running.connect().await;
        if i % 2 == 0 {
            io.write_all(&[22]).await.unwrap();
        }
        clients.push(io);
    }
    running.until(|stats| stats.handshaking == slow).await;
    let among = latency(&mut running, &trusting).await;
    let stats = running.handle.stats();
    assert_eq!(stats.handshaking + stats.timed_out as usize, slow);
    assert!(
        among < alone + SECOND / 10,
        "{among:?}, and {alone:?} without them"
    );
    let stats = running.until(|stats| stats.handshaking == 0).await;
    assert_eq!(stats.timed_out as usize, slow);
    assert_eq!(stats.evicted, 0);
    for io in &mut clients {
        is_closed(io).await;
    }
}
