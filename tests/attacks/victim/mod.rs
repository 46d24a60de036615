//! The program under attack: hyper, bare or behind the transport, in a process
//! of its own, so that what it takes of memory and of the processor is its own.
//!
//! It is told what to do, and asked how it is, by lines on its standard input.
//! One thread does everything: what one connection takes, others wait for.

mod client;
mod server;

use std::fmt::Write as _;
use std::io::{BufRead, Write};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, mpsc};

use framewright::{BufferPool, Config, FlowControl, WindowBudget};

/// The variable that says what to be: `server behind`.
pub(crate) const ROLE: &str = "FRAMEWRIGHT_VICTIM";

/// What stands in front of each line that is meant for the test.
pub(crate) const MARK: &str = "victim: ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// What is between hyper and the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Bare,
    /// The transport with all that it has, and the layers.
    Loaded,
    /// The transport as it is by itself.
    Plain,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = [Self::Bare, Self::Loaded, Self::Plain];
        let mut kinds = kinds.into_iter();
        let kind = kinds.find(|kind| format!("{kind:?}") == text);
        kind.ok_or_else(|| text.to_owned())
    }
}

/// What windows may grow by, of all connections.
pub(crate) const BUDGET: u64 = 64 << 20;

static BUDGETED: LazyLock<WindowBudget> = LazyLock::new(|| WindowBudget::new(BUDGET));

fn flow() -> FlowControl {
    FlowControl::default().budget(BUDGETED.clone())
}

impl Kind {
    /// The configuration of the transport, if there is one.
    fn config(self) -> Option<Config> {
        match self {
            Self::Bare => None,
            Self::Loaded => Some(Config::default().stream_handles(true).flow_control(flow())),
            Self::Plain => Some(Config::default()),
        }
    }
}

/// What the victim counts: all of these are gauges, but for those behind
/// [`Count::Requests`].
#[derive(Clone, Copy, Debug)]
enum Count {
    Connections,
    Handlers,
    Requests,
    Forged,
    Failures,
    SlowestMicros,
}

const NAMES: [&str; 6] = [
    "connections",
    "handlers",
    "requests",
    "forged",
    "failures",
    "slowest",
];

static COUNTS: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

impl Count {
    fn add(self, n: u64) {
        COUNTS[self as usize].fetch_add(n, Relaxed);
    }

    fn max(self, n: u64) {
        COUNTS[self as usize].fetch_max(n, Relaxed);
    }

    /// Counts one until this is dropped.
    fn hold(self) -> Held {
        self.add(1);
        Held(self)
    }
}

#[derive(Debug)]
struct Held(Count);

impl Drop for Held {
    fn drop(&mut self) {
        COUNTS[self.0 as usize].fetch_sub(1, Relaxed);
    }
}

fn stats() -> String {
    let pool = BufferPool::default().stats();
    let mut line = format!(
        "stats buffers={} octets={} retained={} budget={}",
        pool.outstanding,
        pool.outstanding_octets,
        pool.retained_octets,
        BUDGETED.used()
    );
    for (name, count) in NAMES.iter().zip(&COUNTS) {
        write!(line, " {name}={}", count.load(Relaxed)).expect("text");
    }
    line
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "\n{MARK}{line}").and_then(|()| out.flush());
    said.expect("somebody listens");
}

/// Runs until the standard input ends, if this is such a process.
pub(crate) fn run() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let (role, kind) = role.split_once(' ').expect("a role and a kind");
    let kind: Kind = kind.parse().expect("a kind");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (sender, orders) = mpsc::channel::<String>();
    let (waker, mut woken) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = (sender.send(line), waker.send(()));
        }
    });
    runtime.block_on(async {
        if role == "server" {
            server::start(kind).await;
        } else {
            say("ready");
        }
        while woken.recv().await.is_some() {
            let order = orders.recv().expect("as many lines");
            match order.split_once(' ') {
                None => say(&stats()),
                Some(("attack", port)) => client::meet(kind, port.parse().expect("a port")),
                Some((_, port)) => client::bystand(kind, port.parse().expect("a port")),
            }
        }
    });
}

pub(crate) use self::client::befriend;
