//! What a connection carries in a round trip.

use std::time::Duration;

/// No round trip is taken to be shorter: the tasks at both ends do not run that
/// soon after each other anyway.
const LEAST_ROUND_TRIP: Duration = Duration::from_millis(1);

/// What is assumed of a peer that has not answered anything yet.
const UNKNOWN_ROUND_TRIP: Duration = Duration::from_millis(100);

/// Octets of a sample that says something.
const LEAST_OCTETS: u64 = 32 * 1024;

/// Time of a sample that says something, at least, whatever the round trip.
const LEAST_TIME: Duration = Duration::from_micros(500);

/// Measures how fast DATA comes and how long the peer takes to answer.
///
/// # Rate
///
/// It is taken over a burst: DATA that comes with no gap in between. A peer that
/// waits for credit sends what it has got as fast as the network carries it, and
/// then nothing for the rest of the round trip. The gaps do not count, so already
/// the first burst tells what the network could carry in a whole round trip.
///
/// What arrives in one read may have waited here, so a burst counts from the end
/// of its first read on, and not before it has lasted for a small part of the round
/// trip.
///
/// Times are since any fixed moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Estimate {
    round_trip: Option<Duration>,
    /// When the sample began.
    began: Duration,
    /// When DATA came last.
    latest: Duration,
    /// Octets since it began.
    octets: u64,
    /// Octets a second of this sample, once it says something.
    current: Option<u64>,
    /// Octets a second of the one before.
    last: u64,
}

impl Estimate {
    /// The peer has answered in this time.
    ///
    /// The shortest time counts, since what is longer has waited somewhere, for DATA
    /// that was ahead of it for example. It is forgotten slowly.
    pub(crate) fn answered(&mut self, within: Duration) {
        self.round_trip = Some(match self.round_trip {
            Some(known) if known < within => known + (within - known) / 8,
            _ => within,
        });
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// The round trip to reckon with.
    pub(crate) fn turn(&self) -> Duration {
        let known = self.round_trip.unwrap_or(UNKNOWN_ROUND_TRIP);
        known.max(LEAST_ROUND_TRIP)
    }

    /// DATA has come.
    pub(crate) fn received(&mut self, octets: u32, now: Duration) {
        let turn = self.turn();
        if now.saturating_sub(self.latest) > turn / 4 + LEAST_TIME {
            self.begin(now);
        }
        self.latest = now;
        if now == self.began {
            return;
        }
        self.octets += u64::from(octets);
        let time = now - self.began;
        if self.octets >= LEAST_OCTETS && time >= (turn / 200).max(LEAST_TIME) {
            let rate = u128::from(self.octets) * 1_000_000_000 / time.as_nanos();
            self.current = Some(u64::try_from(rate).unwrap_or(u64::MAX));
        }
        if time >= turn {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Duration) {
        self.last = self.current.take().unwrap_or(self.last);
        self.began = now;
        self.octets = 0;
    }

    /// Octets that are on their way in a round trip, if nobody has to wait: 0 if
    /// that is not known.
    pub(crate) fn product(&self) -> u64 {
        if self.round_trip.is_none() {
            return 0;
        }
        let rate = self.last.max(self.current.unwrap_or(0));
        let octets = u128::from(rate) * self.turn().as_nanos() / 1_000_000_000;
        u64::try_from(octets).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// `octets` come in frames of 16 KiB at so many octets a millisecond.
    fn burst(estimate: &mut Estimate, mut at: Duration, octets: u64, per_ms: u64) -> Duration {
        let mut sent = 0;
        while sent < octets {
            estimate.received(16_384, at);
            sent += 16_384;
            at += MS * 16_384 / per_ms as u32;
        }
        at
    }

    #[test]
    fn the_first_burst_tells_what_the_network_carries() {
        let mut estimate = Estimate::default();
        estimate.answered(MS * 100);
        burst(&mut estimate, MS * 200, 256 << 10, 125_000);
        let product = estimate.product();
        assert!((12_400_000..12_600_000).contains(&product), "{product}");
    }

    #[test]
    fn gaps_do_not_count() {
        let mut estimate = Estimate::default();
        estimate.answered(MS * 100);
        let mut at = MS * 200;
        for _ in 0..5 {
            at = burst(&mut estimate, at, 512 << 10, 125_000) + MS * 95;
        }
        let product = estimate.product();
        assert!((12_000_000..13_000_000).contains(&product), "{product}");
    }

    #[test]
    fn what_came_in_one_read_says_nothing() {
        let mut estimate = Estimate::default();
        estimate.answered(MS * 100);
        for _ in 0..100 {
            estimate.received(16_384, MS * 200);
        }
        assert_eq!(estimate.product(), 0);
        // Nor does what was read right after it.
        for i in 1..100 {
            estimate.received(16_384, MS * 200 + Duration::from_micros(i));
        }
        assert_eq!(estimate.product(), 0);
    }

    #[test]
    fn a_slower_network_is_noticed() {
        let mut estimate = Estimate::default();
        estimate.answered(MS * 10);
        let at = burst(&mut estimate, MS * 200, 4 << 20, 125_000);
        assert!(estimate.product() > 1_200_000);
        burst(&mut estimate, at, 1 << 20, 12_500);
        let product = estimate.product();
        assert!((120_000..130_000).contains(&product), "{product}");
    }

    #[test]
    fn the_shortest_round_trip_counts_for_long() {
        let mut estimate = Estimate::default();
        assert_eq!((estimate.round_trip(), estimate.product()), (None, 0));
        estimate.answered(MS * 80);
        estimate.answered(MS * 40);
        estimate.answered(MS * 120);
        assert_eq!(estimate.round_trip(), Some(MS * 50));
        estimate.answered(MS * 40);
        assert_eq!(estimate.round_trip(), Some(MS * 40));
    }
}
