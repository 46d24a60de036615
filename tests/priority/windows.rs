//! A client that is sparing with its credit, changes its mind about it in mid
//! transfer, and checks every frame against what it has granted.

use std::collections::{BTreeMap, VecDeque};

use framewright::{Config, FrameType};

use crate::bounded;
use crate::common::pattern;
use crate::link::Builder;
use crate::raw::{
    INITIAL_WINDOW_SIZE, Log, MAX_FRAME_SIZE, Peer, Received, get, settings, update, window_update,
};
use crate::server::{Server, slow};

/// What SETTINGS say: octets of a new stream's window, and of a frame.
type Limits = (i64, usize);

/// What the server may send.
struct Granted {
    connection: i64,
    /// Beside the initial window: what came and what `WINDOW_UPDATE` gave.
    streams: BTreeMap<u32, i64>,
    /// Of the latest SETTINGS that were acknowledged.
    acknowledged: Limits,
    /// Of those that were not yet, oldest first.
    said: VecDeque<Limits>,
}

impl Granted {
    fn new(first: Limits) -> Self {
        Self {
            connection: 65_535,
            streams: BTreeMap::new(),
            acknowledged: (65_535, 16_384),
            said: [first].into(),
        }
    }

    /// The most that may hold now: SETTINGS hold for certain from their
    /// acknowledgement on, and what they raise from when they were sent.
    fn limits(&self) -> Limits {
        self.said.iter().fold(self.acknowledged, |most, said| {
            (most.0.max(said.0), most.1.max(said.1))
        })
    }

    /// The initial window that holds for certain.
    fn least_window(&self) -> i64 {
        let said = self.said.iter().map(|(window, _)| *window);
        said.fold(self.acknowledged.0, i64::min)
    }

    fn check(&mut self, received: &Received) {
        if received.is(FrameType::SETTINGS) && received.is_ack() {
            self.acknowledged = self.said.pop_front().expect("SETTINGS to acknowledge");
        }
        let (window, frame_size) = self.limits();
        let octets = received.payload.len();
        assert!(octets <= frame_size, "{octets} octets of {frame_size}");
        if received.is(FrameType::DATA) {
            let stream = self.streams.entry(received.stream()).or_default();
            self.connection -= octets as i64;
            *stream -= octets as i64;
            if octets > 0 {
                assert!(self.connection >= 0, "over the connection's window");
                assert!(*stream + window >= 0, "over {}'s window", received.stream());
            }
        }
    }
}

/// A client that changes its SETTINGS after each of so many octets.
struct Thrifty {
    peer: Peer,
    granted: Granted,
    log: Log,
}

impl Thrifty {
    async fn say(&mut self, (window, frame_size): Limits) {
        let parameters = [
            (INITIAL_WINDOW_SIZE, window as u32),
            (MAX_FRAME_SIZE, frame_size as u32),
        ];
        self.granted.said.push_back((window, frame_size));
        self.peer.send(&settings(&parameters)).await;
    }

    async fn grant(&mut self, stream: u32, octets: u32) {
        if stream == 0 {
            self.granted.connection += i64::from(octets);
        } else {
            *self.granted.streams.entry(stream).or_default() += i64::from(octets);
        }
        self.peer.send(&window_update(stream, octets)).await;
    }

    /// If nothing can come any more, grants a little.
    async fn release(&mut self) {
        let going = STREAMS.iter().filter(|id| !self.log.has_ended(**id));
        let left = |id: &u32| self.granted.streams.get(id).copied().unwrap_or_default();
        let least = self.granted.least_window();
        let going: Vec<_> = going.map(|id| (*id, left(id) + least)).collect();
        if going.iter().all(|(_, window)| *window <= 0) {
            for (id, window) in going {
                self.grant(id, (5_000 - window) as u32).await;
            }
        }
    }

    /// Receives one frame, and returns the stream and octets of its DATA.
    async fn receive(&mut self) -> (u32, usize) {
        let received = self.peer.next().await.expect("more");
        self.granted.check(&received);
        self.log.add(&received);
        let octets = received.payload.len();
        let data = received.is(FrameType::DATA) && octets > 0;
        (received.stream(), if data { octets } else { 0 })
    }
}

const OCTETS: usize = 600_000;
const STREAMS: [u32; 4] = [1, 3, 5, 7];

/// Windows and frame sizes one after the other, up and down.
const CHANGES: [Limits; 9] = [
    (20_000, 16_384),
    (200_000, 65_536),
    (1, 16_384),
    (0, 20_000),
    (100_000, 1 << 20),
    (70_000, 16_385),
    (3_000, 16_384),
    (0, 16_384),
    (40_000, 30_000),
];

async fn changing(config: Config, link: Option<Builder>) {
    let server = Server::start(config, link, STREAMS.len()).await;
    let first = (150_000, 40_000);
    let parameters = [
        (INITIAL_WINDOW_SIZE, first.0 as u32),
        (MAX_FRAME_SIZE, first.1 as u32),
    ];
    let mut client = Thrifty {
        peer: Peer::connect(server.address, &parameters).await,
        granted: Granted::new(first),
        log: Log::default(),
    };
    for (id, field) in STREAMS.into_iter().zip(["u=5", "i", "u=0", "i"]) {
        let path = format!("/gated?seed={id}&len={OCTETS}&chunk=30000");
        client.peer.send(&update(id, field)).await;
        client.peer.send(&get(id, &path, &[])).await;
    }
    client.grant(0, 100_000).await;

    // Everything that comes is granted anew, but late and in parts; SETTINGS
    // change every 50,000 octets, whatever is under way.
    let (mut since, mut changes, mut total) = (0, CHANGES.into_iter().cycle(), 0);
    let mut owed: BTreeMap<u32, usize> = BTreeMap::new();
    while total < STREAMS.len() * OCTETS / 2 {
        let (stream, octets) = client.receive().await;
        *owed.entry(stream).or_default() += octets;
        (since, total) = (since + octets, total + octets);
        if octets > 0 {
            client.grant(0, octets as u32).await;
        }
        if since > 50_000 {
            since = 0;
            client.say(changes.next().expect("cyclic")).await;
            for stream in STREAMS {
                let octets = owed.remove(&stream).unwrap_or_default();
                client.grant(stream, octets as u32 + 20_000).await;
            }
        }
        client.release().await;
    }
    // Enough for the rest, with the smallest of frames and then with larger ones.
    client.say((OCTETS as i64, 16_384)).await;
    client.grant(0, (STREAMS.len() * OCTETS) as u32).await;
    for _ in 0..20 {
        client.receive().await;
    }
    client.say((2 * OCTETS as i64, 50_000)).await;
    while !STREAMS.iter().all(|id| client.log.has_ended(*id)) {
        client.receive().await;
    }
    for id in STREAMS {
        assert!(client.log.bodies[&id] == pattern(u64::from(id), OCTETS as u64));
    }
}

#[tokio::test]
async fn rfc9113_6_9_no_frame_is_over_what_was_granted() {
    bounded(changing(Config::default(), None)).await;
}

#[tokio::test]
async fn rfc9113_6_9_nor_over_a_slow_link() {
    bounded(changing(Config::default(), Some(slow()))).await;
}

#[tokio::test]
async fn rfc9113_6_9_nor_with_the_smallest_queue() {
    let config = Config::default().queue(64 << 10, 64 << 10);
    bounded(changing(config, Some(slow()))).await;
}

#[tokio::test]
async fn rfc9113_6_9_nor_without_scheduling() {
    bounded(changing(Config::default().schedule(false), None)).await;
}
