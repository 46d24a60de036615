//! What was done, and what went wrong.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use parking_lot::Mutex;

/// What is done to a connection on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The server's graceful shutdown.
    GoAway,
    /// The client's end is dropped.
    ClientAborts,
    /// The same, and TCP resets.
    ClientResets,
    ServerAborts,
    ServerResets,
    /// The link loses it.
    Cut,
}

const FAULTS: [Fault; 6] = [
    Fault::GoAway,
    Fault::ClientAborts,
    Fault::ClientResets,
    Fault::ServerAborts,
    Fault::ServerResets,
    Fault::Cut,
];

/// What has been done to a connection, said before it is done.
#[derive(Debug, Default)]
pub(crate) struct Fate(AtomicU8);

impl Fate {
    pub(crate) fn set(&self, fault: Fault) {
        let mut bits = 1 << fault as u8;
        // Whatever else comes, the connection does not end well.
        bits |= self.0.load(SeqCst);
        self.0.fetch_or(bits, SeqCst);
    }

    pub(crate) fn is_any(&self) -> bool {
        self.0.load(SeqCst) != 0
    }

    /// Nothing else than a graceful shutdown.
    pub(crate) fn is_graceful(&self) -> bool {
        self.0.load(SeqCst) == 1 << Fault::GoAway as u8
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.load(SeqCst);
        let faults = FAULTS.iter().filter(|fault| bits & 1 << **fault as u8 != 0);
        f.debug_list().entries(faults).finish()
    }
}

/// The counts of a run.
#[derive(Debug)]
pub(crate) struct Tally {
    begun: Instant,
    pub(crate) requests: AtomicU64,
    pub(crate) octets: AtomicU64,
    pub(crate) connections: AtomicU64,
    /// Connections that are open now: at servers, and at clients.
    pub(crate) served: Arc<AtomicUsize>,
    pub(crate) dialed: Arc<AtomicUsize>,
    /// Requests in flight.
    pub(crate) in_flight: Arc<AtomicUsize>,
    next: AtomicU64,
    /// Requests that a handler has got and whose answers are awaited.
    handled: Mutex<HashSet<u64>>,
    by_name: Mutex<BTreeMap<String, u64>>,
    failures: AtomicU64,
}

/// Failures that are printed.
const PRINTED: u64 = 40;

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            requests: AtomicU64::new(0),
            octets: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            served: Arc::default(),
            dialed: Arc::default(),
            in_flight: Arc::default(),
            next: AtomicU64::new(1),
            handled: Mutex::default(),
            by_name: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    pub(crate) fn fail(&self, what: impl fmt::Display) {
        if self.failures.fetch_add(1, SeqCst) < PRINTED {
            say(format_args!("FAILURE at {:.1} s: {what}", self.seconds()));
        }
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(SeqCst)
    }

    /// Counts by names, for the report.
    pub(crate) fn count(&self, what: impl fmt::Display) {
        *self.by_name.lock().entry(what.to_string()).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.by_name.lock().clone()
    }

    /// The number of a request.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, SeqCst)
    }

    /// A handler has got it.
    pub(crate) fn handled(&self, number: u64) {
        self.handled.lock().insert(number);
    }

    /// The request is over; whether a handler had got it.
    pub(crate) fn over(&self, number: u64) -> bool {
        self.handled.lock().remove(&number)
    }

    /// After requests that their clients gave up on early.
    pub(crate) fn forget_handled(&self) {
        *self.handled.lock() = HashSet::new();
    }
}

/// Counts one of these for as long as it lives.
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Prints to where no test harness keeps it back.
pub(crate) fn say(what: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{what}");
}
