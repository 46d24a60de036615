//! When a flush is better answered later.

/// Decides whether a flush may be answered before the octets are written.
///
/// The stack flushes after every large frame and at the end of every poll. To
/// wait for more is worth it only where more tends to come, so this keeps
/// score: a batch that gathered several flushes pays for waiting, one that
/// gathered a single flush pays against it. A lone request or response is
/// therefore written at once (rule B4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deferral {
    /// How many more batches may be waited for in vain, at most `MAX_SCORE`.
    score: u8,
    /// Whether the peer has been heard since the last flush.
    heard: bool,
}

const MAX_SCORE: u8 = 4;

impl Deferral {
    pub(crate) fn new() -> Self {
        Self {
            score: 0,
            heard: true,
        }
    }

    /// Whether to wait with this flush.
    pub(crate) fn worthwhile(&mut self) -> bool {
        // Two flushes with nothing heard in between could have been one.
        if !std::mem::take(&mut self.heard) {
            self.score = MAX_SCORE;
        }
        self.score > 0
    }

    /// Octets came from the peer.
    pub(crate) fn heard_from_peer(&mut self) {
        self.heard = true;
    }

    /// A batch went out that had gathered this many flushes.
    pub(crate) fn batch_done(&mut self, flushes: u32) {
        self.score = match flushes {
            0 => self.score,
            1 => self.score.saturating_sub(1),
            _ => MAX_SCORE,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b4_a_lone_request_is_not_waited_for() {
        let mut deferral = Deferral::new();
        for _ in 0..10 {
            assert!(!deferral.worthwhile());
            deferral.heard_from_peer();
        }
    }

    #[test]
    fn b1_flushes_in_a_row_are_worth_waiting_for_until_they_stop() {
        let mut deferral = Deferral::new();
        assert!(!deferral.worthwhile());
        assert!(deferral.worthwhile());
        deferral.batch_done(7);
        for _ in 0..MAX_SCORE {
            deferral.heard_from_peer();
            assert!(deferral.worthwhile());
            deferral.batch_done(1);
        }
        deferral.heard_from_peer();
        assert!(!deferral.worthwhile());
    }
}
