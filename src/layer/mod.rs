//! Layers for tower services above the transport.
//!
//! [`PriorityLayer`] goes round a server's service and [`ClientPriorityLayer`]
//! round a client's. They speak HTTP: they read and write the `priority` field
//! (RFC 9218). Where the connection below is a [`Transport`](crate::Transport)
//! with [`Config::stream_handles`](crate::Config::stream_handles), they also tell
//! it what they have read, and give each request and response the
//! [`StreamHandle`](crate::StreamHandle) of its stream. Where it is not, the rest
//! works as it does anywhere, over HTTP/1.1 too.
//!
//! # How a layer finds its stream
//!
//! With [`Config::stream_handles`](crate::Config::stream_handles) the transport
//! appends one field, `framewright-stream`, to the header blocks that it hands to
//! the HTTP/2 stack. The layer takes the last such field, and removes all of
//! them: those that a peer has sent hold no number that is known to this process,
//! and are worth nothing. It removes the field from what goes out as well, so
//! that a proxy does not pass it on. So the layer has to be the outermost one, or
//! those around it see the field.

mod priority;
mod stream;
#[cfg(test)]
mod testing;

pub use priority::{
    ClientPriorityFuture, ClientPriorityLayer, ClientPriorityService, PriorityFuture,
    PriorityLayer, PriorityService,
};
