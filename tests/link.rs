//! The simulated link: its rate, its delay, its order and its bounds.

#![allow(missing_docs)]

#[path = "common/link.rs"]
mod link;

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use link::{Builder, Link};

const SECOND: Duration = Duration::from_secs(1);

fn slow() -> Builder {
    Link::builder()
        .rate(50_000_000)
        .delay(Duration::from_millis(10))
}

/// A link, and who connects to its ends.
struct Ends {
    link: Link,
    listener: TcpListener,
}

impl Ends {
    async fn of(builder: Builder) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let server = listener.local_addr().expect("bound");
        let link = builder.to(server).start().expect("start");
        Self { link, listener }
    }

    async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.link.address);
        let (client, server) = tokio::join!(client, self.listener.accept());
        let (client, server) = (client.expect("connect"), server.expect("accept").0);
        client.set_nodelay(true).expect("open");
        server.set_nodelay(true).expect("open");
        (client, server)
    }
}

/// Octets a second, once the first are there.
async fn rate(mut from: impl AsyncRead + Unpin, time: Duration) -> f64 {
    let mut buffer = vec![0; 256 << 10];
    let mut octets = from.read(&mut buffer).await.expect("octets");
    let start = Instant::now();
    while start.elapsed() < time {
        octets += from.read(&mut buffer).await.expect("octets");
    }
    octets as f64 / start.elapsed().as_secs_f64()
}

async fn flood(mut to: impl AsyncWrite + Unpin) {
    let octets = vec![0; 256 << 10];
    while to.write_all(&octets).await.is_ok() {}
}

/// Within a tenth.
fn assert_near(name: &str, expected: f64, seen: f64) {
    let share = seen / expected;
    println!("{name}: {share:.3} of what it should be");
    assert!((0.9..1.1).contains(&share), "{name}: {seen} of {expected}");
}

async fn assert_rates(name: &str, builder: Builder, up: f64, down: f64) {
    let ends = Ends::of(builder).await;
    let (client, server) = ends.connect().await;
    let (from_server, to_server) = client.into_split();
    let (from_client, to_client) = server.into_split();
    let floods = [
        tokio::spawn(flood(to_server)),
        tokio::spawn(flood(to_client)),
    ];
    let (seen_up, seen_down) =
        tokio::join!(rate(from_client, 2 * SECOND), rate(from_server, 2 * SECOND));
    floods.iter().for_each(JoinHandle::abort);
    assert_near(&format!("{name} up"), up, seen_up);
    assert_near(&format!("{name} down"), down, seen_down);
}

#[tokio::test]
async fn the_rate_is_kept_both_ways_at_once() {
    assert_rates("50 Mbit/s", slow(), 6.25e6, 6.25e6).await;
}

#[tokio::test]
async fn each_direction_has_its_rate() {
    let builder = slow().rates(8_000_000, 80_000_000);
    assert_rates("8 and 80 Mbit/s", builder, 1e6, 10e6).await;
}

#[tokio::test]
async fn a_fast_and_long_link_is_filled() {
    for delay in [5, 25, 50] {
        let builder = slow().rate(1_000_000_000);
        let ends = Ends::of(builder.delay(Duration::from_millis(delay))).await;
        let (client, server) = ends.connect().await;
        let flood = tokio::spawn(flood(server));
        let seen = rate(client, SECOND).await;
        flood.abort();
        assert_near(&format!("1 Gbit/s, {delay} ms"), 125e6, seen);
    }
}

