//! The outbound side of a transport: gathers frames, cuts them and writes them.

mod early;
mod queued;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::plan::{LEADS, SLICES, plan_leads, plan_slices, shorten};
use super::tally::{Seen, Written};
use crate::config::Config;
use crate::pool::BufferPool;
use crate::proto::batch_size::{BatchSize, TLS_RECORD};
use crate::proto::counts::FrameCounts;
use crate::proto::deferral::Deferral;
use crate::proto::head::{Flags, FrameType, Head};
use crate::proto::intake::Intake;
use crate::proto::outbound::{Lead, Outbound, Wire};
use crate::proto::staged::Staged;
use crate::proto::streams::Streams;

/// Octets to offer at a time while streams compete: a wire frame, or a TLS
/// record. What is offered cannot be overtaken any more.
const QUANTUM: usize = 16 * 1024;

/// Octets to offer at a time while what is below is to hold little.
const MOST_WHILE_SHORT: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct WriteSide {
    outbound: Outbound,
    staged: Staged,
    batch: BatchSize,
    deferral: Deferral,
    /// Whether the IO below is TLS, which is best given whole records.
    records: bool,
    /// Whether flushes may be answered before the octets are written.
    defer: bool,
    /// Octets of the stack came since the last flush.
    fresh: bool,
    /// Flushes that were deferred since the last batch was written.
    flushes: u32,
    /// The task has woken itself, and not slept since, so that the batch goes out.
    woken: bool,
    /// A flush was answered that the IO below has not seen yet.
    owed: bool,
    /// A write of the stack's octets in place was `Pending`. The IO below may
    /// have encrypted what it was offered, so the next write has to start with
    /// the same octets: nothing comes in between until it is through.
    blocked: bool,
    /// The largest frame that may be cut, once nothing is blocked.
    limit: u32,
    /// The frames that were staged or written.
    seen: Seen,
    /// The frame that was staged last, if more DATA may be joined to it, and
    /// where its head is.
    joinable: Option<(Head, u64)>,
    written: Written,
    /// Heads of a write that is tried, for when it is through.
    heads: Vec<Head>,
    /// What is gathered for the queues.
    intake: Intake,
    /// Frames are queued by stream, and go out by priority.
    queueing: bool,
    /// The IO below took less than it was offered the last time.
    stalled: bool,
    /// Octets to offer at a time while frames are queued.
    quantum: usize,
    /// What is below is to hold little, because streams compete or lately did.
    short: bool,
    /// Whether the IO below may be offered other octets after it was `Pending`.
    may_change_offer: bool,
    pool: BufferPool,
}

impl WriteSide {
    pub(super) fn new(config: &Config, is_server: bool) -> Self {
        let mut outbound = Outbound::new();
        if is_server && config.no_rfc7540_priorities {
            outbound.announce();
        }
        if let Some(flow) = &config.flow_control {
            outbound.manage(flow.initial);
        }
        Self {
            outbound,
            staged: Staged::new(config.pool.clone()),
            batch: BatchSize::new(config.batch_min, config.batch_max),
            deferral: Deferral::default(),
            records: config.tls_records,
            defer: config.defer_flush,
            fresh: false,
            flushes: 0,
            woken: false,
            owed: false,
            blocked: false,
            limit: outbound.limit(),
            seen: Seen::default(),
            joinable: None,
            written: Written::default(),
            heads: Vec::new(),
            intake: Intake::default(),
            queueing: false,
            stalled: false,
            quantum: QUANTUM,
            short: false,
            may_change_offer: false,
            pool: config.pool.clone(),
        }
    }

    pub(super) fn written(&self) -> &Written {
        &self.written
    }

    pub(super) fn frames(&self) -> &FrameCounts {
        &self.seen.frames
    }

    /// The task is about to sleep: what it has woken itself for happens now, and a
    /// flush that is deferred after this needs a wake-up of its own.
    pub(super) fn sleeps(&mut self) {
        self.deferral.sleeps();
        self.woken = false;
    }

    /// SETTINGS that the stack has acknowledged since the last call.
    pub(super) fn take_settings_acks(&mut self) -> u32 {
        std::mem::take(&mut self.seen.settings_acks)
    }

    /// The connection turned out to have no frames.
    pub(super) fn forget_frames(&mut self) {
        self.seen = Seen::default();
    }

