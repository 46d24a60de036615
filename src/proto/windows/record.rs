//! One stream's receive window.

use std::sync::Arc;
use std::time::Duration;

use super::estimate::Estimate;
use super::window::Window;
use crate::flow_control::FlowHint;
use crate::proto::budget::{Share, WindowBudget};
use crate::proto::credit::Ledger;
use crate::proto::stream_state::StreamState;

/// The window of a stream before SETTINGS say otherwise (RFC 9113, section 6.9.2).
pub(super) const DEFAULT_WINDOW: i64 = 65_535;

/// Credit beyond what a body lacks, for its padding.
const FOR_PADDING: i64 = 16 * 1024;

/// Whether there is something that the peer is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    /// Perhaps once DATA has come, the stack has granted something, or the
    /// application has consumed enough.
    Later,
    /// The application has consumed more in the meantime.
    Again,
}

/// A stream on which DATA may come.
#[derive(Debug)]
pub(super) struct Record {
    ledger: Ledger,
    window: Window,
    /// What the window is larger than its floor.
    share: Share,
    /// Octets that came, but for padding.
    received: u64,
    /// Of those, what is not consumed, as far as a layer says so.
    unconsumed: u64,
    state: Option<Arc<StreamState>>,
    is_due: bool,
    is_stopped: bool,
    closes_later: bool,
    question: Question,
    is_asking: bool,
    /// The peer may have more credit than is known here.
    is_vague: bool,
    /// The peer has said nothing on the stream yet, which this end has opened.
    is_silent: bool,
}

/// Whether a layer is going to watch the stream. Until that is known nothing counts
/// as consumed: DATA may come together with the head that the layer has to see
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Open,
    /// The peer waits for the answer, since then, and so often it was looked for.
    Urgent(Duration, u32),
    /// It does not matter any more.
    Settled,
}

/// How long a peer waits for a layer to find its stream, and how many polls of the
/// connection's task: so other tasks have had their turn, on this thread or on
/// another. (tokio's `block_on` comes to its own future after 61 of others.) The task
/// polls all the while, as nothing else wakes it up.
const PATIENCE: (Duration, u32) = (Duration::from_millis(1), 256);

impl Record {
    /// `expected` says that layers may find the stream.
    pub(super) fn new(
        initial: (i64, i64),
        window: Window,
        budget: WindowBudget,
        expected: bool,
    ) -> Self {
        let (granted, told) = initial;
        Self {
            ledger: Ledger::new(granted, told),
            window,
            share: Share::none(budget),
            received: 0,
            unconsumed: 0,
            state: None,
            is_due: false,
            is_stopped: false,
            closes_later: false,
            question: match expected {
                true => Question::Open,
                false => Question::Settled,
            },
            is_asking: false,
            is_vague: false,
            is_silent: false,
        }
    }

    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    pub(super) fn set_silent(&mut self, is_silent: bool) -> bool {
        std::mem::replace(&mut self.is_silent, is_silent)
    }

    pub(super) fn set_vague(&mut self) {
        self.is_vague = true;
    }

    /// What the peer may send, if that is known for certain.
    pub(super) fn told(&self) -> Option<i64> {
        (!self.is_vague).then_some(self.ledger.told())
    }

    pub(super) fn attach(&mut self, state: &Arc<StreamState>) {
        self.state = Some(Arc::clone(state));
    }

    /// The task has been polled once more.
    pub(super) fn polled(&mut self) {
        self.is_asking = false;
        if let Question::Urgent(_, looks) = &mut self.question {
            *looks = looks.saturating_add(1);
        }
    }

    pub(super) fn set_asking(&mut self, is_asking: bool) -> bool {
        std::mem::replace(&mut self.is_asking, is_asking)
    }

    /// The octets that are consumed by now.
    fn consumed(&self) -> u64 {
        let state = self.state.as_ref();
        match state.and_then(|state| state.consumed()) {
            Some(consumed) => consumed.min(self.received),
            None if self.is_open() => 0,
            None => self.received,
        }
    }

    /// Whether it is to be seen yet if a layer watches.
    fn is_open(&self) -> bool {
        let expected = self.state.as_ref().is_none_or(|state| state.is_expected());
        self.question != Question::Settled && expected
    }

    /// The peer waits, and it is not known yet if that is for the application.
    /// Whether to go on asking; not for long.
    pub(super) fn asks(&mut self, now: Duration) -> bool {
        let is_urgent = self.is_open() && self.ledger.told() < i64::from(self.size() / 8);
        self.question = match self.question {
            Question::Open if is_urgent => Question::Urgent(now, 0),
            Question::Urgent(since, looks)
                if now.saturating_sub(since) >= PATIENCE.0 && looks >= PATIENCE.1 =>
            {
                Question::Settled
            }
            question => question,
        };
        is_urgent && self.question != Question::Settled
    }

    pub(super) fn set_ceiling(&mut self, ceiling: u32) {
        self.window.set_ceiling(ceiling);
    }

    pub(super) fn size(&self) -> u32 {
        self.window.size()
    }

    /// What it has of the budget.
    pub(super) fn share(&self) -> u64 {
        self.share.octets()
    }

    pub(super) fn unconsumed(&self) -> u64 {
        self.unconsumed
    }

