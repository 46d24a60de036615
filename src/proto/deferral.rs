//! When a flush is better answered later.

/// Decides whether a flush may be answered before the octets are written.
///
/// The stack flushes after every large frame and at the end of every poll. To
/// wait for more is worth it only where more tends to come, so this keeps
/// score: a batch that gathered several flushes pays for waiting, one that
/// gathered a single flush pays against it. A lone request, response or event
/// is therefore written at once (rule B4).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deferral {
    /// How many more batches may be waited for in vain, at most `MAX_SCORE`.
    score: u8,
    /// Whether there was a flush since the task last went to sleep.
    flushed: bool,
}

const MAX_SCORE: u8 = 4;

impl Deferral {
    /// Whether more is likely to follow what is written now.
    pub(crate) fn expects_more(&self) -> bool {
        self.score > 0 || self.flushed
    }

    /// The stack flushes octets of its own: whether to wait with it.
    pub(crate) fn flush(&mut self) -> bool {
        // Two flushes with no sleep in between could have been one.
        if std::mem::replace(&mut self.flushed, true) {
            self.score = MAX_SCORE;
        }
        self.score > 0
    }

    /// The task goes to sleep: what follows is another occasion.
    pub(crate) fn sleeps(&mut self) {
        self.flushed = false;
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
    fn b4_what_is_alone_is_not_waited_for() {
        let mut deferral = Deferral::default();
        for _ in 0..10 {
            assert!(!deferral.expects_more());
            assert!(!deferral.flush());
            deferral.sleeps();
        }
    }

    #[test]
    fn b1_flushes_in_a_row_are_worth_waiting_for_until_they_stop() {
        let mut deferral = Deferral::default();
        assert!(!deferral.flush());
        assert!(deferral.expects_more());
        assert!(deferral.flush());
        deferral.batch_done(7);
        for _ in 0..MAX_SCORE {
            deferral.sleeps();
            assert!(deferral.flush());
            deferral.batch_done(1);
        }
        deferral.sleeps();
        assert!(!deferral.flush());
    }
}
