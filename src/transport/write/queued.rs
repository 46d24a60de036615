//! What goes out while streams compete for a socket that is full.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{MOST_WHILE_SHORT, QUANTUM, WriteSide};
use crate::proto::batch_size::TLS_RECORD;
use crate::proto::head::Head;
use crate::proto::streams::Streams;

impl WriteSide {
    /// Whether frames are queued by stream.
    pub(in crate::transport) fn is_queueing(&self) -> bool {
        self.queueing
    }

    /// Whether the IO below may be offered other octets after it was `Pending`.
    pub(in crate::transport) fn set_may_change_offer(&mut self, may: bool) {
        self.may_change_offer = may;
    }

    /// Whether what is below is to hold little.
    pub(in crate::transport) fn set_short(&mut self, short: bool) {
        self.short = short;
    }

    /// Whether what the stack writes has to be queued: the socket is full and
    /// streams compete for it, or the peer does not take all that the stack may
    /// send.
    pub(super) fn must_queue(&self, streams: &Streams) -> bool {
        self.queueing || streams.is_overdrawn() || (self.stalled && streams.compete())
    }

    pub(super) fn begin_queueing(&mut self, streams: &mut Streams) {
        self.queueing = true;
        self.joinable = None;
        self.quantum = QUANTUM;
        self.owed = true;
        self.written.congestions += 1;
        streams.set_queueing(true);
    }

    /// Takes octets of the stack into the queues. `Pending` only if these are
    /// full: then the socket is, or the peer does not take what is in them, and
    /// either wakes the task.
    pub(super) fn poll_write_queued<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        total: usize,
        streams: &mut Streams,
    ) -> Poll<io::Result<usize>> {
        if !self.queueing {
            self.begin_queueing(streams);
            if self.blocked && !self.may_change_offer {
                // The next write has to start with these octets.
                self.stage(bufs, total, streams);
                self.note_blocked(false);
                return Poll::Ready(Ok(total));
            }
            self.note_blocked(false);
        }
        if streams.is_full() {
            let _ = self.poll_pump(io, cx, streams)?;
            if streams.is_full() {
                return Poll::Pending;
            }
        }
        let seen = &mut self.seen;
        for buf in bufs {
            self.intake.take(
                buf,
                &mut self.outbound,
                streams,
                &mut self.staged,
                &self.pool,
                |head| seen.note(head),
            );
        }
        self.owed = true;
        Poll::Ready(Ok(total))
    }

    /// A flush is answered at once, so that the stack hands over what else it
    /// has: it may be more urgent.
    pub(super) fn flush_queued<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        streams: &mut Streams,
    ) -> Poll<io::Result<()>> {
        self.fresh = false;
        match self.poll_pump(io, cx, streams) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    /// Writes what is queued, in the order of priority, a little at a time so that
    /// the choice is late. `Pending` while the socket is full; ready once there is
    /// nothing more that may go.
    pub(in crate::transport) fn poll_pump<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        streams: &mut Streams,
    ) -> Poll<io::Result<()>> {
        loop {
            let was_full = self.staged.len() >= self.quantum;
            ready!(self.poll_drain(io, cx))?;
            // TLS may hold what the socket has not taken.
            let flushed = Pin::new(&mut *io).poll_flush(cx);
            if self.stalled || flushed.is_pending() {
                self.quantum = QUANTUM;
            } else if was_full {
                self.quantum = (self.quantum * 2).min(MOST_WHILE_SHORT);
            }
            ready!(flushed)?;
            if !self.stage_queued(streams) {
                break;
            }
        }
        let is_done = streams.is_empty() && self.intake.is_empty();
        if is_done && !streams.is_overdrawn() && self.outbound.at_stack_boundary() {
            self.queueing = false;
            self.stalled = false;
            streams.set_queueing(false);
        }
        // What the peer does not take yet, it may when it is asked again.
        self.owed = self.queueing;
        Poll::Ready(Ok(()))
    }

    /// Stages what goes next, if anything may. Whether something is staged.
    fn stage_queued(&mut self, streams: &mut Streams) -> bool {
        if self.intake.blocks_staging(&self.outbound) {
            return !self.staged.is_empty();
        }
        // No TLS record holds a second frame's first octets.
        let largest = match self.records {
            true => TLS_RECORD - Head::LEN,
            false => QUANTUM,
        };
        let limit = largest.min(self.outbound.limit() as usize);
        let seen = &mut self.seen;
        while self.staged.len() < self.quantum
            && streams.next(limit, &mut self.staged, |head| seen.note(head))
        {}
        !self.staged.is_empty()
    }
}