    /// What the peer may send, and what the stack has granted beyond that.
    #[cfg(any(test, fuzzing))]
    pub(super) fn credit(&self) -> (i64, i64) {
        (self.ledger.told(), self.ledger.withheld())
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn came(&self) -> u64 {
        self.received
    }

    pub(super) fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The head of a DATA frame has come. Whether the peer has used up all it had.
    pub(super) fn received(&mut self, length: u32) -> bool {
        self.ledger.queue(length);
        self.ledger.sent(length);
        self.received += u64::from(length);
        let stops = self.ledger.told() <= 0 && !self.is_stopped;
        self.is_stopped |= stops;
        stops
    }

    pub(super) fn padding(&mut self, octets: u32) {
        self.received = self.received.saturating_sub(octets.into());
    }

    /// The octets of the content that are still to come, if that is known.
    fn missing(&self) -> Option<i64> {
        let length = self.state.as_ref()?.length()?;
        i64::try_from(length.saturating_sub(self.received)).ok()
    }

    /// Looks at what is consumed by now. Returns the size that the window should
    /// have.
    pub(super) fn look(&mut self, now: Duration, estimate: &Estimate) -> u32 {
        let consumed = self.consumed();
        self.unconsumed = self.received - consumed;
        let size = self.size();
        let keeps_up = self.unconsumed <= self.backlog();
        match self.hint() {
            Some(FlowHint::Bulk) if self.is_worth_growing() => self.window.ceiling(),
            Some(FlowHint::Bulk) => size,
            Some(FlowHint::Interactive) => self.window.floor(),
            None if self.received == 0 => size,
            None => {
                let wanted = self.window.wanted(consumed, now, estimate, keeps_up);
                match wanted > size && !self.is_worth_growing() {
                    true => size,
                    false => wanted,
                }
            }
        }
    }

    pub(super) fn hint(&self) -> Option<FlowHint> {
        self.state.as_ref()?.hint()
    }

    /// Not at the end of a body.
    fn is_worth_growing(&self) -> bool {
        let missing = self.missing();
        missing.is_none_or(|missing| missing > self.ledger.told())
    }

    /// Changes the window as far as the budget goes, for a connection that holds
    /// `held` of it, and takes at most `room` more.
    pub(super) fn resize(&mut self, wanted: u32, held: u64, room: u64) {
        let floor = self.window.floor();
        if wanted > self.size() {
            let lacking = u64::from(wanted - floor).saturating_sub(self.share());
            self.share.grow(lacking.min(room), held);
            let size = u64::from(floor) + self.share();
            let size = u32::try_from(size).unwrap_or(u32::MAX).min(wanted);
            self.window.set_size(size.max(self.size()));
        } else {
            self.window.set_size(wanted);
            // What the peer was told it may still send.
            let told = u64::try_from(self.ledger.told()).unwrap_or(0);
            let needed = (told + self.unconsumed).max(self.size().into());
            self.share.shrink_to(needed - u64::from(floor));
        }
        if let Some(state) = &self.state {
            state.set_received(self.received, self.size().into());
        }
    }

    /// How much more the peer is to be told of now.
    fn more(&self) -> i64 {
        let told = self.ledger.told();
        let missing = i64::from(self.size()) - self.unconsumed as i64 - told;
        if missing < i64::from(self.window.worth_an_update()) {
            return 0;
        }
        let more = missing.min(self.ledger.withheld());
        match self.missing() {
            // Credit that nothing will be sent on is of no use to anybody.
            Some(content) if told >= content + FOR_PADDING / 2 => 0,
            Some(content) => more.min(content + FOR_PADDING - told),
            None => more,
        }
    }

    /// Whether the peer is to be told something now. If something hangs on what the
    /// application consumes, that is asked to say when it has: an update, or, if the
    /// window `may_open`, whether it keeps up.
    pub(super) fn due(&self, may_open: bool) -> Due {
        if self.more() > 0 {
            return Due::Now;
        }
        let Some(state) = &self.state else {
            return Due::Later;
        };
        let consumed = self.consumed();
        let unconsumed = self.received - consumed;
        if unconsumed != self.unconsumed {
            return Due::Again;
        }
        let missing = i64::from(self.size()) - unconsumed as i64 - self.ledger.told();
        let for_update = i64::from(self.window.worth_an_update()) - missing;
        let for_update = u64::try_from(for_update)
            .ok()
            .filter(|lacking| *lacking > 0);
        let to_keep_up = unconsumed.saturating_sub(self.backlog());
        let to_keep_up = Some(to_keep_up).filter(|lacking| may_open && *lacking > 0);
        let lacking = for_update.into_iter().chain(to_keep_up).min();
        match lacking.filter(|lacking| *lacking <= unconsumed) {
            Some(lacking) if !state.set_alarm(consumed + lacking) => Due::Again,
            _ => Due::Later,
        }
    }

    /// What may wait for an application that keeps up. One that does not has far
    /// more, as a window is replenished when a half of it is consumed.
    fn backlog(&self) -> u64 {
        u64::from(self.size() / 8)
    }

    /// Whether it would be larger if the application kept up.
    pub(super) fn may_open(&self, estimate: &Estimate) -> bool {
        self.unconsumed > self.backlog() && self.hint().is_none() && self.window.may_open(estimate)
    }

    pub(super) fn set_due(&mut self, is_due: bool) -> bool {
        std::mem::replace(&mut self.is_due, is_due)
    }

    /// Tells the peer as much as it is to know now. Returns how much more that is.
    pub(super) fn tell(&mut self) -> u32 {
        let more = u32::try_from(self.more()).unwrap_or(0);
        self.ledger.tell(more);
        self.is_stopped &= more == 0;
        more
    }

    /// The handles are told that the stream is over when this direction is, too.
    pub(super) fn close_later(&mut self) {
        self.closes_later = true;
    }

    /// Nothing more comes. With `keeps` what has come is still to be consumed, and
    /// counts against the budget until then. Whether the handles were to be told.
    pub(super) fn close(mut self, keeps: bool) -> bool {
        if let Some(state) = &self.state {
            state.set_received(self.received, self.size().into());
            if keeps && self.unconsumed > 0 {
                self.share.shrink_to(self.unconsumed);
                state.keep(self.share);
            }
        }
        self.closes_later
    }
}
