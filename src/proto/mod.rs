//! The core: HTTP/2 framing as pure functions of octets and state.
//!
//! Nothing in here does IO, reads a clock or draws a random number. Octets,
//! time and entropy are arguments, so that every rule can be tested without a
//! socket; [`Transport`](crate::Transport) is the loop that drives it.
//!
//! Two words are used throughout: *outbound* is from the HTTP/2 stack to the
//! wire, *inbound* from the wire to the stack.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub(crate) mod batch;
pub(crate) mod batch_size;
pub(crate) mod block_end;
pub(crate) mod budget;
pub(crate) mod counts;
pub(crate) mod credit;
pub(crate) mod cut;
pub(crate) mod deferral;
pub(crate) mod deframer;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod inbound;
pub(crate) mod intake;
pub(crate) mod lane;
pub(crate) mod outbound;
pub(crate) mod preface;
pub(crate) mod priority;
pub(crate) mod priority_field;
pub(crate) mod priority_update;
pub(crate) mod scheduler;
pub(crate) mod settings;
pub(crate) mod staged;
pub(crate) mod stream_map;
pub(crate) mod stream_set;
pub(crate) mod stream_state;
pub(crate) mod streams;
pub(crate) mod tag;
#[cfg(any(test, fuzzing))]
pub(crate) mod testing;
pub(crate) mod windows;
