//! How a connection's receive windows behave.

use crate::proto::budget::WindowBudget;
use crate::proto::credit::MAX_WINDOW;

/// How the receive windows of a connection behave: for
/// [`Config::flow_control`](crate::Config::flow_control).
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
