//! A batching, frame-aware HTTP/2 transport that goes between hyper and the
//! socket.

mod config;
mod connect;
mod frame_writer;
mod pool;
mod proto;
mod transport;

pub use config::Config;
pub use connect::ReadAhead;
pub use frame_writer::{
    DataSource, Flush, FlushError, FlushReport, FrameWriter, FrameWriterConfig, Ready,
};
pub use pool::{BufferPool, PoolConfig, PoolStats, PooledBuf};
pub use proto::frame::{EndStream, Frame, FrameError, Padding};
pub use proto::head::{Flags, FrameType, Head, StreamId};
pub use proto::priority::Priority;
pub use transport::Transport;
pub use transport::handle::{ConnectionHandle, HandleError};
pub use transport::stats::{ConnectionStats, FrameCounts};
