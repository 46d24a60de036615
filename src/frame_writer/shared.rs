//! What the tasks of a frame writer share.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    mem,
    task::{Poll, Waker},
};

use bytes::Bytes;

use super::{config::FrameWriterConfig, flush::Progress, queue::Queue};
use crate::{
    BufferPool, Frame, FrameError, FrameType, StreamId, proto::batch::Batch,
    proto::batch_size::BatchSize,
};

/// Slices that one write call is offered at most.
pub(super) const SLICES: usize = 128;

/// What stands behind the lock.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// Cut and not yet written. Empty while a write call has it.
    batch: Batch,
    pub(super) size: BatchSize,
    /// A write call has the batch.
    out: bool,
    /// A flush has the lease.
    pub(super) leased: bool,
    /// Of a flush by polling that is not done.
    pub(super) polled: Option<Progress>,
    waiters: BTreeMap<u64, Waker>,
    next_waiter: u64,
    /// Octets that are of no more use. Dropping them may run code of the user,
    /// which may use the writer: it is done without the lock.
    garbage: Vec<Bytes>,
}

impl Shared {
    pub(super) fn new(config: &FrameWriterConfig) -> Result<Self, FrameError> {
        Ok(Self {
            queue: Queue::new(config, RandomState::new().hash_one(0_u8))?,
            batch: Batch::default(),
            size: BatchSize::new(config.batch.0, config.batch.1),
            out: false,
            leased: false,
            polled: None,
            waiters: BTreeMap::new(),
            next_waiter: 0,
            garbage: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, frame: Frame) -> Result<(), FrameError> {
        let reset = (frame.kind() == FrameType::RST_STREAM).then_some(frame.stream());
        self.queue.push(frame)?;
        if let Some(stream) = reset {
            let (pushes, _) = self.drop_data(stream);
            self.queue.abandon(stream, pushes > 0);
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, stream: StreamId) -> u64 {
        let (pushes, octets) = self.drop_data(stream);
        if pushes > 0 {
            self.queue.abandon(stream, true);
        }
        octets
    }

    /// Drops the stream's DATA of which nothing is written.
    fn drop_data(&mut self, stream: StreamId) -> (usize, u64) {
        let (mut pushes, mut octets) = self.queue.drop_data(stream, &mut self.garbage);
        // While a write call has the batch, all of it counts as started. And
        // trailers that are cut would make the peer take DATA with a hole in it
        // for whole, so the DATA before them stays.
        if !self.out && !self.batch.ends_with_headers(stream) {
            let (frames, payload) = self.batch.drop_data(stream);
            pushes += frames;
            octets += payload;
            self.queue.in_flight = self.batch.octets();
            self.garbage.extend(self.batch.take_garbage());
        }
        (pushes, octets)
    }

    /// What is to be dropped without the lock.
    #[must_use]
    pub(super) fn take_garbage(&mut self) -> Vec<Bytes> {
        mem::take(&mut self.garbage)
    }

    /// Whether nothing is kept of any stream.
    #[cfg(any(test, fuzzing))]
    pub(super) fn is_at_rest(&self) -> bool {
        self.queue.is_at_rest() && self.batch.is_empty() && self.waiters.is_empty()
    }

    /// Takes the batch out for a write call. It is filled up with what the
    /// queue chooses now if `fill` says so, or if it is empty and `more` is
    /// wanted.
    pub(super) fn check_out(&mut self, fill: bool, more: bool, pool: &BufferPool) -> Batch {
        let mut batch = mem::take(&mut self.batch);
        if more && (fill || batch.is_empty()) {
            while batch.octets() < self.size.get() as u64
                && batch.slice_count() < SLICES
                && self.queue.write_next(&mut batch, pool)
            {}
        }
        self.queue.in_flight = batch.octets();
        self.out = true;
        batch
    }

    /// Puts the batch back after a write call.
    pub(super) fn check_in(&mut self, batch: Batch) {
        self.queue.in_flight = batch.octets();
        self.batch = batch;
        self.out = false;
    }

    /// Cuts all that waits, and takes it out. `None` while a write call has the
    /// batch.
    pub(super) fn take(&mut self, pool: &BufferPool) -> Option<Batch> {
        if self.out {
            return None;
        }
        let mut batch = mem::take(&mut self.batch);
        while self.queue.write_next(&mut batch, pool) {}
        self.queue.in_flight = 0;
        Some(batch)
    }

    /// Waits until no more than half of the bound is queued. `waiter` is the
    /// caller's number, once it has one. Returns the waker that is of no more
    /// use as well: what it owns may use the writer, so it is to be dropped
    /// without the lock.
    pub(super) fn poll_ready(
        &mut self,
        waiter: &mut Option<u64>,
        waker: Waker,
    ) -> (Poll<()>, Option<Waker>) {
        if self.has_room() {
            // The caller holds a waker like this one, so it is not the last.
            drop(waker);
            (Poll::Ready(()), self.forget(waiter))
        } else {
            let number = *waiter.get_or_insert_with(|| {
                self.next_waiter += 1;
                self.next_waiter
            });
            (Poll::Pending, self.waiters.insert(number, waker))
        }
    }

    pub(super) fn forget(&mut self, waiter: &mut Option<u64>) -> Option<Waker> {
        self.waiters.remove(&waiter.take()?)
    }

    /// The tasks to wake, once the lock is released.
    #[must_use]
    pub(super) fn take_waiters(&mut self) -> BTreeMap<u64, Waker> {
        if self.waiters.is_empty() || !self.has_room() {
            return BTreeMap::new();
        }
        mem::take(&mut self.waiters)
    }

    fn has_room(&self) -> bool {
        self.queue.octets() <= self.queue.bound() / 2
    }
}
