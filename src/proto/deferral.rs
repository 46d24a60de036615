//! When a flush is better answered later, and how much goes out at a time.

/// Octets of plaintext in a full TLS record (RFC 8446, section 5.1).
pub(crate) const TLS_RECORD: usize = 16_384;

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

/// How many octets to gather before a write (rules B1, B6).
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSize {
    min: usize,
    max: usize,
    now: usize,
}

impl BatchSize {
    /// From `min` to `max` octets; starts at `min`.
    pub(crate) fn new(min: usize, max: usize) -> Self {
        let max = max.max(min);
        Self { min, max, now: min }
    }

    /// Octets that make a batch worth writing.
    pub(crate) fn octets(self) -> usize {
        self.now
    }

    /// The bound that the batch never grows over.
    pub(crate) fn max(self) -> usize {
        self.max
    }

    /// A batch was written because it was full.
    pub(crate) fn filled(&mut self) {
        self.now = (self.now * 2).min(self.max);
    }

    /// A batch was written though it was not full: there was no more.
    pub(crate) fn drained(&mut self, octets: usize) {
        if octets < self.now / 2 {
            self.now = (self.now / 2).max(self.min);
        }
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

    #[test]
    fn b6_batches_grow_while_they_fill_and_shrink_when_they_do_not() {
        let mut size = BatchSize::new(64, 256);
        for expected in [128, 256, 256] {
            size.filled();
            assert_eq!(size.octets(), expected);
        }
        for (octets, expected) in [(200, 256), (10, 128), (10, 64), (10, 64)] {
            size.drained(octets);
            assert_eq!(size.octets(), expected);
        }
        assert_eq!(size.max(), 256);
    }
}
