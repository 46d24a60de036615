//! Which stream goes next (RFC 9218, section 10).
//!
//! The scheduler knows streams and priorities, and nothing of what they send:
//! its user keeps the queues, [`insert`](Scheduler::insert)s a stream when it
//! has something that may be sent, sends one wire frame of the
//! [`next`](Scheduler::next) one, tells [`served`](Scheduler::served) how large
//! it was, and [`remove`](Scheduler::remove)s the stream when nothing is left
//! or its window is closed.
//!
//! # The order
//!
//! > For prioritization schemes that use urgency, the server SHOULD send
//! > higher-urgency responses before lower ones (RFC 9218, section 10).
//!
//! The lowest urgency goes first. Within it, streams that are not incremental
//! go one after the other in stream order, those that are take turns frame by
//! frame, and where both kinds wait, the kind that was served fewer octets goes
//! first: an incremental download is not held up by a queue of others, nor they
//! by it.

mod in_order;

use std::mem;
use std::num::NonZeroU32;

use self::in_order::InOrder;
use super::{head::StreamId, priority::Priority, stream_map::StreamMap};

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;

/// The streams that have something to send, in the order of RFC 9218.
///
/// [`next`](Self::next) takes constant time, and so does all else, but that a
/// stream that is not incremental has to find its place among those with higher
/// numbers. Only streams that wait take memory, and none is allocated while there
/// are as many as before, and no more than some thousands.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    /// Exactly the streams that stand in `levels`.
    places: StreamMap<Place>,
    levels: [Level; Priority::URGENCIES],
    /// Bit `u` is set if level `u` is not empty.
    occupied: u8,
    relief: Option<Relief>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    priority: Priority,
    /// Who had its turn before and who has it after an incremental stream, in a
    /// ring: the stream itself if it is alone, or not incremental.
    before: StreamId,
    after: StreamId,
}

/// The streams of one urgency.
#[derive(Debug, Default)]
struct Level {
    in_order: InOrder,
    /// Whose turn it is, in a ring by turn, not by stream: streams with ever
    /// higher numbers that come and go would otherwise keep the lowest from its
    /// turn for ever.
    in_turn: Option<StreamId>,
    /// Octets that `in_order` was served more than `in_turn` since both have
    /// waited; 0 when one is empty.
    lead: i64,
    /// The frame count when this level was last served, or last became
    /// occupied.
    waits_since: u64,
}

/// One frame in `every` goes to a less urgent level.
#[derive(Debug)]
struct Relief {
    every: NonZeroU32,
    /// Frames in a row, up to `every - 1`, that went to the most urgent level
    /// while others waited.
    row: u32,
    frames: u64,
}

impl Scheduler {
    /// A scheduler in which no urgency starves: one frame in `every` goes to
    /// the less urgent level that has waited longest.
    pub(crate) fn with_relief(every: NonZeroU32) -> Self {
        Self {
            relief: Some(Relief {
                every,
                row: 0,
                frames: 0,
            }),
            ..Self::default()
        }
    }

    /// With a key from a random source, for where a peer may have many streams
    /// wait: see [`StreamMap`].
    pub(crate) fn keyed(self, key: u64) -> Self {
        debug_assert!(self.places.is_empty(), "nobody waits yet");
        Self {
            places: StreamMap::with_key(key),
            ..self
        }
    }

    /// Whether no stream waits.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The stream has something to send. An incremental one joins at the end of
    /// the turn. If the stream waits already, only its priority is set.
    pub(crate) fn insert(&mut self, stream: StreamId, priority: Priority) {
        if self.places.contains(stream) {
            return self.set_priority(stream, priority);
        }
        let urgency = usize::from(priority.urgency());
        let level = &mut self.levels[urgency];
        if level.is_empty() {
            self.occupied |= 1 << urgency;
            level.waits_since = self.relief.as_ref().map_or(0, |relief| relief.frames);
        }
        let (before, after) = if priority.is_incremental() {
            self.join_turn(urgency, stream)
        } else {
            level.in_order.insert(stream);
            (stream, stream)
        };
        let place = Place {
            priority,
            before,
            after,
        };
        self.places.insert(stream, place);
    }

