//! Layers for tower services above the transport.
//!
//! Those of servers go round the service, and those of clients, whose names begin
//! with `Client`, round the client.
//!
//! - [`PriorityLayer`] and [`ClientPriorityLayer`] read and write the `priority`
//!   field (RFC 9218).
//! - [`FlowControlLayer`] and [`ClientFlowControlLayer`] watch what the application
//!   consumes of the bodies that come in (RFC 9113, section 5.2).
//!
//! They speak HTTP. Where the connection below is a [`Transport`](crate::Transport)
//! with [`Config::stream_handles`](crate::Config::stream_handles), they also tell
//! it what they have seen, and put the [`StreamHandle`](crate::StreamHandle) of its
//! stream into the extensions of each message that comes in. Where it is not, the
//! rest works as it does anywhere, over HTTP/1.1 too.
//!
//! # Both together
//!
//! Either may be around the other:
//!
//! ```
//! use axum::Router;
//! use framewright::layer::{FlowControlLayer, PriorityLayer};
//!
//! let router: Router = Router::new()
//!     .layer(FlowControlLayer::new())
//!     .layer(PriorityLayer::new());
//! ```
//!
//! # How a layer finds its stream
//!
//! With [`Config::stream_handles`](crate::Config::stream_handles) the transport
//! appends one field, `framewright-stream`, to the header blocks that it hands to
//! the HTTP/2 stack. The layer takes the last such field, and removes all of
//! them: those that a peer has sent hold no number that is known to this process,
//! and are worth nothing. It removes the field from what goes out as well, so
//! that a proxy does not pass it on. So one of these layers has to be the outermost
//! one, or those around it see the field. The others in it find the handle in the
//! extensions, and must not be cut off from those.

mod flow_control;
mod priority;
mod stream;
#[cfg(test)]
mod testing;

pub use flow_control::{
    ClientFlowControlFuture, ClientFlowControlLayer, ClientFlowControlService, FlowControlBody,
    FlowControlFuture, FlowControlLayer, FlowControlService,
};
pub use priority::{
    ClientPriorityFuture, ClientPriorityLayer, ClientPriorityService, PriorityFuture,
    PriorityLayer, PriorityService,
};
