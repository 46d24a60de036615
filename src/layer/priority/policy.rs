//! By what a server goes.

use std::fmt;
use std::sync::Arc;

use http::{request, response};

use super::{PRIORITY, is_forwarded, priority_field, set_priority_field};
use crate::layer::stream::{self, Family, TAG};
use crate::proto::priority::Priority;
use crate::proto::priority_field::PriorityField;
use crate::proto::stream_state::Say;
use crate::transport::stream_handle::StreamHandle;

/// A rule of the server's own: the head of a message, and the priority that it
/// would have, to the one that it gets instead, if any.
pub(super) type Classifier<P> = Arc<dyn Fn(&P, Priority) -> Option<Priority> + Send + Sync>;

/// What a [`PriorityLayer`](super::PriorityLayer) was told.
#[derive(Clone, Default)]
pub(super) struct Policy {
    pub(super) trust_forwarded: bool,
    pub(super) announce: bool,
    pub(super) request: Option<Classifier<request::Parts>>,
    pub(super) response: Option<Classifier<response::Parts>>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Asked {
    stream: Option<StreamHandle>,
    priority: Priority,
}

impl Policy {
    /// Puts a request's priority and its stream into its extensions, and tells the
    /// stream.
    pub(super) fn on_request(&self, request: &mut request::Parts) -> Asked {
        let found = stream::find(request, Family::Priority);
        let is_first = found.as_ref().is_none_or(|found| found.is_first);
        let stream = found.map(|found| found.stream);
        let mut priority = if is_first {
            self.clients_priority(request, stream.as_ref())
        } else {
            // A layer like this one is around this one, and has said all else.
            request.extensions.get().copied().unwrap_or_default()
        };
        if let Some(classify) = &self.request
            && let Some(own) = classify(request, priority)
        {
            priority = own;
            say(stream.as_ref(), Say::Own(own));
        }
        request.extensions.insert(priority);
        Asked { stream, priority }
    }

    /// What the client asks for.
    fn clients_priority(
        &self,
        request: &request::Parts,
        stream: Option<&StreamHandle>,
    ) -> Priority {
        let field = request.headers.contains_key(&PRIORITY);
        if !field && stream.is_none() {
            return Priority::default();
        }
        // RFC 9218, section 13.1: requests of several clients that share a
        // connection would compete by what each of them asks for itself.
        if !self.trust_forwarded && is_forwarded(&request.headers) {
            say(stream, Say::Distrust);
            return Priority::default();
        }
        let asked = match field {
            true => Priority::from(priority_field(&request.headers)),
            false => Priority::default(),
        };
        // The default is what the stream has anyway.
        if asked != Priority::default() {
            say(stream, Say::Field(asked));
        }
        // Which is another than the field's, if an update has come before it.
        match stream.map(StreamHandle::priority) {
            Some(shown) if shown != Priority::default() => shown,
            _ => asked,
        }
    }

    /// Tells the stream what the handler's response says, before any of it is
    /// sent.
    pub(super) fn on_response(&self, response: &mut response::Parts, asked: Asked) {
        response.headers.remove(&TAG);
        let Asked { stream, priority } = asked;
        let current = || stream.as_ref().map_or(priority, StreamHandle::priority);
        let stated = response.extensions.get::<Priority>().copied();
        let has_field = response.headers.contains_key(&PRIORITY);
        let own = stated.or_else(|| {
            let classify = self.response.as_ref();
            classify.and_then(|classify| classify(response, current()))
        });
        let held = match (stated, has_field) {
            // RFC 9218, section 8: what the response names replaces what the
            // request asked for, and what it does not name stays.
            (None, true) => match priority_field(&response.headers) {
                field if field == PriorityField::default() => own,
                field => Some(own.unwrap_or_else(current).merged(field)),
            },
            _ => own,
        };
        if let Some(held) = held {
            say(stream.as_ref(), Say::Own(held));
        }
        if let Some(own) = own.filter(|_| self.announce && !has_field) {
            set_priority_field(&mut response.headers, PriorityField::from(own));
        }
        if let Some(stream) = stream {
            response.extensions.insert(stream);
        }
    }
}

/// A stream that is gone need not know.
fn say(stream: Option<&StreamHandle>, say: Say) {
    if let Some(stream) = stream {
        stream.say(say);
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("trust_forwarded", &self.trust_forwarded)
            .field("announce", &self.announce)
            .field("classify", &self.request.is_some())
            .field("classify_response", &self.response.is_some())
            .finish()
    }
}
