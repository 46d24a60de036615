//! The inbound side of a transport: reads ahead and hands over.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::config::Config;
use crate::pool::{BufferPool, PooledBuf};
use crate::proto::inbound::{Inbound, Run, tell};
use crate::proto::preface::{Preface, Verdict};
use crate::proto::streams::Streams;
use crate::proto::tag::Tagger;

/// A stack that has this much space is read into directly, while the load is
/// low. It is less than what h2 offers, and more than a few small requests.
const ENOUGH: usize = 2 * 1024;

/// More runs than this are not kept room for: a peer that makes many, with a
/// burst of SETTINGS, must not pin memory.
const MANY_RUNS: usize = 64;

/// What was read, for the statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Received {
    pub(super) octets: u64,
    pub(super) calls: u64,
}

/// How the octets of a read are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As the start of a client's octets, which may become HTTP/2.
    Preface,
    /// As frames.
    Frames,
    /// Not at all.
    Through,
}

/// What the stack got.
enum Served {
    Some,
    Nothing,
    /// Nothing, though there is more.
    Paused,
}

#[derive(Debug)]
pub(super) struct ReadSide {
    inbound: Inbound,
    preface: Preface,
    reading: Reading,
    pool: BufferPool,
    /// What was read and not yet handed over. None while nothing is, so that an
    /// idle connection holds no buffer.
    buf: Option<PooledBuf>,
    /// What of `buf`, and in between, the stack shall see.
    runs: VecDeque<Run>,
    /// Octets of the front run that were handed over.
    served: usize,
    /// Octets to read at a time, between the bounds.
    size: usize,
    min: usize,
    max: usize,
    /// Octets that the last read gave.
    last: usize,
    /// Whether reads go straight to the stack's buffer, because reading ahead
    /// is done below.
    direct: bool,
    eof: bool,
    received: Received,
}

impl ReadSide {
    pub(super) fn new(config: &Config, reading: Reading, tagger: Option<Tagger>) -> Self {
        Self {
            inbound: Inbound::new(config.stack_frame_size, config.turn, tagger),
            preface: Preface::default(),
            reading,
            pool: config.pool.clone(),
            buf: None,
            runs: VecDeque::new(),
            served: 0,
            size: config.read_min,
            min: config.read_min,
            max: config.read_max,
            last: 0,
            direct: config.tls_records,
            eof: false,
            received: Received::default(),
        }
    }

    pub(super) fn inbound(&self) -> &Inbound {
        &self.inbound
    }

    pub(super) fn inbound_mut(&mut self) -> &mut Inbound {
        &mut self.inbound
    }

    pub(super) fn received(&self) -> &Received {
        &self.received
    }

    pub(super) fn reading(&self) -> Reading {
        self.reading
    }

    /// The other side has decided what the octets are.
    pub(super) fn set_reading(&mut self, reading: Reading) {
        self.reading = reading;
    }

    /// Whether the wire has ended.
    pub(super) fn is_eof(&self) -> bool {
        self.eof
    }

