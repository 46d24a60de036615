//! From the queue to the socket.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use super::{
    FrameWriter,
    report::{FlushError, FlushReport},
    shared::SLICES,
};
use crate::proto::batch::Batch;

/// Octets that are copied together for a writer that takes one slice at a time.
const COALESCE: usize = 32 << 10;

/// How far a flush is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    report: FlushReport,
    /// Octets after which no more is taken from the queue.
    budget: u64,
}

/// The future of [`FrameWriter::flush_to`].
#[must_use = "a flush does nothing unless it is polled"]
#[derive(Debug)]
pub struct Flush<'a, W: ?Sized> {
    writer: &'a FrameWriter,
    io: &'a mut W,
    lease: Option<Lease<'a>>,
    progress: Option<Progress>,
}

impl<'a, W: ?Sized> Flush<'a, W> {
    pub(super) fn new(writer: &'a FrameWriter, io: &'a mut W) -> Self {
        Self {
            writer,
            io,
            lease: None,
            progress: None,
        }
    }
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Flush<'_, W> {
    type Output = Result<FlushReport, FlushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.lease.is_none() {
            match Lease::take(this.writer) {
                Some(lease) => this.lease = Some(lease),
                None => return Poll::Ready(Err(FlushError::under_way())),
            }
        }
        let progress = this
            .progress
            .get_or_insert_with(|| Progress::new(this.writer));
        let result = ready!(this.writer.drive(cx, Pin::new(&mut *this.io), progress));
        let report = progress.report;
        this.lease = None;
        this.progress = None;
        Poll::Ready(match result {
            Ok(()) => Ok(report),
            Err(error) => Err(FlushError::io(error, report)),
        })
    }
}

/// The right to write: one flush has it at a time.
#[derive(Debug)]
pub(super) struct Lease<'a>(&'a FrameWriter);

impl<'a> Lease<'a> {
    fn take(writer: &'a FrameWriter) -> Option<Self> {
        let mut shared = writer.shared.lock();
        if shared.leased {
            return None;
        }
        shared.leased = true;
        Some(Self(writer))
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.0.shared.lock().leased = false;
    }
}

impl Progress {
    fn new(writer: &FrameWriter) -> Self {
        let queue = &writer.shared.lock().queue;
        Self {
            report: FlushReport::default(),
            budget: queue.octets().saturating_add(queue.bound()),
        }
    }
}

/// The batch during a write call. It goes back whatever happens.
struct CheckedOut<'a> {
    writer: &'a FrameWriter,
    batch: Batch,
}

impl Drop for CheckedOut<'_> {
    fn drop(&mut self) {
        let mut shared = self.writer.shared.lock();
        shared.check_in(std::mem::take(&mut self.batch));
        let waiters = shared.take_waiters();
        drop(shared);
        waiters.into_values().for_each(std::task::Waker::wake);
    }
}

impl FrameWriter {
    pub(super) fn poll_flush<W: AsyncWrite + ?Sized>(
        &self,
        cx: &mut Context<'_>,
        io: Pin<&mut W>,
    ) -> Poll<Result<FlushReport, FlushError>> {
        let Some(lease) = Lease::take(self) else {
            return Poll::Ready(Err(FlushError::under_way()));
        };
        let polled = self.shared.lock().polled.take();
        let mut progress = polled.unwrap_or_else(|| Progress::new(self));
        let result = self.drive(cx, io, &mut progress);
        if result.is_pending() {
            self.shared.lock().polled = Some(progress);
        }
        drop(lease);
        result
            .map_ok(|()| progress.report)
            .map_err(|error| FlushError::io(error, progress.report))
    }

    /// Writes until nothing waits or the budget is used up, then flushes `io`.
    fn drive<W: AsyncWrite + ?Sized>(
        &self,
        cx: &mut Context<'_>,
        mut io: Pin<&mut W>,
        progress: &mut Progress,
    ) -> Poll<io::Result<()>> {
        // After a partial write the socket is full: what goes next is chosen
        // when it has room again, which is at the next poll.
        let mut fill = true;
        loop {
            let Some(mut out) = self.check_out(fill, progress) else {
                ready!(io.as_mut().poll_flush(cx))?;
                if self.is_empty() || progress.exhausted() {
                    return Poll::Ready(Ok(()));
                }
                continue;
            };
            fill = false;
            let (offered, poll) = self.write(cx, io.as_mut(), &mut out.batch);
            let result = match poll {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    out.batch.offered(offered);
                    self.shared.lock().size.stalled();
                    return Poll::Pending;
                }
            };
            let taken = match result? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken if taken > offered => {
                    let error = io::Error::other("a writer claims more octets than it was given");
                    return Poll::Ready(Err(error));
                }
                taken => taken,
            };
            progress.report.frames += out.batch.advance(taken);
            progress.report.octets += taken as u64;
            progress.report.write_calls += 1;
            self.shared.lock().size.wrote(offered, taken);
        }
    }

    /// The batch to write from, unless the flush is done with writing.
    fn check_out(&self, fill: bool, progress: &Progress) -> Option<CheckedOut<'_>> {
        let more = !progress.exhausted();
        let batch = self.shared.lock().check_out(fill, more, &self.pool);
        let mut out = CheckedOut {
            writer: self,
            batch,
        };
        drop(out.batch.take_garbage());
        (!out.batch.is_empty()).then_some(out)
    }

    /// One write call. Says how many octets it was offered.
    fn write<W: AsyncWrite + ?Sized>(
        &self,
        cx: &mut Context<'_>,
        io: Pin<&mut W>,
        batch: &mut Batch,
    ) -> (usize, Poll<io::Result<usize>>) {
        if io.is_write_vectored() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let (count, octets) = batch.fill(&mut slices);
            (octets, io.poll_write_vectored(cx, &slices[..count]))
        } else {
            batch.coalesce(&self.pool, COALESCE);
            let first = batch.first();
            (first.len(), io.poll_write(cx, first))
        }
    }
}

impl Progress {
    fn exhausted(&self) -> bool {
        self.report.octets >= self.budget
    }
}
