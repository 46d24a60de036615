//! Flow-control credit on its way from who grants it to who spends it
//! (RFC 9113, section 5.2).

/// The largest flow-control window (RFC 9113, section 6.9.1).
pub(crate) const MAX_WINDOW: i64 = (1 << 31) - 1;

/// The flow-control window of a stream or of a connection, as both sides of the
/// transport see it.
///
/// One side *grants* credit: for DATA that goes out, the peer; for DATA that
/// comes in, the stack. The other side spends it, as far as it was *told* of it.
/// What it has spent may be *queued* here before the granter sees it.
///
/// ```text
/// granted = told + queued + withheld
/// ```
///
/// The transport never tells more than was granted, so `withheld` is not
/// negative (rules C1, C2), but for one case: SETTINGS may lower what was granted
/// by more than they lower what was told. Then it is what the spender must not
/// get through until the granter has made up for it.
///
/// All are signed: "a change to `SETTINGS_INITIAL_WINDOW_SIZE` can cause the
/// available space in a flow-control window to become negative" (RFC 9113,
/// section 6.9.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// What the granter takes from now on: its own view of the window.
    granted: i64,
    /// What the spender may spend from now on: its own view of the window.
    told: i64,
    /// What is spent, and not seen by the granter. Never negative.
    queued: i64,
}

impl Ledger {
    /// A window of `granted` octets, of which the spender knows `told`.
    pub(crate) fn new(granted: i64, told: i64) -> Self {
        Self {
            granted,
            told,
            queued: 0,
        }
    }

    pub(crate) fn granted(&self) -> i64 {
        self.granted
    }

    pub(crate) fn told(&self) -> i64 {
        self.told
    }

    pub(crate) fn queued(&self) -> i64 {
        self.queued
    }

    /// What the spender has not been told of.
    pub(crate) fn withheld(&self) -> i64 {
        self.granted - self.told - self.queued
    }

    /// What the spender still has, and what of it is queued here.
    pub(crate) fn at_hand(&self) -> i64 {
        self.told + self.queued
    }

    /// Of the queued octets, those that the granter takes now.
    #[cfg(test)]
    pub(crate) fn sendable(&self) -> i64 {
        self.queued.min(self.granted).max(0)
    }

    /// The granter allows so much more.
    pub(crate) fn grant(&mut self, octets: u32) {
        self.granted += i64::from(octets);
    }

    /// The spender is told of so much more.
    pub(crate) fn tell(&mut self, octets: u32) {
        self.told += i64::from(octets);
    }

    /// The spender has spent so much, which is queued here.
    pub(crate) fn queue(&mut self, octets: u32) {
        self.told -= i64::from(octets);
        self.queued += i64::from(octets);
    }

    /// Queued octets have gone to the granter.
    pub(crate) fn sent(&mut self, octets: u32) {
        self.queued -= i64::from(octets);
        self.granted -= i64::from(octets);
        debug_assert!(self.queued >= 0, "more was sent than was queued");
    }

    /// Queued octets were dropped: the granter will never see them, so what was
    /// spent on them is withheld again (rule C4).
    pub(crate) fn dropped(&mut self, octets: u32) {
        self.queued -= i64::from(octets);
        debug_assert!(self.queued >= 0, "more was dropped than was queued");
    }

    /// SETTINGS have moved both views (RFC 9113, section 6.9.2).
    pub(crate) fn adjust(&mut self, granted: i64, told: i64) {
        self.granted += granted;
        self.told += told;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c2_what_is_not_told_is_withheld() {
        let mut ledger = Ledger::new(1_000, 400);
        assert_eq!(ledger.withheld(), 600);
        ledger.queue(300);
        assert_eq!((ledger.at_hand(), ledger.withheld()), (400, 600));
        ledger.sent(100);
        assert_eq!((ledger.at_hand(), ledger.withheld()), (300, 600));
        assert_eq!((ledger.granted(), ledger.sendable()), (900, 200));
        ledger.tell(600);
        assert_eq!((ledger.told(), ledger.withheld()), (700, 0));
        ledger.grant(5);
        assert_eq!(ledger.withheld(), 5);
    }

    #[test]
    fn c4_what_is_dropped_can_be_told_again() {
        let mut ledger = Ledger::new(100, 100);
        ledger.queue(60);
        ledger.dropped(60);
        assert_eq!((ledger.withheld(), ledger.granted()), (60, 100));
        ledger.tell(60);
        assert_eq!(ledger, Ledger::new(100, 100));
    }

    #[test]
    fn c3_a_window_may_be_negative() {
        let mut ledger = Ledger::new(100, 100);
        ledger.queue(80);
        ledger.adjust(-90, -50);
        assert_eq!((ledger.granted(), ledger.told()), (10, -30));
        assert_eq!((ledger.sendable(), ledger.withheld()), (10, -40));
        ledger.sent(10);
        assert_eq!(ledger.sendable(), 0);
        ledger.adjust(-10, 0);
        assert_eq!((ledger.granted(), ledger.sendable()), (-10, 0));
        ledger.grant(30);
        assert_eq!(ledger.sendable(), 20);
    }
}
