//! What the application consumes of the bodies that come in.

mod body;
mod client;
mod server;

pub use self::body::FlowControlBody;
pub use self::client::{ClientFlowControlFuture, ClientFlowControlLayer, ClientFlowControlService};
pub use self::server::{FlowControlFuture, FlowControlLayer, FlowControlService};

use std::sync::Arc;

use http::request;

use crate::flow_control::FlowHint;
use crate::layer::stream::{self, Family, Head};
use crate::transport::stream_handle::StreamHandle;

/// What is known of a message by the head of the request, if anything is.
type Rule = Arc<dyn Fn(&request::Parts) -> Option<FlowHint> + Send + Sync>;

/// What is known of a request, or of the response to it: what it says itself, or
/// else what the rule says.
fn hint(request: &request::Parts, rule: Option<&Rule>) -> Option<FlowHint> {
    let named = request.extensions.get::<FlowHint>().copied();
    named.or_else(|| rule.and_then(|rule| rule(request)))
}

/// The stream of a message whose body is to be watched: none if a layer watches it
/// already.
fn unwatched(head: &mut impl Head) -> Option<StreamHandle> {
    let found = stream::find(head, Family::FlowControl)?;
    found.is_first.then_some(found.stream)
}

#[cfg(test)]
mod tests;
