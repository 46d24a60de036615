//! A parser that shares no code with the crate, and sockets with moods.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Parsed {
    /// DATA without its padding, and how much padding there is.
    pub(super) fn data(&self) -> (&[u8], Option<usize>) {
        if self.flags & PADDED == 0 {
            return (&self.payload, None);
        }
        let padding = usize::from(self.payload[0]);
        (
            &self.payload[1..self.payload.len() - padding],
            Some(padding),
        )
    }
}

/// All frames of the wire, which must end where a frame does.
pub(super) fn parse(mut wire: &[u8]) -> Vec<Parsed> {
    let mut frames = Vec::new();
    while !wire.is_empty() {
        let length = usize::from(wire[0]) << 16 | usize::from(wire[1]) << 8 | usize::from(wire[2]);
        frames.push(Parsed {
            kind: wire[3],
            flags: wire[4],
            stream: u32::from_be_bytes(wire[5..9].try_into().unwrap()),
            payload: wire[9..9 + length].to_vec(),
        });
        wire = &wire[9 + length..];
    }
    frames
}

/// Kind, stream and payload length of each frame.
pub(super) fn outline(frames: &[Parsed]) -> Vec<(u8, u32, usize)> {
    frames
        .iter()
        .map(|frame| (frame.kind, frame.stream, frame.payload.len()))
        .collect()
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Take(usize),
    Pending,
    Fail,
    Zero,
}

/// A socket that follows a plan, and then takes everything.
#[derive(Debug, Default)]
pub(super) struct Mock {
    pub(super) wire: Vec<u8>,
    pub(super) plan: VecDeque<Step>,
    pub(super) plain: bool,
    pub(super) calls: u64,
    /// Address, length and position on the wire of what was taken of each
    /// slice.
    pub(super) slices: Vec<(usize, usize, usize)>,
}

impl Mock {
    pub(super) fn new(plan: impl IntoIterator<Item = Step>) -> Self {
        Self {
            plan: plan.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl AsyncWrite for Mock {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(slices.len() == 1 || !self.plain);
        assert!(slices.iter().any(|slice| !slice.is_empty()));
        let most = match self.plan.pop_front().unwrap_or(Step::Take(usize::MAX)) {
            Step::Take(most) => most.max(1),
            Step::Zero => return Poll::Ready(Ok(0)),
            Step::Fail => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Step::Pending => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        let mut taken = 0;
        for slice in slices {
            let part = &slice[..slice.len().min(most - taken)];
            if part.is_empty() {
                break;
            }
            let at = self.wire.len();
            self.slices.push((part.as_ptr() as usize, part.len(), at));
            self.wire.extend_from_slice(part);
            taken += part.len();
        }
        self.calls += 1;
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        !self.plain
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(Step::Pending) = self.plan.front() {
            self.plan.pop_front();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