    /// Hands octets to the stack, or reads some. `Pending` is the IO's own:
    /// it has registered the waker.
    pub(super) fn poll_read<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
        streams: &mut Streams,
    ) -> Poll<io::Result<()>> {
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if self.takes_tells() {
                tell(streams, &mut self.runs);
            }
            match self.serve(out) {
                Served::Some => return Poll::Ready(Ok(())),
                Served::Paused => {
                    // The octets are here: it only lets others go first.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Served::Nothing if self.eof => return Poll::Ready(Ok(())),
                Served::Nothing => {}
            }
            let straight = match self.reading {
                Reading::Through => true,
                // A little at a time needs no buffer in between.
                Reading::Frames => {
                    self.direct || (self.size == self.min && out.remaining() >= ENOUGH)
                }
                Reading::Preface => false,
            };
            let before = out.filled().len();
            let read = match straight {
                true => self.poll_read_straight(io, cx, out, streams),
                false => self.poll_read_ahead(io, cx, streams),
            };
            match read {
                Poll::Ready(result) => result?,
                Poll::Pending => {
                    self.rest();
                    return Poll::Pending;
                }
            }
            if out.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Hands over what the stack is to be told of the peer's credit, and nothing
    /// else. Whether there was something.
    pub(super) fn serve_tells(&mut self, out: &mut ReadBuf<'_>, streams: &mut Streams) -> bool {
        if !self.takes_tells() || out.remaining() == 0 {
            return false;
        }
        tell(streams, &mut self.runs);
        matches!(self.serve(out), Served::Some)
    }

    /// Whether the stack can be told something now: it has got all that came, and
    /// no part of a frame.
    pub(super) fn takes_tells(&self) -> bool {
        self.runs.is_empty()
            && self.reading == Reading::Frames
            && !self.eof
            && self.inbound.at_boundary()
    }

    /// Reads until the octets are, or are not, those of the preface, or until
    /// the wire ends. Hands nothing over: all of it stays for
    /// [`ReadSide::poll_read`]. Holds no buffer while it is `Pending`.
    #[cfg(any(test, feature = "listener"))]
    pub(super) fn poll_sniff<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        streams: &mut Streams,
    ) -> Poll<io::Result<()>> {
        while self.reading == Reading::Preface && !self.eof {
            debug_assert!(self.served == 0, "to sniff comes before to read");
            // As long as it is open, what came so far is known: it needs no buffer.
            let before = self.preface.consumed();
            self.runs.clear();
            let read = self.poll_read_ahead(io, cx, streams);
            let known = match self.reading {
                Reading::Preface => {
                    self.runs.clear();
                    self.buf = None;
                    self.preface.consumed()
                }
                Reading::Frames | Reading::Through => before,
            };
            if !known.is_empty() {
                self.runs.push_front(Run::Octets(known.to_vec()));
            }
            ready!(read)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into a buffer of our own, as much as there is.
    fn poll_read_ahead<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        streams: &mut Streams,
    ) -> Poll<io::Result<()>> {
        let mut buf = match self.buf.take() {
            Some(buf) if buf.capacity() >= self.size => buf,
            _ => self.pool.acquire(self.size),
        };
        buf.clear();
        let mut read = ReadBuf::new(buf.spare_mut());
        ready!(Pin::new(io).poll_read(cx, &mut read))?;
        let n = read.filled().len();
        buf.advance(n);
        self.count_read(n);
        if n == buf.capacity() {
            self.grow();
        }
        if n > 0 {
            let mut runs = std::mem::take(&mut self.runs);
            self.interpret(&buf, &mut runs, streams);
            self.runs = runs;
            self.buf = Some(buf);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into the stack's own buffer. Leaves nothing in it where what was
    /// read has to be edited; it is in `runs` then.
    fn poll_read_straight<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
        streams: &mut Streams,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(io).poll_read(cx, out))?;
        let n = out.filled().len() - before;
        self.count_read(n);
        if out.remaining() == 0 {
            // There may be much more.
            self.grow();
        }
        if n == 0 || self.reading == Reading::Through {
            return Poll::Ready(Ok(()));
        }
        let mut runs = std::mem::take(&mut self.runs);
        self.interpret(&out.filled()[before..], &mut runs, streams);
        let is_whole = matches!(runs.front(), Some(Run::Pass(all)) if all.len() == n);
        if is_whole && runs.len() == 1 {
            runs.clear();
        } else {
            let mut buf = self.pool.acquire(n);
            buf.append(&out.filled()[before..]);
            self.buf = Some(buf);
            out.set_filled(before);
        }
        self.runs = runs;
        Poll::Ready(Ok(()))
    }

    fn grow(&mut self) {
        self.size = (self.size * 4).min(self.max);
    }

    fn count_read(&mut self, n: usize) {
        self.last = n;
        if n == 0 {
            self.eof = true;
            self.inbound.finish(&mut self.runs);
            self.rest();
        } else {
            self.received.calls += 1;
            self.received.octets += n as u64;
        }
    }

    /// Appends to `runs` what the stack shall see of `octets`.
    fn interpret(&mut self, octets: &[u8], runs: &mut VecDeque<Run>, streams: &mut Streams) {
        debug_assert!(runs.is_empty());
        let frames_at = match self.reading {
            Reading::Frames => 0,
            Reading::Through => octets.len(),
            Reading::Preface => self.watch_preface(octets),
        };
        if frames_at > 0 {
            runs.push_back(Run::Pass(0..frames_at));
        }
        self.inbound.process(octets, frames_at, runs, streams);
    }

    /// Watches for the preface. Returns how many octets are not frames.
    fn watch_preface(&mut self, octets: &[u8]) -> usize {
        let (n, verdict) = self.preface.peek(octets);
        match verdict {
            Verdict::Open => {
                self.preface.consume(n);
                n
            }
            Verdict::Http2 => {
                self.reading = Reading::Frames;
                n
            }
            Verdict::Other => {
                self.reading = Reading::Through;
                octets.len()
            }
        }
    }

    /// Copies what is there to `out`, up to a pause.
    fn serve(&mut self, out: &mut ReadBuf<'_>) -> Served {
        let before = out.filled().len();
        while let Some(run) = self.runs.front() {
            let octets = match (run, &self.buf) {
                (Run::Pause, _) if out.filled().len() > before => break,
                (Run::Pause, _) => {
                    self.runs.pop_front();
                    return Served::Paused;
                }
                (Run::Pass(range), Some(buf)) => &buf[range.clone()],
                (Run::Pass(_), None) => &[],
                (Run::Octets(octets), _) => &octets[..],
            };
            let rest = &octets[self.served..];
            let n = rest.len().min(out.remaining());
            out.put_slice(&rest[..n]);
            if n < rest.len() {
                self.served += n;
                break;
            }
            self.served = 0;
            self.runs.pop_front();
        }
        match out.filled().len() > before {
            true => Served::Some,
            false => Served::Nothing,
        }
    }

    /// There is nothing to read. The stack will act on what it has; the memory
    /// goes back, and the next burst starts smaller if this one needed less.
    fn rest(&mut self) {
        self.inbound.rested();
        if self.last < self.size / 4 {
            self.size = (self.size / 4).max(self.min);
        }
        if self.runs.is_empty() {
            self.buf = None;
            if self.runs.capacity() > MANY_RUNS {
                self.runs = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
impl ReadSide {
    /// Whether a buffer is held.
    pub(super) fn holds_buffer(&self) -> bool {
        self.buf.is_some()
    }

    /// The size of the next read, and the runs that there is room for.
    pub(super) fn memory(&self) -> (usize, usize) {
        (self.size, self.runs.capacity())
    }
}