    /// The stream has nothing more to send, or must not send it now.
    pub(crate) fn remove(&mut self, stream: StreamId) {
        let Some(place) = self.places.remove(stream) else {
            return;
        };
        let urgency = usize::from(place.priority.urgency());
        let level = &mut self.levels[urgency];
        if place.priority.is_incremental() {
            if level.in_turn == Some(stream) {
                level.in_turn = Some(place.after).filter(|&after| after != stream);
            }
            self.link(place.before, place.after);
        } else {
            level.in_order.remove(stream);
        }
        let level = &mut self.levels[urgency];
        if level.in_order.is_empty() || level.in_turn.is_none() {
            level.lead = 0;
        }
        if level.is_empty() {
            self.occupied &= !(1 << urgency);
        }
    }

    /// The stream's priority is another from now on. Nothing happens if it does
    /// not wait, or if the priority is what it was.
    pub(crate) fn set_priority(&mut self, stream: StreamId, priority: Priority) {
        if self
            .places
            .get(stream)
            .is_some_and(|place| place.priority != priority)
        {
            self.remove(stream);
            self.insert(stream, priority);
        }
    }

    /// The stream that sends the next frame.
    pub(crate) fn next(&self) -> Option<StreamId> {
        let level = &self.levels[self.level()?];
        let first = level.in_order.first();
        if level.in_turn.is_none() || level.lead <= 0 {
            first.or(level.in_turn)
        } else {
            level.in_turn
        }
    }

    /// A frame of `octets` of the stream was sent, because it was
    /// [`next`](Self::next).
    pub(crate) fn served(&mut self, stream: StreamId, octets: usize) {
        let Some(place) = self.places.get(stream).copied() else {
            return;
        };
        let urgency = usize::from(place.priority.urgency());
        let level = &mut self.levels[urgency];
        let shared = !level.in_order.is_empty() && level.in_turn.is_some();
        let octets = if shared { octets as i64 } else { 0 };
        if place.priority.is_incremental() {
            level.lead -= octets;
            if level.in_turn == Some(stream) {
                // It becomes the last of the ring, if it is not alone.
                level.in_turn = Some(place.after);
            } else {
                self.link(place.before, place.after);
                let (before, after) = self.join_turn(urgency, stream);
                if let Some(place) = self.places.get_mut(stream) {
                    place.before = before;
                    place.after = after;
                }
            }
        } else {
            level.lead += octets;
        }
        if let Some(relief) = &mut self.relief {
            relief.frames += 1;
            self.levels[urgency].waits_since = relief.frames;
            let others_wait = self.occupied.count_ones() > 1;
            let most_urgent = self.occupied.trailing_zeros() as usize == urgency;
            relief.row = if others_wait && most_urgent {
                (relief.row + 1).min(relief.every.get() - 1)
            } else {
                0
            };
        }
    }

    /// Puts an incremental stream, which is not in the ring, at the end of the
    /// turn: before whose turn it is. Returns who is before and after it.
    fn join_turn(&mut self, urgency: usize, stream: StreamId) -> (StreamId, StreamId) {
        let first = *self.levels[urgency].in_turn.get_or_insert(stream);
        if first == stream {
            return (stream, stream);
        }
        let last = match self.places.get_mut(first) {
            Some(place) => mem::replace(&mut place.before, stream),
            None => first,
        };
        if let Some(place) = self.places.get_mut(last) {
            place.after = stream;
        }
        (last, first)
    }

    /// Lets `after` have its turn after `before`. A stream that was alone, and
    /// is gone, is neither.
    fn link(&mut self, before: StreamId, after: StreamId) {
        if let Some(place) = self.places.get_mut(before) {
            place.after = after;
        }
        if let Some(place) = self.places.get_mut(after) {
            place.before = before;
        }
    }

    fn level(&self) -> Option<usize> {
        if self.occupied == 0 {
            return None;
        }
        let urgent = self.occupied.trailing_zeros() as usize;
        let relieved = self
            .relief
            .as_ref()
            .filter(|relief| relief.row + 1 >= relief.every.get())
            .and_then(|_| {
                (urgent + 1..self.levels.len())
                    .filter(|&urgency| self.occupied & (1 << urgency) != 0)
                    .min_by_key(|&urgency| self.levels[urgency].waits_since)
            });
        Some(relieved.unwrap_or(urgent))
    }
}

impl Level {
    fn is_empty(&self) -> bool {
        self.in_order.is_empty() && self.in_turn.is_none()
    }
}