    pub(super) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
        if !self.blocked {
            self.outbound.set_limit(limit);
        }
    }

    /// A write of the stack's octets in place has come to this.
    fn note_blocked(&mut self, is_pending: bool) {
        self.stalled |= is_pending;
        if self.blocked != is_pending {
            self.blocked = is_pending;
            self.set_limit(self.limit);
        }
    }

    /// Whether the stack has to write on before anything else can be written.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether a frame of our own may be staged now: where no frame of the
    /// stack's is cut in two, and while there is room for more.
    pub(super) fn takes_frames(&self, streams: &Streams) -> bool {
        let waits = match self.queueing {
            true => streams.queued_frames(),
            false => self.staged.len(),
        };
        self.outbound.at_boundary() && !self.blocked && waits < self.batch.get()
    }

    /// Whether a flush was answered, or a frame of our own was staged, whose
    /// octets are still on their way.
    pub(super) fn is_flush_owed(&self) -> bool {
        self.owed
    }

    /// The stack has nothing more to send: what waits for the rest of its head
    /// goes out as it is.
    pub(super) fn finish(&mut self) {
        let partial = self.outbound.take_partial_head();
        if !partial.is_empty() {
            self.staged.append(&partial);
        }
    }

    pub(super) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Stages a frame of our own. It goes out as if it had been flushed.
    pub(super) fn stage_frame(&mut self, head: Head, payload: &[u8], streams: &mut Streams) {
        debug_assert!(self.outbound.at_boundary());
        if self.queueing {
            streams.take_frame(head, [&head.encode()[..], payload].concat());
            return;
        }
        self.joinable = None;
        self.staged.append(&head.encode());
        self.staged.append(payload);
        self.seen.frames.add(head.kind);
        self.owed = true;
    }

    /// Takes octets of the stack: queues them, stages them, or writes them where
    /// they are if they fill a batch. Ready with octets taken, at least one.
    pub(super) fn poll_write<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        streams: &mut Streams,
    ) -> Poll<io::Result<usize>> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        if total == 0 {
            return Poll::Ready(Ok(0));
        }
        if !self.must_queue(streams) {
            let polled = self.poll_write_at_once(io, cx, bufs, total, streams);
            if polled.is_ready() || !self.must_queue(streams) {
                return polled;
            }
        }
        self.poll_write_queued(io, cx, bufs, total, streams)
    }

    fn poll_write_at_once<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        total: usize,
        streams: &mut Streams,
    ) -> Poll<io::Result<usize>> {
        if self.short && self.records {
            // TLS takes more than the socket does; not before that is gone.
            let flushed = Pin::new(&mut *io).poll_flush(cx);
            self.stalled |= flushed.is_pending();
            ready!(flushed)?;
        }
        let expects_more = self.defer && self.deferral.expects_more();
        let is_little = total <= self.most_to_offer(total);
        if self.staged.is_empty() && is_little && (self.blocked || !expects_more) {
            // This is all there is to write, most likely.
            let mut after = self.outbound;
            self.heads.clear();
            let heads = &mut self.heads;
            if after.follow(bufs.iter().map(|buf| &buf[..]), |head| heads.push(head)) {
                let n = ready!(self.poll_write_verbatim(io, cx, bufs, total))?;
                if n < total {
                    return Poll::Ready(Ok(self.commit(bufs, n, streams)));
                }
                self.outbound = after;
                for head in &self.heads {
                    self.seen.note(*head);
                    streams.note(*head);
                }
                return Poll::Ready(Ok(n));
            }
        }
        if !self.blocked && self.staged.len() + total < self.batch.get() {
            self.stage(bufs, total, streams);
            return Poll::Ready(Ok(total));
        }
        if !io.is_write_vectored() {
            return self.poll_write_copied(io, cx, bufs, total, streams);
        }
        loop {
            // No octet may be taken while wire octets go out: the tail of a
            // head, or staged octets. Try until one is, or the socket is full.
            let taken = ready!(self.poll_write_direct(io, cx, bufs, total, streams))?;
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    /// Writes octets that are on the wire as they are here. Returns how many.
    fn poll_write_verbatim<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        total: usize,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        let polled = match bufs {
            [only] => io.poll_write(cx, only),
            several => io.poll_write_vectored(cx, several),
        };
        self.note_blocked(polled.is_pending());
        let n = ready!(polled)?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.count_write(n, total);
        self.fresh = true;
        Poll::Ready(Ok(n))
    }

    /// For an IO that takes one slice at a time, copies are cheaper than calls.
    fn poll_write_copied<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        total: usize,
        streams: &mut Streams,
    ) -> Poll<io::Result<usize>> {
        if self.staged.len() >= self.batch.get() {
            ready!(self.poll_drain(io, cx))?;
            self.batch.filled();
        }
        let room = self.batch.most().saturating_sub(self.staged.len());
        let taken = total.min(room.max(1));
        self.stage(bufs, taken, streams);
        // What was to be repeated is staged, and so it will be.
        self.note_blocked(false);
        Poll::Ready(Ok(taken))
    }

    /// Copies the first `total` octets of `bufs`, cut for the wire.
    fn stage(&mut self, bufs: &[IoSlice<'_>], total: usize, streams: &mut Streams) {
        let mut left = total;
        for buf in bufs {
            let mut input = &buf[..buf.len().min(left)];
            left -= input.len();
            loop {
                let (n, wire) = self.outbound.next(input, usize::MAX);
                let (consumed, rest) = input.split_at(n);
                input = rest;
                match wire {
                    Some(Wire::Head(lead)) => {
                        streams.note(lead.head);
                        self.stage_head(&lead);
                    }
                    Some(Wire::Payload(n)) => self.staged.append(&consumed[consumed.len() - n..]),
                    Some(Wire::Parameter(lead)) => {
                        streams.sends_parameter(&lead);
                        self.staged.append(lead.octets());
                    }
                    Some(Wire::Withheld { stream, increment }) => {
                        streams.stack_grants(stream, increment);
                    }
                    None if n == 0 => break,
                    None => {}
                }
            }
        }
        self.fresh = true;
    }

    /// Stages a head, or joins its frame to the one before (rule F4): DATA of
    /// the same stream, neither padded, that still fit into one frame.
    fn stage_head(&mut self, lead: &Lead) {
        let head = lead.head;
        let is_plain_data = head.kind == FrameType::DATA && !head.flags.contains(Flags::PADDED);
        if let Some((before, at)) = self.joinable
            && is_plain_data
            && before.stream == head.stream
            && before.length + head.length <= self.outbound.limit()
        {
            let joined = Head {
                length: before.length + head.length,
                ..head
            };
            if self.staged.replace(at, &joined.encode()) {
                self.joinable = joinable(joined).map(|joined| (joined, at));
                return;
            }
        }
        // What is blocked was offered as it is.
        self.joinable = match is_plain_data && !self.blocked {
            true => joinable(head).map(|head| (head, self.staged.position())),
            false => None,
        };
        self.seen.note(lead.head);
        self.staged.append(lead.octets());
    }

    /// One vectored write of what is staged and of `bufs`, where they are.
    /// Returns how many octets of `bufs` were taken, which may be none.
    fn poll_write_direct<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        total: usize,
        streams: &mut Streams,
    ) -> Poll<io::Result<usize>> {
        // What the wire would look like, on a copy of the state.
        let mut leads: [Option<Lead>; LEADS] = [None; LEADS];
        let lead_count = plan_leads(self.outbound, bufs, &mut leads);

        let mut slices: [&[u8]; SLICES] = [&[]; SLICES];
        let (mut count, mut offered) = self.staged.slices(&mut slices[..4]);
        if offered == self.staged.len() {
            let (planned, octets) = plan_slices(
                self.outbound,
                bufs,
                &leads[..lead_count],
                &mut slices[count..],
            );
            if octets == 0 {
                // Nothing of this goes to the wire by itself.
                self.note_blocked(false);
                self.stage(bufs, total, streams);
                return Poll::Ready(Ok(total));
            }
            count += planned;
            offered += octets;
        }
        let most = self.most_to_offer(offered);
        if most < offered {
            (count, offered) = (shorten(&mut slices[..count], most), most);
        }
        let slices = slices.map(IoSlice::new);

        let polled = Pin::new(io).poll_write_vectored(cx, &slices[..count]);
        self.joinable = None;
        self.note_blocked(polled.is_pending());
        let n = ready!(polled)?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.count_write(n, offered);
        if n == offered {
            self.batch.filled();
        }
        let staged = self.staged.advance(n);
        if !self.staged.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.batch_done();
        let taken = self.commit(bufs, n - staged, streams);
        // The tail of a head may be staged now.
        self.fresh = !self.staged.is_empty();
        self.seen.urgent &= self.fresh;
        Poll::Ready(Ok(taken))
    }

    /// How many of so many octets to offer in one call.
    fn most_to_offer(&self, octets: usize) -> usize {
        let most = match self.short {
            true => octets.min(MOST_WHILE_SHORT),
            false => octets,
        };
        match self.records && most > TLS_RECORD {
            true => most - most % TLS_RECORD,
            false => most,
        }
    }

    /// `n` octets of the wire form of `bufs` are written: moves the state to
    /// just there. Returns how many octets of `bufs` that is.
    fn commit(&mut self, bufs: &[IoSlice<'_>], mut n: usize, streams: &mut Streams) -> usize {
        let mut taken = 0;
        if n > 0 {
            self.joinable = None;
        }
        for buf in bufs {
            let mut input: &[u8] = buf;
            while n > 0 {
                let (consumed, wire) = self.outbound.next(input, n);
                input = &input[consumed..];
                taken += consumed;
                match wire {
                    Some(Wire::Head(lead) | Wire::Parameter(lead)) => {
                        if matches!(wire, Some(Wire::Head(_))) {
                            self.seen.note(lead.head);
                            streams.note(lead.head);
                        } else {
                            streams.sends_parameter(&lead);
                        }
                        let octets = lead.octets();
                        let written = n.min(octets.len());
                        n -= written;
                        if written < octets.len() {
                            self.staged.append(&octets[written..]);
                        }
                    }
                    Some(Wire::Payload(m)) => n -= m,
                    Some(Wire::Withheld { stream, increment }) => {
                        streams.stack_grants(stream, increment);
                    }
                    None if consumed == 0 => break,
                    None => {}
                }
            }
        }
        debug_assert_eq!(n, 0, "more was written than was offered");
        taken
    }

    /// Flushes, now or a little later.
    pub(super) fn poll_flush<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        streams: &mut Streams,
    ) -> Poll<io::Result<()>> {
        if self.queueing {
            return self.flush_queued(io, cx, streams);
        }
        let has_more = std::mem::take(&mut self.fresh) && self.deferral.flush();
        if has_more
            && self.defer
            && !self.seen.urgent
            && !self.staged.is_empty()
            && self.staged.len() < self.batch.get()
        {
            self.flushes += 1;
            self.owed = true;
            self.written.deferred_flushes += 1;
            if !self.woken {
                self.woken = true;
                cx.waker().wake_by_ref();
            }
            return Poll::Ready(Ok(()));
        }
        let polled = self.poll_drain_and_flush(io, cx);
        if polled.is_pending() && self.must_queue(streams) {
            // What is staged is on its way; the stack goes on.
            self.begin_queueing(streams);
            return Poll::Ready(Ok(()));
        }
        polled
    }

    /// Writes all that is staged, and flushes the IO below.
    pub(super) fn poll_drain_and_flush<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let staged = self.staged.len();
        ready!(self.poll_drain(io, cx))?;
        if staged > 0 {
            self.batch.drained(staged);
        }
        let flushed = Pin::new(io).poll_flush(cx);
        self.stalled |= flushed.is_pending();
        ready!(flushed)?;
        self.owed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_drain<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        // What is offered must not change any more.
        self.joinable = None;
        while !self.staged.is_empty() {
            let mut slices: [&[u8]; 8] = [&[]; 8];
            let (count, octets) = self.staged.slices(&mut slices);
            let io = Pin::new(&mut *io);
            let polled = match &slices[..count] {
                [only] => io.poll_write(cx, only),
                _ => io.poll_write_vectored(cx, &slices.map(IoSlice::new)[..count]),
            };
            self.stalled |= polled.is_pending();
            let n = ready!(polled)?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.count_write(n, octets);
            self.staged.advance(n);
        }
        self.batch_done();
        Poll::Ready(Ok(()))
    }

    /// Nothing is staged any more.
    fn batch_done(&mut self) {
        self.deferral.batch_done(std::mem::take(&mut self.flushes));
        self.joinable = None;
        self.fresh = false;
        self.seen.urgent = false;
        self.woken = false;
    }

    /// A write of `offered` octets took `n`.
    fn count_write(&mut self, n: usize, offered: usize) {
        self.stalled = n < offered;
        self.written.calls += 1;
        self.written.octets += n as u64;
        self.written.largest_batch = self.written.largest_batch.max(n as u64);
    }
}

/// A frame of DATA that more may be joined to: its stream goes on.
fn joinable(head: Head) -> Option<Head> {
    (!head.flags.contains(Flags::END_STREAM)).then_some(head)
}
