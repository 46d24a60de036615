//! Frames that are not the stack's: what handles ask for, and what the peer is told
//! of credit.

use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Inner, Mode, Ping, random};
use crate::proto::head::{Flags, FrameType, Head, StreamId};

impl<IO: AsyncRead + AsyncWrite + Unpin> Inner<IO> {
    /// Heeds what the layers above have said of their streams, and forgets those
    /// that have ended.
    pub(super) fn settle_streams(&mut self) {
        while self.shared.has_says() {
            let Some((stream, say)) = self.shared.next_say() else {
                break;
            };
            self.streams.say(stream, say);
        }
        while self.shared.has_says() {
            let Some(stream) = self.shared.next_consumed() else {
                break;
            };
            self.streams.consumed(stream);
        }
        while let Some(stream) = self.streams.next_closed() {
            self.shared.close_stream(stream);
        }
    }

    /// Stages what the peer is told of the stack's credit, and what handles ask for,
    /// as far as frames may go out here.
    pub(super) fn stage_requests(&mut self) {
        self.stage_updates();
        while self.mode == Mode::Http2
            && !self.read.is_eof()
            && self.shared.has_requests()
            && self.write.takes_frames(&self.streams)
        {
            let Some(request) = self.shared.next() else {
                return;
            };
            let frame = request.frame;
            if let (FrameType::PING, Ok(payload)) = (frame.kind(), frame.payload()[..].try_into()) {
                self.read.inbound_mut().expect_ack(payload);
                self.pings.extend(request.answer.map(|answer| Ping {
                    payload,
                    sent: Instant::now(),
                    answer,
                }));
            }
            if let Ok(head) = frame.head() {
                self.write
                    .stage_frame(head, frame.payload(), &mut self.streams);
            }
        }
    }

    /// Stages what the peer is told of the stack's credit.
    fn stage_updates(&mut self) {
        while self.mode == Mode::Http2
            && self.streams.has_updates()
            && self.write.takes_frames(&self.streams)
        {
            let Some((stream, increment, probes)) = self.streams.next_update() else {
                return;
            };
            self.stage_core(FrameType::WINDOW_UPDATE, stream, &increment.to_be_bytes());
            if probes {
                let payload = random(2).to_be_bytes();
                self.probe = Some(payload);
                self.read.inbound_mut().expect_ack(payload);
                self.stage_core(FrameType::PING, StreamId::CONNECTION, &payload);
            }
        }
    }

    fn stage_core(&mut self, kind: FrameType, stream: StreamId, payload: &[u8]) {
        let head = Head {
            length: payload.len() as u32,
            kind,
            flags: Flags::NONE,
            stream,
        };
        self.write.stage_frame(head, payload, &mut self.streams);
    }

    /// The windows go by the time.
    pub(super) fn tick(&mut self) {
        if self.streams.has_windows() {
            self.streams.tick(self.began.elapsed());
        }
    }

    /// After a read that was not `Pending`: tells the peer of credit at once, since
    /// the task may read on for long. An error is for the stack's next call.
    pub(super) fn push_updates(&mut self, cx: &mut Context<'_>) {
        if !self.streams.has_updates() || self.write.is_blocked() {
            return;
        }
        self.stage_updates();
        if self.write.is_flush_owed()
            && let Poll::Ready(Err(error)) = self.poll_push(cx)
        {
            self.error.get_or_insert(error);
        }
    }

    /// Sees to it that the peer is told of credit for which there was no room before
    /// what a flush has written.
    pub(super) fn wake_for_updates(&self, cx: &Context<'_>) {
        if self.streams.has_updates() && self.write.takes_frames(&self.streams) {
            cx.waker().wake_by_ref();
        }
    }
}
