//! Urgency and incremental delivery (RFC 9218, section 4).

/// How urgent a stream is, and whether its octets are of use before the last
/// has come (RFC 9218, section 4).
///
/// # Defaults
///
/// Urgency 3, not incremental.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Priority {
    urgency: u8,
    incremental: bool,
}

impl Priority {
    /// The number of urgencies: 0, the most urgent, to 7.
    pub const URGENCIES: usize = 8;

    /// A priority of this urgency, not incremental. Urgencies above 7, which
    /// do not exist, are taken for 7.
    #[must_use]
    pub const fn new(urgency: u8) -> Self {
        let lowest = Self::URGENCIES as u8 - 1;
        Self {
            urgency: if urgency > lowest { lowest } else { urgency },
            incremental: false,
        }
    }

    /// The same urgency, incremental or not.
    #[must_use]
    pub const fn incremental(self, incremental: bool) -> Self {
        Self {
            incremental,
            ..self
        }
    }

    /// The urgency, from 0 (first) to 7 (last).
    #[must_use]
    pub const fn urgency(self) -> u8 {
        self.urgency
    }

    /// Whether the stream takes turns with others of its urgency.
    #[must_use]
    pub const fn is_incremental(self) -> bool {
        self.incremental
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::new(3)
    }
}
