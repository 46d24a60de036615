//! What came of TLS, as `/stats` shows it.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use framewright::{
    Connector, ListenerStats,
    tls::{SniStats, TicketKeyStats, TicketStats, VerifierStats},
};
use serde_json::{Value, json};

use crate::tls::Tls;

/// TLS towards clients and towards the upstream.
#[derive(Debug)]
pub(crate) struct TlsStats {
    clients: Option<Tls>,
    upstream: OnceLock<Connector>,
    full: AtomicU64,
    resumed: AtomicU64,
    cached: AtomicU64,
}

impl TlsStats {
    pub(crate) fn new(clients: Option<Tls>) -> Self {
        Self {
            clients,
            upstream: OnceLock::new(),
            full: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            cached: AtomicU64::new(0),
        }
    }

    /// The upstream is connected to with this.
    pub(crate) fn connects(&self, upstream: Connector) {
        // There is one upstream.
        let _ = self.upstream.set(upstream);
    }

    /// A handshake with the upstream has ended well.
    pub(crate) fn connected(&self, resumed: bool, cached: bool) {
        let kind = if resumed { &self.resumed } else { &self.full };
        kind.fetch_add(1, Relaxed);
        self.cached.fetch_add(cached.into(), Relaxed);
    }

    pub(crate) fn to_json(&self, listener: &ListenerStats) -> Value {
        let mut all = json!({
            "clients": {
                "full": listener.full_handshakes,
                "resumed": listener.resumed_handshakes,
                "failed": listener.failed_handshakes,
                "timed_out": listener.timed_out,
                "preface_timeouts": listener.preface_timeouts,
                "closed_early": listener.closed_early,
                "evicted": listener.evicted,
            },
            "upstream": {
                "full": self.full.load(Relaxed),
                "resumed": self.resumed.load(Relaxed),
                "verified_from_cache": self.cached.load(Relaxed),
            },
        });
        let upstream = self.upstream.get();
        if let Some(tickets) = upstream.and_then(Connector::tickets) {
            all["upstream"]["tickets"] = of_tickets(tickets.stats());
        }
        if let Some(verifier) = upstream.and_then(Connector::verifier) {
            all["upstream"]["verifier"] = of_verifier(verifier.stats());
        }
        if let Some(tls) = &self.clients {
            all["certificates"] = of_certificates(&tls.certificates.stats());
            if let Some(keys) = &tls.keys {
                all["tickets"] = of_keys(&keys.stats());
            }
        }
        all
    }
}

fn of_tickets(stats: TicketStats) -> Value {
    json!({
        "stored": stats.stored,
        "hits": stats.hits,
        "misses": stats.misses,
        "stale": stats.stale,
        "evicted": stats.evicted,
        "servers": stats.servers,
        "tickets": stats.tickets,
    })
}

fn of_verifier(stats: VerifierStats) -> Value {
    json!({
        "hits": stats.hits,
        "misses": stats.misses,
        "failures": stats.failures,
        "waited": stats.waited,
        "expired": stats.expired,
        "evicted": stats.evicted,
        "entries": stats.entries,
    })
}

fn of_keys(stats: &TicketKeyStats) -> Value {
    json!({
        "encrypted": stats.encrypted,
        "decrypted": stats.decrypted,
        "unknown_key": stats.unknown_key,
        "rejected": stats.rejected,
        "rotations": stats.rotations,
    })
}

fn of_certificates(stats: &SniStats) -> Value {
    json!({
        "certificates": stats.certificates,
        "names": stats.names,
        "reloads": stats.reloads,
        "reload_errors": stats.reload_errors,
        "refused": stats.refused,
        "defaulted": stats.defaulted,
        "last_error": stats.last_error,
    })
}
