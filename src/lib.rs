//! A batching, frame-aware HTTP/2 transport that goes between [hyper] and the
//! socket.
//!
//! hyper's HTTP/2 stack, the `h2` crate, writes one frame at a time and flushes
//! after each; it reads what fits into a small buffer. On a fast network that is
//! what its throughput is made of. [`Transport`] sits below it, looks at the
//! frames as they pass, and turns them into few, large system calls. hyper, h2,
//! axum, tonic and reqwest stay as they are.
//!
//! ```text
//!      your service · axum · tonic · reqwest
//!        PriorityLayer · FlowControlLayer
//!                     hyper
//!                      h2          frames of up to 256 KiB, a flush after each
//!   ┌──────────────────┴──────────────────┐
//!   │ Transport                           │
//!   │  outbound: gather · cut · writev    │  a vectored write for many frames,
//!   │            queues by stream         │  cut to the peer's frame size; the
//!   │  inbound:  read ahead · SETTINGS    │  most urgent first when it is full
//!   │            credit · BufferPool      │
//!   └──────────────────┬──────────────────┘
//!            TLS, with ReadAhead below
//!                    socket
//! ```
//!
//! # Under hyper
//!
//! Wrap the IO object, whichever it is. The rest stays the same:
//!
//! ```no_run
//! # async fn run(tcp: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
//! use framewright::{Config, Transport};
//! use hyper_util::rt::{TokioExecutor, TokioIo};
//!
//! let io = Transport::client(tcp, Config::default());
//! let connection = io.handle();
//! let (mut sender, driver) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
//!     .handshake(TokioIo::new(io))
//!     .await?;
//! # let _: &mut hyper::client::conn::http2::SendRequest<String> = &mut sender;
//! tokio::spawn(driver);
//! println!("round trip: {:?}", connection.ping().await?);
//! # Ok(())
//! # }
//! ```
//!
//! [`Transport::accept_tls`] and [`Transport::connect_tls`] do the same over
//! tokio-rustls, with large reads below TLS and full records above it.
//!
//! # What it does to the octets
//!
//! - **Outbound**, frames are gathered until 64 to 256 KiB are there, or until
//!   the task that drives the connection is about to sleep. The stack is told
//!   that the peer takes larger frames than it does ([`Config::stack_frame_size`]),
//!   and its DATA is cut to the peer's `SETTINGS_MAX_FRAME_SIZE` in place: what
//!   fills a batch goes from the application's buffer to the socket with no copy.
//!   A server's first SETTINGS also says that the priorities of RFC 7540 are
//!   ignored ([`Config::no_rfc7540_priorities`]).
//! - **While streams compete** for a socket that is full, DATA waits in a queue
//!   for each stream, and goes out by urgency ([`Config::schedule`], see below).
//! - **Inbound**, everything passes but for the acknowledgements of PINGs that
//!   [`ConnectionHandle::ping`] sent, and for what the stack is told of the peer's
//!   limits: that one parameter of SETTINGS, and, for the queues, credit. The
//!   other way, the peer may be told of the stack's credit as it is used
//!   ([`Config::flow_control`], see below). A long burst of requests is handed over in two parts ([`Config::turn`]), so
//!   that the first answers are on their way while the last are worked on.
//! - What is not HTTP/2, by its first 24 octets, passes through unchanged.
//! - Within a stream nothing is reordered, nor are header blocks; no frame is added
//!   that you did not ask for, unless a peer piles up what it does not take
//!   ([`Config::queue`]); a frame that the stack would refuse reaches the
//!   stack, which refuses it.
//!
//! Memory is bounded by [`Config`] and pooled by [`BufferPool`]; an idle
//! connection holds no buffer.
//!
//! # Priorities
//!
//! With RFC 9218 a client says how urgent each response is, by the `priority`
//! field of its request or by a `PRIORITY_UPDATE` frame. hyper does not look at
//! either: what is urgent waits behind all that was handed to the stack, and to
//! the kernel, before it. Here
//!
//! - the stack learns of the peer's credit only as its streams' queues have room,
//!   so DATA that cannot go yet stays with the application and out of the stack's
//!   way ([`Config::queue`]);
//! - which frame goes next is chosen when the socket takes it: the lowest urgency
//!   first, in it one response after the other, or in turn where they are
//!   incremental (RFC 9218, section 10). What is not DATA goes ahead of it, but
//!   trailers wait for their own stream's;
//! - the kernel is given little in advance (`TCP_NOTSENT_LOWAT`, on Linux; see
//!   [`Transport::with_socket`]), and so is TLS;
//! - credit for DATA of a stream that is reset while it waits goes back to the
//!   stack, as the peer will not return it.
//!
//! `PRIORITY_UPDATE` is heeded by every server. For the field, a tower layer has
//! to tell the transport: [`PriorityLayer`] on top and [`Config::stream_handles`]
//! below. It also gives handlers a [`StreamHandle`], by which they have the last
//! word.
//!
//! # Flow control
//!
//! hyper's receive windows have one size. With its defaults a download over 100 ms
//! runs at the 2 MiB of a window in each round trip, however wide the network is;
//! with large ones every reader that stalls holds so much of other people's DATA.
//! With [`Config::flow_control`] the windows follow what is used:
//!
//! - hyper is given windows as large as they may ever be ([`FlowControl::apply`]);
//!   the peer is told of 256 KiB a stream to start with, in the stack's own
//!   SETTINGS, and of the rest by `WINDOW_UPDATE`s that the transport writes in
//!   place of the stack's. It is never told of more than the stack has granted;
//! - a window opens to what the connection carries in a round trip, as soon as a
//!   first burst shows what that is, or grows as its halves are used up within two
//!   round trips; it shrinks when it is not used. A later stream starts with what
//!   an earlier one came to. The round trip is that to the peer's HTTP/2 stack,
//!   by the acknowledgement of SETTINGS and a few PINGs ([`FlowControl::pings`]):
//!   what TCP measures ends at the first proxy;
//! - with a [`FlowControlLayer`] (on a server, for requests' bodies) or a
//!   [`ClientFlowControlLayer`] (responses') a window is replenished as the
//!   application consumes, so that what it leaves lying stays within its window, and
//!   the other streams go on. Without, it is replenished as DATA comes, and all
//!   is as with fixed windows;
//! - what windows grow beyond their start is taken from a [`WindowBudget`] that any
//!   number of connections share; where it is used up they stay as they are;
//! - a [`FlowHint`] says in advance that much will come, or little.
//!
//! The stack's own windows must not be lowered while a connection lives, because
//! what the peer was told cannot be taken back; hyper never does that.
//! A peer that sends more than it was told loses its connection, with
//! `FLOW_CONTROL_ERROR` (RFC 9113, section 6.9.1).
//!
//! # Frames of your own
//!
//! [`ConnectionHandle::send_frames`] puts control and extension frames between
//! those of the stack. [`Frame`] makes them.
//!
//! [`FrameWriter`] is for programs that write HTTP/2 themselves, without hyper:
//! frames from many tasks, in the order of their priorities, in few vectored
//! writes.
//!
//! # A client
//!
//! [`Connector`] goes wherever hyper-util's `HttpConnector` or `hyper-rustls` goes:
//! it dials, resumes TLS sessions, does not verify the same chain twice, and puts
//! the transport on top. [`tls`] has its parts, for any configuration of rustls.
//!
//! # A server
//!
//! [`Listener`] accepts connections, runs their TLS handshakes side by side and
//! hands over those that are ready, to a loop of your own, to axum's `serve` or
//! to tonic. A slow or silent client holds nobody up.
//!
//! # Features
//!
//! - `tls` (default): the transport over tokio-rustls. Brings no crypto provider.
//! - `connector` (default): [`Connector`]; `native-roots` (default) and
//!   `webpki-roots` are where it may find certification authorities.
//! - `listener` (default): [`Listener`].
//! - `layer` (default): the [layers](layer) for tower services.
//! - `axum`, `tonic`: the listener as theirs.
//! - `ring`, `aws-lc-rs`: those providers of rustls, passed on for convenience.
//!   On a CPU with AVX-512 aws-lc-rs was measured 1.27 times as fast in bulk; it
//!   may be the reverse on others.
//!
//! [hyper]: https://docs.rs/hyper

