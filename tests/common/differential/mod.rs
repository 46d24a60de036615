//! The same octets for hyper as it is and for hyper behind the transport: what a
//! peer and the application see has to be the same (rule F2).
//!
//! A case is a list of batches of raw octets, and what hyper makes of them. Each is
//! run on bare hyper, on hyper over a transport with the default configuration, and
//! with all that there is: stream handles, the layers, and managed windows. Each of
//! these four times: a batch at once, an octet at a time, in pieces, and through a pipe
//! that takes little at a time.
//!
//! A runtime of one thread, a pipe in memory and a clock that stands still until
//! nothing is left to do make it all deterministic: after each batch everything
//! that it leads to has happened. What was seen is kept by batch.
//!
//! [`outcome`] says what is compared, and the few things that may differ.

#![allow(dead_code, unreachable_pub)]

mod client;
mod outcome;
mod server;
pub(crate) mod wire;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use framewright::{Config, FlowControl, WindowBudget};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub(crate) use self::client::Ask;
pub(crate) use self::outcome::Ends;
use self::outcome::{Line, Outcome};
use crate::raw::{ACK, PREFACE, frame, settings};

/// More than any case writes.
const PIPE: usize = 1 << 20;
/// Less than most write, so that streams compete for it.
const NARROW: usize = 2_000;
/// Octets that go one at a time; the rest of a long batch goes in pieces.
const SINGLE: usize = 400;
const PIECE: usize = 997;

/// What is under test.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stack {
    /// hyper's HTTP/2 server.
    Server,
    /// hyper-util's, which speaks HTTP/1.1 as well.
    Auto,
    /// hyper's HTTP/2 client, and what it is asked for.
    Client(&'static [Ask]),
}

/// A case of a table.
pub(crate) struct Case {
    /// Begins with the section of the RFC.
    name: String,
    ends: Ends,
    stack: Stack,
    batches: Vec<Vec<u8>>,
    /// Whether the connection is opened, and SETTINGS exchanged, first.
    is_open: bool,
    /// hyper's windows.
    window: u32,
    /// The server takes extended CONNECT (RFC 8441).
    pub(crate) extended: bool,
    /// Its header list is as long as hyper takes one.
    is_at_limit: bool,
}

/// As managed windows' ceilings are by default.
const WINDOW: u32 = 16 << 20;

fn case(name: impl Into<String>, stack: Stack, ends: Ends, batches: Vec<Vec<u8>>) -> Case {
    Case {
        name: name.into(),
        ends,
        stack,
        batches,
        is_open: true,
        window: WINDOW,
        extended: false,
        is_at_limit: false,
    }
}

/// A case for a server whose connection is open.
pub(crate) fn server(
    name: impl Into<String>,
    ends: Ends,
    batches: impl IntoIterator<Item = Vec<u8>>,
) -> Case {
    let batches = batches.into_iter().collect();
    case(name, Stack::Server, ends, batches)
}

/// A case for a client whose connection is open, and that has sent requests.
pub(crate) fn client(
    name: impl Into<String>,
    asks: &'static [Ask],
    ends: Ends,
    batches: impl IntoIterator<Item = Vec<u8>>,
) -> Case {
    let batches = batches.into_iter().collect();
    case(name, Stack::Client(asks), ends, batches)
}

impl Case {
    /// Nothing is sent but the batches.
    pub(crate) fn unopened(mut self) -> Self {
        self.is_open = false;
        self
    }

    /// hyper grants no more than 65,535 octets, as a stream and a connection have at
    /// first. The peer is told of all that then, however windows are managed.
    pub(crate) fn small_windows(mut self) -> Self {
        self.window = 65_535;
        self
    }

    /// The server takes extended CONNECT.
    pub(crate) fn extended(mut self) -> Self {
        self.extended = true;
        self
    }

    /// With stream handles the transport's own field counts as 108 octets of a header
    /// list, so there such a list is longer than hyper takes.
    pub(crate) fn at_limit(mut self) -> Self {
        self.is_at_limit = true;
        self
    }

    /// The server is hyper-util's.
    pub(crate) fn auto(mut self) -> Self {
        self.stack = Stack::Auto;
        self
    }

    fn is_server(&self) -> bool {
        !matches!(self.stack, Stack::Client(_))
    }

    /// What is sent, a batch after the other.
    fn script(&self) -> Vec<Vec<u8>> {
        let mut script = Vec::new();
        if self.is_open {
            let preface: &[u8] = if self.is_server() { PREFACE } else { &[] };
            script.push([preface, &settings(&[])].concat());
            script.push(frame(framewright::FrameType::SETTINGS, ACK, 0, &[]));
        }
        script.extend(self.batches.iter().cloned());
        script
    }

    fn flow(&self) -> FlowControl {
        FlowControl::default()
            .ceilings(self.window, self.window)
            .budget(WindowBudget::new(64 << 20))
            // Those are the peer's to answer.
            .pings(false)
    }
}

/// What is below hyper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Below {
    Bare,
    /// The transport, as it is by default.
    Transport,
    /// With stream handles, managed windows, and the layers above.
    Loaded,
}

impl Below {
    fn config(self, flow: &FlowControl) -> Config {
        match self {
            Self::Bare | Self::Transport => Config::default(),
            Self::Loaded => Config::default()
                .stream_handles(true)
                .flow_control(flow.clone()),
        }
    }
}

/// How a batch is cut.
#[derive(Clone, Copy, Debug)]
enum Chunks {
    Whole,
    Octets,
    Pieces,
    /// Not at all, but no more than the narrow pipe takes goes at once, either way.
    Narrow,
}

