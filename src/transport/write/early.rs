//! What goes out while it is not known yet whether it is HTTP/2, and what turned
//! out not to be.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::WriteSide;
use crate::proto::streams::Streams;

impl WriteSide {
    /// Writes octets of a server whose peer has not said yet what it speaks: just
    /// as they are, unless they start with a SETTINGS frame, which is how a server
    /// says that it speaks HTTP/2 (RFC 9113, section 3.4).
    pub(in crate::transport) fn poll_write_early<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        streams: &mut Streams,
    ) -> Poll<io::Result<usize>> {
        let Some(first) = bufs.iter().find(|buf| !buf.is_empty()) else {
            return Poll::Ready(Ok(0));
        };
        ready!(self.poll_drain(io, cx))?;
        if let Some(n) = self.outbound.first_settings(first) {
            self.stage(&[IoSlice::new(&first[..n])], n, streams);
            // What does not go out now goes before anything else.
            self.owed = self.poll_drain(io, cx)?.is_pending();
            return Poll::Ready(Ok(n));
        }
        let n = ready!(self.poll_write_through(io, cx, bufs))?;
        self.observe(bufs, n, streams);
        streams.overlooked();
        Poll::Ready(Ok(n))
    }

    /// Writes octets just as they are, in one call.
    pub(in crate::transport) fn poll_write_through<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(io, cx))?;
        let n = ready!(Pin::new(io).poll_write_vectored(cx, bufs))?;
        let offered = bufs.iter().map(|buf| buf.len()).sum();
        self.count_write(n, offered);
        Poll::Ready(Ok(n))
    }

    /// Follows octets that [`WriteSide::poll_write_through`] wrote.
    fn observe(&mut self, bufs: &[IoSlice<'_>], mut n: usize, streams: &mut Streams) {
        for buf in bufs {
            let part = &buf[..buf.len().min(n)];
            n -= part.len();
            let frames = &mut self.seen.frames;
            self.outbound.observe(part, |head| {
                frames.add(head.kind);
                streams.sends(head);
            });
        }
    }
}
