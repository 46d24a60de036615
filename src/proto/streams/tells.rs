//! What the stack is told of the peer's credit.

use super::{LEAST_SHARE, Record, Streams, UNCONGESTED};
use crate::proto::credit::MAX_WINDOW;
use crate::proto::head::{Flags, FrameType, Head, StreamId};

/// What the stack is told why.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

impl Streams {
    /// Whether [`Streams::tell`] has something to say.
    pub(crate) fn has_tells(&self) -> bool {
        !self.to_tell.is_empty() || !self.to_reset.is_empty() || self.connection.withheld() > 0
    }

    /// Appends the `WINDOW_UPDATE` frames that the stack shall see: of streams
    /// that have room, and of the connection for what was dropped (rule C4); and the
    /// ends of streams that were given up, as if the peer had reset them.
    pub(crate) fn tell(&mut self, out: &mut Vec<u8>) {
        for stream in std::mem::take(&mut self.to_reset) {
            out.extend(reset_head(stream).encode());
            out.extend(CANCEL);
        }
        while let Some(stream) = self.to_tell.pop_front() {
            let more = self.records.get(stream).map(|record| self.lack(record));
            if let Some(record) = self.records.get_mut(stream) {
                record.is_to_tell = false;
                if let Some(more @ 1..) = more {
                    record.ledger.tell(more);
                    record.recount(self.bounds.stream, &mut self.sums);
                    window_update(stream, more, out);
                }
            }
        }
        let refund = self.connection.withheld().min(MAX_WINDOW);
        if refund > 0 {
            self.connection.tell(refund as u32);
            window_update(StreamId::CONNECTION, refund as u32, out);
        }
    }

    /// Whether so much more credit makes the window of a stream larger than it may
    /// be (RFC 9113, section 6.9.1), and the stack cannot know, because it was told
    /// of less.
    pub(crate) fn overflows(&self, stream: StreamId, increment: u32) -> bool {
        let record = self.records.get(stream);
        record.is_some_and(|record| self.overflows_by(record, increment.into()))
    }

    fn overflows_by(&self, record: &Record, more: i64) -> bool {
        let is_known = self.bounds.schedule && !record.ended && !record.is_late;
        is_known && record.ledger.granted() + more > MAX_WINDOW
    }

    /// What the stack sees instead of a `WINDOW_UPDATE` that overflows: it is the
    /// judge of that (rule F2), so its own view of the window has to overflow. It
    /// does with the first frame, or else, where that view is negative or about to
    /// be, with the second.
    pub(crate) fn overflow(&self, stream: StreamId) -> Vec<u8> {
        let mut octets = Vec::new();
        for _ in 0..2 {
            window_update(stream, MAX_WINDOW as u32, &mut octets);
        }
        octets
    }

    /// The same for SETTINGS that change the windows of all streams to go by this
    /// initial one: what the stack sees before them, if one overflows (section
    /// 6.9.2). They shall say [`MAX_WINDOW`] then. Where the stack has closed that
    /// stream by now, it does not mind; so [an overflow](Self::overflow) of the
    /// connection has to follow at once.
    pub(crate) fn overflow_by_settings(&self, initial: u32) -> Option<Vec<u8>> {
        let more = i64::from(initial) - self.initial.0;
        if more <= 0 {
            return None;
        }
        let mut records = self.records.iter();
        let (stream, record) = records.find(|(_, record)| self.overflows_by(record, more))?;
        let mut octets = Vec::new();
        let missing = MAX_WINDOW - record.ledger.told();
        if missing > 0 {
            window_update(stream, missing.min(MAX_WINDOW) as u32, &mut octets);
        }
        Some(octets)
    }

    /// What a stream may have at hand: known to the stack, or queued.
    ///
    /// Whoever is told of credit may use it, even if the peer takes it away meanwhile
    /// (RFC 9113, section 6.9.2). So all together do not have much more than they
    /// share, even where nothing is congested. Beyond what each may have queued none
    /// gets more than it has sent so far, nor than half of what is left, as what is
    /// told of is bound for as long as the stream says nothing more.
    fn allowance(&self, record: &Record) -> i64 {
        let stream = i64::from(self.bounds.stream);
        if self.queueing {
            let senders = self.senders.max(1) as i64;
            let share = self.bounds.connection as i64 / 2 / senders;
            share.clamp(LEAST_SHARE, stream)
        } else {
            let others = self.sums.shared - record.part.shared;
            let left = (UNCONGESTED - others) / 2;
            let earned = stream.saturating_add(i64::try_from(record.sent).unwrap_or(i64::MAX));
            left.min(earned).max(stream)
        }
    }

    /// How much more the stack is to be told of, because the stream has run low.
    pub(super) fn lack(&self, record: &Record) -> u32 {
        let (has, withheld) = (record.ledger.at_hand(), record.ledger.withheld());
        let allowed = self.allowance(record);
        let is_low = has < allowed / 2 && withheld > 0 && !record.ended;
        match is_low {
            true => (allowed - has).min(withheld) as u32,
            false => 0,
        }
    }

    /// Notes the stream if it has run low, and there is more.
    pub(super) fn consider(&mut self, stream: StreamId) {
        let record = self.records.get(stream);
        let lacks = record.is_some_and(|record| !record.is_to_tell && self.lack(record) > 0);
        if lacks && let Some(record) = self.records.get_mut(stream) {
            record.is_to_tell = true;
            self.to_tell.push_back(stream);
        }
    }
}

/// The head of `RST_STREAM`.
pub(super) fn reset_head(stream: StreamId) -> Head {
    Head {
        length: 4,
        kind: FrameType::RST_STREAM,
        flags: Flags::NONE,
        stream,
    }
}

fn window_update(stream: StreamId, increment: u32, out: &mut Vec<u8>) {
    let head = Head {
        length: 4,
        kind: FrameType::WINDOW_UPDATE,
        flags: Flags::NONE,
        stream,
    };
    out.extend(head.encode());
    out.extend(increment.to_be_bytes());
}
