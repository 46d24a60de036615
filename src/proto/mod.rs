//! The core: HTTP/2 framing as pure functions of octets and state.
//!
//! Nothing in here does IO, reads a clock or draws a random number. Octets,
//! time and entropy are arguments, so that every rule can be tested without a
//! socket; [`Transport`](crate::Transport) is the loop that drives it.

pub(crate) mod batch;
pub(crate) mod cut;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod priority;
pub(crate) mod scheduler;
pub(crate) mod stream_set;
