//! What a connection is made of below the transport.

mod read_ahead;

pub use read_ahead::ReadAhead;
