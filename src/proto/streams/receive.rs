//! What the peer may send, where that is managed here: see
//! [`windows`](crate::proto::windows). Where it is not, all of this does nothing.

use std::time::Duration;

use super::Streams;
use crate::proto::head::{FrameType, Head, StreamId};
use crate::proto::outbound::Lead;
use crate::proto::windows::{WindowStats, Windows};

impl Streams {
    /// Whether windows are managed.
    pub(crate) fn has_windows(&self) -> bool {
        self.windows.is_some()
    }

    /// Time goes on.
    pub(crate) fn tick(&mut self, now: Duration) {
        if let Some(windows) = &mut self.windows {
            windows.tick(now);
        }
    }

    pub(crate) fn window_stats(&self) -> Option<WindowStats> {
        self.windows.as_deref().map(Windows::stats)
    }

    /// A frame of the stack goes out.
    pub(crate) fn sends(&mut self, head: Head) {
        if let Some(windows) = &mut self.windows {
            if head.kind == FrameType::RST_STREAM {
                self.receives_no_more(head.stream, false);
            } else {
                windows.sends(head);
            }
        }
    }

    /// Something of the stack went out without being looked at, which may be credit.
    pub(crate) fn overlooked(&mut self) {
        if let Some(windows) = &mut self.windows {
            windows.overlooked();
        }
    }

    /// A parameter of the stack's SETTINGS goes out, or the front of its GOAWAY.
    pub(crate) fn sends_parameter(&mut self, lead: &Lead) {
        let Some(windows) = &mut self.windows else {
            return;
        };
        if let Some((asked, told)) = lead.window {
            windows.asks_for(asked, told);
        }
        if let Some(last) = lead.last {
            for stream in windows.heeds_until(last) {
                self.receives_no_more(stream, false);
            }
        }
    }

    /// The stack grants credit, which was taken out.
    pub(crate) fn stack_grants(&mut self, stream: StreamId, increment: u32) {
        if let Some(windows) = &mut self.windows
            && !self.given_up.contains(stream)
        {
            windows.granted(stream, increment);
        }
    }

    /// SETTINGS of the stack are acknowledged.
    pub(crate) fn peer_acknowledges(&mut self) {
        if let Some(windows) = &mut self.windows {
            windows.acknowledged();
        }
    }

    /// A header block of the peer's starts, of a stream that the stack has not
    /// reset as far as that is known; `opens` if it is a request.
    pub(crate) fn receives_block(&mut self, stream: StreamId, opens: bool, ends: bool) {
        if ends {
            self.receives_no_more(stream, true);
        } else if let Some(windows) = &mut self.windows
            && (opens || !self.is_server)
            && !self.reset.contains(stream)
        {
            windows.open(stream);
            windows.heard(stream);
        }
    }

    /// The head of a DATA frame of the peer's has come. `false` if that is more than
    /// it was told it may send.
    pub(crate) fn receives_data(&mut self, stream: StreamId, length: u32, ends: bool) -> bool {
        let Some(windows) = &mut self.windows else {
            return true;
        };
        let is_allowed = windows.data(stream, length);
        if ends {
            self.receives_no_more(stream, true);
        }
        is_allowed
    }

    /// So much of it is padding, and, if it `ends`, the stream ends with it.
    pub(crate) fn receives_padding(&mut self, stream: StreamId, octets: u32, ends: bool) {
        if let Some(windows) = &mut self.windows {
            windows.padding(stream, octets);
            if ends {
                self.receives_no_more(stream, true);
            }
        }
    }

    /// The peer sends no more on the stream: because it `ended`, or was reset.
    pub(crate) fn receives_no_more(&mut self, stream: StreamId, ended: bool) {
        let Some(windows) = &mut self.windows else {
            return;
        };
        let closes = match ended {
            true => windows.ended(stream),
            false => windows.reset(stream),
        };
        if closes {
            self.closed.push(stream);
        }
    }

    pub(crate) fn peer_goes_away(&mut self) {
        if let Some(windows) = &mut self.windows {
            windows.goaway();
        }
    }

    /// The application has consumed more of a stream's DATA.
    pub(crate) fn consumed(&mut self, stream: StreamId) {
        if let Some(windows) = &mut self.windows {
            windows.consider(stream);
        }
    }

    /// Looks whether layers watch the streams whose peer waits for that. Whether to
    /// look again soon.
    pub(crate) fn ask_layers(&mut self) -> bool {
        let Some(windows) = &mut self.windows else {
            return false;
        };
        if windows.has_questions() {
            windows.ask();
        }
        windows.has_questions()
    }

    /// Whether there is something that the peer is to be told.
    pub(crate) fn has_updates(&self) -> bool {
        self.windows.as_ref().is_some_and(|w| w.has_updates())
    }

    /// The next `WINDOW_UPDATE` to the peer, and whether a PING goes behind it.
    pub(crate) fn next_update(&mut self) -> Option<(StreamId, u32, bool)> {
        let follows = !self.queueing;
        let windows = self.windows.as_mut()?;
        let (stream, increment) = windows.next_update(follows)?;
        Some((stream, increment, windows.takes_ping()))
    }

    /// The PING is acknowledged.
    pub(crate) fn ping_acknowledged(&mut self) {
        if let Some(windows) = &mut self.windows {
            windows.ping_acknowledged();
        }
    }
}
