//! What the proxy counts, and how `/stats` shows it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use framewright::{
    BufferPool, ConnectionHandle, ConnectionStats, FrameCounts, ListenerHandle, ListenerStats,
    WindowBudget,
};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{args::Args, tls::Tls, tls_stats::TlsStats, window_stats::Windows};

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) started: Instant,
    pub(crate) mode: &'static str,
    pub(crate) clients: Arc<Endpoint>,
    pub(crate) upstream: Arc<Transports>,
    pub(crate) tls: TlsStats,
    /// What receive windows share, if they are managed.
    budget: Option<WindowBudget>,
    /// The embedded origin, which is a server of its own.
    pub(crate) origin: Arc<Endpoint>,
}

impl Stats {
    pub(crate) fn new(args: &Args, tls: Option<Tls>) -> Self {
        let managed = args.flow_control().is_some();
        Self {
            started: Instant::now(),
            mode: if args.stock { "stock" } else { "framewright" },
            clients: Arc::default(),
            upstream: Arc::default(),
            tls: TlsStats::new(tls),
            budget: managed.then(|| args.window_budget.clone()),
            origin: Arc::default(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let pool = BufferPool::default().stats();
        let mut all = self.clients.to_json();
        all["mode"] = self.mode.into();
        all["uptime_seconds"] = self.started.elapsed().as_secs_f64().into();
        all["transport"] = json!({
            "clients": self.clients.transports.to_json(),
            "upstream": self.upstream.to_json(),
            "origin": self.origin.transports.to_json(),
        });
        all["tls"] = self.tls.to_json(&self.clients.listener());
        all["windows"] = self.budget.as_ref().map_or(Value::Null, |budget| {
            json!({
                "budget": { "octets": budget.octets(), "used": budget.used() },
                "clients": self.clients.transports.windows().to_json(),
                "upstream": self.upstream.windows().to_json(),
            })
        });
        all["pool"] = json!({
            "hits": pool.hits,
            "misses": pool.misses,
            "outstanding": pool.outstanding,
            "retained_octets": pool.retained_octets,
            "trims": pool.trims,
        });
        all
    }
}

/// The counters of one server.
#[derive(Debug, Default)]
pub(crate) struct Endpoint {
    listener: OnceLock<ListenerHandle>,
    /// In place of that, with `--stock`.
    bare: Mutex<ListenerStats>,
    pub(crate) requests: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) request_octets: AtomicU64,
    pub(crate) response_octets: AtomicU64,
    classes: [AtomicU64; 5],
    errors: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) transports: Arc<Transports>,
}

impl Endpoint {
    /// Its connections come from this listener.
    pub(crate) fn listens(&self, listener: ListenerHandle) {
        // A server has one.
        let _ = self.listener.set(listener);
    }

    /// Counts what a bare listener does.
    pub(crate) fn bare(&self, count: impl FnOnce(&mut ListenerStats)) {
        count(&mut lock(&self.bare));
    }

    fn listener(&self) -> ListenerStats {
        match self.listener.get() {
            Some(listener) => listener.stats(),
            None => *lock(&self.bare),
        }
    }

    pub(crate) fn response(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5);
        self.classes[class - 1].fetch_add(1, Relaxed);
    }

    pub(crate) fn error(&self, kind: &'static str) {
        *lock(&self.errors).entry(kind).or_default() += 1;
    }

    fn to_json(&self) -> Value {
        let listener = self.listener();
        let mut errors = lock(&self.errors).clone();
        for (kind, count) in [
            ("accept", listener.accept_errors),
            ("handshake failed", listener.failed_handshakes),
            ("handshake timed out", listener.timed_out),
        ] {
            if count > 0 {
                errors.insert(kind, count);
            }
        }
        let classes: BTreeMap<String, u64> = (1..)
            .zip(&self.classes)
            .map(|(class, count)| (format!("{class}xx"), count.load(Relaxed)))
            .collect();
        json!({
            "connections": {
                "accepted": listener.accepted,
                "open": listener.open,
            },
            "requests": {
                "received": self.requests.load(Relaxed),
                "in_flight": self.in_flight.load(Relaxed),
            },
            "responses": classes,
            "body_octets": {
                "requests": self.request_octets.load(Relaxed),
                "responses": self.response_octets.load(Relaxed),
            },
            "errors": errors,
        })
    }
}

/// The framewright transports of one side: those that live, and the sum of
/// those that are gone.
#[derive(Debug, Default)]
pub(crate) struct Transports {
    next: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    live: HashMap<u64, ConnectionHandle>,
    past: Totals,
}

impl Transports {
    /// Counts this connection in for as long as the answer lives, and its final
    /// numbers after that.
    pub(crate) fn register(self: &Arc<Self>, handle: ConnectionHandle) -> Registration {
        let id = self.next.fetch_add(1, Relaxed);
        lock(&self.inner).live.insert(id, handle);
        Registration {
            transports: Arc::clone(self),
            id,
        }
    }

    fn to_json(&self) -> Value {
        let inner = lock(&self.inner);
        let mut totals = inner.past.clone();
        for handle in inner.live.values() {
            totals.add(&handle.stats());
        }
        let frames: u64 = totals.outbound_frames.values().sum();
        json!({
            "connections": { "open": inner.live.len(), "past": inner.past.connections },
            "outbound_frames": totals.outbound_frames,
            "inbound_frames": totals.inbound_frames,
            "outbound_octets": totals.outbound_octets,
            "inbound_octets": totals.inbound_octets,
            "write_calls": totals.write_calls,
            "read_calls": totals.read_calls,
            "frames_per_write": frames as f64 / totals.write_calls.max(1) as f64,
            "deferred_flushes": totals.deferred_flushes,
            "largest_batch": totals.largest_batch,
        })
    }
}

impl Transports {
    /// The receive windows of those that live, and what is left of the others.
    fn windows(&self) -> Windows {
        let inner = lock(&self.inner);
        let mut windows = inner.past.windows.past();
        for handle in inner.live.values() {
            windows.add(&handle.stats());
        }
        windows
    }
}

/// A place among the live transports.
#[derive(Debug)]
pub(crate) struct Registration {
    transports: Arc<Transports>,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut inner = lock(&self.transports.inner);
        if let Some(handle) = inner.live.remove(&self.id) {
            inner.past.add(&handle.stats());
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Totals {
    connections: u64,
    outbound_frames: BTreeMap<String, u64>,
    inbound_frames: BTreeMap<String, u64>,
    outbound_octets: u64,
    inbound_octets: u64,
    write_calls: u64,
    read_calls: u64,
    deferred_flushes: u64,
    largest_batch: u64,
    windows: Windows,
}

impl Totals {
    fn add(&mut self, stats: &ConnectionStats) {
        self.connections += 1;
        add_frames(&mut self.outbound_frames, &stats.outbound_frames);
        add_frames(&mut self.inbound_frames, &stats.inbound_frames);
        self.outbound_octets += stats.outbound_octets;
        self.inbound_octets += stats.inbound_octets;
        self.write_calls += stats.write_calls;
        self.read_calls += stats.read_calls;
        self.deferred_flushes += stats.deferred_flushes;
        self.largest_batch = self.largest_batch.max(stats.largest_batch);
        self.windows.add(stats);
    }
}

fn add_frames(into: &mut BTreeMap<String, u64>, counts: &FrameCounts) {
    for (kind, count) in counts.iter() {
        let name = kind.map_or_else(|| "unknown".to_owned(), |kind| kind.to_string());
        *into.entry(name).or_default() += count;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
