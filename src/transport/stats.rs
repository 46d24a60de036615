//! Statistics of a connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::proto::counts::{FrameCounts, SLOTS};

/// What has gone over a connection so far, as of the last read or write call. Once
/// it is gone, what it held of octets and of the budget is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Frames to the peer, as cut for the wire. 0 on a connection that does not
    /// speak HTTP/2.
    pub outbound_frames: FrameCounts,
    /// Frames from the peer.
    pub inbound_frames: FrameCounts,
    /// Octets to the peer, above TLS.
    pub outbound_octets: u64,
    /// Octets from the peer, above TLS.
    pub inbound_octets: u64,
    /// Write calls to the IO below that took octets.
    pub write_calls: u64,
    /// Read calls to the IO below that gave octets.
    pub read_calls: u64,
    /// Flushes of the HTTP/2 stack that were answered before the octets were
    /// written, to gather more.
    pub deferred_flushes: u64,
    /// Octets in the largest write call.
    pub largest_batch: u64,
    /// Octets that wait to be scheduled: DATA by stream, and the other frames.
    /// Not 0 only while streams compete for a socket that is full.
    pub queued_octets: u64,
    /// How often streams began to compete for a socket that was full.
    pub congestions: u64,
    /// The round trip to the peer's HTTP/2 stack, as far as it is known: by the
    /// acknowledgement of SETTINGS and of PINGs. Measured with
    /// [`Config::flow_control`](crate::Config::flow_control) only, as all below.
    pub round_trip: Option<Duration>,
    /// What the peer may send on the connection now, in octets, as far as it was
    /// told. Negative if the peer has sent more than that.
    pub receive_window: i64,
    /// What the stack has granted, and the peer was not told of.
    pub receive_reserve: i64,
    /// Octets that the connection carries in a round trip, as estimated; 0 if that
    /// is not known.
    pub bandwidth_delay_product: u64,
    /// Octets of DATA that have come and are not consumed, as far as a layer
    /// watches them.
    pub unconsumed_octets: u64,
    /// How often the peer has used up a window, of a stream or of the connection,
    /// and had to wait.
    pub window_stops: u64,
    /// What the streams that may bring more DATA have of the
    /// [`WindowBudget`](crate::WindowBudget), in octets. Streams that have ended keep
    /// some until it is consumed, which is not counted here.
    pub window_budget: u64,
}

impl ConnectionStats {
    /// Frames that a write call took, on average; 0 before the first.
    #[must_use]
    pub fn frames_per_write(&self) -> f64 {
        match self.write_calls {
            0 => 0.0,
            calls => self.outbound_frames.total() as f64 / calls as f64,
        }
    }

    /// Of a connection that is gone: what it held is given up.
    pub(super) fn at_the_end(self) -> Self {
        Self {
            queued_octets: 0,
            unconsumed_octets: 0,
            window_budget: 0,
            ..self
        }
    }
}

/// The statistics that a connection shares with its handles. One task writes
/// them, so plain stores do.
#[derive(Debug, Default)]
pub(super) struct SharedStats {
    outbound_frames: [AtomicU64; SLOTS],
    inbound_frames: [AtomicU64; SLOTS],
    scalars: [AtomicU64; 15],
}

impl SharedStats {
    pub(super) fn publish(&self, stats: &ConnectionStats) {
        store(&self.outbound_frames, &stats.outbound_frames.slots);
        store(&self.inbound_frames, &stats.inbound_frames.slots);
        let scalars = [
            stats.outbound_octets,
            stats.inbound_octets,
            stats.write_calls,
            stats.read_calls,
            stats.deferred_flushes,
            stats.largest_batch,
            stats.queued_octets,
            stats.congestions,
            // No round trip takes no time.
            stats
                .round_trip
                .map_or(0, |rtt| (rtt.as_nanos() as u64).max(1)),
            stats.receive_window as u64,
            stats.receive_reserve as u64,
            stats.bandwidth_delay_product,
            stats.unconsumed_octets,
            stats.window_stops,
            stats.window_budget,
        ];
        store(&self.scalars, &scalars);
    }

    pub(super) fn load(&self) -> ConnectionStats {
        let [
            outbound,
            inbound,
            writes,
            reads,
            deferred,
            largest,
            queued,
            congestions,
            round_trip,
            window,
            reserve,
            product,
            unconsumed,
            stops,
            budget,
        ] = load(&self.scalars);
        ConnectionStats {
            outbound_frames: FrameCounts {
                slots: load(&self.outbound_frames),
            },
            inbound_frames: FrameCounts {
                slots: load(&self.inbound_frames),
            },
            outbound_octets: outbound,
            inbound_octets: inbound,
            write_calls: writes,
            read_calls: reads,
            deferred_flushes: deferred,
            largest_batch: largest,
            queued_octets: queued,
            congestions,
            round_trip: (round_trip > 0).then(|| Duration::from_nanos(round_trip)),
            receive_window: window as i64,
            receive_reserve: reserve as i64,
            bandwidth_delay_product: product,
            unconsumed_octets: unconsumed,
            window_stops: stops,
            window_budget: budget,
        }
    }
}

fn store<const N: usize>(to: &[AtomicU64; N], from: &[u64; N]) {
    for (to, from) in to.iter().zip(from) {
        to.store(*from, Ordering::Relaxed);
    }
}

fn load<const N: usize>(from: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|i| from[i].load(Ordering::Relaxed))
}
