//! What comes from the peer.

use super::{MAX_IDLE, MAX_OPENED, Streams};
use crate::proto::head::StreamId;
use crate::proto::priority::Priority;

impl Streams {
    /// A header block starts. Whether it opens the stream.
    pub(crate) fn opens(&mut self, stream: StreamId) -> bool {
        let number = stream.get();
        if !self.is_server || number.is_multiple_of(2) || number <= self.last_opened {
            return false;
        }
        self.last_opened = number;
        let priority = self.idle.remove(&stream);
        while self
            .idle
            .first_key_value()
            .is_some_and(|(&id, _)| id < stream)
        {
            // RFC 9113, section 5.1.1: these are closed now.
            self.idle.pop_first();
        }
        if self.records.len() < MAX_OPENED {
            let record = self.record(stream);
            if let Some(priority) = priority {
                record.priority = priority;
                record.is_updated = true;
            }
        }
        true
    }

    /// The peer has reset the stream: drops what waits (rule O4).
    pub(crate) fn reset(&mut self, stream: StreamId) {
        // There may be no record yet, and there shall be none any more.
        self.reset.insert(stream);
        self.drop_stream(stream);
    }

    /// The peer grants credit, which does not [overflow](Self::overflows) the window.
    /// Whether the stack shall not see it, because it is told when there is room.
    pub(crate) fn window_update(&mut self, stream: StreamId, increment: u32) -> bool {
        if stream.is_connection() {
            self.connection.grant(increment);
            self.connection.tell(increment);
            return false;
        }
        let Some(record) = self.records.get_mut(stream) else {
            return false;
        };
        record.ledger.grant(increment);
        // The stack is the judge of a wrong one (rule F2).
        let passes = !self.bounds.schedule || increment == 0;
        if passes {
            record.ledger.tell(increment);
        }
        self.recount(stream);
        self.settle(stream);
        self.consider(stream);
        !passes
    }

    /// SETTINGS of the peer start.
    pub(crate) fn settings(&mut self) {
        self.unacknowledged.0.push_back(0);
    }

    /// The peer's SETTINGS say what the window of new streams is; existing ones
    /// change by the difference (RFC 9113, section 6.9.2). Returns what the stack
    /// shall be told instead.
    pub(crate) fn set_initial_window(&mut self, window: u32) -> u32 {
        let granted = i64::from(window);
        let told = match self.bounds.schedule {
            true => granted.min(i64::from(self.bounds.stream)),
            false => granted,
        };
        self.move_initial_window(granted, told);
        told as u32
    }

    fn move_initial_window(&mut self, granted: i64, told: i64) {
        let (was_granted, was_told) = self.initial;
        if (granted, told) == self.initial {
            return;
        }
        self.initial = (granted, told);
        let (changes, sum) = &mut self.unacknowledged;
        if let Some(last) = changes.back_mut() {
            *last += granted - was_granted;
            *sum += granted - was_granted;
        }
        for (_, record) in self.records.iter_mut() {
            record.ledger.adjust(granted - was_granted, told - was_told);
            record.recount(self.bounds.stream, &mut self.sums);
        }
        let concerned = self.records.iter();
        let concerned = concerned.filter(|(_, record)| record.waits() || self.lack(record) > 0);
        let mut concerned: Vec<StreamId> = concerned.map(|(stream, _)| stream).collect();
        // The lowest first, so that their turns do not depend on chance.
        concerned.sort_unstable();
        for stream in concerned {
            self.settle(stream);
            self.consider(stream);
        }
    }

    /// The acknowledgement of SETTINGS goes out: the peer goes by them from there
    /// on.
    pub(super) fn acknowledge(&mut self) {
        let (changes, sum) = &mut self.unacknowledged;
        let change = changes.pop_front().unwrap_or(0);
        if change != 0 {
            *sum -= change;
            let waiting = self.records.iter().filter(|(_, record)| record.waits());
            let mut waiting: Vec<StreamId> = waiting.map(|(stream, _)| stream).collect();
            waiting.sort_unstable();
            for stream in waiting {
                self.settle(stream);
            }
        }
    }

    /// The same, of SETTINGS that the stack sees as they are.
    pub(crate) fn pass_initial_window(&mut self, window: u32) {
        self.move_initial_window(i64::from(window), i64::from(window));
    }

    /// A `PRIORITY_UPDATE` (rule P5).
    pub(crate) fn priority_update(&mut self, stream: StreamId, priority: Priority) {
        if !self.is_server {
            return;
        }
        match self.records.get_mut(stream) {
            Some(record) => {
                record.is_updated = true;
                if !record.distrusts {
                    self.set_priority(stream, priority);
                }
            }
            None if !stream.get().is_multiple_of(2) && stream.get() > self.last_opened => {
                self.idle.insert(stream, priority);
                if self.idle.len() > MAX_IDLE {
                    // The one that opens last, if ever.
                    self.idle.pop_last();
                }
            }
            None => {}
        }
    }
}
