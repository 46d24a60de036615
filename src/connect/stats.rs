//! What a connector counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::error::ConnectError;
use crate::tls::{HandshakeInfo, PeerVerification};

/// What a [`Connector`](crate::Connector) and its clones have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectorStats {
    /// Connections that were made.
    pub connected: u64,
    /// TLS handshakes that made a new session.
    pub full_handshakes: u64,
    /// TLS handshakes that resumed an earlier session.
    pub resumed_handshakes: u64,
    /// Of the full ones, those whose certificates had been verified lately.
    pub cached_verifications: u64,
    /// Connections that were not made, those that took too long included.
    pub failed: u64,
    /// Connections that were not made in time.
    pub timed_out: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    connected: AtomicU64,
    full_handshakes: AtomicU64,
    resumed_handshakes: AtomicU64,
    cached_verifications: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
}

impl Tally {
    pub(super) fn connected(&self, handshake: Option<&HandshakeInfo>) {
        self.connected.fetch_add(1, Relaxed);
        let Some(handshake) = handshake else { return };
        match handshake.resumed {
            true => self.resumed_handshakes.fetch_add(1, Relaxed),
            false => self.full_handshakes.fetch_add(1, Relaxed),
        };
        if handshake.verification == PeerVerification::Cached {
            self.cached_verifications.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn failed(&self, error: &ConnectError) {
        self.failed.fetch_add(1, Relaxed);
        if error.is_timeout() {
            self.timed_out.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn stats(&self) -> ConnectorStats {
        ConnectorStats {
            connected: self.connected.load(Relaxed),
            full_handshakes: self.full_handshakes.load(Relaxed),
            resumed_handshakes: self.resumed_handshakes.load(Relaxed),
            cached_verifications: self.cached_verifications.load(Relaxed),
            failed: self.failed.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
        }
    }
}
