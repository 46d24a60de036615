//! When to measure the round trip.

use std::time::Duration;

/// PINGs that may go out in a row.
const BURST: u32 = 4;

/// The time after which one more may.
const INTERVAL: Duration = Duration::from_secs(1);

/// Decides when a PING of our own goes out (rule W4).
///
/// Many servers end a connection on which there are too many PINGs, and count only
/// those between which they have sent nothing. So one goes out only behind a
/// `WINDOW_UPDATE` of the connection, and if DATA has come since the one before.
#[derive(Debug)]
pub(super) struct Pings {
    allowed: bool,
    /// How many may go out, and since when that is counted.
    tokens: u32,
    since: Duration,
    /// When the one went out that is not acknowledged.
    outstanding: Option<Duration>,
    /// DATA has come since the last.
    has_data: bool,
    is_due: bool,
}

impl Pings {
    pub(super) fn new(allowed: bool) -> Self {
        Self {
            allowed,
            tokens: BURST,
            since: Duration::ZERO,
            outstanding: None,
            has_data: false,
            is_due: false,
        }
    }

    /// No more from now on.
    pub(super) fn stop(&mut self) {
        self.allowed = false;
        self.is_due = false;
    }

    pub(super) fn data(&mut self) {
        self.has_data = true;
    }

    /// A `WINDOW_UPDATE` of the connection goes out.
    pub(super) fn updated(&mut self, now: Duration) {
        while self.tokens < BURST && now.saturating_sub(self.since) >= INTERVAL {
            self.tokens += 1;
            self.since += INTERVAL;
        }
        if self.tokens == BURST {
            self.since = now;
        }
        self.is_due =
            self.allowed && self.has_data && self.tokens > 0 && self.outstanding.is_none();
    }

    pub(super) fn take(&mut self, now: Duration) -> bool {
        if !std::mem::take(&mut self.is_due) {
            return false;
        }
        self.tokens -= 1;
        self.has_data = false;
        self.outstanding = Some(now);
        true
    }

    /// When the one was sent that is acknowledged.
    pub(super) fn acknowledged(&mut self) -> Option<Duration> {
        self.outstanding.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(pings: &mut Pings, now: Duration) -> bool {
        pings.data();
        pings.updated(now);
        let sent = pings.take(now);
        pings.acknowledged();
        sent
    }

    #[test]
    fn w4_four_at_once_and_then_one_a_second() {
        let mut pings = Pings::new(true);
        let ms = Duration::from_millis;
        let sent = |pings: &mut Pings, from: u64, to: u64| {
            (from..to).filter(|at| answered(pings, ms(*at))).count()
        };
        assert_eq!(sent(&mut pings, 500, 1_500), 4);
        assert_eq!(sent(&mut pings, 1_500, 11_400), 10);
        assert_eq!(sent(&mut pings, 60_000, 60_900), 4);
    }

    #[test]
    fn w4_one_at_a_time_and_only_while_data_comes() {
        let mut pings = Pings::new(true);
        pings.updated(Duration::ZERO);
        assert!(!pings.take(Duration::ZERO), "no DATA");
        pings.data();
        assert!(!pings.take(Duration::ZERO), "no WINDOW_UPDATE");
        pings.updated(Duration::ZERO);
        assert!(pings.take(Duration::ZERO));
        pings.data();
        pings.updated(Duration::from_secs(9));
        assert!(!pings.take(Duration::from_secs(9)), "it was not answered");
        assert_eq!(pings.acknowledged(), Some(Duration::ZERO));
        assert_eq!(pings.acknowledged(), None);
        pings.updated(Duration::from_secs(9));
        assert!(pings.take(Duration::from_secs(9)));
    }

    #[test]
    fn w4_none_after_goaway_or_where_they_are_not_wanted() {
        let mut pings = Pings::new(true);
        pings.data();
        pings.updated(Duration::ZERO);
        pings.stop();
        assert!(!pings.take(Duration::ZERO));
        assert!(!answered(&mut pings, Duration::from_secs(5)));
        assert!(!answered(&mut Pings::new(false), Duration::ZERO));
    }
}
