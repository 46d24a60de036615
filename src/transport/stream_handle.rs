//! What a handler may ask of its stream.

use std::fmt;
use std::sync::Arc;

use super::handle::{ConnectionHandle, HandleError};
#[cfg(feature = "layer")]
use crate::flow_control::FlowHint;
use crate::proto::head::StreamId;
use crate::proto::priority::Priority;
use crate::proto::stream_state::{Say, StreamState};

/// A handle on one stream: of a request that a server handles, or of a response
/// that a client has got.
///
/// A [layer](crate::layer) puts it into the extensions of both, if the
/// connection is a [`Transport`](crate::Transport) with
/// [`Config::stream_handles`](crate::Config::stream_handles). It is cheap to
/// clone, and keeps neither the stream nor the connection alive.
#[derive(Clone)]
pub struct StreamHandle {
    connection: ConnectionHandle,
    id: StreamId,
    state: Arc<StreamState>,
}

impl StreamHandle {
    /// The stream that a tag's value names; none if this process has not made
    /// it, or if the stream or its connection is gone.
    #[cfg(feature = "layer")]
    pub(crate) fn from_tag(value: &[u8]) -> Option<Self> {
        let (shared, id) = super::stream_table::connection(value)?;
        let state = shared.find_stream(id)?;
        Some(Self {
            connection: ConnectionHandle::new(shared),
            id,
            state,
        })
    }

    /// The stream's identifier (RFC 9113, section 5.1.1).
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The connection that the stream belongs to.
    #[must_use]
    pub fn connection(&self) -> &ConnectionHandle {
        &self.connection
    }

    /// The priority that a server sends the response with; at a client's end, the
    /// one that was last asked for. Still answers once the stream is gone.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.state.priority()
    }

    /// Gives the stream another priority, from its next frame on.
    ///
    /// On a server it is the server's own, which replaces what the client and the
    /// response's `priority` field have asked for (RFC 9218, section 8). The
    /// client is not told. On a client it asks the server, by `PRIORITY_UPDATE`
    /// ([`ConnectionHandle::set_priority`]).
    ///
    /// # Errors
    ///
    /// - [`HandleError::Closed`] once the stream or the connection is gone;
    /// - on a client, also [`HandleError::Full`] if too many frames wait to be
    ///   sent.
    pub fn set_priority(&self, priority: Priority) -> Result<(), HandleError> {
        if self.state.is_closed() {
            return Err(HandleError::Closed);
        }
        if self.connection.is_client() {
            self.connection.set_priority(self.id, priority)
        } else if self.say(Say::Own(priority)) {
            Ok(())
        } else {
            Err(HandleError::Closed)
        }
    }

    /// Says something to the connection; whether the stream is still open.
    pub(crate) fn say(&self, say: Say) -> bool {
        self.connection.shared().say(self.id, say)
    }

    /// From now on what the application consumes of the stream's DATA is reported
    /// ([`StreamHandle::consumed`]), all of it from the first octet on. `length` is
    /// how much there is in all, if that is known.
    #[cfg(feature = "layer")]
    pub(crate) fn watch(&self, length: Option<u64>, hint: Option<FlowHint>) {
        self.state.watch(length, hint);
        // All else is heeded when DATA comes.
        if hint == Some(FlowHint::Bulk) {
            self.connection.shared().note_consumed(self.id);
        }
    }

    /// The application has consumed so much more.
    #[cfg(feature = "layer")]
    pub(crate) fn consumed(&self, octets: u64) {
        if self.state.consume(octets) {
            self.connection.shared().note_consumed(self.id);
        }
    }

    /// The application wants no more: nothing that comes waits for it.
    #[cfg(feature = "layer")]
    pub(crate) fn unwatch(&self) {
        if self.state.unwatch() {
            self.connection.shared().note_consumed(self.id);
        }
    }

    /// Shows what a client has asked for in the request, unless an update has
    /// changed it.
    #[cfg(feature = "layer")]
    pub(crate) fn show_priority(&self, priority: Priority) {
        if self.state.priority() == Priority::default() {
            self.state.set_priority(priority);
        }
    }

    /// What has become of the octets of the message that this end sends: the
    /// response's on a server, the request's on a client. As of the connection's
    /// last write call. Still answers once the stream is gone.
    #[must_use]
    pub fn stats(&self) -> StreamStats {
        let (sent_octets, queued_octets) = self.state.octets();
        StreamStats {
            sent_octets,
            queued_octets,
            received_octets: self.state.received(),
            unconsumed_octets: self.state.unconsumed(),
            receive_window: self.state.receive_window(),
            closed: self.state.is_closed(),
        }
    }
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamHandle")
            .field("id", &self.id)
            .field("priority", &self.priority())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// How far a stream has got, at this end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// Octets of DATA that were written to the peer, as flow control counts them
    /// (RFC 9113, section 6.9.1): payloads with their padding.
    pub sent_octets: u64,
    /// Octets of DATA that the HTTP/2 stack has handed over, and that wait for
    /// their turn.
    pub queued_octets: u64,
    /// Octets of DATA that came from the peer, without padding. Counted with
    /// [`Config::flow_control`](crate::Config::flow_control) only, as those below.
    pub received_octets: u64,
    /// Octets of DATA that came and are not consumed, if a
    /// [`FlowControlLayer`](crate::layer::FlowControlLayer) watches the stream.
    pub unconsumed_octets: u64,
    /// The stream's receive window, in octets; the last one, once it is gone. What the
    /// peer may send and what is not consumed come to no more than this, but for what
    /// came before a layer had found the stream, and until a window that has shrunk is
    /// used up.
    pub receive_window: u64,
    /// Whether the stream is gone, so that its priority does not matter any more.
    pub closed: bool,
}
