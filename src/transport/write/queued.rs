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
    ///
    /// Not while a write in place has to be repeated: its octets go first in any
    /// case.
    pub(super) fn must_queue(&self, streams: &Streams) -> bool {
        if self.queueing {
            return true;
        }
        let has_to = streams.is_overdrawn() || (self.stalled && streams.compete());
        has_to && (!self.blocked || self.may_change_offer)
    }

    pub(super) fn begin_queueing(&mut self, streams: &mut Streams) {
        self.queueing = true;
        self.joinable = None;
        self.quantum = QUANTUM;
        self.owed = true;
        self.written.congestions += 1;
        self.note_blocked(false);
        streams.set_queueing(true);
    }

    /// Takes octets of the stack into the queues. `Pending` only if these and the
    /// socket are full. Where it is the peer that does not take what is in them,
    /// the stack is not stopped, as it might not read on before it has written: its
    /// streams share what they are told of beyond what each may have queued, and what
    /// else waits for such DATA is bounded by [`Streams::give_up`].
    pub(super) fn poll_write_queued<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        total: usize,
        streams: &mut Streams,
    ) -> Poll<io::Result<usize>> {
        if self.queueing && streams.is_full() {
            let mut pumped = self.poll_pump(io, cx, streams)?;
            while pumped.is_ready() && self.queueing && streams.give_up() {
                pumped = self.poll_pump(io, cx, streams)?;
            }
            if pumped.is_pending() && streams.is_full() {
                return Poll::Pending;
            }
            if !self.queueing {
                // All of it went.
                return self.poll_write(io, cx, bufs, streams);
            }
        }
        if !self.queueing {
            self.begin_queueing(streams);
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
        let may_end = !streams.is_overdrawn() && !streams.has_given_up();
        if is_done && may_end && self.outbound.at_stack_boundary() {
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
