//! What a connection shows of one stream, for its handles.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use super::priority::Priority;

/// What the connection's task writes and handles read. The figures are of use by
/// themselves, so no order between them is kept.
#[derive(Debug)]
pub(crate) struct StreamState {
    priority: AtomicU8,
    /// DATA octets that were written, as flow control counts them.
    sent: AtomicU64,
    /// DATA octets that wait to be scheduled.
    queued: AtomicU64,
    closed: AtomicBool,
}

/// What the layers and handlers above say of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// The `priority` field of the request: it holds unless a `PRIORITY_UPDATE`
    /// has come.
    Field(Priority),
    /// The server's own: it replaces what there is.
    Own(Priority),
    /// The client's `PRIORITY_UPDATE`s are not to be trusted: neither what came
    /// nor what comes holds.
    Distrust,
}

impl StreamState {
    pub(crate) fn new(priority: Priority) -> Self {
        Self {
            priority: AtomicU8::new(encode(priority)),
            sent: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn priority(&self) -> Priority {
        let octet = self.priority.load(Relaxed);
        Priority::new(octet & 7).incremental(octet & 8 != 0)
    }

    pub(crate) fn set_priority(&self, priority: Priority) {
        self.priority.store(encode(priority), Relaxed);
    }

    /// Octets that were written, and octets that wait.
    pub(crate) fn octets(&self) -> (u64, u64) {
        (self.sent.load(Relaxed), self.queued.load(Relaxed))
    }

    pub(crate) fn set_octets(&self, sent: u64, queued: u64) {
        self.sent.store(sent, Relaxed);
        self.queued.store(queued, Relaxed);
    }

    /// Whether nothing of the stream is left to be written.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    pub(crate) fn close(&self) {
        self.queued.store(0, Relaxed);
        self.closed.store(true, Relaxed);
    }
}

fn encode(priority: Priority) -> u8 {
    priority.urgency() | if priority.is_incremental() { 8 } else { 0 }
}