// Fuzzers use a part of what the tests have.
#![cfg_attr(fuzzing, allow(dead_code, unused_imports, unused_macros))]

mod config;
mod connect;
mod flow_control;
mod frame_writer;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "layer")]
pub mod layer;
#[cfg(feature = "listener")]
mod listen;
#[cfg(any(feature = "connector", feature = "listener"))]
mod maybe_tls;
mod pool;
mod proto;
mod sync;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;

pub use config::Config;
pub use connect::ReadAhead;
#[cfg(any(feature = "connector", feature = "listener"))]
pub use connect::TcpOptions;
#[cfg(feature = "connector")]
pub use connect::{
    BuildError, ClientStream, ConnectError, Connector, ConnectorBuilder, ConnectorStats,
};
pub use flow_control::{FlowControl, FlowHint, ReceiveWindows};
pub use frame_writer::{
    DataSource, Flush, FlushError, FlushReport, FrameWriter, FrameWriterConfig, Ready,
};
#[cfg(feature = "layer")]
pub use layer::{ClientFlowControlLayer, ClientPriorityLayer, FlowControlLayer, PriorityLayer};
#[cfg(feature = "listener")]
pub use listen::{
    ConnectionInfo, Incoming, IntoTcpListener, ListenError, Listener, ListenerBuilder,
    ListenerHandle, ListenerStats, Protocol, ServerStream,
};
pub use pool::{BufferPool, PoolConfig, PoolStats, PooledBuf};
pub use proto::budget::WindowBudget;
pub use proto::counts::FrameCounts;
pub use proto::frame::{EndStream, Frame, FrameError, Padding};
pub use proto::head::{Flags, FrameType, Head, StreamId};
pub use proto::priority::Priority;
pub use proto::priority_field::PriorityField;
pub use proto::priority_update::{PriorityUpdate, PriorityUpdateError};
#[cfg(feature = "tls")]
pub use tls::HandshakeInfo;
pub use transport::Transport;
pub use transport::handle::{ConnectionHandle, HandleError};
pub use transport::stats::ConnectionStats;
pub use transport::stream_handle::{StreamHandle, StreamStats};
