//! The whole transport over an IO that takes and gives what it likes.

#[cfg(test)]
mod congested;
#[cfg(test)]
mod early;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod floods;
#[cfg(test)]
mod handles;
#[cfg(framewright_loom)]
mod loom_tests;
pub(crate) mod mock;
pub(crate) mod model;
#[cfg(test)]
mod queueing;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scheduling;
#[cfg(test)]
mod sniff;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod windows;

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::mock::{Alarm, Manners, Mock, run};
use super::handle::HandleError;
use super::*;
use crate::proto::frame::PREFACE;
use crate::proto::head::{Flags, FrameType, Head};
use crate::proto::testing::{Raw, meaning, parse};
use crate::{BufferPool, Frame, PoolConfig, StreamId};

fn settings(parameters: &[(u16, u32)]) -> Raw {
    let payload = parameters
        .iter()
        .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()));
    raw(FrameType::SETTINGS, Flags::NONE, 0, payload.collect())
}

/// What a server's first SETTINGS is on the wire.
fn announced(mut settings: Raw) -> Raw {
    settings.payload.splice(0..0, [0, 9, 0, 0, 0, 1]);
    settings
}

fn raw(kind: FrameType, flags: Flags, stream: u32, payload: Vec<u8>) -> Raw {
    Raw {
        kind,
        flags,
        stream,
        payload,
    }
}

fn encode(frames: &[Raw]) -> Vec<u8> {
    let mut octets = Vec::new();
    for frame in frames {
        frame.encode(&mut octets);
    }
    octets
}

/// A stack in miniature. As h2 does, it reads until there is nothing, then
/// writes what it has in chunks, flushing when the dice say so and at the end.
struct Stack {
    io: Transport<Mock>,
    outbound: Bytes,
    /// Sizes of the slices of each write, used in turn.
    chunks: Vec<usize>,
    turn: usize,
    /// Flushes after each chunk whose bit is set.
    flushes: u32,
    /// Nothing was written since the last flush was answered.
    flushed: bool,
    seen: Vec<u8>,
    /// Reads so much before it is done.
    until_seen: usize,
    space: Vec<u8>,
}

impl Stack {
    fn new(io: Transport<Mock>, outbound: Vec<u8>, chunks: Vec<usize>, flushes: u32) -> Self {
        Self {
            io,
            outbound: outbound.into(),
            chunks,
            turn: 0,
            flushes,
            flushed: true,
            seen: Vec::new(),
            until_seen: 0,
            space: vec![0; 9_000],
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut buf = ReadBuf::new(&mut self.space);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf)? {
                Poll::Ready(()) if buf.filled().is_empty() => break,
                Poll::Ready(()) => self.seen.extend(buf.filled()),
                Poll::Pending => break,
            }
        }
        while !self.outbound.is_empty() {
            let chunk = self.chunks[self.turn % self.chunks.len()].min(self.outbound.len());
            let (head, tail) = self.outbound[..chunk].split_at(chunk.min(256));
            let slices = [IoSlice::new(head), IoSlice::new(tail)];
            let n = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices))?;
            assert!(0 < n && n <= chunk);
            let _ = self.outbound.split_to(n);
            self.turn += 1;
            self.flushed = false;
            if self.flushes >> (self.turn % 32) & 1 == 1 {
                ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            }
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.flushed = true;
        }
        match self.seen.len() >= self.until_seen {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn shut_down(&mut self, mock: &Mock) {
        run(mock, |cx| Pin::new(&mut self.io).poll_shutdown(cx)).expect("no error");
    }
}

const POLITE: Manners = Manners {
    seed: 1,
    pending: 0,
    most: 1 << 24,
    vectored: true,
};

/// A client's transport that has sent its preface and SETTINGS, and has the
/// peer's SETTINGS.
fn started(mock: &Mock, config: Config) -> Transport<Mock> {
    started_on(mock.clone(), mock, config)
}

/// The same, over an IO in front of the mock.
fn started_on<IO: AsyncRead + AsyncWrite + Unpin + 'static>(
    io: IO,
    mock: &Mock,
    config: Config,
) -> Transport<IO> {
    let mut io = Transport::client(io, config);
    let polls = Polls::new();
    for part in [&PREFACE[..], &encode(&[settings(&[])])] {
        let mut at = 0;
        while at < part.len() {
            let Poll::Ready(Ok(n)) = polls.write(&mut io, &part[at..]) else {
                panic!("the mock takes something")
            };
            at += n;
        }
    }
    assert!(polls.flush(&mut io).is_ready());
    mock.deliver(&encode(&[settings(&[(5, 16_384)])]));
    while polls.read(&mut io).is_ready() {}
    mock.state().wire.clear();
    mock.state().writes = 0;
    io
}

struct Polls {
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl Polls {
    fn new() -> Self {
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        Self { alarm, waker }
    }

    fn wakes(&self) -> usize {
        self.alarm.0.load(Ordering::SeqCst)
    }

    fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    fn write<IO>(&self, io: &mut Transport<IO>, octets: &[u8]) -> Poll<io::Result<usize>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        Pin::new(io).poll_write(&mut self.context(), octets)
    }

    fn flush<IO>(&self, io: &mut Transport<IO>) -> Poll<io::Result<()>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        Pin::new(io).poll_flush(&mut self.context())
    }

    /// A flush with nothing new is meant.
    fn flush_for_good<IO>(&self, io: &mut Transport<IO>)
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        for _ in 0..2 {
            assert!(self.flush(io).is_ready());
        }
    }

    fn read<IO>(&self, io: &mut Transport<IO>) -> Poll<io::Result<()>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut space = [0; 9_000];
        let mut buf = ReadBuf::new(&mut space);
        Pin::new(io).poll_read(&mut self.context(), &mut buf)
    }
}

fn data(octets: usize) -> Vec<u8> {
    data_on(1, octets)
}

fn data_on(stream: u32, octets: usize) -> Vec<u8> {
    encode(&[raw(FrameType::DATA, Flags::NONE, stream, vec![1; octets])])
}
