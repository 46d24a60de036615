//! What a ticket store counts.

/// Counters of a [`TicketStore`](super::TicketStore), over all its partitions,
/// since it was made.
///
/// `hits + misses` is the number of handshakes that rustls began: it looks for
/// something to resume once in each. "Tickets" are here those of TLS 1.3 and the
/// sessions of TLS 1.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TicketStats {
    /// Tickets that were put in.
    pub stored: u64,
    /// Handshakes that were given a ticket. rustls or the server may still
    /// refuse it: [`HandshakeInfo::resumed`](crate::HandshakeInfo::resumed) has
    /// the last word.
    pub hits: u64,
    /// Handshakes for which there was none.
    pub misses: u64,
    /// Tickets that were dropped when they were to be used, because their time
    /// was over or, after the clock was turned back, could not be told.
    pub stale: u64,
    /// Tickets that were dropped to make room: the oldest of nine, and all
    /// those of the server that was not used for longest.
    pub evicted: u64,
    /// Servers of which something is kept now, in each partition for itself. It
    /// may be no more than the group that the server chose.
    pub servers: u64,
    /// Tickets that are kept now.
    pub tickets: u64,
}