impl Chunks {
    fn of<'a>(self, batch: &'a [u8], seed: &mut u64) -> Vec<&'a [u8]> {
        match self {
            Self::Whole | Self::Narrow => vec![batch],
            Self::Octets => {
                let (front, rest) = batch.split_at(batch.len().min(SINGLE));
                front.chunks(1).chain(rest.chunks(PIECE)).collect()
            }
            Self::Pieces => {
                let mut rest = batch;
                let mut pieces = Vec::new();
                while !rest.is_empty() {
                    *seed ^= *seed << 13;
                    *seed ^= *seed >> 7;
                    *seed ^= *seed << 17;
                    let most = if rest.len() > 2 * PIECE { PIECE } else { 30 };
                    let octets = (*seed as usize % most + 1).min(rest.len());
                    let (piece, left) = rest.split_at(octets);
                    pieces.push(piece);
                    rest = left;
                }
                pieces
            }
        }
    }
}

/// What the application has seen, by request and by batch.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    batch: Arc<AtomicUsize>,
}

impl Log {
    /// Of request `which`; 0 is the connection.
    pub(crate) fn add(&self, which: usize, text: impl Into<String>) {
        let line = Line::app(self.batch.load(Ordering::Relaxed), which, text.into());
        self.lines.lock().expect("no panic").push(line);
    }
}

/// The peer's end of the pipe.
struct Peer {
    io: DuplexStream,
    log: Log,
    outcome: Outcome,
    is_closed: bool,
}

impl Peer {
    /// Until nothing is left to do: only then does the clock go on.
    async fn settle(&mut self) {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if !self.catch_up().await {
                return;
            }
        }
    }

    /// Takes what is there. Whether there was something.
    async fn catch_up(&mut self) -> bool {
        let before = self.outcome.input.len();
        while !self.is_closed {
            let mut read = pin!(self.io.read_buf(&mut self.outcome.input));
            let now = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await;
            let Poll::Ready(read) = now else {
                break;
            };
            self.is_closed = read.unwrap_or(0) == 0;
        }
        self.outcome.input.len() > before
    }

    /// Sends as much as is taken: who is gone, or stuck, takes no more.
    async fn send(&mut self, mut octets: &[u8]) {
        let mut is_stuck = false;
        while !octets.is_empty() {
            let mut write = pin!(self.io.write(octets));
            match poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await {
                Poll::Ready(Ok(n)) => (octets, is_stuck) = (&octets[n..], false),
                Poll::Ready(Err(_)) => return,
                Poll::Pending if is_stuck => return,
                Poll::Pending => {
                    is_stuck = true;
                    self.settle().await;
                }
            }
        }
    }

    fn end_batch(&mut self) {
        self.outcome.end_batch(self.is_closed);
        self.log.batch.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a case once.
fn run(case: &Case, below: Below, chunks: Chunks) -> Outcome {
    let pipe = match chunks {
        Chunks::Narrow => NARROW,
        _ => PIPE,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (io, theirs) = tokio::io::duplex(pipe);
        let log = Log::default();
        let mut peer = Peer {
            io,
            log: log.clone(),
            outcome: Outcome::new(case.is_server()),
            is_closed: false,
        };
        let flow = case.flow();
        let keep = match case.stack {
            Stack::Client(asks) => Some(client::start(theirs, asks, below, &flow, log.clone())),
            _ => {
                server::start(theirs, case, below, &flow, log.clone());
                None
            }
        };
        peer.settle().await;
        peer.end_batch();
        let mut seed = 0x9e37_79b9_7f4a_7c15 ^ case.name.len() as u64;
        for batch in case.script() {
            for chunk in chunks.of(&batch, &mut seed) {
                peer.send(chunk).await;
                peer.settle().await;
            }
            peer.end_batch();
        }
        // Whether the connection lives on.
        peer.send(&wire::ping(outcome::LAST_PING)).await;
        peer.settle().await;
        peer.end_batch();
        let _ = peer.io.shutdown().await;
        peer.settle().await;
        peer.end_batch();
        drop(keep);
        peer.settle().await;
        peer.end_batch();
        // The far end hears of it by an error.
        let Peer {
            io, mut outcome, ..
        } = peer;
        drop(io);
        tokio::time::sleep(Duration::from_millis(1)).await;
        outcome
            .lines
            .append(&mut log.lines.lock().expect("no panic"));
        outcome
    })
}

/// Runs a table, and says which of its cases fail, and how. How many there are.
pub(crate) fn assert_transparent(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        assert!(
            case.name.starts_with(|c: char| c.is_ascii_digit()),
            "{} begins with no section",
            case.name
        );
        for chunks in [
            Chunks::Whole,
            Chunks::Octets,
            Chunks::Pieces,
            Chunks::Narrow,
        ] {
            let bare = run(case, Below::Bare, chunks);
            let ends = bare.ends();
            // What comes a little at a time may be dealt with before it is wrong.
            if matches!(chunks, Chunks::Whole) && ends != case.ends {
                let seen = bare.comparable(Below::Bare).join("\n    ");
                failures.push(format!(
                    "{} ({chunks:?}): bare hyper ends with {ends:?}, and not {:?}\n    {seen}",
                    case.name, case.ends,
                ));
            }
            for below in [Below::Transport, Below::Loaded] {
                if case.is_at_limit && below == Below::Loaded {
                    continue;
                }
                let seen = run(case, below, chunks).normal(case, below);
                let expected = bare.comparable(below);
                if seen != expected {
                    let difference = outcome::difference(&expected, &seen);
                    failures.push(format!(
                        "{} ({below:?}, {chunks:?}):\n{difference}",
                        case.name
                    ));
                }
            }
        }
    }
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} of these differ:\n{}",
        failures.join("\n")
    );
}
