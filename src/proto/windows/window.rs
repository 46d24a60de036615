//! How large a receive window is to be.

use std::time::Duration;

use super::estimate::Estimate;

/// Octets of credit that are worth a `WINDOW_UPDATE`, of a large window.
const WORTH_AN_UPDATE: u32 = 256 * 1024;

/// A window whose half lasts for so long is larger than it need be.
const SLOW: Duration = Duration::from_secs(2);

/// A window grows to at most so many times its size at once, where it is not known
/// what the network carries.
const MOST_TIMES: u128 = 64;

/// So is one whose half lasts for so many round trips, if it is that slow.
const SLOW_TURNS: u32 = 32;

/// The size of a receive window: what the peer may have sent at most that is not
/// consumed, and be about to send.
///
/// It doubles, or more, when a half of it was consumed within two round trips,
/// because then the peer may have had to wait; or it opens at once to what the
/// network was seen to carry in a round trip. It halves while it is far more than is
/// used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    size: u32,
    /// What it does not shrink below.
    floor: u32,
    /// What it does not grow beyond.
    ceiling: u32,
    /// Octets that had been consumed when this half began, and when that was.
    half: Option<(u64, Duration)>,
}

impl Window {
    pub(crate) fn new(floor: u32, ceiling: u32) -> Self {
        Self {
            size: floor,
            floor,
            ceiling: ceiling.max(floor),
            half: None,
        }
    }

    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    pub(crate) fn set_size(&mut self, size: u32) {
        self.size = size.clamp(self.floor, self.ceiling);
    }

    pub(crate) fn ceiling(&self) -> u32 {
        self.ceiling
    }

    pub(crate) fn set_ceiling(&mut self, ceiling: u32) {
        self.ceiling = ceiling.max(self.size);
    }

    pub(crate) fn floor(&self) -> u32 {
        self.floor
    }

    /// Octets that have to be missing from the window for a `WINDOW_UPDATE`: a
    /// half of a small one, an eighth of a large one.
    pub(crate) fn worth_an_update(&self) -> u32 {
        (self.size / 8).max(WORTH_AN_UPDATE).min(self.size / 2)
    }

    /// What it should be to carry as much as the network does, if that is known.
    fn carried(estimate: &Estimate) -> u32 {
        // A peer sends on while an update is on its way.
        u32::try_from(estimate.product().saturating_mul(3) / 2).unwrap_or(u32::MAX)
    }

    /// Whether it is much less than that.
    pub(crate) fn may_open(&self, estimate: &Estimate) -> bool {
        Self::carried(estimate).min(self.ceiling) / 2 >= self.size
    }

    /// The size that it should have, now that so many octets are consumed in all.
    /// `keeps_up` says that the application is not what it waits for.
    pub(crate) fn wanted(
        &mut self,
        consumed: u64,
        now: Duration,
        estimate: &Estimate,
        keeps_up: bool,
    ) -> u32 {
        let (mark, since) = *self.half.get_or_insert((consumed, now));
        let used = consumed.saturating_sub(mark);
        let carried = Self::carried(estimate);
        let wanted = if used >= u64::from(self.size / 2) {
            self.half = Some((consumed, now));
            let time = now.saturating_sub(since);
            let turn = estimate.turn();
            if time < turn * 2 {
                // So many times as much would have lasted for that long.
                let times = (turn * 2).as_nanos() / time.as_nanos().max(1);
                let times = times.clamp(2, MOST_TIMES) as u32;
                self.size.saturating_mul(times).max(carried)
            } else if time > (turn * SLOW_TURNS).max(SLOW) {
                self.size / 2
            } else {
                self.size
            }
        } else if keeps_up && consumed >= u64::from(self.floor / 2) && self.may_open(estimate) {
            // It is worth it: an update takes half a round trip.
            carried
        } else {
            self.size
        };
        wanted.clamp(self.floor, self.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn estimate(turn: Duration) -> Estimate {
        let mut estimate = Estimate::default();
        estimate.answered(turn);
        estimate
    }

    #[test]
    fn w3_it_doubles_when_half_is_consumed_within_two_round_trips() {
        let mut window = Window::new(100_000, 1_000_000);
        let estimate = estimate(MS * 50);
        assert_eq!(window.wanted(0, MS * 10, &estimate, false), 100_000);
        assert_eq!(window.wanted(49_999, MS * 20, &estimate, false), 100_000);
        assert_eq!(window.wanted(50_000, MS * 109, &estimate, false), 200_000);
        window.set_size(200_000);
        // A half of that took 100 ms, which is not within two.
        assert_eq!(window.wanted(150_000, MS * 209, &estimate, false), 200_000);
        assert_eq!(window.wanted(250_000, MS * 308, &estimate, false), 400_000);
        // This one took a tenth of that.
        window.set_size(200_000);
        assert_eq!(
            window.wanted(350_000, MS * 318, &estimate, false),
            1_000_000
        );
        for turn in 0..20 {
            let size = window.wanted(1_000_000 * turn, MS * 400, &estimate, false);
            window.set_size(size);
        }
        assert_eq!(window.size(), 1_000_000);
    }

    #[test]
    fn w3_it_opens_to_what_the_network_carries() {
        let mut estimate = estimate(MS * 100);
        let mut window = Window::new(262_144, 16 << 20);
        let mut at = MS * 500;
        window.wanted(0, at, &estimate, false);
        for _ in 0..16 {
            estimate.received(16_384, at);
            at += Duration::from_micros(131);
        }
        // 125 MB/s for 100 ms, and a half more.
        let size = window.wanted(200_000, at, &estimate, false);
        assert_eq!(size, 16 << 20);
        window.set_size(300_000);
        assert_eq!(window.wanted(280_000, at, &estimate, true), 16 << 20);
        assert_eq!(window.wanted(280_000, at, &estimate, false), 300_000);
        // Not for a few octets.
        let mut window = Window::new(262_144, 16 << 20);
        assert_eq!(window.wanted(100_000, at, &estimate, true), 262_144);
    }

    #[test]
    fn it_shrinks_when_it_is_not_used_to_its_floor() {
        let mut window = Window::new(100_000, 1_000_000);
        let estimate = estimate(MS);
        window.set_size(900_000);
        let mut at = MS;
        window.wanted(0, at, &estimate, false);
        let mut sizes = Vec::new();
        for turn in 1..8 {
            at += MS * 2_500;
            let size = window.wanted(500_000 * turn, at, &estimate, false);
            window.set_size(size);
            sizes.push(size);
        }
        assert_eq!(sizes[..5], [450_000, 225_000, 112_500, 100_000, 100_000]);
    }

    #[test]
    fn small_updates_are_put_together() {
        let mut window = Window::new(65_535, 1 << 30);
        assert_eq!(window.worth_an_update(), 32_767);
        window.set_size(1 << 20);
        assert_eq!(window.worth_an_update(), 256 << 10);
        window.set_size(16 << 20);
        assert_eq!(window.worth_an_update(), 2 << 20);
    }
}
