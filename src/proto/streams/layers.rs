//! What the layers above say.

use std::sync::Arc;

use super::Streams;
use crate::proto::head::StreamId;
use crate::proto::priority::Priority;
use crate::proto::stream_state::{Say, StreamState};

impl Streams {
    /// Shows what becomes of the stream to `state`.
    ///
    /// On a server it is closed when nothing of the response is left to be sent. A
    /// client's are closed by what comes.
    pub(crate) fn attach(&mut self, stream: StreamId, state: Arc<StreamState>) {
        if let Some(windows) = &mut self.windows {
            windows.attach(stream, &state);
        }
        if !self.is_server {
            return;
        }
        match self.records.get_mut(stream) {
            Some(record) => {
                state.set_priority(record.priority);
                record.state = Some(state);
            }
            None => self.close(stream),
        }
    }

    /// A stream that has ended since the last call, of those that were attached,
    /// or that the stack has reset.
    pub(crate) fn next_closed(&mut self) -> Option<StreamId> {
        self.closed.pop()
    }

    pub(crate) fn say(&mut self, stream: StreamId, say: Say) {
        let Some(record) = self.records.get_mut(stream) else {
            return;
        };
        let priority = match say {
            Say::Own(priority) => priority,
            Say::Field(priority) if !record.is_updated && !record.distrusts => priority,
            Say::Distrust if record.is_updated => Priority::default(),
            Say::Field(_) | Say::Distrust => record.priority,
        };
        record.distrusts |= say == Say::Distrust;
        self.set_priority(stream, priority);
    }

    pub(super) fn set_priority(&mut self, stream: StreamId, priority: Priority) {
        if let Some(record) = self.records.get_mut(stream) {
            record.priority = priority;
            if let Some(state) = &record.state {
                state.set_priority(priority);
            }
            self.scheduler.set_priority(stream, priority);
        }
    }
}
