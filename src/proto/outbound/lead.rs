//! What goes to the wire that is not an octet of the stack's.

use crate::proto::head::{Head, StreamId};
use crate::proto::settings::{self, PARAMETER};

/// The octets at the front of a wire frame that are not the stack's: a head,
/// and the pad length where one has moved, or a parameter that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    octets: [u8; Self::MAX],
    /// Octets at the front that are on the wire already.
    pub(super) start: u8,
    end: u8,
    /// The head that the octets encode, or that of the frame that they belong to.
    pub(crate) head: Head,
    /// The window of new streams that the stack asks for, in a parameter, and the
    /// one that the peer is told.
    pub(crate) window: Option<(u32, u32)>,
    /// The last stream of the peer's that the stack heeds, in a GOAWAY.
    pub(crate) last: Option<StreamId>,
}

impl Lead {
    /// Octets of the longest lead.
    pub(crate) const MAX: usize = Head::LEN + PARAMETER;

    pub(super) fn new(head: Head) -> Self {
        Self::verbatim(head, &head.encode())
    }

    /// The stack's own octets, reserved bit and all.
    pub(super) fn verbatim(head: Head, encoded: &[u8; Head::LEN]) -> Self {
        let mut octets = [0; Self::MAX];
        octets[..Head::LEN].copy_from_slice(encoded);
        Self {
            octets,
            start: 0,
            end: Head::LEN as u8,
            head,
            window: None,
            last: None,
        }
    }

    /// The front of a GOAWAY's payload, which says what the last stream is.
    pub(super) fn goaway(head: Head, front: [u8; PARAMETER]) -> Self {
        let mut octets = [0; Self::MAX];
        octets[..PARAMETER].copy_from_slice(&front);
        let [a, b, c, d, ..] = front;
        Self {
            octets,
            start: 0,
            end: PARAMETER as u8,
            head,
            window: None,
            last: Some(StreamId::from_wire(u32::from_be_bytes([a, b, c, d]))),
        }
    }

    /// A parameter of SETTINGS, in which a window of new streams is at most `most`.
    pub(super) fn parameter(head: Head, mut parameter: [u8; PARAMETER], most: u32) -> Self {
        let asked = settings::initial_window_size(&parameter).ok().flatten();
        settings::lower_initial_window_size(&mut parameter, most);
        let mut octets = [0; Self::MAX];
        octets[..PARAMETER].copy_from_slice(&parameter);
        Self {
            octets,
            start: 0,
            end: PARAMETER as u8,
            head,
            window: asked.map(|asked| (asked, asked.min(most))),
            last: None,
        }
    }

    pub(super) fn with_pad_length(mut self, pad: u8) -> Self {
        self.octets[Head::LEN] = pad;
        self.end = Head::LEN as u8 + 1;
        self
    }

    pub(super) fn with_parameter(mut self, parameter: [u8; PARAMETER]) -> Self {
        self.octets[Head::LEN..].copy_from_slice(&parameter);
        self.end = Self::MAX as u8;
        self
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets[usize::from(self.start)..usize::from(self.end)]
    }
}