#[tokio::test]
async fn connections_share_the_rate() {
    let ends = Ends::of(slow()).await;
    let mut floods = Vec::new();
    let mut rates = Vec::new();
    for _ in 0..4 {
        let (client, server) = ends.connect().await;
        floods.push(tokio::spawn(flood(server)));
        rates.push(tokio::spawn(rate(client, 2 * SECOND)));
    }
    for seen in rates {
        assert_near("a quarter", 6.25e6 / 4.0, seen.await.expect("read"));
    }
    floods.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_round_trip_takes_twice_the_delay() {
    let ends = Ends::of(slow()).await;
    let (mut client, mut server) = ends.connect().await;
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        client.write_all(b"there").await.expect("open");
        server.read_exact(&mut [0; 5]).await.expect("open");
        server.write_all(b"back").await.expect("open");
        client.read_exact(&mut [0; 4]).await.expect("open");
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!("{times:?}");
    assert!(times[0] >= Duration::from_millis(20), "{:?}", times[0]);
    assert!(times[10] < Duration::from_millis(30), "{:?}", times[10]);
}

/// xorshift: the chunks differ, the runs do not.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn octets(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// In chunks of up to 9,000 octets, with pauses; then its half is closed.
async fn write_chunks(mut to: impl AsyncWrite + Unpin, mut octets: &[u8], mut random: Random) {
    while !octets.is_empty() {
        let chunk;
        (chunk, octets) = octets.split_at(octets.len().min(1 + random.below(9000)));
        to.write_all(chunk).await.expect("open");
        if random.below(20) == 0 {
            tokio::time::sleep(Duration::from_millis(random.below(5) as u64)).await;
        }
    }
    to.shutdown().await.expect("open");
}

async fn read_chunks(mut from: impl AsyncRead + Unpin, mut random: Random) -> Vec<u8> {
    let (mut seen, mut buffer) = (Vec::new(), [0; 9000]);
    loop {
        let most = 1 + random.below(buffer.len());
        match from.read(&mut buffer[..most]).await.expect("open") {
            0 => return seen,
            n => seen.extend(&buffer[..n]),
        }
    }
}

#[tokio::test]
async fn octets_arrive_unchanged_and_in_order_both_ways() {
    let ends = Ends::of(slow().rate(200_000_000)).await;
    for seed in 1..=3 {
        let (up, down) = (
            Random(seed).octets(3_000_000),
            Random(seed + 9).octets(2_000_000),
        );
        let (mut client, mut server) = ends.connect().await;
        let (from_server, to_server) = client.split();
        let (from_client, to_client) = server.split();
        let ((), (), seen_up, seen_down) = tokio::join!(
            write_chunks(to_server, &up, Random(seed)),
            write_chunks(to_client, &down, Random(seed + 1)),
            read_chunks(from_client, Random(seed + 2)),
            read_chunks(from_server, Random(seed + 3)),
        );
        assert!(seen_up == up, "seed {seed}, up");
        assert!(seen_down == down, "seed {seed}, down");
    }
}

#[tokio::test]
async fn half_a_close_passes_and_the_other_half_stays_open() {
    let ends = Ends::of(slow()).await;
    let (mut client, mut server) = ends.connect().await;
    client.write_all(b"last words").await.expect("open");
    client.shutdown().await.expect("open");
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.expect("open");
    assert_eq!(heard, b"last words");
    server.write_all(&[7; 100_000]).await.expect("still open");
    drop(server);
    heard.clear();
    client.read_to_end(&mut heard).await.expect("still open");
    assert_eq!(heard, [7; 100_000]);
}

/// Octets that a sender without a reader gets rid of.
async fn stuck(to: &mut TcpStream) -> usize {
    let (octets, mut written) = (vec![0; 4096], 0);
    while let Ok(n) = timeout(SECOND / 2, to.write(&octets)).await {
        written += n.expect("open");
    }
    written
}

#[tokio::test]
async fn a_sender_without_a_reader_is_stopped_and_goes_on_with_one() {
    let ends = Ends::of(slow()).await;
    let (client, mut server) = ends.connect().await;
    let small = |socket: &TcpStream| {
        let socket = socket2::SockRef::from(socket);
        socket.set_send_buffer_size(16 << 10).expect("open");
        socket.set_recv_buffer_size(16 << 10).expect("open");
    };
    small(&server);
    small(&client);
    let written = stuck(&mut server).await;
    println!("{written} octets until the sender stopped");
    // In flight are 62,500 for the delay and 62,500 for lateness; the rest are
    // four socket buffers (the kernel's are twice what they were asked to be),
    // and the receiver's was larger when its window was announced.
    assert!(written > 100_000, "{written}");
    assert!(written < 600_000, "{written}");
    let (client, written_again) = tokio::join!(
        async {
            let (mut client, mut left) = (client, written);
            let mut buffer = [0; 4096];
            while left > 0 {
                left -= client
                    .read(&mut buffer[..left.min(4096)])
                    .await
                    .expect("open");
            }
            client
        },
        stuck(&mut server)
    );
    assert!(written_again > 50_000, "{written_again}");
    drop(client);
}

#[tokio::test]
async fn a_stopped_connection_stops_no_other() {
    let ends = Ends::of(slow()).await;
    let (_unread, server) = ends.connect().await;
    let stopped = tokio::spawn(flood(server));
    tokio::time::sleep(SECOND).await;
    let (client, server) = ends.connect().await;
    let flood = tokio::spawn(flood(server));
    assert_near("all of it", 6.25e6, rate(client, SECOND).await);
    flood.abort();
    stopped.abort();
}

#[tokio::test]
async fn broken_connections_are_reset_and_new_ones_are_welcome() {
    let ends = Ends::of(slow()).await;
    let (mut client, mut server) = ends.connect().await;
    client.write_all(b"!").await.expect("open");
    server.read_u8().await.expect("open");
    ends.link.break_connections();
    assert!(client.read_u8().await.is_err());
    assert!(server.read_u8().await.is_err());

    let (mut client, mut server) = ends.connect().await;
    client.write_all(b"?").await.expect("open");
    assert_eq!(server.read_u8().await.expect("open"), b'?');

    let address = ends.link.address;
    drop(ends.link);
    assert!(client.read_u8().await.is_err());
    assert!(TcpStream::connect(address).await.is_err());
}
