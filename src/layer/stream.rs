//! How the layers find the stream of a message, whichever is around which.

use http::header::{HeaderMap, HeaderName};
use http::{Extensions, request, response};

use crate::proto::tag;
use crate::transport::stream_handle::StreamHandle;

/// By which the transport says which stream it is.
pub(super) static TAG: HeaderName = HeaderName::from_static(tag::NAME);

/// A kind of layers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Priority,
    FlowControl,
}

/// The stream of a message.
pub(super) struct Found {
    pub(super) stream: StreamHandle,
    /// Whether no other layer of the same family has had the message.
    pub(super) is_first: bool,
}

/// In the extensions of a message that a layer of flow control has had. Where this
/// is not, a [`StreamHandle`] is from a layer of priorities.
#[derive(Clone, Copy)]
struct Watched {
    /// A layer of priorities has had it too.
    prioritized: bool,
}

/// The head of a request or of a response.
pub(super) trait Head {
    fn parts(&mut self) -> (&mut HeaderMap, &mut Extensions);
}

impl Head for request::Parts {
    fn parts(&mut self) -> (&mut HeaderMap, &mut Extensions) {
        (&mut self.headers, &mut self.extensions)
    }
}

impl Head for response::Parts {
    fn parts(&mut self) -> (&mut HeaderMap, &mut Extensions) {
        (&mut self.headers, &mut self.extensions)
    }
}

/// The stream that a message came on: by its tag, which is taken out, or from a
/// layer that had the message before. It is in the extensions from then on.
pub(super) fn find(head: &mut impl Head, family: Family) -> Option<Found> {
    let (headers, extensions) = head.parts();
    let (stream, is_tagged) = match take_tagged(headers) {
        Some(stream) => (stream, true),
        None => (extensions.get::<StreamHandle>()?.clone(), false),
    };
    if is_tagged {
        // What there was is of another message.
        extensions.remove::<Watched>();
        extensions.insert(stream.clone());
    }
    let before = extensions.get_mut::<Watched>();
    let is_first = match (family, before) {
        (Family::Priority, None) => is_tagged,
        (Family::Priority, Some(watched)) => !std::mem::replace(&mut watched.prioritized, true),
        (Family::FlowControl, Some(_)) => false,
        (Family::FlowControl, None) => {
            let prioritized = !is_tagged;
            extensions.insert(Watched { prioritized });
            true
        }
    };
    Some(Found { stream, is_first })
}

/// Takes the tag out, and finds whose it is.
fn take_tagged(headers: &mut HeaderMap) -> Option<StreamHandle> {
    // The transport's own stands last.
    let last = headers.get_all(&TAG).iter().next_back()?;
    let stream = StreamHandle::from_tag(last.as_bytes());
    headers.remove(&TAG);
    stream
}
