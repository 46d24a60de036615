//! What a connection shows of one stream, for its handles.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::budget::Share;
use super::priority::Priority;
use crate::flow_control::FlowHint;
use crate::sync::{AtomicBool, AtomicU8, AtomicU64, Mutex};

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
    inbound: InboundState,
}

/// What a layer says of the DATA that comes in, and what the connection shows.
#[derive(Debug)]
struct InboundState {
    /// What a layer says of it, below.
    watched: AtomicU8,
    /// Octets that the application has consumed.
    consumed: AtomicU64,
    /// The connection wants to know once so much is consumed.
    alarm: AtomicU64,
    /// How much there is in all; `u64::MAX` if that is not known.
    length: AtomicU64,
    /// Octets that came, without padding.
    received: AtomicU64,
    window: AtomicU64,
    /// What the stream has of the budget, once nothing more comes, until all is
    /// consumed.
    share: Mutex<Option<Share>>,
}

/// A layer that watches may find the stream yet.
const EXPECTED: u8 = 16;
/// A layer watches what is consumed.
const WATCHED: u8 = 1;
/// It did, and the application wants no more.
const DONE: u8 = 2;
/// [`FlowHint::Bulk`].
const BULK: u8 = 4;
/// [`FlowHint::Interactive`].
const INTERACTIVE: u8 = 8;

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
            inbound: InboundState {
                watched: AtomicU8::new(0),
                consumed: AtomicU64::new(0),
                alarm: AtomicU64::new(u64::MAX),
                length: AtomicU64::new(u64::MAX),
                received: AtomicU64::new(0),
                window: AtomicU64::new(0),
                share: Mutex::new(None),
            },
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

/// For the layers: what is consumed. All of it is counted, from the first octet on.
#[cfg_attr(not(any(test, feature = "layer")), expect(dead_code))]
impl StreamState {
    /// A layer reports from now on.
    pub(crate) fn watch(&self, length: Option<u64>, hint: Option<FlowHint>) {
        let me = &self.inbound;
        me.length.store(length.unwrap_or(u64::MAX), Relaxed);
        let hint = match hint {
            Some(FlowHint::Bulk) => BULK,
            Some(FlowHint::Interactive) => INTERACTIVE,
            None => 0,
        };
        me.watched.store(WATCHED | hint, SeqCst);
    }

    /// The application has consumed so much more. Whether the connection wants to
    /// know.
    #[must_use]
    pub(crate) fn consume(&self, octets: u64) -> bool {
        let me = &self.inbound;
        let consumed = me.consumed.fetch_add(octets, SeqCst) + octets;
        if consumed >= me.received.load(SeqCst) {
            // None if more may come. That was asked without the lock: since then the
            // last of it may have come.
            let mut kept = me.share.lock();
            if consumed >= me.received.load(SeqCst) {
                drop(kept.take());
            }
        }
        // Either this sees the alarm, or who sets it sees what is consumed. It takes
        // only the one that it has seen: in the meantime there may be a later one.
        let mut alarm = me.alarm.load(SeqCst);
        while alarm <= consumed {
            match me.alarm.compare_exchange(alarm, u64::MAX, SeqCst, SeqCst) {
                Ok(_) => return true,
                Err(now) => alarm = now,
            }
        }
        false
    }

    /// The application wants no more. Whether the connection wants to know, because
    /// something waits to be consumed.
    pub(crate) fn unwatch(&self) -> bool {
        let me = &self.inbound;
        me.watched.fetch_or(DONE, SeqCst);
        drop(me.share.lock().take());
        me.consumed.load(SeqCst) < me.received.load(SeqCst)
    }
}

/// For the connection's task: what comes.
impl StreamState {
    /// Octets that are consumed, if a layer watches.
    pub(crate) fn consumed(&self) -> Option<u64> {
        let watched = self.inbound.watched.load(SeqCst);
        (watched & WATCHED != 0 && watched & DONE == 0).then(|| self.inbound.consumed.load(SeqCst))
    }

    /// Layers that watch are about: one may find this stream.
    pub(crate) fn expect(&self) {
        self.inbound.watched.fetch_or(EXPECTED, SeqCst);
    }

    /// Whether it is to be seen yet if a layer watches.
    pub(crate) fn is_expected(&self) -> bool {
        let watched = self.inbound.watched.load(SeqCst);
        watched & (EXPECTED | WATCHED | DONE) == EXPECTED
    }

    /// How much there is in all, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        let length = self.inbound.length.load(Relaxed);
        (length != u64::MAX).then_some(length)
    }

    pub(crate) fn hint(&self) -> Option<FlowHint> {
        match self.inbound.watched.load(Relaxed) & (BULK | INTERACTIVE) {
            BULK => Some(FlowHint::Bulk),
            INTERACTIVE => Some(FlowHint::Interactive),
            _ => None,
        }
    }

    /// The connection wants to know once so much is consumed. `false` if it is
    /// already.
    #[must_use]
    pub(crate) fn set_alarm(&self, consumed: u64) -> bool {
        let me = &self.inbound;
        me.alarm.store(consumed, SeqCst);
        me.consumed.load(SeqCst) < consumed || me.alarm.swap(u64::MAX, SeqCst) == u64::MAX
    }

    /// Shows what came, and the window.
    pub(crate) fn set_received(&self, received: u64, window: u64) {
        self.inbound.received.store(received, SeqCst);
        self.inbound.window.store(window, Relaxed);
    }

    /// Nothing more comes: what the stream has of the budget goes back when all of
    /// it is consumed, or nobody wants it any more.
    pub(crate) fn keep(&self, share: Share) {
        let me = &self.inbound;
        let mut kept = me.share.lock();
        *kept = Some(share);
        // It may have been consumed in the meantime.
        let done = self.unconsumed() == 0;
        let share = if done { kept.take() } else { None };
        drop(kept);
        drop(share);
    }

    pub(crate) fn received(&self) -> u64 {
        self.inbound.received.load(SeqCst)
    }

    /// Octets that came and are not consumed, if a layer watches.
    pub(crate) fn unconsumed(&self) -> u64 {
        let consumed = self.consumed();
        consumed.map_or(0, |consumed| self.received().saturating_sub(consumed))
    }

    pub(crate) fn receive_window(&self) -> u64 {
        self.inbound.window.load(Relaxed)
    }
}

fn encode(priority: Priority) -> u8 {
    priority.urgency() | if priority.is_incremental() { 8 } else { 0 }
}

#[cfg(all(test, framewright_loom))]
mod loom_tests;
#[cfg(test)]
mod tests;
