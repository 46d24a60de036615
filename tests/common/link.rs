//! A slow link on loopback, for tests and benches.
//!
//! A relay that takes octets from a sender no faster than the link's rate, keeps
//! them for the link's delay, and hands them on. What the link has not taken yet
//! waits where it does before a real bottleneck with a short queue: in the
//! sender's program and in its kernel's send buffer. Between the sender and the
//! far end there are at most a receive buffer and a send buffer of a few
//! milliseconds, and the octets in flight (rate x delay, and a little more so
//! that a late timer costs no rate).
//!
//! ```text
//! sender's    small     | read at the    octets in   | small     receiver's
//! SO_SNDBUF → SO_RCVBUF | link's rate →  flight    → | SO_SNDBUF → SO_RCVBUF
//!  its queue            |            the relay       |
//! ```
//!
//! Each direction is one line that all connections share, in the order in which
//! they ask, a millisecond's worth of octets at a time. The relay runs on a thread
//! of its own, sleeps on timers of tokio's granularity (a millisecond), and never
//! spins.
//!
//! # What is not as on a real link
//!
//! - Connecting takes no round trip: the kernel answers for the relay.
//! - The sender's kernel hears from the relay's, at once, so it measures a round
//!   trip of a millisecond, the time in the small receive buffer, and not of the
//!   link. The size of its send buffer follows from its congestion window and the
//!   segment size: with loopback's segments of 64 KiB it is 4 MB from the start
//!   (2.5 MB with CUBIC), as on no road that is 50 Mbit/s wide. So the relay asks
//!   for Ethernet's segments: at 50 Mbit/s BBR then comes to 1 MB, 0.7 to 0.9 of
//!   it octets. [`Builder::segment`] has it otherwise.
//! - Nothing is lost and nothing overtakes.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Of tokio's timers.
const TICK: Duration = Duration::from_millis(1);
/// How much of the time that the relay overslept the line makes up for.
const CATCH_UP: Duration = Duration::from_millis(20);
/// What the relay's socket buffers hold of the line's rate.
const SOCKET: Duration = Duration::from_millis(3);
/// What may wait beyond rate x delay, for an end that is late to take it.
const LATE: Duration = Duration::from_millis(10);
/// Octets, which a buffer has at any rate.
const LEAST_BUFFER: u64 = 8 << 10;
/// Of its room, that a packet takes up, however small: it is not only octets.
const LEAST_PLACE: usize = 256;
/// Ethernet's, with the timestamps option.
const SEGMENT: u32 = 1448;

/// A running link, which ends when this is dropped, and its connections with it.
#[derive(Debug)]
pub struct Link {
    /// Where to connect instead of to the server.
    pub address: SocketAddr,
    /// Counts the breaks; its end is the link's.
    breaks: Option<watch::Sender<u64>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Builder {
    up: u64,
    down: u64,
    delay: Duration,
    segment: Option<u32>,
    server: Option<SocketAddr>,
}

impl Link {
    /// 50 Mbit/s and 10 ms in each direction, where nothing else is said.
    pub fn builder() -> Builder {
        Builder {
            up: 50_000_000,
            down: 50_000_000,
            delay: Duration::from_millis(10),
            segment: Some(SEGMENT),
            server: None,
        }
    }

    /// Resets all connections, at both ends; new ones are welcome.
    pub fn break_connections(&self) {
        if let Some(breaks) = &self.breaks {
            breaks.send_modify(|breaks| *breaks += 1);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.breaks = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; this may be a panic's unwinding.
            let _ = thread.join();
        }
    }
}

impl Builder {
    /// Bits a second, in both directions.
    pub fn rate(self, rate: u64) -> Self {
        self.rates(rate, rate)
    }

    /// Bits a second towards the server, and towards the client.
    pub fn rates(mut self, up: u64, down: u64) -> Self {
        (self.up, self.down) = (up, down);
        self
    }

    /// One way: half a round trip.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The largest segment that both ends' kernels are asked to send, in octets up
    /// to 32,767; `None` for loopback's own.
    pub fn segment(mut self, octets: Option<u32>) -> Self {
        self.segment = octets;
        self
    }

    /// The server at the far end.
    pub fn to(mut self, server: SocketAddr) -> Self {
        self.server = Some(server);
        self
    }

    /// Starts the relay's thread.
    pub fn start(self) -> io::Result<Link> {
        let server = self.server.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // Accepted sockets inherit them; on those it would be too late for the
        // window that the handshake announces.
        self.prepare(&SockRef::from(&listener), self.up, self.down)?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(1024)?;
        listener.set_nonblocking(true)?;
        let listener: std::net::TcpListener = listener.into();
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (breaks, broken) = watch::channel(0);
        let thread = thread::Builder::new().name("link".into()).spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("it does not block");
                accept(self, listener, server, broken).await;
            });
        })?;
        Ok(Link {
            address,
            breaks: Some(breaks),
            thread: Some(thread),
        })
    }

    /// The options of a socket that receives at the one rate and sends at the
    /// other.
    fn prepare(&self, socket: &SockRef<'_>, receives: u64, sends: u64) -> io::Result<()> {
        let buffer = |rate| octets(rate, SOCKET).max(LEAST_BUFFER) as usize;
        socket.set_recv_buffer_size(buffer(receives))?;
        socket.set_send_buffer_size(2 * buffer(sends))?;
        #[cfg(unix)]
        if let Some(segment) = self.segment {
            socket.set_tcp_mss(segment)?;
        }
        // One that paces would be a second bottleneck. Where there is none to
        // choose from, the default will do.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket.set_tcp_congestion(b"reno");
        Ok(())
    }

    /// Both directions of a connection, until both have ended.
    async fn relay(
        &self,
        client: &mut TcpStream,
        server: SocketAddr,
        up: &Direction,
        down: &Direction,
    ) -> io::Result<()> {
        let socket = match server {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        self.prepare(&SockRef::from(&socket), self.down, self.up)?;
        let mut server = socket.connect(server).await?;
        // Whatever ends this early resets the connection.
        reset(&server);
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        both(
            up.carry(from_client, to_server),
            down.carry(from_server, to_client),
        )
        .await?;
        SockRef::from(&server).set_linger(None)
    }
}

