//! How a connection's receive windows behave.

mod receive_windows;

pub use self::receive_windows::ReceiveWindows;
use crate::proto::budget::WindowBudget;
use crate::proto::credit::MAX_WINDOW;

/// How the receive windows of a connection behave: for
/// [`Config::flow_control`](crate::Config::flow_control).
///
/// A peer that sends more than it was told of breaks the protocol (RFC 9113, section
/// 6.9.1). The stack, which has granted more, is made to end such a connection with
/// `FLOW_CONTROL_ERROR`, as it would if its own windows were so small.
///
/// ```
/// use framewright::{Config, FlowControl, WindowBudget};
///
/// let flow = FlowControl::default().budget(WindowBudget::new(64 << 20));
/// let config = Config::default().stream_handles(true).flow_control(flow);
/// ```
#[derive(Clone, Debug)]
pub struct FlowControl {
    pub(crate) initial: u32,
    pub(crate) stream: u32,
    pub(crate) connection: u32,
    pub(crate) budget: WindowBudget,
    pub(crate) pings: bool,
}

/// The window of a stream before SETTINGS say otherwise (RFC 9113, section 6.9.2):
/// no window starts with less.
const LEAST: u32 = 65_535;

const MOST: u32 = MAX_WINDOW as u32;

impl FlowControl {
    /// With every value at its default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            initial: 256 << 10,
            stream: 16 << 20,
            connection: 24 << 20,
            budget: WindowBudget::default(),
            pings: true,
        }
    }

    /// The window that a stream starts with, in octets, and its floor: what the
    /// peer is told instead of the stack's `SETTINGS_INITIAL_WINDOW_SIZE`, if that
    /// is more (RFC 9113, section 6.5.2).
    ///
    /// # Default
    ///
    /// 256 KiB. From 65,535 to 2^31 - 1.
    #[must_use]
    pub fn initial_window(mut self, octets: u32) -> Self {
        self.initial = octets.clamp(LEAST, MOST);
        self
    }

    /// What the windows may grow to, in octets: a stream's, and the connection's.
    /// The HTTP/2 stack has to be given these as its own windows
    /// ([`FlowControl::apply`]), because the peer is never told of more than the
    /// stack has granted.
    ///
    /// # Default
    ///
    /// 16 MiB and 24 MiB. From 65,535 to 2^31 - 1, the connection's at least the
    /// stream's.
    #[must_use]
    pub fn ceilings(mut self, stream: u32, connection: u32) -> Self {
        self.stream = stream.clamp(LEAST, MOST);
        self.connection = connection.clamp(self.stream, MOST);
        self
    }

    /// Takes what windows grow beyond their floors from this.
    ///
    /// # Default
    ///
    /// [`WindowBudget::default`], the one that the whole process shares.
    #[must_use]
    pub fn budget(mut self, budget: WindowBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Whether PINGs are sent to measure the round trip, beside what the
    /// acknowledgement of SETTINGS tells. They are sent only while DATA comes and
    /// behind a `WINDOW_UPDATE`, one at a time, at most 4 at once and then one a
    /// second; none after GOAWAY, and none any more if one is not answered.
    ///
    /// # Default
    ///
    /// Yes.
    #[must_use]
    pub fn pings(mut self, pings: bool) -> Self {
        self.pings = pings;
        self
    }

    /// Gives the HTTP/2 stack above the ceilings as its own windows: hyper's
    /// builders, hyper-util's, and tonic's server ([`ReceiveWindows`]). Whatever
    /// windows the builder was told before do not hold any more.
    ///
    /// Without it windows grow no further than the stack's own: 2 MiB a stream and
    /// 5 MiB in all for a client of hyper, and 1 MiB both for a server.
    ///
    /// hyper's own `adaptive_window` is turned off. Do not turn it on again: it takes
    /// the windows back to 65,535 octets, and then there are two that adapt them.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(all(feature = "connector", feature = "listener"))]
    /// # fn run() {
    /// use framewright::FlowControl;
    /// use hyper_util::{client::legacy, rt::TokioExecutor, server::conn::auto};
    ///
    /// let flow = FlowControl::default();
    /// flow.apply(&mut legacy::Client::builder(TokioExecutor::new()));
    /// flow.apply(&mut auto::Builder::new(TokioExecutor::new()));
    /// flow.apply(&mut hyper::client::conn::http2::Builder::new(TokioExecutor::new()));
    /// flow.apply(&mut hyper::server::conn::http2::Builder::new(TokioExecutor::new()));
    /// # }
    /// ```
    ///
    /// # axum
    ///
    /// axum's `serve` makes its builder itself, so there the ceiling is hyper's
    /// default for servers, 1 MiB for each stream and for the connection. Below that
    /// all is the same: a handler that stalls holds no more than its own stream's
    /// window. To have more, serve the router by hyper-util's builder:
    ///
    /// ```no_run
    /// # #[cfg(all(feature = "layer", feature = "listener"))]
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::Router;
    /// use framewright::{Config, FlowControl, FlowControlLayer, Listener};
    /// use hyper_util::rt::{TokioExecutor, TokioIo};
    /// use hyper_util::{server::conn::auto, service::TowerToHyperService};
    ///
    /// let flow = FlowControl::default();
    /// let mut server = auto::Builder::new(TokioExecutor::new());
    /// flow.apply(&mut server);
    ///
    /// let router: Router = Router::new().layer(FlowControlLayer::new());
    /// let service = TowerToHyperService::new(router);
    /// let config = Config::default().stream_handles(true).flow_control(flow);
    /// let mut listener = Listener::builder().config(config).bind("[::]:80").await?;
    /// loop {
    ///     let (stream, _address) = listener.accept().await?;
    ///     let (server, service) = (server.clone(), service.clone());
    ///     tokio::spawn(async move {
    ///         let io = TokioIo::new(stream);
    ///         server.serve_connection_with_upgrades(io, service).await
    ///     });
    /// }
    /// # }
    /// ```
    ///
    /// # tonic
    ///
    /// With the feature `tonic`, a `Server` takes it as it is. An `Endpoint` has the
    /// same two settings:
    ///
    /// ```
    /// # fn run() {
    /// use framewright::FlowControl;
    /// use tonic::transport::{Endpoint, Server};
    ///
    /// let flow = FlowControl::default();
    /// let mut server = Server::builder();
    /// # #[cfg(feature = "tonic")]
    /// flow.apply(&mut server);
    ///
    /// let endpoint = Endpoint::from_static("http://[::1]:50051")
    ///     .initial_stream_window_size(flow.stream_ceiling())
    ///     .initial_connection_window_size(flow.connection_ceiling());
    /// # }
    /// ```
    ///
    /// # reqwest
    ///
    /// So has its builder:
    ///
    /// ```
    /// use framewright::FlowControl;
    ///
    /// let flow = FlowControl::default();
    /// let client = reqwest::Client::builder()
    ///     .http2_initial_stream_window_size(flow.stream_ceiling())
    ///     .http2_initial_connection_window_size(flow.connection_ceiling());
    /// ```
    pub fn apply<B: ReceiveWindows + ?Sized>(&self, builder: &mut B) {
        builder.set_receive_windows(self.stream, self.connection);
    }

    /// What a stream's window may grow to, in octets.
    #[must_use]
    pub fn stream_ceiling(&self) -> u32 {
        self.stream
    }

    /// What a connection's window may grow to, in octets.
    #[must_use]
    pub fn connection_ceiling(&self) -> u32 {
        self.connection
    }
}

impl Default for FlowControl {
    fn default() -> Self {
        Self::new()
    }
}

/// What is known in advance of the DATA that a stream brings: an extension of a
/// request, for the layers of flow control
/// ([`FlowControlLayer`](crate::layer::FlowControlLayer)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlowHint {
    /// Much, as fast as it goes: the window opens as far as it may at once.
    Bulk,
    /// A little at a time: the window stays at its floor.
    Interactive,
}