/// What a rate in bits a second makes of a time.
fn octets(rate: u64, time: Duration) -> u64 {
    (u128::from(rate) * time.as_nanos() / 8_000_000_000) as u64
}

async fn accept(
    link: Builder,
    listener: TcpListener,
    server: SocketAddr,
    mut broken: watch::Receiver<u64>,
) {
    let up = Arc::new(Direction::new(link.up, link.delay));
    let down = Arc::new(Direction::new(link.down, link.delay));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error is of a client that has gone already.
                let Ok((mut client, _)) = accepted else { continue };
                let (up, down) = (Arc::clone(&up), Arc::clone(&down));
                let mut broken = broken.clone();
                // A break from before this one was accepted is none of its.
                broken.mark_unchanged();
                connections.spawn(async move {
                    let ended = tokio::select! {
                        ended = link.relay(&mut client, server, &up, &down) => ended,
                        _ = broken.changed() => Err(io::ErrorKind::ConnectionReset.into()),
                    };
                    if ended.is_err() {
                        reset(&client);
                    }
                });
            }
            Some(_) = connections.join_next() => {}
            changed = broken.changed() => {
                if changed.is_err() {
                    break;
                }
            }
        }
    }
    // They have been told as well.
    while connections.join_next().await.is_some() {}
}

async fn both(
    one: impl Future<Output = io::Result<()>>,
    other: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    tokio::try_join!(one, other).map(|_| ())
}

/// Makes the closing of the socket a reset.
fn reset(socket: &TcpStream) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// One direction, of all connections.
#[derive(Debug)]
struct Direction {
    rate: u64,
    delay: Duration,
    /// Octets that take the line at once.
    turn: usize,
    /// Octets that a connection may have in flight.
    room: usize,
    /// Whoever has it sends; tokio's mutex is fair.
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    /// When what was sent last has left.
    free: Instant,
    /// When that was taken from its sender.
    taken: Instant,
}

/// Octets in flight; none are their end.
struct Packet {
    arrives: Instant,
    octets: Box<[u8]>,
    /// Its place in the room of its connection.
    _place: OwnedSemaphorePermit,
}

impl Direction {
    fn new(rate: u64, delay: Duration) -> Self {
        let turn = octets(rate, TICK).max(u64::from(SEGMENT)) as usize;
        let now = Instant::now();
        Self {
            rate,
            delay,
            turn,
            room: octets(rate, delay + LATE) as usize + 4 * turn,
            line: Mutex::new(Line {
                free: now,
                taken: now,
            }),
        }
    }

    async fn carry(&self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<()> {
        // Bounded by the room, in octets.
        let (packets, arrivals) = mpsc::unbounded_channel();
        both(self.send(from, packets), deliver(arrivals, to)).await
    }

    async fn send(
        &self,
        from: ReadHalf<'_>,
        packets: mpsc::UnboundedSender<Packet>,
    ) -> io::Result<()> {
        let room = Arc::new(Semaphore::new(self.room));
        let mut buffer = vec![0; self.turn];
        loop {
            let mut place = Arc::clone(&room)
                .acquire_many_owned(self.turn as u32)
                .await
                .expect("never closed");
            // Only a sender with something to send queues for the line.
            from.readable().await?;
            let mut line = self.line.lock().await;
            let waits = line.free > Instant::now();
            if waits {
                sleep_until(line.free).await;
            }
            let read = match from.try_read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let arrives = line.take(self.sending(read), waits) + self.delay;
            drop(line);
            drop(place.split(self.turn - read.max(LEAST_PLACE)));
            let octets = buffer[..read].into();
            let _ = packets.send(Packet {
                arrives,
                octets,
                _place: place,
            });
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn sending(&self, octets: usize) -> Duration {
        Duration::from_nanos((octets as u128 * 8_000_000_000 / u128::from(self.rate)) as u64)
    }
}

impl Line {
    /// Sends for so long, and says when the last octet leaves.
    ///
    /// A sender that had to wait for the line follows on what was sent before,
    /// however late the timer was: that is what keeps the rate. So does one that
    /// is there within a tick, since a small receive buffer takes a moment to fill
    /// again. Otherwise the line was idle, and idle time is lost. Nothing leaves
    /// before it was taken.
    fn take(&mut self, sending: Duration, waited: bool) -> Instant {
        let now = Instant::now();
        let idle = now.saturating_duration_since(self.free.max(self.taken));
        let start = if waited || idle <= TICK {
            self.free.max(now - CATCH_UP)
        } else {
            self.free.max(now)
        };
        self.free = start + sending;
        self.taken = now;
        self.free.max(now)
    }
}

/// Hands on what has arrived.
async fn deliver(
    mut arrivals: mpsc::UnboundedReceiver<Packet>,
    mut to: WriteHalf<'_>,
) -> io::Result<()> {
    while let Some(packet) = arrivals.recv().await {
        if packet.arrives > Instant::now() {
            sleep_until(packet.arrives).await;
        }
        if packet.octets.is_empty() {
            return to.shutdown().await;
        }
        to.write_all(&packet.octets).await?;
    }
    Ok(())
}
